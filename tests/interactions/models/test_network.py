"""The graph network: its sums by hand, its laws, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from vicinal.graphs.links.metrics import auroc
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.network import InteractionNetwork, make_inputs
from vicinal.interactions.models.network_training import train_network, training_steps
from vicinal.interactions.pair_effects import PairEffects

DRUGS, EFFECTS = 24, 4
PAIRS = np.stack(np.triu_indices(DRUGS, 1), axis=1)


@pytest.fixture(scope="module")
def known() -> PairEffects:
    """Drugs of four kinds; an effect for each sum of kinds; drug 23 has no pair."""
    effects = (PAIRS % 4).sum(axis=1) % EFFECTS
    chosen = (PAIRS < DRUGS - 1).all(axis=1) & (effects != 3)
    return PairEffects.from_edges(PAIRS[chosen], effects[chosen], DRUGS, EFFECTS)


@pytest.fixture(scope="module")
def features() -> DrugFeatures:
    targets = csr_matrix(np.eye(5, dtype=np.float32)[np.arange(DRUGS) % 4])
    structure = csr_matrix(np.eye(DRUGS, 30, dtype=np.float32) * 2)
    edges = np.array([[0, 1], [1, 4]])
    return DrugFeatures(DRUGS, structure, targets, None, edges)


@pytest.fixture(scope="module")
def network(known, features) -> InteractionNetwork:
    return train_network(known, features, seed=0, steps=150)


def test_the_logit_is_the_sum_of_its_terms(network):
    pair = np.array([[3, 7]])
    with torch.inference_mode():
        vectors = network.vectors(network.inputs.is_known)
    a, b = vectors[3], vectors[7]
    r, u = network.out.weight.chunk(2, dim=1)
    expected = (r * (a * b)).sum(dim=1) + (u * (a + b)).sum(dim=1) + network.out.bias
    found = network.score_all(pair)[0]
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5)


def test_the_order_of_the_drugs_does_not_matter(network):
    found = network.score_all(PAIRS)
    np.testing.assert_array_equal(found, network.score_all(PAIRS[:, ::-1].copy()))


def test_messages_are_means_over_neighbours(network, features):
    """Drugs 0, 4, 8 ... have the same target: the message is the mean of the others."""
    shared = network.inputs.relations[0].numpy()
    np.testing.assert_allclose(shared[0, 4::4], 1 / 5)
    assert shared[0].sum() == pytest.approx(1) and shared[0, 0] == 0
    interacting = network.inputs.relations[1].numpy()
    # target 0 interacts with target 1, which has all drugs 1, 5, 9 ...
    np.testing.assert_allclose(interacting[0, 1::4], 1 / 6)
    assert interacting[2].sum() == 0


def test_a_new_drug_is_its_features(known, features, network):
    """Its id plays no part; another target moves its scores."""
    assert not network.inputs.is_known[23]
    before = network.score_all(np.array([[0, 23]]))
    with torch.no_grad():
        network.ids[23] += 5
    np.testing.assert_array_equal(network.score_all(np.array([[0, 23]])), before)
    with torch.no_grad():
        network.ids[23] -= 5
    targets = features.targets.toarray()
    targets[23] = np.eye(5)[0]
    changed = replace(features, targets=csr_matrix(targets))
    inputs, network.inputs = network.inputs, make_inputs(known, changed)
    after = network.score_all(np.array([[0, 23]]))
    network.inputs = inputs
    assert np.abs(after - before).max() > 0.01


def test_it_learns_what_is_known_and_what_a_new_drug_has(known, network):
    truth = known.known_effects(PAIRS).toarray() > 0
    scores = network.score_all(PAIRS)
    used = (PAIRS < 23).all(axis=1)
    assert all(auroc(truth[used, k], scores[used, k]) > 0.97 for k in range(3))
    new = PAIRS[~used]
    effects = (new % 4).sum(axis=1) % EFFECTS
    aurocs = [auroc(effects == k, network.score_all(new)[:, k]) for k in range(3)]
    assert np.mean(aurocs) > 0.8


def test_the_seed_decides_and_seconds_end_training(known, features):
    one, same, other = (
        train_network(known, features, seed=seed, steps=3).score_all(PAIRS[:5])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    _, losses = training_steps(known, features, seed=0, steps=9, seconds=0.0)
    assert list(losses) == []
    _, losses = training_steps(known, features, seed=0, steps=9)
    assert len(list(losses)) == 9
