"""Unlike anything learned from: when a model should say "I do not know".

A softmax spreads its 100 % over the classes it knows, whatever it is shown. So what is
asked here is how far the features f [D] lie from those of examples that were learned
from, the prototypes p (Sun et al. 2022, "Out-of-Distribution Detection with Deep
Nearest Neighbors", section 3):

    z = f / |f|,    s(f) = mean of |z - p| over the k nearest p

(they take the k-th distance alone; the mean of all k told more of TrashNet apart.)
Numbers that are no network's features, each of another kind, are compared by their
places instead, z = (f - mean) / std, with those of the examples.

Above a threshold an example is unknown. The threshold is the conformal quantile of s of
n examples that are known to belong (Vovk et al. 2005, "Algorithmic Learning in a Random
World", section 2.2): the floor(false_alarm (n + 1))-th largest of them.

What that promises. A new example of the same kind, exchangeable with those, raises the
flag with probability at most false_alarm, for any n and any network. With examples held
out it is floor(false_alarm (n + 1)) / (n + 1), ties aside. Without, each prototype is
judged by the others. That keeps the promise: one more neighbour would only bring it
nearer, so the prototypes' distances err to the large side. The promise is for the
average over draws of the n; with a = false_alarm, one model's own rate spreads around
it by about sqrt(a (1 - a) / n), half a point for 5 % and n = 2,000.

What breaks it: examples the network itself was trained on lie closer than new ones do,
and so do copies. Hold some out, and say which belong together.

Directions are not centred: shown five classes of TrashNet, the flag at 5 % caught 26 %
of the sixth as they are, and 13 % centred. The centre of places is that of the examples
too: where none is held out it bends the promise, by a part in n.
"""

from dataclasses import dataclass, replace
from math import floor, inf
from typing import Any

import numpy as np
import torch

from vicinal.core.storage.checkpoint import Tensors
from vicinal.errors import DataError, ModelFileError, NoDataError, SettingError

NEIGHBOURS = 5
"""k: one alone would let a single odd example vouch for others"""

MOST = 2_000
"""prototypes kept: 10 MB of a model file, for 1,280 features"""

ROWS = 1_024
"""examples at a time: at most 8 MB of distances"""


@dataclass(frozen=True)
class NearestNeighborDetector:
    """Examples that are known, and how far from them is too far."""

    prototypes: np.ndarray
    """[M, D] float32: directions, each of length 1, or places"""

    threshold: float
    """largest distance of what is known (0..2 for directions); infinite: too few to
    say"""

    false_alarm: float
    """share of known examples that may be called unknown"""

    neighbours: int = NEIGHBOURS
    """how many nearest prototypes the distance is the mean of"""

    scale: np.ndarray | None = None
    """[2, D] mean and spread, where places are compared; None: directions are"""

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        false_alarm: float = 0.05,
        seed: int = 0,
        held_out: np.ndarray | None = None,
        *,
        places: bool = False,
        together: np.ndarray | None = None,
    ) -> "NearestNeighborDetector":
        """Learn what is known from features [N, D] as the network gives them.

        Of more than MOST examples that many are kept, drawn by the seed.
        held_out: features [n, D] of examples that the network did not learn from, to
        set the threshold by; needed where it did learn from the others.
        places: compare places, not directions.
        together: [N] group numbers, such as those of copies: where none is held out,
        examples of one group are no neighbours of each other.

        With fewer than 1 / false_alarm - 1 examples to set it by, nothing is ever
        unknown. Raises NoDataError for no examples, SettingError for a false_alarm
        that is not between 0 and 1.
        """
        if not 0 < false_alarm < 1:
            raise SettingError(
                f"false_alarm must be a share between 0 and 1. Got {false_alarm} "
                "instead. 0.05 lets 5 % of known examples be called unknown."
            )
        if not len(features):
            raise NoDataError("There are no features to know. Give one row or more.")
        rows = _drawn(len(features), seed)
        drawn = features[rows]
        scale = _scale(drawn) if places else None
        prototypes = _placed(drawn, scale)
        k = max(1, min(NEIGHBOURS, len(prototypes) - 1))
        never = cls(prototypes, inf, false_alarm, k, scale)
        if held_out is None:
            own = np.arange(len(features)) if together is None else together
            known = _to_nearest(prototypes, prototypes, k, own[rows])
        else:
            known = never.distance(held_out)
        return replace(never, threshold=_quantile(known, false_alarm))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Mean distance [n] of features [n, D] to the nearest prototypes.

        Raises DataError for features of another width than the prototypes'.
        """
        wanted = self.prototypes.shape[1]
        if features.ndim != 2 or features.shape[1] != wanted:
            raise DataError(
                f"features must be [n, {wanted}], as those this was fitted on. Got "
                f"{list(features.shape)} instead. Take them from the same network."
            )
        placed = _placed(features, self.scale)
        return _to_nearest(placed, self.prototypes, self.neighbours)

    def is_unknown(self, features: np.ndarray) -> np.ndarray:
        """Whether each of features [n, D] is unlike what is known; bool [n]."""
        distance = self.distance(features)
        # a feature that is not a number is near to nothing
        return (distance > self.threshold) | np.isnan(distance)

    def to_arrays(self) -> tuple[Tensors, dict[str, Any]]:
        """Tensors and JSON for a model file; no bit is lost."""
        tensors = {
            "prototypes": torch.from_numpy(self.prototypes),
            # a tensor, for JSON knows no infinity
            "threshold": torch.tensor(self.threshold, dtype=torch.float64),
        }
        if self.scale is not None:
            tensors["scale"] = torch.from_numpy(self.scale)
        values = {"false_alarm": self.false_alarm, "neighbours": self.neighbours}
        return tensors, values | {"places": self.scale is not None}

    @classmethod
    def from_arrays(
        cls, tensors: Tensors, values: dict[str, Any]
    ) -> "NearestNeighborDetector":
        """What `to_arrays` gave; ModelFileError when a part is missing."""
        try:
            return cls(
                prototypes=tensors["prototypes"].numpy(),
                threshold=float(tensors["threshold"]),
                false_alarm=float(values["false_alarm"]),
                neighbours=int(values["neighbours"]),
                scale=tensors["scale"].numpy() if values.get("places") else None,
            )
        except KeyError as error:
            raise ModelFileError(
                f"The model file lacks {error} of what is known. Train it again."
            ) from error


def _drawn(n: int, seed: int) -> np.ndarray:
    """At most MOST of n rows, each as likely as the others."""
    if n <= MOST:
        return np.arange(n)
    return np.random.default_rng(seed).permutation(n)[:MOST]


LEAST = 0.02
"""spread of a number that is the same for all examples"""


def _scale(features: np.ndarray) -> np.ndarray:
    """Mean and spread [2, D] of features [n, D]."""
    f = np.asarray(features, dtype=np.float64)
    return np.stack([f.mean(axis=0), f.std(axis=0).clip(LEAST)])


def _placed(features: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """Features [n, D] as places, or at length 1: zeros stay zeros, far from all."""
    f = np.asarray(features, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # inf / inf: the row is not a number then
        if scale is not None:
            z = (f - scale[0]) / scale[1]
        else:
            z = f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-30)
        return z.astype(np.float32)


def _to_nearest(
    placed: np.ndarray,
    prototypes: np.ndarray,
    k: int,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Mean distance [n] of what is placed [n, D] to its k nearest prototypes [M, D].

    groups: [M], where they are the prototypes: none is a neighbour in its own group.
    """
    found, known = np.empty(len(placed)), torch.from_numpy(prototypes)
    lengths = known.square().sum(dim=1)
    for start in range(0, len(placed), ROWS):
        z = torch.from_numpy(placed[start : start + ROWS])
        # torch's product: numpy's spins for cores that are busy decoding pictures
        near = torch.addmm(lengths, z, known.T, alpha=-2)
        apart = near.add_(z.square().sum(dim=1, keepdim=True)).numpy()  # |z - p|^2
        if groups is not None:
            apart[groups[start : start + len(z), None] == groups] = inf
        nearest = np.partition(apart, k - 1, axis=1)[:, :k]
        # rounding may leave it below 0
        found[start : start + len(z)] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return found


def _quantile(known: np.ndarray, false_alarm: float) -> float:
    """The threshold that the distances known [n] set; infinite when they are too few.

    A new example is as likely as each of the n to be any place from the farthest, so
    it is among the first m of n + 1 places with probability m / (n + 1).
    """
    places = floor(false_alarm * (len(known) + 1))
    return float(np.sort(known)[-places]) if places else inf
