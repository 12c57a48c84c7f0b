"""Linear models with a closed form, in which nothing predicts itself.

Columns x_j of a matrix X are predicted from all others, at once for all j:

    min |X - X B|^2 + l2 |B|^2   with B_jj = 0:   B_ij = -P_ij / P_jj,   i != j

with P = (X^T X + l2)^-1. H. Steck: Embarrassingly shallow autoencoders for sparse data,
WWW 2019, (8).
"""

from typing import Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from vicinal.interactions.pair_effects import PairEffects

BLOCK = 4096
"""pairs whose predictions are in memory at a time"""

MAX_TABLES = 200
"""new drugs whose estimated effects are kept"""


def predict_each_from_others(gram: np.ndarray, l2: float) -> np.ndarray:
    """Return B [K, K] with a zero diagonal; gram: X^T X [K, K]."""
    total = torch.from_numpy(gram).double()
    total.diagonal().add_(l2)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(total))
    weights = -inverse / inverse.diagonal()
    return weights.fill_diagonal_(0).numpy()


def penalty(gram: np.ndarray | Tensor, share: float) -> float:
    """Return a share of the mean of the squares that a gram matrix sums, and 1."""
    return 1.0 + share * float(gram.diagonal().mean()) if len(gram) else 1.0


class EffectRegression:
    """An effect of a pair from its other effects."""

    def __init__(self, pair_effects: PairEffects, weights: np.ndarray) -> None:
        """weights: [E, E] of each effect (rows) for each other (columns)"""
        self.pair_effects = pair_effects
        self.weights = weights

    @classmethod
    def fit(cls, pair_effects: PairEffects, share: float = 0.05) -> Self:
        """share: the penalty, as a share of the mean number of pairs of an effect."""
        product = pair_effects.table.T @ pair_effects.table
        gram = np.asarray(product.todense(), np.float64)
        weights = predict_each_from_others(gram, penalty(gram, share))
        return cls(pair_effects, np.ascontiguousarray(weights, np.float32))

    def score_all(self, pairs: np.ndarray) -> np.ndarray:
        """Return the scores [M, E] of pairs [M, 2]."""
        return self.pair_effects.known_effects(pairs) @ self.weights


class DrugRegression:
    """The partners of a drug, by effect, from those of the other drugs.

    A_e of each effect, whose rows are first drugs, is predicted by B A_e + A_e C^T; all
    effects have the same B and C [D, D], and B = C where the order does not matter.
    """

    def __init__(
        self, pair_effects: PairEffects, weights: tuple[Tensor, Tensor]
    ) -> None:
        """weights: B and C, for each drug (rows) of each other (columns)"""
        self.pair_effects = pair_effects
        self.weights = weights
        self.new_drugs: dict[int, int] = {}
        """drugs that are represented by others, and their rows in new_weights"""

        self.new_weights = np.zeros((0, pair_effects.num_drugs), np.float32)
        self._new_tables: dict[tuple[int, int], Tensor] = {}

    @classmethod
    def fit(cls, pair_effects: PairEffects, share: float = 0.2) -> Self:
        """share: the penalty, as a share of the mean number of facts of a drug."""
        sides = (0, 1) if pair_effects.ordered else (0,)
        weights = [_fit_side(pair_effects, side, share) for side in sides]
        return cls(pair_effects, (weights[0], weights[-1]))

    def represent(self, drugs: np.ndarray, weights: np.ndarray) -> None:
        """Predict drugs without a pair as the weighted mean of others.

        drugs: [N] numbers. weights: [N, D] of the other drugs.
        """
        self.new_drugs = {int(drug): row for row, drug in enumerate(drugs)}
        self.new_weights = np.asarray(weights, np.float32)
        for own in self.weights[: 2 if self.pair_effects.ordered else 1]:
            own[torch.from_numpy(drugs)] = torch.from_numpy(self.new_weights)
        self._new_tables.clear()

    def score_all(self, pairs: np.ndarray) -> np.ndarray:
        """Return the scores [M, E] of pairs [M, 2]: the sum from both sides."""
        pairs = np.asarray(pairs)
        found = torch.zeros(len(pairs), self.pair_effects.num_effects)
        for side in (0, 1):
            own, others = pairs[:, side], pairs[:, 1 - side]
            order = np.argsort(others, kind="stable")
            starts = np.flatnonzero(np.diff(others[order], prepend=-1))
            for rows in np.split(order, starts[1:]):
                if len(rows):
                    drug = int(others[rows[0]])
                    found[rows] += self._from_partners(drug, side, own[rows])
        return found.numpy()

    def _from_partners(self, drug: int, side: int, own: np.ndarray) -> Tensor:
        """Return the scores [N, E] of `own` on a side with a drug on the other one."""
        partners, table = self._partner_effects(drug, side)
        weights = self.weights[side][torch.from_numpy(own)]
        return weights[:, partners] @ table

    def _partner_effects(self, drug: int, side: int) -> tuple[Tensor, Tensor]:
        """Return drugs [K] on a side, and their effects [K, E] with one on the other.

        Of a new drug they are the weighted mean over the drugs that it is like.
        """
        if drug in self.new_drugs:
            everyone = torch.arange(self.pair_effects.num_drugs)
            return everyone, self._effects_of_new(drug, side)
        partners = self.pair_effects.partners(drug, 1 - side)
        table = torch.from_numpy(self.pair_effects.table[partners.rows].toarray())
        return torch.from_numpy(partners.drugs), table

    def _effects_of_new(self, drug: int, side: int) -> Tensor:
        """Return the effects [D, E] of all drugs on a side with a new one."""
        key = drug, side
        if key not in self._new_tables:
            if len(self._new_tables) >= MAX_TABLES:
                self._new_tables.clear()
            known = self.pair_effects
            likeness = self.new_weights[self.new_drugs[drug]]
            own, others = known.pairs[:, side], known.pairs[:, 1 - side]
            rows = np.arange(len(own))
            if not known.ordered:
                own, others = np.r_[own, others], np.r_[others, own]
                rows = np.r_[rows, rows]
            shape = known.num_drugs, len(known.codes)
            members = csr_matrix((likeness[others], (own, rows)), shape)
            means = csr_matrix(members @ known.table)
            self._new_tables[key] = torch.from_numpy(means.toarray())
        return self._new_tables[key]

    def neighbour_terms(
        self, pair: tuple[int, int], effect: int
    ) -> list[tuple[int, int, float]]:
        """Return the terms of one score: (side, drug, term), the largest first.

        The drug on that side of the pair is like `drug`, which has the effect with the
        other one; the terms add up to the score.
        """
        found = []
        for side in (0, 1):
            partners, table = self._partner_effects(pair[1 - side], side)
            terms = self.weights[side][pair[side], partners] * table[:, effect]
            used = terms.nonzero().ravel()
            found += [(side, int(partners[k]), float(terms[k])) for k in used]
        return sorted(found, key=lambda term: -abs(term[2]))


class ProfileRegression:
    """An effect of a pair from what its drugs predict for all effects.

    For a pair with known effects Y these are added: column j of [Y, P], with P the
    scores of `DrugRegression`, is predicted from all others. For a new pair a ridge
    regression on P is used. P does not contain the cell that it predicts.
    """

    def __init__(
        self, drugs: DrugRegression, weights: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        """weights: [E, E] on Y (zero diagonal), on P beside Y, and on P alone"""
        self.drugs = drugs
        self.weights = weights
        self.known_weights, self.predicted_weights, self.new_weights = weights

    @classmethod
    def fit(
        cls,
        drugs: DrugRegression,
        known_share: float = 0.05,
        predicted_share: float = 0.0066,
        new_share: float = 0.001,
    ) -> Self:
        """The shares are penalties, as shares of mean squares."""
        effects = drugs.pair_effects.num_effects
        known, cross, predicted = _gram_of_predictions(drugs)
        new = predicted.clone()
        new.diagonal().add_(penalty(predicted, new_share))
        alone = torch.linalg.solve(new, cross.T)
        both = torch.cat(
            [torch.cat([known, cross], 1), torch.cat([cross.T, predicted], 1)]
        )
        both.diagonal()[:effects] += penalty(known, known_share)
        both.diagonal()[effects:] += penalty(predicted, predicted_share)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(both))[:, :effects]
        weights = -inverse / inverse.diagonal()
        weights[:effects].fill_diagonal_(0)
        parts = weights[:effects], weights[effects:], alone
        own, beside, alone = (part.float().contiguous().numpy() for part in parts)
        return cls(drugs, (own, beside, alone))

    def score_all(self, pairs: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the scores [M, E] of pairs [M, 2].

        predicted: their scores [M, E] by `DrugRegression`.
        """
        known = self.drugs.pair_effects
        found = predicted @ self.new_weights
        has_row = known.rows(pairs) >= 0
        if has_row.any():
            y = known.known_effects(pairs[has_row])
            own = predicted[has_row] @ self.predicted_weights
            found[has_row] = own + y @ self.known_weights
        return found


def _fit_side(known: PairEffects, side: int, share: float) -> Tensor:
    """Return B (side 0) or C (side 1) [D, D]."""
    gram = torch.zeros(known.num_drugs, known.num_drugs, dtype=torch.float64)
    for effect in range(known.num_effects):
        adjacency = torch.from_numpy(known.adjacency(effect))
        rows = adjacency if side == 0 else adjacency.T
        gram += rows @ rows.T  # exact: whole numbers below 2^24
    weights = predict_each_from_others(gram.numpy(), penalty(gram, share))
    return torch.from_numpy(np.ascontiguousarray(weights.T, np.float32))


def _gram_of_predictions(drugs: DrugRegression) -> tuple[Tensor, Tensor, Tensor]:
    """Return Y^T Y, Y^T P and P^T P over the known pairs."""
    known = drugs.pair_effects
    sums = torch.zeros(3, known.num_effects, known.num_effects).double()
    for rows in known.blocks(BLOCK):
        y = torch.from_numpy(known.table[rows].toarray())
        p = torch.from_numpy(drugs.score_all(known.pairs[rows]))
        for total, (a, b) in zip(sums, ((y, y), (y, p), (p, p)), strict=True):
            total += a.T @ b
    return sums[0], sums[1], sums[2]
