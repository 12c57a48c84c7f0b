"""Completion: rules, ranks, scores and questions against what is known by hand."""

import numpy as np
import pytest
import torch

from vicinal.errors import DataError
from vicinal.knowledge.answering import query
from vicinal.knowledge.answering.query import solve
from vicinal.knowledge.answering.questions import Fact, check_query
from vicinal.knowledge.answering.reasons import find_reasons
from vicinal.knowledge.completion.fitting import CompletionFit
from vicinal.knowledge.completion.predictor import TriplePredictor
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.evaluation.ranking import filtered_ranks
from vicinal.knowledge.evaluation.splits import TripleSplit, split_triples
from vicinal.knowledge.models import fact_rules, path_rules
from vicinal.knowledge.models.completion import Completion, RuleModel
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.fact_rules import FactRules
from vicinal.knowledge.triple_graph import TripleGraph

BORN, NATION, CITY = 0, 1, 2


def people() -> list[tuple[str, str, str]]:
    """Return people who are of the nation of the city where they were born."""
    rng, triples = np.random.default_rng(0), []
    cities = [f"city-{k}" for k in range(12)]
    for number, city in enumerate(cities):
        triples.append((city, "lies_in", f"nation-{number % 4}"))
    for k in range(120):
        city = int(rng.integers(12))
        triples.append((f"person-{k}", "born_in", cities[city]))
        triples.append((f"person-{k}", "nation", f"nation-{city % 4}"))
    return triples


@pytest.fixture(scope="module")
def model() -> TriplePredictor:
    return TriplePredictor(minutes=0.02, random_state=0).fit(people())


def small_graph() -> TripleGraph:
    """Three people born in 3, of whom two have the nation 4; one born in 5."""
    triples = [(0, BORN, 3), (1, BORN, 3), (2, BORN, 3), (0, NATION, 4), (1, NATION, 4)]
    triples += [(3, CITY, 4), (6, BORN, 5)]
    return TripleGraph(np.array(triples), 7, 3)


def test_confidence_of_a_fact_is_counted_by_hand():
    graph = small_graph()
    rules = FactRules(graph)
    own = rules.scores(graph.facts[[2]], NATION).toarray()[0]
    assert own[4] == pytest.approx(2 / (3 + 5))  # 2 of 3 born there, and PRIOR
    assert np.count_nonzero(own) == 1


def test_a_path_is_found_with_its_counts():
    rules = RuleModel.mine(small_graph(), 0)
    (rule,) = [r for r in rules.paths.of_relation(NATION) if r.path == (BORN, CITY)]
    assert (rule.shared, rule.reached) == (2, 2)  # only heads that have an answer
    heads = rules.heads(np.array([2]))
    none, reasons = find_reasons(rules, heads, NATION, [5, 4])
    assert not none
    assert find_reasons(rules, heads, NATION, []) == []
    assert {reason.kind for reason in reasons} == {"fact", "path", "similar entity"}
    fact = next(reason for reason in reasons if reason.kind == "fact")
    assert (fact.shared, fact.total, fact.edges) == (2, 3, ((BORN, 3),))


def test_paths_are_followed_in_blocks(monkeypatch):
    rules = RuleModel.mine(small_graph(), 0)
    heads, nothing = rules.heads(np.arange(7)), np.zeros((7, 7), np.float32)
    scores = [rules.paths.add_scores(nothing, heads.starts, k) for k in range(6)]
    leads = rules.paths.lead_to(rules.heads(np.array([2])).starts, NATION, [4, 5])
    assert any(own.any() for own in scores) and leads[:, 0].any()
    monkeypatch.setattr(path_rules, "MAX_SCORES", 7)  # one row of all entities
    for relation, own in enumerate(scores):
        found = rules.paths.add_scores(nothing, heads.starts, relation)
        np.testing.assert_array_equal(found, own)
    starts = rules.heads(np.array([2])).starts
    np.testing.assert_array_equal(rules.paths.lead_to(starts, NATION, [4, 5]), leads)


def test_new_entities_are_answered_as_if_the_graph_had_them():
    graph = small_graph()
    rules = RuleModel.mine(graph, 0)
    new = rules.new_heads(np.array([0]), np.array([[BORN, 3]]), 1)
    old = rules.heads(np.array([2]))._replace(numbers=None)
    old = old._replace(similarities=rules.similar.similarities(old.facts))
    np.testing.assert_allclose(rules.score(new, NATION), rules.score(old, NATION))


def test_ranks_are_filtered_and_realistic():
    graph = TripleGraph(np.array([[0, 0, 1], [0, 0, 2], [0, 0, 3]]), 5, 1)
    scores = np.array([[0.1, 0.9, 0.5, 0.5, 0.5]])

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        return {"own": np.repeat(scores, len(heads), axis=0)}

    ranks = filtered_ranks(score, np.array([[0, 0, 2]]), graph)["own"]
    # of the tails 1 and 3 are known and left out; 4 has the same score
    assert ranks[0, 0] == 1.5
    assert ranks[1, 0] == 5  # all others are above head 0
    with pytest.raises(ValueError, match="NaN"):
        filtered_ranks(
            lambda heads, relation: {"own": np.full((len(heads), 5), np.nan)},
            np.array([[0, 0, 2]]),
            graph,
        )


def test_scores_are_those_of_complex_numbers():
    model = ComplEx(6, 2, 4)
    model.reset_parameters(1.0, torch.Generator().manual_seed(0))
    entities, relations = (
        torch.complex(*values.detach().chunk(2, dim=1)).numpy()
        for values in (model.entities, model.relations)
    )
    expected = np.real((entities[[2]] * relations[[1]]) @ entities.conj().T)
    found = model(torch.tensor([2]), torch.tensor([1])).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_nation_follows_from_the_city(model):
    score = model.evaluate()
    assert score.score.value > score.baselines["popularity"].value + 0.1
    people = [name for name in model.model_.entities if name.startswith("person")]
    frame = model.predict([(name, "nation") for name in people[:20]], top=1)
    city = model.predict([(name, "born_in") for name in people[:20]], top=1)
    nations = frame["predicted"].str.removeprefix("nation-").astype(int)
    cities = city["predicted"].str.removeprefix("city-").astype(int)
    assert (nations == cities % 4).mean() > 0.9
    assert frame["probability"].between(0, 1).all()
    assert frame["evidence"].str.len().min() > 0


def test_questions_of_two_facts_are_the_best_product(model):
    fitted, names = model.model_, model.model_.names
    born, lies = names.relation("born_in"), names.relation("lies_in")
    person = names.entity("person-3")
    facts = [Fact(person, born, "?x"), Fact("?x", lies, "?")]
    found = solve(fitted.completion, fitted.calibration, facts)
    best = int(found.values.argmax())
    frame = model.ask(["person-3", "born_in", "?"], top=1)
    city = int(frame["predicted"][0].removeprefix("city-"))
    assert str(fitted.entities[best]) == f"nation-{city % 4}"
    assert found.is_known[best] and found.values[best] == 1
    shown = model.ask(["Person-3", "born in", "?x", "and", "?x", "lies_in", "?"], 3)
    assert shown["predicted"][0] == f"nation-{city % 4}"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([Fact(0, 0, "?x")], "asks for one entity"),
        ([Fact("?", 0, "?x"), Fact("?x", 0, 1), Fact("?", 1, "?x")], "circle"),
        ([Fact("?", 0, 1), Fact("?x", 0, 2)], "connected"),
        ([Fact("?", 0, "?x")], "could be anything"),
    ],
)
def test_what_is_no_tree_is_refused(facts, message):
    with pytest.raises(DataError, match=message):
        check_query(facts)


def test_unknown_names_are_answered_with_similar_ones(model):
    with pytest.raises(DataError, match="Did you mean 'person-3'"):
        model.ask(["persn-3", "born_in", "?"])
    with pytest.raises(DataError, match="Did you mean 'born_in'"):
        model.ask(["person-3", "bornin", "?"])


def test_a_loaded_model_answers_the_same(model, tmp_path):
    import json

    model.save(tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    loaded = TriplePredictor.restore(tmp_path / "model", description)
    questions = [("person-1", "nation"), ("?", "lies_in", "nation-0")]
    assert loaded.predict(questions).equals(model.predict(questions))
    assert loaded.evaluate().score == model.evaluate().score


def test_too_few_triples_are_refused():
    with pytest.raises(DataError, match="at least 100"):
        TriplePredictor().fit([("a", "r", "b"), ("b", "r", "c")])


def test_no_tested_triple_was_trained_on(model):
    table = model.model_.table
    split = model.split(table)
    train, test = ({tuple(row) for row in part.tolist()} for part in split[::2])
    tested = {tuple(row) for row in model.model_.scores.tested.tolist()}
    assert tested and tested <= test
    assert not tested & train and not test & train
    everything = sorted(map(tuple, table.triples.tolist()))
    assert sorted(map(tuple, np.concatenate(split).tolist())) == everything


def test_facts_that_follow_from_nothing_are_not_predicted():
    rng = np.random.default_rng(1)
    codes = rng.permutation(60 * 60)[:600]
    triples = [(f"a-{k // 60}", "likes", f"b-{k % 60}") for k in codes.tolist()]
    model = TriplePredictor(minutes=0.01, held_out=0.2).fit(triples)
    chance = np.mean(1 / np.arange(1, 51))  # about 50 of 60 are not known
    assert model.evaluate().score.value < 1.6 * chance


def test_known_answers_of_two_steps_are_found_beyond_the_beam():
    count = 3 * query.BEAM
    middles = 1 + np.arange(count)
    own = np.stack([np.zeros(count, int), np.zeros(count, int), middles], axis=1)
    others = np.stack([middles, np.ones(count, int), middles + count], axis=1)
    graph = TripleGraph(np.concatenate([own, others]), 2 * count + 1, 2)
    completion = Completion(RuleModel.mine(graph, 0))
    facts = [Fact(0, 0, "?x"), Fact("?x", 1, "?")]
    found = solve(completion, Calibrations(), facts)
    np.testing.assert_array_equal(np.flatnonzero(found.is_known), middles + count)
    assert (found.values[middles + count] == 1).all()
    np.testing.assert_array_equal(found.choices["?x"][middles + count], middles)


def test_pairs_of_facts_are_counted_in_blocks(monkeypatch):
    whole = FactRules(small_graph()).rules(NATION).shared.toarray()
    assert whole.max() == 2
    monkeypatch.setattr(fact_rules, "PAIRS_AT_ONCE", 1)
    np.testing.assert_array_equal(
        FactRules(small_graph()).rules(NATION).shared.toarray(), whole
    )


def test_entities_with_most_facts_are_not_counted_in_large_graphs(monkeypatch):
    monkeypatch.setattr(fact_rules, "MAX_PAIRS", 5)
    rules = FactRules(small_graph())  # of 1, 1, 1, 2, 2, 3 and 4 facts
    assert rules._is_counted.sum() == 3
    assert rules.rules(NATION).shared.nnz == 0


def test_triples_in_two_parts_of_a_split_do_not_raise_ranks():
    triples = np.array([[k, 0, 10 + k % 5] for k in range(10)])
    split = TripleSplit(triples, triples[:4], triples[:4])
    fit = CompletionFit(split, 15, 1, CompletionSettings(minutes=0), 0)
    fit.mine()
    _, scores = fit.score()
    assert min(ranks.min() for ranks in scores.ranks.values()) >= 1


def test_a_graph_of_which_nothing_can_be_held_out_is_refused():
    star = [("hub", "r", f"x{k}") for k in range(200)]
    with pytest.raises(DataError, match="can be held out"):
        TriplePredictor(minutes=0).fit(star)


def test_an_entity_is_its_own_answer_only_where_there_are_self_loops():
    loops = TripleGraph(np.array([[0, 0, 1], [1, 0, 2], [2, 1, 2], [0, 1, 1]]), 3, 2)
    completion = Completion(RuleModel.mine(loops, 0))
    for relation, is_possible in ((0, False), (1, True), (2, False), (3, True)):
        heads = completion.rules.heads(np.arange(3))
        own = np.diag(completion.scores(heads, relation).total)
        assert np.isfinite(own).all() == is_possible
        assert np.isinf(own).all() != is_possible


def test_triples_of_two_entities_are_held_out_together():
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(30, size=(200, 2)), axis=0)
    forward = np.insert(pairs, 1, 0, axis=1)
    backward = np.insert(pairs[:, ::-1], 1, 1, axis=1)
    split = split_triples(np.concatenate([forward, backward]), None, None, 0.2, 0)
    parts = [{frozenset((h, t)) for h, _, t in part.tolist()} for part in split]
    assert all(len(part) > 5 for part in parts)
    assert not parts[0] & parts[1] and not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert {*split.train[:, [0, 2]].ravel().tolist()} == {*pairs.ravel().tolist()}
