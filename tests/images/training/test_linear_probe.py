"""The first answer: honest folds, a head that the network then says out loud."""

import time
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
from vicinal.core.evaluation.learning_curve import Curve
from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.objective import Numeric, SingleLabel
from vicinal.core.storage.run_folder import Run
from vicinal.core.training.linear_head import cross_fit
from vicinal.errors import NoDataError, SettingError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.inference.out_of_distribution import SURFACES
from vicinal.images.report import label_issues as labels_check
from vicinal.images.report.label_issues import more_pictures
from vicinal.images.run import TrainingRun
from vicinal.images.settings import ImageSettings
from vicinal.images.training.linear_probe import (
    Probe,
    calibrated_head_scale,
    fit_probe,
    naive_score,
)

QUICK: dict[str, Any] = {
    "image_size": 8, "augment": "none", "precision": "float32", "cache": False,
}  # fmt: skip


def bars(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [n, 8, 8] of a bar that lies, stands or leans, in noise; and which."""
    rng, y = np.random.default_rng(seed), np.arange(n) % 3
    x = rng.integers(0, 60, (n, 8, 8))
    for picture, kind in zip(x, y, strict=True):
        k = rng.integers(1, 6)
        part = [picture[k], picture[:, k], np.einsum("ii->i", picture)][kind]
        part[:] = rng.integers(150, 255)
    return x.astype(np.uint8), y


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A network that tells lying bars from standing ones."""
    x, y = bars(180)
    two = y < 2
    how = {**QUICK, "epochs": 8, "lr": 1e-2, "batch_size": 16}
    model = ImageClassifier(**how).fit(x[two], y[two])
    return str(model.save(tmp_path_factory.mktemp("source")))


def probe_of(spread: float, kind: str = "single_label", n: int = 60) -> Probe:
    """A probe of as many features as pictures: it fits whatever it is shown."""
    rng, y = np.random.default_rng(1), np.arange(n) % 3
    features = rng.normal(size=(n, 60)) * spread
    features[:, :3] += np.eye(3)[y]
    objective = SingleLabel(("0", "1", "2")) if kind == "single_label" else Numeric(1.0)
    targets = y if kind == "single_label" else y.astype(float)
    x = rng.integers(0, 256, (n, 8, 8)).astype(np.uint8)
    return fit_probe(features.astype(np.float32), opened(x, y), targets, objective, 0)


def opened(x: np.ndarray, y: np.ndarray) -> ImageDataset:
    return load_dataset(read_images(x, y), ImageReader(8))[1]


# --- the folds -------------------------------------------------------------------


def test_copies_are_in_one_fold_and_classes_in_all():
    x, y = bars(60)
    x, y = np.concatenate([x, x[:30]]), np.concatenate([y, y[:30]])
    pictures = opened(x, y)
    f = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    probe = fit_probe(f, pictures, y, SingleLabel(("0", "1", "2")), seed=0)
    assert np.array_equal(probe.folds[:30], probe.folds[60:])
    for k in range(3):
        assert set(probe.folds[y == k]) == {0, 1, 2, 3, 4}
    other = fit_probe(f, pictures, y, SingleLabel(("0", "1", "2")), seed=1)
    assert not np.array_equal(probe.folds, other.folds)


def test_copies_across_folds_would_flatter():
    # labels are noise, and every picture is there twice: only copies could tell them
    x, _ = bars(60)
    y = np.random.default_rng(0).integers(0, 2, 60)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])
    f = np.random.default_rng(1).normal(size=(60, 200)).astype(np.float32)
    probe = fit_probe(
        np.concatenate([f, f]), opened(x, y), y, SingleLabel(("0", "1")), seed=0
    )
    assert probe.score.value < 0.7


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fewer_pictures_than_folds(n):
    x, _ = bars(n)
    y = np.arange(n) % 2
    f = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    probe = fit_probe(f, opened(x, y), y, SingleLabel(("0", "1")), seed=0)
    assert len(np.unique(probe.folds)) == n and np.isfinite(probe.predicted).all()


def test_one_picture_is_too_few():
    x, _ = bars(1)
    x, y = np.concatenate([x, x]), np.array([0, 0])
    with pytest.raises(NoDataError, match="two different pictures or more"):
        fit_probe(np.ones((2, 3), np.float32), opened(x, y), y, SingleLabel(("0",)), 0)


# --- an estimator that begins with it ----------------------------------------------


def test_with_all_frozen_the_fitted_head_is_the_model(source, tmp_path):
    x, y = bars(90, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    assert model.history_ == [] and model.comparison_ is None
    assert model.probe_.score.n == 90  # nothing is held out: each is judged out of fold
    pictures = model.scoring_part(x, y)[0]
    logits = model.probe_.fit.head.logits(model.features(pictures))
    wanted = torch.softmax(logits.double() / model.temperature_, dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(x), wanted, atol=1e-4)
    again = vicinal.load(model.save(tmp_path))
    assert np.array_equal(again.predict(x), model.predict(x))


def test_the_body_that_was_frozen_is_the_source_s(source):
    x, y = bars(60, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    body, before = model.network_.state_dict(), vicinal.load(source).network_
    for name, tensor in before.state_dict().items():
        assert name.startswith("fc.") or body[name].equal(tensor)


def test_out_of_fold_says_what_new_pictures_will_say(source):
    x, y = bars(240, seed=6)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    score = model.probe_.score
    new = model.evaluate(*bars(600, seed=7)).score.value
    assert score.low - 0.03 <= new <= score.high + 0.03


@pytest.fixture(scope="module")
def ignorant(tmp_path_factory) -> str:
    """A network that has hardly learned anything."""
    x, y = bars(60)
    model = ImageClassifier(**QUICK, epochs=1, lr=1e-9).fit(x, y)
    return str(model.save(tmp_path_factory.mktemp("ignorant")))


def puzzles(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars whose meaning a light corner turns round, which no linear head can tell."""
    x, y = bars(n, seed)
    turned = np.random.default_rng(seed + 100).integers(0, 2, n)
    x[:, :3, :3] = 255 * turned[:, None, None]
    return x, (y == 0) ^ (turned == 1)


def test_fine_tuning_is_kept_where_it_is_better(ignorant):
    x, y = puzzles(360, seed=8)
    how: dict[str, Any] = {**QUICK, "weights": ignorant, "epochs": 30, "lr": 1e-2}
    model = ImageClassifier(**how, layer_decay=1.0)
    model.fit(x, y, validation=puzzles(150, seed=9))
    assert model.comparison_ is not None and model.comparison_.better
    new = puzzles(300, seed=10)
    frozen = ImageClassifier(**QUICK, weights=ignorant, freeze="all").fit(x, y)
    assert model.score(*new) > frozen.score(*new)


def test_fine_tuning_that_does_harm_is_not_kept(source):
    x, y = bars(120, seed=8)
    how: dict[str, Any] = {**QUICK, "weights": source, "epochs": 2, "lr": 5.0}
    model = ImageClassifier(**how).fit(x, y, validation=bars(60, seed=9))
    assert model.comparison_ is not None and not model.comparison_.better
    assert (
        model.comparison_.losses > model.comparison_.wins
    )  # what was learned did harm
    pictures = model.scoring_part(x, y)[0]
    logits = model.probe_.fit.head.logits(model.features(pictures))
    wanted = torch.softmax(logits.double() / model.temperature_, dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(x), wanted, atol=1e-4)


def paired(estimator: Any, weights: str, y: np.ndarray, val: Any) -> tuple[Any, Any]:
    """An estimator that was fine-tuned, and one that was not, both on puzzles of y."""
    x = puzzles(len(y), seed=8)[0]
    how: dict[str, Any] = {**QUICK, "weights": weights, "batch_norm": "batch"}
    tuned = estimator(**how, epochs=20, lr=1e-2, layer_decay=1.0)
    frozen = estimator(**how, freeze="all")
    return tuned.fit(x, y, validation=val), frozen.fit(x, y, validation=val)


def test_copies_in_the_validation_part_are_one_witness(ignorant):
    x, y = puzzles(40, seed=9)
    again = np.tile(np.arange(40), 2)
    _, learned_from = puzzles(120, seed=8)
    for rows in (again[:40], again):
        tuned, _ = paired(ImageClassifier, ignorant, learned_from, (x[rows], y[rows]))
        assert tuned.comparison_.groups == 40


def test_copies_do_not_vouch_for_each_other(source):
    x, y = bars(90, seed=5)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])
    how: dict[str, Any] = {**QUICK, "weights": source, "freeze": "all"}
    model = ImageClassifier(**how, false_alarm=0.2).fit(x, y)
    z = model.probe_.features
    groups = np.tile(np.arange(90), 2)
    wanted = NearestNeighborDetector.fit(
        z, (1 - SURFACES) * 0.2, 0, together=groups
    ).threshold
    assert model.known_ is not None
    assert model.known_.embeddings.threshold == pytest.approx(wanted, rel=1e-4)
    assert (
        wanted
        > 1.05 * NearestNeighborDetector.fit(z, (1 - SURFACES) * 0.2, 0).threshold
    )


def test_numbers_are_compared_by_their_errors(ignorant):
    x, y = puzzles(150, seed=9)
    y = 10.0 * y + 3
    tuned, frozen = paired(
        ImageRegressor, ignorant, 10.0 * puzzles(360, 8)[1] + 3, (x, y)
    )
    found = tuned.comparison_
    first, now = (np.abs(model.predict(x) - y) for model in (frozen, tuned))
    assert found.better and found.measure == "mean absolute error"
    assert found.theirs == pytest.approx(first.mean(), rel=1e-3)
    assert found.ours == pytest.approx(now.mean(), rel=1e-3)
    assert (found.wins, found.losses) == ((now < first).sum(), (now > first).sum())


def test_several_labels_are_compared_by_their_brier_score(ignorant):
    x, solved = puzzles(150, seed=9)

    def marks(x: np.ndarray, solved: np.ndarray) -> np.ndarray:
        return np.stack([solved, x[:, 0, 0] > 200], axis=1).astype(int)

    y = marks(x, solved)
    tuned, frozen = paired(ImageClassifier, ignorant, marks(*puzzles(360, 8)), (x, y))

    def brier(model: Any) -> float:
        p = np.clip(model.predict_proba(x), 1e-9, 1 - 1e-9)
        logits = np.log(p / (1 - p)) * model.temperature_

        def loss(log_t: float) -> float:
            z = logits / np.exp(log_t)
            return float((np.logaddexp(0, z) - y * z).mean())

        best: Any = minimize_scalar(loss, bounds=(-4, 4), method="bounded")
        said = 1 / (1 + np.exp(-logits / np.exp(best.x)))
        return ((said - y) ** 2).sum(axis=1).mean()

    found = tuned.comparison_
    assert found.better and found.measure == "Brier score"
    assert found.theirs == pytest.approx(brier(frozen), rel=0.01)
    assert found.ours == pytest.approx(brier(tuned), rel=0.01)


def test_several_labels_and_numbers(source):
    x, y = bars(90, seed=5)
    marks = np.stack([y == 0, y != 2], axis=1).astype(int)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, marks)
    assert model.probe_.score.metric == "f1_micro" and model.probe_.score.value > 0.6
    light = x.mean(axis=(1, 2)) / 10.0
    other = ImageRegressor(**QUICK, weights=source, freeze="all").fit(x, light)
    found = other.evaluate(x, light)
    assert other.probe_.score.metric == "mae"
    assert found.score.value < found.baselines["median"].value


@pytest.mark.parametrize("freeze", ["some", "-1", "1.5", ""])
def test_what_cannot_be_frozen(freeze, source):
    x, y = bars(12)
    with pytest.raises(
        SettingError, match="freeze must be none, all, auto, or a number"
    ):
        ImageClassifier(**QUICK, weights=source, freeze=freeze).fit(x, y)
    with pytest.raises(SettingError, match="none unless --weights is given"):
        ImageClassifier(**QUICK, freeze="2").fit(x, y)


def test_the_first_blocks_that_stay_are_the_source_s(source):
    x, y = bars(60, seed=5)
    how: dict[str, Any] = {**QUICK, "weights": source, "freeze": "1", "epochs": 2}
    model = ImageClassifier(**how, val_fraction=0.0).fit(x, y)
    body, before = (
        model.network_.state_dict(),
        vicinal.load(source).network_.state_dict(),
    )
    first = [k for k in body if k.startswith("stages.0.")]
    assert first and all(body[k].equal(before[k]) for k in first)
    assert not body["stages.1.widen.conv.weight"].equal(
        before["stages.1.widen.conv.weight"]
    )


# --- minutes -----------------------------------------------------------------------


def test_as_many_epochs_as_the_minutes_have_room_for(source, monkeypatch):
    x, y = bars(60, seed=5)
    plans = []
    for minutes, an_epoch in ((1.0, 10.0), (1.0, 0.001), (10.0, 10.0), (0.2, 100.0)):
        how: dict[str, Any] = {**QUICK, "weights": source, "minutes": minutes}
        model = ImageClassifier(**how)
        model._began, model.quarantine_ = time.monotonic(), []
        monkeypatch.setattr(model, "_seconds_an_epoch", lambda loader, s=an_epoch: s)
        trainer = model._prepare(*model._parts(x, y, None), None, lambda: False)
        assert trainer.time_limited and trainer.settings.epochs == 60
        plans.append(model.epochs_)
    # 60 s less a tenth; never more than 60 epochs; half a minute less at most; one
    assert plans[0] in (4, 5) and plans[2] in range(50, 55)  # seconds may have passed
    assert plans[1] == 60 and plans[3] == 1


def test_epochs_that_are_named_are_no_plan(source):
    x, y = bars(60, seed=5)
    how: dict[str, Any] = {**QUICK, "weights": source, "minutes": 5.0, "epochs": 2}
    assert len(ImageClassifier(**how).fit(x, y).history_) == 2


def test_when_the_time_is_up_the_first_answer_is_the_model(source):
    x, y = bars(60, seed=5)
    how: dict[str, Any] = {**QUICK, "weights": source, "minutes": 1e-6}
    model = ImageClassifier(**how).fit(x, y)
    assert model.history_ == [] and model.comparison_ is None
    assert model.score(*bars(60, seed=6)) > 0.8


# --- how sure it is ------------------------------------------------------------------


def test_the_temperature_is_that_of_the_answers_out_of_fold(source, tmp_path):
    x, y = bars(90, seed=5)
    noisy = np.where(np.random.default_rng(0).random(90) < 0.3, (y + 1) % 3, y)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, noisy)
    logits = model.probe_.fit.logits
    assert model.temperature_ == fit_temperature(logits, noisy, model.objective_)
    again = vicinal.load(model.save(tmp_path))
    assert again.temperature_ == model.temperature_ != 1
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_the_temperature_is_that_of_the_validation_part():
    x, y = bars(120, seed=5)
    val, told = bars(90, seed=6)
    told = np.where(np.random.default_rng(0).random(90) < 0.3, (told + 1) % 3, told)
    how: dict[str, Any] = {**QUICK, "epochs": 8, "lr": 1e-2}
    model = ImageClassifier(**how).fit(x, y, validation=(val, told))
    sure = model.predict_proba(val)
    logits = torch.from_numpy(np.log(sure) * model.temperature_)
    wanted = fit_temperature(logits, told, model.objective_)
    assert model.temperature_ == pytest.approx(wanted, rel=1e-3) != 1


# --- labels, and more pictures -------------------------------------------------------


def test_planted_labels_are_suspected_and_written(source, tmp_path):
    x, y = bars(240, seed=5)
    wrong = np.random.default_rng(0).choice(240, 12, replace=False)
    names = np.array(["lies", "stands", "leans"])
    told = names[np.where(np.isin(np.arange(240), wrong), (y + 1) % 3, y)]
    (tmp_path / "x").mkdir()
    for k, picture in enumerate(x):
        Image.fromarray(picture).save(tmp_path / "x" / f"{k}.png")
    frame = pd.DataFrame({"path": [f"x/{k}.png" for k in range(240)], "label": told})
    frame.to_csv(tmp_path / "data.csv", index=False)
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=source, freeze="all")
        table = read_images(tmp_path / "data.csv")
        work = TrainingRun(learner, table, run, "data.csv")
        list(work.steps())
    found = pd.read_csv(tmp_path / "run" / "suspects.csv")
    assert list(found) == ["path", "label", "proposed", "score", "kind", "nearest"]
    worst = found.head(12)
    right = [int(Path(p).stem) in wrong for p in worst["path"]]
    assert sum(right) >= 9
    assert found["score"].is_monotonic_decreasing
    first = worst[right].iloc[0]
    k = int(Path(first["path"]).stem)
    assert (first["label"], first["proposed"]) == (told[k], names[y[k]])
    assert f"({names[y[k]]})" in first["nearest"]
    text = (tmp_path / "run" / "report.txt").read_text()
    assert "labels may be wrong" in text and f"labelled {first['label']}" in text
    assert "With 240 pictures expect accuracy of" in text


def test_few_pictures_say_nothing_of_more(source):
    x, y = bars(40, seed=5)
    model = ImageClassifier(**QUICK, weights=source, freeze="all").fit(x, y)
    said = more_pictures(model.probe_, model.objective_)
    assert "Below 100 pictures nothing can be said" in said


@pytest.mark.parametrize(
    ("given", "weights", "n", "share"),
    [
        (None, None, 5000, 0.15),
        (None, "w", 1000, 0.15),
        (None, "w", 2000, 0.1),
        (None, "w", 50_000, 0.05),
        (0.3, "w", 2000, 0.3),
        (0.0, None, 2000, 0.0),
    ],
)
def test_with_trained_weights_two_hundred_choose(given, weights, n, share):
    settings = ImageSettings(val_fraction=given, weights=weights)
    assert settings.val_share(n) == share


def test_copies_on_both_sides_flatter_by_what_was_planted():
    """Labels that say nothing: an honest head guesses, a naive one knows the copies."""
    rng = np.random.default_rng(0)
    n, copies = 300, 150
    z, y = rng.normal(size=(n, 200)), rng.integers(0, 2, n)
    features = np.concatenate([z, z[:copies] + rng.normal(0, 1e-3, (copies, 200))])
    y = np.concatenate([y, y[:copies]])
    together = np.concatenate([np.arange(n), np.arange(copies)])
    objective = SingleLabel(("a", "b"))
    folds = together % 5
    fit = cross_fit(features.astype(np.float32), y, objective, folds)
    honest = objective.score(y, objective.decide(objective.predict(fit.logits)))
    head = replace(fit.head, penalty=0.01)
    probe = Probe(
        features.astype(np.float32), y, replace(fit, head=head), folds, y, honest
    )
    leaky_score = naive_score(probe, together, objective, 0)
    assert leaky_score is not None and leaky_score.n == n + copies
    # 300 of 450 have a copy, of which four in five are in another fold
    guessed, known = honest.value, 0.8 * 300 / 450
    wanted = known + (1 - known) * guessed
    assert abs(honest.value - 0.5) < 0.08
    assert abs(leaky_score.value - wanted) < 0.08
    assert naive_score(probe, np.arange(n + copies), objective, 0) is None


def test_the_naive_score_differs_by_the_copies_alone():
    """Two pictures in one group, of which one moves: of 300 few answers may change."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    y = (features[:, 0] + rng.normal(size=300) > 0).astype(int)
    objective = SingleLabel(("a", "b"))
    together = np.arange(300)
    together[1] = together[0]
    folds = together % 5
    fit = cross_fit(features, y, objective, folds)
    predicted = objective.predict(fit.logits)
    honest = objective.score(y, objective.decide(predicted), together)
    probe = Probe(features, y, fit, folds, predicted, honest)
    for seed in range(5):
        leaky_score = naive_score(probe, together, objective, seed)
        assert (
            leaky_score is not None and abs(leaky_score.value - honest.value) <= 2 / 300
        )


def test_classes_that_more_pictures_would_help_are_named(monkeypatch):
    none = np.zeros(0)
    curve = Curve("accuracy", 200, none, none, none, np.zeros(3), np.zeros((1, 3)))
    falls = {"rare": 0.4, "often": 0.1, "known": 0.0}
    laws = {
        name: replace(curve, law=np.array([0, f, 1]), laws=np.array([[0, f, 1]] * 9))
        for name, f in falls.items()
    }
    whole = replace(laws["often"], by_class=laws)
    monkeypatch.setattr(labels_check, "learning_curve", lambda *_: whole)
    probe: Any = SimpleNamespace(
        y=np.zeros(200), features=None, folds=None, fit=SimpleNamespace(head=HEAD)
    )
    said = more_pictures(probe, SingleLabel(("often", "rare")))
    # an error b / n: twice as many pictures take half of b away
    assert "help most to find: rare (+20 points [20, 20]), often (+5 points" in said
    assert "known (" not in said


HEAD = SimpleNamespace(penalty=1.0)


# --- where fine-tuning begins ------------------------------------------------------


def test_softened_a_head_is_as_sure_of_its_own_as_of_others():
    objective, probe = SingleLabel(("0", "1", "2")), probe_of(1.0)
    share = calibrated_head_scale(probe, objective)
    own, y = probe.fit.head.logits(probe.features), torch.from_numpy(probe.y)
    wanted = F.cross_entropy(probe.fit.logits, y).item()
    assert F.cross_entropy(own, y).item() < 0.8 * wanted  # it was surer of its own
    assert 0.02 < share < 0.9
    assert F.cross_entropy(share * own, y).item() == pytest.approx(wanted, rel=1e-3)
    assert torch.equal((share * own).argmax(1), own.argmax(1))


def test_a_head_that_is_no_surer_of_its_own_stays():
    objective, probe = SingleLabel(("0", "1", "2")), probe_of(1.0)
    perfect = replace(probe.fit, logits=50.0 * torch.eye(3)[torch.from_numpy(probe.y)])
    assert calibrated_head_scale(replace(probe, fit=perfect), objective) == 1.0
    assert calibrated_head_scale(probe_of(1.0, "numeric"), Numeric(1.0)) == 1.0


def test_fine_tuning_begins_softly_and_the_first_answer_is_kept_whole(source):
    x, y = bars(30, seed=3)
    y = np.where(np.arange(30) % 4 == 0, (y + 1) % 3, y)  # some labels are wrong
    how = {**QUICK, "weights": source, "epochs": 1, "lr": 1e-12, "val_fraction": 0.0}
    model = ImageClassifier(**how, layer_decay=1.0, ema=0.0)
    epochs = model.fit_epochs(x, y)
    head, network = model.probe_.fit.head.weights.T, model.network_
    np.testing.assert_allclose(network.head.weight.detach().numpy(), head, rtol=1e-6)
    share = calibrated_head_scale(model.probe_, model.objective_)
    list(epochs)  # in steps of next to nothing
    assert share < 0.95
    found = model.network_.head.weight.detach().numpy()
    np.testing.assert_allclose(found, share * head, rtol=1e-4, atol=1e-7)


def test_a_first_answer_that_stands_is_calibrated_on_all_it_was_tried_on(source):
    x, y = bars(60, seed=4)
    y = np.where(np.arange(60) % 4 == 0, (y + 1) % 3, y)
    how = {**QUICK, "weights": source, "epochs": 1, "lr": 1e-9, "val_fraction": 0.3}
    model = ImageClassifier(**how).fit(x, y)
    assert model.comparison_ is not None and not model.comparison_.better
    own, fit = model.objective_, model.probe_.fit
    wanted = fit_temperature(fit.logits, model.probe_.y, own)
    assert model.temperature_ == pytest.approx(wanted) and wanted != 1.0
