"""Breakdowns of activations agree with the network, for every layer type."""

from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.inspect.layer_arithmetic import PADDING
from vicinal.images.inspect.walkthrough import (
    NumberBreakdown,
    Term,
    break_down,
    trace_back,
)
from vicinal.images.tracing.trace import INPUT, Recording, record

POSITIONS = 200


def check_random_positions(recording: Recording, tolerance: float) -> None:
    """Check that the terms give the activation, at random positions of all steps.

    tolerance: relative to the largest activation of the step.
    """
    rng, names = np.random.default_rng(0), list(recording.steps)
    for k in range(max(POSITIONS, len(names))):
        name = names[k % len(names)]
        activation = recording.values[name]
        position = tuple(int(rng.integers(n)) for n in activation.shape)
        breakdown = break_down(recording, name, position)
        assert breakdown.value == activation[position].item()
        scale = max(1.0, activation.abs().max().item())
        difference = abs(breakdown.computed - breakdown.value)
        assert difference <= tolerance * scale, breakdown.step
        terms = terms_inside(breakdown)
        values = [recording.values[t.source][t.position].item() for t in terms]
        assert values == [term.value for term in terms]


def terms_inside(breakdown: NumberBreakdown) -> list[Term]:
    """Return the terms that are not padding."""
    return [term for term in breakdown.terms if PADDING not in term.position]


# --- every layer type ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        pytest.param(torch.float32, 1e-5, marks=pytest.mark.slow),
        (torch.float64, 1e-12),
    ],
)
def test_terms_give_every_activation(architecture, dtype, tolerance, network_of):
    network, x = network_of(architecture, dtype)
    check_random_positions(record(network, x), tolerance)


@pytest.mark.slow
def test_terms_give_every_activation_of_vgg11(network_of):
    network, x = network_of("vgg11")
    check_random_positions(record(network, x), 1e-5)


def test_terms_of_layers_that_no_architecture_has(layer):
    torch.manual_seed(0)
    network = nn.Sequential(layer).double()
    check_random_positions(record(network, torch.randn(4, 11, 12).double()), 1e-12)


def test_a_convolution_by_hand():
    """A 3x3 window in a corner: four pixels, and five zeros of padding."""
    conv = nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        nn.init.constant_(cast(Tensor, conv.bias), 0.5)
    x = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
    breakdown = break_down(record(nn.Sequential(conv), x), "0", (0, 0, 0))
    # kernel rows 1 and 2, columns 1 and 2: 1 * 4 + 2 * 5 + 4 * 7 + 5 * 8 + 0.5
    assert breakdown.computed == breakdown.value == 82.5 and breakdown.constant == 0.5
    products = [term.product for term in breakdown.terms]
    assert products == [0, 0, 0, 0, 4, 10, 0, 28, 40]
    inside = [term.position for term in terms_inside(breakdown)]
    assert inside == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    largest = breakdown.largest_contribution
    assert largest is not None
    assert largest.position == (0, 1, 1) and largest.source == INPUT


def test_max_pooling_by_hand():
    x = torch.tensor([[[3.0, 3, 2], [0, 9, 1], [3, 1, 2]]])
    breakdown = break_down(record(nn.Sequential(nn.MaxPool2d(3)), x), "0", (0, 0, 0))
    assert breakdown.value == 9 and breakdown.operation == "maximum of 9"
    assert [t.weight for t in breakdown.terms] == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_a_wrong_activation_is_detected(network_of):
    """The recorded activation is compared with its terms, which do not depend on it."""
    network, x = network_of("small")
    recording = record(network, x)
    recording.values["stages.0.conv"][0, 3, 3] += 1
    breakdown = break_down(recording, "stages.0.conv", (0, 3, 3))
    assert breakdown.value - breakdown.computed == pytest.approx(1, abs=1e-4)


# --- the trace back to the image -----------------------------------------------------


def test_a_trace_ends_in_the_image(network_of):
    network, x = network_of("small")
    recording = record(network, x)
    trace = list(trace_back(recording, "fc", (2,)))
    assert [trace[0].step.name, trace[1].step.name] == ["fc", "mean"]
    assert trace[-1].step.name == "stages.0.conv"
    for later, earlier in pairwise(trace):
        largest = later.largest_contribution
        assert largest is not None
        assert largest.source == earlier.step.name
        assert largest.position == earlier.position
        assert largest.value == pytest.approx(earlier.value)


def test_a_trace_ends_where_no_term_contributes():
    """A dense layer of -1 and 2, then a ReLU, then a scale of 3 and a shift of 5."""
    dense, shift = nn.Linear(2, 1, bias=False), nn.Linear(1, 1)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor([[1.0, -1]]))
        shift.weight.fill_(3.0)
        nn.init.constant_(cast(Tensor, shift.bias), 5.0)
    recording = record(nn.Sequential(dense, nn.ReLU(), shift), torch.tensor([-1.0, 2]))
    trace = list(trace_back(recording, "2", (0,)))
    assert [one.step.name for one in trace] == ["2"]  # 5 = 3 * 0 + 5
    assert trace[0].largest_contribution is None
    assert trace[0].constant == trace[0].value == 5
    (relu,) = trace_back(recording, "1", (0,))
    assert relu.value == 0 and relu.largest_contribution is None
    negative = list(trace_back(recording, "0", (0,)))  # -3 = -1 - 2
    largest = negative[0].largest_contribution
    assert largest is not None
    assert largest.product == -2 and largest.position == (1,)


# --- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "position", "message"),
    [
        ("stages.0.cnv", (0, 0, 0), r"no layer 'stages.0.cnv'.*stages\.0\.conv"),
        ("stages.0", (0, 0, 0), r"block of 3 layers.*stages\.0\.conv"),
        ("stages.0.conv", (16, 0, 0), r"from 0,0,0 to 15,32,32. Got 16,0,0"),
        ("stages.0.conv", (0, -1, 0), r"Got 0,-1,0 instead"),
        ("stages.0.conv", (0,), r"channel,row,column"),
        ("fc", (5,), r"a position is an index from 0 to 4. Got 5"),
    ],
)
def test_invalid_positions_are_refused(name, position, message, network_of):
    network, x = network_of("small")
    with pytest.raises(SettingError, match=message):
        break_down(record(network, x), name, position)


def test_an_unsupported_step_is_refused():
    class Roll(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1)

    recording = record(nn.Sequential(Roll()), torch.randn(1, 4, 4))
    with pytest.raises(SettingError, match="0 is a Roll, whose arithmetic is not"):
        break_down(recording, "0", (0, 0, 0))
