"""From a picture's bytes to pixels of a stated size, by stated rules.

=====================  ===============================================================
EXIF orientation       applied
grey (1, L, 16 bit)    one channel; 16-bit values are divided by 257, to 0..255
palette of greys       one channel
32-bit whole numbers   as 16-bit values where any is above 255, else as they are
other palettes, CMYK   converted to RGB by Pillow
alpha, transparency    laid on white
32-bit float           0..1 is scaled by 255; other ranges are clipped to 0..255
animated, many pages   refused: the user says which picture is meant
too many pixels        refused before decoding
=====================  ===============================================================

A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that is still as large as
wanted (`draft`), four times faster than decoding it whole and shrinking it.
"""

import hashlib
import io
import math
import stat
import warnings
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.ImagePalette import ImagePalette

from vicinal.errors import ImageError
from vicinal.images.settings import MAX_PIXELS, Resize

# Pillow knows more formats; some of them start other programs (EPS: Ghostscript).
FORMATS = "JPEG PNG GIF BMP DIB TIFF WEBP PPM AVIF JPEG2000 MPO ICO TGA".split()
STILL_FORMATS = {"MPO"}  # a photograph with a preview behind it, not an animation
# The limit is this module's own, and a refusal: Pillow's warning would say it twice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

RULES = 3
"""number of the rules above: pixels decoded by others are not taken from the cache"""

GREY_MODES = {"1", "L", "LA", "I", "F"}
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""what undoes each EXIF orientation"""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a network's input; kept in the model file."""

    image_size: int
    """pixels: height and width of the input"""

    store_size: int
    """pixels: height and width of the decoded picture; the input is its centre"""

    channels: int = 3
    """3 for colour, 1 for grey"""

    resize: Resize = "crop"
    """a picture that is not square: crop its sides, squish it, or pad it with black"""

    mean: tuple[float, ...] = (0.5,)
    """mean of each channel, in 0..1, that is taken away"""

    std: tuple[float, ...] = (0.25,)
    """spread of each channel, in 0..1, that is divided by"""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        rest: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**rest)


class Header(NamedTuple):
    """What a picture's first bytes tell."""

    width: int
    height: int
    mode: str
    """Pillow's name of the form of a pixel; L for a palette of greys alone"""

    format: str

    @property
    def grey(self) -> bool:
        return is_grey(self.mode)


def digest(data: bytes) -> bytes:
    """Sixteen bytes that name a picture by its content."""
    return hashlib.sha256(data).digest()[:16]


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; PictureError says why they cannot be read.

    A pipe or a device is not opened: reading it might never end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("not a regular file")
        return path.read_bytes()
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot be read: {reason}") from error


def open_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageFile.ImageFile:
    """Open a picture without decoding it; PictureError says why it cannot be used."""
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise ImageError(f"{pixels:,} pixels, above the limit of {max_pixels:,}")
        frames = getattr(image, "n_frames", 1)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not a picture in a form that is read here") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(
            "more pixels than Pillow opens: a decompression bomb?"
        ) from None
    except Exception as error:  # decoders fail in their own ways on damaged bytes
        raise ImageError(f"damaged: {_first_line(error)}") from error
    if frames > 1 and image.format not in STILL_FORMATS:
        raise ImageError(
            f"animated or many pages ({frames} frames); save the one that is meant"
        )
    return image


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def header(image: Image.Image) -> Header:
    """Size as shown (EXIF orientation applied), mode and format."""
    width, height = image.size
    if _quarter_turned(image):
        width, height = height, width
    return Header(width, height, _mode(image), image.format or "?")


def decode(image: ImageFile.ImageFile, size: int, resize: Resize) -> np.ndarray:
    """Decode an open picture to [size, size, C] uint8; C is 1 for grey, else 3.

    Raises PictureError when the bytes are damaged or cut off.
    """
    try:
        grey = is_grey(_mode(image))
        _draft(image, size, resize)
        image.load()  # some formats tell their orientation behind the pixels
        turn = UPRIGHT.get(_orientation(image))
        plain = _plain(image, grey)
        upright = plain.transpose(turn) if turn is not None else plain
        return _resized(upright, size, resize)
    except ImageError:
        raise
    except Exception as error:  # decoders fail in their own ways on damaged bytes
        raise ImageError(f"damaged: {_first_line(error)}") from error


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels [..., C] with the channels wanted: grey is repeated, colour is weighed.

    Luma is ITU-R BT.601's: 0.299 R + 0.587 G + 0.114 B.
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.rint(luma).astype(np.uint8)[..., None]


def resize_array(pixels: np.ndarray, size: int, resize: Resize) -> np.ndarray:
    """An array [H, W] or [H, W, C] of uint8 as a picture [size, size, C]."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    if pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _resized(image, size, resize)


def is_grey(mode: str) -> bool:
    """Whether pixels of that mode are grey; I;16B and its like are 16 bits deep."""
    return mode.split(";")[0] in GREY_MODES


def _mode(image: Image.Image) -> str:
    """Pillow's mode before decoding; L for a palette of greys alone."""
    grey = image.mode == "P" and _holds_greys(image.palette)
    return "L" if grey else image.mode


def _holds_greys(palette: ImagePalette | None) -> bool:
    """Whether red, green and blue are equal in every colour of a palette."""
    if palette is None:
        return False
    form = palette.rawmode or palette.mode
    values = np.frombuffer(bytes(palette.palette), np.uint8)
    if form == "RGB;L":  # all reds, all greens, all blues
        colours = values[: len(values) // 3 * 3].reshape(3, -1).T
    elif len(form) in (3, 4):
        colours = values[: len(values) // len(form) * len(form)]
        colours = colours.reshape(-1, len(form))[:, :3]
    else:
        return False
    return len(colours) > 0 and bool((colours == colours[:, :1]).all())


def _draft(image: ImageFile.ImageFile, size: int, resize: Resize) -> None:
    """Let a JPEG be decoded smaller, but no smaller than it is wanted."""
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    if resize == "squish":
        wanted = (size, size)
    else:
        side = min(width, height) if resize == "crop" else max(width, height)
        scale = size / side
        wanted = (math.ceil(width * scale), math.ceil(height * scale))
    if wanted[0] < width and wanted[1] < height:
        image.draft(None, wanted)


def _plain(image: Image.Image, grey: bool) -> Image.Image:
    """The picture in mode L or RGB, by the rules above."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _from_deep(image)
    if mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        return _on_white(image, grey)
    if mode in ("L", "RGB"):
        return image
    return image.convert("L" if grey else "RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """A grey picture of 16 or 32 bits a pixel as 8 bits."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError("holds pixels that are NaN or infinite")
    if image.mode == "F":
        values = values * 255 if 0 <= values.min() and values.max() <= 1 else values
    elif image.mode.startswith("I;16") or values.max() > 255:
        values = values / 257
    return Image.fromarray(np.rint(values.clip(0, 255)).astype(np.uint8))


def _on_white(image: Image.Image, grey: bool) -> Image.Image:
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; reading EXIF is skipped where there is none."""
    if not any(key in image.info for key in ("exif", "Raw profile type exif", "xmp")):
        return 1
    try:
        value = int(image.getexif().get(0x0112, 1))
        return value if value in UPRIGHT else 1
    except Exception:  # damaged metadata of a picture whose pixels are fine
        return 1


def _quarter_turned(image: Image.Image) -> bool:
    return _orientation(image) >= 5


def _resized(image: Image.Image, size: int, resize: Resize) -> np.ndarray:
    """Pixels [size, size, C], antialiased (Pillow's bilinear filter widens to fit)."""
    width, height = image.size
    if resize == "pad":
        return _padded(image, size)
    box = (0, 0, width, height)
    if resize == "crop":
        side = min(width, height)
        # whole pixels: half a pixel of shift would blur what needs no resizing
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    if image.size != (size, size):
        image = image.resize(
            (size, size), Image.Resampling.BILINEAR, box, reducing_gap=3.0
        )
    return _as_array(image)


def _padded(image: Image.Image, size: int) -> np.ndarray:
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    canvas = Image.new(image.mode, (size, size))
    canvas.paste(small, ((size - width) // 2, (size - height) // 2))
    return _as_array(canvas)


def _as_array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
