"""The input size follows the images and the network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vicinal.images.data.decoding import in_memory
from vicinal.images.data.decoding.image_size import choose_image_size
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.networks import NETWORKS


def table_of(*sides: tuple[int, int]) -> ImageTable:
    """Make a table of arrays of these heights and widths."""
    images = np.empty(len(sides), dtype=object)
    images[:] = [np.zeros(side, dtype=np.uint8) for side in sides]
    names = [str(k) for k in range(len(sides))]
    return ImageTable(names, np.array(["a"] * len(sides)), pixels=images)


@pytest.mark.parametrize("backbone", ["small", "dense", "lenet5"])
@pytest.mark.parametrize(
    ("pixels", "size"),
    [
        (4, 8), (8, 8), (28, 28), (32, 32), (48, 48), (49, 64), (60, 64), (96, 64),
        (97, 128), (300, 128), (4000, 128),
    ],
)  # fmt: skip
def test_size_of_small_networks_follows_the_images(pixels, size, backbone):
    assert choose_image_size(table_of((pixels, pixels)), backbone) == size


@pytest.mark.parametrize("backbone", ["resnet18", "resnet20", "mobilenet_v2"])
def test_networks_designed_for_a_size_keep_it(backbone):
    for side in (8, 300):
        expected = NETWORKS[backbone].image_size
        assert choose_image_size(table_of((side, side)), backbone) == expected


def test_the_order_of_rows_does_not_matter(make_directory):
    root = make_directory({"a": 130}, height=40, width=40, channels=1)
    for k in range(65):  # half of them large, so that the median depends on the sample
        Image.new("L", (300, 300)).save(root / "a" / f"{2 * k}.png")
    whole = read_images(root)
    rng = np.random.default_rng(0)
    sizes = {
        choose_image_size(whole.rows(rng.permutation(130)), "small") for _ in range(20)
    }
    assert len(sizes) == 1


def test_size_is_the_median_of_the_shorter_sides():
    assert choose_image_size(table_of((28, 300)), "small") == 28
    assert choose_image_size(table_of((300, 28)), "small") == 28
    assert choose_image_size(table_of((8, 8), (30, 40), (500, 500)), "small") == 30


def test_sizes_of_files_that_can_be_opened_count(make_directory, tmp_path):
    root = make_directory({"cat": 3, "dog": 2}, height=20, width=50)
    assert choose_image_size(read_images(root), "small") == 20
    for path in root.glob("cat/*.png"):
        path.write_bytes(b"")
    assert choose_image_size(read_images(root), "small") == 20  # from the readable ones
    for path in root.glob("dog/*.png"):
        path.unlink()
        path.symlink_to(tmp_path / "gone.png")
    assert choose_image_size(read_images(root), "small") == 32


def test_exif_rotation_does_not_change_the_shorter_side(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    (tmp_path / "cat").mkdir()
    Image.new("L", (40, 24)).save(tmp_path / "cat" / "0.jpg", exif=exif)
    assert choose_image_size(read_images(tmp_path), "small") == 24


def test_only_a_sample_of_files_is_opened(make_directory, monkeypatch):
    opened: list[Path] = []
    real = in_memory.read_file

    def spy(path: Path) -> bytes:
        opened.append(path)
        return real(path)

    monkeypatch.setattr(in_memory, "read_file", spy)
    table = read_images(make_directory({"cat": 200}, height=8, width=8, channels=1))
    assert choose_image_size(table, "small") == 8
    assert len(opened) == len(set(opened)) == 64
    assert table.path(0) in opened and table.path(199) in opened
