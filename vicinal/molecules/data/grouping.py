"""Keys of molecules that are one compound, or share a scaffold, for splits.

Splits keep the molecules of a key together: stereoisomers, tautomers, salts and charge
states of one compound have one key. The molecules themselves are not changed.
"""

from collections.abc import Iterable
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold


def compound_key(mol: Any) -> str:
    """Return a key that stereoisomers, tautomers and charge states share.

    RDKit's tautomer hash (`HetAtomTautomerv2`) of the uncharged molecule without
    stereochemistry.
    """
    with rdBase.BlockLogs():
        flat = Chem.Mol(mol)
        Chem.RemoveStereochemistry(flat)
        neutral = rdMolStandardize.Uncharger().uncharge(flat)
        return rdMolHash.MolHash(neutral, rdMolHash.HashFunction.HetAtomTautomerv2)


def count_same_compounds(training: Iterable[Any], mols: Iterable[Any]) -> int:
    """Return how many molecules have the compound key of a training molecule."""
    keys = [compound_key(mol) for mol in mols]
    if not keys:
        return 0
    known = {compound_key(mol) for mol in training}
    return sum(key in known for key in keys)


def scaffold(mol: Any) -> str:
    """Return the SMILES of the rings and the chains between them; "" without a ring.

    Atoms with a double bond to a ring stay, as RDKit does it.

    G. W. Bemis and M. A. Murcko: The Properties of Known Drugs. 1. Molecular
    Frameworks, J. Med. Chem. 1996.
    """
    with rdBase.BlockLogs():
        return MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False)
