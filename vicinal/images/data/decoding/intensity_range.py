"""Measure the range of the values in images of more than 8 bits.

Values of 12 bits in a 16-bit file, or of a few hundred levels, would become one grey
level if all 16 bits were scaled to 8. Unless the user gives a range, it is that of the
training images, without the most extreme values; 8-bit images are not affected.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from vicinal.core.compute.threads import ordered_map
from vicinal.core.data.splits import TRAIN
from vicinal.images.data.decoding.decode import image_formats, is_deep
from vicinal.images.data.decoding.image_size import sample_rows
from vicinal.images.data.decoding.in_memory import open_source
from vicinal.images.data.image_table import ImageTable
from vicinal.images.settings import MAX_PIXELS, IntensityRange

NUM_HEADERS = 256
"""images whose headers are read to find some of more than 8 bits"""

NUM_MEASURED = 32
"""images of more than 8 bits whose pixels are measured"""

MAX_MEASURED_PIXELS = 1_000_000
"""pixels of an image that the percentiles are computed from, about"""

PERCENTILES = (0.1, 99.9)
"""of an image's pixels: beyond them may be dead or hot pixels"""

OUTLIERS = 20
"""one image in so many may have extreme values that do not widen the range"""

SLACK = 0.5
"""fraction of the range by which it is widened, if there are such values"""

NATURAL_MAXIMA = (1, 255, 1023, 4095, 16383, 65535)
"""a range that takes up more than half of 0 to one of these is that range; 1 is for
floating-point numbers"""

TOLERANCE = 0.05
"""fraction of the range by which a value may lie outside it and does not count"""


class _Limits(NamedTuple):
    """The range of one image, without and with its most extreme pixels."""

    low: float
    high: float
    minimum: float
    maximum: float


def measure_intensity_range(
    table: ImageTable, max_pixels: int = MAX_PIXELS
) -> IntensityRange | None:
    """Return the range of a table's training images; None if none has over 8 bits.

    Without a given split all images count. A sample is measured, spread evenly over the
    sorted names.
    """
    if table.pixels is not None:
        return None
    if table.split is not None and (train := np.isin(table.split, ("", TRAIN))).any():
        table = table.rows(train)
    sources = [table.source(row) for row in sample_rows(table, NUM_HEADERS)]
    deep = [source for source in sources if is_deep(_mode(source))]
    chosen = np.linspace(0, len(deep) - 1, min(NUM_MEASURED, len(deep))).astype(int)
    found = ordered_map(lambda k: _measure(deep[k], max_pixels), chosen)
    return combine_limits([limits for limits in found if limits is not None])


def combine_limits(limits: list[_Limits]) -> IntensityRange | None:
    """Return a range that holds most images, and all values that are not far off."""
    if not limits:
        return None
    skipped = len(limits) // OUTLIERS
    low = sorted(each.low for each in limits)[skipped]
    high = sorted(each.high for each in limits)[len(limits) - 1 - skipped]
    minimum = min(each.minimum for each in limits)
    maximum = max(each.maximum for each in limits)
    if high <= low:  # almost all pixels have one value
        low, high = minimum, maximum
    slack = SLACK * (high - low)
    low, high = max(minimum, low - slack), min(maximum, high + slack)
    if high <= low:
        return None
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")  # as they are printed
    whole = all(float(value).is_integer() for value in (minimum, maximum))
    for top in NATURAL_MAXIMA[1 if whole and maximum > 1 else 0 :]:
        if minimum >= 0 and maximum <= top and high - low > top / 2:
            return 0.0, float(top)
    return low, high


def fraction_outside(values: np.ndarray, intensity_range: IntensityRange) -> float:
    """Return the fraction of values that are well outside a range."""
    low, high = intensity_range
    slack = TOLERANCE * (high - low)
    return float(((values < low - slack) | (values > high + slack)).mean())


def describe_range(intensity_range: IntensityRange) -> str:
    """Return a range as text."""
    low, high = intensity_range
    return f"{low:g} to {high:g}"


def _mode(source: Any) -> str:
    """Return Pillow's mode of an image, of a file from its header; "" if unreadable."""
    try:
        if isinstance(source, (str, Path)):
            if not Path(source).is_file():  # a pipe could not be read to an end
                return ""
            with Image.open(source, formats=image_formats()) as image:
                return image.mode
        if isinstance(source, bytes):
            return Image.open(io.BytesIO(source), formats=image_formats()).mode
        return source.mode if isinstance(source, Image.Image) else ""
    except Exception:  # the audit gives the reason
        return ""


def _measure(source: Any, max_pixels: int) -> _Limits | None:
    """Return the limits of an image; None if it cannot be read."""
    try:
        values = np.asarray(open_source(source, max_pixels)).ravel()
    except Exception:  # damaged: the audit gives the reason
        return None
    minimum, maximum = float(values.min()), float(values.max())
    sample = values[:: max(1, len(values) // MAX_MEASURED_PIXELS)]
    low = np.percentile(sample, PERCENTILES[0], method="higher")
    high = np.percentile(sample, PERCENTILES[1], method="lower")
    if not np.isfinite((minimum, maximum, low, high)).all():
        return None
    return _Limits(float(low), float(high), minimum, maximum)
