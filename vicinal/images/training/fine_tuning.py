"""What is trained in fine-tuning, and when: frozen blocks, gradual unfreezing, learning
rates per layer.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from vicinal.core.estimators.model_choice import calibrated_predictions
from vicinal.errors import SettingError
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks.base import Network
from vicinal.images.training.augment import PHOTO_SIZE
from vicinal.images.training.fitted_model import FittedImageModel

MIN_EPOCHS = 3
"""fewer epochs than this improve little on a fitted head"""

MOST_SAVED = 8
"""times that an epoch may become shorter with frozen blocks"""

ENOUGH_EPOCHS = 10
"""epochs from which training more blocks is worth more than further epochs"""


def is_head_block(network: Network, names: list[str]) -> bool:
    """Return True if a block of parameter names is the network's head."""
    return any(name.startswith(network.head_name + ".") for name in names)


def count_body_blocks(network: Network) -> int:
    """Return the number of blocks before the head."""
    blocks = network.blocks()
    return next(k for k, names in enumerate(blocks) if is_head_block(network, names))


def freeze_blocks(network: Network, blocks: str) -> None:
    """Freeze the first `blocks` blocks: a number, "none", or "all" but the head.

    SettingError for more blocks than there are before the head.
    """
    body = count_body_blocks(network)
    count = {"none": 0, "all": body}.get(blocks)
    count = int(blocks) if count is None else count
    if count > body:
        raise SettingError(
            f"freeze must be none, all, auto, or at most {body}, the number of blocks "
            f"before the last layer of this network. Got {count} instead."
        )
    frozen = {name for names in network.blocks()[:count] for name in names}
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name not in frozen


def choose_frozen_blocks(network: Network, epochs: Callable[[str], float]) -> str:
    """Return as few blocks to freeze as leave time for ENOUGH_EPOCHS.

    epochs: returns for how many epochs there is time with a number of frozen blocks.
    None, a third, a half and three quarters are tried. Where that many epochs fit with
    none of them, it is the number with the most epochs, or "all" if these are fewer
    than MIN_EPOCHS.
    """
    body = count_body_blocks(network)
    most, chosen = float(MIN_EPOCHS), "all"
    if MOST_SAVED * epochs("0") < MIN_EPOCHS:
        return chosen
    for frozen in dict.fromkeys((0, body // 3, body // 2, 3 * body // 4)):
        found = epochs(str(frozen))
        if found >= ENOUGH_EPOCHS:
            return str(frozen)
        if found >= most:
            most, chosen = found, str(frozen)
    return chosen


def lr_multipliers(network: Network, decay: float) -> dict[str, float]:
    """Return each parameter's learning rate multiplier, decay ** (blocks after it).

    Earlier layers are more general, so they change less (Howard and Ruder 2018, section
    3.2, with one rate for all blocks instead of 2.6).
    """
    blocks = network.blocks()[::-1]
    return {name: decay**k for k, names in enumerate(blocks) for name in names}


def unfreeze_epochs(network: Network, stages: int, epochs: int) -> dict[str, int]:
    """Return the epoch from which each parameter is trained, the last blocks first.

    Howard and Ruder 2018, section 3.3, "Gradual unfreezing". The blocks are divided
    among stages of equal length; the first stage trains the head and the last blocks.
    """
    blocks = network.blocks()[::-1]
    stages = min(stages, len(blocks), epochs)
    unfreeze_at = {}
    for k, names in enumerate(blocks):
        stage = k * stages // len(blocks)
        unfreeze_at.update(dict.fromkeys(names, stage * epochs // stages))
    return unfreeze_at


def whole_image(network: Network, preprocessing: Preprocessing) -> Preprocessing | None:
    """Return the preprocessing that takes the stored image in place of its centre.

    None where nothing is cut off, for small images, and for networks of one size.
    """
    side, stored = preprocessing.image_size, preprocessing.store_size
    if not network.chain() or preprocessing.resize != "crop":
        return None
    if side < PHOTO_SIZE or stored <= side:
        return None
    return replace(preprocessing, image_size=stored)


def choose_size(
    model: FittedImageModel,
    y: np.ndarray,
    logits_of: Callable[[Preprocessing], Tensor],
) -> Preprocessing:
    """Return the preprocessing of the lower validation loss.

    Random crops in training show an object larger than the centre crop of a test image
    of the same size does. A network that averages its last feature map takes images of
    any size, and often predicts larger ones better: H. Touvron et al.: Fixing the
    Train-Test Resolution Discrepancy, NeurIPS 2019, https://arxiv.org/abs/1906.06423.

    y: targets [N]. logits_of: logits [N, K] with a preprocessing. By the mean squared
    error, or the Brier score, each at its own temperature.
    """
    trained = model.preprocessing
    larger = whole_image(model.network, trained)
    if larger is None:
        return trained

    def loss(preprocessing: Preprocessing) -> float:
        objective = model.objective
        predicted = calibrated_predictions(objective, logits_of(preprocessing), y)
        return float(objective.distance(y, predicted).mean())

    return min((trained, larger), key=loss)
