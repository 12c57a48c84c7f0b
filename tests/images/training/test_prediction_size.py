"""A fine-tuned network predicts the size of lower validation loss."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import vicinal
from vicinal import ImageClassifier
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.objective import SingleLabel
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import build
from vicinal.images.training.fine_tuning import choose_size, whole_image

PHOTO = Preprocessing(image_size=64, store_size=73, channels=3)
QUICK: dict[str, Any] = {
    "image_size": 64,
    "cache": False,
    "precision": "float32",
    "epochs": 1,
    "false_alarm_rate": 0,
}


class Model:
    """What `choose_size` reads of a fitted model."""

    objective = SingleLabel(("a", "b"))
    preprocessing = PHOTO
    network = build("mobilenet_v2", num_classes=2, in_channels=3, image_size=64)


def test_the_whole_image_is_what_is_stored():
    larger = whole_image(Model.network, PHOTO)
    assert larger == Preprocessing(image_size=73, store_size=73, channels=3)
    for other in (
        Preprocessing(image_size=64, store_size=64, channels=3),
        Preprocessing(image_size=28, store_size=32, channels=3),
        Preprocessing(image_size=64, store_size=73, channels=3, resize="squish"),
    ):
        assert whole_image(Model.network, other) is None


def test_networks_of_one_size_keep_it():
    class Fixed(type(Model.network)):
        def chain(self) -> list[Any]:
            return []

    fixed = Model.network
    fixed.__class__, original = Fixed, type(Model.network)
    try:
        assert whole_image(fixed, PHOTO) is None
    finally:
        fixed.__class__ = original


@pytest.mark.parametrize(("good", "bad"), [(64, 73), (73, 64)])
def test_the_lower_loss_decides(good, bad):
    y, rng = np.arange(40) % 2, np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(size=(40, 2)))
    truth = torch.from_numpy(np.eye(2)[y])
    asked: list[int] = []

    def logits_of(preprocessing: Preprocessing) -> Tensor:
        asked.append(preprocessing.image_size)
        weight = 4.0 if preprocessing.image_size == good else 0.5
        return weight * truth + noise

    model: Any = Model
    assert choose_size(model, y, logits_of).image_size == good
    assert sorted(asked) == [64, 73] and bad in asked


def photos(n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return images whose class is the colour of their border."""
    rng, y = np.random.default_rng(0), np.arange(n) % 2
    images = rng.integers(0, 256, (n, 80, 80, 3)).astype(np.uint8)
    for image, kind in zip(images, y, strict=True):
        for side in (image[:3], image[-3:], image[:, :3], image[:, -3:]):
            side[..., 2 * kind] = 255
    return list(images), y


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    x, y = photos(24)
    model = ImageClassifier(**QUICK, backbone="mobilenet_v2").fit(x, y)
    return str(model.save(tmp_path_factory.mktemp("weights")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "kept", "side"),
    [("auto", True, 74), ("train", True, 64), ("auto", False, 64)],
)
def test_what_predicts_has_one_size(
    weights, tmp_path, monkeypatch, setting, kept, side
):
    """The engines and the saved model agree; the linear probe has that of training."""

    def largest(model: Any, y: Any, logits_of: Any) -> Preprocessing:
        found = whole_image(model.network, model.preprocessing)
        assert found is not None and logits_of(found).shape == (len(y), 2)
        return found

    def comparison(*_: Any) -> PairedComparison:
        p = 0.001 if kept else 0.9
        return PairedComparison("Brier score", 0.1, 0.2, p, 5, 1, 6)

    session = "vicinal.images.training.session"
    monkeypatch.setattr(f"{session}.choose_size", largest)
    monkeypatch.setattr(f"{session}.compare_at_own_temperature", comparison)
    x, y = photos(60)
    model = ImageClassifier(**QUICK, weights=weights, predict_size=setting).fit(x, y)
    assert model.model_.is_fine_tuned == kept
    sizes = model.preprocessing_.image_size, model.preprocessing_.store_size
    assert sizes == (side, 74)
    assert f"predicts {side} pixels" in model.comparison_text
    loaded = vicinal.load(model.save(tmp_path / "model"))
    assert loaded.preprocessing_ == model.preprocessing_
    np.testing.assert_allclose(
        loaded.predict_proba(x[:8]), model.predict_proba(x[:8]), atol=1e-5
    )
