"""Mini-batches of molecules, and networks that see no atom of another molecule."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from vicinal.molecules.graphs import molecule_graphs
from vicinal.molecules.network.batches import MoleculeTensors
from vicinal.molecules.network.model import (
    FoldNetworks,
    MoleculeNetwork,
    MoleculeNetworkConfig,
)

SMILES = ["CCO", "c1ccccc1", "C", "CC(=O)Nc1ccc(O)cc1", "[Na+].[Cl-]"]
MOLS = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
DESCRIPTORS = np.random.default_rng(0).normal(size=(len(MOLS), 3))
TENSORS = MoleculeTensors(molecule_graphs(MOLS), DESCRIPTORS)
CONFIG = MoleculeNetworkConfig(3, 8, 2, 2, 0.0)
GINE = CONFIG._replace(layer="gine", descriptors=0)


def network(config: MoleculeNetworkConfig = CONFIG) -> MoleculeNetwork:
    torch.manual_seed(0)
    return MoleculeNetwork(config).eval()


def test_a_batch_has_the_molecules_in_the_order_of_its_rows():
    rows = np.array([3, 0, 3, 2])
    batch = TENSORS.batch(rows)
    sizes = [Chem.MolFromSmiles(SMILES[k]).GetNumAtoms() for k in rows.tolist()]
    assert torch.bincount(batch.batch).tolist() == sizes
    graphs = [molecule_graphs([MOLS[k]]) for k in rows.tolist()]
    np.testing.assert_array_equal(
        batch.atoms, np.concatenate([g.atoms for g in graphs])
    )
    starts = np.cumsum([0, *sizes[:-1]])
    expected = set()
    for graph, start in zip(graphs, starts, strict=True):
        expected |= {(int(u + start), int(v + start)) for u, v in graph.edge_index.T}
    incoming = batch.adjacency.incoming
    found = zip(incoming.indices.tolist(), incoming.row_indices.tolist(), strict=True)
    assert set(found) == expected


def test_bonds_keep_their_features_in_a_batch():
    batch = TENSORS.batch(np.array([3]))
    graph = molecule_graphs([MOLS[3]])
    expected = {
        (int(u), int(v)): features
        for (u, v), features in zip(graph.edge_index.T, graph.bonds, strict=True)
    }
    incoming = batch.adjacency.incoming
    ends = zip(incoming.indices.tolist(), incoming.row_indices.tolist(), strict=True)
    for edge, row in zip(ends, incoming.edge_ids.tolist(), strict=True):
        np.testing.assert_array_equal(batch.bonds[row], expected[edge])


@torch.no_grad()
@pytest.mark.parametrize("config", [CONFIG, GINE], ids=["dmpnn", "gine"])
def test_a_prediction_does_not_depend_on_the_other_molecules(config):
    model = network(config)
    together = model(TENSORS.batch(np.arange(len(MOLS))))
    alone = [model(TENSORS.batch(np.array([k]))) for k in range(len(MOLS))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("config", [CONFIG, GINE], ids=["dmpnn", "gine"])
def test_the_numbering_of_the_atoms_does_not_matter(config):
    mol = MOLS[3]
    order = np.random.default_rng(1).permutation(mol.GetNumAtoms()).tolist()
    renumbered = Chem.RenumberAtoms(mol, order)
    model = network(config)
    both = MoleculeTensors(molecule_graphs([mol, renumbered]), np.zeros((2, 3)))
    first, second = model(both.batch(np.arange(2)))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_readout_is_mean_sum_and_descriptors():
    model, batch = network(), TENSORS.batch(np.arange(len(MOLS)))
    z = model.atom_vectors(batch)
    found = model.readout(z, batch)
    for k in range(len(MOLS)):
        own = z[batch.batch == k]
        expected = [own.mean(0), own.sum(0) / 32, torch.tensor(DESCRIPTORS[k]).float()]
        torch.testing.assert_close(found[k], torch.cat(expected), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_networks_of_folds_are_stacked():
    torch.manual_seed(0)
    networks = FoldNetworks(CONFIG, 3).eval()
    batch = TENSORS.batch(np.arange(len(MOLS)))
    found = networks(batch)
    assert found.shape == (len(MOLS), 3, 2)
    for k, one in enumerate(networks.networks):
        torch.testing.assert_close(found[:, k], one(batch))
