"""The layer table: what each step of a network costs, sees and says.

Parameters and multiply-adds say where a network's size and its work are, and how far
apart the two may lie: a kernel is used at every place of a map, a dense layer's weights
once each. A convolution of d channels with kernel k on c channels in g groups has

    k k (c / g) d weights,   and makes   k k (c / g) d H' W' multiply-adds

on a map of H' x W': the weights are shared by H' W' places.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vicinal.images.inspect.receptive_field import receptive_field
from vicinal.images.tracing.trace import (
    PICTURE,
    Recording,
    Run,
    Step,
    answering,
    record,
    traced,
)

TIMED = 5
"""runs, of which the fastest counts"""


class Row(NamedTuple):
    """One step of a network."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """[C, H, W] of what it gives, or [D]"""
    parameters: int
    multiply_adds: int
    """for a picture"""
    field: tuple[int, int]
    """pixels down and across that reach a number in the middle of the map"""
    ms: float
    """for a picture, on this machine, of a batch"""
    mean: float
    spread: float
    dead: float
    """share of channels that give the same number everywhere, in every picture"""

    @property
    def shared(self) -> float:
        """Multiply-adds that a weight takes part in."""
        return self.multiply_adds / self.parameters if self.parameters else 0.0


def layer_table(network: nn.Module, batches: Iterable[Tensor]) -> list[Row]:
    """The steps of a network in order, with what they gave for batches [N, C, H, W].

    Milliseconds are those of the first batch. ValueError where there is no batch.
    """
    with torch.no_grad(), answering(network):
        graph = traced(network)
        seen: dict[str, _Seen] = {}
        first: Tensor | None = None
        for x in batches:
            first = x if first is None else first
            Run(graph, lambda name, value: _add(seen, name, value)).run(x)
        if first is None:
            raise ValueError("layer_table wants one batch of pictures or more.")
        ms = _milliseconds(graph, first)
        recording = record(network, first[0])
    return [
        _row(recording, step, seen[name], ms[name])
        for name, step in recording.steps.items()
    ]


@dataclass
class _Seen:
    """What is kept of a step's numbers, batch after batch, by channel."""

    count: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(1))
    squares: Tensor = field(default_factory=lambda: torch.zeros(1))
    least: Tensor = field(default_factory=lambda: torch.tensor(torch.inf))
    most: Tensor = field(default_factory=lambda: torch.tensor(-torch.inf))


def _add(seen: dict[str, _Seen], name: str, value: Tensor) -> None:
    own = seen.setdefault(name, _Seen())
    flat = value.double().flatten(2) if value.ndim > 2 else value.double()[..., None]
    own.count += flat.shape[0] * flat.shape[2]
    own.sums = own.sums + flat.sum((0, 2))
    own.squares = own.squares + flat.square().sum((0, 2))
    own.least = torch.minimum(own.least, flat.amin((0, 2)))
    own.most = torch.maximum(own.most, flat.amax((0, 2)))


def _row(recording: Recording, step: Step, seen: _Seen, ms: float) -> Row:
    value = recording.values[step.name]
    middle = tuple(n // 2 for n in value.shape)
    box = receptive_field(recording, step.name, middle)
    total = seen.count * len(seen.sums)
    mean = float(seen.sums.sum() / total)
    spread = max(0.0, float(seen.squares.sum() / total) - mean**2) ** 0.5
    return Row(
        step.name,
        step.kind,
        tuple(value.shape),
        parameters_of(step),
        multiply_adds(step, recording),
        (box.height, box.width),
        ms,
        mean,
        spread,
        float((seen.least == seen.most).double().mean()),
    )


def parameters_of(step: Step) -> int:
    """Numbers that a step has learned."""
    own = [a for a in step.arguments if isinstance(a, nn.Parameter)]
    if step.layer is not None:
        own += list(step.layer.parameters())
    return sum(p.numel() for p in own)


def multiply_adds(step: Step, recording: Recording) -> int:
    """Products that a step's sums take for a picture; 0 for what has none to speak of.

    As is usual, norms, poolings and activations are not counted.
    """
    layer: Any = step.layer
    value = recording.values[step.name]
    if isinstance(layer, nn.Conv2d):
        return value.numel() * layer.weight[0].numel()
    if isinstance(layer, nn.Linear):
        return value.numel() * layer.in_features
    return 0


def _milliseconds(graph: Any, x: Tensor) -> dict[str, float]:
    """Least milliseconds a picture of each step."""
    least: dict[str, float] = {}
    started_at = 0.0

    def watch(name: str, value: Tensor) -> None:
        nonlocal started_at
        now = time.perf_counter()
        if name != PICTURE:
            taken = 1000 * (now - started_at) / len(x)
            least[name] = min(least.get(name, taken), taken)
        started_at = time.perf_counter()

    for _ in range(TIMED):
        Run(graph, watch).run(x)
    return least
