"""Predictions for sets of drugs, with what each pair and each drug contributes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.interactions.data.cells import fold_name
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.prediction.sets import join, pairs_of, shares

MAX_PARTS = 3
"""parts of a prediction that a table names"""

KNOWN, PREDICTED, ALONE = "known", "predicted", "known of one drug alone"


@dataclass(frozen=True)
class SetPrediction:
    """Probabilities of all effects of one set of drugs."""

    drugs: tuple[str, ...]
    """names, in ascending order of their numbers in the model"""

    effects: np.ndarray
    """[E] names"""

    parts: list[tuple[str, ...]]
    """the K single drugs and pairs that may lead to an effect"""

    values: np.ndarray
    """[K, E] probability of each part; NaN where nothing supports one"""

    known: np.ndarray
    """[K, E] bool: whether the effect of the part is in the table"""

    situations: list[str]
    """[K] of pairs the situation, else "one drug" """

    @property
    def probabilities(self) -> np.ndarray:
        """Return P(effect | set) [E]; NaN where no part supports a prediction."""
        found = join(self.values)
        found[np.isnan(self.values).all(axis=0)] = np.nan
        return found

    @property
    def unsupported(self) -> list[tuple[str, ...]]:
        """Return the pairs for which nothing supports a prediction."""
        empty = np.flatnonzero(np.isnan(self.values).all(axis=1))
        return [self.parts[row] for row in empty]

    def contributions(self, effect: int) -> list[tuple[tuple[str, ...], float]]:
        """Return what each part adds to one probability, the largest first.

        The sum over all parts is the probability.
        """
        found = shares(self.values[:, [effect]])[:, 0]
        order = np.argsort(-found, kind="stable")
        return [(self.parts[k], float(found[k])) for k in order if found[k] > 0]

    def evidence(self, effect: int) -> str:
        """Return whether an effect is known of a part of the set, or predicted."""
        rows = np.flatnonzero(self.known[:, effect])
        of_pair = any(len(self.parts[row]) > 1 for row in rows)
        return _evidence(len(rows) > 0, of_pair)

    def rows(
        self, top: int | None = None, *, new: bool = False
    ) -> list[dict[str, Any]]:
        """Return the most probable effects, `top` of them at most; see `to_frame`."""
        p = self.probabilities
        order = np.argsort(-np.nan_to_num(p, nan=-1.0), kind="stable")
        shown = ~np.isnan(p) & ~(new & self.known.any(axis=0))
        order = order[shown[order]][:top]
        found = shares(self.values[:, order])
        largest = np.argsort(-found, axis=0, kind="stable")[:MAX_PARTS]
        names = [" + ".join(part) for part in self.parts]
        drugs, known = "|".join(self.drugs), self.known[:, order]
        together = np.array([len(part) > 1 for part in self.parts])
        rows = []
        for k, effect in enumerate(order):
            is_known = bool(known[:, k].any())
            parts = [(names[row], found[row, k]) for row in largest[:, k]]
            rows.append(
                {
                    "drugs": drugs,
                    "predicted": self.effects[effect],
                    "probability": p[effect],
                    "known": is_known,
                    "evidence": _evidence(is_known, bool(known[together, k].any())),
                    "parts": "; ".join(
                        f"{n} {share:.3f}" for n, share in parts if share
                    ),
                }
            )
        return rows


COLUMNS = ["drugs", "predicted", "probability", "known", "evidence", "parts"]


def _evidence(is_known: bool, of_pair: bool) -> str:
    """Return whether an effect is known of a pair, of one drug, or predicted."""
    if not is_known:
        return PREDICTED
    return KNOWN if of_pair else ALONE


def to_frame(
    predictions: Iterable[SetPrediction], top: int | None = None, *, new: bool = False
) -> Any:
    """Return the most probable effects of each set: a row for each, `top` at most.

    Columns: drugs (separated by |), predicted (the effect), probability, known (of a
    part of the set), evidence, and parts, those that contribute most. new: without
    known effects.
    """
    import pandas as pd

    rows = [row for found in predictions for row in found.rows(top, new=new)]
    return pd.DataFrame(rows, columns=COLUMNS)


def predict_sets(
    model: FittedInteractions, sets: Sequence[tuple[int, ...]]
) -> list[SetPrediction]:
    """Return the predictions for sets of drugs by number, each pair computed once."""
    ordered = model.ordered
    by_set = [pairs_of(drugs, ordered=ordered) for drugs in sets]
    unique = sorted({pair for pairs in by_set for pair in pairs})
    rows = {pair: row for row, pair in enumerate(unique)}
    pairs = np.array(unique).reshape(-1, 2)
    found = model.predict_pairs(pairs)
    known = found.known.toarray().astype(bool)
    single = _known_alone(model)
    predictions = []
    for drugs, own in zip(sets, by_set, strict=True):
        chosen = [rows[pair] for pair in own]
        alone = np.array([single[drug] for drug in drugs])
        values = np.where(alone, 1.0, np.nan)
        names = [str(name) for name in model.drugs[list(drugs)]]
        pair_names = [tuple(map(str, model.drugs[list(pair)])) for pair in own]
        predictions.append(
            SetPrediction(
                drugs=tuple(names),
                effects=model.effects,
                parts=[*((name,) for name in names), *pair_names],
                values=np.concatenate([values, found.probabilities[chosen]]),
                known=np.concatenate([alone, known[chosen]]),
                situations=[
                    *["one drug"] * len(drugs),
                    *(SITUATIONS[found.situations[row]] for row in chosen),
                ],
            )
        )
    return predictions


def _known_alone(model: FittedInteractions) -> np.ndarray:
    """Return [D, E] bool: whether a drug is known to have an effect when taken alone.

    Effects of single drugs and of sets are the same where their names are.
    """
    table = model.features.single_effects
    if table is None:
        return np.zeros((len(model.drugs), len(model.effects)), bool)
    rows = {fold_name(name): row for row, name in enumerate(model.single_effects)}
    columns = np.array([rows.get(fold_name(name), -1) for name in model.effects])
    found = np.zeros((len(model.drugs), len(model.effects)), bool)
    shared = np.flatnonzero(columns >= 0)
    found[:, shared] = table[:, columns[shared]].toarray() > 0
    return found
