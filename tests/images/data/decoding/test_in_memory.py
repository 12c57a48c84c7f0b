"""An image in memory gives the same pixels as its file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageFile

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.read import read_images

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)
READER = ImageReader(8)


def pixels_of(image: Any, row: int = 0, reader: ImageReader = READER) -> np.ndarray:
    """Return the decoded pixels of an image, read alone or in a list."""
    found = reader.read(read_images(image), row)
    assert found.reason is None and found.pixels is not None
    return found.pixels


def reason_of(image: Any) -> str:
    return READER.read(read_images([image]), 0).reason or ""


def opened(path: Path) -> ImageFile.ImageFile:
    """Open an image without loading it; there is no file to close."""
    return Image.open(io.BytesIO(path.read_bytes()))


def rotated(image: Image.Image, path: Path) -> Path:
    """Save an image with the EXIF orientation of a quarter turn."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("size", [2, 8])
def test_every_form_of_a_file_gives_the_same_pixels(suffix, size, tmp_path):
    large = np.kron(COLOR, np.ones((6, 6, 1), np.uint8))
    path = rotated(Image.fromarray(large), tmp_path / f"a.{suffix}")
    reader, data = ImageReader(size), path.read_bytes()
    expected = pixels_of([path], reader=reader)
    with path.open("rb") as file:
        file.seek(7)
        image = opened(path)
        forms = [str(path), path, data, bytearray(data), io.BytesIO(data), file]
        forms += [image, Image.open(file)]
        for form in forms:
            assert np.array_equal(pixels_of([form], reader=reader), expected)
        for row in range(len(forms)):  # a list of mixed kinds
            assert np.array_equal(pixels_of(forms, row, reader), expected)
    assert image.fp is not None  # not loaded
    image.load()  # a JPEG is now decoded in full
    difference = pixels_of(image, reader=reader).astype(int) - expected
    assert np.abs(difference).max() <= (25 if suffix == "jpg" else 0)


def test_a_single_image_in_memory_is_one_image(tmp_path):
    image = Image.fromarray(COLOR)
    image.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for one in (image, image.convert("L"), data, io.BytesIO(data)):
        assert len(read_images(one)) == 1
    assert read_images(image, ["cat"]).labels.tolist() == ["cat"]


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "LA", "PA", "La", "RGBA", "RGBa", "RGBX", "I", "F", "I;16"]
)
def test_modes_follow_the_rules_of_files(mode, tmp_path):
    color = Image.fromarray(np.dstack([COLOR, COLOR[..., :1]]))
    gray = COLOR[..., 0]
    image = {
        "I": lambda: Image.fromarray(gray.astype(np.int32)),
        "F": lambda: Image.fromarray(gray.astype(np.float32)),
        "I;16": lambda: Image.fromarray(gray * np.uint16(257)),
        "La": lambda: color.convert("LA").convert("La"),
        "PA": lambda: color.convert("P").convert("PA"),
    }.get(mode, lambda: color.convert(mode))()
    stored = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
    path = tmp_path / ("a.tif" if mode in ("I", "F") else "a.png")
    image.convert(stored.get(mode, mode)).save(path)
    assert image.mode == mode
    got, expected = pixels_of(image).astype(int), pixels_of([path])
    assert got.shape == expected.shape and np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("mode", ["HSV", "YCbCr", "CMYK", "LAB"])
def test_colors_in_other_modes_are_those_of_rgb(mode):
    flat = np.zeros((8, 8, 3), np.uint8) + np.array([200, 60, 20], np.uint8)
    image = Image.fromarray(flat)
    if mode == "LAB":  # CIELAB (D50) of this colour, by Lindbloom's formulas
        image = Image.new("LAB", (8, 8), (118, 183, 182))
    else:
        image = image.convert(mode)
    assert np.abs(pixels_of(image).astype(int) - flat).max() <= 8


def test_exif_orientation_of_a_pil_image_is_applied(tmp_path):
    path = rotated(Image.fromarray(COLOR), tmp_path / "a.png")
    upright = np.rot90(COLOR, -1)
    expected = pixels_of(upright[None].copy())
    for image in (opened(path), opened(path).convert("RGB")):
        assert np.array_equal(pixels_of(image), expected)
    again = opened(path)
    again.load()
    assert np.array_equal(pixels_of([again, again], 1), expected)


def test_changed_pil_images_are_taken_as_they_are(tmp_path):
    Image.fromarray(np.kron(COLOR, np.ones((8, 8, 1), np.uint8))).save(
        tmp_path / "a.jpg"
    )
    small = opened(tmp_path / "a.jpg")
    small.draft("RGB", (20, 12))
    expected = pixels_of(np.asarray(small)[None].copy())
    fresh = opened(tmp_path / "a.jpg")
    fresh.draft("RGB", (20, 12))
    assert np.array_equal(pixels_of(fresh), expected)


def test_a_frame_must_be_chosen(tmp_path):
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = opened(tmp_path / "a.gif")
    assert reason_of(image).startswith("animated or multi-page (2 frames)")
    image.load()
    assert reason_of(image).startswith("animated or multi-page (2 frames)")
    image.seek(1)
    assert (pixels_of(image) == 200).all()


def test_arrays_of_several_sizes_and_columns_of_images():
    images = [COLOR, torch.from_numpy(COLOR[..., 0].copy()), COLOR[:9, :9] / 255]
    table = read_images([*images, Image.fromarray(COLOR)], ["a", "b", "a", "b"])
    assert table.names == ["image 0", "image 1", "image 2", "image 3"]
    assert np.array_equal(pixels_of(images), pixels_of(COLOR[None]))
    assert np.array_equal(pixels_of(images, 1), pixels_of(COLOR[None, ..., :1]))
    assert np.array_equal(pixels_of(images, 2), pixels_of(COLOR[None, :9, :9]))
    heads = [READER.read(table.rows(np.array([2, 0])), k).header for k in (0, 1)]
    assert [head and head[:2] for head in heads] == [(9, 9), (20, 12)]
    pil = [Image.fromarray(COLOR)] * 2
    for form in (pd.Series(pil, index=[5, 6]), iter(pil), tuple(pil)):
        assert len(read_images(form)) == 2
    stack = [COLOR, COLOR]  # arrays of one size make one array
    for form in (stack, iter(stack)):
        assert read_images(form).pixels is not None


def test_three_gray_images_stay_three_images():
    table = read_images(np.zeros((3, 8, 8), np.uint8), ["a", "b", "c"])
    assert len(table) == 3 and table.pixels is not None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "expected a path, bytes, a PIL image or an array"),
        (
            np.zeros((3, 8, 8)),
            r"[H, W] or [H, W, C] with C 1 or 3, got shape [3, 8, 8]",
        ),
        (np.full((5, 5), 300), "must lie in 0..255"),
        (b"no image", "not an image in a supported format"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_image_in_a_list_has_a_reason(image, reason):
    table = read_images([Image.fromarray(COLOR), image])
    assert READER.read(table, 0).reason is None
    assert reason in (READER.read(table, 1).reason or "")


def test_closed_images_text_files_and_tables_of_images_are_refused(tmp_path):
    Image.fromarray(COLOR).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pass
    assert "closed" in reason_of(image)
    with pytest.raises(DataError, match=r'must be binary.*"rb"'):
        read_images([io.StringIO("text")])
    frame = pd.DataFrame({"image": [Image.fromarray(COLOR)], "label": ["a"]})
    with pytest.raises(DataError, match=r"X=table\['image'\].tolist\(\)"):
        read_images(frame)
    with pytest.raises(NoDataError, match="no images"):
        read_images(iter([]))


def test_equal_content_has_equal_digests(tmp_path):
    image = Image.fromarray(COLOR)
    image.save(tmp_path / "a.png")
    gray = image.convert("L")
    same = [tmp_path / "a.png", opened(tmp_path / "a.png"), image, image.copy(), gray]
    table = read_images(same)
    digests = [READER.read(table, row).digest for row in range(5)]
    assert digests[0] == digests[1] and digests[2] == digests[3]
    assert len(set(digests)) == 3
    palette = Image.fromarray(COLOR).quantize(4)  # the same bytes as greys
    table = read_images([palette, Image.fromarray(np.asarray(palette))])
    assert READER.read(table, 0).digest != READER.read(table, 1).digest
