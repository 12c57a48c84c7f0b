"""One file from the Hugging Face hub: pinned, verified, resumed, and kept once.

::

    FOLDER/timm--resnet18.tv_in1k/REVISION/
        model.safetensors           whole and verified, renamed there at one instant
        model.safetensors.sha256    its hash, as `sha256sum --check` reads it
        model.safetensors.part      what has arrived; the next call goes on from there
        model.safetensors.lock      held by the one process that is fetching

The hub is spoken to with the standard library: an address that ends in
`resolve/REVISION/FILE`, and a header that tells the SHA-256. The huggingface_hub
package (2.4) deletes what had arrived when a download fails, takes its timeouts from
the environment at import, and compares a file's length but not its hash. HF_ENDPOINT,
HF_HUB_OFFLINE, HF_HUB_CACHE and HF_HOME count here as they do there.
"""

import errno
import http.client
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from vicinal.core.storage.files import flush_to_disk, sha256, write_text
from vicinal.errors import ModelFileError, RunError, SettingError, VicinalError

TIMEOUT = 20.0
"""seconds without a byte after which a server counts as stalled"""
TRIES = 3
"""times in a row that nothing more may arrive"""
PAUSE = 1.0
"""seconds before it is tried again"""
CHUNK = 1 << 18
"""bytes that are read at a time, at most"""
MAY_PASS = {408, 425, 429, 500, 502, 503, 504}
"""answers of a server that might be others in a moment"""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class HubFile:
    """What is wanted; the hash says whether it came."""

    repository: str
    """owner and name on the hub, such as timm/resnet18.tv_in1k"""

    revision: str
    """a commit, or a branch"""

    file: str
    """name inside the repository"""

    sha256: str | None = None
    """of the content, 64 hex digits; None: what the hub says it is"""

    bytes: int | None = None
    """size; None: what the hub says it is"""

    @property
    def address(self) -> str:
        """Where it is fetched from; SettingError when HF_ENDPOINT is no address."""
        hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        if not hub.startswith(("https://", "http://")):
            raise SettingError(
                "HF_ENDPOINT must be the address of a hub, such as "
                f"https://huggingface.co. Got {hub!r}."
            )
        return (
            f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{self.file}"
        )

    def place(self, folder: Path) -> Path:
        """Where it is kept in a cache folder."""
        return folder / self.repository.replace("/", "--") / self.revision / self.file


def fetch(
    file: HubFile,
    folder: Path,
    *,
    tell: Tell = lambda text: None,
    timeout: float = TIMEOUT,
) -> Path:
    """The path of a file on disk, verified; downloaded into `folder` if need be.

    tell: is told what is going on, a sentence at a time. timeout: seconds.
    Raises RunError when the network fails or is switched off or the disk is full, and
    ModelFileError when what came is not what was wanted; both say how to bring the
    file by hand. What failed its check is removed, so that it is never used.
    """
    path = file.place(folder)
    with _disk_errors(path):
        found = _verified(file, path) or _in_hub_cache(file)
        if found:
            return found
        if _offline():
            flaw = "is damaged" if path.exists() else "is not there"
            raise RunError(
                f"{path} {flaw}, and HF_HUB_OFFLINE keeps it from being fetched. "
                + _by_hand(file, path)
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path, tell):
            return _verified(file, path) or _Download(file, path, tell, timeout).run()


def kept(file: HubFile, folder: Path) -> Path | None:
    """Where a file lies on disk, by its name alone; `fetch` also verifies it."""
    places = [file.place(folder), *_hub_blob(file)]
    return next((path for path in places if path.is_file()), None)


class _Failed(Exception):
    """The network failed, in a way that may pass or not."""

    def __init__(self, reason: str, may_pass: bool = True) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


@dataclass(frozen=True)
class _Download:
    """One file on its way."""

    file: HubFile
    path: Path
    tell: Tell
    timeout: float

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def run(self) -> Path:
        """Fetch, verify, and only then give the file its name."""
        if self.path.exists():
            self.tell(f"{self.path} is damaged; it is fetched again.")
            self.path.unlink()
        self.tell(f"Fetching {self.file.address}")
        wanted = self._persist()
        flaw = _flaw(wanted, self.part)
        if flaw:
            self.part.unlink()
            raise self._wrong(flaw)
        flush_to_disk(self.part)
        write_text(_record(self.path), f"{wanted.sha256}  {self.path.name}\n")
        return self.part.replace(self.path)

    def _persist(self) -> HubFile:
        """Go on while more arrives, and TRIES times when nothing does."""
        tries = TRIES
        while True:
            before = _size(self.part)
            try:
                return self._go_on()
            except _Failed as error:
                tries = TRIES if _size(self.part) > before else tries - 1
                if not error.may_pass or not tries:
                    raise self._given_up(error) from error
                self.tell(f"{error}; trying again.")
                time.sleep(PAUSE)

    def _go_on(self) -> HubFile:
        """Add what is missing; the file, with the hash and size that it must have."""
        file, part = self.file, self.part
        if file.sha256 and file.bytes == _size(part):
            return file  # a kill came between the last byte and the new name
        answer = _ask(file, _size(part), self.timeout)
        with closing(answer.body):
            if file.bytes not in (None, answer.total):
                raise self._wrong(f"it has {answer.total:,} bytes, not {file.bytes:,}")
            self._write(answer)
        return replace(file, sha256=file.sha256 or answer.sha256, bytes=answer.total)

    def _write(self, answer: "_Answer") -> None:
        missing = answer.total - answer.start
        free = shutil.disk_usage(self.part.parent).free
        if free < missing:
            raise OSError(
                errno.ENOSPC, f"it takes {missing:,} bytes, {free:,} are free"
            )
        with (
            self.part.open("ab") as out,
            _progress(self.path.name, answer.start, answer.total, self.tell) as advance,
        ):
            out.truncate(answer.start)
            for chunk in _chunks(answer):
                out.write(chunk)
                advance(len(chunk))

    def _given_up(self, error: _Failed) -> RunError:
        kept = "What has arrived is kept: the next try goes on from there. "
        return RunError(
            f"{self.file.address} cannot be fetched: {error}. "
            + (kept if self.part.exists() else "")
            + _by_hand(self.file, self.path)
        )

    def _wrong(self, flaw: str) -> ModelFileError:
        return ModelFileError(
            f"What {self.file.address} gave is not the file that was wanted: {flaw}. "
            "It is not used. Try once more: a proxy or a mirror may have answered in "
            "the hub's place. " + _by_hand(self.file, self.path)
        )


def _by_hand(file: HubFile, path: Path) -> str:
    return (
        f"To bring it by hand, fetch {file.address} where there is a network and put "
        f"it at {path}; or name another .safetensors file with --weights FILE."
    )


@contextmanager
def _progress(
    name: str, done: int, total: int, tell: Tell
) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; in a log, a sentence every ten seconds."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

    quiet, spoken = not sys.stderr.isatty(), time.monotonic()
    plain = Progress.get_default_columns()[:2]  # the name and the bar
    columns = (*plain, DownloadColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=quiet) as bar:
        task = bar.add_task(name, total=total, completed=done)

        def advance(count: int) -> None:
            nonlocal done, spoken
            done += count
            bar.advance(task, count)
            if quiet and time.monotonic() - spoken > 10:
                spoken = time.monotonic()
                tell(f"{name}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB")

        yield advance


# --- the network ---------------------------------------------------------------------


class _Answer(NamedTuple):
    """What a server said before it sends the file."""

    body: http.client.HTTPResponse
    start: int
    """bytes that the body leaves out, as they are there already"""

    total: int
    """bytes of the whole file"""

    sha256: str | None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects; the hub tells the hash as it sends on to its storage."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.tags.append(headers.get("X-Linked-ETag", ""))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _ask(file: HubFile, start: int, timeout: float) -> _Answer:
    """Ask for a file from byte `start` on; a server may send the whole all the same."""
    headers = {"User-Agent": "vicinal"} | (
        {"Range": f"bytes={start}-"} if start else {}
    )
    redirects = _Redirects()
    try:
        request = urllib.request.Request(file.address, headers=headers)
        opener = urllib.request.build_opener(redirects)
        body = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # the file ends before that byte
            return _ask(file, 0, timeout)
        answer = f"the server answers {error.code} {error.reason}"
        raise _Failed(answer, error.code in MAY_PASS) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(_reason(error)) from error
    tags = [*redirects.tags, body.headers["X-Linked-ETag"], body.headers["ETag"]]
    start = start if body.status == 206 else 0
    total = file.bytes if body.length is None else start + body.length
    told = re.search(r"\b[0-9a-f]{64}\b", " ".join(tag or "" for tag in tags))
    if total is None or not (file.sha256 or told):
        body.close()
        lacking = "length" if total is None else "SHA-256"
        raise _Failed(f"the server does not tell the file's {lacking}", may_pass=False)
    return _Answer(body, start, total, told[0] if told else None)


def _chunks(answer: _Answer) -> Iterator[bytes]:
    done = answer.start
    while done < answer.total:
        try:
            chunk = answer.body.read1(min(CHUNK, answer.total - done))
        except (OSError, http.client.HTTPException) as error:
            raise _Failed(_reason(error)) from error
        if not chunk:
            raise _Failed(f"the server ended after {done:,} of {answer.total:,} bytes")
        done += len(chunk)
        yield chunk


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # urllib wraps what happened
    if isinstance(cause, TimeoutError):
        return "the server stalled"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


# --- the disk ------------------------------------------------------------------------


def _verified(file: HubFile, path: Path) -> Path | None:
    """The path, if the file that was wanted is there."""
    return path if path.is_file() and not _flaw(_with_hash(file, path), path) else None


def _flaw(file: HubFile, path: Path) -> str:
    """What a file has and should not have; nothing where it is the one wanted."""
    size = _size(path)
    if file.bytes not in (None, size):
        return f"it has {size:,} bytes, not {file.bytes:,}"
    digest = sha256(path) if file.sha256 else None
    if digest != file.sha256:
        return f"its SHA-256 is {digest}, not {file.sha256}"
    return ""


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _with_hash(file: HubFile, path: Path) -> HubFile:
    """A file of unknown hash, with the one that was recorded when it was fetched.

    Where there is no record it was brought by hand, and is what the user says it is.
    """
    if file.sha256 or not _record(path).is_file():
        return file
    return replace(file, sha256=_record(path).read_text(encoding="utf-8")[:64])


def _hub_blob(file: HubFile) -> list[Path]:
    """Where other programs keep that content: the hub's cache names it by its hash.

    https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    if file.sha256 is None:
        return []
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or base / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = "models--" + file.repository.replace("/", "--")
    return [cache / repository / "blobs" / file.sha256]


def _in_hub_cache(file: HubFile) -> Path | None:
    return next((blob for blob in _hub_blob(file) if _verified(file, blob)), None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _held(path: Path, tell: Tell) -> Iterator[None]:
    """Let one process fetch; another waits, and then finds the file there."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"Another process is fetching {path.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Say what to do when the disk fails; the network's failures are _Failed by now."""
    try:
        yield
    except VicinalError:
        raise
    except OSError as error:
        raise RunError(
            f"{path} cannot be kept: {error.strerror or error}. Make room, or name "
            "another cache folder with VICINAL_CACHE."
        ) from error
