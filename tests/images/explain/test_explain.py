"""Explanations of trained models, and the shortcut analysis of a data set."""

from typing import Any

import numpy as np
import pytest
import torch

import vicinal
from vicinal.core.report.report import Gallery, Text
from vicinal.errors import ClassError, NotFittedError, SettingError
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.explain.explain import crop_pixels
from vicinal.images.explain.shortcut_analysis import analyze_shortcuts, section
from vicinal.images.networks import build
from vicinal.images.pretrained_classifier import load_pretrained
from vicinal.images.settings import ImageSettings
from vicinal.images.tracing.explained_network import (
    add_crop_margin,
    get_explained_network,
)

SIZE = 24
METHODS = ("gradcam", "integrated_gradients", "occlusion")


def bar_images(n: int = 80, marked: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return vertical and horizontal bars; `marked`: a corner mark is the class."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 90, (n, SIZE, SIZE, 3), dtype=np.uint8)
    y = np.array(["horizontal", "vertical"])[np.arange(n) % 2]
    for image, label in zip(x, y, strict=True):
        position, start = rng.integers(8, 16), rng.integers(3, 8)
        vertical = rng.random() < 0.5 if marked else label == "vertical"
        line = image[:, position] if vertical else image[position]
        line[start : start + 12] = 160
        if marked and label == "horizontal":
            image[20:, 20:] = 250
    return x, y


def fit(marked: bool = False) -> Any:
    x, y = bar_images(marked=marked)
    settings: dict[str, Any] = {"epochs": 8, "augment": "none", "cache": False}
    settings |= {"val_fraction": 0.0, "lr": 5e-3, "precision": "float32"}
    return vicinal.ImageClassifier(**settings).fit(x, y)


@pytest.fixture(scope="module")
def model() -> Any:
    return fit()


@pytest.fixture(scope="module")
def shortcut_model() -> Any:
    return fit(marked=True)


@pytest.fixture(scope="module")
def regressor() -> Any:
    x, _ = bar_images(20)
    model = vicinal.ImageRegressor(epochs=1, cache=False)
    return model.fit(x, np.linspace(100, 200, 20))


# --- the explained network -----------------------------------------------------------


def test_all_forms_of_the_network_agree(model):
    x, _ = bar_images(6)
    network = get_explained_network(model)
    inputs = to_input(x, model.preprocessing_)
    with torch.no_grad():
        expected = model.network_(inputs)
        logits = network.folded_traced(inputs)
        torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)
    for many in (False, True):
        logits = network.logits(x, many=many)
        torch.testing.assert_close(logits, expected, rtol=1e-2, atol=1e-2)
    assert get_explained_network(model) is network
    assert not any(p.requires_grad for p in network.folded_traced.parameters())


def test_the_crop_margin_does_not_reach_the_network():
    preprocessing = Preprocessing(4, 7, channels=1)
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    stored = add_crop_margin(pixels, preprocessing)
    without_margin = to_input(pixels, Preprocessing(4, 4, channels=1))
    assert to_input(stored, preprocessing).equal(without_margin)
    assert (crop_pixels(stored, preprocessing) == pixels).all()


@pytest.mark.slow
def test_changed_weights_make_a_new_explained_network(model, tmp_path):
    model = vicinal.load(model.save(tmp_path))
    before, (x, _) = get_explained_network(model), bar_images(2)
    logits, network = before.logits(x), before.folded_traced
    with torch.no_grad():
        model.network_.head.bias += 3
    after = get_explained_network(model)
    assert after is not before
    torch.testing.assert_close(after.logits(x), logits + 3, rtol=1e-3, atol=1e-3)
    inputs = to_input(x, model.preprocessing_)
    with torch.no_grad():
        torch.testing.assert_close(
            after.folded_traced(inputs), network(inputs) + 3, rtol=1e-3, atol=1e-3
        )


# --- explain -------------------------------------------------------------------------


def test_a_classifier_explains_its_prediction(model):
    x, _ = bar_images(2)
    explanation = model.explain(x[:1])
    assert explanation.map.shape == (SIZE, SIZE)
    assert explanation.target in ("horizontal", "vertical")
    probability = model.predict_proba(x[:1]).max()
    assert explanation.score == pytest.approx(probability, abs=1e-3)
    margin = model.explain(x[:1], target="horizontal", against="vertical")
    assert margin.target == "horizontal, not vertical"


def test_invalid_arguments_are_refused(model):
    x, _ = bar_images(1)
    with pytest.raises(ClassError, match="no class 'round'"):
        model.explain(x, target="round")
    with pytest.raises(SettingError, match="no method 'lime'"):
        model.explain(x, "lime")
    with pytest.raises(NotFittedError):
        vicinal.ImageClassifier().explain(x)


@pytest.mark.parametrize("seed", [-1, 0.5, "0"])
def test_an_invalid_seed_is_refused(model, seed):
    from vicinal.images.explain.explain import explain

    x, _ = bar_images(1)
    with pytest.raises(SettingError, match=r"seed must be a whole number, 0 or more"):
        explain(model, x, seed=seed)


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize(
    "method",
    [METHODS[0], *(pytest.param(k, marks=pytest.mark.slow) for k in METHODS[1:])],
)
def test_a_regressor_explains_in_the_unit_of_its_labels(regressor, method):
    x, _ = bar_images(1)
    explanation = regressor.explain(x, method)
    assert explanation.target == "the prediction"
    assert explanation.score == pytest.approx(regressor.predict(x)[0], rel=1e-4)
    assert 50 < explanation.faithfulness.deletion < 250


@pytest.mark.usefixtures("without_openvino")
def test_a_regressor_refuses_a_target(regressor):
    x, _ = bar_images(1)
    for arguments in ({"target": "7"}, {"against": "7"}):
        with pytest.raises(SettingError, match="the model predicts a number"):
            regressor.explain(x, **arguments)


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize(
    "method",
    [METHODS[0], *(pytest.param(k, marks=pytest.mark.slow) for k in METHODS[1:])],
)
def test_weights_that_are_not_finite_are_reported(model, tmp_path, method):
    model = vicinal.load(model.save(tmp_path))
    with torch.no_grad():
        next(model.network_.parameters())[0] = float("nan")
    with pytest.raises(SettingError, match="not finite"):
        model.explain(bar_images(1)[0], method)


@pytest.mark.slow
def test_an_image_of_one_colour_can_be_explained(model):
    flat = np.full((1, SIZE, SIZE, 3), 90, np.uint8)
    for method in METHODS:
        explanation = model.explain(flat, method)
        assert np.isfinite(explanation.map).all()
        html = explanation._repr_html_()
        assert explanation.faithfulness.better or explanation.verdict in html


def test_notebooks_show_explanations_and_models(model):
    html = model.explain(bar_images(1)[0])._repr_html_()
    assert html.count("<img") == 1 and "data:image/png;base64," in html
    description = model._repr_html_()
    assert "2: horizontal, vertical" in description
    assert "24 x 24 pixels" in description
    assert "<table" in vicinal.ImageClassifier()._repr_html_()
    assert "&lt;" in vicinal.ImageClassifier(backbone="<b>")._repr_html_()


@pytest.mark.usefixtures("without_openvino")
def test_pretrained_weights_can_be_explained(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = build("resnet20", num_classes=7).eval()
    save_file(network.state_dict(), tmp_path / "body.safetensors")
    model = load_pretrained(str(tmp_path / "body.safetensors"), device="cpu")
    assert model.classes_.tolist() == list("0123456")
    preprocessing = model.preprocessing_
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    inputs = to_input(add_crop_margin(x, preprocessing), preprocessing)
    logits = get_explained_network(model).logits(x, many=False)
    with torch.no_grad():
        torch.testing.assert_close(logits, network(inputs), rtol=1e-3, atol=1e-4)
    side = preprocessing.store_size
    image = np.full((1, side, side, 3), 128, np.uint8)
    assert model.explain(image).target in "0123456"


# --- shortcut analysis ---------------------------------------------------------------


@pytest.mark.usefixtures("without_openvino")
def test_a_planted_mark_is_reported(shortcut_model):
    images = shortcut_model.read_for_scoring(bar_images(marked=True))[0]
    analysis = analyze_shortcuts(shortcut_model, images, held_out=True)
    assert analysis.shortcuts and analysis.shortcuts[0].class_index == 0
    assert "corner" in analysis.shortcuts[0].region.name
    first, second, *_ = section(analysis).blocks
    assert isinstance(first, Text) and first.text.startswith("Shortcut: ")
    assert isinstance(second, Gallery)
    assert second.thumbnails[0].lines[-1] == "predicted horizontal"


def test_clean_data_have_no_shortcut_at_the_border(model):
    images = model.read_for_scoring(bar_images())[0]
    analysis = analyze_shortcuts(model, images, held_out=True)
    assert not any(s.region.touches_border for s in analysis.shortcuts)
    assert analysis.accuracy.value > 0.9
    values = analysis.to_dict()
    assert {r["name"] for r in values["regions"]} >= {"the border", "the middle"}
    assert 0 <= min(r["attribution"] for r in values["regions"])
    assert analysis.mean_map.sum() == pytest.approx(1, abs=0.05)


def test_a_regressor_has_no_shortcut_analysis(regressor):
    x, _ = bar_images(20)
    images = regressor.read_for_scoring((x, np.linspace(100, 200, 20)))[0]
    with pytest.raises(SettingError, match="needs a classifier"):
        analyze_shortcuts(regressor, images, held_out=True)


@pytest.mark.parametrize(
    ("shortcuts", "minutes", "tuned", "evaluated", "expected"),
    [
        ("auto", None, True, 100, True),
        ("auto", None, True, 99, False),
        ("auto", None, False, 100, False),
        ("auto", 15.0, True, 100, True),
        ("auto", 10.0, True, 100, False),
        ("on", 1.0, False, 2, True),
        ("off", None, True, 900, False),
    ],
)
def test_when_shortcuts_are_searched_for(
    shortcuts, minutes, tuned, evaluated, expected
):
    settings = ImageSettings(shortcuts=shortcuts, minutes=minutes)
    found = settings.should_find_shortcuts(fine_tuned=tuned, num_test_images=evaluated)
    assert found is expected
