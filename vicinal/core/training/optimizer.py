"""AdamW, what of its rate each parameter has, and the rate over time."""

import math
from collections.abc import Mapping

from torch import nn
from torch.optim import AdamW

from vicinal.core.settings import TrainingSettings

LR = 2e-3
"""where the settings say nothing"""


def one_cycle(t: float, peak: float, warm_up: float = 0.2) -> float:
    """Learning rate at share t of all steps: a linear rise, then half a cosine to 0.

    lr(t) = peak * t / w                              for t < w
    lr(t) = peak * (1 + cos(pi (t - w) / (1 - w))) / 2  after

    It starts from 1 % of the peak, so that the first step is not lost.
    Smith & Topin 2018, "Super-convergence", with the cosine of Loshchilov & Hutter.
    """
    if t < warm_up:
        return peak * max(t / warm_up, 0.01)
    return peak * (1 + math.cos(math.pi * (t - warm_up) / (1 - warm_up))) / 2


def make_optimizer(
    model: nn.Module,
    settings: TrainingSettings,
    shares: Mapping[str, float] | None = None,
) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019); biases and normalisations do not decay.

    shares: by a parameter's name, its part of the learning rate (1 where not named).
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (shares or {}).get(name, 1.0), parameter.ndim > 1
            groups.setdefault(key, []).append(parameter)
    decay = settings.weight_decay
    return AdamW(
        [
            {"params": those, "weight_decay": decay * decays, "share": share}
            for (share, decays), those in groups.items()
        ],
        lr=settings.lr or LR,
        fused=True,
    )
