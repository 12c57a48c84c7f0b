"""Files that were cut off, which Pillow decodes with a black or grey rest."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vicinal.errors import ImageError
from vicinal.images.data.decoding.decode import decode, open_image

Y, X = np.mgrid[:48, :64]
PHOTO = (np.sin(X / 5)[..., None] * 60 + np.cos(Y / 7)[..., None] * 50 + 128).repeat(
    3, axis=2
) + np.random.default_rng(0).normal(0, 9, (48, 64, 3))
PHOTO = PHOTO.clip(0, 255).astype(np.uint8)
END = b"\xff\xd9"


def encoded(pixels: np.ndarray | Image.Image, format: str, **options) -> bytes:
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def reason(data: bytes, size: int = 48) -> str:
    """Return why an image is refused; "" if it is not."""
    try:
        decode(open_image(data), size, "squish")
    except ImageError as error:
        return str(error)
    return ""


# --- JPEG --------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [48, 6])
def test_a_jpeg_with_too_little_data_is_refused(mode, fraction, size):
    whole = encoded(Image.fromarray(PHOTO).convert(mode), "JPEG", quality=90)
    assert not reason(whole, size)
    start = whole.rindex(b"\xff\xda")  # before the pixels
    cut = whole[: start + 20 + int((len(whole) - start - 20) * fraction)] + END
    open_image(cut).load()  # Pillow does not notice
    assert "cut off" in reason(cut, size) and "grey" in reason(cut, size)


@pytest.mark.parametrize("rest", [b"\xff\xda" * 9, b"\0\0", bytes(range(256)) * 40])
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_behind_the_image_do_not_count(rest, progressive):
    """As in motion photos, whose film follows the image."""
    whole = encoded(PHOTO, "JPEG", quality=90, progressive=progressive)
    assert not reason(whole + rest)
    gray = PHOTO.copy()
    gray[-16:] = 128  # the last rows are examined
    whole = encoded(gray, "JPEG", quality=90, progressive=progressive)
    assert not reason(whole + rest)
    start = whole.rindex(b"\xff\xda")
    cut = whole[: start + (len(whole) - start) // 2]
    assert reason(cut + rest)
    if not progressive:
        assert "grey" in reason(cut + END + rest)


@pytest.mark.parametrize("size", [(500, 375), (1080, 1350), (333, 334)])
def test_a_cut_jpeg_that_is_decoded_at_a_fraction_of_its_size(size):
    pixels = np.asarray(Image.fromarray(PHOTO).resize(size))
    whole = encoded(pixels, "JPEG", quality=90)
    assert not reason(whole, 32)
    start = whole.rindex(b"\xff\xda")
    cut = whole[: start + (len(whole) - start) // 2] + END
    assert "grey" in reason(cut, 32)


def test_a_jpeg_without_an_end_marker_is_refused():
    whole = encoded(PHOTO, "JPEG", quality=90)
    padded = whole[:-2] + bytes(100)  # room was reserved before the download
    open_image(padded).load()
    assert "no end marker" in reason(padded)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(mode):
    image = Image.fromarray(PHOTO).convert(mode)
    whole = encoded(image, "JPEG", quality=90, progressive=True)
    assert not reason(whole) and not reason(whole, 6)
    scans = [k for k in range(len(whole)) if whole[k : k + 2] == b"\xff\xda"]
    assert len(scans) > 4
    for start in scans[1:]:
        table = whole.rfind(b"\xff\xc4", 0, start)  # of this scan
        cut = whole[:table] + END
        open_image(cut).load()  # Pillow does not notice
        assert "scans" in reason(cut)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_jpeg_that_is_cut_within_its_last_scan(mode, fraction):
    image = Image.fromarray(PHOTO).convert(mode)
    if mode == "CMYK":  # the last scan is that of black, which Pillow leaves empty
        image = Image.merge(mode, [*image.split()[:3], Image.fromarray(PHOTO[..., 0])])
    whole = encoded(image, "JPEG", quality=90, progressive=True)
    start = whole.rindex(b"\xff\xda") + 8
    cut = whole[: start + int((len(whole) - start) * fraction)] + END
    open_image(cut).load()  # Pillow does not notice
    assert "the end of the last scan" in reason(cut)


def split_scans(baseline: bytes) -> bytes:
    """Return a greyscale JPEG as one of three components, each with its own scan."""
    frame, scan = baseline.index(b"\xff\xc0"), baseline.index(b"\xff\xda")
    size = baseline[frame + 5 : frame + 9]
    parts = b"".join(bytes([k, 0x11, 0]) for k in (1, 2, 3))
    head = b"\xff\xc0\x00\x11\x08" + size + b"\x03" + parts
    data = baseline[scan + 10 : -2]
    scans = [b"\xff\xda\x00\x08\x01" + bytes([k, 0, 0, 63, 0]) for k in (1, 2, 3)]
    tables = baseline[:frame] + head + baseline[frame + 13 : scan]
    return tables + b"".join(scan + data for scan in scans) + END


def test_a_jpeg_whose_colours_are_in_scans_of_their_own():
    whole = split_scans(encoded(PHOTO[..., 0], "JPEG", quality=90))
    assert open_image(whole).mode == "RGB" and not reason(whole)
    last = whole.rindex(b"\xff\xda")
    without = whole[:last] + END
    assert "scans" in reason(without)
    cut = whole[: last + (len(whole) - last) // 2] + END
    open_image(cut).load()
    assert "the end of the last scan" in reason(cut)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_complete_photograph_with_a_preview(progressive):
    """MPO: two JPEG in one file."""
    for image in (Image.fromarray(PHOTO), Image.new("RGB", (64, 64), (128,) * 3)):
        preview = image.resize((16, 16))
        options = {"save_all": True, "append_images": [preview]}
        data = encoded(image, "MPO", progressive=progressive, **options)
        assert open_image(data).format == "MPO" and not reason(data)


@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_between_segments_are_skipped(progressive):
    """As decoders do (ITU-T T.81, B.1.1.2 allows fill bytes only)."""
    whole = encoded(PHOTO, "JPEG", quality=90, progressive=progressive)
    start = whole.index(b"\xff\xda")
    for extra in (b"\0", b"\x12\x34", b"\xff\xff", b"\xff\0"):
        data = whole[:start] + extra + whole[start:]
        same = open_image(data).tobytes() == open_image(whole).tobytes()
        assert same and not reason(data)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_complete_jpegs_that_end_in_grey_are_decoded(mode, progressive):
    gray = Image.new("RGB", (40, 30), (128, 128, 128)).convert(mode)
    data = encoded(gray, "JPEG", progressive=progressive)
    assert not reason(data) and not reason(data, 5)
    assert not reason(data + b"anything after the end" + END)


# --- PNG ---------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def png(raw: bytes, size: tuple[int, int], depth: int, color: int, **how: Any) -> bytes:
    """Return a PNG of scan lines `raw`, each with its filter byte."""
    head = struct.pack(">IIBBBBB", *size, depth, color, 0, 0, how.get("interlaced", 0))
    pixels = how.get("packed") or zlib.compress(raw)
    palette = chunk(b"PLTE", bytes(range(48))) if color == 3 else b""
    chunks = chunk(b"IHDR", head), palette, chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("depth", "color", "row"),
    [(8, 2, 1 + 30), (8, 0, 1 + 10), (1, 0, 1 + 2), (4, 3, 1 + 5), (16, 0, 1 + 20)],
)
def test_a_png_with_missing_rows_is_refused(depth, color, row):
    raw = (b"\0" + b"\x77" * (row - 1)) * 12
    assert not reason(png(raw, (10, 12), depth, color))
    for missing in (1, row, 5 * row):
        cut = png(raw[:-missing], (10, 12), depth, color)
        if missing >= row:
            open_image(cut).load()  # Pillow fills the rest with 0
        assert reason(cut)
    assert "42 % of the pixels are missing" in reason(cut)


@pytest.mark.parametrize("rows", [11, 12])
def test_an_interlaced_png_with_missing_rows_is_refused(rows):
    # pixels of each scan line of the 7 passes over 5 columns, by the PNG standard, 8.2
    lines = {11: [1, 1, 1, 1, 2] + [1] * 3 + [3] * 3 + [2] * 6 + [5] * 5}
    lines[12] = [1, 1, 1, 1, 2] + [1] * 3 + [3] * 3 + [2] * 6 + [5] * 6
    raw = b"".join(b"\0" + b"\x77" * n for n in lines[rows])
    assert sum(lines[rows]) == 5 * rows
    assert not reason(png(raw, (5, rows), 8, 0, interlaced=1))
    cut = png(raw[:-6], (5, rows), 8, 0, interlaced=1)
    open_image(cut).load()
    assert "cut off" in reason(cut)


def test_a_png_whose_tail_is_zero_is_refused():
    dark = PHOTO * (X % 2)[..., None].astype(np.uint8)  # 0 has the shortest code, 0
    raw = b"".join(b"\0" + row.tobytes() for row in dark)
    packer = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    packed = packer.compress(raw) + packer.flush()
    half = packed[: len(packed) // 2]
    whole = png(raw, (64, 48), 8, 2, packed=packed)
    position = whole.index(packed)
    torn = whole[: position + len(half)].ljust(len(whole), b"\0")
    open_image(torn).load()
    assert "cut off" in reason(torn)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_complete_black_pngs_are_decoded(mode):
    for size in ((1, 1), (33, 17)):
        assert not reason(encoded(Image.new(mode, size), "PNG"))


# --- WebP and AVIF -----------------------------------------------------------------

VARIANTS = [
    ("WEBP", {"quality": 80}),
    ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 60}),
    ("AVIF", {"quality": 95}),
]


@pytest.mark.parametrize(("format", "options"), VARIANTS)
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_zeros_in_place_of_the_end_are_refused(format, options, fraction):
    """As after an interrupted download of a file whose space was reserved."""
    pixels = np.tile(PHOTO, (4, 4, 1)) if format == "AVIF" else PHOTO
    whole = encoded(pixels, format, **options)
    assert not reason(whole)
    torn = whole[: int(len(whole) * fraction)].ljust(len(whole), b"\0")
    open_image(torn).load()  # Pillow does not notice
    assert "cut off: only zeros" in reason(torn)


@pytest.mark.parametrize(
    ("format", "options"),
    [*VARIANTS[:3], pytest.param(*VARIANTS[3], marks=pytest.mark.slow)],
)
def test_complete_images_that_end_in_zeros_are_decoded(format, options):
    """Of one colour, whose data are zeros; with EXIF behind; padded to a block."""
    flat = PHOTO.repeat(8, 0).repeat(8, 1)
    flat[-200:] = 255
    exif = Image.Exif()
    exif[0x927C] = bytes(300)
    for image in (flat, np.full((1600, 1600, 3), 128, np.uint8)):
        data = encoded(image, format, **options)
        assert not reason(data)
        assert not reason(data + bytes(4096))
        assert not reason(encoded(image, format, exif=exif, **options))
