"""Start from a trained network instead of random weights.

The body (all layers but the last) is taken over; the head, which names the old
classes, is left fresh. Yosinski et al. 2014, "How transferable are features in deep
neural networks?"
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from vicinal.core.estimators.estimator import (
    MODEL_JSON,
    MODEL_TENSORS,
    read_model,
    read_weights,
)
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import is_run
from vicinal.errors import SettingError
from vicinal.images.networks.base import Network

KNOWN = "known."
"""begins the names of tensors in a model file that are not the network's"""

EpochOf = Callable[[str], float]


def describe(source: str) -> dict[str, Any] | None:
    """What a model folder says of itself; None for a plain file of tensors."""
    path = Path(source)
    return read_model(path) if (path / MODEL_JSON).exists() else None


def read_source(source: str) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Tensors of a model folder or a .safetensors file, and the model's description."""
    path, description = Path(source), describe(source)
    if description is not None:
        tensors = read_weights(path, description)
        body = {k: t for k, t in tensors.items() if not k.startswith(KNOWN)}
        return body, description
    if path.is_dir() and is_run(path):
        read_model(path)  # not finished: it says how to go on
    path = path / MODEL_TENSORS if path.is_dir() else path
    return load_tensors(path)[0], None


def start_from(network: Network, tensors: dict[str, Tensor], source: str) -> None:
    """Copy the body's weights into a network; its head stays as it is.

    Raises SettingError, with a list, when the weights are not this network's.
    """
    own = network.state_dict()
    body = {k: t for k, t in own.items() if not k.startswith(network.head_name + ".")}
    wrong = [_misfit(name, t, tensors) for name, t in body.items()]
    wrong = [text for text in wrong if text]
    if wrong:
        shown = "; ".join(wrong[:5]) + ("; ..." if len(wrong) > 5 else "")
        raise SettingError(
            f"The weights in {source} do not fit this network: {len(wrong)} of "
            f"{len(body)} tensors ({shown}). Choose the --backbone they were made for."
        )
    network.load_state_dict(own | {name: tensors[name] for name in body})


def freeze_first(network: Network, blocks: str) -> None:
    """Keep the first blocks as they are: a number, none, or all but the head.

    SettingError for more blocks than come before the head.
    """
    inside = network.blocks()
    head = body_blocks(network)
    count = {"none": 0, "all": head}.get(blocks)
    count = int(blocks) if count is None else count
    if count > head:
        raise SettingError(
            f"freeze must be none, all, auto, or at most {head}: so many blocks come "
            f"before the last layer of this network. Got {count} instead."
        )
    frozen = {name for names in inside[:count] for name in names}
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name not in frozen


def shares(network: Network, decay: float) -> dict[str, float]:
    """Each parameter's part of the learning rate: decay ** (blocks behind it).

    What earlier layers know is more general, so they change less (Howard and Ruder
    2018, section 3.2, with one rate for all blocks instead of 2.6).
    """
    inside = network.blocks()[::-1]
    return {name: decay**k for k, names in enumerate(inside) for name in names}


def body_blocks(network: Network) -> int:
    """How many blocks come before the last dense layer."""
    inside = network.blocks()
    return next(k for k, names in enumerate(inside) if is_head(network, names))


LEAST_EPOCHS = 3
"""fewer passes over the pictures than this improve little on a fitted head"""


def blocks_to_freeze(network: Network, seconds: float, epoch_of: EpochOf) -> str:
    """As few first blocks as leave time for LEAST_EPOCHS in so many seconds.

    epoch_of: seconds of an epoch when the first N blocks are frozen. Tried are none, a
    half and three quarters; where that is too slow as well, all stay.
    """
    body = body_blocks(network)
    for frozen in (0, body // 2, 3 * body // 4):
        if LEAST_EPOCHS * epoch_of(str(frozen)) <= seconds:
            return str(frozen)
    return "all"


def opening_epochs(network: Network, stages: int, epochs: int) -> dict[str, int]:
    """The epoch at which each parameter begins to learn, the last blocks first.

    Howard and Ruder 2018, section 3.3, "Gradual unfreezing"; the blocks are dealt to
    stages of one length, and the first stage learns the head and the last blocks.
    """
    inside = network.blocks()[::-1]
    stages = min(stages, len(inside), epochs)
    unfreeze_at = {}
    for place, names in enumerate(inside):
        stage = place * stages // len(inside)
        unfreeze_at.update(dict.fromkeys(names, stage * epochs // stages))
    return unfreeze_at


def is_head(network: Network, names: list[str]) -> bool:
    """Whether a block of parameters is the last dense layer."""
    return any(name.startswith(network.head_name + ".") for name in names)


def _misfit(name: str, wanted: Tensor, tensors: dict[str, Tensor]) -> str:
    if name not in tensors:
        return f"{name} is missing"
    got = tensors[name].shape
    if got != wanted.shape:
        return f"{name} is {list(got)}, wanted {list(wanted.shape)}"
    return ""
