"""The graph network: its sums by hand, its laws, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch.nn.functional import binary_cross_entropy_with_logits

from vicinal.graphs.links.metrics import auroc
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.network import InteractionNetwork, make_inputs
from vicinal.interactions.models.network_training import (
    EffectLoss,
    train_network,
    training_steps,
)
from vicinal.interactions.pair_effects import PairEffects

DRUGS, EFFECTS = 24, 4
NEW = 23
PAIRS = np.stack(np.triu_indices(DRUGS, 1), axis=1)


@pytest.fixture(scope="module")
def known() -> PairEffects:
    """Drugs of four kinds; an effect for each sum of kinds; drug 23 has no pair."""
    effects = (PAIRS % 4).sum(axis=1) % EFFECTS
    chosen = (PAIRS != NEW).all(axis=1) & (effects != 3)
    return PairEffects.from_edges(PAIRS[chosen], effects[chosen], DRUGS, EFFECTS)


@pytest.fixture(scope="module")
def features() -> DrugFeatures:
    targets = csr_matrix(np.eye(5, dtype=np.float32)[np.arange(DRUGS) % 4])
    structure = csr_matrix(np.eye(DRUGS, 30, dtype=np.float32) * 2)
    edges = np.array([[0, 1], [1, 4]])
    return DrugFeatures(DRUGS, structure, targets, None, edges)


@pytest.fixture(scope="module")
def network(known, features) -> InteractionNetwork:
    return train_network(known, features, seed=0, steps=100)


def test_the_vector_of_a_drug_is_the_sum_of_id_features_and_messages(known, features):
    inputs = make_inputs(known, features)
    network = InteractionNetwork(inputs, 8, 8, 0.0)
    torch.nn.init.normal_(network.relations)
    with torch.inference_mode():
        found = network.vectors(inputs.is_known)
        for drug, own in ((3, network.ids[3]), (NEW, network.new_id)):
            expected = own.clone()
            for kind, encode in zip(inputs.features, network.encoders, strict=True):
                expected += encode(kind[0, drug])
                for r, weights in enumerate(network.relations):
                    expected += weights * encode(kind[r + 1, drug])
            torch.testing.assert_close(found[drug], expected)


def test_the_logit_is_the_sum_of_its_terms(network):
    with torch.inference_mode():
        a, b = network.vectors(network.inputs.is_known)[[3, 7]]
        r, own, u = network.out.weight.split([len(a), len(a), 256], dim=1)
        hidden = network.hidden(torch.cat([a * b, a + b])).relu()
        expected = (r * (a * b)).sum(dim=1) + (own * (a + b)).sum(dim=1) + u @ hidden
        expected += network.out.bias
    found = network.score_all(np.array([[3, 7]]))[0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_the_order_of_the_drugs_does_not_matter(network):
    found = network.score_all(PAIRS)
    np.testing.assert_array_equal(found, network.score_all(PAIRS[:, ::-1].copy()))


def test_the_order_matters_in_an_ordered_table(features):
    """The effect of a pair is the kind of its first drug."""
    pairs = np.concatenate([PAIRS, PAIRS[:, ::-1]])
    pairs = pairs[np.random.default_rng(0).random(len(pairs)) < 0.7]
    table = PairEffects.from_edges(pairs, pairs[:, 0] % 4, DRUGS, EFFECTS, ordered=True)
    scores = train_network(table, features, seed=0, steps=60).score_all(pairs)
    truth = table.known_effects(pairs).toarray() > 0
    assert all(auroc(truth[:, k], scores[:, k]) > 0.97 for k in range(EFFECTS))


def test_messages_are_means_over_neighbours(network):
    """Drugs 0, 4, 8 ... have target 0, which interacts with that of 1, 5, 9 ..."""
    structure = network.inputs.features[0].numpy()
    own, shared, interacting, partners = structure
    assert shared.shape == (DRUGS, own.shape[1])
    np.testing.assert_allclose(shared[0], own[4::4].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(interacting[0], own[1::4].mean(axis=0), atol=1e-6)
    assert not interacting[2].any()  # its target interacts with none
    assert partners[0].any() and not partners[NEW].any()


def test_a_new_drug_is_its_features(known, features, network):
    """Its id plays no part; another target moves its scores."""
    assert not network.inputs.is_known[NEW]
    pair = np.array([[0, NEW]])
    before = network.score_all(pair)
    ids = network.ids.detach().clone()
    with torch.no_grad():
        network.ids[NEW] += 5
    np.testing.assert_array_equal(network.score_all(pair), before)
    targets = features.targets.toarray()
    targets[NEW] = np.eye(5)[0]
    changed = replace(features, targets=csr_matrix(targets))
    inputs, network.inputs = network.inputs, make_inputs(known, changed)
    after = network.score_all(pair)
    network.inputs = inputs
    with torch.no_grad():
        network.ids.copy_(ids)
    assert np.abs(after - before).max() > 0.01


def test_it_learns_what_is_known_and_what_a_new_drug_has(known, network):
    truth = known.known_effects(PAIRS).toarray() > 0
    scores = network.score_all(PAIRS)
    used = (PAIRS != NEW).all(axis=1)
    assert all(auroc(truth[used, k], scores[used, k]) > 0.97 for k in range(3))
    new = PAIRS[~used]
    effects = (new % 4).sum(axis=1) % EFFECTS
    aurocs = [auroc(effects == k, network.score_all(new)[:, k]) for k in range(3)]
    assert np.mean(aurocs) > 0.8


def test_it_learns_without_features(known):
    network = train_network(known, DrugFeatures(DRUGS), seed=0, steps=40)
    used = PAIRS[(PAIRS != NEW).all(axis=1)]
    truth = known.known_effects(used).toarray() > 0
    scores = network.score_all(used)
    assert all(auroc(truth[:, k], scores[:, k]) > 0.95 for k in range(3))


def test_the_loss_and_its_gradient_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator, requires_grad=True)
        for shape in ((6, 5), (4, 5), (4,))
    )
    truth = (torch.rand(6, 4, generator=generator) < 0.4).float()
    weights = torch.tensor([0.5, 1.0, 2.0, 0.1])
    expected = binary_cross_entropy_with_logits(x @ weight.T + bias, truth, weights)
    positions = truth.view(-1).nonzero()[:, 0]
    found = EffectLoss.apply(x, weight, bias, positions, weights)
    torch.testing.assert_close(found, expected)
    leaves = x, weight, bias
    gradients = torch.autograd.grad(3 * expected, leaves)
    torch.testing.assert_close(torch.autograd.grad(3 * found, leaves), gradients)


def test_the_seed_decides_and_seconds_end_training(known, features):
    one, same, other = (
        train_network(known, features, seed=seed, steps=3).score_all(PAIRS[:5])
        for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(one, same, rtol=1e-4, atol=1e-5)  # rounding may differ
    assert not np.allclose(one, other, rtol=1e-2, atol=1e-2)
    _, losses = training_steps(known, features, seed=0, steps=9, seconds=0.0)
    assert list(losses) == []
    _, losses = training_steps(known, features, seed=0, steps=9)
    assert len(list(losses)) == 9
