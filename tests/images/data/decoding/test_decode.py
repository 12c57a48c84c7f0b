"""Decoding of every kind of image, against pixels computed independently."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, ImagePalette

from vicinal.errors import ImageError
from vicinal.images.data.decoding import decode as decode_module
from vicinal.images.data.decoding.decode import (
    Preprocessing,
    decode,
    digest,
    header,
    open_image,
    read_file,
    resize_array,
    to_channels,
)
from vicinal.images.settings import Resize

RESIZES: tuple[Resize, ...] = ("crop", "squish", "pad")


def encoded(image: Image.Image | np.ndarray, format: str, **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decoded(data: bytes, size: int, resize: Resize = "crop") -> np.ndarray:
    pixels = decode(open_image(data), size, resize)
    assert pixels.dtype == np.uint8 and pixels.shape[:2] == (size, size)
    return pixels


def close(got: np.ndarray, expected: np.ndarray, atol: float) -> None:
    assert got.shape == expected.shape
    assert np.abs(got.astype(float) - expected).max() <= atol


# --- modes -------------------------------------------------------------------------

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (8, 8)).astype(np.uint8)
COLOR = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 256, (8, 8)).astype(np.uint8)
ALPHA[0], ALPHA[1] = 0, 255


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Composite pixels on white."""
    opacity = alpha[..., None] / 255
    return pixels.reshape(8, 8, -1) * opacity + 255 * (1 - opacity)


def test_one_bit_images():
    bits = GRAY > 127
    data = encoded(Image.fromarray(bits), "PNG")
    assert header(open_image(data)).mode == "1"
    assert np.array_equal(decoded(data, 8)[..., 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_grayscale_stays_one_channel(format):
    assert np.array_equal(decoded(encoded(GRAY, format), 8), GRAY[..., None])


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "TGA", "JPEG2000"])
def test_rgb_is_unchanged(format):
    assert np.array_equal(decoded(encoded(COLOR, format), 8), COLOR)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_alpha_is_composited_on_white(format):
    gray = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(ALPHA)])
    close(decoded(encoded(gray, format), 8), on_white(GRAY, ALPHA), atol=1)
    color = Image.fromarray(np.dstack([COLOR, ALPHA]))
    close(decoded(encoded(color, format), 8), on_white(COLOR, ALPHA), atol=1)


def test_alpha_of_webp_is_composited_on_white():
    color = Image.fromarray(np.dstack([COLOR, ALPHA]))
    data = encoded(color, "WEBP", lossless=True, exact=True)
    close(decoded(data, 8), on_white(COLOR, ALPHA), atol=1)


@pytest.fixture
def palette():
    """Return a palette image [8, 8], its palette indices and colors [4, 3]."""
    rows = RNG.integers(0, 4, (8, 8)).astype(np.uint8)
    colors = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 30], [200, 200, 0]], np.uint8)
    image = Image.fromarray(rows, "L").convert("P")
    image.putdata(rows.ravel().tolist())
    image.putpalette(colors.ravel().tolist())
    return image, rows, colors


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_converted_to_rgb(palette, format):
    image, rows, colors = palette
    assert np.array_equal(decoded(encoded(image, format), 8), colors[rows])


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_palette_color_is_white(palette, format):
    image, rows, colors = palette
    colors = colors.copy()
    colors[2] = 255
    data = encoded(image, format, transparency=2)
    assert np.array_equal(decoded(data, 8), colors[rows])


GRAY_PALETTE = np.array(
    [7, 7, 7, 90, 90, 90, 255, 255, 255, 0, 0, 0], np.uint8
).reshape(4, 3)


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF", "TGA"])
def test_a_palette_of_greys_is_grayscale(palette, format):
    image, rows, _ = palette
    data = encoded(image, format)
    assert header(open_image(data)).mode == "P"
    assert not header(open_image(data)).grayscale
    image.putpalette(GRAY_PALETTE.ravel().tolist())
    data = encoded(image, format)
    assert header(open_image(data)).grayscale
    assert np.array_equal(decoded(data, 8), GRAY_PALETTE[rows][..., :1])
    if format in ("PNG", "GIF"):
        got = decoded(encoded(image, format, transparency=3), 8)
        assert np.array_equal(
            got[..., 0], np.where(rows == 3, 255, GRAY_PALETTE[rows][..., 0])
        )


def test_grayscale_palettes_of_every_layout():
    def gray(format: str, values: list[int]) -> bool:
        return decode_module._is_grayscale_palette(
            ImagePalette.raw(format, bytes(values))
        )

    assert gray("RGB", [5, 5, 5, 9, 9, 9]) and not gray("RGB", [5, 5, 5, 9, 9, 8])
    assert gray("BGRX", [5, 5, 5, 0, 9, 9, 9, 1])
    assert not gray("BGRX", [5, 5, 5, 5, 9, 8, 9, 9])
    assert gray("RGB;L", [5, 9, 5, 9, 5, 9]) and not gray("RGB;L", [5, 5, 5, 9, 9, 9])
    assert not gray("BGR;16", [5, 5, 5, 5, 5, 5]) and not gray("RGB", [])
    assert not decode_module._is_grayscale_palette(None)


def test_a_transparent_pixel_value_is_white():
    gray, color = GRAY.copy(), COLOR.copy()
    gray[2:4], color[2:4] = 77, (1, 2, 3)
    got = decoded(encoded(gray, "PNG", transparency=77), 8)
    assert np.array_equal(got, np.where(gray == 77, 255, gray)[..., None])
    got = decoded(encoded(color, "PNG", transparency=(1, 2, 3)), 8)
    expected = np.where((color == (1, 2, 3)).all(-1, keepdims=True), 255, color)
    assert np.array_equal(got, expected)


def cmyk_to_rgb(ink: np.ndarray) -> np.ndarray:
    """Convert CMYK to RGB by multiplying the transmissions of ink and black."""
    ink = ink / 255
    return 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])


def test_cmyk_is_converted_to_rgb():
    ink = RNG.integers(0, 256, (8, 8, 4)).astype(np.uint8)
    image = Image.fromarray(ink, "CMYK")
    close(decoded(encoded(image, "TIFF"), 8), cmyk_to_rgb(ink), atol=2)
    flat = np.full((16, 16, 4), (200, 30, 60, 20), np.uint8)
    data = encoded(Image.fromarray(flat, "CMYK"), "JPEG", quality=100)
    assert header(open_image(data)).mode == "CMYK"
    close(decoded(data, 16), cmyk_to_rgb(flat), atol=4)


def test_ycbcr_is_converted_to_rgb():
    flat = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    close(decoded(encoded(flat, "JPEG", quality=95), 16), flat, atol=3)
    planes = Image.new("YCbCr", (8, 8), (100, 128, 128))  # neutral chroma
    close(decoded(encoded(planes, "TIFF"), 8), np.full((8, 8, 3), 100), atol=1)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_divided_by_257(format, order):
    deep = RNG.integers(0, 65536, (8, 8)).astype("<u2")
    deep[0] = GRAY[0] * np.uint16(257)  # values that 8 bits can represent
    if order == ">u2":
        image = Image.frombytes("I;16B", (8, 8), deep.astype(">u2").tobytes())
    else:
        image = Image.fromarray(deep)
    got = decoded(encoded(image, format), 8)[..., 0]
    assert np.array_equal(got, np.rint(deep / 257))
    assert np.array_equal(got[0], GRAY[0])


def test_a_dark_image_of_sixteen_bits_stays_dark():
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8)
    assert decoded(encoded(Image.fromarray(deep), "PNG"), 8).max() == 0


def test_integers_of_32_bits():
    deep = RNG.integers(0, 65536, (8, 8)).astype(np.int32)
    deep[0, 0] = 70_000
    got = decoded(encoded(Image.fromarray(deep), "TIFF"), 8)[..., 0]
    assert np.array_equal(got, np.rint((deep / 257).clip(0, 255)))
    got = decoded(encoded(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), 8)[..., 0]
    assert np.array_equal(got, GRAY)


def test_floats_are_scaled_or_clipped():
    unit = RNG.random((8, 8)).astype(np.float32)
    got = decoded(encoded(Image.fromarray(unit), "TIFF"), 8)[..., 0]
    close(got, unit * 255, atol=0.5)
    wide = RNG.uniform(-50, 300, (8, 8)).astype(np.float32)
    got = decoded(encoded(Image.fromarray(wide), "TIFF"), 8)[..., 0]
    close(got, wide.clip(0, 255), atol=0.5)
    wide[3, 3] = np.nan
    with pytest.raises(ImageError, match="NaN or infinite"):
        decoded(encoded(Image.fromarray(wide), "TIFF"), 8)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("<u2", 1000, 1100), (np.int32, -1024, 3071), (np.float32, -0.5, 0.25)],
)
def test_an_intensity_range_is_scaled_to_8_bits(dtype, low, high):
    values = RNG.uniform(low, high, (8, 8)).astype(dtype)
    values[0, :4] = low, high, low - (high - low) / 2, 2 * high - low
    data = encoded(Image.fromarray(values), "TIFF")
    got = decode(open_image(data), 8, "crop", (low, high))[..., 0]
    expected = np.rint((values - float(low)) / (high - low) * 255).clip(0, 255)
    close(got, expected, atol=0.5)
    assert got[0, :4].tolist() == [0, 255, 0, 255]


def test_an_intensity_range_does_not_change_8_bits(palette):
    for image in (GRAY, COLOR, palette[0]):
        data = encoded(image, "PNG")
        got = decode(open_image(data), 8, "crop", (100, 110))
        assert np.array_equal(got, decoded(data, 8))


def test_lab_is_converted_to_rgb():
    # CIELAB (illuminant D50) of the primaries of sRGB, by Lindbloom's calculator
    lab = [[54.29, 80.81, 69.89], [87.82, -79.27, 80.99], [29.57, 68.30, -112.03]]
    lab += [[100, 0, 0], [0, 0, 0], [53.39, 0, 0]]
    stored = np.rint(np.array(lab) * (2.55, 1, 1)).astype(int).astype(np.uint8)
    image = Image.frombytes("LAB", (6, 1), stored.tobytes())
    expected = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3, [127] * 3]
    got = decode(open_image(encoded(image, "TIFF")), 6, "squish")[0]
    close(got, np.array(expected), atol=24)  # a and b are rounded to integers


def test_floats_below_0_are_clipped_and_not_scaled():
    signed = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    got = decoded(encoded(Image.fromarray(signed), "TIFF"), 8)[..., 0]
    close(got, signed.clip(0, 255), atol=0.5)


# --- orientation -------------------------------------------------------------------


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels as a camera stores them, by the EXIF standard.

    Row 0 and column 0 of the stored pixels are these sides of the upright image:
    1 top left, 2 top right, 3 bottom right, 4 bottom left,
    5 left top, 6 right top, 7 right bottom, 8 left bottom.
    """
    rotated = upright.swapaxes(0, 1) if orientation >= 5 else upright
    row_from_end = orientation in (3, 4, 6, 7)
    column_from_end = orientation in (2, 3, 7, 8)
    return rotated[:: -1 if row_from_end else 1, :: -1 if column_from_end else 1].copy()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def with_png_chunk(data: bytes, kind: bytes, body: bytes, before: bytes) -> bytes:
    """Insert a chunk into a PNG file, before the first one of another kind."""
    position = data.index(before) - 4
    check = struct.pack(">I", zlib.crc32(kind + body))
    return (
        data[:position]
        + struct.pack(">I", len(body))
        + kind
        + body
        + check
        + data[position:]
    )


UPRIGHT = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)
ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_reference_agrees_with_pillow(orientation):
    image = Image.fromarray(stored(UPRIGHT, orientation))
    image.getexif()[0x0112] = orientation
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), UPRIGHT)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "late PNG", "old PNG"])
def test_every_orientation_gives_the_upright_image(format, orientation):
    pixels = stored(UPRIGHT, orientation)
    if format in ("late PNG", "old PNG"):
        data = encoded(pixels, "PNG")
        if format == "late PNG":  # EXIF after the pixels
            data = with_png_chunk(data, b"eXIf", exif(orientation)[6:], b"IEND")
        else:  # ImageMagick's chunk, from before PNG supported EXIF
            text = exif(orientation).hex()
            profile = f"\nexif\n{len(text) // 2:8}\n{text}\n".encode()
            body = b"Raw profile type exif\0\0" + zlib.compress(profile)
            data = with_png_chunk(data, b"zTXt", body, b"IDAT")
    else:
        options = {"lossless": True} if format == "WEBP" else {}
        data = encoded(pixels, format, exif=exif(orientation), **options)
    assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])
    if format != "late PNG":  # its header does not contain it
        assert header(open_image(data))[:2] == (20, 12)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_of_a_jpeg(orientation):
    upright = np.zeros((48, 80, 3), np.uint8)
    upright[:24, :40], upright[:24, 40:] = (250, 20, 20), (20, 250, 20)
    upright[24:, :40], upright[24:, 40:] = (20, 20, 250), (240, 240, 240)
    data = encoded(
        stored(upright, orientation),
        "JPEG",
        exif=exif(orientation),
        quality=95,
        subsampling=0,
    )
    assert header(open_image(data)) == (80, 48, "RGB", "JPEG")
    close(decoded(data, 48), upright[:, 16:64], atol=12)
    small = decoded(data, 12)  # decoded at a quarter of the size
    close(
        small[[2, 2, 9, 9], [2, 9, 2, 9]], upright[[0, 0, -1, -1], [0, -1, 0, -1]], 12
    )


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_other_modes(orientation):
    square = np.dstack([COLOR, ALPHA])
    for image, expected in [
        (stored(square, orientation), on_white(COLOR, ALPHA)),
        (stored(GRAY.astype(np.uint16) * 257, orientation), GRAY[..., None]),
        (
            Image.fromarray(stored(GRAY > 127, orientation)),
            (GRAY > 127)[..., None] * 255,
        ),
    ]:
        data = encoded(image, "PNG", exif=exif(orientation))
        close(decoded(data, 8), expected, atol=1)


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_invalid_orientations_are_ignored(orientation):
    data = encoded(UPRIGHT, "PNG", exif=exif(orientation))
    assert header(open_image(data))[:2] == (20, 12)
    assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])


def test_damaged_exif_is_ignored():
    for tags in (b"Exif\0\0MM\0*\0\0", b"Exif\0\0nonsense", exif(6)[:-8]):
        data = encoded(UPRIGHT, "PNG")
        data = with_png_chunk(data, b"eXIf", tags[6:], b"IDAT")
        assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])


# --- images that cannot be used ----------------------------------------------------


def reason(data: bytes, **options) -> str:
    with pytest.raises(ImageError) as error:
        decode(open_image(data, **options), 16, "crop")
    return str(error.value)


def noise(height: int = 64, width: int = 64) -> np.ndarray:
    return (
        np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    )


FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA"]


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_files_raise(format):
    data = encoded(noise(), format)
    assert decoded(data, 16).shape == (16, 16, 3)
    for fraction in (0.02, 0.5, 0.9):
        message = reason(data[: int(len(data) * fraction)])
        assert "damaged" in message or "not an image" in message


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_bytes_raise_only_image_errors(format):
    data = encoded(noise(24, 24), format)
    rng = np.random.default_rng(2)
    for _ in range(60):
        damaged = bytearray(data)
        for position in rng.integers(0, min(len(data), 400), 3):
            damaged[position] = rng.integers(0, 256)
        try:
            image = open_image(bytes(damaged))
            header(image)
            decode(image, 16, "crop")
        except ImageError as error:
            assert str(error) and "\n" not in str(error)


def test_files_that_are_not_images_raise():
    assert reason(b"") == "the file is empty (0 bytes)"
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    # Pillow would run another program for EPS
    for data in (b"hello", bytes(5000), b"\x80\x04.", eps, b"\xff\xd8\xff"):
        assert "not an image" in reason(data) or "damaged" in reason(data)
    assert "not an image" in reason(eps)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_multiple_pages_raise(format):
    frames = [Image.fromarray(noise()), Image.fromarray(255 - noise())]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert reason(data).startswith("animated or multi-page (2 frames)")
    one = encoded(frames[0], format, save_all=True)
    assert decoded(one, 64).shape == (64, 64, 3)


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.95])
def test_truncated_animations_raise(fraction):
    frames = [Image.fromarray(noise()), Image.fromarray(255 - noise())]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert reason(data[: int(len(data) * fraction)])


def test_the_first_image_of_an_mpo_is_decoded():
    front = np.full((64, 96, 3), (200, 40, 40), np.uint8)
    preview = Image.fromarray(np.full((64, 96, 3), (0, 0, 255), np.uint8))
    data = encoded(front, "MPO", save_all=True, append_images=[preview])
    assert header(open_image(data)) == (96, 64, "RGB", "MPO")
    for size in (64, 16):
        expected = np.full((size, size, 3), (200, 40, 40))
        close(decoded(data, size), expected, atol=3)


def png_with_header_size(width: int, height: int) -> bytes:
    """Return a small PNG file whose header has another size."""
    data = bytearray(encoded(np.zeros((4, 4), np.uint8), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def test_decompression_bombs_raise_before_decoding():
    for size in ((50_000, 50_000), (2**31 - 1, 2**31 - 1)):
        bomb = png_with_header_size(*size)
        assert len(bomb) < 100
        assert "bomb" in reason(bomb)
    # between Pillow's warning and its error, and above our limit
    assert reason(png_with_header_size(10_000, 10_000))


def test_more_pixels_than_the_limit_raise():
    data = encoded(noise(20, 30), "PNG")
    assert open_image(data, max_pixels=600).size == (30, 20)
    assert reason(data, max_pixels=599) == "600 pixels, above the limit of 599"
    # the frames of an image with too many pixels are not counted
    assert "above the limit" in reason(encoded(noise(), "GIF"), max_pixels=10)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_pixel_limit_can_be_raised():
    assert open_image(png_with_header_size(10_000, 10_000), 10**8).size == (
        10_000,
        10_000,
    )
    message = reason(png_with_header_size(10_000, 10_000), max_pixels=10**8 - 1)
    assert message == "100,000,000 pixels, above the limit of 99,999,999"


# --- sizes -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo() -> tuple[bytes, np.ndarray]:
    """Return a synthetic photograph as JPEG, and its pixels [480, 640, 3]."""
    y, x = np.mgrid[:480, :640]
    planes = [np.sin(x / 37 + k) * np.cos(y / 23 - k) * 90 + 128 for k in range(3)]
    pixels = np.stack(planes, axis=-1)
    pixels[100:300, 200:400] += 60
    pixels[(x - 500) ** 2 + (y - 200) ** 2 < 8000] -= 70
    grain = np.random.default_rng(3).normal(0, 6, pixels.shape)
    data = encoded((pixels + grain).clip(0, 255).astype(np.uint8), "JPEG", quality=92)
    return data, np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [16, 60, 61, 150, 224, 300])
def test_decoding_at_a_smaller_scale_is_close_to_full_decoding(photo, resize, size):
    data, whole = photo
    difference = np.abs(
        decoded(data, size, resize) - resize_array(whole, size, resize).astype(int)
    )
    assert difference.mean() < 0.5


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (37, 900), (100, 101)])
def test_draft_is_at_least_twice_as_large_as_needed(resize, shape):
    data = encoded(np.zeros((*shape, 3), np.uint8), "JPEG")
    smaller = 0
    for size in (1, 8, 30, 50, 51, 120, 200, 240, 480, 700):
        image = open_image(data)
        decode_module._draft(image, size, resize)
        side = {"crop": min(shape), "pad": max(shape)}.get(resize, 1)
        if resize == "squish":
            least = (min(2 * size, shape[1]), min(2 * size, shape[0]))
        else:
            scale = min(1, 2 * size / side)
            least = (shape[1] * scale, shape[0] * scale)
        assert image.width >= least[0] - 1e-9 and image.height >= least[1] - 1e-9
        smaller += image.size != shape[::-1]
    assert smaller >= 1


def columns(height: int, width: int) -> np.ndarray:
    """Return a greyscale image [H, W] whose pixels are their column number."""
    return np.tile(np.arange(width, dtype=np.uint8), (height, 1))


def test_crop_keeps_the_central_square():
    got = decoded(encoded(columns(6, 20), "PNG"), 6)[..., 0]
    assert got.tolist() == [[7, 8, 9, 10, 11, 12]] * 6
    got = decoded(encoded(columns(6, 20).T, "PNG"), 6)[..., 0]
    assert got.T.tolist() == [[7, 8, 9, 10, 11, 12]] * 6
    # half the size: each pixel is the mean of two, except at the antialiased border
    got = decoded(encoded(columns(12, 40), "PNG"), 6)[..., 0]
    assert np.abs(got[:, 1:-1] - np.array([16.5, 18.5, 20.5, 22.5])).max() <= 0.5


def test_nothing_outside_the_crop_is_read():
    white_sides = np.full((50, 140), 255, np.uint8)
    white_sides[:, 45:95] = 9
    for size in (7, 16, 50, 90):
        assert (decoded(encoded(white_sides, "PNG"), size) == 9).all()


def test_squish_keeps_the_whole_image():
    halves = np.zeros((20, 80), np.uint8)
    halves[:, 40:] = 200
    got = decoded(encoded(halves, "PNG"), 20, "squish")[..., 0]
    assert got[:, :9].max() == 0 and got[:, 11:].min() == 200
    ramp = decoded(encoded(columns(16, 160), "PNG"), 16, "squish")[..., 0]
    means = np.arange(160).reshape(16, 10).mean(axis=1)
    assert np.abs(ramp[:, 1:-1] - means[1:-1]).max() <= 1


def test_pad_keeps_the_aspect_ratio_and_adds_black():
    white = np.full((10, 40), 255, np.uint8)
    got = decoded(encoded(white, "PNG"), 20, "pad")[..., 0]
    rows = [0] * 7 + [255] * 5 + [0] * 8  # 5 of 20 rows, 7 above them
    assert got.tolist() == [[value] * 20 for value in rows]
    rotated = decoded(encoded(white.T, "PNG"), 20, "pad")[..., 0]
    assert np.array_equal(rotated, got.T)
    whole = decoded(encoded(columns(6, 20), "PNG"), 20, "pad")[..., 0]
    assert np.array_equal(whole[7:13], columns(6, 20))
    assert not whole[:7].any() and not whole[13:].any()


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5), (64, 64)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_any_shape_gives_the_requested_size(resize, shape, format):
    for channels in ((), (3,)):
        data = encoded(np.full((*shape, *channels), 90, np.uint8), format)
        got = decoded(data, 16, resize)
        assert got.shape == (16, 16, 3 if channels else 1)
        assert np.abs(got[got > 0].astype(int) - 90).max() <= 3
        if resize != "pad":
            assert got.all()


# --- arrays ------------------------------------------------------------------------


def test_to_channels_by_hand():
    color = np.array([[[100, 150, 200], [255, 255, 255], [0, 0, 0]]], np.uint8)
    # 0.299 * 100 + 0.587 * 150 + 0.114 * 200 = 140.75
    assert to_channels(color, 1).tolist() == [[[141], [255], [0]]]
    assert to_channels(color, 3) is color
    gray = np.array([[[7], [9]]], np.uint8)
    assert to_channels(gray, 3).tolist() == [[[7, 7, 7], [9, 9, 9]]]
    assert to_channels(gray, 1) is gray
    assert np.array_equal(to_channels(to_channels(gray, 3), 1), gray)
    luma = np.asarray(Image.fromarray(COLOR).convert("L"))
    close(to_channels(COLOR, 1)[..., 0], luma, atol=1)
    assert to_channels(np.stack([COLOR, COLOR]), 1).shape == (2, 8, 8, 1)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [(8, 8), (10, 6), (30, 40)])
def test_an_array_is_resized_like_its_file(resize, shape):
    for channels in ((), (3,)):
        pixels = RNG.integers(0, 256, (*shape, *channels)).astype(np.uint8)
        expected = decoded(encoded(pixels, "PNG"), 8, resize)
        assert np.array_equal(resize_array(pixels, 8, resize), expected)
    column = pixels[..., :1]
    assert np.array_equal(resize_array(column, 8, resize)[..., 0], expected[..., 0])


def test_digest_is_a_prefix_of_sha256():
    # `printf abc | sha256sum`
    assert digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223"


def test_preprocessing_is_restored_from_json():
    import json

    preprocessing = Preprocessing(128, 146, 3, "pad", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    values = json.loads(json.dumps(preprocessing.to_dict()))
    assert Preprocessing.from_dict(values) == preprocessing


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"here")
    (tmp_path / "b.png").symlink_to("a.png")
    assert read_file(tmp_path / "a.png") == read_file(tmp_path / "b.png") == b"here"
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path, tmp_path / "pipe.jpg", Path(os.devnull)):
        with pytest.raises(ImageError, match=r"^not a regular file$"):
            read_file(path)
    with pytest.raises(ImageError, match="no such file"):
        read_file(tmp_path / "c.png")


def test_crop_without_resizing_does_not_interpolate():
    rng = np.random.default_rng(0)  # an odd margin: five columns too many
    pixels = rng.integers(0, 256, (8, 13, 3), dtype=np.uint8)
    got = decode_module.resize_array(pixels, 8, "crop")
    np.testing.assert_array_equal(got, pixels[:, 2:10])
