"""IDX files, the format of MNIST: whole and damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.read import read_images
from vicinal.images.data.sources.idx import read_idx


def to_idx(values: np.ndarray) -> bytes:
    """Encode an array: two zeros, 8 for bytes, the number of axes, their lengths."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return head + values.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    """Return a function that writes a data set like MNIST, its images and labels."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 5, 4)), np.arange(12)

    def write(split: str = "train", *, packed: bool = False) -> Path:
        files = {"images-idx3": pixels, "labels-idx1": labels}
        for name, values in files.items():
            path = tmp_path / f"{split}-{name}-ubyte{'.gz' if packed else ''}"
            data = to_idx(values)
            path.write_bytes(gzip.compress(data) if packed else data)
        return tmp_path

    return write, pixels, labels


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels_are_read(mnist, packed):
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
def test_t10k_and_test_are_the_test_split(mnist, test):
    write, *_ = mnist
    write()
    write(packed=True)  # the same files once more, packed
    table = read_images(write(test))
    assert len(table) == 24 and len(set(table.names)) == 24
    assert table.split is not None
    assert (table.split == "train").sum() == (table.split == "test").sum() == 12


def test_labels_as_numbers(mnist):
    table = read_images(mnist[0](), task="regression")
    assert (table.kind, table.labels.tolist()) == ("numeric", list(range(12)))


def test_packed_labels_beside_unpacked_images(mnist):
    root = mnist[0]()
    labels = root / "train-labels-idx1-ubyte"
    (root / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(labels.read_bytes())
    )
    labels.unlink()
    assert len(read_images(root)) == 12


def test_damaged_files_raise(mnist, tmp_path):
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
        (to_idx(np.arange(11)), r"Got \[12, 5, 4\] and \[11\]"),
        (to_idx(np.zeros((12, 2, 2))), r"Got \[12, 5, 4\] and \[12, 2, 2\]"),
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
    mangled = packed[:10] + b"\xff" * 20  # not a valid deflate block
    for data in (packed[:-9], packed[:5], good, bytes(flipped), mangled, b""):
        (tmp_path / "x.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged|not an IDX"):
            read_idx(tmp_path / "x.gz")


def test_no_images_or_different_sizes_raise(tmp_path):
    def write(split: str, pixels: np.ndarray) -> None:
        (tmp_path / f"{split}-images.idx3-ubyte").write_bytes(to_idx(pixels))
        labels = to_idx(np.zeros(len(pixels)))
        (tmp_path / f"{split}-labels.idx1-ubyte").write_bytes(labels)

    write("train", np.zeros((0, 4, 4)))
    with pytest.raises(NoDataError, match="hold no images"):
        read_images(tmp_path)
    write("t10k", np.zeros((2, 5, 5)))
    with pytest.raises(DataError, match="different sizes"):
        read_images(tmp_path)


def test_a_shape_of_terabytes_is_refused(mnist):
    write, _, _ = mnist
    root = write()
    file = root / "train-images-idx3-ubyte"
    head = b"\0\0\x08\x03" + (2**20).to_bytes(4, "big") * 3
    file.write_bytes(head)
    with pytest.raises(DataError, match=r"claims the shape .* Fetch it again"):
        read_images(root)
    file.write_bytes(b"\0\0\x08\x03" + (12).to_bytes(4, "big") + bytes(8))
    with pytest.raises(DataError, match="have no pixels"):
        read_images(root)
