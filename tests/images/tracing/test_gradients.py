"""Values and gradients by torch and by OpenVINO, against torch's of the whole batch."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vicinal
from vicinal.core.compute.batchnorm_folding import fold_batchnorm
from vicinal.core.compute.openvino import is_installed
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.tracing import gradients
from vicinal.images.tracing.explained_network import get_explained_network
from vicinal.images.tracing.gradients import (
    BATCH,
    OPENVINO_BATCH,
    OpenVinoGradients,
    TorchGradients,
    as_value_and_gradient,
    select_fastest,
)
from vicinal.images.tracing.target import Target

needs_openvino = pytest.mark.skipif(not is_installed(), reason="needs the extra `fast`")

TARGET = Target("2, not 1", 2, 1)


def expected_values(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = TARGET(network(x))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    return y.detach(), gradient


@pytest.mark.parametrize(
    "case",
    [
        "small",
        pytest.param("resnet18", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
    ],
)
def test_batches_agree_with_the_whole(case, network_of):
    network, x = network_of(case, torch.float64)
    network.eval().requires_grad_(False)
    images = x * torch.linspace(0.5, 1.5, BATCH + 3, dtype=x.dtype)[:, None, None, None]
    expected, expected_gradient = expected_values(network, images)
    folded = fold_batchnorm(network, x[None], in_place=False)
    function = TorchGradients(folded, fold_batchnorm(folded, x[None]))
    values, gradient = function.values_and_gradients(images, TARGET)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(function.values(images, TARGET), expected)
    torch.testing.assert_close(gradient, expected_gradient)


def test_a_module_is_in_eval_mode_meanwhile(network_of):
    network, _ = network_of("small")
    network.train()
    with as_value_and_gradient(network) as function:
        assert not network.training
        with as_value_and_gradient(function) as same:
            assert same is function
    assert network.training


# --- OpenVINO ------------------------------------------------------------------------


@cache
def prepare_folded(case: str, network_of) -> tuple[Any, OpenVinoGradients, Tensor]:
    """Return a folded network, its gradients on OpenVINO, and an image, made once."""
    network, x = network_of(case)
    network.eval().requires_grad_(False)
    example = x.repeat(OPENVINO_BATCH, 1, 1, 1)
    folded: Any = fold_batchnorm(network, example, in_place=False)
    return folded, OpenVinoGradients(folded, example), x


@needs_openvino
@pytest.mark.parametrize(
    "case",
    [
        "small",
        pytest.param("resnet18", marks=pytest.mark.slow),
        pytest.param("resnet50", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2-tensorflow", marks=pytest.mark.slow),
    ],
)
def test_openvino_agrees_with_torch(case, network_of):
    network, function, x = prepare_folded(case, network_of)
    images = x * torch.linspace(0.5, 1.5, BATCH + 3)[:, None, None, None]
    expected, expected_gradient = expected_values(network, images)
    values, gradient = function.values_and_gradients(images, TARGET)
    atol = 1e-4 * float(expected.abs().max())
    for found in (values, function.values(images, TARGET)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=atol)
    # rounding can switch a ReLU near 0, which changes the gradients of a few images
    error = gradient - expected_gradient
    largest = error.abs().amax((1, 2, 3)) / expected_gradient.abs().amax((1, 2, 3))
    assert float((largest < 1e-4).float().mean()) > 0.6
    assert float(error.norm() / expected_gradient.norm()) < 0.05


@pytest.mark.slow
@needs_openvino
def test_attributions_agree_with_torch(network_of):
    network, function, x = prepare_folded("small", network_of)
    expected = integrated_gradients(network, x, TARGET, steps=20)
    found = integrated_gradients(function, x, TARGET, steps=20)
    assert float((found - expected).norm() / expected.norm()) < 0.01
    maps = [occlusion(f, x, TARGET, 9, 5) for f in (function, network)]
    torch.testing.assert_close(*maps, rtol=1e-3, atol=1e-4)


@needs_openvino
def test_integrated_gradients_are_complete_within_one_percent(network_of):
    network, function, x = prepare_folded("small", network_of)
    with torch.no_grad():
        y = TARGET(network(torch.stack([x, torch.zeros_like(x)])))
    difference = float(y[0] - y[1])
    assert abs(difference) > 0.1
    total = float(integrated_gradients(function, x, TARGET).sum())
    assert total == pytest.approx(difference, rel=0.0102)


def prefer(monkeypatch, kind: type) -> None:
    """Let the measurement find that one implementation is faster."""
    monkeypatch.setattr(
        gradients, "_measure_seconds", lambda function, x: type(function) is not kind
    )


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("kind", [TorchGradients, OpenVinoGradients])
def test_the_faster_implementation_is_selected(kind, network_of, monkeypatch):
    network, x = network_of("small")
    network.eval().requires_grad_(False)
    prefer(monkeypatch, kind)
    example = x.repeat(BATCH, 1, 1, 1)
    assert type(select_fastest(TorchGradients(network), network, example)) is kind


def test_networks_that_openvino_cannot_differentiate_use_torch(network_of):
    network, x = network_of("lenet5")
    network.requires_grad_(False)
    by_torch = TorchGradients(network)
    assert select_fastest(by_torch, network, x.repeat(BATCH, 1, 1, 1)) is by_torch


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("deterministic", [False, True])
def test_openvino_is_prepared_for_a_second_image(deterministic, monkeypatch):
    pixels = torch.randint(0, 255, (20, 16, 16, 3), dtype=torch.uint8).numpy()
    prefer(monkeypatch, OpenVinoGradients)
    model = vicinal.ImageClassifier(epochs=1, cache=False, deterministic=deterministic)
    network = get_explained_network(model.fit(pixels, ["a", "b"] * 10))
    x = to_input(pixels, model.preprocessing_)
    kinds = [type(network.value_and_gradient(x[k])) for k in (0, 0, 0, 1, 0)]
    later = TorchGradients if deterministic else OpenVinoGradients
    assert kinds == [TorchGradients] * 3 + [later] * 2
    assert network.value_and_gradient(x[1]) is network.value_and_gradient(x[2])
