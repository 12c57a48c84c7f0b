"""The linear probe: folds without leaks, calibration, and the start of fine-tuning."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.optimize import minimize_scalar

import vicinal
from vicinal import ImageClassifier, ImageRegressor
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.learning_curve import LearningCurve
from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.objective import Numeric, SingleLabel
from vicinal.core.storage.run_folder import Run
from vicinal.core.training.regularization_path import cross_validate_head
from vicinal.errors import NoDataError, SettingError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.inference.out_of_distribution import PIXEL_SHARE
from vicinal.images.report import label_issues as label_issues_module
from vicinal.images.report.label_issues import describe_learning_curve
from vicinal.images.run import ImageRun
from vicinal.images.settings import ImageSettings
from vicinal.images.training.linear_probe import (
    LinearProbe,
    calibrated_head_scale,
    compute_leaky_score,
    fit_linear_probe,
)
from vicinal.images.training.plan import Planner
from vicinal.images.training.time_budget import EpochTime

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK: dict[str, Any] = {
    "image_size": 8, "augment": "none", "precision": "float32", "cache": False,
}  # fmt: skip


def make_bars(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images [n, 8, 8] of a bar and its direction [n].

    0: horizontal, 1: vertical, 2: diagonal.
    """
    rng, y = np.random.default_rng(seed), np.arange(n) % 3
    x = rng.integers(0, 60, (n, 8, 8))
    for image, kind in zip(x, y, strict=True):
        k = rng.integers(1, 6)
        bar = [image[k], image[:, k], np.einsum("ii->i", image)][kind]
        bar[:] = rng.integers(150, 255)
    return x.astype(np.uint8), y


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A network trained to classify horizontal and vertical bars."""
    x, y = make_bars(180)
    binary = y < 2
    parameters = {**QUICK, "epochs": 8, "lr": 1e-2, "batch_size": 16}
    model = ImageClassifier(**parameters).fit(x[binary], y[binary])
    return str(model.save(tmp_path_factory.mktemp("source")))


def make_probe(std: float, kind: str = "single_label", n: int = 60) -> LinearProbe:
    """Return an overfitted probe: it has as many features as images."""
    rng, y = np.random.default_rng(1), np.arange(n) % 3
    features = rng.normal(size=(n, 60)) * std
    features[:, :3] += np.eye(3)[y]
    objective = SingleLabel(("0", "1", "2")) if kind == "single_label" else Numeric(1.0)
    targets = y if kind == "single_label" else y.astype(float)
    x = rng.integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return fit_linear_probe(
        features.astype(np.float32), make_dataset(x, y), targets, objective, 0
    )


def make_dataset(x: np.ndarray, y: np.ndarray) -> ImageDataset:
    return load_dataset(read_images(x, y), ImageReader(8))[1]


# --- the folds -------------------------------------------------------------------


def test_duplicates_share_a_fold_and_every_fold_has_every_class():
    x, y = make_bars(60)
    x, y = np.concatenate([x, x[:30]]), np.concatenate([y, y[:30]])
    images = make_dataset(x, y)
    f = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    probe = fit_linear_probe(f, images, y, SingleLabel(("0", "1", "2")), seed=0)
    assert np.array_equal(probe.folds[:30], probe.folds[60:])
    for k in range(3):
        assert set(probe.folds[y == k]) == {0, 1, 2, 3, 4}
    other = fit_linear_probe(f, images, y, SingleLabel(("0", "1", "2")), seed=1)
    assert not np.array_equal(probe.folds, other.folds)


def test_duplicates_do_not_leak_across_folds():
    # random labels, every image twice: only copies could predict them
    x, _ = make_bars(60)
    y = np.random.default_rng(0).integers(0, 2, 60)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])
    f = np.random.default_rng(1).normal(size=(60, 200)).astype(np.float32)
    probe = fit_linear_probe(
        np.concatenate([f, f]), make_dataset(x, y), y, SingleLabel(("0", "1")), seed=0
    )
    assert probe.score.value < 0.7


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fewer_images_than_folds(n):
    x, _ = make_bars(n)
    y = np.arange(n) % 2
    f = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    probe = fit_linear_probe(f, make_dataset(x, y), y, SingleLabel(("0", "1")), seed=0)
    assert len(np.unique(probe.folds)) == n and np.isfinite(probe.predicted).all()


def test_one_distinct_image_is_an_error():
    x, _ = make_bars(1)
    x, y = np.concatenate([x, x]), np.array([0, 0])
    with pytest.raises(NoDataError, match="at least two different images"):
        fit_linear_probe(
            np.ones((2, 3), np.float32), make_dataset(x, y), y, SingleLabel(("0",)), 0
        )


# --- estimators with pretrained weights ------------------------------------------


def test_with_a_frozen_backbone_the_model_is_the_probe(source, tmp_path):
    x, y = make_bars(90, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    assert model.history_ == [] and model.comparison_ is None
    assert model.probe_.score.n == 90  # all images are scored out of fold
    images = model.read_for_scoring(x, y)[0]
    logits = model.probe_.fit.head.logits(
        model.extractor.dataset_features(images).embeddings
    )
    expected = torch.softmax(logits.double() / model.temperature_, dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-4)
    again = vicinal.load(model.save(tmp_path))
    assert np.array_equal(again.predict(x), model.predict(x))


def test_a_frozen_backbone_equals_the_source(source):
    x, y = make_bars(60, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    weights = model.network_.state_dict()
    for name, tensor in vicinal.load(source).network_.state_dict().items():
        assert name.startswith("fc.") or weights[name].equal(tensor)


@pytest.mark.slow
def test_the_out_of_fold_score_predicts_the_test_score(source):
    x, y = make_bars(240, seed=6)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    score = model.probe_.score
    new = model.evaluate(*make_bars(600, seed=7)).score.value
    assert score.low - 0.03 <= new <= score.high + 0.03


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> str:
    """A network with nearly random weights."""
    x, y = make_bars(60)
    model = ImageClassifier(**QUICK, epochs=1, lr=1e-9).fit(x, y)
    return str(model.save(tmp_path_factory.mktemp("untrained")))


def make_xor_bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return bars and an XOR label: no linear head can fit it.

    A bright corner inverts the label of the bar.
    """
    x, y = make_bars(n, seed)
    bright = np.random.default_rng(seed + 100).integers(0, 2, n)
    x[:, :3, :3] = 255 * bright[:, None, None]
    return x, (y == 0) ^ (bright == 1)


@pytest.mark.slow
def test_fine_tuning_is_kept_when_it_is_better(untrained):
    x, y = make_xor_bars(360, seed=8)
    parameters: dict[str, Any] = {
        **QUICK,
        "weights": untrained,
        "epochs": 30,
        "lr": 1e-2,
    }
    model = ImageClassifier(**parameters, layer_decay=1.0)
    model.fit(x, y, validation=make_xor_bars(150, seed=9))
    assert model.comparison_ is not None and model.comparison_.better
    new = make_xor_bars(300, seed=10)
    frozen = ImageClassifier(**QUICK, weights=untrained, freeze="all").fit(x, y)
    assert model.score(*new) > frozen.score(*new)


def test_harmful_fine_tuning_is_discarded(source):
    x, y = make_bars(120, seed=8)
    parameters: dict[str, Any] = {**QUICK, "weights": source, "epochs": 2, "lr": 5.0}
    model = ImageClassifier(**parameters).fit(x, y, validation=make_bars(60, seed=9))
    assert model.comparison_ is not None and not model.comparison_.better
    assert model.comparison_.losses > model.comparison_.wins
    images = model.read_for_scoring(x, y)[0]
    logits = model.probe_.fit.head.logits(
        model.extractor.dataset_features(images).embeddings
    )
    expected = torch.softmax(logits.double() / model.temperature_, dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-4)


def fit_tuned_and_frozen(
    estimator: Any, weights: str, y: np.ndarray, val: Any
) -> tuple[Any, Any]:
    """Return a fine-tuned estimator and one with a frozen backbone."""
    x = make_xor_bars(len(y), seed=8)[0]
    parameters: dict[str, Any] = {**QUICK, "weights": weights, "batch_norm": "batch"}
    tuned = estimator(**parameters, epochs=20, lr=1e-2, layer_decay=1.0)
    frozen = estimator(**parameters, freeze="all")
    return tuned.fit(x, y, validation=val), frozen.fit(x, y, validation=val)


def test_duplicates_in_the_validation_split_count_once(untrained):
    x, y = make_xor_bars(40, seed=9)
    repeated = np.tile(np.arange(40), 2)
    parameters: dict[str, Any] = {**QUICK, "weights": untrained, "epochs": 3}
    for rows in (repeated[:40], repeated):
        tuned = ImageClassifier(**parameters)
        tuned.fit(*make_xor_bars(120, seed=8), validation=(x[rows], y[rows]))
        assert tuned.comparison_ is not None and tuned.comparison_.groups == 40


def test_duplicates_are_not_neighbors_in_outlier_detection(source):
    x, y = make_bars(90, seed=5)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])
    parameters: dict[str, Any] = {**QUICK, "weights": source, "freeze": "all"}
    model = ImageClassifier(**parameters, false_alarm_rate=0.2).fit(x, y)
    z = model.probe_.features
    groups = np.tile(np.arange(90), 2)
    expected = NearestNeighborDetector.fit(
        z, (1 - PIXEL_SHARE) * 0.2, 0, groups=groups
    ).threshold
    assert model.outlier_detector_ is not None
    assert model.outlier_detector_.embeddings.threshold == pytest.approx(
        expected, rel=1e-4
    )
    assert (
        expected
        > 1.05 * NearestNeighborDetector.fit(z, (1 - PIXEL_SHARE) * 0.2, 0).threshold
    )


@pytest.mark.slow
def test_regression_is_compared_by_absolute_error(untrained):
    x, y = make_xor_bars(150, seed=9)
    y = 10.0 * y + 3
    tuned, frozen = fit_tuned_and_frozen(
        ImageRegressor, untrained, 10.0 * make_xor_bars(360, 8)[1] + 3, (x, y)
    )
    comparison = tuned.comparison_
    before, after = (np.abs(model.predict(x) - y) for model in (frozen, tuned))
    assert comparison.better and comparison.loss == "mean absolute error"
    assert comparison.theirs == pytest.approx(before.mean(), rel=1e-3)
    assert comparison.ours == pytest.approx(after.mean(), rel=1e-3)
    assert comparison.wins == (after < before).sum()
    assert comparison.losses == (after > before).sum()


@pytest.mark.slow
def test_multi_label_is_compared_by_brier_score(untrained):
    x, xor = make_xor_bars(150, seed=9)

    def label_matrix(x: np.ndarray, xor: np.ndarray) -> np.ndarray:
        return np.stack([xor, x[:, 0, 0] > 200], axis=1).astype(int)

    y = label_matrix(x, xor)
    tuned, frozen = fit_tuned_and_frozen(
        ImageClassifier, untrained, label_matrix(*make_xor_bars(360, 8)), (x, y)
    )

    def brier(model: Any) -> float:
        p = np.clip(model.predict_proba(x), 1e-9, 1 - 1e-9)
        logits = np.log(p / (1 - p)) * model.temperature_

        def loss(log_t: float) -> float:
            z = logits / np.exp(log_t)
            return float((np.logaddexp(0, z) - y * z).mean())

        best: Any = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
        calibrated = 1 / (1 + np.exp(-logits / np.exp(best.x)))
        return ((calibrated - y) ** 2).sum(axis=1).mean()

    comparison = tuned.comparison_
    assert comparison.better and comparison.loss == "Brier score"
    assert comparison.theirs == pytest.approx(brier(frozen), rel=0.01)
    assert comparison.ours == pytest.approx(brier(tuned), rel=0.01)


def test_multi_label_and_regression_probes(source):
    x, y = make_bars(90, seed=5)
    label_matrix = np.stack([y == 0, y != 2], axis=1).astype(int)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, label_matrix)
    assert model.probe_.score.metric == "f1_micro" and model.probe_.score.value > 0.6
    brightness = x.mean(axis=(1, 2)) / 10.0
    other = ImageRegressor(**QUICK, weights=source, freeze="all").fit(x, brightness)
    evaluation = other.evaluate(x, brightness)
    assert other.probe_.score.metric == "mae"
    assert evaluation.score.value < evaluation.baselines["median"].value


@pytest.mark.parametrize("freeze", ["some", "-1", "1.5", ""])
def test_invalid_freeze_values_are_errors(freeze, source):
    x, y = make_bars(12)
    with pytest.raises(
        SettingError, match="freeze must be none, all, auto, or a number"
    ):
        ImageClassifier(**QUICK, weights=source, freeze=freeze).fit(x, y)
    with pytest.raises(SettingError, match="none unless --weights is given"):
        ImageClassifier(**QUICK, freeze="2").fit(x, y)


def test_frozen_first_blocks_equal_the_source(source):
    x, y = make_bars(60, seed=5)
    parameters: dict[str, Any] = {
        **QUICK,
        "weights": source,
        "freeze": "1",
        "epochs": 2,
    }
    model = ImageClassifier(**parameters, val_fraction=0.0).fit(x, y)
    weights = model.network_.state_dict()
    pretrained = vicinal.load(source).network_.state_dict()
    frozen = [k for k in weights if k.startswith("stages.0.")]
    assert frozen and all(weights[k].equal(pretrained[k]) for k in frozen)
    trained = "stages.1.widen.conv.weight"
    assert not weights[trained].equal(pretrained[trained])


# --- time budget -----------------------------------------------------------------


def test_the_time_budget_determines_the_planned_epochs(source, monkeypatch):
    x, y = make_bars(60, seed=5)
    plans = []
    for minutes, epoch_seconds in (
        (1.0, 10.0),
        (1.0, 0.001),
        (10.0, 10.0),
        (0.2, 100.0),
    ):
        parameters: dict[str, Any] = {**QUICK, "weights": source, "minutes": minutes}
        model = ImageClassifier(**parameters, freeze="none")
        model.start_fit()
        epoch_time = EpochTime(epoch_seconds)
        monkeypatch.setattr(Planner, "epoch_time", lambda *_, e=epoch_time: e)
        session = model.start_session(*model.train_and_val_images(x, y))
        trainer = session.trainer
        assert trainer.options.time_limited and trainer.settings.epochs == 60
        plans.append(session.model.epochs)
    # 90 % of the time, from 1 to 60 epochs; some seconds have passed already
    assert plans[0] in (4, 5) and plans[2] in range(50, 55)
    assert plans[1] == 60 and plans[3] == 1


def test_an_explicit_number_of_epochs_is_kept(source):
    x, y = make_bars(60, seed=5)
    parameters: dict[str, Any] = {
        **QUICK,
        "weights": source,
        "minutes": 5.0,
        "epochs": 2,
    }
    assert len(ImageClassifier(**parameters).fit(x, y).history_) == 2


def test_without_time_to_train_the_probe_is_the_model(source):
    x, y = make_bars(60, seed=5)
    parameters: dict[str, Any] = {**QUICK, "weights": source, "minutes": 1e-6}
    model = ImageClassifier(**parameters).fit(x, y)
    assert model.history_ == [] and model.comparison_ is None
    assert model.score(*make_bars(60, seed=6)) > 0.8


# --- calibration -----------------------------------------------------------------


def test_the_temperature_of_a_probe_is_fitted_on_out_of_fold_logits(source, tmp_path):
    x, y = make_bars(90, seed=5)
    noisy = np.where(np.random.default_rng(0).random(90) < 0.3, (y + 1) % 3, y)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, noisy)
    logits = model.probe_.fit.logits
    assert model.temperature_ == fit_temperature(logits, noisy, model.objective_)
    again = vicinal.load(model.save(tmp_path))
    assert again.temperature_ == model.temperature_ != 1
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_the_temperature_is_fitted_on_the_validation_split():
    x, y = make_bars(120, seed=5)
    x_val, y_val = make_bars(90, seed=6)
    noise = np.random.default_rng(0).random(90) < 0.3
    y_val = np.where(noise, (y_val + 1) % 3, y_val)
    parameters: dict[str, Any] = {**QUICK, "epochs": 8, "lr": 1e-2}
    model = ImageClassifier(**parameters).fit(x, y, validation=(x_val, y_val))
    p = model.predict_proba(x_val)
    logits = torch.from_numpy(np.log(p) * model.temperature_)
    expected = fit_temperature(logits, y_val, model.objective_)
    assert model.temperature_ == pytest.approx(expected, rel=1e-3) != 1


# --- label issues and learning curve ---------------------------------------------


def test_planted_label_errors_are_listed_in_the_run(source, tmp_path):
    x, y = make_bars(240, seed=5)
    planted = np.random.default_rng(0).choice(240, 12, replace=False)
    names = np.array(["horizontal", "vertical", "diagonal"])
    labels = names[np.where(np.isin(np.arange(240), planted), (y + 1) % 3, y)]
    (tmp_path / "x").mkdir()
    for k, image in enumerate(x):
        Image.fromarray(image).save(tmp_path / "x" / f"{k}.png")
    paths = [f"x/{k}.png" for k in range(240)]
    frame = pd.DataFrame({"path": paths, "label": labels})
    frame.to_csv(tmp_path / "data.csv", index=False)
    with Run.create(tmp_path / "run") as run:
        estimator = ImageClassifier(**QUICK, weights=source, freeze="all")
        table = read_images(tmp_path / "data.csv")
        list(ImageRun(estimator, table, run, "data.csv").steps())
    issues = pd.read_csv(tmp_path / "run" / "label_issues.csv")
    assert list(issues) == ["path", "label", "proposed", "score", "kind", "nearest"]
    worst = issues.head(12)
    is_planted = [int(Path(p).stem) in planted for p in worst["path"]]
    assert sum(is_planted) >= 9
    assert issues["score"].is_monotonic_decreasing
    first = worst[is_planted].iloc[0]
    k = int(Path(first["path"]).stem)
    assert (first["label"], first["proposed"]) == (labels[k], names[y[k]])
    assert f"({names[y[k]]})" in first["nearest"]
    text = (tmp_path / "run" / "report.txt").read_text()
    assert "suspected label errors" in text and f"label: {first['label']}" in text
    assert "with 240 images" in text


def test_few_images_give_no_learning_curve(source):
    x, y = make_bars(40, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    text = describe_learning_curve(model.probe_, model.objective_)
    assert "not estimated below 100 images" in text


@pytest.mark.parametrize(
    ("val_fraction", "weights", "n", "expected"),
    [
        (None, None, 5000, 0.15),
        (None, "w", 1000, 0.15),
        (None, "w", 2000, 0.1),
        (None, "w", 50_000, 0.05),
        (0.3, "w", 2000, 0.3),
        (0.0, None, 2000, 0.0),
    ],
)
def test_the_default_validation_fraction(val_fraction, weights, n, expected):
    settings = ImageSettings(val_fraction=val_fraction, weights=weights)
    assert settings.choose_val_fraction(n) == expected


def test_the_leaky_score_is_inflated_by_the_planted_duplicates():
    """Of random labels, folds that split duplicates predict those of the copies."""
    rng = np.random.default_rng(0)
    n, copies = 300, 150
    z, y = rng.normal(size=(n, 200)), rng.integers(0, 2, n)
    features = np.concatenate([z, z[:copies] + rng.normal(0, 1e-3, (copies, 200))])
    y = np.concatenate([y, y[:copies]])
    groups = np.concatenate([np.arange(n), np.arange(copies)])
    objective = SingleLabel(("a", "b"))
    folds = groups % 5
    fit = cross_validate_head(features.astype(np.float32), y, objective, folds)
    honest = objective.score(y, objective.decide(objective.predict(fit.logits)))
    head = replace(fit.head, penalty=0.01)
    probe = LinearProbe(
        features.astype(np.float32), y, replace(fit, head=head), folds, y, honest
    )
    leaky_score = compute_leaky_score(probe, groups, objective, 0)
    assert leaky_score is not None and leaky_score.n == n + copies
    # 300 of 450 have a copy, which is in another fold for four in five
    leaked = 0.8 * 300 / 450
    expected = leaked + (1 - leaked) * honest.value
    assert abs(honest.value - 0.5) < 0.08
    assert abs(leaky_score.value - expected) < 0.08
    assert compute_leaky_score(probe, np.arange(n + copies), objective, 0) is None


def test_the_leaky_score_differs_by_the_duplicates_alone():
    """One pair of duplicates among 300 images changes few predictions."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    y = (features[:, 0] + rng.normal(size=300) > 0).astype(int)
    objective = SingleLabel(("a", "b"))
    groups = np.arange(300)
    groups[1] = groups[0]
    folds = groups % 5
    fit = cross_validate_head(features, y, objective, folds)
    predicted = objective.predict(fit.logits)
    honest = objective.score(y, objective.decide(predicted), groups)
    probe = LinearProbe(features, y, fit, folds, predicted, honest)
    for seed in range(5):
        leaky_score = compute_leaky_score(probe, groups, objective, seed)
        assert (
            leaky_score is not None and abs(leaky_score.value - honest.value) <= 2 / 300
        )


def test_classes_that_need_more_images_are_listed(monkeypatch):
    empty = np.zeros(0)
    curve = LearningCurve(
        "accuracy", 200, empty, empty, empty, np.zeros(3), np.zeros((1, 3))
    )
    reducible_errors = {"rare": 0.4, "frequent": 0.1, "solved": 0.0}
    curves = {
        name: replace(
            curve, fit=np.array([0, f, 1]), bootstrap_fits=np.array([[0, f, 1]] * 9)
        )
        for name, f in reducible_errors.items()
    }
    whole = replace(curves["frequent"], by_class=curves)
    monkeypatch.setattr(label_issues_module, "learning_curve", lambda *_: whole)
    probe: Any = SimpleNamespace(
        y=np.zeros(200), features=None, folds=None, fit=SimpleNamespace(head=HEAD)
    )
    text = describe_learning_curve(probe, SingleLabel(("frequent", "rare")))
    # an error b / n is halved by twice as many images
    expected = "from twice as many images: rare (+20 points [20, 20]), frequent (+5"
    assert expected in text
    assert "solved (" not in text


HEAD = SimpleNamespace(penalty=1.0)


# --- initial head of fine-tuning -------------------------------------------------


def test_a_scaled_head_has_the_out_of_fold_loss():
    objective, probe = SingleLabel(("0", "1", "2")), make_probe(1.0)
    scale = calibrated_head_scale(probe, objective)
    logits, y = probe.fit.head.logits(probe.features), torch.from_numpy(probe.y)
    expected = F.cross_entropy(probe.fit.logits, y).item()
    assert F.cross_entropy(logits, y).item() < 0.8 * expected  # overconfident
    assert 0.02 < scale < 0.9
    scaled = scale * logits
    assert F.cross_entropy(scaled, y).item() == pytest.approx(expected, rel=1e-3)
    assert torch.equal(scaled.argmax(1), logits.argmax(1))


def test_a_head_that_is_not_overconfident_is_not_scaled():
    objective, probe = SingleLabel(("0", "1", "2")), make_probe(1.0)
    perfect = replace(probe.fit, logits=50.0 * torch.eye(3)[torch.from_numpy(probe.y)])
    assert calibrated_head_scale(replace(probe, fit=perfect), objective) == 1.0
    assert calibrated_head_scale(make_probe(1.0, "numeric"), Numeric(1.0)) == 1.0


def test_fine_tuning_starts_from_the_scaled_head(source):
    x, y = make_bars(30, seed=3)
    y = np.where(np.arange(30) % 4 == 0, (y + 1) % 3, y)  # some labels are wrong
    parameters = {
        **QUICK,
        "weights": source,
        "epochs": 1,
        "lr": 1e-12,
        "val_fraction": 0.0,
    }
    model = ImageClassifier(**parameters, layer_decay=1.0, ema=0.0)
    epochs = model.fit_epochs(x, y)
    head, network = model.probe_.fit.head.weights.T, model.network_
    np.testing.assert_allclose(network.head.weight.detach().numpy(), head, rtol=1e-6)
    scale = calibrated_head_scale(model.probe_, model.objective_)
    list(epochs)  # with a learning rate near 0
    assert scale < 0.95
    actual = model.network_.head.weight.detach().numpy()
    np.testing.assert_allclose(actual, scale * head, rtol=1e-4, atol=1e-7)


def test_a_kept_probe_is_calibrated_on_all_its_images(source):
    x, y = make_bars(60, seed=4)
    y = np.where(np.arange(60) % 4 == 0, (y + 1) % 3, y)
    parameters = {
        **QUICK,
        "weights": source,
        "epochs": 1,
        "lr": 1e-9,
        "val_fraction": 0.3,
    }
    model = ImageClassifier(**parameters).fit(x, y)
    assert model.comparison_ is not None and not model.comparison_.better
    probe = model.probe_
    expected = fit_temperature(probe.fit.logits, probe.y, model.objective_)
    assert model.temperature_ == pytest.approx(expected) and expected != 1.0
