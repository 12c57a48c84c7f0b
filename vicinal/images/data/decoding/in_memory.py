"""Images in memory: encoded bytes, open files, PIL images and arrays.

They are decoded by the same rules as files. A PIL image whose pixels were not loaded
yet is decoded from its file, so that both give the same pixels.
"""

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from vicinal.errors import DataError, ImageError
from vicinal.images.data.decoding.decode import (
    check_frames,
    digest,
    exif_orientation,
    open_image,
    read_file,
    scale_intensities,
)
from vicinal.images.settings import MAX_PIXELS, IntensityRange

_lock = threading.Lock()
"""held while a PIL image is loaded or its file is read: it may be in a list twice"""


def is_in_memory(data: Any) -> bool:
    """Return whether data are one image: bytes, an open file or a PIL image."""
    if isinstance(data, (bytes, bytearray, memoryview, Image.Image)):
        return True
    return callable(getattr(data, "read", None)) and not isinstance(data, os.PathLike)


def read_open_file(image: Any) -> Any:
    """Return the bytes of an open file; anything else as it is."""
    if isinstance(image, Image.Image) or not is_in_memory(image):
        return image
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if callable(getattr(image, "seek", None)):
        image.seek(0)  # as Pillow does
    data = image.read()
    if not isinstance(data, bytes):
        raise DataError(
            "An open file of an image must be binary. Got text instead: use "
            'open(path, "rb").'
        )
    return data


def load_source(source: Any) -> tuple[bytes, Image.Image | None]:
    """Return the encoded bytes of an image, or what identifies it, and the image.

    source: a path, bytes, a PIL image or an array. The image is None where the bytes
    are an encoded image. ImageError with the reason if it cannot be read.
    """
    if isinstance(source, (str, Path)):
        return read_file(Path(source)), None
    if isinstance(source, bytes):
        return source, None
    if isinstance(source, Image.Image):
        return _load_pil_image(source)
    pixels = array_pixels(source)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    return _identify(image), image


def open_source(source: Any, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a path, bytes, a PIL image or an array; ImageError if it cannot be read."""
    data, image = load_source(source)
    return open_image(data, max_pixels) if image is None else image


def _load_pil_image(image: Image.Image) -> tuple[bytes, Image.Image | None]:
    """Return the bytes of the file if it was not decoded yet, else the loaded image."""
    with _lock:
        try:
            check_frames(image)
            data = _undecoded_bytes(image)
            if data is not None:
                return data, None
            image.load()
        except ImageError:
            raise
        except Exception as error:  # decoders raise various errors; a closed file
            reason = str(error) or "it was closed before its pixels were loaded"
            raise ImageError(f"cannot be read: {reason}") from error
    return _identify(image), image


def _undecoded_bytes(image: Image.Image) -> bytes | None:
    """Return the file of a PIL image that was opened and not changed; None else."""
    file = image.fp if isinstance(image, ImageFile.ImageFile) else None
    if file is None or image.tell() > 0:  # loaded, or another frame was chosen
        return None
    position = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(position)
    with Image.open(io.BytesIO(data)) as original:
        # `draft` changes them
        unchanged = (original.size, original.mode) == (image.size, image.mode)
    return data if unchanged else None


def _identify(image: Image.Image) -> bytes:
    """Return bytes that differ where the decoded image does."""
    shown = image.mode, image.size, image.info.get("transparency")
    palette = image.getpalette() if image.mode in ("P", "PA") else None
    return repr((shown, palette, exif_orientation(image))).encode() + digest(
        image.tobytes()
    )


# --- arrays ------------------------------------------------------------------------


def array_pixels(data: Any) -> np.ndarray:
    """Return one image as an array [H, W] or [H, W, C] of uint8; ImageError if not."""
    try:
        pixels = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"cannot be converted to an array: {error}") from error
    if pixels.dtype.kind not in "biuf" or pixels.ndim not in (2, 3) or not pixels.size:
        raise ImageError(
            "not an image: expected a path, bytes, a PIL image or an array [H, W] or "
            f"[H, W, C], got {type(data).__name__} {list(pixels.shape)}"
        )
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        raise ImageError(
            "an array must be [H, W] or [H, W, C] with C 1 or 3, got shape "
            f"{list(pixels.shape)}"
        )
    try:
        return to_uint8(pixels)
    except DataError as error:
        raise ImageError(str(error)) from error


def scale_arrays(data: Any, intensity_range: IntensityRange | None) -> Any:
    """Scale arrays of more than 8 bits, also in a list, like the pixels of files.

    Only where a range is given or was found in training: else `to_uint8` has a rule for
    each dtype. Other data are returned as they are. Raises DataError for values that
    are all far from the range, so that the images would become black or white.
    """
    if intensity_range is None:
        return data
    if isinstance(data, (list, tuple)):
        return [scale_arrays(image, intensity_range) for image in data]
    if isinstance(data, Image.Image) or not hasattr(data, "__array__"):
        return data
    if hasattr(data, "columns"):
        return data
    try:
        pixels = np.asarray(data)
    except (TypeError, ValueError, RuntimeError):
        return data  # the reader of arrays gives the reason
    if pixels.ndim < 2 or pixels.dtype == np.uint8 or pixels.dtype.kind not in "iuf":
        return data
    scaled = scale_intensities(pixels, intensity_range)
    if scaled.size and np.ptp(scaled) < 2 and np.ptp(pixels) > 0:
        low, high = intensity_range
        raise DataError(
            f"Pixels of more than 8 bits must have values of {low:g} to {high:g}, as "
            f"the training images. Got {pixels.min():g} to {pixels.max():g} instead, "
            "which would be one grey. Scale them, or give 8 bits (uint8)."
        )
    return scaled


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert pixels to uint8 by a rule that depends on the dtype only.

    Integers are levels 0..255 and stay. Floats are 0..1 and are multiplied by 255;
    False and True become 0 and 255. So a dark batch is read like a bright one. Floats
    above 1 and integers above 255 are refused (half a level is rounding). A batch of
    floats meant as 0..255 that has none above 1 is black, and is read as 0..1.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "biuf":
        raise DataError(
            f"Pixels must be numbers. Got an array of {pixels.dtype} instead."
        )
    if not np.isfinite(pixels).all():
        raise DataError("The images have NaN or infinite pixels. Replace them first.")
    if pixels.dtype.kind in "iu":
        cure = "Divide 16-bit pixels by 257, or set intensity_range=(LOW, HIGH)."
        _check_range(pixels, 255, "integers", cure)
        return pixels.astype(np.uint8)
    _check_range(pixels, 1, "floats", "Divide by 255, or convert to uint8 first.")
    return np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)


def _check_range(pixels: np.ndarray, top: int, dtype: str, cure: str) -> None:
    """Raise DataError for pixels half a level of 255 or more outside 0..top."""
    if not pixels.size:
        return
    low, high = float(pixels.min()), float(pixels.max())
    if low <= -top / 510 or high >= top + top / 510:
        raise DataError(
            f"Pixels that are {dtype} must lie in 0..{top}. "
            f"Got {low:g} to {high:g} instead. {cure}"
        )
