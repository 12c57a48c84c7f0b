"""Counts and the network: probabilities, order of growth, and what they see."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import Growth, grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.batches import SequenceBatch
from vicinal.molecules.generation.model.counts import BETA, UNSEEN, FragmentCounts
from vicinal.molecules.generation.model.network import (
    FragmentNetwork,
    FragmentNetworkConfig,
)
from vicinal.molecules.generation.model.training import BoundNetwork, mean_nll
from vicinal.molecules.generation.sampling import Limits, PartialMolecules, Sampler

ENDS = ["C", "OC", "N", "F", "C(=O)NCC", "NC(=O)CC", "c2ccncc2"]
SMILES = [f"{a}c1ccc({b})cc1" for a in ("C", "CO", "CCN", "CCOC") for b in ENDS]
SMILES += [f"c1c({a})cc({a})cc1{b}" for a in ENDS[:4] for b in ENDS[3:]]
SMILES += ["Cc1ccc(O)nc1", "Cc1ccc(N)nc1"]
TREES = [cut_molecule(Chem.MolFromSmiles(smiles)) for smiles in SMILES]


def sequences_of(vocabulary: Vocabulary, first: int) -> Sequences:
    growths = [grow_from(tree, first % len(tree.fragments)) for tree in TREES]
    return Sequences.from_growths(growths, vocabulary)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_molecules(TREES, 1)


@pytest.fixture(scope="module")
def counts(vocabulary) -> FragmentCounts:
    parts = [sequences_of(vocabulary, k) for k in range(3)]
    return FragmentCounts.from_sequences(parts, vocabulary)


@pytest.fixture
def network(vocabulary) -> FragmentNetwork:
    torch.manual_seed(0)
    network = FragmentNetwork(
        FragmentNetworkConfig(
            len(vocabulary),
            vocabulary.num_joining,
            vocabulary.num_contexts,
            16,
            2,
            2,
            0,
        )
    )
    torch.nn.init.normal_(network.output.weight)
    return network.eval()


def test_the_vocabulary_has_the_frequent_fragments_first():
    every, some = (Vocabulary.from_molecules(TREES, count) for count in (1, 5))
    names = [name for tree in TREES for name in tree.fragments]
    frequency = [names.count(name) for name in every.fragments]
    assert frequency == sorted(frequency, reverse=True)
    assert some.fragments == [k for k in every.fragments if names.count(k) >= 5]
    assert [some.covers(t) for t in TREES] == [
        all(names.count(k) >= 5 for k in tree.fragments) for tree in TREES
    ]


def test_equivalent_points_have_one_context(vocabulary):
    benzene = vocabulary.numbers["*c1cc(*)cc(*)c1"]
    joined = vocabulary.numbers["*c1cc(*)cc([1*])c1"]
    pyridine = vocabulary.numbers["*c1ccc(*)nc1"]
    assert len(set(vocabulary.contexts[benzene, :3])) == 1
    assert len(set(vocabulary.contexts[joined, :2])) == 1
    assert len(set(vocabulary.contexts[pyridine, :2])) == 2
    known = vocabulary.contexts[vocabulary.contexts >= 0]
    assert set(known) == set(range(vocabulary.beginning))


def test_counts_are_smoothed_by_the_share_of_a_token(vocabulary):
    sequences = sequences_of(vocabulary, 0)
    counts = FragmentCounts.from_sequences([sequences], vocabulary)
    context, token = sequences.contexts[1], sequences.tokens[1]
    together = (sequences.contexts == context) & (sequences.tokens == token)
    joins = sequences.parents >= 0
    num = vocabulary.num_joining
    share = (sequences.tokens[joins] == token).sum() + UNSEEN
    share /= joins.sum() + num * UNSEEN
    total = (sequences.contexts == context).sum()
    expected = (together.sum() + BETA * share) / (total + BETA)
    found = np.exp(counts.log_probabilities(np.array([context, context])))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert found[1, token] == pytest.approx(expected, rel=1e-5)
    without = counts.without_own(np.array([context]), np.array([token]))
    expected = (together.sum() - 1 + BETA * share) / (total + BETA)
    assert np.exp(without[0]) == pytest.approx(expected, rel=1e-5)


def test_the_mean_of_several_orders_is_counted(vocabulary, counts):
    parts = [sequences_of(vocabulary, k) for k in range(3)]
    expected = np.mean(
        [
            FragmentCounts.from_sequences([part], vocabulary).counts.toarray()
            for part in parts
        ],
        axis=0,
    )
    np.testing.assert_allclose(counts.counts.toarray(), expected)


def test_an_untrained_network_is_the_counts(vocabulary, counts, network):
    sequences = sequences_of(vocabulary, 1)
    torch.nn.init.zeros_(network.output.weight)
    expected = counts.nll(sequences)
    assert mean_nll(network, counts, sequences) == pytest.approx(expected, rel=1e-5)
    torch.nn.init.normal_(network.output.weight)
    assert mean_nll(network, counts, sequences) != pytest.approx(expected, rel=1e-2)


def test_no_step_sees_the_token_it_predicts_or_a_later_one(vocabulary, network):
    sequences = sequences_of(vocabulary, 0)
    rows = np.array([3, 20, 35])
    batch = SequenceBatch.from_sequences(sequences, rows, vocabulary)
    own = batch.starts == batch.starts[-1]
    position = int(own.nonzero()[2])
    expected = network.encode_queries(batch).detach()
    changed = batch.tokens.clone()
    changed[position:] = (changed[position:] + 7) % len(vocabulary)
    found = network.encode_queries(batch._replace(tokens=changed)).detach()
    assert torch.equal(found[: position + 1], expected[: position + 1])
    assert not torch.allclose(found[position + 1 :], expected[position + 1 :])


def test_molecules_of_a_batch_do_not_see_each_other(vocabulary, counts, network):
    sequences = sequences_of(vocabulary, 2)
    bound = BoundNetwork(network, counts, sequences, leave_one_out=False)
    together = bound.losses(np.array([0, 13, 30]))
    alone = [bound.losses(np.array([row])) for row in (0, 13, 30)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_distances_are_bonds_of_the_tree(vocabulary):
    # a chain of three with a branch at the first: 0-1, 1-2, 0-3
    sequences = Sequences(
        np.array([4]),
        np.zeros(4, np.int64),
        np.array([-1, 0, 1, 0]),
        np.array([-1, 0, 0, 1]),
        vocabulary,
    )
    batch = SequenceBatch.from_sequences(sequences, np.array([0]), vocabulary)
    expected = [[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 3], [1, 2, 3, 0]]
    assert batch.distances[0, 1:, 1:].tolist() == expected
    of_parents = [expected[parent] for parent in (0, 0, 1, 0)]
    assert batch.parent_distances[0, 1:, 1:].tolist() == of_parents


@pytest.mark.parametrize("with_network", [False, True])
def test_sampled_molecules_are_valid_and_complete(counts, network, with_network):
    sampler = Sampler(counts, network if with_network else None)
    found = sampler.sample(300, torch.Generator().manual_seed(1))
    mols = [Chem.MolFromSmiles(smiles) for smiles in found]
    assert None not in mols and len(found) == 300
    assert not any("*" in smiles for smiles in found)
    assert not any(atom.GetNumRadicalElectrons() for m in mols for atom in m.GetAtoms())
    again = sampler.sample(300, torch.Generator().manual_seed(1))
    assert found == again


def test_samples_have_the_frequencies_of_the_counts(vocabulary, counts):
    sampler = Sampler(counts, limits=Limits(1_000, 10_000))
    generator = torch.Generator().manual_seed(0)
    first = Growth(["*c1ccc(*)cc1"], [-1], [-1])
    grown = sampler.grow([first] * 4_000, generator)
    context = vocabulary.contexts[vocabulary.numbers[first.tokens[0]], 0]
    expected = np.exp(counts.log_probabilities(np.array([context]))[0])
    tokens = [vocabulary.numbers[growth.tokens[1]] for growth in grown]
    observed = np.bincount(tokens, minlength=len(expected)) / len(tokens)
    error = np.sqrt(expected * (1 - expected) / len(tokens))
    assert (np.abs(observed - expected) < 4.5 * error + 1e-3).all()


def test_a_low_temperature_prefers_likely_fragments(counts):
    generator = torch.Generator().manual_seed(0)
    usual, cold = (
        len(set(Sampler(counts, temperature=t).sample(200, generator)))
        for t in (1.0, 0.2)
    )
    assert cold < usual


def test_limits_end_the_growth(counts, vocabulary):
    sampler = Sampler(counts, limits=Limits(fragments=3, atoms=1_000))
    grown = sampler.grow(
        sampler.begin(200, torch.Generator().manual_seed(0)),
        torch.Generator().manual_seed(1),
    )
    most = int(vocabulary.num_sites.max())
    assert max(len(growth.tokens) for growth in grown) <= 3 + most
    assert np.mean([len(growth.tokens) for growth in grown]) < 4


def test_growth_continues_from_what_is_there(counts, network):
    tree = cut_molecule(Chem.MolFromSmiles("CCOCc1ccc(F)cc1"))
    growth = grow_from(tree, 0)
    part = growth.prefix(2)
    grown = Sampler(counts, network).grow([part] * 50, torch.Generator().manual_seed(0))
    for own in grown:
        assert own.tokens[:2] == part.tokens and own.parents[:2] == part.parents
        mol = Chem.MolFromSmiles(join_tokens(*own))
        assert mol is not None and "*" not in Chem.MolToSmiles(mol)


def test_the_sampler_computes_what_the_training_does(vocabulary, counts, network):
    sequences = sequences_of(vocabulary, 0)
    row = 5
    length = int(sequences.lengths[row])
    bound = BoundNetwork(network, counts, sequences, leave_one_out=False)
    expected = bound.losses(np.array([row])).detach()
    growth = grow_from(TREES[row], 0)
    sampler, losses = Sampler(counts, network), []
    for k in range(1, length):
        part = growth.prefix(k)
        partial = PartialMolecules([part], counts)
        rows, encoder = partial.take_points(), sampler.begin_encoding()
        logits = sampler.logits(partial, rows, encoder).detach()
        log_p = torch.log_softmax(logits, dim=1)
        losses.append(-log_p[0, vocabulary.numbers[growth.tokens[k]]])
    torch.testing.assert_close(torch.stack(losses), expected, rtol=1e-4, atol=1e-4)


def test_training_leaves_the_own_occurrence_out(vocabulary, counts, network):
    sequences = sequences_of(vocabulary, 0)
    fresh = FragmentNetwork(network.config)  # its corrections are 0
    found = BoundNetwork(fresh, counts, sequences).losses(np.array([0, 5]))
    expected = []
    for row in (0, 5):
        for k in range(sequences.starts[row] + 1, sequences.starts[row + 1]):
            context, token = sequences.contexts[k : k + 1], sequences.tokens[k : k + 1]
            prior = np.exp(counts.log_probabilities(context)[0].astype(float))
            prior[token[0]] = np.exp(counts.without_own(context, token)[0])
            expected.append(-np.log(prior[token[0]] / prior.sum()))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("change", ["parent_distances", "counts"])
def test_queries_depend_on(change, vocabulary, network):
    batch = SequenceBatch.from_sequences(
        sequences_of(vocabulary, 0), np.array([3, 20, 35]), vocabulary
    )
    other = {
        "parent_distances": batch.distances,
        "counts": batch.counts + 1,
    }[change]
    assert not torch.equal(getattr(batch, change), other)
    for layer in network.queries:
        torch.nn.init.normal_(layer.get_parameter("bias"))
    found = network.encode_queries(batch._replace(**{change: other}))
    assert not torch.allclose(found, network.encode_queries(batch))


def test_points_are_filled_in_the_order_of_training(vocabulary, counts):
    growth = max((grow_from(tree, 0) for tree in TREES), key=lambda g: len(g.tokens))
    partial = PartialMolecules([growth.prefix(1)], counts)
    for token in growth.tokens[1:]:
        rows = partial.take_points()
        partial.add(rows, np.array([vocabulary.numbers[token]]))
    assert partial.growth(0) == growth and not len(partial.take_points())


def test_large_molecules_get_ends_only(vocabulary, counts):
    sampler = Sampler(counts, limits=Limits(fragments=50, atoms=6))
    generator = torch.Generator().manual_seed(0)
    for growth in sampler.grow(sampler.begin(100, generator), generator):
        atoms = 0
        for k, token in enumerate(growth.tokens):
            number = vocabulary.numbers[token]
            assert not k or atoms < 6 or not vocabulary.num_sites[number]
            atoms += vocabulary.num_atoms[number]
