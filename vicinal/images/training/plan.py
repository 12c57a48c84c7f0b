"""Plan a training on images: its runtime, frozen blocks and number of epochs."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.batchnorm_folding import Pair, find_conv_bn_pairs
from vicinal.core.compute.distributed import current_process_group
from vicinal.core.compute.runtime import (
    TRIAL_SECONDS,
    Runtime,
    candidate_runtimes,
    count_parameters,
    count_trainable_parameters,
    fastest_runtime,
    seconds_per_row,
)
from vicinal.core.text import format_duration, pluralize
from vicinal.core.training.trainer_options import saved_runtime
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import (
    MANY_IMAGES,
    make_engine,
    remember_runtime,
)
from vicinal.images.networks.base import Network
from vicinal.images.settings import MIN_IMAGES_FOR_SHORTCUTS, ImageSettings
from vicinal.images.training.augment import PHOTO_SIZE
from vicinal.images.training.cached_activations import (
    MIN_VIEWS,
    TIMED_IMAGES,
    LowerBlocks,
    UpperBlocks,
    affordable_views,
    count_frozen_modules,
    seconds_of,
)
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
    EpochTime,
    TimeBudget,
)

TIMING_BATCH = 32
"""images of the step that is timed"""

STEP_SECONDS = 1.0
"""seconds that the timing of a step may take"""

OVERHEAD = 1.15
"""seconds of an epoch per second of its passes: augmentation, optimizer, validation"""


class TrainingPlan(NamedTuple):
    """How a network is trained."""

    settings: ImageSettings
    """for the trainer: epochs and minutes that it may take at most"""

    epochs: int
    expected_seconds: float
    """of all epochs"""

    freeze: str
    """the frozen blocks: a number, "none", or "all" but the head"""

    num_views: int = 0
    """augmented views whose activations of the frozen blocks are kept; 0: none"""

    def to_dict(self) -> dict[str, Any]:
        """Return what a resumed training must keep, as a JSON object."""
        return {"freeze": self.freeze, "num_views": self.num_views}


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

    inference: Runtime
    """the fastest runtime for predictions"""

    num_test: int = 0
    """images that are predicted after training"""

    def plan(
        self,
        loader: ImageLoader,
        runtime: Runtime,
        *,
        is_timed: bool = True,
        saved: Mapping[str, Any] = MappingProxyType({}),
    ) -> TrainingPlan:
        """Return the plan for a runtime, and freeze its blocks.

        is_timed: whether epochs are timed; saved: the plan of a training to resume.
        """
        settings, budget = self.settings, self.budget()
        if not self.time_limited:
            epochs = settings.epochs or 1
            epoch_time = self.epoch_time(loader, runtime) if is_timed else EpochTime(0)
            seconds = epoch_time.total(epochs)
            freeze = "none" if settings.freeze == "auto" else settings.freeze
            return TrainingPlan(settings, epochs, seconds, freeze)
        freeze = saved.get("freeze") or self._choose_blocks(loader, runtime)
        freeze_blocks(self.network, freeze)
        num_views = 0 if freeze == "all" else self._num_views(loader, runtime)
        if num_views:  # not on another device, or in several processes
            num_views = saved.get("num_views", num_views)
        is_timed = is_timed and freeze != "all" and budget.remaining() > 0
        epoch_time = self.epoch_time(loader, runtime) if is_timed else EpochTime(0)
        epochs = budget.epochs(epoch_time)
        seconds = epoch_time.total(epochs)
        minutes = budget.seconds / 60
        settings = replace(settings, epochs=MAX_EPOCHS, minutes=minutes)
        return TrainingPlan(settings, epochs, seconds, freeze, num_views)

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
        if self.num_test >= MANY_IMAGES:
            reserved += self.num_test * self.embedding_seconds
        return TimeBudget(minutes, self.started_at, reserved)

    def runtime(
        self, loader: ImageLoader, known: Runtime, checkpoint: Path | None
    ) -> Runtime:
        """Return the runtime of a training to resume, else the fastest.

        known: what predicts; it is taken where there is no time to measure others.
        """
        saved = saved_runtime(checkpoint)
        if saved is None:
            short = self.time_limited and self.budget().remaining() < TRIAL_SECONDS
            return known if short else self.fastest_runtime(loader, known.device)
        if saved.device == known.device:
            return saved
        return replace(saved, device=known.device, compiled=False)

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

    def epoch_time(self, loader: ImageLoader, runtime: Runtime) -> EpochTime:
        """Return the seconds of epochs, estimated from some steps."""
        started_at = time.perf_counter()
        x, _ = next(iter(loader.batches(0)))
        augmenting = (time.perf_counter() - started_at) / len(x)
        x, runtime = x[:TIMING_BATCH], replace(runtime, compiled=False)
        n, frozen_norms = len(loader.images), self.freezes_norms
        num_views = self._num_views(loader, runtime)
        if not num_views:
            seconds = seconds_per_row(
                self.network, x, runtime, freeze_norms=frozen_norms, limit=STEP_SECONDS
            )
            return EpochTime(OVERHEAD * n * seconds)
        activations = self._lower_blocks(x, runtime)
        upper = UpperBlocks(self.network, count_frozen_modules(self.network))
        seconds = seconds_per_row(
            upper, activations, runtime, freeze_norms=frozen_norms, limit=STEP_SECONDS
        )
        additional = n * (augmenting + self.embedding_seconds)
        return EpochTime(OVERHEAD * n * seconds, additional, num_views)

    @cached_property
    def embedding_seconds(self) -> float:
        """Seconds per image of the whole frozen network; fewer for its lower blocks."""
        side = self.preprocessing.store_size
        shape = TIMED_IMAGES, side, side, self.preprocessing.channels
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        embed = make_engine(self.network, self.preprocessing, self.inference, many=True)
        return seconds_of(embed, pixels) / len(pixels)

    def _choose_blocks(self, loader: ImageLoader, runtime: Runtime) -> str:
        """Return which blocks to freeze: with "auto" as few as the time allows."""
        if self.settings.weights is None:
            return "none"
        if self.settings.freeze != "auto":
            return self.settings.freeze
        if not self.budget().remaining():
            return "all"

        def epochs(blocks: str) -> float:
            freeze_blocks(self.network, blocks)
            epoch_time = self.epoch_time(loader, runtime)
            return epoch_time.epochs(self.budget().remaining())

        return choose_frozen_blocks(self.network, epochs)

    def _num_views(self, loader: ImageLoader, runtime: Runtime) -> int:
        """Return the number of views whose activations are kept; 0: none.

        They are kept if the minutes end the training, on a CPU in one process, and if
        there is memory for a few.
        """
        count = count_frozen_modules(self.network)
        is_alone = current_process_group().world_size == 1
        is_cpu = runtime.device == "cpu" and not runtime.deterministic
        if not (self.time_limited and count and is_alone and is_cpu):
            return 0
        x, _ = next(iter(loader.batches(0)))
        activation = self._lower_blocks(x[:1], runtime)
        views = affordable_views(len(loader.images), activation)
        return views if views >= MIN_VIEWS else 0

    @torch.no_grad()
    def _lower_blocks(self, x: Tensor, runtime: Runtime) -> Tensor:
        """Return the activations [B, D, h, w] of the frozen blocks."""
        lower = LowerBlocks(self.network, count_frozen_modules(self.network)).eval()
        with runtime.threaded(), runtime.active():
            return runtime.prepare(lower)(runtime.move(x)).float()

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
    num_views: int = 0,
) -> str:
    """Return what is trained, and for how long, in one sentence.

    num_views: augmented views of an image whose frozen blocks are computed once.
    """
    side, channels = model.preprocessing.image_size, model.preprocessing.channels
    text = (
        f"{model.backbone} ({count_parameters(model.network):,} parameters) on {side} "
        f"x {side} x {channels} pixels, "
    )
    if settings.weights is not None:
        trained = count_trainable_parameters(model.network)
        text += f"pretrained weights {settings.weights} ({trained:,} trained), "
    if num_views:
        views = f"{num_views} augmented views of each image"
        text += f"frozen blocks computed once for {views}, "
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
