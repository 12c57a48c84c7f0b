"""Explanations of a trained model: its forms, what a notebook shows, bad weights."""

from typing import Any

import numpy as np
import pytest
import torch

import vicinal
from vicinal.core.report.report import Gallery, Text
from vicinal.errors import ClassError, NotFittedError, SettingError
from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.preprocess import to_input
from vicinal.images.explain.evidence import evidence, section
from vicinal.images.explain.explain import seen_pixels
from vicinal.images.inspect import gallery
from vicinal.images.networks import build
from vicinal.images.pretrained_classifier import load_pretrained
from vicinal.images.settings import ImageSettings
from vicinal.images.tracing.explained_network import forms_of, framed

SIZE = 24


def pictures(n: int = 80, train_mask: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Upright and flat bars; marked: a mark in the corner tells them, and no bar."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 90, (n, SIZE, SIZE, 3), dtype=np.uint8)
    y = np.array(["flat", "upright"])[np.arange(n) % 2]
    for picture, name in zip(x, y, strict=True):
        at, start = rng.integers(8, 16), rng.integers(3, 8)
        upright = rng.random() < 0.5 if train_mask else name == "upright"
        (picture[:, at] if upright else picture[at])[start : start + 12] = 160
        if train_mask and name == "flat":
            picture[20:, 20:] = 250
    return x, y


def learned(train_mask: bool) -> Any:
    x, y = pictures(train_mask=train_mask)
    quick: dict[str, Any] = {"epochs": 8, "augment": "none", "cache": False}
    quick |= {"val_fraction": 0.0, "lr": 5e-3, "precision": "float32"}
    return vicinal.ImageClassifier(**quick).fit(x, y)


@pytest.fixture(scope="module")
def model() -> Any:
    return learned(train_mask=False)


@pytest.fixture(scope="module")
def misled() -> Any:
    return learned(train_mask=True)


def test_both_forms_answer_as_the_model_does(model):
    x, _ = pictures(6)
    forms, how = forms_of(model), model.preprocessing_
    inputs = to_input(x, how)
    with torch.no_grad():
        wanted = model.network_(inputs)
        torch.testing.assert_close(forms.plain(inputs), wanted, rtol=1e-3, atol=1e-4)
    for many in (False, True):
        found = forms.answer(x, many=many)
        torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-2)
    assert forms_of(model) is forms
    assert not any(p.requires_grad for p in forms.plain.parameters())


def test_a_frame_is_not_seen():
    how = Preprocessing(4, 7, channels=1)
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert to_input(framed(pixels, how), how).equal(
        to_input(pixels, Preprocessing(4, 4, channels=1))
    )
    assert (seen_pixels(framed(pixels, how), how) == pixels).all()


def test_forms_follow_the_weights():
    model = learned(train_mask=False)
    before, (x, _) = forms_of(model), pictures(2)
    said, maps = before.answer(x), before.plain
    with torch.no_grad():
        model.network_.head.bias += 3
    after = forms_of(model)
    assert after is not before
    torch.testing.assert_close(after.answer(x), said + 3, rtol=1e-3, atol=1e-3)
    seen = to_input(x, model.preprocessing_)
    with torch.no_grad():
        torch.testing.assert_close(
            after.plain(seen), maps(seen) + 3, rtol=1e-3, atol=1e-3
        )


def test_an_estimator_explains(model):
    x, _ = pictures(2)
    found = model.explain(x[:1])
    assert found.map.shape == (SIZE, SIZE) and found.target in ("flat", "upright")
    assert found.score == pytest.approx(model.predict_proba(x[:1]).max(), abs=1e-3)
    assert model.explain(x[:1], target="flat", against="upright").target.endswith(
        "flat, not upright"
    )
    with pytest.raises(ClassError, match="'round'"):
        model.explain(x[:1], target="round")
    with pytest.raises(SettingError, match="no method 'lime'"):
        model.explain(x[:1], "lime")
    with pytest.raises(NotFittedError):
        vicinal.ImageClassifier().explain(x[:1])


def test_notebooks_show_explanations_and_models(model):
    found = model.explain(pictures(1)[0])._repr_html_()
    assert found.count("<img") == 1 and "data:image/png;base64," in found
    told = model._repr_html_()
    assert "2: flat, upright" in told and "24 x 24 pixels, colour" in told
    assert "has not learned yet" in vicinal.ImageClassifier()._repr_html_()
    assert "&lt;" in vicinal.ImageClassifier(backbone="<b>")._repr_html_()


def test_weights_that_are_no_numbers():
    model = learned(train_mask=False)
    with torch.no_grad():
        next(model.network_.parameters())[0] = float("nan")
    for method in ("gradcam", "integrated_gradients", "occlusion"):
        with pytest.raises(SettingError, match="not finite"):
            model.explain(pictures(1)[0], method)


def test_a_picture_of_one_colour(model):
    flat = np.full((1, SIZE, SIZE, 3), 90, np.uint8)
    for method in ("gradcam", "integrated_gradients", "occlusion"):
        found = model.explain(flat, method)
        assert np.isfinite(found.map).all()
        html = found._repr_html_()
        if not found.faithfulness.better:
            assert "Do not read" in html or "is empty" in html


# --- the whole data set --------------------------------------------------------------


def test_a_planted_mark_is_named_and_clean_data_have_none(model, misled):
    found = evidence(
        misled, misled.scoring_part(pictures(train_mask=True))[0], held_out=True
    )
    assert found.shortcuts and found.shortcuts[0].row == 0
    assert "corner" in found.shortcuts[0].part.name
    first, second, *_ = section(found).blocks
    assert isinstance(first, Text) and first.text.startswith("Shortcut: ")
    assert isinstance(second, Gallery)
    assert second.pictures[0].lines[-1] == "said flat"
    clean = evidence(model, model.scoring_part(pictures())[0], held_out=True)
    assert not any(s.part.at_the_rim for s in clean.shortcuts)
    assert clean.plain.value > 0.9
    told = clean.to_dict()
    assert {r["name"] for r in told["regions"]} >= {"the border", "the middle"}
    assert 0 <= min(r["evidence"] for r in told["regions"])
    assert clean.mean_map.sum() == pytest.approx(1, abs=0.05)


def test_numbers_have_no_shortcuts():
    x, _ = pictures(20)
    model = vicinal.ImageRegressor(epochs=1, cache=False).fit(x, np.linspace(0, 1, 20))
    with pytest.raises(SettingError, match="each picture is of one class"):
        evidence(
            model, model.scoring_part((x, np.linspace(0, 1, 20)))[0], held_out=True
        )
    assert model.explain(x[:1]).target == "the number"


# --- sheets --------------------------------------------------------------------------


def test_sheets(model):
    told = gallery.filters(model)
    assert len(told.told["filters"]) == 16 and "16 filters of 3 x 3" in told.lines[0]
    made = gallery.synthesis(model, None, target="upright")
    assert made.told["synthesis"]["upright"] > 0
    with pytest.raises(SettingError, match=r"has channels 0 to 15\. Got 99"):
        gallery.synthesis(model, "stages.0.conv", [99])
    with pytest.raises(SettingError, match="--layer and --channels, or a class"):
        gallery.synthesis(model, None)
    with pytest.raises(ClassError, match="'upwrong'"):
        gallery.synthesis(model, None, target="upwrong")


def test_weights_as_they_came(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = build("resnet20", num_classes=7).eval()
    save_file(network.state_dict(), tmp_path / "body.safetensors")
    model = load_pretrained(str(tmp_path / "body.safetensors"), device="cpu")
    assert model.classes_.tolist() == list("0123456")
    how = model.preprocessing_
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        torch.testing.assert_close(
            forms_of(model).answer(x, many=False),
            network(to_input(framed(x, how), how)),
            rtol=1e-3,
            atol=1e-4,
        )
    picture = np.full((1, how.store_size, how.store_size, 3), 128, np.uint8)
    assert model.explain(picture).target in "0123456"


@pytest.mark.parametrize(
    ("shortcuts", "minutes", "tuned", "judged", "wanted"),
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
def test_when_shortcuts_are_looked_for(shortcuts, minutes, tuned, judged, wanted):
    settings = ImageSettings(shortcuts=shortcuts, minutes=minutes)
    assert settings.looks_for_shortcuts(tuned=tuned, judged=judged) is wanted
