"""Learning from molecules: their tokens become likelier, in known shares."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.network import (
    FragmentNetwork,
    FragmentNetworkConfig,
)
from vicinal.molecules.generation.model.training import mean_nll
from vicinal.molecules.generation.optimisation.learning import Learner, mix_counts

SMILES = [
    f"{a}c1ccc({b}{c})cc1"
    for a in ("C", "CO", "F", "Cl")
    for b in ("OC", "C(=O)N", "NC")
    for c in ("c2ccncc2", "c2ccccc2", "C2CCNCC2")
]
KNOWN, NEW = "COc1ccc(C(=O)Nc2ccncc2)cc1", "COc1ccc(C(=O)Nc2ccoc2)cc1"


@pytest.fixture(scope="module")
def counts() -> FragmentCounts:
    settings = {"min_count": 1, "network": "none", "minutes": None}
    return MoleculeGenerator(**settings).fit(SMILES).model_.counts


@pytest.fixture
def network(counts) -> FragmentNetwork:
    torch.manual_seed(0)
    vocabulary = counts.vocabulary
    sizes = len(vocabulary), vocabulary.num_joining, vocabulary.num_contexts
    return FragmentNetwork(FragmentNetworkConfig(*sizes, 16, 2, 2, 0.1)).eval()


def sequences_of(smiles: str, counts: FragmentCounts) -> Sequences:
    tree = cut_molecule(Chem.MolFromSmiles(smiles))
    growths = [grow_from(tree, k) for k in range(len(tree.fragments))]
    return Sequences.from_growths(growths, counts.vocabulary)


def test_mixed_counts_interpolate_the_probabilities(counts):
    sequences, share = sequences_of(KNOWN, counts), 0.3
    mixed = mix_counts(counts, sequences, share)
    for context in set(sequences.contexts) - {counts.vocabulary.beginning}:
        own = sequences.tokens[sequences.contexts == context]
        best = np.bincount(own, minlength=counts.vocabulary.num_joining) / len(own)
        before, after = (
            np.exp(k.log_probabilities(np.array([context]))[0]) for k in (counts, mixed)
        )
        np.testing.assert_allclose(
            after, (1 - share) * before + share * best, rtol=1e-4, atol=1e-9
        )
    others = set(range(counts.vocabulary.beginning)) - set(sequences.contexts)
    at = np.array(sorted(others))
    np.testing.assert_allclose(
        mixed.log_probabilities(at), counts.log_probabilities(at)
    )


def test_what_was_learned_is_likelier_and_the_original_network_stays(counts, network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learner = Learner(counts, network, seed=0)
    tree = cut_molecule(Chem.MolFromSmiles(KNOWN))
    model = [learner.learn([tree] * 8) for _ in range(5)][-1]
    sequences = sequences_of(KNOWN, counts)
    first = mean_nll(network, counts, sequences)
    mixed = mean_nll(None, model.counts, sequences)
    assert mean_nll(model.network, model.counts, sequences) < mixed < first
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_fragments_outside_the_vocabulary_get_a_share(counts, network):
    tree = cut_molecule(Chem.MolFromSmiles(NEW))
    assert not counts.vocabulary.covers(tree)
    learner = Learner(counts, network, seed=0)
    extended = learner.extend([tree])
    sequences = sequences_of(NEW, extended.counts)
    assert extended.counts.log_likelihoods(sequences).min() < -20
    learned = learner.learn([tree] * 30)  # from several orders of growth
    assert learned.network is not None
    joins = sequences.parents >= 0
    assert learned.counts.log_likelihoods(sequences)[joins].min() > -3
    assert learned.network.config.tokens == len(learned.counts.vocabulary)


def test_learning_does_not_disturb_other_random_numbers(counts, network):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    trees = [cut_molecule(Chem.MolFromSmiles(k)) for k in (KNOWN, "C")]
    learned = [Learner(counts, network, seed=1).learn(trees).network for _ in range(2)]
    assert torch.equal(torch.rand(3), expected)
    first, second = (list(k.parameters()) for k in learned if k is not None)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    only = Learner(counts, None, seed=1).learn(trees[1:])
    assert only.network is None
