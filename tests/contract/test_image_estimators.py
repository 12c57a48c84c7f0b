"""The contract: every estimator passes the same checks."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import base
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import cross_val_score

import vicinal
from vicinal import Evaluation, ImageClassifier, ImageRegressor
from vicinal.core.estimators.estimator import MODEL_JSON, MODEL_TENSORS
from vicinal.errors import (
    ClassError,
    DataError,
    ImageError,
    ModelFileError,
    NoDataError,
    NotFittedError,
    QuarantineWarning,
    RunError,
    SettingError,
    TrainingError,
)

N, SIDE = 24, 8
QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "exact": True,
    "cache": False,
}


class Case(NamedTuple):
    """An estimator, and labels for N pictures, the darkest first."""

    estimator: type[Any]
    y: Any
    classes: list[Any] | None
    outputs: int
    metric: str


SEVERAL = [["dark"] if k < N / 2 else ["light", "even"][: 2 - k % 2] for k in range(N)]
CASES = {
    "names": Case(
        ImageClassifier,
        ["dark"] * (N // 2) + ["Light"] * (N // 2),
        ["Light", "dark"],
        2,
        "accuracy",
    ),
    "whole numbers": Case(
        ImageClassifier, np.repeat([10, 9, 2], N // 3), [2, 9, 10], 3, "accuracy"
    ),
    "several names": Case(
        ImageClassifier, SEVERAL, ["dark", "even", "light"], 3, "f1_micro"
    ),
    "marks": Case(
        ImageClassifier,
        np.array([[k >= N / 2, 1, 0, k % 2] for k in range(N)], dtype=int),
        [0, 1, 2, 3],
        4,
        "f1_micro",
    ),
    "amounts": Case(ImageRegressor, np.linspace(-1, 9, N) ** 2, None, 1, "mae"),
}
clone: Any = base.clone  # whose type hints know only what is in scikit-learn
ESTIMATORS = [ImageClassifier, ImageRegressor]


def shades(channels: int = 1, side: int = SIDE, n: int = N) -> np.ndarray:
    """Pictures [n, side, side(, 3)] of uint8, each lighter than the one before."""
    rng = np.random.default_rng(0)
    light = np.linspace(30, 220, n)[:, None, None] + rng.normal(0, 4, (n, side, side))
    x = np.rint(light.clip(0, 255)).astype(np.uint8)
    return x if channels == 1 else np.repeat(x[..., None], channels, axis=-1)


@pytest.fixture(scope="module", params=CASES)
def fitted(request) -> Iterator[tuple[Case, Any]]:
    """A case, and a model that has learned from it."""
    case = CASES[request.param]
    yield case, case.estimator(**QUICK).fit(shades(), case.y)


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """The pictures as files, in the order of their names."""
    (tmp_path / "new").mkdir()
    paths = [tmp_path / "new" / f"{k:02}.png" for k in range(N)]
    for path, pixels in zip(paths, shades(), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


# --- scikit-learn's verbs --------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_init_only_stores(estimator):
    odd = {"epochs": -3, "weights": object(), "random_state": "x", "device": None}
    model = estimator(**odd)
    assert all(getattr(model, name) is value for name, value in odd.items())
    assert [name for name in vars(model) if name.endswith("_")] == []
    assert set(model.get_params()) == set(inspect.signature(estimator).parameters)
    with pytest.raises(SettingError):
        model.fit(shades(), np.arange(N) % 2)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters(estimator):
    model = estimator(**QUICK, random_state=7)
    assert QUICK.items() <= model.get_params().items()
    assert model.set_params(epochs=9) is model and model.epochs == 9
    copied = clone(model)
    assert type(copied) is estimator and copied.get_params() == model.get_params()
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        model.set_params(epoch=1)
    with pytest.raises(TypeError, match="Did you mean 'epochs'"):
        estimator(epoch=1)
    assert eval(repr(model)).get_params() == model.get_params()


def test_a_clone_has_not_learned(fitted):
    _, model = fitted
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(shades())


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_has_not_learned_says_so(estimator, tmp_path):
    model = estimator()
    asks = [
        lambda: model.predict(shades()),
        lambda: model.transform(shades()),
        lambda: model.evaluate(shades(), np.arange(N)),
        lambda: model.score(shades(), np.arange(N)),
        lambda: model.save(tmp_path),
    ]
    if estimator is ImageClassifier:
        asks.append(lambda: model.predict_proba(shades()))
    for ask in asks:
        wanted = f"{estimator.__name__} has not learned yet.*fit first.*vicinal.load"
        with pytest.raises(NotFittedError, match=wanted):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_scikit_learn_knows_what_it_is():
    assert is_classifier(ImageClassifier()) and not is_regressor(ImageClassifier())
    assert is_regressor(ImageRegressor()) and not is_classifier(ImageRegressor())


def test_cross_validation(case):
    # scikit-learn takes rows of y, which lists of names are not
    y = case.y if not isinstance(case.y[0], list) else ["|".join(k) for k in case.y]
    model = case.estimator(**QUICK | {"epochs": 1})
    scores = cross_val_score(model, shades(), np.asarray(y), cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()


# --- learning --------------------------------------------------------------------


def test_fit_returns_itself_with_what_it_learned(fitted):
    case, model = fitted
    assert isinstance(model, case.estimator)
    assert [epoch.epoch for epoch in model.history_] == [1, 2, 3]
    assert any(epoch.best for epoch in model.history_)
    assert model.fit(shades(), case.y) is model  # and again


def test_classes_are_in_the_order_of_their_names(fitted):
    case, model = fitted
    if case.classes is None:
        assert not hasattr(model, "classes_")
        return
    assert model.classes_.tolist() == case.classes
    wanted = "i" if isinstance(case.classes[0], int) else "U"
    assert model.classes_.dtype.kind == wanted


def test_predictions(fitted):
    case, model = fitted
    got = model.predict(shades())
    if case.metric == "accuracy":
        p = model.predict_proba(shades())
        assert p.shape == (N, case.outputs) and p.sum(axis=1) == pytest.approx(1)
        assert (got == model.classes_[p.argmax(axis=1)]).all()
        assert got.shape == (N,) and got.dtype == model.classes_.dtype
    elif case.metric == "f1_micro":
        p = model.predict_proba(shades())
        assert p.shape == got.shape == (N, case.outputs)
        assert ((p >= 0) & (p <= 1)).all() and (got == (p >= 0.5)).all()
    else:
        assert got.shape == (N,) and np.isfinite(got).all()
        assert not hasattr(model, "predict_proba")


def test_transform_gives_what_the_last_layer_sees(fitted):
    _, model = fitted
    embeddings = model.transform(shades())
    assert embeddings.shape == (N, model.network_.head.in_features)
    assert embeddings.dtype == np.float32 and np.isfinite(embeddings).all()
    w, b = (t.detach().numpy() for t in model.network_.head.parameters())
    logits = embeddings @ w.T + b
    raw = model.objective_.predict(torch_of(logits))
    told = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    np.testing.assert_allclose(raw, told(shades()), rtol=1e-4, atol=1e-5)


def torch_of(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)


def test_the_seed_decides(case):
    def learn(seed: int) -> np.ndarray:
        model = case.estimator(**QUICK, random_state=seed)
        return model.fit(shades(), case.y).transform(shades())

    first = learn(1)
    assert np.array_equal(first, learn(1))
    assert not np.allclose(first, learn(2))


def test_ten_pictures_are_learned_by_heart(case):
    x = np.random.default_rng(3).integers(0, 256, (10, SIDE, SIDE)).astype(np.uint8)
    rows = np.linspace(0, N - 1, 10).astype(int)
    y = [case.y[row] for row in np.random.default_rng(4).permutation(rows)]
    hard = {"epochs": 150, "lr": 1e-2, "label_smoothing": 0.0, "val_fraction": 0.0}
    model = case.estimator(**QUICK | hard, weight_decay=0.0).fit(x, y)
    if case.metric == "mae":
        assert np.abs(model.predict(x) - y).max() < 0.2 * np.std(y)
    else:
        assert model.score(x, y) == 1


def test_left_early_it_is_of_use(case, tmp_path):
    model = case.estimator(**QUICK)
    for epoch in model.fit_epochs(shades(), case.y):
        if epoch.epoch == 2:
            break
    assert len(model.history_) == 2
    assert len(model.predict(shades())) == N

    held = model.fit_epochs(shades(), case.y)  # the loop is kept, so it is not closed
    next(held)
    assert len(model.history_) == 1 and len(model.predict(shades())) == N
    model.save(tmp_path)
    assert len(vicinal.load(tmp_path).history_) == 1


def test_validation_is_the_user_s_own(case):
    x, y = shades(), case.y
    validation = (x[::4], [y[k] for k in range(0, N, 4)])
    model = case.estimator(**QUICK).fit(x, y, validation=validation)
    best = next(e for e in reversed(model.history_) if e.best)
    found = model.evaluate(*validation).score.value
    assert best.val_score == pytest.approx(found, abs=1e-6)


# --- what it is asked about ------------------------------------------------------


def answers(model: Any, x: Any) -> np.ndarray:
    """What a model says of pictures, as numbers."""
    return getattr(model, "predict_proba", model.predict)(x)


def test_every_form_of_data_gives_the_same(fitted, files, tmp_path, monkeypatch):
    _, model = fitted
    wanted = answers(model, shades())
    table = pd.DataFrame({"path": [str(path) for path in files]})
    table.to_csv(tmp_path / "new.csv", index=False)
    names = [str(path) for path in files]
    forms = [
        files, names, tuple(names), np.array(names), pd.Series(names), table,
        files[0].parent, str(files[0].parent), tmp_path / "new.csv",
        shades().astype(np.float32) / 255, shades().astype(int), shades()[..., None],
        vicinal.read_images(files), list(shades()),
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(answers(model, form), wanted, atol=1e-6, rtol=1e-5)
    one = answers(model, files[3])
    np.testing.assert_allclose(one, wanted[3:4], atol=1e-6, rtol=1e-5)
    monkeypatch.chdir(files[0].parent)
    np.testing.assert_allclose(
        answers(model, ["03.png"]), wanted[3:4], atol=1e-6, rtol=1e-5
    )


def test_it_learns_from_every_form_of_data(case, files, tmp_path):
    y = list(case.y)
    texts = ["|".join(k) if isinstance(k, list) else k for k in y]
    forms: list[tuple[Any, ...]] = [(files, y), (vicinal.read_images(files, y),)]
    if case.classes is None:
        forms = [(files, y)]
    if not isinstance(y[0], np.ndarray):
        table = pd.DataFrame({"path": [str(p) for p in files], "label": texts})
        table.to_csv(tmp_path / "table.csv", index=False)
        forms += [(table,)]
        if not isinstance(texts[0], np.integer):  # a CSV holds texts: "10" before "2"
            forms += [(tmp_path / "table.csv",)]
    # all for training: files and arrays would be shared out by different digests
    settings = QUICK | {"val_fraction": 0.0}
    wanted = answers(case.estimator(**settings).fit(shades(), y), shades())
    for form in forms:
        model = case.estimator(**settings).fit(*form)
        np.testing.assert_allclose(answers(model, shades()), wanted, atol=1e-5)


def test_a_folder_for_each_class(files, tmp_path):
    for path, name in zip(files, CASES["names"].y, strict=True):
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "data" / name / path.name)
    model = ImageClassifier(**QUICK).fit(tmp_path / "data")
    assert model.classes_.tolist() == ["Light", "dark"]
    assert model.evaluate(tmp_path / "data").score.n == N
    assert len(model.predict(tmp_path / "data")) == N
    with pytest.raises(SettingError, match="give a CSV"):
        ImageRegressor(**QUICK).fit(tmp_path / "data")


@pytest.mark.parametrize(("learned", "asked"), [(1, 3), (3, 1)])
def test_grey_and_colour_are_the_same_picture(learned, asked, case):
    model = case.estimator(**QUICK).fit(shades(learned), case.y)
    assert model.preprocessing_.channels == learned
    mine, other = answers(model, shades(learned)), answers(model, shades(asked))
    np.testing.assert_allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 5), (3, 17), (40, 24), (200, 200)])
def test_pictures_of_another_size(shape, fitted, tmp_path):
    _, model = fitted
    for channels in ((), (3,)):
        x = np.full((2, *shape, *channels), 99, dtype=np.uint8)
        assert len(answers(model, x)) == 2
        Image.fromarray(x[0]).save(tmp_path / "a.png")
        np.testing.assert_allclose(
            answers(model, tmp_path / "a.png"), answers(model, x[:1]), atol=1e-6
        )


def test_sizes_may_be_mixed(fitted, tmp_path):
    _, model = fitted
    paths = [tmp_path / f"{side}.png" for side in (5, 8, 30)]
    for path in paths:
        Image.new("RGB", (int(path.stem), 9), (200, 10, 30)).save(path)
    assert len(answers(model, paths)) == 3


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 1)])
def test_one_picture_is_no_batch(shape, fitted):
    _, model = fitted
    with pytest.raises(DataError, match=r"For one picture use x\[None\]"):
        model.predict(np.zeros(shape, np.uint8))
    assert len(model.predict(np.zeros((1, *shape), np.uint8))) == 1


def test_pictures_that_cannot_be_read_are_refused_by_name(fitted, files, tmp_path):
    _, model = fitted
    files[4].write_bytes(b"")
    for ask in (model.predict, model.transform):
        with pytest.raises(ImageError, match=r"1 picture cannot.*04\.png: the file"):
            ask(files)
        with pytest.raises(ImageError, match=r"gone\.png: there is no such file"):
            ask(["gone.png"])
        with pytest.raises(ImageError, match="row 1 has no path"):
            ask(pd.DataFrame({"path": [str(files[0]), None]}))
        with pytest.raises(NoDataError):
            ask([])
    told = list(model.answers(files))
    assert [a.name for a in told if a.reason] == [str(files[4])]
    assert sum(a.predicted is not None for a in told) == N - 1


# --- scores ----------------------------------------------------------------------


def test_a_score_has_an_interval_and_a_baseline(fitted):
    case, model = fitted
    found = model.evaluate(shades(), case.y)
    assert isinstance(found, Evaluation) and len(found.predictions) == N
    for score in (found.score, *found.baselines.values()):
        assert score.metric == case.metric and score.n == N
        assert score.low <= score.value <= score.high
    assert len(found.baselines) == 1
    assert json.loads(json.dumps(found.to_dict()))["score"]["n"] == N
    assert model.evaluate((shades(), case.y)).score == found.score


def test_a_score_is_what_the_predictions_give(fitted):
    case, model = fitted
    found, said = model.evaluate(shades(), case.y), model.predict(shades())
    told = found.predictions
    if case.metric == "accuracy":
        assert found.score.value == np.mean(said == np.asarray(case.y))
        assert model.score(shades(), case.y) == found.score.value
        assert (told["predicted"] == told["label"]).mean() == found.score.value
        assert told["probability"].to_numpy() == pytest.approx(
            model.predict_proba(shades()).max(axis=1), abs=1e-5
        )
        assert found.confusion is not None and found.confusion.sum() == N
    elif case.metric == "mae":
        assert found.score.value == pytest.approx(np.abs(said - case.y).mean())
        residual = ((said - case.y) ** 2).sum() / ((case.y - case.y.mean()) ** 2).sum()
        assert model.score(shades(), case.y) == pytest.approx(1 - residual)
        blind = np.abs(np.median(case.y) - case.y).mean()
        assert found.baselines["median"].value == pytest.approx(blind, rel=0.2)
    else:
        y = model.objective_.encode(
            vicinal.read_images(shades(), case.y).labels.tolist()
        )
        hits = 2 * (y * said).sum() / (y.sum() + said.sum())
        assert found.score.value == pytest.approx(hits)


def named(*names: str) -> tuple[np.ndarray, list[str]]:
    return shades(n=len(names)), list(names)


def test_classes_are_matched_by_name_and_not_by_place():
    model = ImageClassifier(**QUICK).fit(shades(), CASES["names"].y)
    x, y = named(*["dark"] * 6)  # one class alone, which is row 1 and not row 0
    found = model.evaluate(x, y)
    assert found.confusion is not None and found.confusion[0].tolist() == [0, 0]
    assert found.score.value == np.mean(model.predict(x) == "dark")
    assert found.notes == ["classes without a picture here: Light"]
    x, y = named("owl", "dark", "ape", "Light", "owl")
    found = model.evaluate(x, y)
    assert found.score.n == 2 and found.predictions["label"].tolist() == [
        "dark",
        "Light",
    ]
    assert found.notes == [
        "classes the model does not know: ape, owl (3 pictures left out)"
    ]
    with pytest.raises(
        ClassError, match="It knows Light, dark; the data have ape, owl"
    ):
        model.evaluate(*named("owl", "ape"))


def test_what_cannot_be_learned_from_is_set_aside(case, files):
    y = list(case.y)
    files[4].write_bytes(b"")
    with pytest.warns(QuarantineWarning, match=r"1 picture set aside.*04\.png: the f"):
        model = case.estimator(**QUICK).fit(files, y)
    assert [Path(q.name).name for q in model.quarantine_] == ["04.png"]
    rest = [k for k in range(N) if k != 4]
    same = case.estimator(**QUICK).fit([files[k] for k in rest], [y[k] for k in rest])
    assert same.quarantine_ == []
    ours, other = (m.network_.state_dict().values() for m in (model, same))
    assert all(a.equal(b) for a, b in zip(ours, other, strict=True))
    found = model.evaluate(files, y)
    assert found.score.n == N - 1 and "1 picture set aside" in found.notes[0]


def test_a_picture_under_two_labels_is_not_scored(files):
    model = ImageClassifier(**QUICK).fit(shades(), CASES["names"].y)
    y = list(CASES["names"].y)
    other = next(k for k in range(N) if y[k] != y[0])
    files[other].write_bytes(files[0].read_bytes())
    found = model.evaluate(files, y)
    assert found.score.n == N - 2 and "under different labels" in found.notes[0]


def test_labels_are_matched_by_name_too():
    model = ImageClassifier(**QUICK).fit(shades(), SEVERAL)
    x, y = shades(n=4), ["even|dark", "owl|dark", "light", "-"]
    found = model.evaluate(x, y)
    assert found.score.n == 3
    assert found.notes == ["classes the model does not know: owl (1 picture left out)"]


def test_whole_numbers_are_names():
    model = ImageClassifier(**QUICK).fit(shades(), CASES["whole numbers"].y)
    found = model.evaluate(shades(n=3), np.array([10, 2, 10]))
    assert found.predictions["label"].tolist() == ["10", "2", "10"]
    assert found.notes == ["classes without a picture here: 9"]


def test_rows_without_a_label_are_told(files):
    model = ImageClassifier(**QUICK).fit(shades(), CASES["names"].y)
    y: list[Any] = list(CASES["names"].y)
    y[3] = None
    found = model.evaluate(files, y)
    assert found.score.n == N - 1
    assert "1 picture set aside" in found.notes[0] and "03.png" in found.notes[0]


def test_a_part_for_testing_is_not_learned_from(files):
    names = CASES["names"].y
    split = ["test" if k % 3 == 0 else "" for k in range(N)]
    table = pd.DataFrame(
        {"path": list(map(str, files)), "label": names, "split": split}
    )
    model = ImageClassifier(**QUICK).fit(table)
    train = table[table["split"] == ""].drop(columns="split")
    same = ImageClassifier(**QUICK).fit(train)
    assert np.array_equal(model.predict_proba(shades()), same.predict_proba(shades()))
    found = model.evaluate(table)
    assert found.score.n == N // 3
    assert found.notes == ["only the test part is scored, 8 of 24 pictures"]
    with pytest.raises(NoDataError, match="0 pictures to learn from"):
        ImageClassifier(**QUICK).fit(table[table["split"] == "test"])


def test_a_part_for_validation_chooses_the_epoch(files):
    names = CASES["names"].y
    split = ["val" if k % 4 == 0 else "train" for k in range(N)]
    table = pd.DataFrame(
        {"path": list(map(str, files)), "label": names, "split": split}
    )
    model = ImageClassifier(**QUICK).fit(table)
    best = next(e for e in reversed(model.history_) if e.best)
    held_out = table[table["split"] == "val"].drop(columns="split")
    assert best.val_score == model.evaluate(held_out).score.value


def test_a_label_that_one_picture_has_is_learned():
    y = ["a", "a|b"] * 11 + ["a|rare", "b|rarer"]
    for seed in range(6):  # in some of them a share for validation would take it
        model = ImageClassifier(**QUICK, random_state=seed, val_fraction=0.4)
        assert model.fit(shades(), y).classes_.tolist() == ["a", "b", "rare", "rarer"]


@pytest.mark.parametrize(
    ("estimator", "y", "wanted"),
    [
        (
            ImageClassifier,
            np.linspace(0, 1, N),
            "labels that are .*these are numeric.*Im",
        ),
        (ImageClassifier, ["one"] * N, r"All pictures are of one class \(one\)"),
        (ImageClassifier, None, "The pictures have no labels"),
        (ImageRegressor, ["x"] * N, "wants numbers as labels and got 'x'"),
        (ImageClassifier, ["a", "b"], "24 pictures and 2 labels"),
    ],
)
def test_labels_of_the_wrong_kind(estimator, y, wanted):
    with pytest.raises(DataError, match=wanted):
        estimator(**QUICK).fit(shades(), y)


# --- model folders ---------------------------------------------------------------


def test_what_is_saved_comes_back(fitted, tmp_path):
    case, model = fitted
    assert model.save(tmp_path / "model") == tmp_path / "model"
    files = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert files == [MODEL_JSON, MODEL_TENSORS]  # nothing to unpickle
    loaded = vicinal.load(str(tmp_path / "model"))
    assert type(loaded) is case.estimator
    assert loaded.get_params() == model.get_params()
    assert np.array_equal(answers(loaded, shades()), answers(model, shades()))
    assert np.array_equal(loaded.transform(shades()), model.transform(shades()))
    assert loaded.history_ == model.history_
    assert (
        loaded.evaluate(shades(), case.y).score
        == model.evaluate(shades(), case.y).score
    )
    if case.classes is not None:
        assert loaded.classes_.tolist() == case.classes
        assert loaded.classes_.dtype == model.classes_.dtype
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / MODEL_JSON).read_text() == (
        tmp_path / "model" / MODEL_JSON
    ).read_text()


def test_json_holds_all_that_a_reader_needs(fitted, tmp_path):
    case, model = fitted
    model.save(tmp_path)
    told = json.loads((tmp_path / MODEL_JSON).read_text(), parse_constant=pytest.fail)
    assert told["estimator"] == case.estimator.__name__
    assert told["preprocessing"]["image_size"] == SIDE
    if case.classes is not None:
        assert told["objective"]["classes"] == [str(name) for name in case.classes]


def test_a_file_that_was_tampered_with_is_refused(fitted, tmp_path):
    _, model = fitted
    model.save(tmp_path)
    path = tmp_path / MODEL_TENSORS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="hashes differ"):
        vicinal.load(tmp_path)
    path.write_bytes(data[:-9])
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        vicinal.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda told: told.pop("objective"), "does not describe a model.*objective"),
        (lambda told: told["parameters"].update(epoch=1), "no parameter 'epoch'"),
        (lambda told: told.update(preprocessing=[]), "does not describe a model"),
        (
            lambda told: told["network"].update(backbone="lenet5"),
            "does not describe",
        ),
        (lambda told: told.update(estimator="Oracle"), "no estimator 'Oracle'"),
        (lambda told: told.update(format=99), "format that this version"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(change, wanted, fitted, tmp_path):
    _, model = fitted
    model.save(tmp_path)
    told = json.loads((tmp_path / MODEL_JSON).read_text())
    change(told)
    (tmp_path / MODEL_JSON).write_text(json.dumps(told))
    with pytest.raises(ModelFileError, match=wanted):
        vicinal.load(tmp_path)


def test_a_place_where_no_model_can_be_saved(fitted, tmp_path):
    _, model = fitted
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        model.save(tmp_path / "file" / "model")
    with pytest.raises(ModelFileError, match="There is no model in"):
        vicinal.load(tmp_path / "file")


def quick(**changes: Any) -> dict[str, Any]:
    return QUICK | changes


# --- what is learned from which part ---------------------------------------------


def test_the_best_epoch_is_kept_and_not_the_last():
    model = ImageClassifier(**quick(epochs=8, lr=1.0, patience=0))
    val = shades(n=12), np.arange(12) % 2
    model.fit(shades(), CASES["whole numbers"].y % 2, validation=val)
    best = max(k for k, epoch in enumerate(model.history_) if epoch.best)
    assert best < len(model.history_) - 1  # so that keeping the last would be seen
    assert model.evaluate(val).score.value == model.history_[best].val_score


def test_mean_and_spread_are_those_of_the_train_part():
    x = np.full((20, SIDE, SIDE), 40, dtype=np.uint8)
    x[:10, : SIDE // 2] = 120
    x[:, 0, 0] = np.arange(20)  # no two are the same
    light = np.full((6, SIDE, SIDE), 250, dtype=np.uint8)
    light[:, 0, 0] = np.arange(6)
    y = np.arange(20) % 2
    model = ImageClassifier(**QUICK).fit(x, y, validation=(light, y[:6]))
    pixels = x / 255
    assert model.preprocessing_.mean == pytest.approx((pixels.mean(),), abs=1e-4)
    assert model.preprocessing_.std == pytest.approx((pixels.std(),), abs=1e-4)


def test_the_constant_answer_is_the_most_frequent_class_of_what_is_judged():
    y, other = np.repeat(["a", "b"], [14, 10]), np.repeat(["a", "b"], [1, 11])
    model = ImageClassifier(**QUICK)
    model.fit(shades(), y, validation=(shades(n=12), other))
    blind = model.evaluate(shades(n=12), other).baselines["most frequent class"]
    assert blind.value == pytest.approx(11 / 12)
    alone = model.evaluate(shades(n=4), ["b"] * 4).baselines["most frequent class"]
    assert alone.value == 0  # the train part's: nothing could beat the other


def test_the_time_that_is_told_grows_with_the_work():
    short, long = (ImageClassifier(**quick(epochs=n)) for n in (1, 1000))
    for model in (short, long):
        model.fit_epochs(shades(), CASES["names"].y)
    assert long.expected_seconds_ > 10 * short.expected_seconds_ > 0


# --- what users meet -------------------------------------------------------------


def test_what_has_only_begun_to_learn_does_not_answer(tmp_path):
    model = ImageClassifier(**QUICK)
    epochs = model.fit_epochs(shades(), CASES["names"].y)
    for ask in (lambda: model.predict(shades()), lambda: model.save(tmp_path)):
        with pytest.raises(NotFittedError):
            ask()
    next(epochs)
    assert len(model.predict(shades())) == N


def test_a_second_fit_that_fails_leaves_nothing_half_learned(monkeypatch):
    model = ImageClassifier(**QUICK).fit(shades(), CASES["names"].y)

    def diverge(self: Any, loss: float) -> float:
        raise TrainingError("The loss became nan")

    monkeypatch.setattr("vicinal.core.training.trainer.Trainer._finite", diverge)
    with pytest.raises(TrainingError):
        model.fit(shades(), CASES["names"].y)
    with pytest.raises(NotFittedError):
        model.predict(shades())


def test_false_and_true_are_answered_as_such():
    y = np.arange(N) >= N / 2
    model = ImageClassifier(**quick(epochs=30)).fit(shades(), y)
    assert (model.predict(shades()) == y).mean() == model.score(shades(), y) > 0.9


def test_many_whole_numbers_are_classes_for_a_classifier():
    y = [str(k) for k in np.repeat(np.arange(40), 2)]
    model = ImageClassifier(**QUICK).fit(shades(n=80), y)
    assert len(model.classes_) == 40


def test_classes_that_a_model_does_not_know_are_wrong_in_score():
    model = ImageClassifier(**quick(epochs=30))
    model.fit(shades(), np.arange(N) // (N // 2))
    y = np.where(np.arange(N) < N // 2, 0, 7)
    assert model.score(shades(), y) == (model.predict(shades()) == y).mean() <= 0.5


def test_numbers_of_numpy_and_paths_are_parameters_too(tmp_path):
    source = ImageClassifier(**QUICK).fit(shades(), CASES["names"].y).save(tmp_path)
    how: dict[str, Any] = QUICK | {
        "epochs": np.int64(1),
        "lr": np.float32(1e-3),
        "weights": source,
    }
    model = ImageClassifier(**how).fit(shades(), CASES["names"].y)
    again = vicinal.load(model.save(tmp_path / "next"))
    assert np.array_equal(again.predict(shades()), model.predict(shades()))


def test_one_missing_number_does_not_rename_the_others(files):
    paths = [str(path) for path in files]
    frame = pd.DataFrame(
        {"path": paths, "label": [1.0, 2.0] * (N // 2 - 1) + [1, None]}
    )
    with pytest.warns(QuarantineWarning):
        model = ImageClassifier(**QUICK).fit(frame)
    assert model.classes_.tolist() == [1, 2]
