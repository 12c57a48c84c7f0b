"""The intensity range of images of more than 8 bits."""

import io

import numpy as np
import pytest
from PIL import Image

from vicinal.images.data.audit import ImageReader
from vicinal.images.data.decoding.intensity_range import (
    _Limits,
    combine_limits,
    fraction_outside,
    measure_intensity_range,
)
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.read import read_images

RNG = np.random.default_rng(0)


def deep(low: float, high: float, dtype=np.uint16) -> np.ndarray:
    """Return an image [16, 16] that takes up a range, both ends in several pixels."""
    values = RNG.uniform(low, high, (16, 16))
    values[:4, 0], values[:4, 1] = low, high
    return values.astype(dtype)


def measured(*images: np.ndarray, **options) -> tuple[float, float] | None:
    return measure_intensity_range(
        read_images([Image.fromarray(image) for image in images]), **options
    )


@pytest.mark.parametrize(
    ("low", "high", "dtype", "expected"),
    [
        (1000, 1100, np.uint16, (1000, 1100)),
        (0, 4000, np.uint16, (0, 4095)),
        (0, 65535, np.uint16, (0, 65535)),
        (900, 1020, np.uint16, (900, 1020)),
        (0, 200, np.int32, (0, 255)),
        (-1024, 3071, np.int32, (-1024, 3071)),
        (-1, 1, np.float32, (-1, 1)),
        (0, 1, np.float32, (0, 1)),
        (0.25, 0.5, np.float32, (0.25, 0.5)),
        (5, 5, np.uint16, None),
    ],
)
def test_the_range_is_that_of_the_values(low, high, dtype, expected):
    assert measured(deep(low, high, dtype), deep(low, high, dtype)) == expected


def test_a_hot_pixel_does_not_widen_the_range_by_more_than_half():
    images = [deep(1000, 1100) for _ in range(5)]
    images[2][3, 3], images[3][5, 5] = 65535, 0
    low, high = measured(*images) or (0, 0)
    assert 900 <= low <= 1000 and 1100 <= high <= 1250


def test_one_image_of_twenty_does_not_widen_the_range_by_more_than_half():
    usual = _Limits(1000, 1100, 990, 1110)
    assert combine_limits([usual] * 19 + [_Limits(0, 60000, 0, 65535)]) == (950, 1150)
    assert combine_limits([usual] * 20) == (990, 1110)
    rare = [usual] * 17 + [_Limits(1000, 3000, 1000, 3000)] * 3  # but a rare class does
    assert combine_limits(rare) == (990, 3000)
    assert combine_limits([]) is None


def test_images_of_8_bits_have_no_range(make_directory):
    assert measure_intensity_range(read_images(make_directory({"a": 2}))) is None
    assert measure_intensity_range(read_images(np.zeros((2, 8, 8), np.uint8))) is None
    assert measured(np.zeros((8, 8), np.uint8)) is None


def test_held_out_images_are_not_measured(tmp_path):
    names = [f"{k}.png" for k in range(4)]
    for name, high in zip(names, (1100, 1100, 9000, 9000), strict=True):
        Image.fromarray(deep(1000, high)).save(tmp_path / name)
    labels, split = np.array(["a"] * 4, object), np.array(["train", "", "val", "test"])
    table = ImageTable(names, labels, split=split, root=tmp_path)
    assert measure_intensity_range(table) == (1000, 1100)


def test_files_bytes_and_unreadable_images(tmp_path):
    Image.fromarray(deep(1000, 1100)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    mixed = [tmp_path / "a.png", data, b"damaged", tmp_path / "gone.png", tmp_path]
    assert measure_intensity_range(read_images(mixed)) == (1000, 1100)
    assert measure_intensity_range(read_images([data]), max_pixels=10) is None
    nan = np.full((4, 4), np.nan, np.float32)
    assert measured(nan) is None and measured(nan, deep(0, 100)) == (0, 100)


def test_the_fraction_outside_by_hand():
    values = np.array([0, 94, 96, 150, 204, 206])  # 5 % of the range on each side
    assert fraction_outside(values, (100, 200)) == pytest.approx(3 / 6)


def test_the_reader_scales_by_its_range_and_reports_what_is_outside(tmp_path):
    values = deep(1000, 1100)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    table = read_images([file.getvalue()])
    found = ImageReader(16, intensity_range=(1000, 1050)).read(table, 0)
    assert found.pixels is not None
    expected = np.rint((values - 1000.0) / 50 * 255).clip(0, 255)
    assert np.abs(found.pixels[..., 0] - expected).max() <= 1
    assert found.outside == pytest.approx((values > 1052.5).mean())
    assert ImageReader(16).read(table, 0).outside == 0


def test_the_range_is_part_of_the_cache_key():
    keys = {ImageReader(16, intensity_range=r).key for r in (None, (0, 1), (0, 2))}
    assert len(keys) == 3
