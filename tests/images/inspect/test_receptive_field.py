"""Receptive fields, against the pixels that do change a number."""

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.tracing.trace import record
from vicinal.ops.stride import receptive_field as of_a_chain

POSITIONS = 200


def train_mask(network: nn.Module, x: Tensor) -> list[dict[str, Tensor]]:
    """What each step gives when a row, or a column, of the picture is not a number.

    Whatever looks at a pixel that is not a number is none either, whatever the weight:
    so this is who sees whom, apart from any rule about windows.
    """
    found = []
    for k in range(x.shape[1]):
        row = x.clone()
        row[:, k] = torch.nan
        found.append(record(network, row).values)
    for k in range(x.shape[2]):
        column = x.clone()
        column[:, :, k] = torch.nan
        found.append(record(network, column).values)
    return found


def box_of(marks: list[dict[str, Tensor]], height: int, name: str, place) -> Box:
    hit = np.array([bool(values[name][place].isnan()) for values in marks])
    rows, columns = np.flatnonzero(hit[:height]), np.flatnonzero(hit[height:])
    if not len(rows) or not len(columns):
        return Box(0, 0, 0, 0)
    return Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)


def check_fields(network: nn.Module, x: Tensor) -> None:
    rng, recording, marks = np.random.default_rng(1), record(network, x), None
    marks = train_mask(network, x)
    names = list(recording.steps)
    for k in range(max(POSITIONS, len(names))):
        name = names[k % len(names)]
        place = tuple(int(rng.integers(n)) for n in recording.values[name].shape)
        ours = receptive_field(recording, name, place)
        theirs = box_of(marks, x.shape[1], name, place)
        if not theirs.height:
            assert not ours.height or not ours.width
        else:
            assert ours == theirs, (name, place)


def test_a_field_is_the_pixels_that_reach_a_number(architecture, network_of):
    check_fields(*network_of(architecture))


def test_fields_of_other_layers(layer):
    if getattr(layer, "padding_mode", "") != "circular":  # two ends are no box
        check_fields(nn.Sequential(layer), torch.randn(4, 11, 12))


def test_a_window_that_goes_around_sees_both_sides():
    around = nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")
    recording = record(nn.Sequential(around), torch.randn(4, 8, 9))
    assert receptive_field(recording, "0", (0, 0, 4)) == Box(0, 8, 3, 6)


def test_a_chain_is_what_the_formula_says():
    layers = [(7, 2, 3), (3, 2, 1), (3, 1, 1), (3, 1, 1)]
    chain = [nn.Conv2d(1, 1, k, stride=s, padding=p, bias=False) for k, s, p in layers]
    recording = record(nn.Sequential(*chain), torch.randn(1, 90, 90))
    formula = of_a_chain(layers)
    for at in (4, 9, 12):
        pixels = formula.pixels(at)
        found = receptive_field(recording, "3", (0, at, at))
        assert (found.top, found.bottom) == (pixels.start, pixels.stop)
        assert (found.left, found.right) == (pixels.start, pixels.stop)
