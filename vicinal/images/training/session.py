"""One training of a network on images, from initial weights to the calibrated model.

With pretrained weights a linear probe is cross-validated first; the fine-tuned network
replaces it only if it is significantly better on the validation split.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.memory import free_device_memory
from vicinal.core.compute.runtime import (
    Runtime,
    candidate_runtimes,
    find_device,
    seed_for,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.estimators.model_choice import (
    compare_at_own_temperature,
    constant_baseline,
)
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.objective import Objective
from vicinal.core.training.trainer import Trainer, loss_and_score
from vicinal.core.training.trainer_options import (
    Checkpointing,
    TrainerOptions,
    never_stop,
    saved_options,
)
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.engines import MANY_IMAGES, fastest_forward
from vicinal.images.inference.extractor import FeatureExtractor
from vicinal.images.inference.out_of_distribution import OutlierDetector
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.training.augment import choose_augmentation
from vicinal.images.training.cached_activations import (
    CachedValidation,
    cache_activations,
)
from vicinal.images.training.fine_tuning import (
    choose_size,
    freeze_blocks,
    lr_multipliers,
)
from vicinal.images.training.fitted_model import FittedImageModel, fit_outlier_detector
from vicinal.images.training.frozen_features import extract_features
from vicinal.images.training.initialization import Initialization
from vicinal.images.training.linear_probe import (
    calibrated_head_scale,
    fit_linear_probe,
    set_head,
)
from vicinal.images.training.loader import ImageLoader
from vicinal.images.training.plan import Planner, TrainingPlan, describe_training
from vicinal.images.training.time_budget import probe_seconds

BuildNetwork = Callable[[str, dict[str, Any], Objective, Preprocessing], Network]


@dataclass
class TrainingSession:
    """Prepare a training when made; then iterate `trainer.epochs()` and `finish()`."""

    settings: ImageSettings
    """with defaults filled in"""

    objective: Objective
    train: ImageDataset
    val: ImageDataset
    initialization: Initialization | None
    """released once its weights are in the network"""

    build_network: BuildNetwork
    parameters: dict[str, Any]
    """of the estimator, which a resumed training must agree on"""

    random_state: int = 0
    device: str = "auto"
    fixed_epochs: bool = False
    """the number of epochs was asked for, so that minutes do not choose it"""

    fixed_runtime: Runtime | None = None
    """to train in without timing; None: the fastest"""

    checkpoint: Path | None = None
    stop_requested: Callable[[], bool] = never_stop
    report_progress: ProgressCallback | None = None
    started_at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` at the start of the minutes"""

    quarantine: list[Quarantined] = field(default_factory=list)
    num_test: int = 0
    """images that are predicted after training, within the minutes"""

    model: FittedImageModel = field(init=False)
    trainer: Trainer = field(init=False)
    extractor: FeatureExtractor = field(init=False)

    def __post_init__(self) -> None:
        self.y = self.objective.encode(self.train.table.labels)
        self.y_val = self.objective.encode(self.val.table.labels)
        if self.settings.class_weight == "balanced":
            self.objective = self.objective.with_class_weights(self.y)
        self._probe_detector: OutlierDetector | None = None
        self._cached_validation: CachedValidation | None = None
        self.plan: TrainingPlan | None = None
        self._initialize(find_device(self.device))
        multipliers: dict[str, float] = {}
        if self.is_transfer:
            self._fit_probe()
            freeze = self.settings.freeze
            freeze_blocks(self.model.network, "none" if freeze == "auto" else freeze)
            multipliers = lr_multipliers(self.model.network, self.settings.layer_decay)
        self.trainer = self._make_trainer(multipliers)
        self._update(fine_tuning_skipped=self._why_skipped())
        self._use_extractor(training=True)

    @property
    def is_transfer(self) -> bool:
        """Return whether training starts from pretrained weights."""
        return self.settings.weights is not None

    @property
    def head_only(self) -> bool:
        """Return whether only the head is fitted, and no epoch is trained."""
        return self.is_transfer and self.settings.freeze == "all"

    @property
    def time_limited(self) -> bool:
        """Return whether the minutes choose the number of epochs."""
        return self.settings.minutes is not None and not self.fixed_epochs

    def _update(self, **fields: Any) -> None:
        self.model = replace(self.model, **fields)

    # --- initial weights and linear probe ---

    def _initialize(self, device: str) -> None:
        start = self.initialization
        assert start is not None  # released below
        preprocessing = start.preprocessing(self.train)
        options = start.source.options if start.source else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.random_state, 2))
            network = start.network(
                lambda: self.build_network(
                    start.backbone, options, self.objective, preprocessing
                )
            )
        by_epoch = not self.is_transfer or self.settings.patience > 0
        self.model = FittedImageModel(
            objective=self.objective,
            integer_classes=self.train.table.whole_numbers,
            constant_baseline=constant_baseline(self.objective, self.y),
            quarantine=self.quarantine,
            network=network,
            preprocessing=preprocessing,
            backbone=start.backbone,
            options=dict(options),
            runtime=Runtime(device),
            chose_epoch=len(self.val) > 0 and by_epoch,
        )
        self.initialization = None

    def _fit_probe(self) -> None:
        """Fit the head on frozen features, and put it into the network."""
        settings, model = self.settings, self.model
        runtimes = candidate_runtimes(
            model.runtime.device, settings.precision, settings.deterministic
        )
        runtime = fastest_forward(
            model.network,
            model.preprocessing,
            runtimes,
            model.backbone,
            many=len(self.train) >= MANY_IMAGES,
            cache=settings.cache,
        )
        self._update(runtime=runtime)
        features, val_features = map(self._features, (self.train, self.val))
        seconds = probe_seconds(settings.minutes, self.started_at)
        probe = fit_linear_probe(
            features, self.train, self.y, self.objective, self.random_state, seconds
        )
        set_head(model.network, probe.fit.head)
        state = model.network.state_dict()
        self.probe_weights = {name: tensor.clone() for name, tensor in state.items()}
        self._probe_val_logits = probe.fit.head.logits(val_features)
        score = None
        if len(self.val):
            predicted = self.objective.predict(self._probe_val_logits)
            decisions = self.objective.decide(predicted)
            score = self.objective.score(self.y_val, decisions, self.val.groups)
        self._update(linear_probe=probe, probe_val_score=score)
        self._fit_detector()
        self._calibrate()

    def _features(self, images: ImageDataset) -> np.ndarray:
        return extract_features(
            images,
            self.model.network,
            self.model.preprocessing,
            self.model.runtime,
            many=len(self.train) >= MANY_IMAGES,
            cache=self.settings.cache,
            report_progress=self.report_progress,
        )

    # --- the trainer ---

    def _loader(self) -> ImageLoader:
        settings, preprocessing = self.settings, self.model.preprocessing
        loader = ImageLoader(
            images=self.train,
            targets=self.y,
            preprocessing=preprocessing,
            augmentation=choose_augmentation(settings.augment, preprocessing),
            batch_size=cast(int, settings.batch_size),
            seed=seed_for(self.random_state, 0),
        )
        device = self.model.runtime.device
        if free_device_memory(device) and not self.head_only:
            loader = loader.to(device, report_progress=self.report_progress)
        return loader

    def _make_trainer(self, multipliers: dict[str, float]) -> Trainer:
        """Plan the training, and return its trainer."""
        model, settings, loader = self.model, self.settings, self._loader()
        planner = Planner(
            model.network,
            model.preprocessing,
            model.backbone,
            settings,
            self.started_at,
            self.time_limited,
            model.runtime,
            self.num_test,
        )
        options: dict[str, Any] = {}
        if not self.head_only:
            runtime = self.fixed_runtime or planner.runtime(
                loader, model.runtime, self.checkpoint
            )
            is_timed, saved = not self.fixed_runtime, saved_options(self.checkpoint)
            plan = planner.plan(loader, runtime, is_timed=is_timed, saved=saved)
            self.plan, settings = plan, plan.settings
            self._update(
                runtime=runtime,
                epochs=plan.epochs,
                expected_seconds=plan.expected_seconds,
            )
            options["unfreeze_at"] = planner.unfreeze_epochs(plan.epochs)
            options["saved_options"] = plan.to_dict()
            if plan.num_views:
                network = model.network
                loader = cache_activations(loader, network, plan.num_views, runtime)
                options["forward_module"] = loader.upper_blocks
                self._cached_validation = CachedValidation(
                    network, loader, self.val, runtime
                )
        return Trainer(
            model=self.model.network,
            loader=loader,
            objective=self.objective,
            settings=settings,
            runtime=self.model.runtime,
            validate=lambda _: self._validate(),
            options=TrainerOptions(
                **options,
                seed=seed_for(self.random_state, 1),
                lr_multipliers=multipliers,
                ema_decay=settings.ema if self.is_transfer else 0.0,
                frozen_batchnorms=planner.frozen_norms(),
                time_limited=self.time_limited,
                started_at=self.started_at,
                on_start=self._scale_head,
                select_epoch=self.model.chose_epoch,
                select_by_loss=self.is_transfer,
            ),
            checkpointing=Checkpointing(
                self.checkpoint, self._fingerprint(), self.stop_requested
            ),
        )

    def describe(self) -> str:
        """Return what is trained, and for how long, in one sentence."""
        num_views = 0 if self.plan is None else self.plan.num_views
        limits = self.started_at, self.time_limited
        return describe_training(self.model, self.settings, *limits, num_views)

    def _scale_head(self, network: nn.Module) -> None:
        """Before fine-tuning: make the head as confident as it is out of fold."""
        if self.model.linear_probe is not None:
            probe = self.model.linear_probe
            scale = calibrated_head_scale(probe, self.objective)
            set_head(cast(Network, network), probe.fit.head, scale)

    def _fingerprint(self) -> str:
        """Return a hash of all that a resumed training must agree on."""
        free = {*self.settings.free_on_resume, "device"}
        fixed = {k: v for k, v in self.parameters.items() if k not in free}
        values = [fixed, self.model.preprocessing.to_dict()]
        sha = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
        for images in (self.train, self.val):
            sha.update(images.digests.tobytes())
            sha.update("\n".join(map(str, images.table.labels)).encode())
        return sha.hexdigest()

    def _why_skipped(self) -> str:
        """Return why there is no fine-tuning although it was asked for."""
        if not self.is_transfer or self.head_only:
            return ""
        if self.trainer.clock.out_of_time and not self.trainer.has_started:
            return "no time was left"
        if self.plan is not None and self.plan.freeze == "all":
            return "the time left is too short for it"
        if not len(self.val) and self.settings.val_fraction != 0:
            return "no image could be held out to test it"
        return ""

    # --- during and after training ---

    def _use_extractor(self, *, training: bool) -> None:
        model = self.model
        self.extractor = FeatureExtractor(
            model.network,
            model.preprocessing,
            model.runtime,
            model.backbone,
            self.settings.precision,
            self.settings.cache,
            training,
        )

    def _validate(self) -> tuple[float, float]:
        """Return loss and score on the validation split; NaN where it is empty."""
        if not len(self.val):
            return math.nan, math.nan
        cached = self._cached_validation
        logits = cached.logits() if cached else self.extractor.dataset_logits(self.val)
        return loss_and_score(self.objective, logits, self.y_val)

    @property
    def has_model(self) -> bool:
        """Return whether there is something to predict with: a probe, or an epoch."""
        return self.model.linear_probe is not None or bool(self.model.history)

    def record_history(self) -> None:
        """Copy the trainer's history to the model."""
        self._update(history=list(self.trainer.progress.history))

    def stop_training(self) -> None:
        """Put the best epoch's weights into the network."""
        if self.trainer.progress.history:
            self.trainer.load_best()
            self.record_history()
        self.model.network.eval()
        self._use_extractor(training=False)

    def finish(self) -> None:
        """Keep the better of network and probe; calibrate it, fit the detector."""
        self._use_extractor(training=False)
        if self.is_transfer and self.model.history and len(self.val):
            trained = self.model.preprocessing
            if self.settings.predict_size == "auto":
                size = choose_size(self.model, self.y_val, self._val_logits)
                self._update(preprocessing=size)
                self._use_extractor(training=False)
            self._update(comparison=self._compare_with_probe())
            if not self.model.is_fine_tuned:
                self.model.network.load_state_dict(self.probe_weights)
                self._update(preprocessing=trained)
                self._use_extractor(training=False)
        if self.has_model:
            self._calibrate()
            self._fit_detector()

    def _val_logits(self, preprocessing: Preprocessing) -> Tensor:
        """Return the validation logits with a preprocessing, which is used from now."""
        self._update(preprocessing=preprocessing)
        self._use_extractor(training=False)
        return self.extractor.dataset_logits(self.val)

    def best_model(self) -> FittedImageModel | None:
        """Return the model with its present weights; None if the probe is better."""
        if self.is_transfer and len(self.val):
            self._update(comparison=self._compare_with_probe())
            if not self.model.is_fine_tuned:
                return None
        self._calibrate()
        self._fit_detector()
        return self.model

    def _compare_with_probe(self) -> PairedComparison:
        return compare_at_own_temperature(
            self.objective,
            self.y_val,
            self.extractor.dataset_logits(self.val),
            self._probe_val_logits,
            self.val.groups,
        )

    def _calibrate(self) -> None:
        """Fit the temperature on out-of-fold logits, else on the validation split."""
        model = self.model
        if self.objective.kind == "numeric":
            return
        if model.linear_probe is not None and not model.is_fine_tuned:
            logits, y = model.linear_probe.fit.logits, model.linear_probe.y
        elif len(self.val):
            logits, y = self.extractor.dataset_logits(self.val), self.y_val
        else:
            self._update(temperature=1.0)
            return
        self._update(temperature=fit_temperature(logits, y, self.objective))

    def _fit_detector(self) -> None:
        """Fit the outlier detector, by images that were held out."""
        model, rate = self.model, self.settings.false_alarm_rate
        if not rate:
            return
        is_probe = model.linear_probe is not None and not model.is_fine_tuned
        detector = self._probe_detector if is_probe else None
        if detector is None:
            detector = fit_outlier_detector(
                model,
                self.train,
                self.val,
                lambda images: self.extractor.dataset_features(images),
                rate,
                self.random_state,
            )
        if is_probe:
            self._probe_detector = detector
        self._update(outlier_detector=detector)
