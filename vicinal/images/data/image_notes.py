"""Notes on images that can be used but may not show what the user expects."""

from collections.abc import Sequence

import numpy as np

from vicinal.core.text import format_percent, pluralize
from vicinal.images.data.audit import Audit
from vicinal.images.data.decoding.intensity_range import describe_range
from vicinal.images.settings import IntensityRange, Resize

MIN_SIDE = 8
"""pixels of the shorter side below which an image is reported"""

MAX_ASPECT = 4
"""ratio of the sides above which an image is reported, if it is cropped"""

MIN_OUTSIDE = 0.01
"""fraction of an image's pixels outside the intensity range that is reported"""

MAX_NAMED = 3
"""images that a note names"""


def image_notes(audit: Audit, resize: Resize = "crop") -> list[str]:
    """Return notes on images of more than 8 bits, constant, tiny and elongated ones.

    resize: how images will be made square.
    """
    notes = [
        *_depth_notes(audit),
        *_reduced_notes(audit),
        *_constant_notes(audit),
        *_small_notes(audit),
    ]
    return notes + (_elongated_notes(audit) if resize == "crop" else [])


def describe_outside(
    names: Sequence[str], fractions: np.ndarray, limits: IntensityRange | None
) -> list[str]:
    """Return a note on images [N] with values outside the intensity range.

    limits: of the training images; None: they had 8 bits.
    """
    rows = np.flatnonzero(fractions >= MIN_OUTSIDE)
    if not len(rows):
        return []
    first, images = rows[0], pluralize(len(rows), "image")
    expected = "the range of the format (the training images have 8 bits)"
    if limits is not None:
        trained = describe_range(limits)
        expected = f"the intensity range of the training images, {trained}"
    return [
        f"values outside {expected}, in {images}, for example in "
        f"{format_percent(float(fractions[first]))} of the pixels of {names[first]}; "
        "they are clipped"
    ]


def describe_16_bits(names: Sequence[str]) -> str:
    """Return a note on images of 16 bits given to a model of 8-bit images."""
    return (
        f"{pluralize(len(names), 'image')} of 16 bits, such as {names[0]}: 0 to 65535 "
        "is scaled to 0 to 255, because the training images have 8 bits"
    )


def _depth_notes(audit: Audit) -> list[str]:
    limits, deep = audit.intensity_range, audit.deep & audit.usable
    images = pluralize(int(deep.sum()), "image")
    if limits is not None and not deep.any():
        return [
            f"no image has more than 8 bits: the intensity range "
            f"{describe_range(limits)} has no effect"
        ]
    if limits is not None:
        return [
            f"{images} of more than 8 bits: values from {describe_range(limits)} are "
            "scaled to 0..255; --intensity-range sets another range"
        ]
    if deep.any():
        return [
            f"{images} of more than 8 bits: the whole range of the format is scaled to "
            "0..255; --intensity-range sets another range"
        ]
    return []


def _reduced_notes(audit: Audit) -> list[str]:
    rows = np.flatnonzero(audit.reduced & audit.usable)
    if not len(rows):
        return []
    return [
        f"{pluralize(len(rows), 'image')} with several channels of 16 bits, of which "
        f"the upper 8 are used: {_named(audit, rows)}. Save them with 8 bits per "
        "channel if their values do not take up all 16."
    ]


def _constant_notes(audit: Audit) -> list[str]:
    rows = np.flatnonzero(audit.constant & audit.usable)
    if not len(rows):
        return []
    cure = (
        "Check --intensity-range." if audit.deep[rows].any() else "Check these files."
    )
    count = pluralize(len(rows), "image")
    return [f"{count} with one value in all pixels: {_named(audit, rows)}. {cure}"]


def _small_notes(audit: Audit) -> list[str]:
    rows = np.flatnonzero((audit.sizes.min(axis=1) < MIN_SIDE) & audit.usable)
    if not len(rows):
        return []
    return [
        f"{pluralize(len(rows), 'image')} with a side below {MIN_SIDE} pixels, which "
        f"are enlarged: {_named(audit, rows)}. Leave them out or use larger ones."
    ]


def _elongated_notes(audit: Audit) -> list[str]:
    shorter, longer = audit.sizes.min(axis=1), audit.sizes.max(axis=1)
    kept = shorter / np.maximum(longer, 1)  # by cropping to a square
    rows = np.flatnonzero((kept < 1 / MAX_ASPECT) & audit.usable)
    if not len(rows):
        return []
    rows = rows[np.argsort(kept[rows], kind="stable")]
    return [
        f"{pluralize(len(rows), 'image')} more than {MAX_ASPECT} times as long as "
        f"wide: {_named(audit, rows)}. Cropping keeps {100 * kept[rows[0]]:.2g} % "
        "of the first; --resize pad keeps all."
    ]


def _named(audit: Audit, rows: np.ndarray) -> str:
    """Return the names and sizes of the first of some images."""
    names = [
        f"{audit.table.names[row]} ({audit.sizes[row, 0]} x {audit.sizes[row, 1]})"
        for row in rows[:MAX_NAMED]
    ]
    more = f" and {len(rows) - MAX_NAMED:,} more" if len(rows) > MAX_NAMED else ""
    return ", ".join(names) + more
