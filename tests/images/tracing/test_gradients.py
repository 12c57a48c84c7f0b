"""Numbers and slopes are the same by torch and on OpenVINO, whichever is sooner."""

from typing import Any

import pytest
import torch

import vicinal
from vicinal.core.compute.batchnorm_folding import folded
from vicinal.core.compute.openvino import is_installed
from vicinal.images.explain.integrated_gradients import integrated_gradients
from vicinal.images.explain.occlusion import occlusion
from vicinal.images.tracing import gradients as slopes
from vicinal.images.tracing.explained_network import forms_of
from vicinal.images.tracing.gradients import (
    BATCH,
    PAIR,
    OpenVinoGradients,
    TorchGradients,
    fastest,
)
from vicinal.images.tracing.target import Target

fast = pytest.mark.skipif(not is_installed(), reason="needs the extra `fast`")

TARGET = Target("2, not 1", 2, 1)


def both(
    case: str, network_of
) -> tuple[TorchGradients, OpenVinoGradients, Any, torch.Tensor]:
    """A network by torch and on OpenVINO, itself, and its picture."""
    network, x = network_of(case)
    network.eval().requires_grad_(False)
    plain: Any = folded(network, x.repeat(2, 1, 1, 1), in_place=False)
    example = x.repeat(PAIR, 1, 1, 1)
    return TorchGradients(plain), OpenVinoGradients(plain, example), plain, x


@fast
@pytest.mark.parametrize(
    "case",
    ["small", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v2-tensorflow"],
)
def test_both_say_the_same(case, network_of):
    torch_, other, _, x = both(case, network_of)
    pictures = x * torch.linspace(0.5, 1.5, BATCH + 3)[:, None, None, None]
    values, found = other.slopes(pictures, TARGET)
    wanted, slope = torch_.slopes(pictures, TARGET)
    unit = float(wanted.abs().max())
    torch.testing.assert_close(values, wanted, rtol=1e-4, atol=1e-4 * unit)
    torch.testing.assert_close(
        other.values(pictures, TARGET), wanted, rtol=1e-4, atol=1e-4 * unit
    )
    # rounding may switch a unit that is nearly at its kink: a few pictures differ there
    off = (found - slope).abs().amax((1, 2, 3)) / slope.abs().amax((1, 2, 3))
    assert float((off < 1e-4).float().mean()) > 0.6
    apart = (found - slope).pow(2).sum().sqrt() / slope.pow(2).sum().sqrt()
    assert float(apart) < 0.05


@fast
def test_maps_are_the_same(network_of):
    torch_, other, _, x = both("small", network_of)
    unit = integrated_gradients(torch_, x, TARGET, steps=20)
    found = integrated_gradients(other, x, TARGET, steps=20)
    assert float((found - unit).norm() / unit.norm()) < 0.01
    covered = [occlusion(asked, x, TARGET, 9, 5) for asked in (torch_, other)]
    torch.testing.assert_close(*covered, rtol=1e-3, atol=1e-4)


@fast
def test_a_sum_is_within_one_percent(network_of):
    _, other, plain, x = both("small", network_of)
    with torch.no_grad():
        y = TARGET(plain(torch.stack([x, torch.zeros_like(x)])))
    whole = float(y[0] - y[1])
    assert abs(whole) > 0.1
    found = float(integrated_gradients(other, x, TARGET).sum())
    assert found == pytest.approx(whole, rel=0.0102)


@fast
def test_the_sooner_one_is_taken(network_of, monkeypatch):
    plain, _, network, x = both("small", network_of)
    example = x.repeat(BATCH, 1, 1, 1)
    for sooner in (TorchGradients, OpenVinoGradients):
        monkeypatch.setattr(
            slopes, "_seconds", lambda asked, *_, s=sooner: type(asked) is not s
        )
        assert type(fastest(plain, network, example)) is sooner


def test_a_step_without_a_rule_is_left_to_torch(network_of):
    network, x = network_of("lenet5")
    network.requires_grad_(False)
    plain = TorchGradients(network)
    assert fastest(plain, network, x.repeat(BATCH, 1, 1, 1)) is plain


@fast
def test_the_first_picture_is_not_worth_preparing_for(monkeypatch):
    x = torch.randint(0, 255, (20, 16, 16, 3), dtype=torch.uint8).numpy()
    y = ["a", "b"] * 10
    monkeypatch.setattr(
        slopes, "_seconds", lambda asked, *_: type(asked) is TorchGradients
    )
    for exact in (False, True):
        quick: dict[str, Any] = {"epochs": 1, "cache": False, "exact": exact}
        model = vicinal.ImageClassifier(**quick).fit(x, y)
        forms = forms_of(model)
        kinds = [type(forms.asked(x[k])) for k in (0, 0, 0, 1, 0)]
        later = TorchGradients if exact else OpenVinoGradients
        assert kinds == [TorchGradients] * 3 + [later] * 2
        assert forms.asked(x[1]) is forms.asked(x[2]) or exact
