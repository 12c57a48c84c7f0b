"""Batches of pixels are the same from memory, from the cache and from files."""

import numpy as np
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decoding.decode import decode, open_image, to_channels
from vicinal.images.data.read import read_images


@pytest.fixture
def root(make_directory):
    """Write seven images: one is empty, two are duplicates with different labels."""
    folder = make_directory({"cat": 4, "dog": 3})
    (folder / "cat" / "1.png").write_bytes(b"")
    (folder / "dog" / "0.png").write_bytes((folder / "cat" / "2.png").read_bytes())
    return folder


GOOD = ["cat/0.png", "cat/3.png", "dog/1.png", "dog/2.png"]


def make_reader(tmp_path, cached: bool = False) -> ImageReader:
    return ImageReader(
        16, cache=PixelCache(tmp_path / "c", limit=10**6) if cached else None
    )


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("cached", [False, True])
def test_batches_contain_the_decoded_files(root, tmp_path, memory, cached):
    found, dataset = load_dataset(
        read_images(root), make_reader(tmp_path, cached), memory=memory
    )
    assert (dataset.store is None) == (memory == 0)
    assert dataset.table.names == GOOD
    assert len(dataset) == found.usable.sum() == 4
    assert len(found.quarantine) == 3
    expected = [decode(open_image((root / k).read_bytes()), 16, "crop") for k in GOOD]
    for rows in ([0, 1, 2, 3], [3], [2, 0, 2]):
        batch = dataset.batch(np.array(rows))
        assert batch.dtype == np.uint8 and batch.flags.writeable
        assert np.array_equal(batch, np.stack([expected[k] for k in rows]))


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("file_channels", [1, 3])
def test_number_of_channels(make_directory, channels, file_channels):
    root = make_directory({"cat": 3}, channels=file_channels)
    batches = []
    for memory in (None, 0):
        reader = ImageReader(16, resize="pad")
        _, dataset = load_dataset(
            read_images(root), reader, channels=channels, memory=memory
        )
        assert dataset.channels == (channels or file_channels)
        batches.append(dataset.batch(np.arange(3)))
    assert batches[0].shape == (3, 16, 16, channels or file_channels)
    assert np.array_equal(batches[0], batches[1])
    first = decode(open_image((root / "cat" / "0.png").read_bytes()), 16, "pad")
    assert np.array_equal(batches[0][0], to_channels(first, channels or file_channels))


def test_arrays_with_and_without_the_store():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3))
    table = read_images(pixels, [0, 1, 0, 1, 0])
    batches = [
        load_dataset(table, ImageReader(12), memory=memory)[1].batch(np.arange(5))
        for memory in (None, 0)
    ]
    assert np.array_equal(batches[0], batches[1])


@pytest.mark.parametrize("memory", [None, 0])
def test_rows_share_the_store(root, tmp_path, memory):
    _, dataset = load_dataset(read_images(root), make_reader(tmp_path), memory=memory)
    everything = dataset.batch(np.arange(4))
    subset = dataset.rows(np.array([3, 1, 0]))
    assert subset.table.names == [GOOD[k] for k in (3, 1, 0)]
    assert np.array_equal(subset.batch(np.arange(3)), everything[[3, 1, 0]])
    inner = subset.rows(np.array([True, False, True]))
    assert np.array_equal(inner.batch(np.arange(2)), everything[[3, 0]])
    assert inner.store is dataset.store
    assert inner.digests.tolist() == dataset.digests[[3, 0]].tolist()
    none = dataset.rows(np.zeros(4, dtype=bool))
    assert none.batch(np.arange(0)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("memory", [None, 0])
def test_a_sample_is_spread_evenly_over_the_rows(make_directory, memory):
    table = read_images(make_directory({"cat": 10}))
    _, dataset = load_dataset(table, ImageReader(16), memory=memory)
    everything = dataset.batch(np.arange(10))
    assert np.array_equal(dataset.sample(99), everything)
    assert np.array_equal(dataset.sample(4), everything[[0, 3, 6, 9]])


def modify_file(dataset: ImageDataset, root, change: str) -> None:
    path = root / dataset.table.names[2]
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {"damaged": b"", "other": (root / GOOD[0]).read_bytes()}[change]
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("gone", "no such file"),
        ("damaged", "the file is empty"),
        ("other", "its content differs"),
    ],
)
def test_an_image_that_changes_after_the_audit_raises(root, tmp_path, change, reason):
    _, dataset = load_dataset(read_images(root), make_reader(tmp_path), memory=0)
    modify_file(dataset, root, change)
    with pytest.raises(DataError, match=f"dog/1.png changed since the audit: {reason}"):
        dataset.batch(np.arange(4))
    dataset.batch(np.array([0, 1, 3]))


@pytest.mark.parametrize(("memory", "cached"), [(None, False), (0, True)])
def test_stored_pixels_do_not_change_with_the_file(root, tmp_path, memory, cached):
    _, dataset = load_dataset(
        read_images(root), make_reader(tmp_path, cached), memory=memory
    )
    before = dataset.batch(np.arange(4))
    modify_file(dataset, root, "other")
    assert np.array_equal(dataset.batch(np.arange(4)), before)


def test_the_store_is_used_if_the_pixels_fit_in_memory(make_directory):
    table = read_images(make_directory({"cat": 3}))
    expected = 3 * 16 * 16 * 3
    for memory, fits in [(expected, True), (expected - 1, False)]:
        _, dataset = load_dataset(table, ImageReader(16), memory=memory)
        assert (dataset.store is not None) == fits


def test_no_usable_image_raises(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(b"")
    for memory in (None, 0):
        with pytest.raises(NoDataError, match="None of the 1 images"):
            load_dataset(read_images(tmp_path), ImageReader(16), memory=memory)


def test_progress_is_reported_once_per_image(root, tmp_path):
    calls = []
    load_dataset(
        read_images(root),
        make_reader(tmp_path),
        report_progress=lambda k, n: calls.append((k, n)),
    )
    assert calls == [(k, 7) for k in range(1, 8)]
