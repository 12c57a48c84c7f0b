"""What recombination of fragments reaches: the null models for a generator."""

import random
from collections.abc import Sequence
from itertools import islice

from rdkit import Chem, rdBase
from rdkit.Chem import BRICS
from scipy.sparse import csr_matrix

from vicinal.molecules.generation.model.counts import FragmentCounts

BRICS_MOLECULES = 300
"""molecules whose fragments BRICS recombines: of more, it takes minutes"""

BRICS_DEPTH, BRICS_TRIES, BRICS_SAMPLES = 3, 5, 20
"""joins of a molecule; molecules built from one sample for each that is wanted; and
samples: from some fragments it builds none without open points for hours"""


def without_context(counts: FragmentCounts) -> FragmentCounts:
    """Return counts by which each fragment is drawn by its share alone (unigrams)."""
    shape = counts.counts.shape
    found = FragmentCounts(counts.vocabulary, csr_matrix(shape))
    found.shares, found.log_first = counts.shares, counts.log_first
    return found


def brics_molecules(smiles: Sequence[str], count: int, seed: int) -> list[str]:
    """Return molecules that RDKit builds from BRICS fragments of others.

    J. Degen et al.: On the Art of Compiling and Using 'Drug-Like' Chemical Fragment
    Spaces, ChemMedChem 2008. Fewer than `count` where there are no more.
    """
    state, rng = random.getstate(), random.Random(seed)
    found: list[str] = []
    for _ in range(BRICS_SAMPLES):
        own = rng.sample(list(smiles), min(BRICS_MOLECULES, len(smiles)))
        random.seed(rng.random())  # BRICSBuild shuffles by the module's generator
        found += _build(own, count - len(found), BRICS_TRIES * count)
        if len(found) == count:
            break
    random.setstate(state)
    return found


def _build(smiles: Sequence[str], count: int, most: int) -> list[str]:
    """Return complete molecules among those that BRICS builds first, `most` of them."""
    names = sorted({k for s in smiles for k in BRICS.BRICSDecompose(_read(s))})
    fragments = [_read(name) for name in names]
    built = BRICS.BRICSBuild(fragments, onlyCompleteMols=False, maxDepth=BRICS_DEPTH)
    found: list[str] = []
    with rdBase.BlockLogs():
        for mol in islice(built, most):
            if not any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
                mol.UpdatePropertyCache(strict=False)
                found.append(Chem.MolToSmiles(mol))
            if len(found) == count:
                break
    return found


def _read(smiles: str):
    return Chem.MolFromSmiles(smiles)
