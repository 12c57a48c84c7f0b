"""The cache of decoded images may lose entries, but never returns a wrong image."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.errors import CacheWarning
from vicinal.images.data import cache as cache_module
from vicinal.images.data.cache import PixelCache, cache_directory, cache_limit
from vicinal.images.data.decoding.decode import digest

KEY = "16-crop-1"


def name(number: int) -> bytes:
    return digest(str(number).encode())


@pytest.fixture
def cache(tmp_path) -> PixelCache:
    return PixelCache(tmp_path / "images", limit=10**6)


@pytest.mark.parametrize("shape", [(16, 16, 1), (16, 16, 3), (1, 1, 1), (300, 256, 3)])
def test_get_returns_what_was_put(cache, draw, shape):
    pixels = draw(1, *shape).reshape(shape)
    assert cache.get(name(1), KEY) is None
    cache.put(name(1), KEY, pixels)
    got = cache.get(name(1), KEY)
    assert got is not None and got.dtype == np.uint8
    assert np.array_equal(got, pixels)


def test_a_strided_view_is_stored_as_it_appears(cache, draw):
    pixels = draw(1, 40, 40)[4:20, 30:2:-2].transpose(1, 0, 2)
    cache.put(name(1), KEY, pixels)
    assert np.array_equal(cache.get(name(1), KEY), pixels)


def test_an_entry_belongs_to_one_image_and_key(cache, draw):
    cache.put(name(1), KEY, draw(1))
    assert cache.get(name(2), KEY) is None
    assert cache.get(name(1), "16-pad-1") is None
    cache.put(name(1), "16-pad-1", draw(2))
    assert np.array_equal(cache.get(name(1), KEY), draw(1))
    assert np.array_equal(cache.get(name(1), "16-pad-1"), draw(2))


def test_every_flipped_byte_is_detected_and_the_entry_removed(cache, draw):
    pixels = draw(1, 5, 4)
    cache.put(name(1), KEY, pixels)
    path = cache.path(name(1), KEY)
    good = path.read_bytes()
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        got = cache.get(name(1), KEY)
        unused = position in (6, 7)  # the two spare bytes of the header
        assert (got is not None) == path.exists() == unused
        assert got is None or np.array_equal(got, pixels)


def test_every_truncation_is_detected_and_the_entry_removed(cache, draw):
    cache.put(name(1), KEY, draw(1, 5, 4))
    path = cache.path(name(1), KEY)
    good = path.read_bytes()
    for data in (*(good[:length] for length in range(len(good))), good + b"x"):
        path.write_bytes(data)
        assert cache.get(name(1), KEY) is None
        assert not path.exists()


def test_another_version_of_the_format_is_ignored(cache, draw, monkeypatch):
    monkeypatch.setattr(cache_module, "FORMAT", cache_module.FORMAT + 1)
    cache.put(name(1), KEY, draw(1))
    monkeypatch.undo()
    assert cache.get(name(1), KEY) is None
    cache.put(name(1), KEY, draw(2))
    assert np.array_equal(cache.get(name(1), KEY), draw(2))


def test_a_damaged_entry_that_cannot_be_removed_is_ignored(cache, draw, monkeypatch):
    cache.put(name(1), KEY, draw(1))
    cache.path(name(1), KEY).write_bytes(b"damaged")
    monkeypatch.setattr(Path, "unlink", deny)
    assert cache.get(name(1), KEY) is None


# --- the limit ---------------------------------------------------------------------


def age(cache: PixelCache, number: int, hours: float) -> None:
    """Set the last use of an entry to some hours ago."""
    path = cache.path(name(number), KEY)
    then = path.stat().st_mtime - 3600 * hours
    os.utime(path, (then, then))


def test_the_least_recently_used_entries_are_removed_first(tmp_path, draw):
    pixels = draw(1, 16, 16)  # 768 bytes, 780 with the header
    cache = PixelCache(tmp_path, limit=10**6)
    for number in range(10):
        cache.put(name(number), KEY, pixels)
        age(cache, number, hours=100 - number)
    assert cache.get(name(0), KEY) is not None  # the oldest, used now
    cache.limit = 6 * 780
    cache.trim()
    left = [k for k in range(10) if cache.get(name(k), KEY) is not None]
    assert left == [0, 6, 7, 8, 9]  # five: a tenth of the limit stays free
    cache.trim()
    assert cache.size() == 5 * 780


def test_the_limit_holds_while_the_cache_fills(tmp_path, draw):
    cache = PixelCache(tmp_path, limit=20_000)
    for number in range(60):
        cache.put(name(number), KEY, draw(1, 16, 16))
        assert cache.size() <= 20_000 * 1.05 + 780
    assert cache.size() > 15_000
    assert cache.get(name(59), KEY) is not None


def test_the_limit_holds_over_many_short_runs(tmp_path, draw):
    for number in range(40):
        PixelCache(tmp_path, limit=20_000).put(name(number), KEY, draw(1, 16, 16))
    assert PixelCache(tmp_path).size() <= 20_000


def test_a_limit_smaller_than_an_entry(tmp_path, draw):
    PixelCache(tmp_path / "none", limit=0).put(name(1), KEY, draw(1))
    assert not (tmp_path / "none").exists()
    small = PixelCache(tmp_path / "small", limit=100)
    small.put(name(1), KEY, draw(1))
    assert small.size() <= 100


# --- errors of the disk ------------------------------------------------------------


def deny(*_, **__):
    raise PermissionError(errno.EACCES, "Permission denied")


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["mkstemp", "replace", "write", "mkdir"])
@pytest.mark.parametrize("fail", [deny, no_space])
def test_a_full_or_read_only_disk_costs_time_only(cache, draw, monkeypatch, call, fail):
    class Full:
        def __init__(self, handle: int, _mode: str) -> None:
            os.close(handle)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        write = fail

    cache.put(name(0), KEY, draw(0))
    target, value = {
        "mkstemp": (cache_module.tempfile, fail),
        "replace": (Path, fail),
        "mkdir": (Path, fail),
        "write": (os, Full),
    }[call]
    with monkeypatch.context() as broken:
        broken.setattr(target, "fdopen" if call == "write" else call, value)
        with pytest.warns(CacheWarning, match=r"Permission|No space .* VICINAL_CACHE"):
            cache.put(name(1), KEY, draw(1))
    assert not cache.writable
    cache.put(name(2), KEY, draw(2))  # no second attempt
    assert cache.get(name(1), KEY) is None and cache.get(name(2), KEY) is None
    assert np.array_equal(cache.get(name(0), KEY), draw(0))  # reading still works
    assert not list(cache.directory.rglob("*.part"))


def test_a_file_in_place_of_the_directory(tmp_path, draw):
    (tmp_path / "file").write_text("a file")
    cache = PixelCache(tmp_path / "file", limit=10**6)
    assert cache.get(name(1), KEY) is None
    with pytest.warns(CacheWarning, match="cannot be written"):
        cache.put(name(1), KEY, draw(1))
    assert cache.get(name(1), KEY) is None
    assert (cache.writable, cache.size()) == (False, 0)
    assert (tmp_path / "file").read_text() == "a file"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a second cache there does not warn again
        PixelCache(tmp_path / "file", limit=10**6).put(name(1), KEY, draw(1))
    with pytest.warns(CacheWarning, match="cannot be written"):
        PixelCache(tmp_path / "file" / "x", limit=10**6).put(name(1), KEY, draw(1))


def test_entries_that_cannot_be_removed_are_skipped(cache, draw, monkeypatch):
    cache.put(name(1), KEY, draw(1))
    cache.limit = 10
    monkeypatch.setattr(Path, "unlink", deny)
    cache.trim()
    cache.put(name(2), KEY, draw(2))
    assert np.array_equal(cache.get(name(2), KEY), draw(2))


FILL = """
import sys, numpy as np
from pathlib import Path
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.decoding.decode import digest
cache = PixelCache(Path(sys.argv[1]), limit=200_000)
sys.stdin.readline()  # start together
for repeat in range(3):
    for k in range(150):
        name, pixels = digest(str(k).encode()), np.full((16, 16, 3), k, np.uint8)
        got = cache.get(name, "16-crop-1")
        assert got is None or np.array_equal(got, pixels), k
        if got is None:
            cache.put(name, "16-crop-1", pixels)
assert cache.writable
"""


def test_two_processes_fill_one_cache(tmp_path):
    root = Path(vicinal.__file__).parents[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FILL, str(tmp_path)],
            cwd=root,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    cache = PixelCache(tmp_path)
    for k in range(150):
        got = cache.get(name(k), KEY)
        assert got is not None and (got == k).all() and got.shape == (16, 16, 3)
    assert not list(tmp_path.rglob("*.part"))


# --- directory and size ------------------------------------------------------------


def test_cache_directory_by_environment(monkeypatch, tmp_path, own_cache):
    assert cache_directory() == own_cache
    assert PixelCache().directory == own_cache / "images"
    monkeypatch.delenv("VICINAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "vicinal"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert cache_directory() == tmp_path / "me" / ".cache" / "vicinal"


@pytest.mark.parametrize(
    ("value", "limit"),
    [("0.5", 5e8), ("0", 0), ("lots", 2e10), ("inf", 2e10), ("nan", 2e10), ("", 2e10)],
)
def test_cache_limit_by_environment(monkeypatch, value, limit):
    monkeypatch.setenv("VICINAL_CACHE_GB", value)
    assert cache_limit() == limit
