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

BRICS_DEPTH = 3


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
    own = random.Random(seed).sample(list(smiles), min(BRICS_MOLECULES, len(smiles)))
    names = sorted({k for s in own for k in BRICS.BRICSDecompose(_read(s))})
    fragments = [_read(name) for name in names]
    state = random.getstate()
    random.seed(seed)  # BRICSBuild shuffles by the module's generator
    built = BRICS.BRICSBuild(fragments, onlyCompleteMols=True, maxDepth=BRICS_DEPTH)
    with rdBase.BlockLogs():
        found = []
        for mol in islice(built, count):
            mol.UpdatePropertyCache(strict=False)
            found.append(Chem.MolToSmiles(mol))
    random.setstate(state)
    return found


def _read(smiles: str):
    return Chem.MolFromSmiles(smiles)
