"""Break an activation down into its terms, and trace it back to the image.

The terms are computed from weights and inputs, independently of the network
(`layer_arithmetic`), and compared with the activation of the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vicinal.errors import SettingError
from vicinal.images.inspect.layer_arithmetic import (
    LAYER_RULES,
    PADDING,
    Position,
    find_base_class,
)
from vicinal.images.tracing.trace import INPUT, Recording, Step


class Term(NamedTuple):
    """One input of an activation and its weight."""

    source: str
    """step whose output the input is"""

    position: Position
    """position in that output; row and column are PADDING for padding"""

    value: float
    weight: float

    @property
    def product(self) -> float:
        return self.value * self.weight


@dataclass(frozen=True)
class NumberBreakdown:
    """One activation as the sum of its terms."""

    step: Step
    position: Position
    value: float
    """as the network computed it"""

    computed: float
    """as its terms give it"""

    constant: float
    operation: str
    terms: list[Term]
    window: tuple[int, int] | None = None
    """rows and columns, where the terms are windows of channels, one after the other"""

    @property
    def largest_contribution(self) -> Term | None:
        """The largest term of the activation's sign; None if no term has it.

        None for an activation that ReLU set to 0, or that its constant explains alone.
        """
        sign = -1 if self.value < 0 else 1
        largest = max(self.terms, key=lambda term: sign * term.product)
        return largest if sign * largest.product > 0 else None


@torch.no_grad()
def break_down(recording: Recording, name: str, position: Position) -> NumberBreakdown:
    """Break down the activation of a step at a position.

    position: (channel, row, column) of a feature map [C, H, W], or (index,) of a vector
    [D]. SettingError for an unknown or unsupported step, or a position outside.
    """
    step = recording.step(name)
    activation = recording.values[name]
    _check_position(name, position, activation)
    rule = LAYER_RULES.get(step.kind) or LAYER_RULES.get(
        find_base_class(step.layer, LAYER_RULES)
    )
    if rule is None:
        raise SettingError(
            f"{name} is a {step.kind}, whose arithmetic is not supported. Inspect the "
            "step before or after it."
        )
    groups = list(rule(recording, step, position))
    computed = sum((group.compute() for group in groups), torch.zeros(()))
    terms = [
        Term(group.source, tuple(index), value, weight)
        for group in groups
        for index, value, weight in zip(
            group.positions.tolist(),
            group.values.tolist(),
            group.weights.tolist(),
            strict=True,
        )
    ]
    return NumberBreakdown(
        step=step,
        position=position,
        value=float(activation[position]),
        computed=float(computed),
        constant=sum(float(group.constant) for group in groups),
        operation=groups[0].operation,
        terms=terms,
        window=groups[0].window,
    )


def trace_back(
    recording: Recording, name: str, position: Position
) -> Iterator[NumberBreakdown]:
    """Follow the largest contribution from an activation back to the image.

    Ends at the image, at padding, or where no term contributes.
    """
    while name != INPUT:
        breakdown = break_down(recording, name, position)
        yield breakdown
        term = breakdown.largest_contribution
        if term is None or PADDING in term.position:
            return
        name, position = term.source, term.position


def _check_position(name: str, position: Position, activation: Tensor) -> None:
    shape = tuple(activation.shape)
    inside = len(position) == len(shape) and all(
        0 <= k < n for k, n in zip(position, shape, strict=False)
    )
    if not inside:
        axes = "channel,row,column" if len(shape) == 3 else "an index"
        first = ",".join("0" * len(shape))
        last = ",".join(str(n - 1) for n in shape)
        raise SettingError(
            f"The output of {name} has shape {' x '.join(map(str, shape))}, so a "
            f"position is {axes} from {first} to {last}. Got "
            f"{','.join(map(str, position))} instead."
        )
