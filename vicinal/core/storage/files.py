"""Files that are whole or not there: written aside, flushed to disk, then renamed.

POSIX `rename` replaces the old file at one instant, so whoever reads, and whenever
the process is killed, finds either the old file or the new one, never half of one.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vicinal.errors import RunError, SettingError

TEMPORARY = ".part"

# The user's own mask, read once: asking means setting it, which threads would see.
_UMASK = os.umask(0)
os.umask(_UMASK)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write(temporary)` make the file, then put it in place of `path` at once.

    A link stays one, and what it leads to is replaced. Raises RunError, with the old
    file untouched, when the disk is full or the folder cannot be written.
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
    with contextlib.suppress(OSError):  # some file systems cannot flush a folder
        flush_to_disk(path.parent)


def check_place(path: Path) -> None:
    """Raise RunError at once, before any work, where no file could be written."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise RunError(f"{path} cannot be written: it is a folder. Name a file.")
    try:
        handle, name = tempfile.mkstemp(TEMPORARY, f".{path.name}.", path.parent)
    except OSError as error:
        raise RunError(_explain(path, error)) from error
    os.close(handle)
    Path(name).unlink()


def answers_file(name: str | None) -> Path | None:
    """The file that takes answers, if one is named.

    SettingError for one that is no CSV by its ending, RunError where it could not be
    written.
    """
    if name is None:
        return None
    path = Path(name)
    if path.suffix.lower() not in (".csv", ""):
        raise SettingError(
            f"--output must be a .csv file. Got {name!r} instead; every spreadsheet "
            "unfreeze_at CSV."
        )
    check_place(path)
    return path


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there; else RunError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(_explain(folder, error)) from error


def flush_to_disk(path: Path) -> None:
    """Wait until the file's bytes (or the folder's entries) are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    # a byte of a file name that is no UTF-8 is written as JSON would: \udc..
    data = text.encode(errors="backslashreplace")
    replace_file(path, lambda temporary: _write(temporary, data))


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that every reader takes: a number that is none (NaN) becomes null."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inside) for key, inside in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _is_system_error(error: BaseException) -> bool:
    foreign = isinstance(error, OSError) and not isinstance(error, RunError)
    return foreign or _is_full(error)


def _is_full(error: BaseException) -> bool:
    # safetensors reports a full disk as its own exception, with the words of the OS
    words = ("No space left", f"os error {errno.ENOSPC}", f"os error {errno.EDQUOT}")
    told = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return told or any(text in str(error) for text in words)


def _explain(path: Path, error: BaseException) -> str:
    if _is_full(error):
        cure = "The disk is full: free some space, or choose another place."
    else:
        cure = "Choose a place that you may write to."
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path} cannot be written: {reason}. {cure}"
