"""Decoding: each kind of picture against pixels that were worked out without it."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, ImagePalette

from vicinal.errors import ImageError
from vicinal.images.data import decode as max_bytes
from vicinal.images.data.decode import (
    Preprocessing,
    decode,
    digest,
    header,
    open_picture,
    read_file,
    resize_array,
    to_channels,
)
from vicinal.images.settings import Resize

WAYS: tuple[Resize, ...] = ("crop", "squish", "pad")


def encoded(image: Image.Image | np.ndarray, form: str, **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def decoded(data: bytes, size: int, resize: Resize = "crop") -> np.ndarray:
    pixels = decode(open_picture(data), size, resize)
    assert pixels.dtype == np.uint8 and pixels.shape[:2] == (size, size)
    return pixels


def close(got: np.ndarray, wanted: np.ndarray, within: float) -> None:
    assert got.shape == wanted.shape
    assert np.abs(got.astype(float) - wanted).max() <= within


# --- modes -------------------------------------------------------------------------

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 8)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 256, (8, 8)).astype(np.uint8)
ALPHA[0], ALPHA[1] = 0, 255


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Ink over white paper: alpha of the one, the rest of the other."""
    share = alpha[..., None] / 255
    return pixels.reshape(8, 8, -1) * share + 255 * (1 - share)


def test_one_bit():
    bits = GREY > 127
    data = encoded(Image.fromarray(bits), "PNG")
    assert header(open_picture(data)).mode == "1"
    assert np.array_equal(decoded(data, 8)[..., 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_grey_stays_one_channel(form):
    assert np.array_equal(decoded(encoded(GREY, form), 8), GREY[..., None])


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "JPEG2000"])
def test_colour(form):
    assert np.array_equal(decoded(encoded(COLOUR, form), 8), COLOUR)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_alpha_is_laid_on_white(form):
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    close(decoded(encoded(grey, form), 8), on_white(GREY, ALPHA), within=1)
    colour = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    close(decoded(encoded(colour, form), 8), on_white(COLOUR, ALPHA), within=1)


def test_alpha_of_webp_is_laid_on_white():
    colour = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    data = encoded(colour, "WEBP", lossless=True, exact=True)
    close(decoded(data, 8), on_white(COLOUR, ALPHA), within=1)


@pytest.fixture
def palette():
    """A picture [8, 8] of palette rows, and its colours [4, 3]."""
    rows = RNG.integers(0, 4, (8, 8)).astype(np.uint8)
    colours = np.array(
        [[255, 0, 0], [0, 255, 0], [10, 20, 30], [200, 200, 0]], np.uint8
    )
    image = Image.fromarray(rows, "L").convert("P")
    image.putdata(rows.ravel().tolist())
    image.putpalette(colours.ravel().tolist())
    return image, rows, colours


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette(palette, form):
    image, rows, colours = palette
    assert np.array_equal(decoded(encoded(image, form), 8), colours[rows])


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_colour(palette, form):
    image, rows, colours = palette
    colours = colours.copy()
    colours[2] = 255
    data = encoded(image, form, transparency=2)
    assert np.array_equal(decoded(data, 8), colours[rows])


GREYS = np.array([7, 7, 7, 90, 90, 90, 255, 255, 255, 0, 0, 0], np.uint8).reshape(4, 3)


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "TGA"])
def test_a_palette_of_greys_is_grey(palette, form):
    image, rows, _ = palette
    data = encoded(image, form)
    assert header(open_picture(data)).mode == "P"
    assert not header(open_picture(data)).grey
    image.putpalette(GREYS.ravel().tolist())
    data = encoded(image, form)
    assert header(open_picture(data)).grey
    assert np.array_equal(decoded(data, 8), GREYS[rows][..., :1])
    if form in ("PNG", "GIF"):
        got = decoded(encoded(image, form, transparency=3), 8)
        assert np.array_equal(
            got[..., 0], np.where(rows == 3, 255, GREYS[rows][..., 0])
        )


def test_what_a_palette_holds():
    def grey(form: str, values: list[int]) -> bool:
        return max_bytes._holds_greys(ImagePalette.raw(form, bytes(values)))

    assert grey("RGB", [5, 5, 5, 9, 9, 9]) and not grey("RGB", [5, 5, 5, 9, 9, 8])
    assert grey("BGRX", [5, 5, 5, 0, 9, 9, 9, 1])
    assert not grey("BGRX", [5, 5, 5, 5, 9, 8, 9, 9])
    assert grey("RGB;L", [5, 9, 5, 9, 5, 9]) and not grey("RGB;L", [5, 5, 5, 9, 9, 9])
    assert not grey("BGR;16", [5, 5, 5, 5, 5, 5]) and not grey("RGB", [])
    assert not max_bytes._holds_greys(None)


def test_a_transparent_value_of_grey_and_colour():
    grey, colour = GREY.copy(), COLOUR.copy()
    grey[2:4], colour[2:4] = 77, (1, 2, 3)
    got = decoded(encoded(grey, "PNG", transparency=77), 8)
    assert np.array_equal(got, np.where(grey == 77, 255, grey)[..., None])
    got = decoded(encoded(colour, "PNG", transparency=(1, 2, 3)), 8)
    wanted = np.where((colour == (1, 2, 3)).all(-1, keepdims=True), 255, colour)
    assert np.array_equal(got, wanted)


def cmyk_to_rgb(ink: np.ndarray) -> np.ndarray:
    """Each ink takes its share of the light that black leaves."""
    ink = ink / 255
    return 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])


def test_cmyk():
    ink = RNG.integers(0, 256, (8, 8, 4)).astype(np.uint8)
    image = Image.fromarray(ink, "CMYK")
    close(decoded(encoded(image, "TIFF"), 8), cmyk_to_rgb(ink), within=2)
    flat = np.full((16, 16, 4), (200, 30, 60, 20), np.uint8)
    data = encoded(Image.fromarray(flat, "CMYK"), "JPEG", quality=100)
    assert header(open_picture(data)).mode == "CMYK"
    close(decoded(data, 16), cmyk_to_rgb(flat), within=4)


def test_ycbcr():
    flat = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    close(decoded(encoded(flat, "JPEG", quality=95), 16), flat, within=3)
    planes = Image.new("YCbCr", (8, 8), (100, 128, 128))  # no colour in it
    close(decoded(encoded(planes, "TIFF"), 8), np.full((8, 8, 3), 100), within=1)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits(form, order):
    deep = RNG.integers(0, 65536, (8, 8)).astype("<u2")
    deep[0] = GREY[0] * np.uint16(257)  # 16 bits that eight can hold
    if order == ">u2":
        image = Image.frombytes("I;16B", (8, 8), deep.astype(">u2").tobytes())
    else:
        image = Image.fromarray(deep)
    got = decoded(encoded(image, form), 8)[..., 0]
    assert np.array_equal(got, np.rint(deep / 257))
    assert np.array_equal(got[0], GREY[0])


def test_a_dark_picture_of_sixteen_bits_stays_dark():
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8)
    assert decoded(encoded(Image.fromarray(deep), "PNG"), 8).max() == 0


def test_whole_numbers_of_32_bits():
    deep = RNG.integers(0, 65536, (8, 8)).astype(np.int32)
    deep[0, 0] = 70_000
    got = decoded(encoded(Image.fromarray(deep), "TIFF"), 8)[..., 0]
    assert np.array_equal(got, np.rint((deep / 257).clip(0, 255)))
    got = decoded(encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF"), 8)[..., 0]
    assert np.array_equal(got, GREY)


def test_floats():
    unit = RNG.random((8, 8)).astype(np.float32)
    got = decoded(encoded(Image.fromarray(unit), "TIFF"), 8)[..., 0]
    close(got, unit * 255, within=0.5)
    wide = RNG.uniform(-50, 300, (8, 8)).astype(np.float32)
    got = decoded(encoded(Image.fromarray(wide), "TIFF"), 8)[..., 0]
    close(got, wide.clip(0, 255), within=0.5)
    wide[3, 3] = np.nan
    with pytest.raises(ImageError, match="NaN or infinite"):
        decoded(encoded(Image.fromarray(wide), "TIFF"), 8)


# --- orientation -------------------------------------------------------------------


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera writes, by the words of the EXIF standard.

    Row 0 and column 0 of what is stored are these sides of the upright picture:
    1 top left, 2 top right, 3 bottom right, 4 bottom left,
    5 left top, 6 right top, 7 right bottom, 8 left bottom.
    """
    turned = upright.swapaxes(0, 1) if orientation >= 5 else upright
    row_from_end = orientation in (3, 4, 6, 7)
    column_from_end = orientation in (2, 3, 7, 8)
    return turned[:: -1 if row_from_end else 1, :: -1 if column_from_end else 1].copy()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def with_png_chunk(data: bytes, kind: bytes, body: bytes, before: bytes) -> bytes:
    """A PNG file with one more chunk, put in before the first one of another kind."""
    at = data.index(before) - 4
    check = struct.pack(">I", zlib.crc32(kind + body))
    return data[:at] + struct.pack(">I", len(body)) + kind + body + check + data[at:]


UPRIGHT = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)
EVERY = range(1, 9)


@pytest.mark.parametrize("orientation", EVERY)
def test_the_reference_turns_as_pillow_does(orientation):
    image = Image.fromarray(stored(UPRIGHT, orientation))
    image.getexif()[0x0112] = orientation
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), UPRIGHT)


@pytest.mark.parametrize("orientation", EVERY)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "late PNG", "old PNG"])
def test_every_orientation_gives_the_upright_picture(form, orientation):
    pixels = stored(UPRIGHT, orientation)
    if form in ("late PNG", "old PNG"):
        data = encoded(pixels, "PNG")
        if form == "late PNG":  # EXIF behind the pixels
            data = with_png_chunk(data, b"eXIf", exif(orientation)[6:], b"IEND")
        else:  # ImageMagick's form, from before PNG had a place for EXIF
            text = exif(orientation).hex()
            profile = f"\nexif\n{len(text) // 2:8}\n{text}\n".encode()
            body = b"Raw profile type exif\0\0" + zlib.compress(profile)
            data = with_png_chunk(data, b"zTXt", body, b"IDAT")
    else:
        options = {"lossless": True} if form == "WEBP" else {}
        data = encoded(pixels, form, exif=exif(orientation), **options)
    assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])
    if form != "late PNG":  # its header does not know yet
        assert header(open_picture(data))[:2] == (20, 12)


@pytest.mark.parametrize("orientation", EVERY)
def test_every_orientation_of_a_photo(orientation):
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
    assert header(open_picture(data)) == (80, 48, "RGB", "JPEG")
    close(decoded(data, 48), upright[:, 16:64], within=12)
    small = decoded(data, 12)  # a quarter: decoded smaller at once
    close(
        small[[2, 2, 9, 9], [2, 9, 2, 9]], upright[[0, 0, -1, -1], [0, -1, 0, -1]], 12
    )


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_the_other_modes(orientation):
    square = np.dstack([COLOUR, ALPHA])
    for image, wanted in [
        (stored(square, orientation), on_white(COLOUR, ALPHA)),
        (stored(GREY.astype(np.uint16) * 257, orientation), GREY[..., None]),
        (
            Image.fromarray(stored(GREY > 127, orientation)),
            (GREY > 127)[..., None] * 255,
        ),
    ]:
        data = encoded(image, "PNG", exif=exif(orientation))
        close(decoded(data, 8), wanted, within=1)


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    data = encoded(UPRIGHT, "PNG", exif=exif(orientation))
    assert header(open_picture(data))[:2] == (20, 12)
    assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])


def test_damaged_exif_of_a_good_photo_is_passed_over():
    for tags in (b"Exif\0\0MM\0*\0\0", b"Exif\0\0nonsense", exif(6)[:-8]):
        data = encoded(UPRIGHT, "PNG")
        data = with_png_chunk(data, b"eXIf", tags[6:], b"IDAT")
        assert np.array_equal(decoded(data, 12), UPRIGHT[:, 4:16])


# --- what cannot be used -----------------------------------------------------------


def reason(data: bytes, **options) -> str:
    with pytest.raises(ImageError) as error:
        decode(open_picture(data, **options), 16, "crop")
    return str(error.value)


def noise(height: int = 64, width: int = 64) -> np.ndarray:
    return (
        np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    )


FORMS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA"]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_off_is_refused(form):
    data = encoded(noise(), form)
    assert decoded(data, 16).shape == (16, 16, 3)
    for share in (0.02, 0.5, 0.9):
        why = reason(data[: int(len(data) * share)])
        assert "damaged" in why or "not a picture" in why


@pytest.mark.parametrize("form", FORMS)
def test_damaged_bytes_are_a_reason_and_nothing_else(form):
    data = encoded(noise(24, 24), form)
    rng = np.random.default_rng(2)
    for _ in range(60):
        hurt = bytearray(data)
        for place in rng.integers(0, min(len(data), 400), 3):
            hurt[place] = rng.integers(0, 256)
        try:
            image = open_picture(bytes(hurt))
            header(image)
            decode(image, 16, "crop")
        except ImageError as error:
            assert str(error) and "\n" not in str(error)


def test_files_that_are_no_pictures():
    assert reason(b"") == "the file is empty (0 bytes)"
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    # Pillow would hand EPS to another program.
    for data in (b"hello", bytes(5000), b"\x80\x04.", eps, b"\xff\xd8\xff"):
        assert "not a picture" in reason(data) or "damaged" in reason(data)
    assert "not a picture" in reason(eps)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_many_pages_are_refused(form):
    frames = [Image.fromarray(noise()), Image.fromarray(255 - noise())]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert reason(data).startswith("animated or many pages (2 frames)")
    one = encoded(frames[0], form, save_all=True)
    assert decoded(one, 64).shape == (64, 64, 3)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_animation_cut_off_is_refused(share):
    frames = [Image.fromarray(noise()), Image.fromarray(255 - noise())]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert reason(data[: int(len(data) * share)])


def test_the_first_picture_of_an_mpo_photo():
    front = np.full((64, 96, 3), (200, 40, 40), np.uint8)
    preview = Image.fromarray(np.full((64, 96, 3), (0, 0, 255), np.uint8))
    data = encoded(front, "MPO", save_all=True, append_images=[preview])
    assert header(open_picture(data)) == (96, 64, "RGB", "MPO")
    for size in (64, 16):
        wanted = np.full((size, size, 3), (200, 40, 40))
        close(decoded(data, size), wanted, within=3)


def claiming(width: int, height: int) -> bytes:
    """A small PNG file that says it is of another size."""
    data = bytearray(encoded(np.zeros((4, 4), np.uint8), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    for size in ((50_000, 50_000), (2**31 - 1, 2**31 - 1)):
        bomb = claiming(*size)
        assert len(bomb) < 100
        assert "bomb" in reason(bomb)
    # Between Pillow's warning and its error, and above the limit here.
    assert reason(claiming(10_000, 10_000))


def test_the_limit_of_pixels():
    data = encoded(noise(20, 30), "PNG")
    assert open_picture(data, max_pixels=600).size == (30, 20)
    assert reason(data, max_pixels=599) == "600 pixels, above the limit of 599"
    # An animation of too many pixels is not even counted.
    assert "above the limit" in reason(encoded(noise(), "GIF"), max_pixels=10)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_of_pixels_may_be_raised():
    assert open_picture(claiming(10_000, 10_000), 10**8).size == (10_000, 10_000)
    why = reason(claiming(10_000, 10_000), max_pixels=10**8 - 1)
    assert why == "100,000,000 pixels, above the limit of 99,999,999"


# --- sizes -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo() -> tuple[bytes, np.ndarray]:
    """Something like a photograph, as JPEG and as the pixels [480, 640, 3] in it."""
    y, x = np.mgrid[:480, :640]
    planes = [np.sin(x / 37 + k) * np.cos(y / 23 - k) * 90 + 128 for k in range(3)]
    pixels = np.stack(planes, axis=-1)
    pixels[100:300, 200:400] += 60
    pixels[(x - 500) ** 2 + (y - 200) ** 2 < 8000] -= 70
    grain = np.random.default_rng(3).normal(0, 6, pixels.shape)
    data = encoded((pixels + grain).clip(0, 255).astype(np.uint8), "JPEG", quality=92)
    return data, np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("resize", WAYS)
@pytest.mark.parametrize("size", [16, 60, 61, 150, 224, 300])
def test_a_photo_decoded_smaller_is_close_to_the_whole_one(photo, resize, size):
    data, whole = photo
    difference = np.abs(
        decoded(data, size, resize) - resize_array(whole, size, resize).astype(int)
    )
    assert difference.mean() < 1


@pytest.mark.parametrize("resize", WAYS)
@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (37, 900), (100, 101)])
def test_draft_gives_no_less_than_is_wanted(resize, shape):
    data = encoded(np.zeros((*shape, 3), np.uint8), "JPEG")
    smaller = 0
    for size in (1, 8, 30, 50, 51, 120, 200, 240, 480, 700):
        image = open_picture(data)
        max_bytes._draft(image, size, resize)
        side = {"crop": min(shape), "pad": max(shape)}.get(resize, 1)
        if resize == "squish":
            least = (min(size, shape[1]), min(size, shape[0]))
        else:
            share = min(1, size / side)
            least = (shape[1] * share, shape[0] * share)
        assert image.width >= least[0] - 1e-9 and image.height >= least[1] - 1e-9
        smaller += image.size != shape[::-1]
    assert smaller >= 1


def columns(height: int, width: int) -> np.ndarray:
    """Grey [H, W] whose value is the number of its column."""
    return np.tile(np.arange(width, dtype=np.uint8), (height, 1))


def test_crop_takes_the_middle_square():
    got = decoded(encoded(columns(6, 20), "PNG"), 6)[..., 0]
    assert got.tolist() == [[7, 8, 9, 10, 11, 12]] * 6
    got = decoded(encoded(columns(6, 20).T, "PNG"), 6)[..., 0]
    assert got.T.tolist() == [[7, 8, 9, 10, 11, 12]] * 6
    # Half the size: each pixel is the mean of two, away from the antialiased rim.
    got = decoded(encoded(columns(12, 40), "PNG"), 6)[..., 0]
    assert np.abs(got[:, 1:-1] - np.array([16.5, 18.5, 20.5, 22.5])).max() <= 0.5


def test_squish_keeps_everything():
    halves = np.zeros((20, 80), np.uint8)
    halves[:, 40:] = 200
    got = decoded(encoded(halves, "PNG"), 20, "squish")[..., 0]
    assert got[:, :9].max() == 0 and got[:, 11:].min() == 200
    ramp = decoded(encoded(columns(16, 160), "PNG"), 16, "squish")[..., 0]
    middles = np.arange(160).reshape(16, 10).mean(axis=1)
    assert np.abs(ramp[:, 1:-1] - middles[1:-1]).max() <= 1


def test_pad_keeps_the_shape_and_lays_black_around():
    white = np.full((10, 40), 255, np.uint8)
    got = decoded(encoded(white, "PNG"), 20, "pad")[..., 0]
    rows = [0] * 7 + [255] * 5 + [0] * 8  # 5 of 20 rows, 7 above them
    assert got.tolist() == [[value] * 20 for value in rows]
    turned = decoded(encoded(white.T, "PNG"), 20, "pad")[..., 0]
    assert np.array_equal(turned, got.T)
    whole = decoded(encoded(columns(6, 20), "PNG"), 20, "pad")[..., 0]
    assert np.array_equal(whole[7:13], columns(6, 20))
    assert not whole[:7].any() and not whole[13:].any()


@pytest.mark.parametrize("resize", WAYS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5), (64, 64)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_any_shape_gives_the_size_wanted(resize, shape, form):
    for channels in ((), (3,)):
        data = encoded(np.full((*shape, *channels), 90, np.uint8), form)
        got = decoded(data, 16, resize)
        assert got.shape == (16, 16, 3 if channels else 1)
        assert np.abs(got[got > 0].astype(int) - 90).max() <= 3
        if resize != "pad":
            assert got.all()


# --- arrays ------------------------------------------------------------------------


def test_to_channels_by_hand():
    colour = np.array([[[100, 150, 200], [255, 255, 255], [0, 0, 0]]], np.uint8)
    # 0.299 * 100 + 0.587 * 150 + 0.114 * 200 = 140.75
    assert to_channels(colour, 1).tolist() == [[[141], [255], [0]]]
    assert to_channels(colour, 3) is colour
    grey = np.array([[[7], [9]]], np.uint8)
    assert to_channels(grey, 3).tolist() == [[[7, 7, 7], [9, 9, 9]]]
    assert to_channels(grey, 1) is grey
    assert np.array_equal(to_channels(to_channels(grey, 3), 1), grey)
    luma = np.asarray(Image.fromarray(COLOUR).convert("L"))
    close(to_channels(COLOUR, 1)[..., 0], luma, within=1)
    assert to_channels(np.stack([COLOUR, COLOUR]), 1).shape == (2, 8, 8, 1)


@pytest.mark.parametrize("resize", WAYS)
@pytest.mark.parametrize("shape", [(8, 8), (10, 6), (30, 40)])
def test_an_array_is_fitted_as_its_file_is(resize, shape):
    for channels in ((), (3,)):
        pixels = RNG.integers(0, 256, (*shape, *channels)).astype(np.uint8)
        wanted = decoded(encoded(pixels, "PNG"), 8, resize)
        assert np.array_equal(resize_array(pixels, 8, resize), wanted)
    column = pixels[..., :1]
    assert np.array_equal(resize_array(column, 8, resize)[..., 0], wanted[..., 0])


def test_digest_is_the_start_of_sha256():
    # `printf abc | sha256sum`
    assert digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223"


def test_preprocessing_survives_json():
    import json

    how = Preprocessing(128, 146, 3, "pad", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert Preprocessing.from_dict(json.loads(json.dumps(how.to_dict()))) == how


def test_only_regular_files_are_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"here")
    (tmp_path / "b.png").symlink_to("a.png")
    assert read_file(tmp_path / "a.png") == read_file(tmp_path / "b.png") == b"here"
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path, tmp_path / "pipe.jpg", Path(os.devnull)):
        with pytest.raises(ImageError, match=r"^not a regular file$"):
            read_file(path)
    with pytest.raises(ImageError, match="there is no such file"):
        read_file(tmp_path / "c.png")


def test_a_crop_that_needs_no_resizing_moves_no_pixel():
    rng = np.random.default_rng(0)  # an odd rest: five columns too many
    pixels = rng.integers(0, 256, (8, 13, 3), dtype=np.uint8)
    got = max_bytes.resize_array(pixels, 8, "crop")
    np.testing.assert_array_equal(got, pixels[:, 2:10])
