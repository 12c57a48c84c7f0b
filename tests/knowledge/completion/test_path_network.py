"""A path network in a completion: trained in a worker, kept where it helps, shown."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from vicinal.core.compute.processes import process_pool
from vicinal.errors import NoteWarning
from vicinal.knowledge.answering.query import solve
from vicinal.knowledge.answering.questions import Fact
from vicinal.knowledge.completion import fitting, network_worker
from vicinal.knowledge.completion.explain.explanation import explain_fact
from vicinal.knowledge.completion.explain.inspection import inspect_fact
from vicinal.knowledge.completion.explain.messages import last_messages
from vicinal.knowledge.completion.fitting import CompletionFit
from vicinal.knowledge.completion.network_worker import PathNetworkWorker
from vicinal.knowledge.completion.predictor import TriplePredictor
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.evaluation.splits import split_triples
from vicinal.knowledge.models import path_reranker
from vicinal.knowledge.models.path_edges import EntityEdges, PathQuestions
from vicinal.knowledge.models.path_network import PathScorer, score_candidates
from vicinal.knowledge.models.path_reranker import PathReranker
from vicinal.knowledge.triple_graph import TripleGraph

ENTITIES, RELATIONS = 40, 2


def random_triples(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    codes = rng.choice(ENTITIES * RELATIONS * ENTITIES, count, replace=False)
    shape = ENTITIES, RELATIONS, ENTITIES
    return np.stack(np.unravel_index(codes, shape), axis=1)


@pytest.fixture(scope="module")
def model(random_network) -> TriplePredictor:
    """Return a model with a network that was not trained."""
    triples = [(f"e{h}", f"r{r}", f"e{t}") for h, r, t in random_triples().tolist()]
    model = TriplePredictor(minutes=0.01, random_state=0).fit(triples)
    network = {"network": random_network(RELATIONS), "network_weight": 0.5}
    model.update(completion=replace(model.model_.completion, **network))
    return model


def test_the_best_answers_are_ranked_again(monkeypatch, random_network):
    monkeypatch.setattr(path_reranker, "CANDIDATES", 6)
    graph, network = (
        TripleGraph(random_triples(), ENTITIES, RELATIONS),
        random_network(RELATIONS),
    )
    heads, relation = np.arange(20), 1
    totals = np.random.default_rng(1).normal(size=(20, ENTITIES))
    totals[3, 5:] = -np.inf  # fewer possible answers than candidates
    found = PathReranker(network, graph).scores(heads, relation, totals)
    logits = PathScorer(network, graph)(heads, relation)
    is_known = graph.known_answers(heads, relation)
    assert is_known.any()
    for row in range(20):
        possible = np.where(is_known[row], -np.inf, totals[row])
        best = np.argsort(-possible)[:6]
        best = best[np.isfinite(possible[best])]
        expected = np.zeros(ENTITIES)
        expected[best] = logits[row, best] - logits[row, best].min()
        expected[is_known[row]] = expected.max()  # repeated triples keep their rank
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_helpful", [True, False])
def test_a_network_is_kept_if_it_ranks_better(monkeypatch, is_helpful, random_network):
    split = split_triples(random_triples(900), None, None, 0.1, 0)
    fit = CompletionFit(split, ENTITIES, RELATIONS, CompletionSettings(minutes=0.01), 0)
    rng = np.random.default_rng(0)

    def scores(
        self: PathReranker,
        heads: np.ndarray,
        relation: int,
        totals: np.ndarray,
        hidden: int | None = None,
    ) -> np.ndarray:
        truth = fit.known.known_answers(heads, relation).astype(np.float32)
        return 20 * truth if is_helpful else rng.random(totals.shape)

    monkeypatch.setattr(PathReranker, "scores", scores)
    fit.mine()
    for _ in fit.train():
        pass
    fit._network = random_network(RELATIONS)
    fit.combine()
    assert (fit.completion.network is not None) == is_helpful
    _, found = fit.score()
    assert (found.delivered == "with path network") == is_helpful
    assert "with path network" in found.validation
    if is_helpful:
        assert found.ranks["with path network"].max() == 1


def test_a_network_is_trained_in_a_worker(monkeypatch):
    monkeypatch.setattr(fitting, "MIN_NETWORK_SECONDS", 0)
    split = split_triples(random_triples(), None, None, 0.1, 0)
    for is_wanted in (True, False):
        settings = CompletionSettings(minutes=0.01, path_network=is_wanted)
        fit = CompletionFit(split, ENTITIES, RELATIONS, settings, 0)
        threads = torch.get_num_threads()
        fit.mine()
        for _ in fit.train():
            pass
        assert torch.get_num_threads() == threads
        assert (fit._network is not None) == is_wanted


def test_a_network_is_trained_until_a_time():
    triples, sizes = random_triples(), (ENTITIES, RELATIONS)
    weights, seconds = network_worker.train(triples, *sizes, time.time() + 0.5, 0)
    assert seconds > 0
    assert np.abs(weights["output.weight"]).max() > 0  # 0 at first
    late, _ = network_worker.train(triples, *sizes, time.time() - 1, 0)
    assert not late["output.weight"].any()


def test_a_worker_that_dies_costs_only_the_network(monkeypatch):
    monkeypatch.setattr(fitting, "MIN_NETWORK_SECONDS", 0)

    def start(
        self: PathNetworkWorker, graph: TripleGraph, seconds: float, seed: int
    ) -> None:
        self._pool, self._deadline = process_pool(1), time.time() + seconds
        self._future = self._pool.submit(os._exit, 3)

    monkeypatch.setattr(PathNetworkWorker, "start", start)
    split = split_triples(random_triples(), None, None, 0.1, 0)
    fit = CompletionFit(split, ENTITIES, RELATIONS, CompletionSettings(minutes=0.01), 0)
    fit.mine()
    with pytest.warns(NoteWarning, match="No path network is trained"):
        for _ in fit.train():
            pass
    fit.combine()
    assert "rules and embedding" in fit.validation
    assert "with path network" not in fit.validation


def test_an_error_in_a_worker_is_raised():
    def fail() -> None:
        raise ValueError("a mistake")

    with PathNetworkWorker() as worker, ThreadPoolExecutor(1) as pool:
        worker._future, worker._deadline = pool.submit(fail), time.time()
        with pytest.raises(ValueError, match="a mistake"):
            worker.result()


def test_a_known_fact_is_scored_without_its_edge(model):
    fitted, graph = model.model_, model.model_.graph
    head, relation, tail = graph.triples[0].tolist()
    names = fitted.entities[head], fitted.relations[relation], fitted.entities[tail]
    found = explain_fact(fitted, (str(names[0]), str(names[1]), str(names[2])))
    network, edges = fitted.completion.network, EntityEdges(graph)
    asked = PathQuestions(np.array([head]), np.array([relation]), np.array([tail]))
    everything = np.arange(ENTITIES)[None]
    expected = score_candidates(network, edges, asked, everything).detach().numpy()[0]
    own = last_messages(network, edges, head, relation, tail)
    assert own.logit == pytest.approx(expected[tail], rel=1e-4)
    assert found.is_known and found.by_network is not None
    # all entities but the other known answers, and the head, are candidates here
    possible = ~graph.known_answers(asked.heads, relation)[0]
    possible[tail] = True
    possible[head] &= graph.has_self_loops[relation]
    least = expected[possible].min()
    assert found.by_network == pytest.approx(expected[tail] - least, rel=1e-4, abs=1e-5)


def test_a_loaded_network_answers_the_same(model, tmp_path):
    model.save(tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    loaded = TriplePredictor.restore(tmp_path / "model", description)
    questions = [("e1", "r0"), ("?", "r1", "e2")]
    assert loaded.predict(questions).equals(model.predict(questions))
    without = replace(model.model_.completion, network=None)
    frame = model.predict(questions)
    model.update(completion=without)
    try:
        assert not model.predict(questions).equals(frame)
    finally:
        model.update(completion=loaded.model_.completion)


def test_questions_of_several_facts_leave_the_network_out(model):
    fitted, facts = model.model_, [Fact(3, 0, "?x"), Fact("?x", 1, "?")]
    own = fitted.calibration
    found = solve(fitted.completion, own, facts)
    without = replace(fitted.completion, network=None)
    expected = solve(without, own._replace(known=own.without_network), facts)
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_messages_add_up_to_the_score(layers, random_network):
    triples = np.concatenate([random_triples(), [[3, 0, 3], [7, 1, 7]]])
    graph = TripleGraph(np.unique(triples, axis=0), ENTITIES, RELATIONS)
    network, edges = random_network(RELATIONS, layers), EntityEdges(graph)
    scores = PathScorer(network, graph)(np.array([3]), 1)[0]
    for tail in (3, 7, 12):
        found = last_messages(network, edges, 3, 1, tail)
        assert found.logit == pytest.approx(scores[tail], rel=1e-4)
        total = sum(each.share for each in found.messages) + found.from_question
        reached = bool(found.messages) or tail == 3
        assert total == pytest.approx(float(reached), abs=1e-5)
        own = {tuple(row) for row in graph.directed.tolist()}
        assert all((m.source, m.relation, tail) in own for m in found.messages)


def test_the_sum_of_a_score_has_the_network(model):
    fitted = model.model_
    known = {tuple(row) for row in fitted.graph.triples.tolist()}
    tail = next(t for t in range(1, ENTITIES) if (0, 1, t) not in known)
    found = inspect_fact(fitted, ("e0", "r1", str(fitted.entities[tail])), 3)
    text = "\n".join(found.text)
    assert "messages reach" in text and "score of the network" in text
    assert found.data["network_score"] is not None
