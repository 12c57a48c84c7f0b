"""Fitted image models: predictions, scores and model files.

tests/contract/test_estimators.py has the laws of all estimators; here are those of
image models alone.
"""

import io
import json
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import vicinal
from vicinal import ImageClassifier
from vicinal.core.compute.threads import network_lock
from vicinal.core.estimators.estimator import MODEL_JSON, MODEL_TENSORS
from vicinal.errors import (
    ClassError,
    DataError,
    ImageError,
    IntensityWarning,
    ModelFileError,
    NoDataError,
    SettingError,
)

SIDE = 8


def outputs(model: Any, x: Any) -> np.ndarray:
    """Return probabilities, or the numbers of a regressor."""
    return getattr(model, "predict_proba", model.predict)(x)


# --- predictions -----------------------------------------------------------------


def test_predictions_follow_from_the_outputs(fitted, shades):
    case, model = fitted
    n = len(case.y)
    predicted = model.predict(shades())
    if case.metric == "accuracy":
        p = model.predict_proba(shades())
        assert p.shape == (n, case.num_outputs)
        assert p.sum(axis=1) == pytest.approx(1)
        assert (predicted == model.classes_[p.argmax(axis=1)]).all()
        assert predicted.shape == (n,) and predicted.dtype == model.classes_.dtype
    elif case.metric == "f1_micro":
        p = model.predict_proba(shades())
        assert p.shape == predicted.shape == (n, case.num_outputs)
        assert ((p >= 0) & (p <= 1)).all() and (predicted == (p >= 0.5)).all()
    else:
        assert predicted.shape == (n,) and np.isfinite(predicted).all()
        assert not hasattr(model, "predict_proba")


def test_transform_returns_the_input_of_the_head(fitted, shades):
    case, model = fitted
    embeddings = model.transform(shades())
    assert embeddings.shape == (len(case.y), model.network_.head.in_features)
    assert embeddings.dtype == np.float32 and np.isfinite(embeddings).all()
    w, b = (t.detach().numpy() for t in model.network_.head.parameters())
    logits = torch.from_numpy(embeddings @ w.T + b)
    expected = model.objective_.predict(logits)
    np.testing.assert_allclose(expected, outputs(model, shades()), rtol=1e-4, atol=1e-5)


def test_predict_and_explain_hold_the_lock(fitted, shades, monkeypatch):
    """torch's tracers change what modules do in every thread."""
    model, free = fitted[1], []

    def check(module: Any, inputs: Any) -> None:
        def take() -> None:
            lock: Any = network_lock()
            free.append(lock.acquire(blocking=False))
            if free[-1]:
                lock.release()

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()

    monkeypatch.setattr(
        "vicinal.images.explain.explain.get_explained_network",
        lambda model: check(None, model) or 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        model.explain(shades()[:1])
    monkeypatch.setitem(
        model.extractor.engines._engines, False, lambda x: check(None, x) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        model.predict(shades()[:1])
    assert free == [False, False]


def test_every_form_of_data_gives_the_same_prediction(
    fitted, files, shades, tmp_path, monkeypatch
):
    _, model = fitted
    expected = outputs(model, shades())
    table = pd.DataFrame({"path": [str(path) for path in files]})
    table.to_csv(tmp_path / "new.csv", index=False)
    names = [str(path) for path in files]
    forms = [
        files, names, tuple(names), np.array(names), pd.Series(names), table,
        files[0].parent, str(files[0].parent), tmp_path / "new.csv",
        shades().astype(np.float32) / 255, shades().astype(int), shades()[..., None],
        vicinal.read_images(files), list(shades()),
        [path.read_bytes() for path in files], list(map(Image.fromarray, shades())),
        [files[0], Image.fromarray(shades()[1]), *shades()[2:]],
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(outputs(model, form), expected, atol=1e-6, rtol=1e-5)
    one = outputs(model, files[3])
    np.testing.assert_allclose(one, expected[3:4], atol=1e-6, rtol=1e-5)
    monkeypatch.chdir(files[0].parent)
    one = outputs(model, ["03.png"])
    np.testing.assert_allclose(one, expected[3:4], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5), (3, 17), (40, 24), (200, 200)])
def test_images_of_any_size_are_predicted(shape, fitted, tmp_path):
    _, model = fitted
    for channels in ((), (3,)):
        x = np.full((2, *shape, *channels), 99, dtype=np.uint8)
        assert len(outputs(model, x)) == 2
        Image.fromarray(x[0]).save(tmp_path / "a.png")
        from_file = outputs(model, tmp_path / "a.png")
        np.testing.assert_allclose(from_file, outputs(model, x[:1]), atol=1e-6)


def test_images_of_mixed_sizes_are_predicted(fitted, tmp_path):
    _, model = fitted
    paths = [tmp_path / f"{side}.png" for side in (5, 8, 30)]
    for path in paths:
        Image.new("RGB", (int(path.stem), 9), (200, 10, 30)).save(path)
    assert len(outputs(model, paths)) == 3


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 1)])
def test_a_single_array_raises(shape, fitted):
    _, model = fitted
    with pytest.raises(DataError, match=r"single image pass x\[None\]"):
        model.predict(np.zeros(shape, np.uint8))
    assert len(model.predict(np.zeros((1, *shape), np.uint8))) == 1


def test_an_array_that_may_be_one_image_with_channels_first_raises(fast, shades):
    y = [0, 1] * 12
    color = ImageClassifier(**fast | {"epochs": 1}).fit(shades(3), y)
    for x in (np.zeros((3, 8, 8), np.uint8), torch.zeros(3, 8, 8)):
        with pytest.raises(
            DataError, match=r"transpose\(1, 2, 0\)\[None\].*three grey"
        ):
            color.predict(x)
    assert len(color.predict(np.zeros((3, 8, 8, 1), np.uint8))) == 3
    assert len(color.predict(np.zeros((4, 8, 8), np.uint8))) == 4
    assert len(color.predict(list(np.zeros((3, 8, 8), np.uint8)))) == 3
    gray = ImageClassifier(**fast | {"epochs": 1}).fit(shades(), y)
    assert len(gray.predict(np.zeros((3, 8, 8), np.uint8))) == 3


def test_one_image_in_memory_is_predicted_and_explained(fitted, files, shades):
    _, model = fitted
    expected = outputs(model, shades()[:1])
    image = Image.fromarray(shades()[0])
    for one in (
        image,
        files[0].read_bytes(),
        Image.open(io.BytesIO(files[0].read_bytes())),
    ):
        np.testing.assert_allclose(outputs(model, one), expected, atol=1e-6)
        assert model.is_unknown(one).shape == (1,)
    assert model.transform(image).shape[0] == 1
    if model.objective_.kind == "single_label":
        found = model.explain(image, "integrated_gradients")
        assert np.array_equal(found.image[..., 0], shades()[0])


# --- more than 8 bits ------------------------------------------------------------


@pytest.fixture(scope="module")
def deep() -> tuple[Any, np.ndarray]:
    """Return a model of images whose brightness is 1000 to 1100, and the images."""
    level = np.linspace(1010, 1090, 24)[:, None, None]
    x = np.rint(level + np.random.default_rng(0).normal(0, 2, (24, 8, 8)))
    x[:, 0, :4], x[:, 0, 4:] = 1000, 1100
    x = x.astype(np.uint16)
    model = ImageClassifier(
        epochs=3, batch_size=8, augment="none", deterministic=True, cache=False
    )
    return model.fit(list(map(Image.fromarray, x)), ["dark"] * 12 + ["light"] * 12), x


def test_values_of_12_bits_are_learned_and_predicted(deep, tmp_path):
    model, x = deep
    assert model.preprocessing_.intensity_range == (1000, 1100)
    scaled = np.rint((x - 1000.0) * 2.55).astype(np.uint8)
    expected = model.predict_proba(scaled)  # images of 8 bits stay as they are
    assert np.ptp(expected[:, 0]) > 0.05
    model.save(tmp_path / "model")
    loaded = vicinal.load(tmp_path / "model")
    images = list(map(Image.fromarray, x))
    images[3].save(tmp_path / "a.png")
    for form in (images, x, x.astype(np.float32), list(x), x.astype(int)[..., None]):
        np.testing.assert_allclose(loaded.predict_proba(form), expected, atol=0.02)
    one = model.predict_proba(tmp_path / "a.png")
    np.testing.assert_allclose(one, expected[3:4], atol=0.02)
    assert model.evaluate(x, ["dark"] * 12 + ["light"] * 12).notes == []


def test_arrays_in_another_range_are_refused(deep):
    model, x = deep
    scaled = (x - 1000.0) / 100
    for wrong in (scaled, (255 * scaled).astype(int), x.astype(int) * 16):
        with pytest.raises(DataError, match=r"values of 1000 to 1100.*would be one gr"):
            model.predict(wrong)


def test_values_outside_the_range_are_noted(deep):
    model, x = deep
    bright = Image.fromarray(x[0] + np.uint16(500))
    match = "1 image, for example in 100.0 % of the pixels of image 1"
    for call in (model.predict, model.is_unknown, model.transform):
        with pytest.warns(IntensityWarning, match=match):
            call([Image.fromarray(x[0]), bright])
    with pytest.warns(IntensityWarning, match="image 0"):
        model.explain(bright)
    notes = model.evaluate([Image.fromarray(x[0]), bright], ["dark", "light"]).notes
    assert any("1000 to 1100" in note and "image 1" in note for note in notes)


def test_negative_values_are_noted_where_training_images_had_8_bits(fast, shades):
    model = ImageClassifier(**fast | {"epochs": 1}).fit(shades(), [0, 1] * 12)
    hounsfield = np.linspace(-1000, 200, 64, dtype=np.float32).reshape(8, 8)
    with pytest.warns(IntensityWarning, match="training images have 8 bits"):
        model.predict(Image.fromarray(hounsfield))
    model.predict(Image.fromarray(hounsfield.clip(0, 255)))  # no warning
    with pytest.warns(IntensityWarning, match="1 image of 16 bits, such as image 0"):
        model.predict(Image.fromarray(np.full((8, 8), 4000, np.uint16)))


def test_the_range_can_be_given(fast, deep):
    _, x = deep
    y = ["dark"] * 12 + ["light"] * 12
    model = ImageClassifier(**fast, intensity_range=(0, np.float64(4095)))
    assert model.fit(x, y).preprocessing_.intensity_range == (0, 4095)
    predicted = model.predict_proba(list(map(Image.fromarray, x)))
    np.testing.assert_allclose(model.predict_proba(x), predicted, atol=1e-6)
    for limits in ((5, 5), (1,), "0 4095", (0, float("inf")), (1, None)):
        with pytest.raises(SettingError, match="intensity_range must be two numbers"):
            ImageClassifier(**fast, intensity_range=limits).fit(x, y)


def test_unreadable_images_raise_by_name(fitted, files):
    case, model = fitted
    files[4].write_bytes(b"")
    for predict in (model.predict, model.transform):
        with pytest.raises(ImageError, match=r"1 image cannot.*04\.png: the file"):
            predict(files)
        with pytest.raises(ImageError, match=r"gone\.png: no such file"):
            predict(["gone.png"])
        with pytest.raises(ImageError, match="row 1 has no path"):
            predict(pd.DataFrame({"path": [str(files[0]), None]}))
        with pytest.raises(NoDataError):
            predict([])
    predictions = list(model.iter_predictions(files))
    assert [p.name for p in predictions if p.reason] == [str(files[4])]
    assert sum(p.predicted is not None for p in predictions) == len(case.y) - 1


# --- scores ----------------------------------------------------------------------


def test_evaluation_has_one_baseline(fitted, shades):
    case, model = fitted
    evaluation = model.evaluate(shades(), case.y)
    assert len(evaluation.baselines) == 1
    assert evaluation.score.metric == case.metric
    assert evaluation.score.n == len(evaluation.predictions) == len(case.y)
    assert model.evaluate((shades(), case.y)).score == evaluation.score


def test_scores_by_hand(fitted, shades):
    case, model = fitted
    n, y = len(case.y), case.y
    evaluation, predicted = model.evaluate(shades(), y), model.predict(shades())
    table = evaluation.predictions
    if case.metric == "accuracy":
        assert evaluation.score.value == np.mean(predicted == np.asarray(y))
        assert model.score(shades(), y) == evaluation.score.value
        accuracy = (table["predicted"] == table["label"]).mean()
        assert accuracy == evaluation.score.value
        assert table["probability"].to_numpy() == pytest.approx(
            model.predict_proba(shades()).max(axis=1), abs=1e-5
        )
        assert evaluation.confusion is not None and evaluation.confusion.sum() == n
    elif case.metric == "mae":
        assert evaluation.score.value == pytest.approx(np.abs(predicted - y).mean())
        residual = ((predicted - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert model.score(shades(), y) == pytest.approx(1 - residual)
        median = np.abs(np.median(y) - y).mean()
        assert evaluation.baselines["median"].value == pytest.approx(median, rel=0.2)
    else:
        labels = vicinal.read_images(shades(), y).labels.tolist()
        matrix = model.objective_.encode(labels)
        f1 = 2 * (matrix * predicted).sum() / (matrix.sum() + predicted.sum())
        assert evaluation.score.value == pytest.approx(f1)


def test_classes_are_matched_by_name_and_not_by_position(cases, fast, shades):
    model = ImageClassifier(**fast).fit(shades(), cases["names"].y)
    x, y = shades(n=6), ["dark"] * 6  # one class alone, which is row 1 and not row 0
    evaluation = model.evaluate(x, y)
    assert evaluation.confusion is not None
    assert evaluation.confusion[0].tolist() == [0, 0]
    assert evaluation.score.value == np.mean(model.predict(x) == "dark")
    assert len(evaluation.notes) == 1 and "Light" in evaluation.notes[0]
    x, y = shades(n=5), ["owl", "dark", "ape", "Light", "owl"]
    evaluation = model.evaluate(x, y)
    assert evaluation.score.n == 2
    assert evaluation.predictions["label"].tolist() == ["dark", "Light"]
    assert len(evaluation.notes) == 1
    assert "ape, owl" in evaluation.notes[0] and "3 images" in evaluation.notes[0]
    with pytest.raises(ClassError, match=r"Light, dark.*ape, owl"):
        model.evaluate(shades(n=2), ["owl", "ape"])


def test_several_labels_are_matched_by_name(cases, fast, shades):
    model = ImageClassifier(**fast).fit(shades(), cases["several names"].y)
    evaluation = model.evaluate(shades(n=4), ["even|dark", "owl|dark", "light", "-"])
    assert evaluation.score.n == 3
    assert len(evaluation.notes) == 1
    assert "owl" in evaluation.notes[0] and "1 image" in evaluation.notes[0]


def test_integers_are_matched_by_name(cases, fast, shades):
    model = ImageClassifier(**fast).fit(shades(), cases["integers"].y)
    evaluation = model.evaluate(shades(n=3), np.array([10, 2, 10]))
    assert evaluation.predictions["label"].tolist() == ["10", "2", "10"]
    assert len(evaluation.notes) == 1 and "9" in evaluation.notes[0]


def test_unknown_classes_count_as_wrong_in_score(fast, shades):
    model = ImageClassifier(**fast | {"epochs": 30})
    model.fit(shades(), np.arange(24) // 12)
    y = np.where(np.arange(24) < 12, 0, 7)
    assert model.score(shades(), y) == (model.predict(shades()) == y).mean() <= 0.5


def test_a_class_called_unknown_is_scored(fast, make_directory):
    """A directory of that name is a class, and so is the label of a list then."""
    root = make_directory({"cat": 12, "unknown": 12}, height=8, width=8, channels=1)
    model = ImageClassifier(**fast).fit(root)
    paths = sorted(root.rglob("*.png"))
    labels = [path.parent.name for path in paths]
    evaluation = model.evaluate(paths, labels)
    assert evaluation.score.n == len(paths) and {*labels} == {"cat", "unknown"}
    assert model.score(paths, labels) == (model.predict(paths) == labels).mean()


def test_duplicates_with_different_labels_are_not_scored(cases, fast, files, shades):
    y = list(cases["names"].y)
    model = ImageClassifier(**fast).fit(shades(), y)
    other = next(k for k in range(len(y)) if y[k] != y[0])
    files[other].write_bytes(files[0].read_bytes())
    evaluation = model.evaluate(files, y)
    assert evaluation.score.n == len(y) - 2
    assert "different labels" in evaluation.notes[0]


def test_rows_without_a_label_are_not_scored_and_noted(cases, fast, files, shades):
    y: list[Any] = list(cases["names"].y)
    model = ImageClassifier(**fast).fit(shades(), y)
    y[3] = None
    evaluation = model.evaluate(files, y)
    assert evaluation.score.n == len(y) - 1
    assert "1 image" in evaluation.notes[0] and "03.png" in evaluation.notes[0]


def test_the_constant_baseline_is_the_most_frequent_class_of_validation(fast, shades):
    y, other = np.repeat(["a", "b"], [14, 10]), np.repeat(["a", "b"], [1, 11])
    model = ImageClassifier(**fast)
    model.fit(shades(), y, validation=(shades(n=12), other))
    constant = model.evaluate(shades(n=12), other).baselines["most frequent class"]
    assert constant.value == pytest.approx(11 / 12)
    alone = model.evaluate(shades(n=4), ["b"] * 4).baselines["most frequent class"]
    assert alone.value == 0  # that of training: nothing could beat the other


# --- model files -----------------------------------------------------------------


def test_a_model_is_two_files_that_survive_a_second_save(fitted, tmp_path):
    _, model = fitted
    model.save(tmp_path / "model")
    files = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert files == [MODEL_JSON, MODEL_TENSORS]
    vicinal.load(tmp_path / "model").save(tmp_path / "again")
    first, second = (tmp_path / k / MODEL_JSON for k in ("model", "again"))
    assert first.read_text() == second.read_text()


def test_model_json_describes_estimator_preprocessing_and_classes(fitted, tmp_path):
    case, model = fitted
    model.save(tmp_path)
    text = (tmp_path / MODEL_JSON).read_text()
    values = json.loads(text, parse_constant=pytest.fail)  # NaN is not JSON
    assert values["estimator"] == case.estimator.__name__
    assert values["preprocessing"]["image_size"] == SIDE
    if case.classes is not None:
        assert values["objective"]["classes"] == [str(name) for name in case.classes]


def test_a_modified_or_truncated_file_raises(fitted, tmp_path):
    _, model = fitted
    model.save(tmp_path)
    path = tmp_path / MODEL_TENSORS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="hash"):
        vicinal.load(tmp_path)
    path.write_bytes(data[:-9])
    with pytest.raises(ModelFileError, match="safetensors"):
        vicinal.load(tmp_path)


@pytest.mark.parametrize(
    ("modify", "message"),
    [
        (
            lambda values: values.pop("objective"),
            "does not describe a model.*objective",
        ),
        (lambda values: values["parameters"].update(epoch=1), "no parameter 'epoch'"),
        (lambda values: values.update(preprocessing=[]), "does not describe a model"),
        (
            lambda values: values["network"].update(backbone="lenet5"),
            "does not describe",
        ),
        (lambda values: values.update(estimator="Oracle"), "no estimator 'Oracle'"),
        (lambda values: values.update(format=99), "this version reads format"),
    ],
)
def test_an_invalid_model_json_raises(modify, message, fitted, tmp_path):
    _, model = fitted
    model.save(tmp_path)
    values = json.loads((tmp_path / MODEL_JSON).read_text())
    modify(values)
    (tmp_path / MODEL_JSON).write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=message):
        vicinal.load(tmp_path)


def test_a_file_is_not_a_model_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="There is no model in"):
        vicinal.load(tmp_path / "file")
