"""Out-of-distribution detection by embeddings and by pixel statistics, at one rate."""

from math import sqrt

import numpy as np
import pytest

from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.errors import ModelFileError
from vicinal.images.inference.out_of_distribution import (
    PIXEL_SHARE,
    ImageFeatures,
    OutlierDetector,
)


def make_features(n: int, seed: int = 0) -> ImageFeatures:
    """Return embeddings around three centres, and random pixel statistics."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).gamma(1.0, 1.0, (3, 6))
    embeddings = centres[rng.integers(0, 3, n)] * rng.gamma(4.0, 0.25, (n, 6))
    statistics = rng.normal(size=(n, 4))
    return ImageFeatures(embeddings.astype(np.float32), statistics.astype(np.float32))


def test_either_detector_flags_an_image():
    detector = OutlierDetector.fit(make_features(400), 0.1, seed=0)
    new = make_features(200, seed=1)
    by_embedding = detector.embeddings.is_unknown(new.embeddings)
    by_pixels = detector.pixel_statistics.is_unknown(new.pixel_statistics)
    assert by_embedding.any() and by_pixels.any()
    assert not (by_embedding == by_pixels).all()
    assert (detector.is_unknown(new) == (by_embedding | by_pixels)).all()
    other_pixels = ImageFeatures(new.embeddings, new.pixel_statistics + 9)
    assert detector.is_unknown(other_pixels).all()
    other_embeddings = ImageFeatures(-new.embeddings, new.pixel_statistics)
    assert detector.is_unknown(other_embeddings).all()


@pytest.mark.parametrize("false_alarm_rate", [0.05, 0.2])
def test_both_detectors_together_keep_the_false_alarm_rate(false_alarm_rate):
    rates = []
    for seed in range(200):
        train, held_out = make_features(100, 3 * seed), make_features(99, 3 * seed + 1)
        new = make_features(40, 3 * seed + 2)
        detector = OutlierDetector.fit(train, false_alarm_rate, seed, held_out=held_out)
        rates.append(detector.is_unknown(new).mean())
    margin = 3.5 * np.std(rates) / sqrt(len(rates))
    # independent here: 1 - (1 - 0.8 a)(1 - 0.2 a), rounded down to whole images
    share = PIXEL_SHARE * false_alarm_rate
    expected = 1 - (1 - (false_alarm_rate - share)) * (1 - np.floor(100 * share) / 100)
    assert abs(np.mean(rates) - expected) < margin < 0.03


def test_too_few_images_to_detect_outliers():
    few = OutlierDetector.fit(make_features(12), 0.05, seed=0)
    assert not few.can_detect and not few.is_unknown(make_features(50, seed=1)).any()
    more = OutlierDetector.fit(make_features(60), 0.05, seed=0)
    assert more.can_detect  # enough for embeddings only
    assert more.pixel_statistics.threshold == np.inf


def test_a_saved_detector_flags_the_same(tmp_path):
    detector = OutlierDetector.fit(make_features(90), 0.2, seed=0)
    new = make_features(50, seed=1)
    save_tensors(tmp_path / "detector.safetensors", *detector.to_arrays())
    tensors, values = load_tensors(tmp_path / "detector.safetensors")
    loaded = OutlierDetector.from_arrays(tensors, values)
    assert loaded.false_alarm_rate == 0.2
    assert (loaded.is_unknown(new) == detector.is_unknown(new)).all()
    with pytest.raises(ModelFileError, match="'embeddings'"):
        OutlierDetector.from_arrays(tensors, {"false_alarm_rate": 0.2})
    for missing in ("scale", "threshold"):
        name = f"pixel_statistics.{missing}"
        incomplete = {k: t for k, t in tensors.items() if k != name}
        with pytest.raises(ModelFileError, match=f"'{missing}'"):
            OutlierDetector.from_arrays(incomplete, values)
