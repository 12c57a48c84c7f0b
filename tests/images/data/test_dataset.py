"""Pixels batch by batch: from memory or from the files, always the same."""

import numpy as np
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decode import decode, open_picture, to_channels
from vicinal.images.data.read import read_images


@pytest.fixture
def root(make_folder):
    """Seven pictures, of which one is empty and two are copies that disagree."""
    folder = make_folder({"cat": 4, "dog": 3})
    (folder / "cat" / "1.png").write_bytes(b"")
    (folder / "dog" / "0.png").write_bytes((folder / "cat" / "2.png").read_bytes())
    return folder


GOOD = ["cat/0.png", "cat/3.png", "dog/1.png", "dog/2.png"]


def eye(tmp_path, cached: bool = False) -> ImageReader:
    return ImageReader(
        16, cache=PixelCache(tmp_path / "c", limit=10**6) if cached else None
    )


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("cached", [False, True])
def test_every_picture_is_the_one_in_its_file(root, tmp_path, memory, cached):
    found, pictures = load_dataset(
        read_images(root), eye(tmp_path, cached), memory=memory
    )
    assert (pictures.store is None) == (memory == 0)
    assert pictures.table.names == GOOD
    assert len(pictures) == found.usable.sum() == 4
    assert len(found.quarantine) == 3
    wanted = [decode(open_picture((root / k).read_bytes()), 16, "crop") for k in GOOD]
    for rows in ([0, 1, 2, 3], [3], [2, 0, 2]):
        batch = pictures.batch(np.array(rows))
        assert batch.dtype == np.uint8 and batch.flags.writeable
        assert np.array_equal(batch, np.stack([wanted[k] for k in rows]))


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("colour", [1, 3])
def test_the_channels_wanted(make_folder, channels, colour):
    root = make_folder({"cat": 3}, channels=colour)
    batches = []
    for memory in (None, 0):
        eye = ImageReader(16, resize="pad")
        _, pictures = load_dataset(
            read_images(root), eye, channels=channels, memory=memory
        )
        assert pictures.channels == (channels or colour)
        batches.append(pictures.batch(np.arange(3)))
    assert batches[0].shape == (3, 16, 16, channels or colour)
    assert np.array_equal(batches[0], batches[1])
    first = decode(open_picture((root / "cat" / "0.png").read_bytes()), 16, "pad")
    assert np.array_equal(batches[0][0], to_channels(first, channels or colour))


def test_arrays_in_memory_and_not():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3))
    table = read_images(pixels, [0, 1, 0, 1, 0])
    batches = [
        load_dataset(table, ImageReader(12), memory=memory)[1].batch(np.arange(5))
        for memory in (None, 0)
    ]
    assert np.array_equal(batches[0], batches[1])


@pytest.mark.parametrize("memory", [None, 0])
def test_rows_are_a_view(root, tmp_path, memory):
    _, pictures = load_dataset(read_images(root), eye(tmp_path), memory=memory)
    everything = pictures.batch(np.arange(4))
    part = pictures.rows(np.array([3, 1, 0]))
    assert part.table.names == [GOOD[k] for k in (3, 1, 0)]
    assert np.array_equal(part.batch(np.arange(3)), everything[[3, 1, 0]])
    inner = part.rows(np.array([True, False, True]))
    assert np.array_equal(inner.batch(np.arange(2)), everything[[3, 0]])
    assert inner.store is pictures.store
    assert inner.digests.tolist() == pictures.digests[[3, 0]].tolist()
    none = pictures.rows(np.zeros(4, dtype=bool))
    assert none.batch(np.arange(0)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("memory", [None, 0])
def test_a_sample_is_spread_evenly(make_folder, memory):
    table = read_images(make_folder({"cat": 10}))
    _, pictures = load_dataset(table, ImageReader(16), memory=memory)
    everything = pictures.batch(np.arange(10))
    assert np.array_equal(pictures.sample(99), everything)
    assert np.array_equal(pictures.sample(4), everything[[0, 3, 6, 9]])


def change(pictures: ImageDataset, root, what: str) -> None:
    path = root / pictures.table.names[2]
    if what == "gone":
        path.unlink()
    else:
        path.write_bytes({"damaged": b"", "other": (root / GOOD[0]).read_bytes()}[what])


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("gone", "there is no such file"),
        ("damaged", "the file is empty"),
        ("other", "its content is not what it was"),
    ],
)
def test_a_picture_that_changes_after_the_audit_is_named(root, tmp_path, what, why):
    _, pictures = load_dataset(read_images(root), eye(tmp_path), memory=0)
    change(pictures, root, what)
    with pytest.raises(DataError, match=f"dog/1.png changed since the audit: {why}"):
        pictures.batch(np.arange(4))
    pictures.batch(np.array([0, 1, 3]))


@pytest.mark.parametrize(("memory", "cached"), [(None, False), (0, True)])
def test_what_was_kept_does_not_change(root, tmp_path, memory, cached):
    _, pictures = load_dataset(read_images(root), eye(tmp_path, cached), memory=memory)
    before = pictures.batch(np.arange(4))
    change(pictures, root, "other")
    assert np.array_equal(pictures.batch(np.arange(4)), before)


def test_memory_is_what_the_pixels_take(make_folder):
    table = read_images(make_folder({"cat": 3}))
    wanted = 3 * 16 * 16 * 3
    for memory, kept in [(wanted, True), (wanted - 1, False)]:
        _, pictures = load_dataset(table, ImageReader(16), memory=memory)
        assert (pictures.store is not None) == kept


def test_nothing_usable(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(b"")
    for memory in (None, 0):
        with pytest.raises(NoDataError, match="None of the 1 pictures"):
            load_dataset(read_images(tmp_path), ImageReader(16), memory=memory)


def test_tick_is_called_once_for_each(root, tmp_path):
    ticks = []
    load_dataset(
        read_images(root),
        eye(tmp_path),
        report_progress=lambda k, n: ticks.append((k, n)),
    )
    assert ticks == [(k, 7) for k in range(1, 8)]
