"""Downloads from the Hugging Face hub: pinned, verified, resumable, cached.

::

    DIRECTORY/timm--resnet18.tv_in1k/REVISION/
        model.safetensors           complete and verified, renamed atomically
        model.safetensors.sha256    its hash, in the format of `sha256sum --check`
        model.safetensors.part      a partial download, which the next call resumes
        model.safetensors.lock      held by the process that downloads

Written with the standard library, because huggingface_hub (2.4) deletes a failed
partial download, reads its timeouts from the environment at import, and checks the
length but not the hash. HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_CACHE and HF_HOME have the
same meaning.
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
MAX_ATTEMPTS = 3
"""attempts in a row without progress"""
PAUSE = 1.0
"""seconds between attempts"""
CHUNK = 1 << 18
"""maximum bytes per read"""
TEMPORARY_ERRORS = {408, 425, 429, 500, 502, 503, 504}
"""HTTP status codes after which the download is tried again"""

Log = Callable[[str], None]


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the hub, with its hash."""

    repository: str
    """owner and name on the hub, such as timm/resnet18.tv_in1k"""

    revision: str
    """a commit, or a branch"""

    file: str
    """name inside the repository"""

    sha256: str | None = None
    """of the content, 64 hex digits; None: as reported by the hub"""

    bytes: int | None = None
    """size; None: as reported by the hub"""

    @property
    def address(self) -> str:
        """The URL; SettingError if HF_ENDPOINT is not an address."""
        hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        if not hub.startswith(("https://", "http://")):
            raise SettingError(
                "HF_ENDPOINT must be the address of a hub, such as "
                f"https://huggingface.co. Got {hub!r}."
            )
        return (
            f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{self.file}"
        )

    def path(self, folder: Path) -> Path:
        """Return its path in a cache directory."""
        return folder / self.repository.replace("/", "--") / self.revision / self.file


def fetch(
    file: HubFile,
    folder: Path,
    *,
    log: Log = lambda text: None,
    timeout: float = TIMEOUT,
) -> Path:
    """Return the path of a verified file, downloaded into `folder` if needed.

    log: receives messages about the progress. timeout: seconds.
    Raises RunError if the network is offline or fails or the disk is full, and
    ModelFileError if the file has another hash or size; both explain how to download
    the file manually. A file that fails the check is removed.
    """
    path = file.path(folder)
    with _disk_errors(path):
        found = _verified(file, path) or _in_hub_cache(file)
        if found:
            return found
        if _offline():
            flaw = "is damaged" if path.exists() else "does not exist"
            raise RunError(
                f"{path} {flaw}, and HF_HUB_OFFLINE forbids downloads. "
                + _by_hand(file, path)
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, log):
            return _verified(file, path) or _Download(file, path, log, timeout).run()


def find_cached(file: HubFile, folder: Path) -> Path | None:
    """Return the path of a cached file, without verifying it as `fetch` does."""
    paths = [file.path(folder), *_hub_blob(file)]
    return next((path for path in paths if path.is_file()), None)


class _NetworkError(Exception):
    """A network error, temporary or not."""

    def __init__(self, reason: str, temporary: bool = True) -> None:
        super().__init__(reason)
        self.temporary = temporary


@dataclass(frozen=True)
class _Download:
    """The download of one file."""

    file: HubFile
    path: Path
    log: Log
    timeout: float

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def run(self) -> Path:
        """Download, verify, and only then rename."""
        if self.path.exists():
            self.log(f"{self.path} is damaged; downloading it again.")
            self.path.unlink()
        self.log(f"Downloading {self.file.address}")
        expected = self._retry()
        flaw = _flaw(expected, self.part)
        if flaw:
            self.part.unlink()
            raise self._wrong_file(flaw)
        flush_to_disk(self.part)
        write_text(_record(self.path), f"{expected.sha256}  {self.path.name}\n")
        return self.part.replace(self.path)

    def _retry(self) -> HubFile:
        """Resume while there is progress, and MAX_ATTEMPTS times without."""
        attempts = MAX_ATTEMPTS
        while True:
            before = _size(self.part)
            try:
                return self._resume()
            except _NetworkError as error:
                progress = _size(self.part) > before
                attempts = MAX_ATTEMPTS if progress else attempts - 1
                if not error.temporary or not attempts:
                    raise self._download_error(error) from error
                self.log(f"{error}; trying again.")
                time.sleep(PAUSE)

    def _resume(self) -> HubFile:
        """Download what is missing; return the file with its expected hash and size."""
        file, part = self.file, self.part
        if file.sha256 and file.bytes == _size(part):
            return file  # killed between the last byte and the renaming
        answer = _request(file, _size(part), self.timeout)
        with closing(answer.body):
            if file.bytes not in (None, answer.total):
                raise self._wrong_file(
                    f"it has {answer.total:,} bytes, not {file.bytes:,}"
                )
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
            _progress(self.path.name, answer.start, answer.total, self.log) as advance,
        ):
            out.truncate(answer.start)
            for chunk in _chunks(answer):
                out.write(chunk)
                advance(len(chunk))

    def _download_error(self, error: _NetworkError) -> RunError:
        resume = "The next attempt resumes the partial download. "
        return RunError(
            f"{self.file.address} cannot be downloaded: {error}. "
            + (resume if self.part.exists() else "")
            + _by_hand(self.file, self.path)
        )

    def _wrong_file(self, flaw: str) -> ModelFileError:
        return ModelFileError(
            f"{self.file.address} returned a different file: {flaw}. It was removed. "
            "Try again: a proxy or a mirror may have answered instead of the hub. "
            + _by_hand(self.file, self.path)
        )


def _by_hand(file: HubFile, path: Path) -> str:
    return (
        f"To download it manually, save {file.address} as {path}; or use another "
        "file with --weights FILE.safetensors."
    )


@contextmanager
def _progress(
    name: str, done: int, total: int, log: Log
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, or a line every ten seconds in a log."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

    quiet, logged_at = not sys.stderr.isatty(), time.monotonic()
    plain = Progress.get_default_columns()[:2]  # the name and the bar
    columns = (*plain, DownloadColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=quiet) as bar:
        task = bar.add_task(name, total=total, completed=done)

        def advance(count: int) -> None:
            nonlocal done, logged_at
            done += count
            bar.advance(task, count)
            if quiet and time.monotonic() - logged_at > 10:
                logged_at = time.monotonic()
                log(f"{name}: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB")

        yield advance


# --- the network ---------------------------------------------------------------------


class _Answer(NamedTuple):
    """The response of a server, before its body is read."""

    body: http.client.HTTPResponse
    start: int
    """bytes that were downloaded before and are not in the body"""

    total: int
    """size of the file in bytes"""

    sha256: str | None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects and collect the hash, which the hub sends with the redirect."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.tags.append(headers.get("X-Linked-ETag", ""))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(file: HubFile, start: int, timeout: float) -> _Answer:
    """Request a file from byte `start`; a server may send the whole file instead."""
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
            return _request(file, 0, timeout)
        message = f"HTTP status {error.code} {error.reason}"
        raise _NetworkError(message, error.code in TEMPORARY_ERRORS) from error
    except (OSError, http.client.HTTPException) as error:
        raise _NetworkError(_reason(error)) from error
    tags = [*redirects.tags, body.headers["X-Linked-ETag"], body.headers["ETag"]]
    start = start if body.status == 206 else 0
    total = file.bytes if body.length is None else start + body.length
    digest = re.search(r"\b[0-9a-f]{64}\b", " ".join(tag or "" for tag in tags))
    if total is None or not (file.sha256 or digest):
        body.close()
        missing = "length" if total is None else "SHA-256"
        message = f"the server does not send the file's {missing}"
        raise _NetworkError(message, temporary=False)
    return _Answer(body, start, total, digest[0] if digest else None)


def _chunks(answer: _Answer) -> Iterator[bytes]:
    done = answer.start
    while done < answer.total:
        try:
            chunk = answer.body.read1(min(CHUNK, answer.total - done))
        except (OSError, http.client.HTTPException) as error:
            raise _NetworkError(_reason(error)) from error
        if not chunk:
            raise _NetworkError(
                f"the connection ended after {done:,} of {answer.total:,} bytes"
            )
        done += len(chunk)
        yield chunk


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # urllib wraps the cause
    if isinstance(cause, TimeoutError):
        return "the server stalled"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


# --- the disk ------------------------------------------------------------------------


def _verified(file: HubFile, path: Path) -> Path | None:
    """Return the path if the file exists and passes the check."""
    return path if path.is_file() and not _flaw(_with_hash(file, path), path) else None


def _flaw(file: HubFile, path: Path) -> str:
    """Return how a file differs from the expected one; empty if it does not."""
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
    """Return the file with the hash recorded at its download, if it has none.

    A file without a record was saved manually, and is trusted.
    """
    if file.sha256 or not _record(path).is_file():
        return file
    return replace(file, sha256=_record(path).read_text(encoding="utf-8")[:64])


def _hub_blob(file: HubFile) -> list[Path]:
    """Return the path in the shared cache of huggingface_hub, which is named by hash.

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
def _locked(path: Path, log: Log) -> Iterator[None]:
    """Let one process download; others wait, and then find the file."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"Another process is downloading {path.name}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Raise RunError for disk errors; network errors are _NetworkError already."""
    try:
        yield
    except VicinalError:
        raise
    except OSError as error:
        raise RunError(
            f"{path} cannot be saved: {error.strerror or error}. Free some space, or "
            "name another cache directory with VICINAL_CACHE."
        ) from error
