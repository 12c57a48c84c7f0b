"""Recommender and its commands on a generated table, whose tastes are known."""

import json

import numpy as np
import pandas as pd
import pytest

from vicinal.core.domain import OpenRun
from vicinal.core.report.console import Console
from vicinal.errors import DataError, ModelFileError, SettingError
from vicinal.knowledge.recommendation import commands
from vicinal.knowledge.recommendation.demo import make_tastes
from vicinal.knowledge.recommendation.domain import (
    RECOMMENDATION,
    ExplainRecommendation,
    InspectItem,
    PredictRecommendation,
    RecommendationData,
)
from vicinal.knowledge.recommendation.fitting import KNOWN, NEW
from vicinal.knowledge.recommendation.recommender import Recommender
from vicinal.knowledge.recommendation.report import example_blocks, result_blocks
from vicinal.knowledge.recommendation.results import result_rows, results_of
from vicinal.knowledge.recommendation.search import FACTS, POPULARITY

COLUMNS = ["user", "rank", "item", "score", "reasons"]


def style(item: str) -> str:
    return item.split("-")[1]


def restored(model: Recommender, path) -> Recommender:
    model.save(path)
    description = json.loads((path / "model.json").read_text())
    return Recommender.restore(path, description)


def test_tastes_are_learned(recommender):
    known = results_of(recommender.model_, KNOWN)
    recall = {name: r.scores.recall.mean() for name, r in known.items()}
    chosen = recommender.model_.chosen
    assert recall[chosen] > 1.5 * recall[POPULARITY]
    new = results_of(recommender.model_, NEW)
    assert new[chosen].scores.recall.mean() > 1.5 * new[POPULARITY].scores.recall.mean()
    evaluation = recommender.evaluate()
    assert evaluation.beats_baselines and "n = 300" in str(evaluation)
    assert evaluation.score.value == pytest.approx(recall[chosen])


def test_recommendations_are_new_items_of_the_users_styles(recommender, tastes):
    frame = recommender.recommend(["user-000", "user-001"], top=5)
    assert frame.columns.tolist() == COLUMNS and len(frame) == 10
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    for name, own in frame.groupby("user"):
        row = recommender.user_row(str(name))
        items = set(tastes.items[tastes.weights[[row]].indices])
        assert not items & {*own["item"]}
        assert (np.diff(own["score"]) <= 0).all()
        styles = pd.Series([style(k) for k in items]).value_counts().index[:3]
        assert np.mean([style(k) in styles for k in own["item"]]) >= 0.8
    known = recommender.recommend("user-000", top=200, exclude_known=False)
    assert len(known) == 200
    assert len(recommender.recommend("user-000", top=500)) == 180


def test_a_new_user_needs_no_fit(recommender, tastes):
    items = [k for k in tastes.items if style(k) == "3"][:4]
    frame = recommender.recommend_new([items, dict.fromkeys(items[:2], 2.0)], top=5)
    assert frame["user"].unique().tolist() == ["new user 1", "new user 2"]
    assert np.mean([style(k) == "3" for k in frame["item"][:5]]) >= 0.8
    assert not {*items} & {*frame["item"][:5]}


@pytest.mark.parametrize("asked", ["user-007", ["style-3-item-056"]])
def test_the_parts_of_an_explanation_add_up(recommender, tastes, asked):
    if isinstance(asked, list):
        asked = [str(tastes.items[5]), str(tastes.items[9])]
    found = recommender.explain(asked, tastes.items[0])
    total = found.base + sum(value for _, value in found.parts)
    assert total == pytest.approx(found.score, abs=1e-3)
    assert [v for _, v in found.parts] == sorted((v for _, v in found.parts))[::-1]
    facts = [names for _, names in found.shared_facts]
    own = {style(name) for names in facts for name in names}
    assert own <= {style(str(tastes.items[0]))}


def test_ranks_and_scores_are_those_of_the_list(recommender):
    frame = recommender.recommend("user-003", top=3)
    for row in frame.to_dict("records"):
        found = recommender.explain("user-003", row["item"])
        assert found.rank == row["rank"]
        assert found.score == pytest.approx(row["score"], abs=1e-4)


def test_saved_models_recommend_the_same(recommender, tmp_path):
    loaded = restored(recommender, tmp_path / "model")
    users = ["user-000", "user-010"]
    pd.testing.assert_frame_equal(loaded.recommend(users), recommender.recommend(users))
    assert loaded.evaluate().to_dict() == recommender.evaluate().to_dict()
    assert result_rows(loaded.model_) == result_rows(recommender.model_)
    item = str(recommender.model_.items[0])
    assert loaded.similar_items(item) == recommender.similar_items(item)
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    description["components"][0]["kind"] = "oracle"
    with pytest.raises(ModelFileError, match="one of popularity"):
        Recommender.restore(tmp_path / "model", description)


def test_every_kind_of_model_is_saved(tmp_path, recommender):
    from vicinal.knowledge.recommendation.models.ease import Ease, ItemsSide, RowsSide
    from vicinal.knowledge.recommendation.models.graph_filter import GraphFilter
    from vicinal.knowledge.recommendation.models.item_knn import ItemKNN
    from vicinal.knowledge.recommendation.models.item_model import Blend, Popularity
    from vicinal.knowledge.recommendation.models.lightgcn import (
        Training,
        train_lightgcn,
    )

    table = recommender.weights_
    models = [
        Popularity.fit(table),
        ItemKNN.fit(table),
        GraphFilter.fit(table),
        train_lightgcn(table, Training(1))[0],
        Ease.fit(table, side=ItemsSide),
        Ease.fit(table, side=RowsSide),
    ]
    every = Recommender()
    every.model_ = recommender.model_
    every.update(scorer=Blend(models, [0.1, 1, 2, 3, 4, 5]))
    loaded = restored(every, tmp_path / "model")
    frames = [m.recommend("user-005") for m in (every, loaded)]
    pd.testing.assert_frame_equal(*frames)


def test_new_items_are_found_by_facts_alone(recommender, tastes):
    by_facts = results_of(recommender.model_, KNOWN)[FACTS].scores
    assert by_facts.recall.mean() > 0.2 and by_facts.coverage > 0.5


def test_names_that_are_not_in_the_table(recommender):
    with pytest.raises(DataError, match=r"no user 'user-999'\. Did you mean"):
        recommender.recommend("user-999")
    with pytest.raises(DataError, match="no item 'nothing'"):
        recommender.recommend_new([["nothing"]])
    with pytest.raises(DataError, match="one item or more"):
        recommender.recommend_new([[]])
    with pytest.raises(SettingError, match="list of lists"):
        recommender.recommend_new(["style-3-item-056"])
    with pytest.raises(SettingError, match="top must be"):
        recommender.recommend("user-000", top=0)
    assert recommender.user_row("USER-004") == 4


def test_settings_and_small_tables_are_checked():
    frame = pd.DataFrame({"user": list("aab"), "item": list("xyx")})
    with pytest.raises(DataError, match="10 users with 5 items or more"):
        Recommender().fit(frame)
    with pytest.raises(DataError, match="needs a column of times"):
        Recommender(split="time").fit(make_tastes())
    bad = {"held_out": 0.9, "new_users": -1, "epochs": 1.5, "minutes": 0}
    for name, value in bad.items():
        with pytest.raises(SettingError, match=name):
            Recommender().set_params(**{name: value}).fit(frame)


def test_the_last_items_are_held_out_where_there_are_times(tastes):
    entries = tastes.weights.tocoo()
    times = np.random.default_rng(0).random(tastes.weights.nnz)
    frame = pd.DataFrame(
        {"user": entries.row, "item": entries.col, "weight": 1 + times, "time": times}
    )
    model = Recommender(epochs=0).fit(frame)
    last = frame.sort_values("time").groupby("user")["item"].last()
    tested = model.evaluate().predictions
    assert len(tested) == len(last)
    expected = {str(user): str(item) for user, item in last.items()}
    assert dict(zip(tested["user"], tested["item"], strict=True)) == expected
    assert "time split is by user" in model.evaluate().notes[0]


# --- commands ------------------------------------------------------------------------


def test_commands(recommender, tmp_path):
    run, console = OpenRun("run", recommender), Console(json=True)
    found = commands.predict(run, PredictRecommendation(["user-000"], top=3), console)
    reasons = found.frame["reasons"].tolist()
    assert len(reasons) == 3
    assert all(map(str.endswith, found.lines(), reasons))
    items = "|".join(recommender.items_[:3])
    found = commands.predict(run, PredictRecommendation(items_of=items, top=2), console)
    assert found.frame["user"].tolist() == ["new user"] * 2
    path = tmp_path / "users.txt"
    path.write_text("user\nuser-000\nuser-001\nnobody\n")
    found = commands.predict(run, PredictRecommendation([str(path)]), console)
    assert len(found.frame) == 20 and len(found.quarantined) == 1
    with pytest.raises(SettingError, match="not both"):
        commands.predict(run, PredictRecommendation(["a"], items_of="b"), console)
    item = str(recommender.items_[0])
    explained = commands.explain(run, ExplainRecommendation("user-000", item), console)
    assert explained.text[0].startswith(f"{item} for user-000: score")
    inspected = commands.inspect(run, InspectItem(item, top=4), console)
    assert len(inspected.data["similar"]) == 4 and "style = " in inspected.text[-1]
    json.dumps([explained.data, inspected.data])


def test_check_and_read(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("user,item,plays\na,x,1\nb,x,2\nb,,2\n")
    arguments = RECOMMENDATION.commands["check"].arguments()
    found = commands.check(str(path), arguments, Console(json=True))
    assert found.usable == 2 and len(found.quarantined) == 1
    assert found.lines[0].startswith("2 users and 1 item, 2 choices")
    table, task = commands.read(str(path), RecommendationData(), {"min_rating": None})
    assert task == "recommendation" and len(table.users) == 2


def test_report_shows_every_model(recommender):
    blocks = [*result_blocks(recommender.model_), *example_blocks(recommender.model_)]
    table = blocks[0]
    names = [str(row[0]) for row in table.rows]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(names) == len(recommender.choices_)
    assert sum(name.endswith("(this model)") for name in names) == 1
