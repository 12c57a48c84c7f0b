"""Options of a training run beyond the user's settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from vicinal.core.compute.batchnorm_folding import Pair
from vicinal.core.compute.runtime import RUNTIME, Runtime
from vicinal.core.storage import checkpoint
from vicinal.core.storage.schema import Integer, Number, Object, Pattern, Text
from vicinal.core.training.history import PROGRESS


def do_nothing(model: nn.Module) -> None:
    """Leave a model as it is."""


def whole_model(model: nn.Module) -> nn.Module:
    """Return the model itself: batches are its inputs."""
    return model


def never_stop() -> bool:
    """Return False: no stop was requested."""
    return False


class TrainingLoss(Protocol):
    """What is minimised, such as an `Objective`."""

    metric: ClassVar[str]
    """name of the score by which an epoch may be selected"""

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of a batch."""
        ...

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's loss in a mean over batches."""
        ...


@dataclass(frozen=True)
class TrainerOptions:
    """Details of training beyond the user's settings."""

    seed: int = 0

    lr_multipliers: Mapping[str, float] = field(default_factory=dict)
    """by parameter name; 1 where not named"""

    penalties: Mapping[str, float] = field(default_factory=dict)
    """by parameter name, lambda of an L2 term lambda / 2 |w|^2 in the loss. Unlike the
    optimizer's decoupled decay, which shrinks all weights alike, it keeps weights with
    small gradients near 0 (Loshchilov & Hutter 2019, section 2)"""

    ema_decay: float = 0.0
    """decay per step of the moving average of the weights, which is then validated and
    kept; 0: no average"""

    frozen_batchnorms: list[Pair] | None = None
    """convolutions with the batch norms whose statistics stay fixed; None: all norms
    follow the batches"""

    unfreeze_at: Mapping[str, int] = field(default_factory=dict)
    """by parameter name, the epoch from which it is trained (0 where not named)"""

    time_limited: bool = False
    """whether the learning rate reaches 0 with the minutes, if epochs take longer"""

    started_at: float | None = None
    """`time.monotonic()` at which the minutes began; None: now"""

    on_start: Callable[[nn.Module], None] = do_nothing
    """changes the model before its first step, not when training is resumed"""

    forward_module: Callable[[nn.Module], nn.Module] = whole_model
    """returns the module, of the model's parameters, that maps batches to logits: the
    last blocks where the loader yields activations of the frozen ones"""

    saved_options: Mapping[str, Any] = field(default_factory=dict)
    """kept in the checkpoint (JSON), for whoever prepares a resumed training"""

    select_epoch: bool = True
    """whether validation selects the epoch; else the last one is kept, as where nothing
    is held out, or where a few examples would select among nearly equal networks"""

    select_by_loss: bool = False
    """whether the best epoch has the lowest loss instead of the best score, which on
    few examples is noisy and selects an early epoch"""


SAVED_OPTIONS = Object(
    {},
    {
        "freeze": Pattern("auto|none|all|[0-9]{1,4}", "auto, none, all, or a number"),
        "num_views": Integer(0, 1000),
        "ensemble_size": Integer(1, 1000),
    },
)
"""schema of `TrainerOptions.saved_options`"""

METADATA = Object(
    {
        "fingerprint": Text(),
        "runtime": RUNTIME,
        "epochs": Integer(1),
        "used": Number(0),
        "progress": PROGRESS,
    },
    {"options": SAVED_OPTIONS},
    more=True,
)
"""schema of what a checkpoint stores beside tensors"""


@dataclass(frozen=True)
class Checkpointing:
    """Where training is saved, and when it stops."""

    path: Path | None = None
    fingerprint: str = ""
    """what a resumed run must agree on, as `training.fingerprint` returns it"""

    stop_requested: Callable[[], bool] = never_stop


def saved_runtime(path: Path | None) -> Runtime | None:
    """Return the runtime of a checkpoint; resuming with it is exact to the bit."""
    runtime = _metadata(path).get("runtime")
    return None if runtime is None else Runtime(**runtime)


def saved_options(path: Path | None) -> dict[str, Any]:
    """Return the `saved_options` of a checkpoint; {} if there is none.

    "auto" is left out: such a training had nothing to choose.
    """
    options = _metadata(path).get("options", {})
    return {name: value for name, value in options.items() if value != "auto"}


def _metadata(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    return checkpoint.load_checkpoint(path, METADATA)[1]
