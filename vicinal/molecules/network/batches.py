"""Mini-batches of molecules as one graph of separate parts."""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.graphs.layers.dmpnn import reverse_edges
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.molecules.graphs import MoleculeGraphs


class MoleculeBatch(NamedTuple):
    """B molecules with N atoms and E directed bonds in all."""

    atoms: Tensor
    """[N, ATOM_FEATURES]"""

    adjacency: Adjacency
    bonds: Tensor
    """[E, BOND_FEATURES] in the order of the edges"""

    reverse: Tensor
    """[E] position of the reverse of each edge among the incoming edges"""

    batch: Tensor
    """[N] the molecule of each atom"""

    descriptors: Tensor
    """[B, D] scaled"""

    @property
    def num_molecules(self) -> int:
        return len(self.descriptors)


class MoleculeTensors:
    """Molecules from which mini-batches are taken."""

    def __init__(self, graphs: MoleculeGraphs, descriptors: np.ndarray) -> None:
        """descriptors: [G, D] scaled."""
        count, half = graphs.num_molecules, graphs.edge_index.shape[1] // 2
        self.atoms = torch.from_numpy(graphs.atoms)
        self.pairs = torch.from_numpy(graphs.edge_index[:, :half])  # one direction
        self.bonds = torch.from_numpy(graphs.bonds[:half])
        self.descriptors = torch.from_numpy(descriptors.astype(np.float32))
        atom_counts = np.bincount(graphs.batch, minlength=count)
        owner = graphs.batch[graphs.edge_index[0, :half]]
        bond_counts = np.bincount(owner, minlength=count)
        self.atom_starts = np.concatenate([[0], np.cumsum(atom_counts)])
        self.bond_starts = np.concatenate([[0], np.cumsum(bond_counts)])

    def __len__(self) -> int:
        return len(self.descriptors)

    def sizes(self) -> np.ndarray:
        """Return the atoms of each molecule [G], plus one."""
        return np.diff(self.atom_starts) + 1

    def batch(self, rows: np.ndarray) -> MoleculeBatch:
        """Return the molecules of some rows [B], in that order, perhaps repeated."""
        atoms, owner = _spans(self.atom_starts, rows)
        bonds, molecule = _spans(self.bond_starts, rows)
        lengths = self.atom_starts[rows + 1] - self.atom_starts[rows]
        shift = np.cumsum(lengths) - lengths - self.atom_starts[rows]
        pairs = self.pairs[:, bonds] + torch.from_numpy(shift[molecule])
        adjacency = Adjacency.from_edge_index(
            torch.cat([pairs, pairs.flip(0)], dim=1), len(atoms)
        )
        features = self.bonds[bonds]
        return MoleculeBatch(
            self.atoms[atoms],
            adjacency,
            torch.cat([features, features]),
            reverse_edges(adjacency),
            torch.from_numpy(owner),
            self.descriptors[rows],
        )


class MeanFeatures(NamedTuple):
    """The mean atom and the mean bond of training."""

    atom: np.ndarray
    """[ATOM_FEATURES]"""

    bond: np.ndarray
    """[BOND_FEATURES]"""

    @classmethod
    def from_molecules(cls, molecules: MoleculeTensors) -> Self:
        """Return the means of molecules; 0 of bonds where there are none."""
        atoms, bonds = molecules.atoms.double(), molecules.bonds.double()
        return cls(
            atoms.mean(dim=0).numpy(),
            (bonds.sum(dim=0) / max(len(bonds), 1)).numpy(),
        )


def _spans(starts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the items of some rows, one row after the other, and the row of each.

    starts: [G + 1] positions at which the items of each row begin.
    """
    lengths = starts[rows + 1] - starts[rows]
    before = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(rows)), lengths)
    items = np.arange(int(lengths.sum())) - before[owner] + starts[rows][owner]
    return items, owner
