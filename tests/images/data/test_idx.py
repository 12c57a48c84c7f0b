"""IDX files: the pictures of MNIST, whole and damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.idx import read_idx
from vicinal.images.data.read import read_images


def as_idx(values: np.ndarray) -> bytes:
    """An array in LeCun's form: two zeros, 8 for bytes, the axes, their lengths."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    """A function that writes a data set in the form of MNIST, and what it holds."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 5, 4)), np.arange(12)

    def write(part: str = "train", *, packed: bool = False) -> Path:
        files = {"images-idx3": pixels, "labels-idx1": labels}
        for name, values in files.items():
            path = tmp_path / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            data = as_idx(values)
            path.write_bytes(gzip.compress(data) if packed else data)
        return tmp_path

    return write, pixels, labels


@pytest.mark.parametrize("packed", [False, True])
def test_idx(mnist, packed):
    write, pixels, labels = mnist
    table = read_images(write(packed=packed))
    assert table.pixels is not None and np.array_equal(table.pixels, pixels)
    assert table.labels.tolist() == [str(k) for k in labels]
    assert table.classes == tuple(map(str, range(12)))
    assert (table.kind, table.split, len(set(table.names))) == (
        "single_label",
        None,
        12,
    )


@pytest.mark.parametrize("test", ["t10k", "emnist-letters-test"])
def test_idx_with_a_test_part(mnist, test):
    write, *_ = mnist
    write()
    write(packed=True)  # the same files once more, packed
    table = read_images(write(test))
    assert len(table) == 24 and len(set(table.names)) == 24
    assert table.split is not None
    assert (table.split == "train").sum() == (table.split == "test").sum() == 12


def test_idx_as_numbers(mnist):
    table = read_images(mnist[0](), task="regression")
    assert (table.kind, table.labels.tolist()) == ("numeric", list(range(12)))


def test_packed_labels_beside_plain_pictures(mnist):
    root = mnist[0]()
    labels = root / "train-labels-idx1-ubyte"
    (root / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(labels.read_bytes())
    )
    labels.unlink()
    assert len(read_images(root)) == 12


def test_damaged_idx(mnist, tmp_path):
    root = mnist[0]()
    labels = root / "train-labels-idx1-ubyte"
    good = labels.read_bytes()
    packed = gzip.compress(good)
    cases = [
        (good[:-1], r"damaged"),
        (good + b"x", r"damaged"),
        (good[:6], r"damaged"),
        (good[:3], r"damaged"),
        (b"", r"not an IDX file"),
        (b"\x00\x00\x0d" + good[3:], r"not an IDX file"),
        (as_idx(np.arange(11)), r"Got \[12, 5, 4\] and \[11\]"),
        (as_idx(np.zeros((12, 2, 2))), r"Got \[12, 5, 4\] and \[12, 2, 2\]"),
    ]
    for data, message in cases:
        labels.write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_images(root)
    labels.unlink()
    with pytest.raises(DataError, match="labels-idx1-ubyte is missing"):
        read_images(root)
    flipped = bytearray(packed)
    flipped[len(flipped) // 2] ^= 255
    mangled = packed[:10] + b"\xff" * 20  # no block of deflate begins so
    for data in (packed[:-9], packed[:5], good, bytes(flipped), mangled, b""):
        (tmp_path / "x.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|not an IDX"):
            read_idx(tmp_path / "x.gz")


def test_empty_and_unequal_idx(tmp_path):
    def write(part: str, pixels: np.ndarray) -> None:
        (tmp_path / f"{part}-images.idx3-ubyte").write_bytes(as_idx(pixels))
        labels = as_idx(np.zeros(len(pixels)))
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(labels)

    write("train", np.zeros((0, 4, 4)))
    with pytest.raises(NoDataError, match="hold no pictures"):
        read_images(tmp_path)
    write("t10k", np.zeros((2, 5, 5)))
    with pytest.raises(DataError, match="different sizes"):
        read_images(tmp_path)
