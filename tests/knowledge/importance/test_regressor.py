"""ImportanceRegressor on a generated graph of films, whose causes are known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NotFittedError, QuarantineWarning, SettingError
from vicinal.knowledge.importance.explain.explanation import explain_rows
from vicinal.knowledge.importance.explain.inspection import inspect_attention
from vicinal.knowledge.importance.features.graph_features import GraphFeatures
from vicinal.knowledge.importance.fitted_model import FittedImportance
from vicinal.knowledge.importance.fitting import (
    BASELINES,
    BLEND,
    NETWORK,
    choose_scale,
    cross_validate,
    split_folds,
)
from vicinal.knowledge.importance.regressor import ImportanceRegressor
from vicinal.knowledge.importance.results import result_rows


def scores_by_model(model: ImportanceRegressor) -> dict[str, dict[str, float]]:
    return {row["model"]: row for row in result_rows(model.model_.validation)}


def test_it_beats_the_baselines(regressor):
    rows = scores_by_model(regressor)
    ours = rows[BLEND]["spearman"]
    assert ours > 0.75
    assert all(ours > rows[name]["spearman"] + 0.05 for name in BASELINES[:3])
    assert NETWORK in rows and rows["degree"]["rmse"] is None
    evaluation = regressor.evaluate()
    assert evaluation.score.metric == "spearman"
    assert evaluation.score.value == pytest.approx(ours)
    assert set(evaluation.baselines) == {*BASELINES, "ridge"}
    assert len(evaluation.predictions) == 160


def test_the_scale_is_decided_by_the_skew(regressor):
    assert regressor.model_.scale.is_log and "skewed" in regressor.model_.scale.note
    even = np.arange(100.0)
    assert choose_scale(even, "auto", "x") == (False, "")
    assert choose_scale(-np.exp(even / 10), "auto", "x") == (False, "")
    assert choose_scale(even, "log", "x").is_log


def test_entities_without_a_target_are_predicted(regressor, films):
    frame = regressor.predict()
    films_only = frame[frame["entity"].str.startswith("film")]
    assert len(films_only) == 20 and frame["label"].isna().all()
    assert (np.diff(frame["predicted"]) <= 0).all()
    named = regressor.predict(["film-000", "Film 001"])
    assert set(named["entity"]) == {"film-000", "film-001"}
    assert not named["label"].isna().any()
    assert len(regressor.predict(top=3)) == 3


def facts_of_film(films, name: str) -> list[tuple[str, str, str]]:
    rows = films[0][films[0]["head"] == name]
    return [(r, "out", t) for r, t in zip(rows["relation"], rows["tail"], strict=True)]


def test_a_new_entity_is_predicted_by_its_facts(regressor, films):
    """The prediction is that of a feature row that is computed by hand."""
    model = regressor.model_
    facts = facts_of_film(films, "film-170")
    found = regressor.predict_new({"remake": [*facts, facts[0]]})
    rows = model.features.new_rows([regressor.new_facts("remake", facts)])
    stack = model.stack
    relations = {name: k for k, name in enumerate(model.relations)}
    counts = dict.fromkeys(relations, 0)
    for relation, _, _ in facts:
        counts[relation] += 1
    columns = model.features.relations
    start = model.features.groups["relations"].start
    for relation, count in counts.items():
        column = np.flatnonzero(columns == relations[relation])[0]
        value = rows.dense[0, start + column]
        assert value == pytest.approx(np.log1p(count), abs=1e-6)
    entities = {name: k for k, name in enumerate(model.entities)}
    has = np.zeros(len(model.features.shared), np.float32)
    for column, (relation, other) in enumerate(
        model.features.graph.fact_ends[model.features.shared]
    ):
        for name, _, tail in facts:
            if relations[name] == relation and entities[tail] == other:
                has[column] = model.features.fact_weights[column]
    has /= np.linalg.norm(has)
    np.testing.assert_allclose(rows.facts.toarray()[0], has, atol=1e-6)
    dense = np.concatenate([rows.dense, stack.shared.columns(rows)], axis=1)
    ridge = stack.ridge.terms(dense).sum(axis=1) + has @ stack.ridge.fact_weights
    blend = stack.predict_dense(model.features, dense, ridge + stack.ridge.bias).blend
    expected = np.expm1(blend[0])
    assert found["predicted"][0] == pytest.approx(expected, rel=1e-4)
    # the film itself, which has the same facts, differs by PageRank alone
    known = regressor.predict(["film-170"])["predicted"][0]
    assert np.log(found["predicted"][0]) == pytest.approx(np.log(known), abs=0.5)


def test_facts_of_new_entities_are_checked(regressor):
    with pytest.raises(DataError, match="no relation 'star'"):
        regressor.predict_new({"x": [("star", "out", "person-001")]})
    with pytest.raises(DataError, match="direction must be 'out' or 'in'"):
        regressor.predict_new({"x": [("stars", "tail", "person-001")]})
    with pytest.raises(DataError, match="no entity 'person-1'"):
        regressor.predict_new({"x": [("stars", "out", "person-1")]})
    with pytest.raises(DataError, match="x has no facts"):
        regressor.predict_new({"x": []})
    with pytest.raises(DataError, match="no new entity"):
        regressor.predict_new({})
    with pytest.raises(DataError, match="no entity 'film-999'"):
        regressor.predict(["film-999"])
    with pytest.raises(SettingError, match="top must be 1 or more"):
        regressor.predict(top=0)
    with pytest.raises(SettingError, match="list of names"):
        regressor.predict("film-001")


@pytest.mark.parametrize("entity", ["film-003", "film-175", "person-005"])
def test_an_explanation_adds_up(regressor, entity):
    model = regressor.model_
    row = regressor.find_entities([entity])
    found = explain_rows(model, model.features.rows.take(row), int(row[0]))
    total = found.base + sum(found.groups.values())
    assert total == pytest.approx(found.prediction, abs=1e-4)
    parts = [found.ridge_bias, *found.ridge_terms.values()]
    parts += found.relation_terms.values()
    assert sum(parts) == pytest.approx(found.ridge, abs=1e-4)
    dense = model.stack.dense(model.features.rows.take(row), row)
    terms = model.stack.ridge.terms(dense)[0, -8:]
    means = model.stack.ridge
    constant = means.weights / means.scale * means.mean
    of_sharers = sum((terms + constant[-8:])[[0, 2, 4]])
    contributions = sum(each.contribution for each in found.sharers)
    assert contributions == pytest.approx(of_sharers, abs=1e-4)
    assert int(row[0]) not in {each.entity for each in found.sharers}
    facts = model.features.graph.facts
    for each in found.sharers[:5]:
        shared = facts[[each.entity]].multiply(facts[row])
        assert sorted(shared.indices) == sorted(each.facts)


def test_a_new_entity_is_explained(regressor, films):
    model = regressor.model_
    facts = regressor.new_facts("remake", facts_of_film(films, "film-001"))
    found = explain_rows(model, model.new_rows([facts]), None)
    total = found.base + sum(found.groups.values())
    assert total == pytest.approx(found.prediction, abs=1e-4)
    names = {str(model.entities[each.entity]) for each in found.sharers}
    assert "film-001" in names


def test_the_attention_of_the_network_is_shown(regressor):
    found = inspect_attention(regressor.model_, 3)
    names = [row["predicate"] for row in found.data["predicates"]]
    assert len(names) == 2 * 4 + 1 and "itself" in names
    with pytest.raises(DataError, match="no network was trained"):
        inspect_attention(replace(regressor.model_, attention=None), 3)


def restored(model: ImportanceRegressor, directory) -> ImportanceRegressor:
    model.save(directory)
    description = json.loads((directory / "model.json").read_text())
    return ImportanceRegressor.restore(directory, description)


def test_a_loaded_model_predicts_and_explains_the_same(regressor, films, tmp_path):
    loaded = restored(regressor, tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), regressor.predict())
    facts = {"remake": facts_of_film(films, "film-010")}
    pd.testing.assert_frame_equal(
        loaded.predict_new(facts), regressor.predict_new(facts)
    )
    one, other = (json.dumps(m.evaluate().to_dict()) for m in (loaded, regressor))
    assert one == other


def test_a_network_that_predicts_is_saved(films, tmp_path, regressor):
    from vicinal.knowledge.importance.models.score_network import (
        NetworkConfig,
        ScoreNetwork,
    )

    model = regressor.model_
    config = NetworkConfig(
        model.features.rows.dense.shape[1], model.features.graph.num_directed + 1
    )
    network = ScoreNetwork(config).eval()
    other = ImportanceRegressor(**regressor.get_params())
    other.settings_ = other.validate_settings()
    other.model_ = replace(model, network=network)
    loaded = restored(other, tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), other.predict())
    assert loaded.evaluate().score.value != regressor.evaluate().score.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tree_left", -1),
        ("tree_feature", 10_000),
        ("triples", 100_000),
        ("ridge_scale", 0),
        ("labelled", 0),
        ("validation_fold", 7),
    ],
)
def test_damaged_files_are_refused(regressor, name, value):
    description, tensors = regressor.model_.to_files()
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[-1] = value
    with pytest.raises(ValueError, match=name):
        FittedImportance.from_files(description, tensors)
    tensors.pop(name)
    with pytest.raises(ValueError, match=name):
        FittedImportance.from_files(description, tensors)


def test_y_may_be_a_mapping(films, few_trees):
    triples, nodes = films
    y = pd.Series(nodes["views"].to_numpy()[:40], index=nodes["id"][:40])
    model = ImportanceRegressor(minutes=0, folds=2).fit(triples, y)
    assert len(model.model_.validation.labels) == 40
    assert model.model_.attention is None and model.comparison_text == ""
    with pytest.raises(DataError, match="1 name of y in no triple"):
        ImportanceRegressor(minutes=0).fit(triples, {"nobody": 1.0})
    with pytest.raises(DataError, match="y must hold numbers"):
        ImportanceRegressor(minutes=0).fit(triples, {"film-001": "many"})
    with pytest.raises(SettingError, match="y must be a mapping"):
        ImportanceRegressor(minutes=0).fit(triples, [1.0, 2.0])
    twice = pd.Series([1.0, 2.0], index=["film-001", "film-001"])
    with pytest.raises(DataError, match="1 name of y repeated"):
        ImportanceRegressor(minutes=0).fit(triples, twice)


def test_what_y_and_nodes_do_not_use_is_named(films):
    triples, nodes = films
    nodes = nodes.assign(year=2000.0, type="film")
    estimator = ImportanceRegressor(minutes=0)
    y = {"film-001": 2.0, "film-002": float("nan"), "film-003": None}
    table = estimator.read(triples, y, nodes=nodes)
    assert np.isnan(table.target).sum() == len(table.entities) - 1
    notes = "; ".join(table.notes)
    assert "columns of the nodes not used" in notes and "types of the nodes" in notes
    with pytest.raises(SettingError, match="X has a target already"):
        estimator.read(table, y)
    with pytest.raises(SettingError, match="nodes must be None"):
        estimator.read(table.triples, y, nodes=nodes)


def test_predictions_do_not_depend_on_the_labels_of_their_fold(films, few_trees):
    triples, nodes = films
    table = ImportanceRegressor(target="views").read(triples, nodes=nodes.head(60))
    labels = np.log1p(table.target[table.labelled])
    parts = split_folds(table.labelled, labels, 2, 0)
    changed = labels.copy()
    changed[parts.folds[0]] = changed[parts.folds[0]][::-1] + 5
    features, others = GraphFeatures(table.graph), []
    for y in (labels, changed):
        found, _ = cross_validate(features, split_folds(table.labelled, y, 2, 0), 0)
        others.append(found.predictions)
    for name, values in others[0].items():
        own, test = others[1][name], parts.folds[0]
        np.testing.assert_array_equal(own[test], values[test], err_msg=name)
    assert (others[0][BLEND] != others[1][BLEND]).any()


def test_what_cannot_be_learned_is_an_error(films):
    triples, nodes = films
    small = ImportanceRegressor(target="views", minutes=0)
    with pytest.raises(DataError, match="At least 20 are needed"):
        small.fit(triples, nodes=nodes.head(10))
    with pytest.raises(DataError, match="to test on in 10 folds"):
        ImportanceRegressor(target="views", folds=10).fit(triples, nodes=nodes.head(39))
    with pytest.raises(DataError, match="nothing to learn"):
        small.fit(triples, nodes=nodes.assign(views=5))
    with pytest.raises(DataError, match="no column 'visits'"):
        ImportanceRegressor(target="visits").fit(triples, nodes=nodes)
    with pytest.raises(DataError, match="There is no target"):
        ImportanceRegressor().fit(triples)
    with pytest.raises(DataError, match="Choose one with --target"):
        ImportanceRegressor().fit(triples, nodes=nodes.assign(other=1.0))
    with pytest.raises(DataError, match="have no logarithm"):
        ImportanceRegressor(target="views", target_scale="log").fit(
            triples, nodes=nodes.assign(views=nodes["views"] - 1000)
        )
    with pytest.raises(SettingError, match="folds must be"):
        ImportanceRegressor(folds=1).fit(triples, nodes=nodes)
    with pytest.raises(NotFittedError):
        ImportanceRegressor().predict()


def test_a_cell_that_is_no_number_is_quarantined(films, few_trees):
    triples, nodes = films
    cells = nodes["views"].astype(str).to_list()
    cells[3] = "unknown?"
    nodes = nodes.assign(views=cells).head(60)
    with pytest.warns(QuarantineWarning, match="1 row quarantined"):
        model = ImportanceRegressor(target="views", minutes=0, folds=2).fit(
            triples, nodes=nodes
        )
    assert [row.name for row in model.quarantine_] == ["film-003"]
    assert len(model.model_.validation.labels) == 59
