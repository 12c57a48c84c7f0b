"""Receptive fields, compared with the pixels that change an activation."""

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.images.inspect.receptive_field import Box, receptive_field
from vicinal.images.tracing.trace import (
    StepInterpreter,
    eval_mode,
    record,
    trace_network,
)
from vicinal.ops.stride import receptive_field as chain_receptive_field

POSITIONS = 200


def nan_activations(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Return by step whether activations [H + W, ...] depend on a row or a column.

    Each image of the batch has one row, or one column, set to NaN. Any activation that
    reads a NaN is NaN, whatever the weight, so this needs no rule about windows.
    """
    height, width = x.shape[1:]
    images = x.repeat(height + width, 1, 1, 1)
    for k in range(height):
        images[k, :, k] = torch.nan
    for k in range(width):
        images[height + k, :, :, k] = torch.nan
    activations: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        activations[name] = value.isnan()

    with eval_mode(network), torch.no_grad():
        StepInterpreter(trace_network(network), keep).run(images)
    return activations


def box_of_nans(is_nan: Tensor, height: int, position: tuple[int, ...]) -> Box:
    affected = is_nan[(slice(None), *position)].numpy()
    rows = np.flatnonzero(affected[:height])
    columns = np.flatnonzero(affected[height:])
    if not len(rows) or not len(columns):
        return Box(0, 0, 0, 0)
    return Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)


def check_receptive_fields(network: nn.Module, x: Tensor) -> None:
    rng, recording = np.random.default_rng(1), record(network, x)
    activations, names = nan_activations(network, x), list(recording.steps)
    for k in range(max(POSITIONS, len(names))):
        name = names[k % len(names)]
        shape = recording.values[name].shape
        position = tuple(int(rng.integers(n)) for n in shape)
        box = receptive_field(recording, name, position)
        expected = box_of_nans(activations[name], x.shape[1], position)
        if expected.is_empty:
            assert box.is_empty
        else:
            assert box == expected, (name, position)


def test_receptive_fields_of_every_architecture(architecture, network_of):
    check_receptive_fields(*network_of(architecture))


def test_receptive_fields_of_other_layers(layer):
    if getattr(layer, "padding_mode", "") != "circular":  # two ends are not one box
        check_receptive_fields(nn.Sequential(layer), torch.randn(4, 11, 12))


def test_circular_padding_reads_both_sides():
    circular = nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular")
    recording = record(nn.Sequential(circular), torch.randn(4, 8, 9))
    assert receptive_field(recording, "0", (0, 0, 4)) == Box(0, 8, 3, 6)


def test_a_chain_of_convolutions_agrees_with_the_formula():
    layers = [(7, 2, 3), (3, 2, 1), (3, 1, 1), (3, 1, 1)]
    chain = [nn.Conv2d(1, 1, k, stride=s, padding=p, bias=False) for k, s, p in layers]
    recording = record(nn.Sequential(*chain), torch.randn(1, 90, 90))
    formula = chain_receptive_field(layers)
    for k in (4, 9, 12):
        pixels = formula.pixels(k)
        box = receptive_field(recording, "3", (0, k, k))
        assert (box.top, box.bottom) == (pixels.start, pixels.stop)
        assert (box.left, box.right) == (pixels.start, pixels.stop)
