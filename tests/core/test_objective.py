"""Objectives: losses by hand, metrics against scikit-learn and brute force."""

import json
from itertools import product
from math import isnan, log

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss, mean_squared_error
from sklearn.utils.class_weight import compute_class_weight

from vicinal.core.data.class_names import class_index, class_row
from vicinal.core.objective import (
    MultiLabel,
    MultiNumeric,
    Numeric,
    Objective,
    SingleLabel,
    from_dict,
    split_labels,
    to_dict,
)
from vicinal.errors import ClassError, DataError, SettingError

sweep = settings(max_examples=60, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)

CATS = SingleLabel(("cat", "dog", "owl"))
TAGS = MultiLabel(("red", "round", "wet"))
SIZE = Numeric(mean=10.0, std=4.0, unit="cm")


# --- one label -------------------------------------------------------------------


def test_single_label_encodes_by_name():
    assert CATS.encode(["owl", "cat", "owl"]).tolist() == [2, 0, 2]
    assert CATS.encode([]).tolist() == []
    assert SingleLabel(("1", "2")).encode([2, 1, "2"]).tolist() == [1, 0, 1]


def test_unknown_classes_are_listed_with_the_known_ones():
    with pytest.raises(ClassError) as caught:
        CATS.encode(["cat", "cow", "ant", "cow"])
    assert "'ant', 'cow'. The model's classes are 'cat', 'dog', 'owl'." in str(
        caught.value
    )
    with pytest.raises(ClassError, match=r"'a_00', .* and 30 more"):
        CATS.encode([f"a_{k:02}" for k in range(50)])


@sweep
@given(seeds)
def test_the_single_label_loss_equals_scikit_learn(seed):
    torch.manual_seed(seed)
    logits, y = torch.randn(12, 3, dtype=torch.float64), torch.randint(0, 3, (12,))
    theirs = log_loss(y, CATS.predict(logits), labels=[0, 1, 2])
    assert CATS.loss(logits, y).item() == pytest.approx(theirs)


def test_the_single_label_loss_by_hand():
    # softmax of (log 1, log 2, log 5) is (1, 2, 5) / 8
    logits = torch.tensor([[log(1), log(2), log(5)]] * 2, dtype=torch.float64)
    y = torch.tensor([2, 0])
    assert CATS.predict(logits)[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert CATS.loss(logits, y).item() == pytest.approx(-(log(5 / 8) + log(1 / 8)) / 2)
    # weights 3 and 1: a mean in which the first example counts three times
    weighted = SingleLabel(CATS.classes, weights=(1.0, 1.0, 3.0)).loss(logits, y)
    assert weighted.item() == pytest.approx(-(3 * log(5 / 8) + log(1 / 8)) / 4)


def test_label_smoothing_by_hand():
    # the target of the first class is 0.7 + 0.1, of the others 0.1
    smooth = SingleLabel(CATS.classes, label_smoothing=0.3)
    logits = torch.tensor([[log(1), log(2), log(5)]])
    wanted = -(0.8 * log(1 / 8) + 0.1 * log(2 / 8) + 0.1 * log(5 / 8))
    assert smooth.loss(logits, torch.tensor([0])).item() == pytest.approx(wanted)


def test_single_label_decisions_and_metric():
    predicted = np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    assert CATS.decide(predicted).tolist() == [1, 2]
    assert CATS.decode(predicted) == ["dog", "owl"]
    assert CATS.metric_value(np.array([1, 1]), predicted) == 0.5
    assert CATS.score(np.array([1, 1]), np.array([1, 2])).value == 0.5
    (macro,) = CATS.secondary_scores(np.array([1, 1, 0]), np.array([1, 2, 0]))
    assert (macro.metric, macro.value) == ("f1_macro", pytest.approx((2 / 3 + 1) / 2))


def test_extreme_logits_give_probabilities():
    predicted = CATS.predict(torch.tensor([[1e4, -1e4, 0.0]]))
    assert predicted.tolist() == [[1, 0, 0]]


def test_the_constant_baseline_is_the_most_frequent_class():
    assert CATS.constant_baseline(np.array([1, 2, 1, 0])) == 1


@sweep
@given(st.lists(st.integers(0, 2), min_size=1))
def test_class_weights_equal_scikit_learn(y):
    weights = np.array(CATS.with_class_weights(np.array(y)).weights)
    classes = np.unique(y)
    theirs = compute_class_weight("balanced", classes=classes, y=np.array(y))
    assert weights[classes] == pytest.approx(theirs)
    assert (np.delete(weights, classes) == 1).all()


def test_class_weights_balance_the_loss():
    # ten rows of one class, two of another, the same loss a row within a class:
    # the balanced loss is the plain mean of the two classes' losses
    y = torch.tensor([0] * 10 + [1] * 2)
    logits = torch.tensor([[2.0, 0.0, 0.0]] * 12)
    balanced = CATS.with_class_weights(y.numpy())
    one, other = (F.cross_entropy(logits[:1], torch.tensor([k])) for k in (0, 1))
    assert balanced.loss(logits, y).item() == pytest.approx((one + other).item() / 2)
    assert balanced.classes == CATS.classes


# --- several labels --------------------------------------------------------------


@pytest.mark.parametrize("label", ["red|wet", " wet | red ", ["wet", "red"]])
def test_multi_label_encodes_texts_and_lists(label):
    assert TAGS.encode([label, "-", ""]).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_multi_label_cells_are_split():
    assert split_labels("a|b c | d") == ["a", "b c", "d"]
    assert split_labels("-") == split_labels("") == split_labels([]) == []
    assert split_labels([1, 2]) == ["1", "2"]


def test_multi_label_rejects_unknown_names():
    with pytest.raises(ClassError, match=r"'blue'.*classes are 'red', 'round', 'wet'"):
        TAGS.encode(["red", "red|blue"])


@sweep
@given(st.lists(st.lists(st.sampled_from(TAGS.classes), unique=True), min_size=1))
def test_multi_label_round_trip(labels):
    marks = TAGS.encode(labels)
    texts = TAGS.decode(marks)
    assert [set(split_labels(text)) for text in texts] == [set(k) for k in labels]
    assert (TAGS.encode(texts) == marks).all()


def test_the_multi_label_loss_by_hand():
    # sigmoid(log 3) is 3/4; there is one mark, on the first label
    logits = torch.tensor([[log(3), log(3), log(3)]])
    y = torch.tensor([[1.0, 0, 0]])
    assert TAGS.predict(logits)[0] == pytest.approx([3 / 4] * 3)
    plain = -(log(3 / 4) + 2 * log(1 / 4)) / 3
    assert TAGS.loss(logits, y).item() == pytest.approx(plain)
    # a weight counts where its label is present, and nowhere else
    weighted = MultiLabel(TAGS.classes, weights=(5.0, 7.0, 1.0)).loss(logits, y)
    assert weighted.item() == pytest.approx(-(5 * log(3 / 4) + 2 * log(1 / 4)) / 3)


def test_multi_label_weights_balance_presence_and_absence():
    y = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    # 3 absent for 1 present; never present; always present
    assert TAGS.with_class_weights(y).weights == (3.0, 4.0, 0.001)


def test_multi_label_decides_at_one_half():
    predicted = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.3]])
    y = np.array([[1, 1, 0], [0, 0, 0]])
    assert TAGS.decide(predicted).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert TAGS.decode(predicted) == ["red|wet", "-"]
    theirs = f1_score(y, TAGS.decide(predicted), average="micro")
    assert TAGS.metric_value(y, predicted) == pytest.approx(theirs) == 0.5
    assert TAGS.score(y, TAGS.decide(predicted)).value == 0.5
    (whole,) = TAGS.secondary_scores(y, TAGS.decide(predicted))
    assert (whole.metric, whole.value, whole.n) == ("all_labels_right", 0.5, 2)


@sweep
@given(seeds, st.integers(1, 5))
def test_no_constant_is_better_than_the_multi_label_baseline(seed, labels):
    draw = np.random.default_rng(seed)
    y = (draw.random((15, labels)) < draw.random(labels)).astype(np.float32)
    objective = MultiLabel(tuple("abcde"[:labels]))
    constants = [np.array(c) for c in product((0, 1), repeat=labels) if any(c)]
    best = max(objective.metric_value(y, np.tile(c, (15, 1))) for c in constants)
    ours = objective.constant_baseline(y)
    assert ours.shape == (labels,) and set(ours.tolist()) <= {0, 1}
    assert objective.metric_value(y, np.tile(ours, (15, 1))) == pytest.approx(best)


# --- a number --------------------------------------------------------------------


def test_numeric_stores_mean_and_std():
    objective = Numeric.from_targets(np.array([1.0, 3.0, 5.0, 7.0]))
    assert (objective.mean, objective.std) == (4.0, pytest.approx(5**0.5))
    assert Numeric.from_targets(np.full(3, 2.0)).std == 1  # no spread to divide by


@pytest.mark.parametrize("scale", [1e300, 1e200, 1e-200])
def test_numbers_whose_squares_overflow_are_refused(scale):
    """Their standard deviation was infinite, or 0, and the fit NaN, or constant."""
    with pytest.raises(DataError, match=r"from -1e\+70 to 1e\+70 .* another unit"):
        Numeric.from_targets(np.array([1.0, 2.0, 4.0]) * scale)
    for usable in (1e69, 1e-69):
        y = np.array([1.0, 2.0, 4.0]) * usable
        objective = Numeric.from_targets(y)
        assert objective.std / usable == pytest.approx(np.std([1.0, 2.0, 4.0]))
        scores = [objective.score(y, y / 2), *objective.secondary_scores(y, y / 2)]
        assert np.isfinite([score.value for score in scores]).all()


@sweep
@given(seeds)
def test_the_numeric_loss_is_the_standardized_squared_error(seed):
    torch.manual_seed(seed)
    z, y = torch.randn(9, 1), 10 + 4 * torch.randn(9, dtype=torch.float64)
    theirs = mean_squared_error(y / 4, SIZE.predict(z) / 4)
    assert SIZE.loss(z, y).item() == pytest.approx(theirs, rel=1e-5)


def test_numeric_by_hand():
    z = torch.tensor([[0.0], [1.0]])
    assert SIZE.predict(z).tolist() == [10, 14]
    # in spreads: 0 - 1 and 1 - 0
    assert SIZE.loss(z, torch.tensor([14.0, 10.0], dtype=torch.float64)).item() == 1
    assert SIZE.encode(["3.5", 2]).tolist() == [3.5, 2]
    assert SIZE.decode(SIZE.decide(np.array([1.5, 2]))) == [1.5, 2]
    assert SIZE.metric_value(np.array([1.0, 2]), np.array([2.0, 4])) == 1.5
    assert SIZE.with_class_weights(np.zeros(3)) is SIZE


def test_numeric_scores():
    y, predicted = np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 8])
    assert SIZE.score(y, predicted)[:2] == ("mae", 1)
    scores = {s.metric: s.value for s in SIZE.secondary_scores(y, predicted)}
    assert scores == {"rmse": 2.0, "r2": pytest.approx(1 - 16 / 5)}


@sweep
@given(st.lists(st.floats(-100, 100), min_size=1))
def test_no_constant_is_better_than_the_median(values):
    y = np.array(values)
    ours = SIZE.metric_value(y, np.full(len(y), SIZE.constant_baseline(y)))
    best = min(SIZE.metric_value(y, np.full(len(y), value)) for value in y)
    assert ours <= best + 1e-9


# --- all -------------------------------------------------------------------------

ALL: list[Objective] = [
    CATS,
    SingleLabel(("a", "b"), 0.1, (0.1, 1 / 3)),
    TAGS,
    MultiLabel(("a", "b"), (1e-3, 7.0)),
    SIZE,
    Numeric.from_targets(np.array([0.1, 0.7])),
]


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_json_round_trip(objective):
    text = json.loads(json.dumps(to_dict(objective)))
    assert from_dict(text) == objective
    assert text["kind"] == objective.kind


@pytest.mark.parametrize("objective", ALL, ids=repr)
def test_the_loss_trains_each_output(objective):
    logits = torch.zeros(4, objective.outputs, requires_grad=True)
    names = objective.classes or (1, 2)
    labels = [names[k % len(names)] for k in range(4)]
    loss = objective.loss(logits, torch.from_numpy(objective.encode(labels)))
    loss.backward()
    assert loss.ndim == 0 and not isnan(loss.item())
    assert logits.grad is not None and (logits.grad.abs().sum(dim=0) > 0).all()


def test_the_class_to_explain_is_the_named_or_the_predicted_one():
    assert class_row(CATS, "dog", [0.2, 0.3, 0.5]) == 1
    assert class_row(CATS, None, [0.2, 0.3, 0.5]) == 2
    assert class_row(Numeric(), None, [7.0]) == 0


def test_a_class_that_the_model_lacks_is_refused():
    with pytest.raises(ClassError, match=r"no class 'dogg'\. Did you mean 'dog'"):
        class_index(CATS.classes, "dogg")
    message = r"against must be None: the model predicts a number.*Got 'dog'"
    with pytest.raises(SettingError, match=message):
        class_index((), "dog", "against")


# --- several numbers, and targets that are not known -------------------------------


SIZES = MultiNumeric(("width", "height"), (1.0, 20.0), (2.0, 5.0))
NAN = float("nan")


def test_several_numbers_are_standardised_each():
    y = np.array([[1.0, 25.0], [3.0, NAN]])
    logits = torch.tensor([[0.5, 1.0], [1.0, 9.0]])
    # errors 0.5, 0 and 0; the unknown height is no part of the mean
    assert SIZES.loss(logits, torch.from_numpy(y)) == pytest.approx(0.25 / 3)
    np.testing.assert_allclose(SIZES.predict(logits), [[2, 25], [3, 65]])
    np.testing.assert_allclose(SIZES.distance(y, y + np.array([2.0, 5.0])), [1, 1])
    assert SIZES.metric_value(y, y + np.array([1.0, 5.0])) == pytest.approx(
        (0.5 + 1) / 2
    )
    assert isnan(SIZES.distance(np.array([[NAN, NAN]]), np.zeros((1, 2)))[0])


def test_several_numbers_have_the_means_of_what_is_known():
    y = np.array([[1.0, NAN], [3.0, 10.0], [5.0, 30.0]])
    found = MultiNumeric.from_targets(["a", "b"], y)
    assert found.means == (3.0, 20.0)
    assert found.stds == pytest.approx((np.sqrt(8 / 3), 10.0))
    assert from_dict(json.loads(json.dumps(to_dict(found)))) == found
    assert found.constant_baseline(y).tolist() == [3.0, 20.0]


def test_unknown_labels_are_no_part_of_the_loss():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.3, 1.0, -2.0]])
    y = torch.tensor([[1.0, NAN, 0.0], [NAN, 1.0, 0.0]])
    known = ~y.isnan()
    expected = F.binary_cross_entropy_with_logits(logits[known], y[known])
    torch.testing.assert_close(TAGS.loss(logits, y), expected)
    assert TAGS.loss(logits, torch.full_like(y, NAN)) == 0
