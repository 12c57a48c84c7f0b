"""Epoch records, and the progress that a checkpoint stores."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vicinal.core.storage.schema import Flag, Integer, ListOf, Nullable, Number, Object

EPOCH = Object(
    {
        "epoch": Integer(1),
        "train_loss": Nullable(Number()),
        "val_loss": Nullable(Number()),
        "val_score": Nullable(Number()),
        "lr": Number(),
        "seconds": Number(0),
        "examples_per_second": Number(0),
        "best": Flag(),
    }
)
"""schema of an epoch record as JSON, where null stands for NaN"""

PROGRESS = Object(
    {
        "epoch": Integer(),
        "step": Integer(),
        "examples": Integer(),
        "loss_sum": Number(),
        "seconds": Number(0),
        "history": ListOf(EPOCH),
    }
)
"""schema of the progress that a checkpoint stores"""


class Epoch(NamedTuple):
    """The record of one pass over the training split."""

    epoch: int
    train_loss: float
    val_loss: float
    val_score: float
    lr: float
    seconds: float
    examples_per_second: float
    best: bool
    """True if it is the best epoch so far"""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Epoch":
        """Return the record stored as JSON, where null stands for NaN."""
        numbers: dict[str, Any] = {
            k: math.nan if v is None else v for k, v in values.items()
        }
        return cls(**numbers)

    def describe(self, mark_best: bool = True) -> str:
        """Return the record as one line; a star marks the best epoch so far."""
        parts = [f"epoch {self.epoch:>4}", f"loss {self.train_loss:.4f}"]
        if not math.isnan(self.val_loss):  # there is a validation split
            parts.append(f"val loss {self.val_loss:.4f}")
            parts.append(f"val score {self.val_score:.4f}")
        parts.append(f"{self.seconds:.1f} s")
        parts.append(f"{self.examples_per_second:,.0f}/s")
        marked = mark_best and self.best and not math.isnan(self.val_loss)
        star = " *" if marked else ""
        return "   ".join(parts) + star


@dataclass
class Progress:
    """The position in a training run: all that a checkpoint stores beside tensors."""

    epoch: int = 0
    step: int = 0
    examples: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    def best(self) -> Epoch | None:
        """Return the last epoch that was the best so far."""
        return next((e for e in reversed(self.history) if e.best), None)

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "history": [e._asdict() for e in self.history]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Progress":
        history = [Epoch.from_dict(record) for record in values["history"]]
        return cls(**{**values, "history": history})
