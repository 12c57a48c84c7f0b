"""Which picture is for what: the user's own parts, or honest ones of our making."""

import numpy as np

from vicinal.core.runtime import seed_for
from vicinal.core.splits import TRAIN, VAL, Fractions, split
from vicinal.images.audit import groups_of, names_in
from vicinal.images.pictures import Pictures
from vicinal.images.rows import ImageTable


def given_parts(table: ImageTable) -> np.ndarray:
    """Parts [N] as the user gave them; train where the user did not say."""
    given = np.full(len(table), TRAIN) if table.split is None else table.split
    return np.where(given == "", TRAIN, given).astype("U5")


def with_validation(
    parts: np.ndarray, pictures: Pictures, fraction: float, seed: int
) -> np.ndarray:
    """Parts [N] with a share of train to choose the epoch by, unless they have one."""
    if (parts == VAL).any():
        return parts
    rows = np.flatnonzero(parts == TRAIN)
    share = Fractions(1.0, fraction, 0.0)
    parts = parts.copy()
    parts[rows] = divide(pictures.rows(rows), share, seed)
    return parts


def divide(pictures: Pictures, fractions: Fractions, seed: int) -> np.ndarray:
    """Parts [N] of pictures: stratified by class, exact copies on one side.

    Of several labels a picture, those that only held-out pictures have could not be
    learned, so such pictures are for training.
    """
    table = pictures.table
    strata = table.labels if table.kind == "single_label" else np.zeros(len(table))
    parts = split(
        np.asarray(strata).astype(str),
        groups_of(pictures.digests),
        fractions=fractions,
        seed=seed_for(seed, 3) % 2**32,
    )
    if table.kind == "multi_label":
        said = [names_in(label, table.kind) for label in table.labels]
        learned = set().union(*(said[k] for k in np.flatnonzero(parts == TRAIN)))
        parts[[not its <= learned for its in said]] = TRAIN
    return parts
