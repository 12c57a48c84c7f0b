"""Linear models with a closed form, in which nothing predicts itself.

Columns x_j of a matrix X are predicted from all others, at once for all j:

    min |X - X B|^2 + l2 |B|^2   with B_jj = 0:   B_ij = -P_ij / P_jj,   i != j

with P = (X^T X + l2)^-1. H. Steck: Embarrassingly shallow autoencoders for sparse data,
WWW 2019, (8).
"""

import numpy as np
import torch

from vicinal.interactions.pair_effects import PairEffects


def predict_each_from_others(gram: np.ndarray, l2: float) -> np.ndarray:
    """Return B [K, K] with a zero diagonal; gram: X^T X [K, K]."""
    total = torch.from_numpy(gram).double()
    total.diagonal().add_(l2)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(total))
    weights = -inverse / inverse.diagonal()
    return weights.fill_diagonal_(0).numpy()


class EffectRegression:
    """An effect of a pair from its other effects."""

    def __init__(self, pair_effects: PairEffects, l2: float = 200.0) -> None:
        self.pair_effects = pair_effects
        gram = np.asarray(
            (pair_effects.table.T @ pair_effects.table).todense(), np.float64
        )
        self.weights = predict_each_from_others(gram, l2)
        """[E, E] of each effect (rows) for each other (columns)"""

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the scores [M] of pairs [M, 2]."""
        return self.pair_effects.known_effects(pairs) @ self.weights[:, effect]


class DrugRegression:
    """The partners of a drug, by effect, from those of the other drugs.

    A_e of each effect is predicted by B A_e; all effects have the same B [D, D].
    """

    def __init__(self, pair_effects: PairEffects, l2: float = 2000.0) -> None:
        self.pair_effects = pair_effects
        gram = torch.zeros(
            pair_effects.num_drugs, pair_effects.num_drugs, dtype=torch.float64
        )
        for effect in range(pair_effects.num_effects):
            adjacency = torch.from_numpy(pair_effects.adjacency(effect))
            gram += adjacency @ adjacency  # exact: whole numbers below 2^24
        weights = predict_each_from_others(gram.numpy(), l2)
        self.weights = torch.from_numpy(weights.T.astype(np.float32))
        """[D, D] for each drug (rows) of each other (columns)"""

    def score(self, pairs: np.ndarray, effect: int) -> np.ndarray:
        """Return the scores [M] of pairs [M, 2]: the sum from both sides."""
        found = self.weights @ torch.from_numpy(self.pair_effects.adjacency(effect))
        first, second = np.asarray(pairs).T
        return (found[first, second] + found[second, first]).double().numpy()
