"""New fragments: what was known stays, new points are like those of their kind."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.extension import extend
from vicinal.molecules.generation.model.network import (
    FragmentNetwork,
    FragmentNetworkConfig,
)
from vicinal.molecules.generation.model.training import molecule_nll

ENDS = ("C", "OC", "N", "F", "C(=O)NCC", "c2ccncc2")
SMILES = [f"{a}c1ccc({b})cc1" for a in ("C", "CO", "CCN", "CCOC") for b in ENDS]
TREES = [cut_molecule(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
NEW = ["*c1ccc(*)c2ccccc12", "*C1CCC(*)CC1"]


@pytest.fixture
def counts() -> FragmentCounts:
    vocabulary = Vocabulary.from_molecules(TREES, 1)
    growths = [grow_from(tree, 0) for tree in TREES]
    sequences = Sequences.from_growths(growths, vocabulary)
    return FragmentCounts.from_sequences([sequences], vocabulary)


@pytest.fixture
def network(counts) -> FragmentNetwork:
    torch.manual_seed(0)
    own = counts.vocabulary
    sizes = len(own), own.num_joining, own.num_contexts
    network = FragmentNetwork(FragmentNetworkConfig(*sizes, 16, 2, 2, 0.0))
    torch.nn.init.normal_(network.output.weight)
    return network.eval()


def test_known_molecules_are_as_likely_as_before(counts, network):
    extended = extend(counts, network, NEW)
    assert extended.network is not None
    growths = [grow_from(tree, 1 % len(tree.fragments)) for tree in TREES]
    before, after = (
        Sequences.from_growths(growths, own.vocabulary)
        for own in (counts, extended.counts)
    )
    for old, new in ((None, None), (network, extended.network)):
        expected = molecule_nll(old, counts, before)
        found = molecule_nll(new, extended.counts, after)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nothing_changes_without_a_new_fragment(counts, network):
    known = counts.vocabulary.fragments[:2]
    assert extend(counts, network, known) == (counts, network)


def test_a_new_point_is_the_average_of_those_on_atoms_of_its_kind(counts):
    found = extend(counts, None, NEW).counts
    vocabulary = found.vocabulary
    kinds = vocabulary.environments
    context = vocabulary.contexts[vocabulary.numbers[NEW[0]], 0]
    assert kinds[context] == (6, True, True, 3, 0)  # an aromatic carbon
    old = {
        c
        for t in counts.vocabulary.tokens
        for c in vocabulary.contexts[vocabulary.numbers[t]]
        if c >= 0
    }
    similar = [c for c in sorted(old) if kinds[c] == kinds[context]]
    expected = found.counts[found.rows[similar]].mean(axis=0)
    row = found.rows[[context]]
    np.testing.assert_allclose(found.counts[row].toarray(), expected)
    assert expected.sum() > 0


def test_new_fragments_are_not_added_anywhere(counts, network):
    extended = extend(counts, network, NEW)
    vocabulary = extended.counts.vocabulary
    contexts = np.arange(vocabulary.beginning)
    log_p = extended.counts.log_probabilities(contexts)
    new = [
        row
        for token, row in vocabulary.numbers.items()
        if row < vocabulary.num_joining and token not in counts.vocabulary.numbers
    ]
    assert new and np.exp(log_p[:, new]).max() < 1e-8
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-5)


def test_the_network_takes_a_new_point_for_the_average_of_its_kind(counts, network):
    extended = extend(counts, network, NEW)
    assert extended.network is not None
    vocabulary, weights = extended.counts.vocabulary, extended.network.point.weight
    kinds = vocabulary.environments
    old = {
        int(c)
        for t in counts.vocabulary.tokens
        for c in vocabulary.contexts[vocabulary.numbers[t]]
        if c >= 0
    }
    context = vocabulary.contexts[vocabulary.numbers[NEW[0]], 0]
    similar = [c for c in sorted(old) if kinds[c] == kinds[context]]
    assert similar and context not in old
    torch.testing.assert_close(weights[context], weights[similar].mean(dim=0))
