"""The inference engine is compared with the network in float32."""

from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier, ImageRegressor
from vicinal.core.compute.openvino import is_installed
from vicinal.core.compute.runtime import Runtime
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.inference import engines
from vicinal.images.report.engine_agreement import MAX_IMAGES, agreement

SETTINGS: dict[str, Any] = {"epochs": 3, "batch_size": 32, "augment": "none"}
SETTINGS |= {"cache": False, "precision": "float32"}


def grey_images(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images of one grey level each, and the levels."""
    rng = np.random.default_rng(n)
    level = rng.uniform(40, 200, n)
    noise = rng.normal(0, 10, (n, 8, 8))
    return (level[:, None, None] + noise).clip(0, 255).astype(np.uint8), level


def light_or_dark(level: np.ndarray) -> np.ndarray:
    return np.where(level > 120, "light", "dark")


@pytest.fixture(params=["torch", "openvino"])
def runtime(request, monkeypatch) -> Runtime:
    """The runtime that is chosen as the fastest."""
    if request.param == "openvino" and not is_installed():
        pytest.skip("the extra `fast` is not installed")
    runtime = Runtime(engine=request.param, channels_last=True)
    monkeypatch.setattr(engines, "fastest_forward", lambda *_, **__: runtime)
    return runtime


@pytest.mark.parametrize(
    "estimator",
    [ImageClassifier, pytest.param(ImageRegressor, marks=pytest.mark.slow)],
)
def test_a_float32_engine_agrees(estimator, runtime):
    x, level = grey_images(300)
    y = level if estimator is ImageRegressor else light_or_dark(level)
    model = estimator(**SETTINGS).fit(x, y)
    found = agreement(model, model.load_images(x, y))
    assert found is not None and found.score is not None
    assert (found.n, found.equal, found.engine) == (
        MAX_IMAGES,
        MAX_IMAGES,
        str(runtime),
    )
    scale = 200 if estimator is ImageRegressor else 1
    assert found.max_difference < 1e-3 * scale
    assert found.score == pytest.approx(found.score_float32, rel=1e-3)
    assert f"{MAX_IMAGES} of {MAX_IMAGES} predictions equal" in str(found)
    on_training_images = agreement(model, model.load_images(x, y), held_out=False)
    assert on_training_images is not None and on_training_images.score is None
    assert on_training_images.equal == MAX_IMAGES
    assert "score" not in str(on_training_images)


@pytest.mark.parametrize(
    "runtime",
    ["torch", pytest.param("openvino", marks=pytest.mark.slow)],
    indirect=True,
)
def test_a_wrong_engine_is_detected(runtime, monkeypatch):
    x, level = grey_images(300)
    model = ImageClassifier(**SETTINGS).fit(x, light_or_dark(level))
    right = model.extractor.engines.embed

    def embed_reversed(pixels: np.ndarray, *, many: bool):
        z = right(pixels, many=many)
        return z.flip(0) if many else z

    monkeypatch.setattr(model.extractor.engines, "embed", embed_reversed)
    images: ImageDataset = model.load_images(x, light_or_dark(level))
    found = agreement(model, images)
    assert found is not None and found.equal < MAX_IMAGES
    assert found.max_difference > 0.1
    assert found.score is not None and found.score_float32 is not None
    assert found.score < found.score_float32


def test_few_images_are_not_compared(runtime):
    x, level = grey_images(60)
    y = light_or_dark(level)
    model = ImageClassifier(**SETTINGS).fit(x, y)
    assert agreement(model, model.load_images(x, y)) is None
