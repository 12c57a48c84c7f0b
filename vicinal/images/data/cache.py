"""Cache decoded images on disk, so that each is decoded once and not in every run.

An entry is named by the image's content and by how it was decoded, so it never goes
stale. Entries are renamed into place: several processes may fill one cache. It is
bounded: above its limit the least recently used entries are removed. A cache that is
damaged, full or not writable costs time, never a wrong image: the source is decoded
again. A cache that cannot be written is reported once (CacheWarning).
"""

import os
import tempfile
import threading
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vicinal.errors import CacheWarning

HEADER = 8  # height, width, channels, format; the CRC-32 of the pixels follows
FORMAT = 1


def cache_directory() -> Path:
    """Return the cache directory: VICINAL_CACHE, else the user's cache directory."""
    configured = os.environ.get("VICINAL_CACHE")
    if configured:
        return Path(configured)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vicinal"


def cache_limit() -> int:
    """Return the maximum size of the image cache in bytes: VICINAL_CACHE_GB, or 20."""
    try:
        return int(float(os.environ.get("VICINAL_CACHE_GB", "20")) * 1e9)
    except (ValueError, OverflowError):  # not a number, or inf
        return int(20e9)


_warned: set[Path] = set()
_warned_lock = threading.Lock()


def warn_unwritable(directory: Path, error: BaseException) -> None:
    """Warn that a cache cannot be written; once per directory."""
    with _warned_lock:
        if directory in _warned:
            return
        _warned.add(directory)
    reason = getattr(error, "strerror", None) or str(error)
    warnings.warn(
        f"The cache in {directory} cannot be written ({reason}): the next run will "
        "repeat this work. Free some space there, or set VICINAL_CACHE to another "
        "directory.",
        CacheWarning,
        stacklevel=2,
    )


@dataclass
class PixelCache:
    """Pixels [H, W, C] of uint8, by the digest of the image they were decoded from."""

    directory: Path = field(default_factory=lambda: cache_directory() / "images")
    limit: int = field(default_factory=cache_limit)
    writable: bool = True

    def __post_init__(self) -> None:
        # the first entry triggers a trim: many short runs may have filled the cache
        self._untrimmed = self.limit

    def path(self, digest: bytes, key: str) -> Path:
        """Return the file of an entry."""
        name = digest.hex()
        return self.directory / key / name[:2] / name[2:]

    def get(self, digest: bytes, key: str) -> np.ndarray | None:
        """Return the pixels; None if the entry is missing or damaged."""
        path = self.path(digest, key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        pixels = _unpack(data)
        with suppress(OSError):
            if pixels is None:
                path.unlink()
            else:
                os.utime(path)  # mark as used: not every file system records access
        return pixels

    def put(self, digest: bytes, key: str, pixels: np.ndarray) -> None:
        """Store pixels; warn and stop storing if the cache cannot be written."""
        if not self.writable or self.limit <= 0:
            return
        path = self.path(digest, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(path, _pack(pixels))
        except OSError as error:
            if self.writable:  # no other thread has warned meanwhile
                self.writable = False
                warn_unwritable(self.directory, error)
            return
        self._untrimmed += pixels.nbytes
        if self._untrimmed > self.limit / 20:
            self._untrimmed = 0
            self.trim()

    def size(self) -> int:
        """Return the size of all entries in bytes."""
        return sum(stat.st_size for _, stat in self._entries())

    def trim(self) -> None:
        """Remove the least recently used entries until the limit holds."""
        entries = self._entries()
        excess = sum(stat.st_size for _, stat in entries) - self.limit
        if excess <= 0:
            return
        excess += self.limit // 10  # some slack, so as not to trim at every entry
        entries.sort(key=lambda e: e[1].st_mtime)
        for path, stat in entries:
            if excess <= 0:
                return
            with suppress(OSError):
                Path(path).unlink()
            excess -= stat.st_size

    def _entries(self) -> list[tuple[str, os.stat_result]]:
        entries = []
        for directory, _, files in os.walk(self.directory):
            for name in files:
                path = os.path.join(directory, name)  # noqa: PTH118 - a hot path
                try:
                    entries.append((path, os.stat(path)))  # noqa: PTH116
                except OSError:
                    continue  # another process removed it
        return entries


def _pack(pixels: np.ndarray) -> bytes:
    data = np.ascontiguousarray(pixels).tobytes()
    height, width, channels = pixels.shape
    head = np.array([height, width], "<u2").tobytes() + bytes([channels, FORMAT, 0, 0])
    return head + zlib.crc32(data).to_bytes(4, "little") + data


def _unpack(data: bytes) -> np.ndarray | None:
    """Return the pixels; None if the entry is damaged or of another format."""
    if len(data) < HEADER + 4 or data[5] != FORMAT:
        return None
    height, width = np.frombuffer(data, "<u2", 2)
    shape = (int(height), int(width), data[4])
    body = memoryview(data)[HEADER + 4 :]
    if len(body) != shape[0] * shape[1] * shape[2]:
        return None
    if zlib.crc32(body) != int.from_bytes(data[HEADER : HEADER + 4], "little"):
        return None
    return np.frombuffer(body, np.uint8).reshape(shape)


def _write_atomically(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
