"""The layer table: cost, receptive field and activation statistics of each step.

A kernel is applied at every position of a feature map, the weights of a dense layer
once, so parameters and multiply-adds differ. A convolution with d filters, kernel size
k, c input channels and g groups has

    k k (c / g) d weights   and   k k (c / g) d H' W' multiply-adds

for an output of H' x W': each weight is shared by H' W' positions.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vicinal.images.inspect.receptive_field import receptive_field
from vicinal.images.tracing.trace import (
    INPUT,
    Recording,
    Step,
    StepInterpreter,
    eval_mode,
    record,
    trace_network,
)

TIMED_RUNS = 5
"""runs, of which the fastest counts"""


class LayerRow(NamedTuple):
    """One step of a network."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """of the output: [C, H, W] or [D]"""

    parameters: int
    multiply_adds: int
    """per image"""

    receptive_field: tuple[int, int]
    """rows and columns, of the activation in the middle"""

    ms: float
    """milliseconds per image, measured on a batch"""

    mean: float
    std: float
    """of all activations"""

    dead: float
    """fraction of channels that are constant over all positions and images"""

    @property
    def weight_reuse(self) -> float:
        """Multiply-adds per parameter."""
        return self.multiply_adds / self.parameters if self.parameters else 0.0


def layer_table(network: nn.Module, batches: Iterable[Tensor]) -> list[LayerRow]:
    """Return the steps of a network in order, with statistics over [N, C, H, W].

    Milliseconds are those of the first batch. ValueError without a batch.
    """
    with torch.no_grad(), eval_mode(network):
        graph = trace_network(network)
        statistics: dict[str, _Statistics] = {}

        def update(name: str, value: Tensor) -> None:
            statistics.setdefault(name, _Statistics()).update(value)

        first: Tensor | None = None
        for x in batches:
            first = x if first is None else first
            StepInterpreter(graph, update).run(x)
        if first is None:
            raise ValueError(
                "layer_table needs at least one batch of images. Got none."
            )
        ms = _measure_milliseconds(graph, first)
        recording = record(network, first[0])
    return [
        _layer_row(recording, step, statistics[name], ms[name])
        for name, step in recording.steps.items()
    ]


@dataclass
class _Statistics:
    """Running statistics of the activations of a step, by channel."""

    count: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(1))
    squares: Tensor = field(default_factory=lambda: torch.zeros(1))
    lowest: Tensor = field(default_factory=lambda: torch.tensor(torch.inf))
    highest: Tensor = field(default_factory=lambda: torch.tensor(-torch.inf))

    def update(self, value: Tensor) -> None:
        """Add the activations [N, C, ...] of a batch."""
        x = value.double().flatten(2) if value.ndim > 2 else value.double()[..., None]
        self.count += x.shape[0] * x.shape[2]
        self.sums = self.sums + x.sum((0, 2))
        self.squares = self.squares + x.square().sum((0, 2))
        self.lowest = torch.minimum(self.lowest, x.amin((0, 2)))
        self.highest = torch.maximum(self.highest, x.amax((0, 2)))

    def mean_and_std(self) -> tuple[float, float]:
        total = self.count * len(self.sums)
        mean = float(self.sums.sum() / total)
        variance = float(self.squares.sum() / total) - mean**2
        return mean, max(0.0, variance) ** 0.5

    def dead(self) -> float:
        return float((self.lowest == self.highest).double().mean())


def _layer_row(
    recording: Recording, step: Step, statistics: _Statistics, ms: float
) -> LayerRow:
    value = recording.values[step.name]
    middle = tuple(n // 2 for n in value.shape)
    box = receptive_field(recording, step.name, middle)
    mean, std = statistics.mean_and_std()
    return LayerRow(
        name=step.name,
        kind=step.kind,
        shape=tuple(value.shape),
        parameters=count_step_parameters(step),
        multiply_adds=multiply_adds(step, recording),
        receptive_field=(box.height, box.width),
        ms=ms,
        mean=mean,
        std=std,
        dead=statistics.dead(),
    )


def count_step_parameters(step: Step) -> int:
    """Return the number of parameters of a step."""
    parameters = [a for a in step.arguments if isinstance(a, nn.Parameter)]
    if step.layer is not None:
        parameters += list(step.layer.parameters())
    return sum(p.numel() for p in parameters)


def multiply_adds(step: Step, recording: Recording) -> int:
    """Return the multiply-adds of a step per image.

    As usual, norms, poolings and activation functions are not counted.
    """
    layer: Any = step.layer
    value = recording.values[step.name]
    if isinstance(layer, nn.Conv2d):
        return value.numel() * layer.weight[0].numel()
    if isinstance(layer, nn.Linear):
        return value.numel() * layer.in_features
    return 0


def _measure_milliseconds(graph: Any, x: Tensor) -> dict[str, float]:
    """Return the milliseconds per image of each step."""
    fastest: dict[str, float] = {}
    started_at = 0.0

    def measure(name: str, value: Tensor) -> None:
        nonlocal started_at
        now = time.perf_counter()
        if name != INPUT:
            ms = 1000 * (now - started_at) / len(x)
            fastest[name] = min(fastest.get(name, ms), ms)
        started_at = time.perf_counter()

    for _ in range(TIMED_RUNS):
        StepInterpreter(graph, measure).run(x)
    return fastest
