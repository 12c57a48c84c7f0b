"""What a chemist asks first of a new molecule."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from rdkit import Chem, RDConfig
from rdkit.Chem import QED, Crippen, Descriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from vicinal.molecules.generation.evaluation.similarity import (
    find_nearest,
    unpack_fingerprints,
)
from vicinal.molecules.generation.fitted_generator import FittedGenerator

CATALOGUES = ("BRENK", "PAINS")
BLOCK = 100
"""molecules between two reports of progress"""


class MoleculeProperties(NamedTuple):
    """A molecule and its properties."""

    smiles: str
    weight: float
    """molecular weight in g/mol"""

    logp: float
    """octanol-water partition coefficient (Wildman and Crippen 1999)"""

    qed: float
    """drug-likeness from 0 to 1 (G. Bickerton et al. 2012)"""

    synthetic_accessibility: float
    """from 1, easy, to 10 (P. Ertl and A. Schuffenhauer 2009)"""

    alerts: str
    """names of structural alerts, separated by semicolons"""

    nearest: str
    """the most similar molecule of those that `fit` was given"""

    similarity: float
    """to that one: Tanimoto similarity of Morgan fingerprints of radius 2"""

    is_known: bool
    """whether it is one of them"""


def describe_new_molecules(
    model: FittedGenerator,
    smiles: Sequence[str],
    report_progress: Callable[[int, int], None] | None = None,
) -> list[MoleculeProperties]:
    """Return the properties of molecules, and the nearest known molecule.

    smiles: canonical. report_progress: called with (molecules done, all).
    """
    known, exact = model.smiles, model.known_smiles
    prints = unpack_fingerprints(model.prints)
    found: list[MoleculeProperties] = []
    for start in range(0, len(smiles), BLOCK):
        block = smiles[start : start + BLOCK]
        mols = [Chem.MolFromSmiles(text) for text in block]
        nearest = find_nearest(mols, prints)
        for text, mol, near in zip(block, mols, nearest, strict=True):
            found.append(
                MoleculeProperties(
                    text,
                    round(Descriptors.MolWt(mol), 2),  # pyright: ignore[reportAttributeAccessIssue]
                    round(Crippen.MolLogP(mol), 3),  # pyright: ignore[reportAttributeAccessIssue]
                    round(QED.qed(mol), 3),
                    round(synthetic_accessibility(mol), 3),
                    "; ".join(alert_names(mol)),
                    str(known[near.row]),
                    round(near.similarity, 3),
                    text in exact,
                )
            )
        if report_progress is not None:
            report_progress(len(found), len(smiles))
    return found


@cache
def _catalogue() -> Any:
    """Return the alerts of Brenk et al. 2008 and of Baell and Holloway 2010."""
    parameters = FilterCatalogParams()
    for name in CATALOGUES:
        parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)


def alert_names(mol: Any) -> list[str]:
    """Return the structural alerts in a molecule, each once, as `PAINS ene_six_het`."""
    names = []
    for entry in _catalogue().GetMatches(mol):
        source = entry.GetProp("FilterSet").split("_")[0].upper()
        names.append(f"{source} {entry.GetDescription()}")
    return list(dict.fromkeys(names))


@cache
def _scorer() -> Any:
    """Return RDKit's module of synthetic accessibility, which is not a package."""
    folder = str(Path(RDConfig.RDContribDir) / "SA_Score")
    sys.path.append(folder)
    try:
        return import_module("sascorer")
    finally:
        sys.path.remove(folder)


def synthetic_accessibility(mol: Any) -> float:
    """Return RDKit's score of how hard a molecule is to make, from 1 (easy) to 10."""
    return float(_scorer().calculateScore(mol))
