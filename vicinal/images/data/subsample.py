"""Subsample the data when the time budget is too short to open every image.

A few images are opened to measure the speed. Opening may take a third of the budget,
because computing features takes about as long again and the head must be fitted too.
"""

import time
from dataclasses import replace

import numpy as np

from vicinal.core.compute.threads import ordered_map
from vicinal.core.data.splits import stratified_sample
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.image_table import ImageTable

NUM_TIMED = 32
"""images that are opened to measure the speed"""

BUDGET_FRACTION = 1 / 3
"""fraction of the time budget for opening images"""

MIN_IMAGES = 100
"""images that are used whatever the budget"""


def subsample_to_time(
    table: ImageTable,
    reader: ImageReader,
    minutes: float,
    seed: int,
    *,
    elapsed: float = 0.0,
) -> ImageTable:
    """Return the table, or a stratified sample that can be opened in time.

    The sample keeps the proportions of classes and of the user's splits, and a note
    reports its size. elapsed: seconds of the budget already spent.
    """
    n = len(table)
    if n <= MIN_IMAGES:
        return table
    rows = np.linspace(0, n - 1, min(NUM_TIMED, n)).astype(int)
    started_at = time.perf_counter()
    for _ in ordered_map(lambda row: reader.read(table, row), rows):
        pass
    seconds_per_image = (time.perf_counter() - started_at) / len(rows)
    most = int((BUDGET_FRACTION * 60 * minutes - elapsed) / seconds_per_image)
    return table if most >= n else subsample(table, max(most, MIN_IMAGES), seed)


def subsample(table: ImageTable, most: int, seed: int) -> ImageTable:
    """Return a stratified sample of at most `most` rows, with a note about it."""
    strata = np.zeros(len(table)).astype(str)
    if table.kind == "single_label":
        strata = table.labels.astype(str)
    if table.split is not None:
        strata = np.char.add(strata, table.split.astype(str))
    sample = table.rows(stratified_sample(strata, most, seed))
    note = (
        f"time budget too short for all {len(table):,} images: using a stratified "
        f"sample of {len(sample):,}; increase --minutes to use more"
    )
    return replace(sample, notes=[*table.notes, note])
