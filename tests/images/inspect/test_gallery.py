"""Galleries of filters and feature visualisations of a trained model."""

from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal.errors import ClassError, SettingError
from vicinal.images.inspect import gallery


@pytest.fixture(scope="module")
def model() -> Any:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (20, 16, 16, 3), dtype=np.uint8)
    settings: dict[str, Any] = {"epochs": 1, "augment": "none", "cache": False}
    settings |= {"val_fraction": 0.0, "precision": "float32"}
    return vicinal.ImageClassifier(**settings).fit(x, ["left", "right"] * 10)


def test_filters_of_the_first_layer_are_listed(model):
    sheet = gallery.plot_first_filters(model)
    assert len(sheet.summary["filters"]) == 16
    assert "16 filters of 3 x 3" in sheet.lines[0]


def test_a_class_can_be_visualized(model):
    sheet = gallery.plot_feature_visualizations(model, None, target="right")
    assert sheet.summary["synthesis"]["right"] > 0
    assert sheet.lines[0].startswith("right: logit from")


def test_invalid_requests_are_refused(model):
    visualize = gallery.plot_feature_visualizations
    with pytest.raises(SettingError, match=r"has channels 0 to 15\. Got 99"):
        visualize(model, "stages.0.conv", [99])
    with pytest.raises(SettingError, match=r"\(--layer and --channels\) or a class"):
        visualize(model, None)
    with pytest.raises(ClassError, match="'wrong'"):
        visualize(model, None, target="wrong")
    with pytest.raises(SettingError, match="seed must be a whole number"):
        visualize(model, None, target="right", seed=-1)
