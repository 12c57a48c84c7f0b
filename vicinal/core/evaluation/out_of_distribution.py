"""Out-of-distribution detection by the distance to the nearest training features.

For features f [D] and prototypes p, the features of training examples (Sun et al. 2022,
"Out-of-Distribution Detection with Deep Nearest Neighbors", section 3):

    z = f / |f|,    s(f) = mean of |z - p| over the k nearest p

(they use the k-th distance alone; the mean separated TrashNet's classes better.)
Features of different scales, such as pixel statistics, are standardised instead,
z = (f - mean) / std.

An example is unknown if s exceeds a threshold, the conformal quantile of s over n
in-distribution examples (Vovk et al. 2005, "Algorithmic Learning in a Random World",
section 2.2): the floor(a (n + 1))-th largest, with a = false_alarm_rate.

Guarantee: a new example that is exchangeable with those n is flagged with probability
at most a, for any n and any network. With held-out examples the probability is
floor(a (n + 1)) / (n + 1), except for ties. Without, the prototypes are scored by the
other prototypes, which keeps the guarantee, because one more neighbour could only bring
them nearer. The guarantee is an average over draws of the n; the rate of one model
varies by about sqrt(a (1 - a) / n), half a point for a = 5 % and n = 2,000.

It does not hold for examples that the network was trained on, nor for copies, because
both are nearer than new examples: hold some out, and pass the groups.

Directions are not centred: trained on five classes of TrashNet, 26 % of the sixth are
flagged at 5 %, centred 13 %. Standardisation uses the mean of the examples themselves;
without held-out examples that affects the guarantee by a fraction of 1 / n.
"""

from dataclasses import dataclass, replace
from math import floor, inf
from typing import Any

import numpy as np
import torch

from vicinal.core.storage.checkpoint import Tensors
from vicinal.errors import DataError, ModelFileError, NoDataError, SettingError

NUM_NEIGHBORS = 5
"""k: with 1, a single outlier among the prototypes would hide others"""

MAX_PROTOTYPES = 2_000
"""10 MB of a model file, for 1,280 features"""

BATCH_ROWS = 1_024
"""examples at a time: at most 8 MB of distances"""

MAX_ROUNDING = 1e-5
"""squared distance of equal features, as a fraction of their squared length"""

MIN_STD = 0.02
"""standard deviation assumed for a constant feature"""


@dataclass(frozen=True)
class NearestNeighborDetector:
    """Prototypes, and the distance from them above which an example is unknown."""

    prototypes: np.ndarray
    """[M, D] float32: unit vectors, or standardised features"""

    threshold: float
    """largest in-distribution distance (0..2 for unit vectors); infinite if there were
    too few examples"""

    false_alarm_rate: float
    """fraction of in-distribution examples that may be flagged"""

    num_neighbors: int = NUM_NEIGHBORS
    """nearest prototypes whose distances are averaged"""

    scale: np.ndarray | None = None
    """[2, D] mean and standard deviation, if features are standardised"""

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        false_alarm_rate: float = 0.05,
        seed: int = 0,
        held_out: np.ndarray | None = None,
        *,
        standardize: bool = False,
        groups: np.ndarray | None = None,
    ) -> "NearestNeighborDetector":
        """Fit the prototypes and the threshold to features [N, D].

        At most MAX_PROTOTYPES are kept, drawn by the seed.
        held_out: features [n, D] of examples that the network was not trained on, for
        the threshold; needed if it was trained on the others.
        standardize: standardise features instead of normalising their length.
        groups: [N] numbers, such as those of copies: without held-out examples, those
        of one group are not neighbours of each other.

        With fewer than 1 / false_alarm_rate - 1 examples for the threshold, nothing is
        flagged. Raises NoDataError for no examples, SettingError for a false_alarm_rate
        that is not between 0 and 1.
        """
        if not 0 < false_alarm_rate < 1:
            raise SettingError(
                "false_alarm_rate must be between 0 and 1. Got "
                f"{false_alarm_rate} instead. 0.05 flags at most 5 % of examples like "
                "those of training."
            )
        if not len(features):
            raise NoDataError("There are no features to fit. Pass one row or more.")
        rows = _draw_rows(len(features), seed)
        drawn = features[rows]
        scale = _fit_scale(drawn) if standardize else None
        prototypes = _transform(drawn, scale)
        k = max(1, min(NUM_NEIGHBORS, len(prototypes) - 1))
        detector = cls(prototypes, inf, false_alarm_rate, k, scale)
        if held_out is None:
            own = np.arange(len(features)) if groups is None else groups
            distances = _mean_distance(prototypes, prototypes, k, own[rows])
        else:
            distances = detector.distance(held_out)
        threshold = _conformal_quantile(distances, false_alarm_rate)
        return replace(detector, threshold=threshold)

    def distance(self, features: np.ndarray, *, one_copy: bool = False) -> np.ndarray:
        """Return mean distances [n] of features [n, D] to their nearest prototypes.

        one_copy: count prototypes equal to the features once.

        Raises DataError for features of another width than the prototypes'.
        """
        width = self.prototypes.shape[1]
        if features.ndim != 2 or features.shape[1] != width:
            raise DataError(
                f"features must be [n, {width}], like those of fit. Got "
                f"{list(features.shape)} instead. Use the same network."
            )
        z = _transform(features, self.scale)
        k = self.num_neighbors
        return _mean_distance(z, self.prototypes, k, one_copy=one_copy)

    def is_unknown(self, features: np.ndarray) -> np.ndarray:
        """Return a mask [n] of the features [n, D] that are out of distribution."""
        distance = self.distance(features)
        return (distance > self.threshold) | np.isnan(distance)

    def to_arrays(self) -> tuple[Tensors, dict[str, Any]]:
        """Return tensors and JSON for a model file, without losing a bit."""
        tensors = {
            "prototypes": torch.from_numpy(self.prototypes),
            # a tensor, because JSON has no infinity
            "threshold": torch.tensor(self.threshold, dtype=torch.float64),
        }
        if self.scale is not None:
            tensors["scale"] = torch.from_numpy(self.scale)
        values = {
            "false_alarm_rate": self.false_alarm_rate,
            "num_neighbors": self.num_neighbors,
            "standardize": self.scale is not None,
        }
        return tensors, values

    @classmethod
    def from_arrays(
        cls, tensors: Tensors, values: dict[str, Any]
    ) -> "NearestNeighborDetector":
        """Return the detector of `to_arrays`.

        ModelFileError if a part is missing, ValueError for a part of another size.
        """
        try:
            found = cls(
                prototypes=tensors["prototypes"].numpy(),
                threshold=float(tensors["threshold"]),
                false_alarm_rate=float(values["false_alarm_rate"]),
                num_neighbors=int(values["num_neighbors"]),
                scale=tensors["scale"].numpy() if values.get("standardize") else None,
            )
        except KeyError as error:
            raise ModelFileError(
                f"The model file lacks {error} of the out-of-distribution detector. "
                "Train it again."
            ) from error
        if not all(t.is_floating_point() for t in tensors.values()):
            raise ValueError("the outlier detector has other than real numbers")
        found._check()
        return found

    def _check(self) -> None:
        """Raise ValueError for arrays that do not fit each other."""
        shape, scale = self.prototypes.shape, self.scale
        fits = len(shape) == 2 and self.prototypes.dtype == np.float32
        fits = fits and 1 <= self.num_neighbors <= shape[0] and self.threshold >= 0
        if scale is not None:
            fits = fits and scale.shape == (2, shape[1]) and bool((scale[1] > 0).all())
        if not fits:
            raise ValueError("the arrays of the outlier detector do not fit each other")


def _draw_rows(n: int, seed: int) -> np.ndarray:
    """Return at most MAX_PROTOTYPES of n rows, drawn uniformly."""
    if n <= MAX_PROTOTYPES:
        return np.arange(n)
    return np.random.default_rng(seed).permutation(n)[:MAX_PROTOTYPES]


def _fit_scale(features: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation [2, D] of features [n, D]."""
    f = np.asarray(features, dtype=np.float64)
    return np.stack([f.mean(axis=0), f.std(axis=0).clip(MIN_STD)])


def _transform(features: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """Standardise features [n, D], or normalise their length; zeros stay zeros."""
    f = np.asarray(features, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # inf / inf gives NaN, which is unknown
        if scale is not None:
            z = (f - scale[0]) / scale[1]
        else:
            z = f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-30)
        return z.astype(np.float32)


def _mean_distance(
    z: np.ndarray,
    prototypes: np.ndarray,
    k: int,
    groups: np.ndarray | None = None,
    one_copy: bool = False,
) -> np.ndarray:
    """Return the mean distance [n] of z [n, D] to its k nearest prototypes [M, D].

    groups: [M], if z are the prototypes: neighbours in the same group do not count.
    one_copy: of prototypes equal to z, one counts.
    """
    distances, p = np.empty(len(z)), torch.from_numpy(prototypes)
    squared_lengths = p.square().sum(dim=1)
    for start in range(0, len(z), BATCH_ROWS):
        batch = torch.from_numpy(z[start : start + BATCH_ROWS])
        # torch's product, because numpy's spins while other threads decode images
        product = torch.addmm(squared_lengths, batch, p.T, alpha=-2)
        squared = product.add_(batch.square().sum(dim=1, keepdim=True)).numpy()
        if groups is not None:
            squared[groups[start : start + len(batch), None] == groups] = inf
        if one_copy:
            copies = squared <= MAX_ROUNDING * np.square(batch.numpy()).sum(1)[:, None]
            first = np.argmax(copies, axis=1)
            squared[copies] = inf
            rows = np.flatnonzero(copies.any(axis=1))
            squared[rows, first[rows]] = 0
        nearest = np.partition(squared, k - 1, axis=1)[:, :k]
        # rounding may leave it below 0
        mean = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
        distances[start : start + len(batch)] = mean
    return distances


def _conformal_quantile(distances: np.ndarray, false_alarm_rate: float) -> float:
    """Return the threshold for distances [n]; infinite if they are too few.

    The rank of a new example among n + 1 is uniform, so it is among the m farthest with
    probability m / (n + 1).
    """
    m = floor(false_alarm_rate * (len(distances) + 1))
    return float(np.sort(distances)[-m]) if m else inf
