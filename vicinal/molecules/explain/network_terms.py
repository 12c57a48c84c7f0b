"""The output of a network as sums: of hidden units, of atoms, of messages."""

from typing import Any

import numpy as np
import torch

from vicinal.graphs.inspect.messages import decompose_gine
from vicinal.graphs.layers.dmpnn import DMPNN
from vicinal.graphs.layers.gine import GINE
from vicinal.molecules.network.batches import MoleculeBatch, MoleculeTensors
from vicinal.molecules.network.layers import GINELayers
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
    if isinstance(network.layer, GINELayers):
        inside = _gine_terms(network.layer, network, batch, mol, int(row), unit)
    else:
        inside = _dmpnn_terms(network.layer, network, batch, mol, int(row), unit)
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
    descriptors = 0.0
    if network.config.descriptors:
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


def _gine_terms(
    layer: GINELayers,
    network: MoleculeNetwork,
    batch: MoleculeBatch,
    mol: Any,
    atom: int,
    unit: dict[str, Any],
) -> dict[str, Any]:
    """Return the terms of the sum of messages in the last layer, at an atom.

    Of that feature of the sum along which the hidden unit changes most.
    """
    graph, last = batch.adjacency, layer.layers[-1]
    assert isinstance(last, GINE)
    h = layer.states(batch.atoms, graph, batch.bonds)[-1]
    found = decompose_gine("last", last, h, graph, batch.bonds, atom)
    total = torch.from_numpy(
        sum((m.vector for m in found.messages), found.own_term)
    ).requires_grad_(True)
    weight = _unit_weights(network, unit, len(h))
    with torch.enable_grad():
        z = h[atom] + torch.relu(layer.norms[-1](last.mlp(total)))
        (gradient,) = torch.autograd.grad(z @ weight, total)
    feature = int((gradient * total).abs().argmax())
    computed = network.atom_vectors(batch)[atom]
    return {
        "atom": atom,
        "element": _element(mol, atom),
        "feature": feature,
        "own": float(found.own_term[feature]),
        "messages": [
            {
                "atom": message.source,
                "element": _element(mol, message.source),
                "product": float(message.vector[feature]),
            }
            for message in found.messages
        ],
        "bias": 0.0,
        "sum": float(total[feature]),
        "layer": "gine",
        "error": float((z.detach() - computed).abs().max()),
    }


def _unit_weights(
    network: MoleculeNetwork, unit: dict[str, Any], num_atoms: int
) -> torch.Tensor:
    """Return the weights [hidden] of an atom's vector in a hidden unit."""
    size, weight = network.config.hidden, network.first.weight[unit["unit"]]
    return weight[:size] / num_atoms + weight[size : 2 * size] / TYPICAL_ATOMS


def _dmpnn_terms(
    layer: DMPNN,
    network: MoleculeNetwork,
    batch: MoleculeBatch,
    mol: Any,
    atom: int,
    unit: dict[str, Any],
) -> dict[str, Any]:
    """Return the terms of the feature of an atom that adds most to the hidden unit."""
    z = network.atom_vectors(batch)
    per_feature = _unit_weights(network, unit, len(z))
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
        "layer": "dmpnn",
        "error": abs(max(total, 0.0) - float(z[atom, feature])),
    }


def _element(mol: Any, atom: int) -> str:
    return mol.GetAtomWithIdx(atom).GetSymbol()
