"""Exponential moving average of the weights (Polyak & Juditsky 1992)."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from vicinal.core.storage.checkpoint import Tensors, copy_state


class WeightAverage:
    """The moving average of a model's weights; inactive with a decay of 0.

    m <- m + (1 - d) (w - m) after each step, with d = min(decay, (1 + t) / (10 + t)),
    which is small at first, when m is still close to the initial weights.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.weights: Tensors = {}

    def start(self, model: nn.Module) -> None:
        """Start from the current weights."""
        self.weights = copy_state(model) if self.decay else {}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the weights after step t = `step`."""
        if not self.weights:
            return
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            average = self.weights[name]
            if average.is_floating_point():
                average.lerp_(value.to(average.device), rate)
            else:
                average.copy_(value)

    @contextlib.contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Load the average, if there is one, into the model for the `with` block."""
        if not self.weights:
            yield
            return
        own = copy_state(model)
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)
