"""Integrated gradients of the networks: which atoms and bonds make their prediction.

From a molecule of the same graph, all of whose atoms are the mean atom of training, all
of whose bonds are the mean bond, and whose descriptors are the medians, in one batch of
all steps. M. Sundararajan et al.: Axiomatic Attribution for Deep Networks, ICML 2017,
https://arxiv.org/abs/1703.01365.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.molecules.network.batches import (
    MeanFeatures,
    MoleculeBatch,
    MoleculeTensors,
)
from vicinal.molecules.network.model import FoldNetworks, MoleculeNetwork

STEPS = 32
"""points of the path"""


class NetworkAttribution(NamedTuple):
    """The terms of an output; their sum is about the output."""

    base: float
    """output for mean atoms, mean bonds and median descriptors"""

    atoms: np.ndarray
    """[A] of the atoms, without their bonds"""

    bonds: np.ndarray
    """[M] of the bonds, in RDKit's order"""

    descriptors: np.ndarray
    """[D] of the descriptors"""

    value: float
    """the output"""

    @property
    def error(self) -> float:
        """Return how far the sum of the terms is from the output."""
        parts = self.atoms, self.bonds, self.descriptors
        total = self.base + sum(part.sum() for part in parts)
        return abs(float(total) - self.value)


def attribute(
    networks: FoldNetworks,
    molecule: MoleculeTensors,
    mean: MeanFeatures,
    weights: np.ndarray,
) -> NetworkAttribution:
    """Return the terms of the mean over networks of weights [K] times logits [K].

    molecule: one. mean: of training.
    """
    networks.eval()
    copies = molecule.batch(np.zeros(STEPS + 2, np.int64))
    middle = (torch.arange(STEPS) + 0.5) / STEPS
    t = torch.cat([torch.tensor([0.0, 1.0]), middle])  # both ends, then the path
    atom, bond = (torch.from_numpy(each.astype(np.float32)) for each in mean)
    atoms = _path(molecule.atoms, atom, t)
    bonds = _path(molecule.bonds, bond, t)
    descriptors = t[:, None] * molecule.descriptors
    inputs = [each.requires_grad_(True) for each in (atoms, bonds, descriptors)]
    own = copies._replace(
        atoms=atoms, bonds=torch.cat([bonds, bonds]), descriptors=descriptors
    )
    outputs = outputs_of(networks, own, weights)
    by_atom, by_bond, by_descriptor = torch.autograd.grad(
        outputs[2:].sum(), inputs, materialize_grads=True
    )  # of networks without descriptors their gradient is 0
    return NetworkAttribution(
        base=float(outputs[0].detach()),
        atoms=_shares(molecule.atoms, atom, by_atom),
        bonds=_shares(molecule.bonds, bond, by_bond),
        descriptors=(molecule.descriptors[0] * by_descriptor[2:].mean(dim=0)).numpy(),
        value=float(outputs[1].detach()),
    )


def _path(x: Tensor, start: Tensor, t: Tensor) -> Tensor:
    """Return the features [T * N, D] on the way from start [D] to x [N, D]."""
    return start + t.repeat_interleave(len(x))[:, None] * (x - start).repeat(len(t), 1)


def _shares(x: Tensor, start: Tensor, gradients: Tensor) -> np.ndarray:
    """Return the shares [N] of rows x [N, D]; gradients: [(2 + STEPS) * N, D]."""
    mean = gradients.reshape(2 + STEPS, *x.shape)[2:].mean(dim=0)
    return ((x - start) * mean).sum(dim=1).double().numpy()


def outputs_of(
    networks: FoldNetworks, molecules: MoleculeBatch, weights: np.ndarray
) -> Tensor:
    """Return the mean over networks of weights [K] times logits, [B]."""
    w = torch.from_numpy(weights.astype(np.float32))
    each = [
        network(molecules) @ w
        for network in networks.networks
        if isinstance(network, MoleculeNetwork)
    ]
    return torch.stack(each).mean(dim=0)


@torch.no_grad()
def outputs_without(
    networks: FoldNetworks,
    molecule: MoleculeTensors,
    mean: MeanFeatures,
    weights: np.ndarray,
    sets: list[np.ndarray],
) -> np.ndarray:
    """Return the outputs [S + 1] of a molecule, and without each set of atoms.

    Atoms that are left out, and their bonds, become the mean atom and the mean bond.
    """
    networks.eval()
    copies = molecule.batch(np.zeros(len(sets) + 1, np.int64))
    shape = len(sets) + 1, len(molecule.atoms)
    left_out = torch.zeros(shape, dtype=torch.bool)
    for k, rows in enumerate(sets, 1):
        left_out[k, torch.from_numpy(rows)] = True
    bonds = left_out[:, molecule.pairs].any(dim=1).flatten()  # [S + 1, 2, M] before
    atom, bond = (torch.from_numpy(each.astype(np.float32)) for each in mean)
    own = copies._replace(
        atoms=torch.where(left_out.flatten()[:, None], atom, copies.atoms),
        bonds=torch.where(torch.cat([bonds, bonds])[:, None], bond, copies.bonds),
    )
    return outputs_of(networks, own, weights).double().numpy()
