"""When the user's minutes are too short to open every picture: a stated part of them.

A few pictures are opened to see how fast it goes. Opening may take a third of the
minutes, since computing features takes about as long again and a head is to be fitted.
"""

import time
from dataclasses import replace

import numpy as np

from vicinal.core.compute.threads import ordered_map
from vicinal.core.data.splits import stratified_sample
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.image_table import ImageTable

TRIED = 32
"""pictures that are opened to see how long it takes"""

FOR_OPENING = 1 / 3
"""of the minutes"""

LEAST = 100
"""pictures that are opened in any case"""


def within(
    table: ImageTable,
    eye: ImageReader,
    minutes: float,
    seed: int,
    *,
    elapsed: float = 0.0,
) -> ImageTable:
    """The table, or the part of it that there is time for; a note then says so.

    Classes and the user's parts keep their shares.
    """
    n = len(table)
    if n <= LEAST:
        return table
    rows = np.linspace(0, n - 1, min(TRIED, n)).astype(int)
    started_at = time.perf_counter()
    for _ in ordered_map(lambda row: eye.look(table, row), rows):
        pass
    a_picture = (time.perf_counter() - started_at) / len(rows)
    most = int((FOR_OPENING * 60 * minutes - elapsed) / a_picture)
    return table if most >= n else subsample_split(table, max(most, LEAST), seed)


def subsample_split(table: ImageTable, most: int, seed: int) -> ImageTable:
    """At most so many rows, with a note."""
    strata = np.zeros(len(table)).astype(str)
    if table.kind == "single_label":
        strata = table.labels.astype(str)
    if table.split is not None:
        strata = np.char.add(strata, table.split.astype(str))
    part = table.rows(stratified_sample(strata, most, seed))
    told = (
        f"the minutes are too short for all {len(table):,} pictures: {len(part):,} of "
        "them, each class in its share, are opened and the others are not; give more "
        "--minutes"
    )
    return replace(part, notes=[*table.notes, told])
