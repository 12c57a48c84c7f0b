"""AdamW with per-parameter learning rates, and the one-cycle schedule."""

import math
from collections.abc import Mapping

from torch import nn
from torch.optim import AdamW

from vicinal.core.settings import TrainingSettings

DEFAULT_LR = 2e-3


def one_cycle(t: float, peak: float, warm_up: float = 0.2) -> float:
    """Return the learning rate after a fraction t of all steps.

    lr(t) = peak * t / w                              for t < w
    lr(t) = peak * (1 + cos(pi (t - w) / (1 - w))) / 2  after

    It starts at 1 % of the peak, so that the first step is not lost. Smith & Topin
    2018, "Super-convergence", with the cosine of Loshchilov & Hutter.
    """
    if t < warm_up:
        return peak * max(t / warm_up, 0.01)
    return peak * (1 + math.cos(math.pi * (t - warm_up) / (1 - warm_up))) / 2


def make_optimizer(
    model: nn.Module,
    settings: TrainingSettings,
    lr_multipliers: Mapping[str, float] | None = None,
) -> AdamW:
    """Return AdamW (Loshchilov & Hutter 2019); biases and norms do not decay.

    lr_multipliers: by parameter name; 1 where not named.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (lr_multipliers or {}).get(name, 1.0), parameter.ndim > 1
            groups.setdefault(key, []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                "weight_decay": settings.weight_decay * decays,
                "lr_multiplier": multiplier,
            }
            for (multiplier, decays), parameters in groups.items()
        ],
        lr=settings.lr or DEFAULT_LR,
        fused=True,
    )
