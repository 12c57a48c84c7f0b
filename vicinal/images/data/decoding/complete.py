"""Detect files that were cut off and that Pillow decodes without an error.

Where the data of a PNG or JPEG end early but the file ends as it should, the rest of
the image is black (PNG) or grey (JPEG). Only an image whose last rows look like that is
examined further, so that most images cost nothing. The rest of a JPEG of several scans
(progressive) lacks details or colours: it is decoded twice. The rest of a WebP or AVIF
file is 0 if its download was interrupted after its space was reserved. Files without
compression (BMP, PPM, most TIFF) look like images that end in black.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

GRAY = 128
"""value of every channel in blocks that a JPEG has no data for"""

END_MARKER = b"\xff\xd9"
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""what ends the compressed data of a scan of a JPEG"""

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} - {0xC3, 0xC7, 0xCB, 0xCF}
"""kinds of segments that list the components of a JPEG, unless it is lossless"""

WITHOUT_CONTENT = {0x01, *range(0xD0, 0xD9)}
"""markers of a JPEG that stand alone"""

PROBE = b"\x5a" * 64
"""bytes that a decoder reads only if a JPEG has too little data"""

MIN_ZEROS = 32
"""zeros at the end of a WebP or AVIF file that are examined"""

READ, UNREAD = 4, 8
"""of these zeros: the first, which may belong to complete data, and the last, which
change no pixel if the zeros replace data"""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""channels of each colour type of PNG"""

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4))
ADAM7 = (*ADAM7, (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""first column and row, and steps, of the passes of an interlaced PNG"""


def cut_off_reason(image: Image.Image, data: bytes) -> str:
    """Return why the data of a decoded image are incomplete; "" if they are complete.

    image: decoded from the data, before any conversion.
    """
    if image.format == "PNG" and _ends_in_black(image):
        found, expected = _png_bytes(data)
        if found < expected:
            missing = 100 * (1 - found / expected)
            return f"the file is cut off: {missing:.2g} % of the pixels are missing"
    if image.format in ("JPEG", "MPO"):
        return _jpeg_reason(image, data)
    if image.format in ("WEBP", "AVIF") and _ends_in_unread_zeros(image, data):
        return "the file is cut off: only zeros follow where data should"
    return ""


# --- PNG ---------------------------------------------------------------------------


def _ends_in_black(image: Image.Image) -> bool:
    """Return whether one of the last two rows is all 0: the last of an interlaced PNG.

    The last row of an image may belong to a pass that is complete.
    """
    width, height = image.size
    rows = image.crop((0, max(0, height - 2), width, height))
    return any(not row.any() for row in np.asarray(rows))


def _png_bytes(data: bytes) -> tuple[int, int]:
    """Return the bytes of pixels that a PNG has and should have, with filter bytes."""
    width, height, depth, color, _, _, interlaced = struct.unpack_from(
        ">IIBBBBB", data, 16
    )
    expected, bits = 0, depth * CHANNELS[color]
    for left, top, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // dx), -(-(height - top) // dy)
        if columns > 0 and rows > 0:
            expected += rows * (1 + (columns * bits + 7) // 8)
    inflate, found = zlib.decompressobj(), 0
    try:
        for chunk in _pixel_chunks(data):
            while chunk and found < expected:
                found += len(inflate.decompress(chunk, 1 << 20))
                chunk = inflate.unconsumed_tail
    except zlib.error:  # the chunks end in something else
        pass
    return found, expected


def _pixel_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the compressed pixels of a PNG, up to a chunk whose checksum is wrong."""
    position = 8
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + size
        checksum = zlib.crc32(data[position + 4 : end]).to_bytes(4, "big")
        if len(data) >= end + 4 and data[end : end + 4] != checksum:
            return
        if kind == b"IDAT":
            yield data[position + 8 : end]
        position = end + 4


# --- JPEG --------------------------------------------------------------------------


def _jpeg_reason(image: Image.Image, data: bytes) -> str:
    """Return why a decoded JPEG is incomplete; "" if it is complete."""
    if not data.endswith(END_MARKER) and _end_of_image(data) is None:
        return "the file is cut off: it has no end marker after the pixels"
    num_scans, lacks_scans = _scans(data)
    if lacks_scans:
        return "the file is cut off: the last scans, with the details, are missing"
    corner = image.getpixel((image.width - 1, image.height - 1))
    values = corner if isinstance(corner, tuple) else (corner,)
    is_gray = all(value is not None and abs(value - GRAY) <= 1 for value in values)
    if num_scans < 2 and not is_gray:
        return ""
    end = _end_of_image(data)
    if _has_same_pixels(image, data[:end] + PROBE + END_MARKER):
        return ""
    if num_scans < 2:
        return "the file is cut off: its last rows are missing and decoded as grey"
    return "the file is cut off: the end of the last scan, with details, is missing"


def _scans(data: bytes) -> tuple[int, bool]:
    """Return the number of scans of a JPEG, and whether others are missing.

    Each scan has bits of the coefficients `first` to `last` of some components, down to
    bit `low` (ITU-T T.81, B.2.3). They are missing if a component of the frame (B.2.2)
    has no scan, or no scan with bit 0 of a coefficient.
    """
    missing: dict[int, np.ndarray] = {}  # bits of the 64 coefficients of a component
    num_scans = 0
    for kind, segment, _ in _segments(data):
        if kind in FRAMES:
            for component in segment[6::3]:
                missing[component] = np.ones(64)
        if kind == 0xDA and len(segment) > 3:
            num_scans += 1
            first, last, low = *segment[-3:-1], segment[-1] & 15
            for component in segment[1:-3:2]:
                if component in missing:
                    missing[component][first : last + 1] = low
    lacks = any(bits.any() for bits in missing.values())
    return num_scans, lacks and num_scans > 0


def _end_of_image(data: bytes) -> int | None:
    """Return the position of the first image's end marker; None if there is none.

    What follows it, such as the film of a motion photo, is not part of the image.
    """
    position = 2
    for kind, _, position in _segments(data):
        if kind == 0xD9:
            return position
    found = data.find(END_MARKER, position)  # behind bytes that are no segment
    return found if found >= 0 else None


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield kind, content and end of each segment of a JPEG, to the end of an image.

    The compressed data of a scan are skipped (ITU-T T.81, B.1.1). The end marker has no
    content; its position is yielded as its end.
    """
    position = 2
    while 0 <= (position := data.find(b"\xff", position)) <= len(data) - 2:
        kind = data[position + 1]
        if kind in (0x00, 0xFF):  # no marker; bytes before one are skipped, too
            position += 1
            continue
        if kind in WITHOUT_CONTENT:
            position += 2
            continue
        if kind == 0xD9 or position + 4 > len(data):
            yield kind, b"", position
            return
        (size,) = struct.unpack_from(">H", data, position + 2)
        content = data[position + 4 : position + 2 + size]
        position += 2 + max(size, 2)
        if kind == 0xDA:
            found = NEXT_MARKER.search(data, position)
            position = found.start() if found else len(data)
        yield kind, content, position


# --- any format --------------------------------------------------------------------


def _has_same_pixels(image: Image.Image, data: bytes) -> bool:
    """Return whether other data decode to the pixels of an image, at its scale."""
    try:
        form = "JPEG" if image.format == "MPO" else image.format or ""
        other = Image.open(io.BytesIO(data), formats=[form])
        if other.size != image.size:  # a JPEG decoded at a fraction of its size
            scale = round(other.width / image.width)
            other.draft(None, (other.width // scale, other.height // scale))
        other.load()
    except (OSError, SyntaxError, ValueError, RuntimeError):  # damaged, by its format
        return False
    return other.size != image.size or other.tobytes() == image.tobytes()


def _ends_in_unread_zeros(image: Image.Image, data: bytes) -> bool:
    """Return whether zeros replace the end of the data of a WebP or AVIF image.

    Zeros are the most probable symbols, which take few bits: of many the first are read
    and the last are not. The last bytes of complete data are read, and bytes behind the
    data, such as EXIF, change no pixel.
    """
    if image.format == "WEBP":
        data = data[: 8 + int.from_bytes(data[4:8], "little")]  # without what follows
    start = len(data.rstrip(b"\0"))
    if len(data) - start < MIN_ZEROS:
        return False
    first = data[: start + READ].ljust(len(data), PROBE[:1])
    last = data[:-UNREAD].ljust(len(data), PROBE[:1])
    return not _has_same_pixels(image, first) and _has_same_pixels(image, last)
