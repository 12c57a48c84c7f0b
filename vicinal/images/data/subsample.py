"""Subsample the data when the time budget is too short to open every image.

A few images are opened, searched for near duplicates and passed through the frozen
network, to measure the speed. Opening and searching may take a third of the budget, and
all together half: the head must be fitted, the model tested and the report written.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vicinal.core.compute.threads import ordered_map
from vicinal.core.data.splits import TEST, VAL, stratified_sample
from vicinal.core.storage.run_folder import read_table
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.decoding.decode import to_channels
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.folders import escape_non_utf8

NUM_TIMED = 32
"""images that are opened to measure the speed"""

OPENING_FRACTION, FEATURE_FRACTION = 1 / 3, 0.5
"""fractions of the time budget for opening and searching images, and for that and their
features"""

MIN_IMAGES = 100
"""images that are used whatever the budget"""


def subsample_to_time(
    table: ImageTable,
    reader: ImageReader,
    minutes: float,
    seed: int,
    *,
    elapsed: float = 0.0,
    embedding_seconds: Callable[[np.ndarray], float] | None = None,
    search_seconds: Callable[[ImageTable, ImageReader, int], float] | None = None,
) -> ImageTable:
    """Return the table, or a stratified sample that can be opened in time.

    The sample keeps the user's test split and the proportions of classes and other
    splits, and a note reports its size. elapsed: seconds of the budget already spent.
    embedding_seconds: returns the seconds per image of the frozen network on pixels
    [B, S, S, C]. search_seconds: returns those of a search for near duplicates among a
    number of images, of which it gets some.
    """
    n, clock = len(table), time.perf_counter()
    if n <= MIN_IMAGES:
        return table
    rows = np.linspace(0, n - 1, min(NUM_TIMED, n)).astype(int)
    started_at = time.perf_counter()
    opened = [*ordered_map(lambda row: reader.read(table, row), rows)]
    seconds = (time.perf_counter() - started_at) / len(rows)
    sample, search = table.rows(rows), 0.0
    if search_seconds is not None:
        search = search_seconds(sample, reader, n)
    elapsed += time.perf_counter() - clock
    left = OPENING_FRACTION * 60 * minutes - elapsed
    most = int(left / (seconds + search))
    if search_seconds is not None and not search and most < n:  # fewer are searched
        search = search_seconds(sample, reader, max(most, MIN_IMAGES))
        most = int(left / (seconds + search))
    seconds += search
    pixels = [image.pixels for image in opened if image.pixels is not None]
    if embedding_seconds is not None and pixels:
        elapsed -= time.perf_counter()
        seconds += embedding_seconds(np.stack([to_channels(p, 3) for p in pixels]))
        elapsed += time.perf_counter()
        both = (FEATURE_FRACTION * 60 * minutes - elapsed) / seconds
        most = min(most, int(both))
    return table if most >= n else subsample(table, max(most, MIN_IMAGES), seed)


def subsample(table: ImageTable, most: int, seed: int) -> ImageTable:
    """Return a stratified sample of about `most` rows, with a note about it.

    The user's test split is kept whole: a score on a part of it is another score. So is
    the validation split where it is the only one held out.
    """
    strata = np.zeros(len(table)).astype(str)
    if table.kind == "single_label":
        strata = table.labels.astype(str)
    kept = np.zeros(len(table), dtype=bool)
    if table.split is not None:
        strata = np.char.add(strata, table.split.astype(str))
        held_out = [name for name in (TEST, VAL) if (table.split == name).any()]
        kept = table.split == (held_out[0] if held_out else TEST)
    others = np.flatnonzero(~kept)
    most = max(most - int(kept.sum()), min(most, MIN_IMAGES))
    kept[others[stratified_sample(strata[others], most, seed)]] = True
    sample = table.rows(kept)
    whole = " (the test split is whole)" if len(others) < len(table) else ""
    note = (
        f"time budget too short for all {len(table):,} images: using a stratified "
        f"sample of {len(sample):,}{whole}; increase --minutes to use more"
    )
    return replace(sample, notes=[*table.notes, note])


def rows_of_run(table: ImageTable, folder: Path) -> ImageTable:
    """Return the images in data/index.csv of a run; all if there are none."""
    paths = read_table(folder, "data/index.csv", ["path"])["path"].tolist()
    rows = np.isin([escape_non_utf8(name) for name in table.names], paths)
    return table.rows(rows) if rows.any() else table
