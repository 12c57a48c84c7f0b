"""Decode an image to pixels of a given size, by these rules.

=====================  ===============================================================
EXIF orientation       applied
greyscale (1, L, I;16) one channel
greyscale palette      one channel
more than 8 bits       an intensity range is scaled to 0..255; without one 16-bit values
                       are divided by 257, 32-bit integers too if any exceeds 255, and
                       floats in 0..1 are multiplied by 255 (others: clipped to 0..255)
other palettes, modes  converted to RGB by Pillow: CMYK, YCbCr, HSV, CIELAB
alpha, transparency    composited on white
animated, multi-page   refused: the user must choose a frame
too many pixels        refused before decoding
16 bits per channel    the upper 8, which is all that Pillow reads
cut off                refused, also where Pillow fills the rest with black or grey
=====================  ===============================================================

A JPEG is decoded at the smallest scale of 1/1, 1/2, 1/4, 1/8 that is at least twice as
large as needed (Pillow's `draft`). On 300 photographs, compared with full decoding
(MobileNetV2: photographs enlarged 2 to 5 times, to 256 pixels; ResNet-20: to 32):

======================  ===========================  =============  ============
scale at least          largest change of a          predictions    ms per image
                        probability, mean (maximum)  that change
======================  ===========================  =============  ============
MobileNetV2, 1x needed  0.052 (0.32)                 33             3.4
MobileNetV2, 2x needed  0.007 (0.11)                 7              5.5
MobileNetV2, full                                                   9.3
ResNet-20, 1x needed    0.135 (0.80)                 47             0.39
ResNet-20, 2x needed    0.046 (0.60)                 22             0.42
ResNet-20, full                                                     0.73
======================  ===========================  =============  ============
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
from vicinal.images.data.decoding.complete import cut_off_reason
from vicinal.images.settings import MAX_PIXELS, IntensityRange, Resize

# Pillow supports more formats; some start other programs (EPS: Ghostscript).
FORMATS = "JPEG PNG GIF BMP DIB TIFF WEBP PPM AVIF JPEG2000 MPO ICO TGA".split()
STILL_FORMATS = {"MPO"}  # a photograph followed by its preview, not an animation
# This module has its own limit and refuses larger images: no second warning by Pillow.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

DECODER_VERSION = 5
"""version of the rules above: cached pixels of another version are not used"""

DRAFT_FACTOR = 2
"""how much larger than needed a JPEG is decoded, at least"""

GRAYSCALE_MODES = {"1", "L", "LA", "La", "I", "F"}
EXIF_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""transformation that undoes each EXIF orientation"""


@dataclass(frozen=True)
class Preprocessing:
    """How an image is converted to the network's input; stored in the model file."""

    image_size: int
    """height and width of the input in pixels"""

    store_size: int
    """height and width of the decoded image in pixels; the input is its centre"""

    channels: int = 3
    """3 for RGB, 1 for greyscale"""

    resize: Resize = "crop"
    """how to make an image square: crop its sides, squish it, or pad it with black"""

    mean: tuple[float, ...] = (0.5,)
    """mean of each channel in 0..1, which is subtracted"""

    std: tuple[float, ...] = (0.25,)
    """standard deviation of each channel in 0..1, which is divided by"""

    intensity_range: IntensityRange | None = None
    """values scaled to 0..255 in images of more than 8 bits; None: by their format"""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fields)


class Header(NamedTuple):
    """Size, mode and format of an image, read without decoding it."""

    width: int
    height: int
    mode: str
    """Pillow's pixel mode; L for a palette of greys only; RGB;16 and the like for 16
    bits per channel, of which Pillow reads the upper 8"""

    format: str

    @property
    def grayscale(self) -> bool:
        return is_grayscale(self.mode)


def digest(data: bytes) -> bytes:
    """Return a 16-byte hash of an image's content."""
    return hashlib.sha256(data).digest()[:16]


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file; ImageError with the reason if it cannot.

    A pipe or a device is not opened: reading it might never end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("not a regular file")
        return path.read_bytes()
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot be read: {reason}") from error


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageFile.ImageFile:
    """Open an image without decoding it; ImageError with the reason if it cannot."""
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=image_formats())
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise ImageError(f"{pixels:,} pixels, above the limit of {max_pixels:,}")
        check_frames(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image in a supported format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(
            "more pixels than Pillow accepts; possibly a decompression bomb"
        ) from None
    except Exception as error:  # decoders raise various errors on damaged bytes
        raise ImageError(f"damaged: {_first_line(error)}") from error
    return image


def check_frames(image: Image.Image) -> None:
    """Raise ImageError for several frames of which none was chosen (`image.seek`)."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in STILL_FORMATS and image.tell() == 0:
        raise ImageError(
            f"animated or multi-page ({frames} frames); save one frame as an image"
        )


@cache
def image_formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def header(image: Image.Image) -> Header:
    """Return the size (with EXIF orientation applied), mode and format."""
    width, height = image.size
    if _is_rotated_90(image):
        width, height = height, width
    mode = _mode(image)
    if mode in ("RGB", "RGBA", "LA") and _has_16_bit_channels(image):
        mode += ";16"
    return Header(width, height, mode, image.format or "in memory")


def decode(
    image: Image.Image,
    size: int,
    resize: Resize,
    intensity_range: IntensityRange | None = None,
) -> np.ndarray:
    """Decode an open image to [size, size, C] uint8; C is 1 for greyscale, else 3.

    Raises ImageError if the file is damaged or truncated.
    """
    try:
        grayscale = is_grayscale(_mode(image))
        file = getattr(image, "fp", None)
        if isinstance(image, ImageFile.ImageFile):
            _draft(image, size, resize)
        image.load()  # some formats store the orientation after the pixels
        if isinstance(file, io.BytesIO) and (
            reason := cut_off_reason(image, file.getvalue())
        ):
            raise ImageError(reason)
        transpose = EXIF_TRANSPOSE.get(exif_orientation(image))
        plain = _to_grayscale_or_rgb(image, grayscale, intensity_range)
        upright = plain.transpose(transpose) if transpose is not None else plain
        return _resize(upright, size, resize)
    except ImageError:
        raise
    except Exception as error:  # decoders raise various errors on damaged bytes
        raise ImageError(f"damaged: {_first_line(error)}") from error


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Convert pixels [..., C] to 1 or 3 channels: repeat greys, or compute the luma.

    The luma is that of ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.rint(luma).astype(np.uint8)[..., None]


def is_deep(mode: str) -> bool:
    """Return whether the pixels of a Pillow mode have more than 8 bits."""
    return mode.startswith("I") or mode == "F"


def scale_intensities(
    values: np.ndarray, intensity_range: IntensityRange
) -> np.ndarray:
    """Scale a range of values to 0..255 (uint8); values outside it are clipped."""
    if not np.isfinite(values).all():
        raise ImageError("has NaN or infinite pixels")
    low, high = intensity_range
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def resize_array(pixels: np.ndarray, size: int, resize: Resize) -> np.ndarray:
    """Resize an array [H, W] or [H, W, C] of uint8 to [size, size, C]."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    if pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _resize(image, size, resize)


def is_grayscale(mode: str) -> bool:
    """Return whether a Pillow mode is greyscale; I;16B and the like have 16 bits."""
    return mode.split(";")[0] in GRAYSCALE_MODES


def _mode(image: Image.Image) -> str:
    """Return Pillow's mode before decoding; L for a palette of greys only."""
    grayscale = image.mode == "P" and _is_grayscale_palette(image.palette)
    return "L" if grayscale else image.mode


def _has_16_bit_channels(image: Image.Image) -> bool:
    """Return whether the file of an image not loaded yet has 16 bits per channel."""
    tile = getattr(image, "tile", [])  # how the pixels are stored, such as RGB;16B
    return len(tile) > 0 and ";16" in str(tile[0][3])


def _is_grayscale_palette(palette: ImagePalette | None) -> bool:
    """Return whether red, green and blue are equal in every colour of a palette."""
    if palette is None:
        return False
    mode = palette.rawmode or palette.mode
    values = np.frombuffer(bytes(palette.palette), np.uint8)
    if mode == "RGB;L":  # planar: all reds, all greens, all blues
        colours = values[: len(values) // 3 * 3].reshape(3, -1).T
    elif len(mode) in (3, 4):
        colours = values[: len(values) // len(mode) * len(mode)]
        colours = colours.reshape(-1, len(mode))[:, :3]
    else:
        return False
    return len(colours) > 0 and bool((colours == colours[:, :1]).all())


def _draft(image: ImageFile.ImageFile, size: int, resize: Resize) -> None:
    """Let Pillow decode a JPEG at a smaller scale, yet twice as large as needed."""
    if image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    size *= DRAFT_FACTOR
    if resize == "squish":
        needed = (size, size)
    else:
        side = min(width, height) if resize == "crop" else max(width, height)
        scale = size / side
        needed = (math.ceil(width * scale), math.ceil(height * scale))
    if needed[0] < width and needed[1] < height:
        image.draft(None, needed)


def _to_grayscale_or_rgb(
    image: Image.Image, grayscale: bool, intensity_range: IntensityRange | None
) -> Image.Image:
    """Convert an image to mode L or RGB, by the rules above."""
    mode = image.mode
    if is_deep(mode):
        values = np.asarray(image)
        limits = intensity_range or format_range(values, mode)
        return Image.fromarray(scale_intensities(values, limits))
    if image.has_transparency_data:
        return _on_white(image, grayscale)
    if mode in ("L", "RGB"):
        return image
    return image.convert("L" if grayscale else "RGB")


def format_range(values: np.ndarray, mode: str) -> IntensityRange:
    """Return the range of an image by its format, where no other range is given."""
    if mode == "F":
        return (0, 1) if 0 <= values.min() and values.max() <= 1 else (0, 255)
    return (0, 65535) if mode.startswith("I;16") or values.max() > 255 else (0, 255)


def _on_white(image: Image.Image, grayscale: bool) -> Image.Image:
    """Composite an image with transparency on white."""
    if image.mode == "La":  # premultiplied, which converts to LA alone
        image = image.convert("LA")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("L" if grayscale else "RGB")


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; without EXIF data it is not parsed."""
    if not any(key in image.info for key in ("exif", "Raw profile type exif", "xmp")):
        return 1
    try:
        value = int(image.getexif().get(0x0112, 1))
        return value if value in EXIF_TRANSPOSE else 1
    except Exception:  # damaged metadata, but the pixels may be fine
        return 1


def _is_rotated_90(image: Image.Image) -> bool:
    return exif_orientation(image) >= 5


def _resize(image: Image.Image, size: int, resize: Resize) -> np.ndarray:
    """Resize to [size, size, C], antialiased (Pillow's bilinear filter adapts)."""
    width, height = image.size
    if resize == "pad":
        return _pad(image, size)
    if resize == "crop" and width != height:
        side = min(width, height)
        # whole pixels: a shift by half a pixel would blur an image of the right size
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return _as_array(image)


def _pad(image: Image.Image, size: int) -> np.ndarray:
    """Fit an image into a black square [size, size, C]."""
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
