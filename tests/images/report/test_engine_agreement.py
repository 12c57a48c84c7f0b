"""The engine that answers beside the network itself in float32."""

from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier, ImageRegressor
from vicinal.core.compute.openvino import is_installed
from vicinal.core.compute.runtime import Runtime
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.inference import engines
from vicinal.images.report.engine_agreement import MOST, agreement

QUICK: dict[str, Any] = {"epochs": 3, "batch_size": 32, "augment": "none"}
QUICK |= {"cache": False, "precision": "float32"}


def shades(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    level = rng.uniform(40, 200, n)
    noise = rng.normal(0, 10, (n, 8, 8))
    return (level[:, None, None] + noise).clip(0, 255).astype(np.uint8), level


@pytest.fixture(params=["torch", "openvino"])
def form(request, monkeypatch) -> Runtime:
    """The engine that is taken for the fastest."""
    if request.param == "openvino" and not is_installed():
        pytest.skip("the extra `fast` is not installed")
    form = Runtime(engine=request.param, channels_last=True)
    monkeypatch.setattr(engines, "fastest_forward", lambda *_, **__: form)
    return form


@pytest.mark.parametrize("kind", [ImageClassifier, ImageRegressor])
def test_an_engine_in_float32_says_the_same(kind, form):
    x, level = shades(300)
    y = level if kind is ImageRegressor else np.where(level > 120, "light", "dark")
    model = kind(**QUICK).fit(x, y)
    found = agreement(model, model.open(x, y))
    assert found is not None and found.score is not None
    assert (found.n, found.alike, found.form) == (MOST, MOST, str(form))
    assert found.largest < 1e-3 * (200 if kind is ImageRegressor else 1)
    assert found.score == pytest.approx(found.score_float32, rel=1e-3)
    learned = agreement(model, model.open(x, y), held_out=False)
    assert learned is not None and learned.score is None and learned.alike == MOST
    assert "right" not in str(learned) and "scores" not in str(learned)
    assert f"{MOST} answers are those of float32" in str(found)


def test_an_engine_that_says_something_else_is_found_out(form, monkeypatch):
    x, level = shades(300)
    model = ImageClassifier(**QUICK).fit(x, np.where(level > 120, "light", "dark"))
    right = model._answering().embed

    def wrong(pixels: np.ndarray, *, many: bool):
        z = right(pixels, many=many)
        return z.flip(0) if many else z

    monkeypatch.setattr(model._engines, "embed", wrong)
    pictures: ImageDataset = model.open(x, np.where(level > 120, "light", "dark"))
    found = agreement(model, pictures)
    assert found is not None and found.alike < MOST and found.largest > 0.1
    assert found.score is not None and found.score_float32 is not None
    assert found.score < found.score_float32


def test_few_pictures_are_answered_by_the_network_itself(form):
    x, level = shades(60)
    y = np.where(level > 120, "light", "dark")
    model = ImageClassifier(**QUICK).fit(x, y)
    assert agreement(model, model.open(x, y)) is None
