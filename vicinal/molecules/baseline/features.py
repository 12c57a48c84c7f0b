"""Features of molecules: counts of circular substructures, and descriptors.

Morgan fingerprints of elements (ECFP) and of pharmacophoric features (FCFP): D. Rogers
and M. Hahn: Extended-Connectivity Fingerprints, J. Chem. Inf. Model. 2010.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from rdkit import rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator, rdMolDescriptors
from scipy.special import ndtri

RADIUS, NUM_BITS = 2, 2048
"""bonds around each atom that are described, and positions of a fingerprint"""

FINGERPRINTS = ("Morgan", "feature Morgan")
"""substructures whose atoms differ by their elements, degrees and charges; and
by being donors, acceptors, aromatic, halogens, basic or acidic"""

NUM_COUNTS = len(FINGERPRINTS) * NUM_BITS

LEFT_OUT = ("BCUT", "Ipc", "AvgIpc", "qed")
"""beginnings of names of descriptors that are slow, or overflow; QED alone would take a
quarter of the time, and is a function of others"""

E_STATES = tuple(f"{k}EStateIndex" for k in ("Max", "Min", "MaxAbs", "MinAbs"))

MAX_SCALED = 5.0
"""largest linearly scaled value, in standard deviations"""

NUM_QUANTILES = 201
"""of each descriptor, by which its normal scores are computed"""

MIN_RANK = 1e-3
"""smallest rank, as a share, that has a normal score: those are from -3.1 to 3.1"""

DescriptorSet = Literal["fast", "all"]


def fingerprint_generators() -> dict[str, Any]:
    """Return RDKit's generator of each of FINGERPRINTS."""
    make: Any = rdFingerprintGenerator
    features = make.GetMorganFeatureAtomInvGen()
    return {
        "Morgan": make.GetMorganGenerator(radius=RADIUS, fpSize=NUM_BITS),
        "feature Morgan": make.GetMorganGenerator(
            radius=RADIUS, fpSize=NUM_BITS, atomInvariantsGenerator=features
        ),
    }


def morgan_counts(mols: Sequence[Any]) -> np.ndarray:
    """Return counts [N, NUM_BITS] uint16 of the substructures of molecules."""
    return _counts(mols, [fingerprint_generators()["Morgan"]])


def substructure_counts(mols: Sequence[Any]) -> np.ndarray:
    """Return counts [N, NUM_COUNTS] uint16 of both fingerprints, side by side."""
    return _counts(mols, list(fingerprint_generators().values()))


def _counts(mols: Sequence[Any], generators: Sequence[Any]) -> np.ndarray:
    counts = np.zeros((len(mols), len(generators), NUM_BITS), np.uint16)
    for row, mol in enumerate(mols):
        for k, generator in enumerate(generators):
            counts[row, k] = generator.GetCountFingerprintAsNumPy(mol)
    return counts.reshape(len(mols), len(generators) * NUM_BITS)


def descriptor_names(descriptors: DescriptorSet) -> list[str]:
    """Return the names of RDKit's descriptors: those in C++, or nearly all."""
    if descriptors == "fast":
        return list(rdMolDescriptors.Properties.GetAvailableProperties())
    return [name for name, _ in _all_descriptors()]


def describe(mols: Sequence[Any], descriptors: DescriptorSet = "fast") -> np.ndarray:
    """Return descriptors [N, D] float64 of molecules; NaN where one has none."""
    values = np.full((len(mols), len(descriptor_names(descriptors))), np.nan)
    functions = [function for _, function in _all_descriptors()]
    properties = rdMolDescriptors.Properties()
    with rdBase.BlockLogs():
        for row, mol in enumerate(mols):
            if descriptors == "all":
                values[row] = [_value(function, mol) for function in functions]
            else:
                values[row] = list(properties.ComputeProperties(mol))
    return values


def _all_descriptors() -> list[tuple[str, Callable[[Any], float]]]:
    """Return names and functions; those of E-state indices compute them once."""
    return [
        (name, partial(function, force=False) if name in E_STATES else function)
        for name, function in Descriptors.descList
        if not name.startswith(LEFT_OUT)
    ]


def _value(function: Callable[[Any], float], mol: Any) -> float:
    try:
        return float(function(mol))
    except (RuntimeError, ValueError, ZeroDivisionError):  # not defined for it
        return np.nan


class Scaler(NamedTuple):
    """Scaling of descriptors, within the range of the training molecules.

    Linear and robust; or the mean of a linear one and of normal scores: the quantiles
    of a normal distribution at the ranks of the values, by which outliers come closer
    and small differences among most of the molecules count.
    """

    center: np.ndarray
    """[D] medians, which become 0"""

    scale: np.ndarray
    """[D] widths of the middle half, or standard deviations: where those are 0, and
    beside normal scores"""

    low: np.ndarray
    high: np.ndarray
    """[D] range of the linearly scaled values, to which others are clipped"""

    kept: np.ndarray
    """[D0] which of the descriptors vary"""

    quantiles: np.ndarray | None = None
    """[Q, D] of the values, for normal scores; None: there are none"""

    @classmethod
    def fit(cls, values: np.ndarray) -> "Scaler":
        """Return the robust scaling of values [N, D0]."""
        finite = np.where(np.isfinite(values), values, np.nan)
        center = np.nan_to_num(_column(np.nanmedian, finite))
        filled = np.where(np.isnan(finite), center, finite)
        low, high = np.quantile(filled, [0.25, 0.75], axis=0)
        scale = (high - low) / 1.349  # of a normal distribution: its deviation
        scale = np.where(scale > 0, scale, filled.std(axis=0))
        kept = scale > 0
        center, scale = center[kept], scale[kept]
        return cls(center, scale, *_range(filled[:, kept], center, scale), kept)

    def with_normal_scores(self, values: np.ndarray) -> "Scaler":
        """Return the scaling with normal scores of the values [N, D0] of `fit`."""
        levels, filled = np.linspace(0, 1, NUM_QUANTILES), self._filled(values)
        quantiles = np.maximum.accumulate(np.quantile(filled, levels, axis=0))
        scale = filled.std(axis=0)
        scale = np.where(scale > 0, scale, self.scale)  # of equal values, by rounding
        low, high = _range(filled, self.center, scale)
        return self._replace(scale=scale, low=low, high=high, quantiles=quantiles)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return values [N, D0] scaled and clipped, [N, D]."""
        filled = self._filled(values)
        linear = ((filled - self.center) / self.scale).clip(self.low, self.high)
        if self.quantiles is None:
            return linear
        zero = normal_scores(self.center[None], self.quantiles)
        return (linear + normal_scores(filled, self.quantiles) - zero) / 2

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """Return the values [N, D] that are kept, the median where there is none."""
        kept = values[:, self.kept]
        return np.where(np.isfinite(kept), kept, self.center)


def _range(
    values: np.ndarray, center: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest scaled values [D], within MAX_SCALED."""
    scaled = ((values - center) / scale).clip(-MAX_SCALED, MAX_SCALED)
    return scaled.min(axis=0), scaled.max(axis=0)


def normal_scores(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the scores [N, D] of values [N, D] by quantiles [Q, D] at equal steps.

    Equal quantiles, as of a descriptor that is mostly 0, share the middle of their
    ranks.
    """
    levels, ranks = np.linspace(0, 1, len(quantiles)), np.empty(values.shape)
    for k, (x, q) in enumerate(zip(values.T, quantiles.T, strict=True)):
        first, last = np.interp(x, q, levels), 1 - np.interp(-x, -q[::-1], levels)
        ranks[:, k] = (first + last) / 2
    return ndtri(ranks.clip(MIN_RANK, 1 - MIN_RANK))


def _column(function: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return a statistic of each column; 0 where it is all NaN."""
    empty = np.isnan(values).all(axis=0)
    return function(np.where(empty, 0.0, values), axis=0)
