"""Fitting image estimators: what is learned, from which data, and what is refused.

tests/contract/test_estimators.py has the laws of all estimators; here are those of
image estimators alone.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

import vicinal
from vicinal import ImageClassifier, ImageRegressor
from vicinal.errors import (
    DataError,
    NoDataError,
    NotFittedError,
    QuarantineWarning,
    SettingError,
    TrainingError,
)


def outputs(model: Any, x: Any) -> np.ndarray:
    """Return probabilities, or the numbers of a regressor."""
    return getattr(model, "predict_proba", model.predict)(x)


# --- training --------------------------------------------------------------------


def test_history_has_an_entry_per_epoch(fitted, shades):
    case, model = fitted
    assert isinstance(model, case.estimator)
    assert [epoch.epoch for epoch in model.history_] == [1, 2, 3]
    assert any(epoch.best for epoch in model.history_)
    assert model.fit(shades(), case.y) is model  # a second fit


def test_classes_are_sorted_and_keep_their_type(fitted):
    case, model = fitted
    if case.classes is None:
        assert not hasattr(model, "classes_")
        return
    assert model.classes_.tolist() == case.classes
    kind = "i" if isinstance(case.classes[0], int) else "U"
    assert model.classes_.dtype.kind == kind


def test_ten_images_can_be_overfitted(case, fast):
    n = len(case.y)
    x = np.random.default_rng(3).integers(0, 256, (10, 8, 8)).astype(np.uint8)
    rows = np.linspace(0, n - 1, 10).astype(int)
    y = [case.y[row] for row in np.random.default_rng(4).permutation(rows)]
    overfit = {"epochs": 75, "lr": 1e-2, "label_smoothing": 0.0, "val_fraction": 0.0}
    model = case.estimator(**fast | overfit, weight_decay=0.0).fit(x, y)
    if case.metric == "mae":
        assert np.abs(model.predict(x) - y).max() < 0.2 * np.std(y)
    else:
        assert model.score(x, y) == 1


def test_a_model_is_usable_after_training_stops_early(case, fast, shades, tmp_path):
    n = len(case.y)
    model = case.estimator(**fast)
    for epoch in model.fit_epochs(shades(), case.y):
        if epoch.epoch == 2:
            break
    assert len(model.history_) == 2
    assert len(model.predict(shades())) == n

    epochs = model.fit_epochs(shades(), case.y)  # referenced, so it is not closed
    next(epochs)
    assert len(model.history_) == 1 and len(model.predict(shades())) == n
    model.save(tmp_path)
    assert len(vicinal.load(tmp_path).history_) == 1


def test_a_model_is_not_fitted_before_the_first_epoch(cases, fast, shades, tmp_path):
    model = ImageClassifier(**fast)
    epochs = model.fit_epochs(shades(), cases["names"].y)
    for use in (lambda: model.predict(shades()), lambda: model.save(tmp_path)):
        with pytest.raises(NotFittedError):
            use()
    next(epochs)
    assert len(model.predict(shades())) == len(cases["names"].y)


def test_a_failed_second_fit_leaves_the_model_unfitted(
    cases, fast, shades, monkeypatch
):
    model = ImageClassifier(**fast).fit(shades(), cases["names"].y)

    def diverge(self: Any, loss: float) -> None:
        raise TrainingError("The loss became nan")

    monkeypatch.setattr("vicinal.core.training.trainer.Trainer._check_finite", diverge)
    with pytest.raises(TrainingError):
        model.fit(shades(), cases["names"].y)
    with pytest.raises(NotFittedError):
        model.predict(shades())


def test_the_best_epoch_is_kept_rather_than_the_last(cases, fast, shades):
    model = ImageClassifier(**fast | {"epochs": 8, "lr": 1.0, "patience": 0})
    val = shades(n=12), np.arange(12) % 2
    model.fit(shades(), cases["integers"].y % 2, validation=val)
    best = max(k for k, epoch in enumerate(model.history_) if epoch.best)
    assert best < len(model.history_) - 1  # so keeping the last would be noticed
    assert model.evaluate(val).score.value == model.history_[best].val_score


def test_expected_seconds_grow_with_the_number_of_epochs(cases, fast, shades):
    short, long = (ImageClassifier(**fast | {"epochs": n}) for n in (1, 1000))
    for model in (short, long):
        model.fit_epochs(shades(), cases["names"].y)
    assert long.expected_seconds_ > 10 * short.expected_seconds_ > 0


# scikit-learn indexes y, which must be an array; lists of names become texts `a|b`
@pytest.mark.parametrize("name", ["several names", "label matrix"])
def test_scikit_learn_cross_validates_several_labels(name, cases, fast, shades):
    y = cases[name].y
    if isinstance(y[0], list):
        y = ["|".join(names) for names in y]
    model = ImageClassifier(**fast | {"epochs": 1})
    scores = cross_val_score(model, shades(), np.asarray(y), cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()


# --- splits ----------------------------------------------------------------------


def test_validation_data_choose_the_epoch(case, fast, shades):
    x, y = shades(), case.y
    validation = (x[::4], [y[k] for k in range(0, len(y), 4)])
    model = case.estimator(**fast).fit(x, y, validation=validation)
    best = next(e for e in reversed(model.history_) if e.best)
    score = model.evaluate(*validation).score.value
    assert best.val_score == pytest.approx(score, abs=1e-6)


def test_a_given_validation_split_chooses_the_epoch(cases, fast, files):
    table = table_of(files, cases["names"].y)
    table["split"] = ["val" if k % 4 == 0 else "train" for k in range(len(table))]
    model = ImageClassifier(**fast).fit(table)
    best = next(e for e in reversed(model.history_) if e.best)
    held_out = table[table["split"] == "val"].drop(columns="split")
    assert best.val_score == model.evaluate(held_out).score.value


def test_a_given_test_split_is_not_used_for_training(cases, fast, files, shades):
    table = table_of(files, cases["names"].y)
    table["split"] = ["test" if k % 3 == 0 else "" for k in range(len(table))]
    model = ImageClassifier(**fast).fit(table)
    train = table[table["split"] == ""].drop(columns="split")
    same = ImageClassifier(**fast).fit(train)
    assert np.array_equal(model.predict_proba(shades()), same.predict_proba(shades()))
    evaluation = model.evaluate(table)
    assert evaluation.score.n == len(table) // 3
    assert len(evaluation.notes) == 1
    assert "test" in evaluation.notes[0] and "8 of 24" in evaluation.notes[0]
    with pytest.raises(NoDataError, match="0 "):
        ImageClassifier(**fast).fit(table[table["split"] == "test"])


def table_of(files: list[Path], labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"path": list(map(str, files)), "label": labels})


def test_mean_and_std_are_those_of_the_training_split(fast):
    x = np.full((20, 8, 8), 40, dtype=np.uint8)
    x[:10, :4] = 120
    x[:, 0, 0] = np.arange(20)  # no duplicates
    bright = np.full((6, 8, 8), 250, dtype=np.uint8)
    bright[:, 0, 0] = np.arange(6)
    y = np.arange(20) % 2
    model = ImageClassifier(**fast).fit(x, y, validation=(bright, y[:6]))
    pixels = x / 255
    assert model.preprocessing_.mean == pytest.approx((pixels.mean(),), abs=1e-4)
    assert model.preprocessing_.std == pytest.approx((pixels.std(),), abs=1e-4)


def test_a_class_of_one_image_is_in_the_training_split(fast, shades):
    y = ["a", "a|b"] * 11 + ["a|rare", "b|rarer"]
    for seed in range(6):  # with some of them a random split would hold it out
        model = ImageClassifier(**fast, random_state=seed, val_fraction=0.4)
        assert model.fit(shades(), y).classes_.tolist() == ["a", "b", "rare", "rarer"]


# --- data ------------------------------------------------------------------------


# names and numbers are in tests/contract/test_estimators.py
@pytest.mark.parametrize("name", ["integers", "several names", "label matrix"])
def test_every_form_of_labels_gives_the_same_model(
    name, cases, fast, files, shades, tmp_path
):
    y = list(cases[name].y)
    forms: list[tuple[Any, ...]] = [(files, y), (vicinal.read_images(files, y),)]
    if not isinstance(y[0], np.ndarray):
        texts = ["|".join(k) if isinstance(k, list) else k for k in y]
        table = pd.DataFrame({"path": [str(p) for p in files], "label": texts})
        table.to_csv(tmp_path / "table.csv", index=False)
        forms += [(table,)]
        if not isinstance(texts[0], np.integer):  # a CSV has texts: "10" before "2"
            forms += [(tmp_path / "table.csv",)]
    # no validation split: it would depend on the digests of files and arrays
    parameters = fast | {"val_fraction": 0.0}
    expected = outputs(ImageClassifier(**parameters).fit(shades(), y), shades())
    for form in forms:
        model = ImageClassifier(**parameters).fit(*form)
        np.testing.assert_allclose(outputs(model, shades()), expected, atol=1e-5)


def test_a_directory_per_class(cases, fast, files, tmp_path):
    for path, name in zip(files, cases["names"].y, strict=True):
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "data" / name / path.name)
    model = ImageClassifier(**fast).fit(tmp_path / "data")
    assert model.classes_.tolist() == ["Light", "dark"]
    assert model.evaluate(tmp_path / "data").score.n == len(files)
    assert len(model.predict(tmp_path / "data")) == len(files)
    with pytest.raises(SettingError, match="give a CSV"):
        ImageRegressor(**fast).fit(tmp_path / "data")


@pytest.mark.parametrize(("trained", "predicted"), [(1, 3), (3, 1)])
def test_grayscale_and_rgb_images_are_equivalent(
    trained, predicted, case, fast, shades
):
    model = case.estimator(**fast).fit(shades(trained), case.y)
    assert model.preprocessing_.channels == trained
    np.testing.assert_allclose(
        outputs(model, shades(trained)), outputs(model, shades(predicted)), atol=1e-6
    )


def test_unusable_images_are_quarantined(case, fast, files):
    y = list(case.y)
    files[4].write_bytes(b"")
    with pytest.warns(QuarantineWarning, match=r"1 image .*04\.png: the f"):
        model = case.estimator(**fast).fit(files, y)
    assert [Path(q.name).name for q in model.quarantine_] == ["04.png"]
    rest = [k for k in range(len(y)) if k != 4]
    same = case.estimator(**fast).fit([files[k] for k in rest], [y[k] for k in rest])
    assert same.quarantine_ == []
    weights, expected = (m.network_.state_dict().values() for m in (model, same))
    assert all(a.equal(b) for a, b in zip(weights, expected, strict=True))
    evaluation = model.evaluate(files, y)
    assert evaluation.score.n == len(y) - 1 and "1 image" in evaluation.notes[0]


def test_one_missing_number_does_not_change_the_other_classes(fast, files):
    paths = [str(path) for path in files]
    labels = [1.0, 2.0] * (len(files) // 2 - 1) + [1, None]
    frame = pd.DataFrame({"path": paths, "label": labels})
    with pytest.warns(QuarantineWarning):
        model = ImageClassifier(**fast).fit(frame)
    assert model.classes_.tolist() == [1, 2]


def test_booleans_are_classes(fast, shades):
    y = np.arange(24) >= 12
    model = ImageClassifier(**fast | {"epochs": 30}).fit(shades(), y)
    assert (
        (model.predict(shades()) == y.astype(str)).mean()
        == model.score(shades(), y)
        > 0.9
    )


def test_many_integers_are_classes_of_a_classifier(fast, shades):
    y = [str(k) for k in np.repeat(np.arange(40), 2)]
    model = ImageClassifier(**fast).fit(shades(n=80), y)
    assert len(model.classes_) == 40


@pytest.mark.parametrize(
    ("estimator", "y", "message"),
    [
        (
            ImageClassifier,
            np.linspace(0, 1, 24),
            r"Got numeric labels\. Use ImageRegressor",
        ),
        (ImageClassifier, ["one"] * 24, r"one class \(?'?one"),
        (ImageClassifier, None, "No image has a label"),
        (ImageRegressor, ["x"] * 24, "needs numbers as labels. Got 'x'"),
        (ImageClassifier, ["a", "b"], "Got 2 labels for 24 images"),
    ],
)
def test_labels_of_the_wrong_kind_raise(estimator, y, message, fast, shades):
    with pytest.raises(DataError, match=message):
        estimator(**fast).fit(shades(), y)


def test_numpy_numbers_and_paths_are_valid_parameters(cases, fast, shades, tmp_path):
    y = cases["names"].y
    source = ImageClassifier(**fast).fit(shades(), y).save(tmp_path)
    parameters: dict[str, Any] = fast | {
        "epochs": np.int64(1),
        "lr": np.float32(1e-3),
        "weights": source,
    }
    model = ImageClassifier(**parameters).fit(shades(), y)
    again = vicinal.load(model.save(tmp_path / "next"))
    assert np.array_equal(again.predict(shades()), model.predict(shades()))
