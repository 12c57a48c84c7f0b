"""Evaluations: the judgement against scikit-learn's, the comparisons by hand."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, recall_score

from vicinal.core.evaluation import Evaluation, judge
from vicinal.core.metrics import Score
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel

NAMES = ("ant", "bee", "cow", "dog")
CLASSES = SingleLabel(NAMES)
Y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
DECIDED = np.array([0, 1, 1, 1, 1, 2, 2, 2, 0, 1])


def judged() -> Evaluation:
    frame = pd.DataFrame({"path": [str(k) for k in range(10)]})
    predicted = np.eye(4)[DECIDED]
    return judge(CLASSES, Y, predicted, frame, 2, "most frequent class", ["a note"])


def evaluation(score: Score, **baselines: Score) -> Evaluation:
    return Evaluation(score, [], baselines, pd.DataFrame())


def test_a_classifier_is_judged():
    result = judged()
    assert result.score[:2] == ("accuracy", 0.6)
    assert result.baselines["most frequent class"].value == 0.5
    assert result.confusion is not None
    assert result.confusion.tolist() == [
        [1, 2, 0, 0],
        [0, 2, 0, 0],
        [1, 1, 3, 0],
        [0, 0, 0, 0],
    ]


def test_class_scores_equal_scikit_learn():
    rows: list[dict[str, Any]] = judged().class_scores()
    how: Any = {"labels": range(4), "average": None, "zero_division": np.nan}
    recall: Any = recall_score(Y, DECIDED, **how)
    precision: Any = precision_score(Y, DECIDED, **how)
    assert [row["class"] for row in rows] == list(NAMES)
    assert [row["n"] for row in rows] == [3, 2, 5, 0]
    assert [row["recall"] for row in rows[:3]] == pytest.approx(recall[:3])
    assert [row["precision"] for row in rows[:3]] == pytest.approx(precision[:3])
    assert rows[3]["recall"] is None and rows[3]["precision"] is None


def test_confused_pairs_are_the_most_frequent_errors():
    result = judged()
    pairs = [("ant", "bee", 2), ("cow", "ant", 1), ("cow", "bee", 1)]
    assert result.confused_pairs() == pairs
    assert result.confused_pairs(most=1) == pairs[:1]
    assert evaluation(result.score).confused_pairs() == []


def test_several_labels_and_numbers_are_judged_too():
    tags = MultiLabel(("a", "b"))
    marks = np.array([[1, 0], [1, 1]])
    result = judge(tags, marks, marks * 0.9, pd.DataFrame(), np.array([1, 0]), "one")
    assert result.score[:2] == ("f1_micro", 1)
    assert result.baselines["one"].value == pytest.approx(0.8)
    assert result.confusion is None and result.class_scores() == []

    y = np.array([1.0, 2.0, 6.0])
    result = judge(Numeric(), y, y + 1, pd.DataFrame(), 2.0, "median")
    assert result.score[:2] == ("mae", 1)
    assert result.baselines["median"].value == pytest.approx(5 / 3)
    assert {s.metric for s in result.scores} == {"rmse", "r2"}


@pytest.mark.parametrize(
    ("metric", "interval", "baselines", "beaten"),
    [
        ("accuracy", (0.6, 0.9), [0.5], True),
        ("accuracy", (0.6, 0.9), [0.5, 0.7], False),
        ("accuracy", (0.6, 0.9), [0.6], False),
        ("mae", (1.0, 2.0), [2.5], True),
        ("mae", (1.0, 2.0), [1.5], False),
        ("mae", (1.0, 2.0), [0.5], False),
    ],
)
def test_a_baseline_is_beaten_by_the_whole_interval(
    metric, interval, baselines, beaten
):
    score = Score(metric, sum(interval) / 2, interval[0], interval[1], 10)
    others = {f"b{v}": Score(metric, v, v - 1, v + 1, 10) for v in baselines}
    assert evaluation(score, **others).beats_baselines is beaten


def test_an_evaluation_as_json():
    told = json.loads(json.dumps(judged().to_dict()))
    assert told["score"]["value"] == 0.6 and told["score"]["n"] == 10
    assert set(told["baselines"]) == {"most frequent class"}
    assert told["confusion"][0] == [1, 2, 0, 0] and told["notes"] == ["a note"]


def test_how_an_evaluation_reads():
    lines = str(judged()).splitlines()
    assert lines[0].startswith("accuracy")
    assert lines[0].endswith("60.0 % [31.3, 83.2] (n = 10)")
    assert lines[1].startswith("f1_macro")
    assert "to beat: most frequent class" in lines[2] and "50.0 %" in lines[2]
    assert lines[3] == "a note"


def test_a_verdict():
    half = Score("accuracy", 0.5, 0.4, 0.6, 100)
    good = evaluation(Score("accuracy", 0.9, 0.8, 0.95, 100), constant=half)
    assert good.is_sound and good.verdict == (
        "It beats every baseline by more than chance explains."
    )
    poor = evaluation(Score("accuracy", 0.6, 0.45, 0.7, 100), constant=half)
    assert not poor.is_sound and "(constant): do not rely on it" in poor.verdict


def test_a_class_that_is_never_found_tempers_the_verdict():
    y, frame = np.repeat([0, 1], [95, 5]), pd.DataFrame()
    objective = SingleLabel(("common", "rare"))
    blind = np.eye(2)[np.zeros(100, dtype=int)]
    found = judge(objective, y, blind, frame, 1, "the rare one")
    assert found.beats_baselines and not found.is_sound
    assert found.verdict.endswith("but never finds rare.")
