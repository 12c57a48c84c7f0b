"""Where training stands: the record of an epoch, and what a checkpoint holds."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Epoch(NamedTuple):
    """What one pass over the training part gave."""

    epoch: int
    train_loss: float
    val_loss: float
    val_score: float
    lr: float
    seconds: float
    per_second: float
    best: bool

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Epoch":
        """The record that was written as JSON, where null stands for NaN."""
        known: dict[str, Any] = {
            k: math.nan if v is None else v for k, v in values.items()
        }
        return cls(**known)


@dataclass
class Progress:
    """Where training stands: all that a checkpoint holds beside the tensors."""

    epoch: int = 0
    step: int = 0
    examples: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    def best(self) -> Epoch | None:
        return next((e for e in reversed(self.history) if e.best), None)
