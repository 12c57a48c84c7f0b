"""The output of a network as sums: of hidden units, of atoms, of messages."""

from typing import Any

import numpy as np
import torch

from vicinal.molecules.network.batches import MoleculeBatch, MoleculeTensors
from vicinal.molecules.network.model import (
    TYPICAL_ATOMS,
    FoldNetworks,
    MoleculeNetwork,
)

SHOWN = 5
"""hidden units that are shown"""


@torch.no_grad()
def network_terms(
    networks: FoldNetworks,
    molecule: MoleculeTensors,
    mol: Any,
    weights: np.ndarray,
    atom: int | None = None,
) -> dict[str, Any]:
    """Return the terms of the first network's output, weights [K] times its logits.

    molecule, mol: one, as tensors and of RDKit. atom: whose messages are shown; None:
    the one that adds most to the hidden unit that adds most.
    """
    networks.eval()
    batch = molecule.batch(np.array([0]))
    w = torch.from_numpy(weights.astype(np.float32))
    each = [n for n in networks.networks if isinstance(n, MoleculeNetwork)]
    outputs = [float(network(batch)[0] @ w) for network in each]
    network = each[0]
    hidden = network.embed(batch)[0]
    coefficients = w @ network.last.weight
    products = coefficients * hidden
    bias = float(w @ network.last.bias)
    order = products.abs().argsort(descending=True)
    unit = _unit_terms(network, batch, mol, int(order[0]))
    largest = max(unit["atoms"], key=lambda row: abs(row["product"]))
    row = largest["atom"] if atom is None else atom
    inside = _atom_terms(network, batch, mol, int(row), unit)
    total = float(products.sum()) + bias
    errors = abs(total - outputs[0]), unit.pop("error"), inside.pop("error")
    return {
        "outputs": outputs,
        "units": [
            {
                "unit": int(k),
                "weight": float(coefficients[k]),
                "activation": float(hidden[k]),
                "product": float(products[k]),
            }
            for k in order[:SHOWN]
        ],
        "other_units": float(products[order[SHOWN:]].sum()),
        "bias": bias,
        "sum": total,
        "unit": unit,
        "atom": inside,
        "max_error": max(errors),
    }


def _unit_terms(
    network: MoleculeNetwork, batch: MoleculeBatch, mol: Any, unit: int
) -> dict[str, Any]:
    """Return the terms of a hidden unit before its ReLU: atoms and descriptors."""
    z, size = network.atom_vectors(batch), network.config.hidden
    weight = network.first.weight[unit]
    per_feature = weight[:size] / len(z) + weight[size : 2 * size] / TYPICAL_ATOMS
    atoms = z @ per_feature
    descriptors = float(weight[2 * size :] @ batch.descriptors[0])
    bias = float(network.first.bias[unit])
    total = float(atoms.sum()) + descriptors + bias
    computed = float(network.first(network.readout(z, batch))[0, unit])
    return {
        "unit": unit,
        "atoms": [
            {"atom": k, "element": _element(mol, k), "product": float(value)}
            for k, value in enumerate(atoms)
        ],
        "descriptors": descriptors,
        "bias": bias,
        "sum": total,
        "error": abs(total - computed),
    }


def _atom_terms(
    network: MoleculeNetwork,
    batch: MoleculeBatch,
    mol: Any,
    atom: int,
    unit: dict[str, Any],
) -> dict[str, Any]:
    """Return the terms of the feature of an atom that adds most to the hidden unit."""
    layer, size = network.layer, network.config.hidden
    weight = network.first.weight[unit["unit"]]
    z = network.atom_vectors(batch)
    per_feature = weight[:size] / len(z) + weight[size : 2 * size] / TYPICAL_ATOMS
    feature = int((z[atom] * per_feature).abs().argmax())
    messages = layer.messages(batch.atoms, batch.adjacency, batch.bonds, batch.reverse)
    incoming = batch.adjacency.incoming
    edges = (incoming.row_indices.long() == atom).nonzero().flatten()
    width = batch.atoms.shape[1]
    row = layer.output.weight[feature]
    own = float(row[:width] @ batch.atoms[atom])
    terms = messages[edges] @ row[width:]
    bias = float(layer.output.bias[feature])
    total = own + float(terms.sum()) + bias
    return {
        "atom": atom,
        "element": _element(mol, atom),
        "feature": feature,
        "own": own,
        "messages": [
            {"atom": source, "element": _element(mol, source), "product": float(value)}
            for source, value in zip(
                incoming.indices[edges].tolist(), terms, strict=True
            )
        ],
        "bias": bias,
        "sum": total,
        "error": abs(max(total, 0.0) - float(z[atom, feature])),
    }


def _element(mol: Any, atom: int) -> str:
    return mol.GetAtomWithIdx(atom).GetSymbol()
