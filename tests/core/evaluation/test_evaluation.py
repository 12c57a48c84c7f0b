"""Evaluations: the judgement against scikit-learn's, the comparisons by hand."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_score, recall_score

from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel

NAMES = ("ant", "bee", "cow", "dog")
CLASSES = SingleLabel(NAMES)
Y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
DECIDED = np.array([0, 1, 1, 1, 1, 2, 2, 2, 0, 1])


def judged() -> Evaluation:
    frame = pd.DataFrame({"path": [str(k) for k in range(10)]})
    predicted = np.eye(4)[DECIDED]
    return evaluate_predictions(
        CLASSES, Y, predicted, frame, 2, "most frequent class", ["a note"]
    )


FRAME = pd.DataFrame()


def judged_numbers() -> Evaluation:
    y = np.array([1.0, 2.0, 6.0])
    return evaluate_predictions(Numeric(), y, y + 1, FRAME, 2.0, "median")


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
    assert judged_numbers().confused_pairs() == []


def test_several_labels_and_numbers_are_judged_too():
    tags = MultiLabel(("a", "b"))
    marks = np.array([[1, 0], [1, 1]])
    result = evaluate_predictions(
        tags, marks, marks * 0.9, pd.DataFrame(), np.array([1, 0]), "one"
    )
    assert result.score[:2] == ("f1_micro", 1)
    assert result.baselines["one"].value == pytest.approx(0.8)
    assert result.confusion is None and result.class_scores() == []

    y = np.array([1.0, 2.0, 6.0])
    result = evaluate_predictions(Numeric(), y, y + 1, pd.DataFrame(), 2.0, "median")
    assert result.score[:2] == ("mae", 1)
    assert result.baselines["median"].value == pytest.approx(5 / 3)
    assert {s.metric for s in result.scores} == {"rmse", "r2"}


def test_a_baseline_is_beaten_example_by_example():
    # 38 of 40 right against 33 of 40, on other examples: McNemar's p is 0.09, one-sided
    y = np.zeros(40, dtype=int)
    ours, theirs = np.repeat([0, 1], [38, 2]), np.repeat([1, 0], [7, 33])
    found = evaluate_predictions(
        SingleLabel(("a", "b")), y, np.eye(2)[ours], FRAME, 1, "blind"
    )
    assert found.beats_baselines
    found.add_baseline("linear", SingleLabel(("a", "b")), y, theirs)
    assert found.against["linear"][:2] == (7, 2)
    assert found.against["linear"].p == pytest.approx(46 / 512)
    assert not found.beats_baselines
    assert found.verdict.startswith(
        "It is not better than the linear by more than chance"
    )
    found.baselines.pop("linear")
    found.add_baseline(
        "linear", SingleLabel(("a", "b")), y, np.repeat([1, 0], [12, 28])
    )
    assert found.beats_baselines  # 12 against 2: p = 106 / 16384
    found.add_baseline("oracle", SingleLabel(("a", "b")), y, y)
    assert found.verdict.startswith("Do not rely on it: better here is the oracle.")


def test_one_example_beats_nothing():
    found = evaluate_predictions(
        Numeric(), np.array([3.0]), np.array([2.9]), FRAME, 2.0, "median"
    )
    assert found.score.value == pytest.approx(0.1) and np.isnan(found.score.low)
    assert not found.beats_baselines
    assert "too few for an interval" in str(found.score)


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


def test_a_class_that_is_never_found_tempers_the_verdict():
    y = np.repeat([0, 1], [95, 5])
    objective = SingleLabel(("common", "rare"))
    blind = np.eye(2)[np.zeros(100, dtype=int)]
    found = evaluate_predictions(objective, y, blind, FRAME, 1, "the rare one")
    assert found.beats_baselines and not found.is_sound
    assert found.verdict.endswith("but never finds rare.")


def test_what_the_model_had_seen_leaves_no_verdict():
    found = judged()
    seen = found.with_training_overlap(3, "it had seen three")
    assert "learned from 3 of these" in seen.verdict and not seen.is_sound
    assert seen.notes == [*found.notes, "it had seen three"]
    assert found.with_training_overlap(0, "nothing") is found


def test_a_few_that_were_seen_leave_the_verdict():
    y = np.tile([0, 1], 100)
    found = evaluate_predictions(
        SingleLabel(("a", "b")), y, np.eye(2)[y], FRAME, 1, "blind"
    )
    assert found.with_training_overlap(10, "ten").is_sound
    assert not found.with_training_overlap(11, "eleven").is_sound


def test_groups_are_one_witness_against_a_baseline():
    """Ten pictures of one patient won, all others even: that is one win, not ten."""
    y, patients = np.tile([0, 1], 15), np.repeat(np.arange(3), 10)
    blind = np.where(patients == 0, 1 - y, y)
    objective = SingleLabel(("a", "b"))
    alone, grouped = (
        evaluate_predictions(objective, y, np.eye(2)[y], FRAME, 0, "x", together=g)
        for g in (None, patients)
    )
    for found in (alone, grouped):
        found.add_baseline("other", objective, y, blind)
    assert alone.against["other"].better and not grouped.against["other"].better
    assert grouped.against["other"].wins == 1


def test_groups_widen_the_intervals_of_score_and_classes():
    y = np.repeat([0, 1], 20)
    predicted = np.eye(2)[np.where(np.arange(40) % 20 < 10, y, 1 - y)]
    names = np.array(["a", "b"])
    frame = pd.DataFrame(
        {"label": names[y], "predicted": names[predicted.argmax(axis=1)]}
    )
    objective = SingleLabel(("a", "b"))
    together = np.repeat(np.arange(4), 10)  # all of a group are right, or all wrong
    alone, grouped = (
        evaluate_predictions(objective, y, predicted, frame, 0, "blind", together=g)
        for g in (None, together)
    )
    assert grouped.score.value == alone.score.value == 0.5
    width = lambda low, high: high - low  # noqa: E731
    assert width(*grouped.score[2:4]) > 2 * width(*alone.score[2:4])
    for ours, theirs in zip(grouped.class_scores(), alone.class_scores(), strict=True):
        for name in ("recall_interval", "precision_interval"):
            assert width(*ours[name]) > 2 * width(*theirs[name])
        assert ours["n"] == theirs["n"]
    blind = [e.baselines["blind"] for e in (grouped, alone)]
    assert width(*blind[0][2:4]) > width(*blind[1][2:4])
