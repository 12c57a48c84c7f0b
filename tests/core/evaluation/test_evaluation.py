"""Evaluations: against scikit-learn's figures, and the verdicts by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel

NAMES = ("ant", "bee", "cow", "dog")
CLASSES = SingleLabel(NAMES)
AB = SingleLabel(("a", "b"))
Y = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
DECISIONS = np.array([0, 1, 1, 1, 1, 2, 2, 2, 0, 1])
FRAME = pd.DataFrame()
CONSTANT = "most frequent class"


def classification() -> Evaluation:
    frame = pd.DataFrame({"path": [str(k) for k in range(10)]})
    predicted = np.eye(4)[DECISIONS]
    return evaluate_predictions(CLASSES, Y, predicted, frame, 2, CONSTANT, ["a note"])


def regression() -> Evaluation:
    y = np.array([1.0, 2.0, 6.0])
    return evaluate_predictions(Numeric(), y, y + 1, FRAME, 2.0, "median")


def test_a_classifier_is_evaluated():
    result = classification()
    assert result.score[:2] == ("accuracy", 0.6)
    assert result.baselines[CONSTANT].value == 0.5
    assert result.confusion is not None
    assert result.confusion.tolist() == [
        [1, 2, 0, 0],
        [0, 2, 0, 0],
        [1, 1, 3, 0],
        [0, 0, 0, 0],
    ]


def test_class_scores_equal_scikit_learn():
    rows: list[dict[str, Any]] = classification().class_scores()
    options: Any = {"labels": range(4), "average": None, "zero_division": np.nan}
    theirs: Any = precision_recall_fscore_support(Y, DECISIONS, **options)
    precision, recall, f1, support = theirs
    assert [row["class"] for row in rows] == list(NAMES)
    assert [row["n"] for row in rows] == list(support) == [3, 2, 5, 0]
    for name, theirs in (("recall", recall), ("precision", precision), ("f1", f1)):
        assert [row[name] for row in rows[:3]] == pytest.approx(list(theirs[:3]))
        assert rows[3][name] is None


def test_confused_pairs_are_the_most_frequent_errors():
    result = classification()
    pairs = [("ant", "bee", 2), ("cow", "ant", 1), ("cow", "bee", 1)]
    assert result.confused_pairs() == pairs
    assert result.confused_pairs(1) == pairs[:1]
    assert regression().confused_pairs() == []


def test_multilabel_and_regression_are_evaluated():
    tags = MultiLabel(("a", "b"))
    y = np.array([[1, 0], [1, 1]])
    result = evaluate_predictions(tags, y, y * 0.9, FRAME, np.array([1, 0]), "one")
    assert result.score[:2] == ("f1_micro", 1)
    assert result.baselines["one"].value == pytest.approx(0.8)
    assert result.confusion is None and result.class_scores() == []

    result = regression()
    assert result.score[:2] == ("mae", 1)
    assert result.baselines["median"].value == pytest.approx(5 / 3)
    assert {s.metric for s in result.scores} == {"rmse", "r2"}


def test_a_baseline_is_beaten_by_a_sign_test_over_examples():
    # 38 of 40 right against 33 of 40, on other examples: McNemar's p is 0.09, one-sided
    y = np.zeros(40, dtype=int)
    ours, theirs = np.repeat([0, 1], [38, 2]), np.repeat([1, 0], [7, 33])
    result = evaluate_predictions(AB, y, np.eye(2)[ours], FRAME, 1, CONSTANT)
    assert result.beats_baselines
    result.add_baseline("linear model", AB, y, theirs)
    assert result.comparisons["linear model"][:2] == (7, 2)
    assert result.comparisons["linear model"].p == pytest.approx(46 / 512)
    assert not result.beats_baselines and result.not_beaten == ["linear model"]
    del result.baselines["linear model"]
    result.add_baseline("linear model", AB, y, np.repeat([1, 0], [12, 28]))
    assert result.beats_baselines  # 12 against 2: p = 106 / 16384


def test_the_verdict_tells_a_simpler_model_from_a_constant():
    y = np.repeat([0, 1], 50)
    good = np.eye(2)[np.where(np.arange(100) % 20 == 0, 1 - y, y)]  # 95 % correct
    result = evaluate_predictions(AB, y, good, FRAME, 0, CONSTANT)
    assert result.is_reliable and "beats every baseline" in result.verdict
    result.add_baseline("label propagation", AB, y, good.argmax(axis=1))
    assert not result.is_reliable
    assert result.verdict == (
        "Not significantly better than a simpler model: the label propagation will do "
        "as well."
    )
    result.add_baseline("oracle", AB, y, y)
    assert result.verdict == "Worse than a simpler model: use the oracle instead."

    useless = evaluate_predictions(AB, y, np.eye(2)[0 * y], FRAME, 0, CONSTANT)
    useless.add_baseline("oracle", AB, y, y)
    assert not useless.is_reliable and "do not rely on it" in useless.verdict
    assert useless.verdict.startswith(
        f"Not significantly better than a constant ({CONSTANT})"
    )


def test_one_example_beats_no_baseline():
    result = evaluate_predictions(
        Numeric(), np.array([3.0]), np.array([2.9]), FRAME, 2.0, "median"
    )
    assert result.score.value == pytest.approx(0.1) and np.isnan(result.score.low)
    assert not result.beats_baselines
    assert "too few for an interval" in str(result.score)


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_an_evaluation_as_json():
    values = strict(json.dumps(classification().to_dict()))
    assert values["score"]["value"] == 0.6 and values["score"]["n"] == 10
    assert set(values["baselines"]) == {CONSTANT}
    assert values["confusion"][0] == [1, 2, 0, 0] and values["notes"] == ["a note"]


def test_undefined_numbers_are_null_in_json():
    one = evaluate_predictions(
        Numeric(), np.array([3.0]), np.array([2.9]), FRAME, 2.0, "median"
    )
    values = strict(json.dumps(one.to_dict()))
    assert values["score"]["low"] is None and values["score"]["n"] == 1
    assert {s["metric"]: s["value"] for s in values["scores"]}["r2"] is None
    assert strict(json.dumps(replace(one, calibration_error=np.inf).to_dict()))


@pytest.mark.parametrize(
    "n",
    [
        *(*range(1, 12), 59, 269, 1799),
        *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 59)),
    ],
)
def test_an_interval_contains_its_value(n):
    y = np.arange(n) % 2
    for decisions in (y, 1 - y):
        result = evaluate_predictions(AB, y, np.eye(2)[decisions], FRAME, 0, CONSTANT)
        for score in (result.score, *result.scores):
            assert score.low <= score.value <= score.high
        for row in result.class_scores():
            if row["n"]:
                low, high = row["recall_interval"]
                assert low <= row["recall"] <= high


def test_an_evaluation_as_text():
    lines = str(classification()).splitlines()
    assert lines[0].startswith("accuracy")
    assert lines[0].endswith("60.0 % [31.3, 83.2] (n = 10)")
    assert lines[1].startswith("f1_macro")
    assert "baseline: most frequent class" in lines[2] and "50.0 %" in lines[2]
    assert lines[3] == "a note"


def test_a_class_that_is_never_predicted_makes_the_verdict_a_warning():
    y = np.repeat([0, 1], [95, 5])
    objective = SingleLabel(("common", "rare"))
    blind = np.eye(2)[np.zeros(100, dtype=int)]
    result = evaluate_predictions(objective, y, blind, FRAME, 1, "the rare one")
    assert result.beats_baselines and not result.is_reliable
    assert result.verdict.endswith("but its recall is 0 for rare.")


def test_an_overlap_with_the_training_data_leaves_no_verdict():
    result = classification()
    overlapping = result.with_training_overlap(3, "three were trained on")
    assert "3 of these 10 examples were in the training data" in overlapping.verdict
    assert not overlapping.is_reliable
    assert overlapping.notes == [*result.notes, "three were trained on"]
    assert result.with_training_overlap(0, "nothing") is result


def test_a_small_overlap_leaves_the_verdict():
    y = np.tile([0, 1], 100)
    result = evaluate_predictions(AB, y, np.eye(2)[y], FRAME, 1, CONSTANT)
    assert result.with_training_overlap(10, "ten").is_reliable
    assert not result.with_training_overlap(11, "eleven").is_reliable


def test_a_group_counts_once_in_the_sign_test():
    """Ten images of one patient are won, all others even: one win, not ten."""
    y, patients = np.tile([0, 1], 15), np.repeat(np.arange(3), 10)
    other = np.where(patients == 0, 1 - y, y)
    alone, grouped = (
        evaluate_predictions(AB, y, np.eye(2)[y], FRAME, 0, "x", groups=g)
        for g in (None, patients)
    )
    for result in (alone, grouped):
        result.add_baseline("other", AB, y, other)
    assert alone.comparisons["other"].better and not grouped.comparisons["other"].better
    assert grouped.comparisons["other"].wins == 1


def test_groups_widen_the_intervals_of_score_and_classes():
    y = np.repeat([0, 1], 20)
    predicted = np.eye(2)[np.where(np.arange(40) % 20 < 10, y, 1 - y)]
    names = np.array(["a", "b"])
    frame = pd.DataFrame(
        {"label": names[y], "predicted": names[predicted.argmax(axis=1)]}
    )
    groups = np.repeat(np.arange(4), 10)  # a group is all correct, or all wrong
    alone, grouped = (
        evaluate_predictions(AB, y, predicted, frame, 0, "blind", groups=g)
        for g in (None, groups)
    )
    assert grouped.score.value == alone.score.value == 0.5

    def width(low: float, high: float) -> float:
        return high - low

    assert width(*grouped.score[2:4]) > 2 * width(*alone.score[2:4])
    for ours, theirs in zip(grouped.class_scores(), alone.class_scores(), strict=True):
        for name in ("recall_interval", "precision_interval"):
            assert width(*ours[name]) > 2 * width(*theirs[name])
        assert ours["n"] == theirs["n"]
    blind = [e.baselines["blind"] for e in (grouped, alone)]
    assert width(*blind[0][2:4]) > width(*blind[1][2:4])
