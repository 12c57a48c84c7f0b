"""Atomic file writes: to a temporary file, flushed to disk, then renamed.

POSIX `rename` is atomic: a reader finds either the old file or the new one, never half
of one, whenever the process is killed.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vicinal.core.storage.schema import Anything, Schema
from vicinal.core.text import UNSAFE
from vicinal.errors import RunError, SettingError

TEMPORARY = ".part"

# The umask, read once: reading it means setting it, which other threads would see.
_UMASK = os.umask(0)
os.umask(_UMASK)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write(temporary)` create a file, then replace `path` by it atomically.

    The target of a symbolic link is replaced, not the link. Raises RunError, with the
    old file untouched, if the disk is full or the directory cannot be written.
    """
    path = Path(path)
    if os.path.islink(path):  # noqa: PTH114 - it raises nothing
        path = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
        os.close(handle)
    except OSError as error:
        raise RunError(_explain(path, error)) from error
    temporary = Path(name)
    try:
        write(temporary)
        flush_to_disk(temporary)
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if _is_system_error(error):
            raise RunError(_explain(path, error)) from error
        raise
    with contextlib.suppress(OSError):  # some file systems cannot flush a directory
        flush_to_disk(path.parent)


@contextlib.contextmanager
def replace_together(*paths: Path) -> Iterator[list[Path]]:
    """Yield temporary files to write; at the end of the block they replace `paths`.

    The renames follow each other at once, so that files which belong together stay
    together however long each takes to write. Errors are those of `replace_file`.
    """
    temporaries: list[Path] = []
    try:
        for path in paths:
            handle, name = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
            temporaries.append(Path(name))
            os.close(handle)
        yield temporaries
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.replace(path)
    except OSError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(_explain(paths[0], error)) from error
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # some file systems cannot flush a directory
        flush_to_disk(paths[0].parent)


def refuse_links(folder: Path, path: Path) -> Path:
    """Return a path inside a directory; RunError if a part below it is a link.

    A directory from elsewhere may hold links that point at files of the user.
    """
    inside = path.relative_to(folder)
    for part in (*reversed(inside.parents), inside):
        place = folder / part
        if part != Path() and os.path.islink(place):  # noqa: PTH114 - raises nothing
            raise RunError(
                f"{place} is a symbolic link, and nothing is written through links "
                f"inside {folder}. Remove the link, or copy what it points to."
            )
    return path


def check_writable(path: Path) -> None:
    """Raise RunError, before any work, if no file could be written at a path."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise RunError(f"{path} cannot be written: it is a directory. Name a file.")
    try:
        handle, name = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
    except OSError as error:
        raise RunError(_explain(path, error)) from error
    os.close(handle)
    Path(name).unlink()


def check_working_directory() -> None:
    """Raise RunError where the current directory has been deleted."""
    try:
        Path.cwd()
    except OSError as error:
        raise RunError(
            f"The current directory cannot be used: {error.strerror}. Change to one "
            "that exists, for example with `cd ~`."
        ) from error


def predictions_path(name: str | None) -> Path | None:
    """Return the path of --output, if it is given.

    SettingError for another suffix than .csv, RunError if it could not be written.
    """
    if name is None:
        return None
    path = Path(name)
    if path.suffix.lower() not in (".csv", ""):
        raise SettingError(
            f"--output must be a .csv file. Got {name!r} instead; spreadsheets can "
            "open CSV."
        )
    check_writable(path)
    return path


def make_directory(folder: Path) -> None:
    """Create a directory and its parents if needed; RunError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(_explain(folder, error)) from error


def flush_to_disk(path: Path) -> None:
    """Wait until a file's bytes (or a directory's entries) are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, atomically."""
    # bytes of file names that are not UTF-8 are escaped as in JSON: \udc..
    data = text.encode(errors="backslashreplace")
    replace_file(path, lambda temporary: _write(temporary, data))


def to_json(value: Any, indent: int | None = None) -> str:
    """Return strict JSON: NaN and infinity become null.

    Characters that a terminal acts on are written as \\u....
    """
    text = json.dumps(json_ready(value), indent=indent, ensure_ascii=False)
    return UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def json_ready(value: Any) -> Any:
    """Return a value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_ready(v) for key, v in value.items()}
    return [json_ready(v) for v in value] if isinstance(value, (list, tuple)) else value


def write_json(path: Path, value: Any) -> None:
    """Write a value as strict JSON, atomically."""
    write_text(path, to_json(value, indent=2) + "\n")


MAX_JSON_BYTES = 1 << 25
"""bytes of a JSON file above which it is refused: its objects take 25 times as much"""


def check_regular(path: Path) -> None:
    """Raise ValueError for a pipe, a device or a directory: reading might never end."""
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")


def read_json(path: Path, schema: Schema | None = None) -> Any:
    """Return the value of a JSON file; ValueError where it is not what `schema` allows.

    Refused in any case: NaN, infinite numbers, deep nesting, very large files.
    """
    schema, path = Anything() if schema is None else schema, Path(path)
    check_regular(path)
    with path.open("rb") as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"larger than {MAX_JSON_BYTES:,} bytes")
    value = parse_json(data.decode("utf-8"))
    schema.check(value)
    return value


def parse_json(text: str) -> Any:
    """Return the value of JSON; ValueError where it is damaged or nested deeply."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _is_system_error(error: BaseException) -> bool:
    is_os_error = isinstance(error, OSError) and not isinstance(error, RunError)
    return is_os_error or _is_disk_full(error)


def _is_disk_full(error: BaseException) -> bool:
    # safetensors raises its own exception for a full disk, with the message of the OS
    messages = ("No space left", f"os error {errno.ENOSPC}", f"os error {errno.EDQUOT}")
    by_number = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return by_number or any(text in str(error) for text in messages)


def _explain(path: Path, error: BaseException) -> str:
    if _is_disk_full(error):
        cure = "The disk is full: free some space, or choose another directory."
    else:
        cure = "Choose a directory that you may write to."
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path} cannot be written: {reason}. {cure}"
