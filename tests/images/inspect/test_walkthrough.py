"""One number, opened: equal to the network's own, whatever the layer."""

from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.inspect.walkthrough import NOWHERE, opened, trail
from vicinal.images.tracing.trace import PICTURE, Recording, record

POSITIONS = 200


def check_positions(recording: Recording, tolerance: float) -> None:
    """At random places of all steps in turn, what the terms make is what was given.

    The tolerance is a share of the largest number that the step gave.
    """
    rng, names = np.random.default_rng(0), list(recording.steps)
    for k in range(max(POSITIONS, len(names))):
        value = recording.values[names[k % len(names)]]
        place = tuple(int(rng.integers(n)) for n in value.shape)
        found = opened(recording, names[k % len(names)], place)
        assert found.given == value[place].item()
        unit = max(1.0, value.abs().max().item())
        assert abs(found.computed - found.given) <= tolerance * unit, found.step
        again = [recording.values[t.source][t.place].item() for t in real(found)]
        assert again == [term.value for term in real(found)]


def real(found) -> list:
    """The terms that padding has not made up."""
    return [term for term in found.terms if NOWHERE not in term.place]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)]
)
def test_every_number_is_what_its_terms_make(
    architecture, dtype, tolerance, network_of
):
    network, x = network_of(architecture, dtype)
    check_positions(record(network, x), tolerance)


@pytest.mark.slow
def test_every_number_of_vgg11(network_of):
    network, x = network_of("vgg11")
    check_positions(record(network, x), 1e-5)


def test_layers_that_no_architecture_here_has(layer):
    torch.manual_seed(0)
    network = nn.Sequential(layer).double()
    check_positions(record(network, torch.randn(4, 11, 12).double()), 1e-12)


def test_a_window_by_hand():
    """A 3x3 window in a corner: four pixels, and five zeros of the padding."""
    conv = nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        nn.init.constant_(cast(Tensor, conv.bias), 0.5)
    x = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
    found = opened(record(nn.Sequential(conv), x), "0", (0, 0, 0))
    # kernel rows 1 and 2, columns 1 and 2: 4 * 1 + 5 * 2 + 7 * 4 + 8 * 5 + 0.5
    assert found.computed == found.given == 82.5 and found.constant == 0.5
    products = [term.product for term in found.terms]
    assert products == [0, 0, 0, 0, 4, 10, 0, 28, 40]
    inside = [term.place for term in real(found)]
    assert inside == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert found.foremost is not None
    assert found.foremost.place == (0, 1, 1) and found.foremost.source == PICTURE


def test_a_pooling_by_hand():
    x = torch.tensor([[[3.0, 3, 2], [0, 9, 1], [3, 1, 2]]])
    found = opened(record(nn.Sequential(nn.MaxPool2d(3)), x), "0", (0, 0, 0))
    assert found.given == 9 and found.how == "the largest of 9"
    assert [t.weight for t in found.terms] == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_a_trail_ends_in_the_picture(network_of):
    network, x = network_of("small")
    recording = record(network, x)
    found = list(trail(recording, "fc", (2,)))
    assert [found[0].step.name, found[1].step.name] == ["fc", "mean"]
    assert found[-1].step.name == "stages.0.conv"
    for now, before in pairwise(found):
        assert now.foremost is not None
        assert now.foremost.source == before.step.name
        assert now.foremost.place == before.place
        assert now.foremost.value == pytest.approx(before.given)


def test_a_trail_ends_where_nothing_gives_towards_the_number():
    """A dense layer of two numbers, -1 and 2, behind a cut at 0 and a shift of 5."""
    dense, shift = nn.Linear(2, 1, bias=False), nn.Linear(1, 1)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor([[1.0, -1]]))
        shift.weight.fill_(3.0)
        nn.init.constant_(cast(Tensor, shift.bias), 5.0)
    recording = record(nn.Sequential(dense, nn.ReLU(), shift), torch.tensor([-1.0, 2]))
    found = list(trail(recording, "2", (0,)))
    assert [one.step.name for one in found] == ["2"]  # 5 = 3 * 0 + 5
    assert found[0].foremost is None and found[0].constant == found[0].given == 5
    (cut,) = trail(recording, "1", (0,))
    assert cut.given == 0 and cut.foremost is None
    below = list(trail(recording, "0", (0,)))  # -3 = -1 - 2
    assert below[0].foremost is not None
    assert below[0].foremost.product == -2 and below[0].foremost.place == (1,)


def test_a_tampered_number_is_seen(network_of):
    """What was recorded is held against its terms, not the terms against themselves."""
    network, x = network_of("small")
    recording = record(network, x)
    recording.values["stages.0.conv"][0, 3, 3] += 1
    found = opened(recording, "stages.0.conv", (0, 3, 3))
    assert found.given - found.computed == pytest.approx(1, abs=1e-4)


# --- what cannot be opened -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place", "told"),
    [
        ("stages.0.cnv", (0, 0, 0), r"no layer 'stages.0.cnv'.*stages\.0\.conv"),
        ("stages.0", (0, 0, 0), r"block of 3 layers.*stages\.0\.conv"),
        ("stages.0.conv", (16, 0, 0), r"from 0,0,0 to 15,32,32. Got 16,0,0"),
        ("stages.0.conv", (0, -1, 0), r"Got 0,-1,0 instead"),
        ("stages.0.conv", (0,), r"channel,row,column"),
        ("fc", (5,), r"a place in it is number from 0 to 4. Got 5"),
    ],
)
def test_places_that_are_not_there(name, place, told, network_of):
    network, x = network_of("small")
    with pytest.raises(SettingError, match=told):
        opened(record(network, x), name, place)


def test_a_step_that_is_not_known():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1)

    recording = record(nn.Sequential(Odd()), torch.randn(1, 4, 4))
    with pytest.raises(SettingError, match="0 is a Odd, and how its numbers are made"):
        opened(recording, "0", (0, 0, 0))
