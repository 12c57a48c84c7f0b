"""Plan a training on images: its runtime, frozen blocks and number of epochs."""

import math
import time
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from vicinal.core.compute.batchnorm_folding import Pair, find_conv_bn_pairs
from vicinal.core.compute.runtime import (
    Runtime,
    candidate_runtimes,
    count_parameters,
    count_trainable_parameters,
    fastest_runtime,
    time_runtimes,
)
from vicinal.core.text import format_duration, pluralize
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import remember_runtime
from vicinal.images.networks.base import Network
from vicinal.images.settings import MIN_IMAGES_FOR_SHORTCUTS, ImageSettings
from vicinal.images.training.augment import PHOTO_SIZE
from vicinal.images.training.fine_tuning import (
    choose_frozen_blocks,
    freeze_blocks,
    unfreeze_epochs,
)
from vicinal.images.training.fitted_model import FittedImageModel
from vicinal.images.training.loader import ImageLoader
from vicinal.images.training.scratch_comparison import reserved_seconds
from vicinal.images.training.time_budget import (
    MAX_EPOCHS,
    SHORTCUT_SECONDS,
    TimeBudget,
)

TIMING_BATCH = 32
"""images of the step that is timed"""

OVERHEAD = 1.15
"""seconds of an epoch per second of its passes: augmentation, optimizer, validation"""


class TrainingPlan(NamedTuple):
    """How a network is trained."""

    runtime: Runtime
    settings: ImageSettings
    """for the trainer: epochs and minutes that it may take at most"""

    epochs: int
    expected_seconds: float
    """of all epochs"""


@dataclass
class Planner:
    """Choose runtime, frozen blocks and epochs by the time of one step."""

    network: Network
    preprocessing: Preprocessing
    backbone: str
    settings: ImageSettings
    started_at: float
    """`time.monotonic()` at the start of the minutes"""

    time_limited: bool
    """the minutes choose the number of epochs"""

    def plan(
        self, loader: ImageLoader, runtime: Runtime, *, is_timed: bool = True
    ) -> TrainingPlan:
        """Return the plan for a runtime; is_timed: whether epochs are timed."""
        settings, budget = self.settings, self.budget()
        epochs = settings.epochs or 1
        if self.time_limited:
            self._freeze_for_time(loader, runtime, budget.remaining())
        seconds = self.epoch_seconds(loader, runtime) if is_timed else 0.0
        if self.time_limited:
            epochs = budget.epochs(seconds)
            minutes = budget.seconds / 60
            settings = replace(settings, epochs=MAX_EPOCHS, minutes=minutes)
        return TrainingPlan(runtime, settings, epochs, epochs * seconds)

    def budget(self) -> TimeBudget:
        """Return the minutes, with time reserved for what follows training."""
        settings, reserved = self.settings, 0.0
        minutes = settings.minutes or 0.0
        if settings.weights is not None and settings.compare_scratch:
            reserved += reserved_seconds(minutes)
        if settings.should_find_shortcuts(
            fine_tuned=True, num_test_images=MIN_IMAGES_FOR_SHORTCUTS
        ):
            reserved += min(SHORTCUT_SECONDS, 0.1 * 60 * minutes)
        return TimeBudget(minutes, self.started_at, reserved)

    def fastest_runtime(self, loader: ImageLoader, device: str) -> Runtime:
        """Return the runtime in which the training steps are done first."""
        settings, network = self.settings, self.network
        epochs = MAX_EPOCHS if self.time_limited else settings.epochs or 1
        passes = epochs * loader.steps
        seconds = self.budget().remaining() if self.time_limited else math.inf
        runtimes = candidate_runtimes(
            device, settings.precision, settings.deterministic
        )
        if len(runtimes) == 1:
            return runtimes[0]
        x = next(iter(loader.batches(0)))[0][:TIMING_BATCH]
        frozen = self.freezes_norms
        # whether compiling pays off depends on the number of steps
        cache = settings.cache and not any(runtime.compiled for runtime in runtimes)

        def measure() -> Runtime:
            span = {"steps": passes, "seconds": seconds}
            return fastest_runtime(network, x, runtimes, freeze_norms=frozen, **span)

        task = "tuning" if frozen else "learning"
        return remember_runtime(task, self.backbone, x, runtimes, measure, cache=cache)

    def epoch_seconds(self, loader: ImageLoader, runtime: Runtime) -> float:
        """Return the seconds of an epoch, estimated from one step."""
        x = next(iter(loader.batches(0)))[0][:TIMING_BATCH]
        runtime = replace(runtime, compiled=False)
        frozen = self.freezes_norms
        step = time_runtimes(
            self.network, x, [runtime], repeats=1, freeze_norms=frozen
        )[runtime]
        return OVERHEAD * step / len(x) * len(loader.images)

    def _freeze_for_time(
        self, loader: ImageLoader, runtime: Runtime, seconds: float
    ) -> None:
        """With freeze="auto": freeze as few blocks as the time allows."""
        if self.settings.weights is None or self.settings.freeze != "auto":
            return
        network = self.network

        def seconds_of(blocks: str) -> float:
            freeze_blocks(network, blocks)
            return self.epoch_seconds(loader, runtime)

        freeze_blocks(network, choose_frozen_blocks(network, seconds, seconds_of))

    @property
    def freezes_norms(self) -> bool:
        """Return whether batch norms keep the statistics of the pretrained weights.

        A deep network of photographs trains as well so, and a third faster. A small
        network changes a lot, in large steps that each batch's statistics keep stable.
        """
        settings = self.settings
        if settings.weights is None or settings.batch_norm == "batch":
            return False
        photo = self.preprocessing.image_size >= PHOTO_SIZE
        return photo or settings.batch_norm == "frozen"

    def frozen_norms(self) -> list[Pair] | None:
        """Return the convolutions and batch norms whose statistics stay; None: none."""
        if not self.freezes_norms:
            return None
        side = self.preprocessing.image_size
        example = torch.rand(2, self.preprocessing.channels, side, side)
        device = next(self.network.parameters()).device
        return find_conv_bn_pairs(self.network, example.to(device))

    def unfreeze_epochs(self, epochs: int) -> dict[str, int]:
        """Return the epoch from which each parameter is trained, by its name."""
        settings, network = self.settings, self.network
        if settings.weights is None or settings.unfreeze_stages == 1:
            return {}
        trained = {k for k, p in network.named_parameters() if p.requires_grad}
        found = unfreeze_epochs(network, settings.unfreeze_stages, epochs)
        return {name: epoch for name, epoch in found.items() if name in trained}


def describe_training(
    model: FittedImageModel,
    settings: ImageSettings,
    started_at: float,
    time_limited: bool,
) -> str:
    """Return what is trained, and for how long, in one sentence."""
    side, channels = model.preprocessing.image_size, model.preprocessing.channels
    text = (
        f"{model.backbone} ({count_parameters(model.network):,} parameters) on {side} "
        f"x {side} x {channels} pixels, "
    )
    if settings.weights is not None:
        trained = count_trainable_parameters(model.network)
        text += f"pretrained weights {settings.weights} ({trained:,} trained), "
    text += f"{model.runtime}, "
    if settings.weights is not None and settings.freeze == "all":
        return f"{text}linear probe only"
    if model.fine_tuning_skipped:
        return f"{text}no fine-tuning: {model.fine_tuning_skipped}"
    epochs = pluralize(model.epochs, "epoch")
    if settings.minutes is not None and time_limited:
        left = max(60 * settings.minutes - (time.monotonic() - started_at), 0)
        return f"{text}about {epochs}: the run ends in {format_duration(left)}"
    return f"{text}{epochs} at most, up to {format_duration(model.expected_seconds)}"
