"""A saved image model on this machine: its runtime, and what its images may be."""

from dataclasses import replace

import pytest

import vicinal
from vicinal.core.estimators.estimator import read_model, read_weights, save_model
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.training import fitted_model
from vicinal.images.weights.model_schema import read_preprocessing


@pytest.mark.parametrize(
    ("saved", "slow", "used"),
    [
        ("bfloat16", True, "float32"),
        ("bfloat16", False, "bfloat16"),
        ("float32", True, "float32"),
    ],
)
def test_bfloat16_is_used_where_this_cpu_is_fast_in_it(
    saved, slow, used, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(fitted_model, "is_bfloat16_slow", lambda: slow)
    folder = tiny_model("images")
    description = read_model(folder)
    runtime = description["runtime"] | {"precision": saved, "deterministic": False}
    tensors = read_weights(folder, description)
    save_model(tmp_path, description | {"runtime": runtime}, tensors)
    assert vicinal.load(tmp_path).runtime_.precision == used


@pytest.mark.parametrize(
    ("backbone", "minimum"),
    [("small", 8), ("resnet18", 8), ("convnext_atto", 32), ("timm:resnet18", 32)],
)
def test_images_are_as_large_as_the_network_needs(backbone, minimum):
    right = Preprocessing(minimum, minimum)
    assert read_preprocessing(right.to_dict(), backbone) == right
    small = replace(right, image_size=minimum - 1)
    message = f"image_size must be {minimum} or more for {backbone}. Got {minimum - 1}"
    with pytest.raises(ValueError, match=message):
        read_preprocessing(small.to_dict(), backbone)


@pytest.mark.parametrize("limits", [(255, 0), (5, 5), (1,), (-1e308, 1e308)])
def test_an_intensity_range_is_a_lower_and_a_higher_number(limits):
    right = Preprocessing(8, 8, intensity_range=(0, 4095))
    assert read_preprocessing(right.to_dict(), "small") == right
    wrong = {**right.to_dict(), "intensity_range": limits}
    with pytest.raises(ValueError, match="two numbers, LOW below HIGH"):
        read_preprocessing(wrong, "small")
