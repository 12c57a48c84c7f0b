"""Decoded pictures on disk, so that a picture is decoded once and not in every run.

An entry is named by the picture's content and by how it was decoded; nothing else
can make it stale. Entries are renamed into place, so that two processes may fill one
cache. It is bounded: when it has grown past its limit, the entries that were not used
for longest go first. A cache that is damaged, full or cannot be written costs time,
never a wrong picture: the source is decoded again. That it cannot be written is told
once (CacheWarning).
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

HEADER = 8  # height, width, channels, format, and the CRC-32 of the pixels
FORMAT = 1


def cache_folder() -> Path:
    """Where caches lie: VICINAL_CACHE, else the user's cache folder."""
    named = os.environ.get("VICINAL_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vicinal"


def cache_limit() -> int:
    """Bytes that decoded pictures may take: VICINAL_CACHE_GB (20 unless told)."""
    try:
        return int(float(os.environ.get("VICINAL_CACHE_GB", "20")) * 1e9)
    except (ValueError, OverflowError):  # not a number, or inf
        return int(20e9)


_told: set[Path] = set()
_telling = threading.Lock()


def tell_unwritable(folder: Path, error: BaseException) -> None:
    """Warn that a cache cannot be written, and say what to do: once for a folder."""
    with _telling:
        if folder in _told:
            return
        _told.add(folder)
    reason = getattr(error, "strerror", None) or str(error)
    warnings.warn(
        f"The cache in {folder} cannot be written ({reason}): the next run will do "
        "this work again. Free some space there, or name another folder in "
        "VICINAL_CACHE.",
        CacheWarning,
        stacklevel=2,
    )


@dataclass
class PixelCache:
    """Pixels [H, W, C] of uint8 by the digest of the picture they came from."""

    folder: Path = field(default_factory=lambda: cache_folder() / "pictures")
    limit: int = field(default_factory=cache_limit)
    writable: bool = True

    def __post_init__(self) -> None:
        # the first entry asks for a trim: many short runs may have filled the cache
        self._untrimmed = self.limit

    def path(self, digest: bytes, key: str) -> Path:
        name = digest.hex()
        return self.folder / key / name[:2] / name[2:]

    def get(self, digest: bytes, key: str) -> np.ndarray | None:
        """The pixels, or None where they are not there whole."""
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
                os.utime(path)  # used now: not every file system keeps track itself
        return pixels

    def put(self, digest: bytes, key: str, pixels: np.ndarray) -> None:
        """Keep pixels; a cache that cannot be written says so, and stops trying."""
        if not self.writable or self.limit <= 0:
            return
        path = self.path(digest, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_aside(path, _pack(pixels))
        except OSError as error:
            if self.writable:  # no other thread has told it meanwhile
                self.writable = False
                tell_unwritable(self.folder, error)
            return
        self._untrimmed += pixels.nbytes
        if self._untrimmed > self.limit / 20:
            self._untrimmed = 0
            self.trim()

    def size(self) -> int:
        """Bytes that all entries take."""
        return sum(stat.st_size for _, stat in self._entries())

    def trim(self) -> None:
        """Remove the entries that were used longest ago until the limit holds."""
        entries = self._entries()
        excess = sum(stat.st_size for _, stat in entries) - self.limit
        if excess <= 0:
            return
        excess += self.limit // 10  # some room, so as not to trim at every entry
        entries.sort(key=lambda e: e[1].st_mtime)
        for path, stat in entries:
            if excess <= 0:
                return
            with suppress(OSError):
                Path(path).unlink()
            excess -= stat.st_size

    def _entries(self) -> list[tuple[str, os.stat_result]]:
        found = []
        for folder, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118 - a hot path
                try:
                    found.append((path, os.stat(path)))  # noqa: PTH116
                except OSError:
                    continue  # another process removed it
        return found


def _pack(pixels: np.ndarray) -> bytes:
    data = np.ascontiguousarray(pixels).tobytes()
    height, width, channels = pixels.shape
    head = np.array([height, width], "<u2").tobytes() + bytes([channels, FORMAT, 0, 0])
    return head + zlib.crc32(data).to_bytes(4, "little") + data


def _unpack(data: bytes) -> np.ndarray | None:
    """Pixels, or None when an entry is damaged or of another form."""
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


def _write_aside(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
