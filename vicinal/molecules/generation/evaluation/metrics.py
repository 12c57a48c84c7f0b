"""How close new molecules are to those that a generator learned from.

The scores of N. Brown et al.: GuacaMol, J. Chem. Inf. Model. 2019, sections 3.1 to 3.5,
and D. Polykovskiy et al.: Molecular Sets (MOSES), Front. Pharmacol. 2020, section 4.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, GraphDescriptors, rdMolDescriptors
from rdkit.Chem.Scaffolds import MurckoScaffold

from vicinal.molecules.generation.evaluation.similarity import diversity, find_nearest

CONTINUOUS: dict[str, Callable[[Any], float]] = {
    "BertzCT": GraphDescriptors.BertzCT,
    "MolLogP": Crippen.MolLogP,  # pyright: ignore[reportAttributeAccessIssue]
    "MolWt": Descriptors.MolWt,  # pyright: ignore[reportAttributeAccessIssue]
    "TPSA": rdMolDescriptors.CalcTPSA,
}
WHOLE_NUMBERS: dict[str, Callable[[Any], float]] = {
    "NumHAcceptors": rdMolDescriptors.CalcNumHBA,
    "NumHDonors": rdMolDescriptors.CalcNumHBD,
    "NumRotatableBonds": rdMolDescriptors.CalcNumRotatableBonds,
    "NumAliphaticRings": rdMolDescriptors.CalcNumAliphaticRings,
    "NumAromaticRings": rdMolDescriptors.CalcNumAromaticRings,
}

SAME = 1e-9
"""range of a descriptor below which it is constant"""

GRID, BINS, EPSILON = 1000, 10, 1e-10
"""of GuacaMol's estimates of divergences"""

MAX_PAIRED = 1000
"""molecules among which all similarities are computed"""

MIN_FOR_DENSITY = 10


class Quality(NamedTuple):
    """Scores of generated molecules, from 0 to 1 except the distance."""

    n: int
    """molecules that were drawn"""

    valid: float
    unique: float
    """share of different molecules among the valid ones"""

    novel: float
    """share of the different ones that are no training molecules"""

    diversity: float
    """1 - mean Tanimoto similarity of two of them"""

    scaffolds: float
    """different Bemis-Murcko scaffolds, by different molecules"""

    kl_score: float
    """mean of exp(-D) over nine descriptors, D the Kullback-Leibler divergence of
    reference molecules from them"""

    divergences: dict[str, float]
    """D of each descriptor"""

    nearest: float
    """mean Tanimoto similarity to the nearest training molecule"""


def descriptor_table(mols: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the nine descriptors of molecules, each [N]."""
    functions = {**CONTINUOUS, **WHOLE_NUMBERS}
    return {
        name: np.array([function(mol) for mol in mols], float)
        for name, function in functions.items()
    }


def divergences(
    reference: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the divergence of each descriptor, of two tables of `descriptor_table`.

    GuacaMol, section 3.4: of Gaussian kernel estimates for continuous descriptors, of
    histograms for the others. Infinite where there are too few molecules.
    """
    return {
        name: _divergence(reference[name], found[name], name in CONTINUOUS)
        for name in reference
    }


def _divergence(p: np.ndarray, q: np.ndarray, continuous: bool) -> float:
    from scipy.stats import entropy, gaussian_kde

    if min(len(p), len(q)) < MIN_FOR_DENSITY:
        return np.inf
    if continuous and min(np.ptp(p), np.ptp(q)) > SAME:
        low, high = min(p.min(), q.min()), max(p.max(), q.max())
        grid = np.linspace(low, high, GRID)
        expected, found = gaussian_kde(p)(grid), gaussian_kde(q)(grid)
    else:
        counts, edges = np.histogram(p, bins=BINS)
        others = np.histogram(q, bins=edges)[0]  # values outside belong to no bin
        expected, found = counts / len(p), others / max(others.sum(), 1)
    return float(entropy(expected + EPSILON, found + EPSILON))


def scaffold_of(mol: Any) -> str:
    """Return the SMILES of the Bemis-Murcko scaffold; "" without a ring."""
    return Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(mol))


def score_molecules(
    drawn: Sequence[str],
    reference: Sequence[Any],
    known: set[str],
    known_prints: Sequence[Any],
) -> Quality:
    """Score SMILES that were drawn.

    reference: molecules of the same source that were held out. known: canonical SMILES
    of the training molecules, without stereochemistry. known_prints: fingerprints of
    theirs, or of some.
    """
    parsed = [Chem.MolFromSmiles(smiles) for smiles in drawn]
    valid = [mol for mol in parsed if mol is not None]
    different = {Chem.MolToSmiles(mol): mol for mol in valid}
    mols = [*different.values()]
    by_descriptor = divergences(descriptor_table(reference), descriptor_table(valid))
    scores = [float(np.exp(-value)) for value in by_descriptor.values()]
    count = max(len(mols), 1)
    return Quality(
        n=len(drawn),
        valid=len(valid) / max(len(drawn), 1),
        unique=len(mols) / max(len(valid), 1),
        novel=sum(smiles not in known for smiles in different) / count,
        diversity=diversity(mols[:MAX_PAIRED]),
        scaffolds=len({scaffold_of(mol) for mol in mols}) / count,
        kl_score=float(np.mean(scores)),
        divergences=by_descriptor,
        nearest=_mean_nearest(mols[:MAX_PAIRED], known_prints),
    )


def _mean_nearest(mols: Sequence[Any], known: Sequence[Any]) -> float:
    if not (mols and known):
        return np.nan
    return float(np.mean([each.similarity for each in find_nearest(mols, known)]))
