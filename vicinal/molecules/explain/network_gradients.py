"""Integrated gradients of the networks: which atoms make their prediction.

From a molecule of the same bonds, all of whose atoms are the mean atom of training and
whose descriptors are the medians, in one batch of all steps. M. Sundararajan et al.:
Axiomatic Attribution for Deep Networks, ICML 2017, https://arxiv.org/abs/1703.01365.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.molecules.network.batches import MoleculeBatch, MoleculeTensors
from vicinal.molecules.network.model import FoldNetworks, MoleculeNetwork

STEPS = 32
"""points of the path"""


class NetworkAttribution(NamedTuple):
    """The terms of an output; their sum is about the output."""

    base: float
    """output for mean atoms and median descriptors"""

    atoms: np.ndarray
    """[A] of the atoms"""

    descriptors: np.ndarray
    """[D] of the descriptors"""

    value: float
    """the output"""

    @property
    def error(self) -> float:
        """Return how far the sum of the terms is from the output."""
        total = self.base + self.atoms.sum() + self.descriptors.sum()
        return abs(float(total) - self.value)


def attribute(
    networks: FoldNetworks,
    molecule: MoleculeTensors,
    mean_atom: np.ndarray,
    weights: np.ndarray,
) -> NetworkAttribution:
    """Return the terms of the mean over networks of weights [K] times logits [K].

    molecule: one. mean_atom: [ATOM_FEATURES] of training.
    """
    networks.eval()
    copies = molecule.batch(np.zeros(STEPS + 2, np.int64))
    count = len(molecule.atoms)
    middle = (torch.arange(STEPS) + 0.5) / STEPS
    t = torch.cat([torch.tensor([0.0, 1.0]), middle])  # both ends, then the path
    start = torch.from_numpy(mean_atom.astype(np.float32))
    x = molecule.atoms
    path = start + t.repeat_interleave(count)[:, None] * (x - start).repeat(len(t), 1)
    descriptors = t[:, None] * molecule.descriptors
    path.requires_grad_(True)
    descriptors.requires_grad_(True)  # of networks without them the gradient is 0
    outputs = outputs_of(networks, copies, path, descriptors, weights)
    by_atom, by_descriptor = torch.autograd.grad(
        outputs[2:].sum(), [path, descriptors], materialize_grads=True
    )
    gradients = by_atom.reshape(len(t), count, -1)[2:].mean(dim=0)
    return NetworkAttribution(
        base=float(outputs[0].detach()),
        atoms=((x - start) * gradients).sum(dim=1).double().numpy(),
        descriptors=(molecule.descriptors[0] * by_descriptor[2:].mean(dim=0)).numpy(),
        value=float(outputs[1].detach()),
    )


def outputs_of(
    networks: FoldNetworks,
    molecules: MoleculeBatch,
    atoms: Tensor,
    descriptors: Tensor,
    weights: np.ndarray,
) -> Tensor:
    """Return the mean over networks of weights [K] times logits, [B].

    atoms, descriptors: in place of those of the molecules.
    """
    own = molecules._replace(atoms=atoms, descriptors=descriptors)
    w = torch.from_numpy(weights.astype(np.float32))
    each = [n(own) @ w for n in networks.networks if isinstance(n, MoleculeNetwork)]
    return torch.stack(each).mean(dim=0)


@torch.no_grad()
def outputs_without(
    networks: FoldNetworks,
    molecule: MoleculeTensors,
    mean_atom: np.ndarray,
    weights: np.ndarray,
    sets: list[np.ndarray],
) -> np.ndarray:
    """Return the outputs [S + 1] of a molecule, and with mean atoms for some atoms."""
    networks.eval()
    copies = molecule.batch(np.zeros(len(sets) + 1, np.int64))
    count = len(molecule.atoms)
    atoms = copies.atoms.clone()
    for k, rows in enumerate(sets, 1):
        atoms[k * count + torch.from_numpy(rows)] = torch.from_numpy(
            mean_atom.astype(np.float32)
        )
    found = outputs_of(networks, copies, atoms, copies.descriptors, weights)
    return found.double().numpy()
