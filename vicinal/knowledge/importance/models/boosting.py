"""Gradient-boosted trees as arrays, so that they can be saved without pickle.

They are fitted by scikit-learn's HistGradientBoostingRegressor (J. Friedman: Greedy
function approximation, 2001; G. Ke et al.: LightGBM, NeurIPS 2017).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

ITERATIONS, LEARNING_RATE, LEAVES, MAX_BINS = 80, 0.12, 15, 32
MIN_LEAF, L2, FEATURE_SHARE = 20, 1.0, 0.3
FIELDS = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
}
"""arrays of the nodes of all trees, and their types"""

LEAF = -1
"""feature of a leaf"""


@dataclass(frozen=True)
class BoostedTrees:
    """Regression trees whose leaves add up.

    A row goes left where its feature is at most the threshold. Nodes of all trees are
    in one array; left and right are rows of it.
    """

    baseline: float
    roots: np.ndarray
    """[T] int32 rows of the trees' first nodes"""

    depth: int
    """of the deepest leaf"""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    """[N] of the nodes"""

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, seed: int) -> "BoostedTrees":
        """Fit to x [n, D] without missing values, and y [n]."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        no_early_stopping: Any = False
        model = HistGradientBoostingRegressor(
            max_iter=ITERATIONS,
            learning_rate=LEARNING_RATE,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=max(2, min(MIN_LEAF, len(y) // 10)),
            l2_regularization=L2,
            max_features=FEATURE_SHARE,
            max_bins=MAX_BINS,
            early_stopping=no_early_stopping,
            random_state=seed % 2**32,
        ).fit(x, y)
        # what scikit-learn pickles: there is no public access to the trees
        state = model.__getstate__()
        trees = [tree.nodes for (tree,) in state["_predictors"]]
        return cls.from_nodes(float(np.ravel(state["_baseline_prediction"])[0]), trees)

    @classmethod
    def from_nodes(cls, baseline: float, trees: list[np.ndarray]) -> "BoostedTrees":
        """Return trees given as scikit-learn's structured arrays of nodes."""
        sizes = [len(nodes) for nodes in trees]
        roots = np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0)
        nodes = np.concatenate(trees)
        start = np.repeat(roots, sizes)
        is_leaf = nodes["is_leaf"] > 0
        own = np.arange(len(nodes))
        return cls(
            baseline,
            roots.astype(np.int32),
            int(nodes["depth"].max(initial=0)),
            np.where(is_leaf, LEAF, nodes["feature_idx"]).astype(np.int32),
            np.where(is_leaf, 0.0, nodes["num_threshold"]).astype(np.float64),
            np.where(is_leaf, own, nodes["left"] + start).astype(np.int32),
            np.where(is_leaf, own, nodes["right"] + start).astype(np.int32),
            nodes["value"].astype(np.float64),
        )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the predictions [M] of x [M, D]."""
        total = np.full(len(x), self.baseline)
        flat, width = np.ascontiguousarray(x, np.float64).ravel(), x.shape[1]
        starts = np.arange(len(x)) * width
        for root in self.roots:
            nodes = np.full(len(x), root, np.int32)
            for _ in range(self.depth):
                feature = self.feature[nodes]
                inner = feature != LEAF
                if not inner.any():
                    break
                values = flat[starts + np.maximum(feature, 0)]
                goes_left = values <= self.threshold[nodes]
                nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
            total += self.value[nodes]
        return total
