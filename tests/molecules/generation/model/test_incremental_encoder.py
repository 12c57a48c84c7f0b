"""Step by step, the queries are those of whole sequences."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.batches import SequenceBatch
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.incremental_encoder import IncrementalEncoder
from vicinal.molecules.generation.model.network import (
    AttentionLayer,
    FragmentNetwork,
    FragmentNetworkConfig,
)
from vicinal.molecules.generation.sampling import PartialMolecules

CHAIN = "OCc1ccc(COc2ccc(CNc3ccc(OCCc4ccc(F)cc4)cc3)cc2)cc1"
SMILES = [CHAIN, "Cc1ccc(O)cc1", "CCN(c1ccccc1)c1cc(OC)cc(C(=O)NCCc2ccncc2)c1", "CCCO"]
TREES = [cut_molecule(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
VOCABULARY = Vocabulary.from_molecules(TREES, 1)


def random_network(layers: int) -> FragmentNetwork:
    """Return a network whose distances and null keys matter."""
    torch.manual_seed(0)
    own = VOCABULARY
    sizes = len(own), own.num_joining, own.num_contexts
    network = FragmentNetwork(FragmentNetworkConfig(*sizes, 16, layers, 2, 0.1))
    for layer in network.modules():
        if isinstance(layer, AttentionLayer):
            torch.nn.init.normal_(layer.bias)
            torch.nn.init.normal_(layer.null_key_value)
    return network.eval()


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("start", [1, 2, 3])
@torch.no_grad()
def test_queries_of_growing_molecules_are_those_of_whole_ones(layers, start):
    """Molecules of different lengths, from 1, 2 or 3 fragments, until each is done."""
    growths = [grow_from(tree, len(tree.fragments) // 2) for tree in TREES]
    long = [growth for growth in growths if len(growth.tokens) > start]
    assert len(max(long, key=lambda k: len(k.tokens)).tokens) > 10  # tables grow
    counts = FragmentCounts.from_sequences(
        [Sequences.from_growths(growths, VOCABULARY)], VOCABULARY
    )
    network = random_network(layers)
    sequences = Sequences.from_growths(long, VOCABULARY)
    every = np.arange(len(long))
    batch = SequenceBatch.from_sequences(sequences, every, VOCABULARY)
    expected = network.encode_queries(batch)
    partial = PartialMolecules([growth.prefix(start) for growth in long], counts)
    encoder, position, compared = IncrementalEncoder(network, VOCABULARY), start, 0
    while len(rows := partial.take_points()):
        found = encoder.queries(rows, partial.sequences(rows))
        at = torch.from_numpy(sequences.starts[rows] + position)
        torch.testing.assert_close(found, expected[at], rtol=1e-4, atol=1e-5)
        partial.add(rows, sequences.tokens[at.numpy()])
        position, compared = position + 1, compared + len(rows)
    assert compared == sum(len(growth.tokens) - start for growth in long)
