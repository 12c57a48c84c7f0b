"""Which substructures matter in a whole set of molecules."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem

from vicinal.molecules.baseline.features import NUM_BITS
from vicinal.molecules.baseline.model import Baseline, MoleculeFeatures
from vicinal.molecules.explain.integrated_gradients import attribute
from vicinal.molecules.explain.substructures import Substructure, substructures

MAX_MOLECULES = 200
"""molecules whose substructures are attributed"""

STEPS = 24
MIN_MOLECULES = 5
"""molecules with a substructure from which on it is listed"""


class Fragment(NamedTuple):
    """A substructure and its mean share of the predictions."""

    smiles: str
    """of its atoms in one of the molecules"""

    molecules: int
    """molecules that have it, among those that were attributed"""

    mean: float
    """share of one occurrence, averaged over these molecules"""

    low: float
    high: float
    """95 % interval of the mean"""


def important_fragments(
    model: Baseline,
    mols: Sequence[Any],
    features: MoleculeFeatures,
    column: int = 0,
    *,
    factor: float = 1.0,
    count: int = 10,
    seed: int = 0,
) -> list[Fragment]:
    """Return the substructures with the largest mean shares of the Gaussian process.

    A substructure has its share by elements and that of the same atoms by features.
    factor: multiplies the shares, such as that of the log-odds. A sample of
    MAX_MOLECULES is used. Of substructures that always occur together only the largest
    one is listed; those whose interval contains 0 are not.
    """
    rows = np.random.default_rng(seed).permutation(len(mols))[:MAX_MOLECULES]
    shares: dict[int, dict[int, float]] = {}
    largest: dict[int, tuple[Any, Substructure]] = {}
    for row in rows.tolist():
        found = attribute(model, features.rows(np.array([row])), column, STEPS)
        places = substructures(mols[row])
        per_place = {
            k: factor * share / float(features.counts[row, k])
            for k, share in found.bits.items()
        }
        by_feature = {
            (p.center, p.radius): per_place[p.bit] for p in places if p.bit >= NUM_BITS
        }
        for place in (p for p in places if p.bit < NUM_BITS):
            share = per_place[place.bit]
            share += by_feature.get((place.center, place.radius), 0.0)
            shares.setdefault(place.bit, {})[row] = share
            known = largest.get(place.bit)
            if known is None or len(place.atoms) > len(known[1].atoms):
                largest[place.bit] = mols[row], place
    fragments: dict[tuple[int, ...], Fragment] = {}
    by_size = sorted(shares, key=lambda bit: -len(largest[bit][1].atoms))
    for bit in by_size:
        own = shares[bit]
        key = tuple(sorted(own))
        if len(own) >= MIN_MOLECULES and key not in fragments:
            fragments[key] = _fragment(*largest[bit], np.array([*own.values()]))
    certain = [f for f in fragments.values() if f.low > 0 or f.high < 0]
    return sorted(certain, key=lambda f: -abs(f.mean))[:count]


def _fragment(mol: Any, place: Substructure, values: np.ndarray) -> Fragment:
    """Return a substructure with the mean of its shares, by Student's interval."""
    from scipy.stats import t

    mean, n = float(values.mean()), len(values)
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
    smiles = Chem.MolFragmentToSmiles(mol, list(place.atoms))
    return Fragment(smiles, n, mean, mean - half, mean + half)
