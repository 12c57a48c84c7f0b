"""Structural alerts: substructures that medicinal chemists avoid.

RDKit's catalogue has those of Brenk et al. (ChemMedChem 2008) and others.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from vicinal.graphs.links.metrics import auroc


class Alert(NamedTuple):
    """A structural alert in a molecule."""

    name: str
    atoms: tuple[int, ...]
    auroc: float
    """of the shares of atoms: how well their magnitude finds the atoms of the alert"""

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as JSON values."""
        return {"name": self.name, "atoms": list(self.atoms), "auroc": self.auroc}

    def __str__(self) -> str:
        atoms = ", ".join(map(str, self.atoms))
        return f"alert {self.name}: atoms {atoms}; AUROC of the shares {self.auroc:.2f}"


@cache
def catalog() -> Any:
    """Return the alerts of Brenk et al."""
    parameters = FilterCatalogParams()
    parameters.AddCatalog(FilterCatalogParams.FilterCatalogs.BRENK)
    return FilterCatalog(parameters)


def alert_atoms(mol: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Return the name and the atoms of each alert in a molecule."""
    found = []
    for entry in catalog().GetMatches(mol):
        for match in entry.GetFilterMatches(mol):
            atoms = tuple(sorted(int(atom) for _, atom in match.atomPairs))
            found.append((entry.GetDescription(), atoms))
    return found


def find_alerts(mol: Any, shares: np.ndarray) -> list[Alert]:
    """Return the alerts in a molecule, beside the shares [A] of its atoms."""
    alerts = []
    for name, atoms in alert_atoms(mol):
        truth = np.zeros(len(shares), int)
        truth[list(atoms)] = 1
        alerts.append(Alert(name, atoms, auroc(truth, np.abs(shares))))
    return alerts
