"""Notes on images that may not show what the user expects."""

import struct
import zlib

import numpy as np
from PIL import Image

from vicinal.images.data.audit import ImageReader, audit
from vicinal.images.data.image_notes import describe_outside, image_notes
from vicinal.images.data.read import read_images
from vicinal.images.settings import IntensityRange, Resize

RNG = np.random.default_rng(0)


def notes_of(
    *arrays: np.ndarray, limits: IntensityRange | None = None, resize: Resize = "crop"
) -> list[str]:
    images = [Image.fromarray(array) for array in arrays]
    reader = ImageReader(8, resize, intensity_range=limits)
    return image_notes(audit(read_images(images), reader), resize)


def random_image(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_usual_images_have_no_note():
    assert notes_of(random_image(8, 8), random_image(40, 10), random_image(9, 36)) == []


def test_constant_images_are_named():
    white, point = np.full((9, 9), 255, np.uint8), np.zeros((9, 9), np.uint8)
    point[4, 4] = 255
    [note] = notes_of(random_image(9, 9), white, point, white[:8])
    expected = "2 images with one value in all pixels: image 1 (9 x 9), image 3 (9 x 8)"
    assert note == f"{expected}. Check these files."


def test_deep_images_that_the_range_makes_constant_are_named():
    values = RNG.integers(1000, 1100, (9, 9)).astype(np.uint16)
    scaled, constant = notes_of(values, limits=(0, 500))
    assert scaled.startswith("1 image of more than 8 bits: values from 0 to 500")
    assert "image 0 (9 x 9). Check --intensity-range" in constant
    [whole] = notes_of(values * 50)
    assert "the whole range of the format" in whole
    [unused] = notes_of(random_image(9, 9), limits=(0, 500))
    assert unused.startswith("no image has more than 8 bits: the intensity range 0 to")


def test_lost_bits_of_16_bit_colours_are_named(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    values = RNG.integers(0, 4096, (8, 8, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))
    found = audit(read_images([tmp_path / "a.png"]), ImageReader(8))
    assert found.usable.all() and found.channels == 3
    [note] = image_notes(found)
    assert note.startswith(
        "1 image with several channels of 16 bits, of which the upper"
    )
    assert "a.png (8 x 8)" in note


def test_tiny_images_are_named():
    tiny = [random_image(1, 1) for _ in range(5)]
    constant, small = notes_of(random_image(9, 9), *tiny)
    assert small.startswith("5 images with a side below 8 pixels, which are enlarged: ")
    assert (
        "image 1 (1 x 1), image 2 (1 x 1), image 3 (1 x 1) and 2 more. Leave" in small
    )
    assert constant.startswith("5 images with one value")


def test_elongated_images_are_named_with_what_a_crop_keeps():
    images = random_image(10, 41), random_image(4000, 8), random_image(10, 40)
    [note] = notes_of(*images)
    assert note.startswith("2 images more than 4 times as long as wide: image 1 (8 x 4")
    assert "Cropping keeps 0.2 % of the first; --resize pad keeps all" in note
    assert notes_of(*images, resize="pad") == []


def test_values_outside_the_range_are_described():
    fractions = np.array([0, 0.005, 0.25, 1])
    [note] = describe_outside(["a", "b", "c", "d"], fractions, (0, 4095))
    assert "0 to 4095, in 2 images, for example in 25.0 % of the pixels of c" in note
    assert describe_outside(["a"], np.array([0.0]), (0, 1)) == []
    [note] = describe_outside(["a"], np.array([0.5]), None)
    assert note.startswith("values outside the range of the format (the training")
