"""ImageEstimator: the `fit` of ImageClassifier and ImageRegressor."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from vicinal.core.compute.threads import network_lock
from vicinal.core.data.quarantine import Quarantined, warn_quarantined
from vicinal.core.data.splits import TRAIN, VAL
from vicinal.core.estimators.labels import check_label_kind
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, NotFittedError
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.read import ImageTable
from vicinal.images.model import ImageModel, as_candidate
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.splits.split import (
    add_validation_split,
    given_split,
    with_groups,
)
from vicinal.images.training.backbone_selection import BackboneTrial, sample_rows
from vicinal.images.training.backbone_trials import (
    TrialLimits,
    Tried,
    compare_backbones,
    sample_size,
    sort_by_size,
)
from vicinal.images.training.fitted_model import build_image_network
from vicinal.images.training.initialization import (
    NO_SEARCH,
    Initialization,
    resolve_settings,
)
from vicinal.images.training.loader import check_training_images
from vicinal.images.training.session import TrainingSession
from vicinal.images.weights.pretrained import candidate_weights

if TYPE_CHECKING:
    from vicinal.images.explain.explanation import ImageExplanation

Method = Literal["gradcam", "integrated_gradients", "occlusion"]

SCRATCH: dict[str, Any] = {
    "weights": None,
    "freeze": "none",
    "unfreeze_stages": 1,
    "epochs": None,
    "max_ms": None,
    "max_mb": None,
    "false_alarm_rate": 0.0,
}
"""settings of the same network from random weights"""


class ImageEstimator(ImageModel):
    """Base of ImageClassifier and ImageRegressor: `fit`."""

    weights_: str | None
    """with backbone="auto": the pretrained weights that were chosen"""

    trials_: list[BackboneTrial]
    """with backbone="auto": the result of each candidate"""

    probe_val_score_: Score | None
    epochs_: int
    chose_epoch_: bool
    fine_tuning_skipped_: str

    session_: TrainingSession | None = None
    """the training that is going on"""

    _initialization: Initialization | None = None

    # --- settings and initial weights ---

    def start_fit(self, weights: str | None = None) -> None:
        """Validate the parameters; weights: those chosen for backbone="auto"."""
        settings: ImageSettings = self.validate_settings()
        self.check_device()
        self.weights_ = weights
        self.settings_ = resolve_settings(settings, weights)
        self._initialization = None

    @property
    def must_choose_backbone(self) -> bool:
        """Return whether backbone="auto" is still open."""
        return self.backbone == "auto" and self.weights_ is None

    backbone: str | None

    @property
    def initialization(self) -> Initialization:
        """Return the initial weights, and the preprocessing that they require."""
        if self._initialization is None:
            self._initialization = Initialization(self.settings_)
        return self._initialization

    def check_data(self, data: ImageTable) -> None:
        """Raise SettingError or DataError before any image is opened."""
        settings: ImageSettings = self.validate_settings()
        self.check_device()
        check_label_kind(data.kind, self.kinds, type(self).__name__, self.unit)
        self.make_objective(data, settings)
        candidates: list[str | None] = [None]
        if settings.backbone == "auto":
            candidates = list(candidate_weights(settings.weights))
        for weights in candidates:
            Initialization(resolve_settings(settings, weights)).check()

    def make_objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        """Return the objective for the labels of a table."""
        raise NotImplementedError

    def build_network(
        self,
        backbone: str,
        options: dict[str, Any],
        objective: Objective,
        preprocessing: Preprocessing,
    ) -> Network:
        """Return a network with random weights."""
        return build_image_network(backbone, options, objective, preprocessing)

    # --- data ---

    @property
    def head_only(self) -> bool:
        """Return whether only the head is fitted, on frozen features."""
        return self.settings_.freeze == "all" and self.settings_.weights is not None

    def choose_val_fraction(self, n: int) -> float:
        """Return the fraction of n images to choose the epoch by, or to compare on."""
        return 0.0 if self.head_only else self.settings_.choose_val_fraction(n)

    def choose_test_fraction(self) -> float:
        """Return the fraction for testing; 0 where all are scored out of fold."""
        return 0.0 if self.head_only else self.settings_.test_fraction

    def load_images(
        self,
        X: Any,
        y: Any = None,
        like: ImageDataset | None = None,
        quarantine: list[Quarantined] | None = None,
    ) -> ImageDataset:
        """Return the usable images of X, decoded, with their groups.

        like: images whose size and channels are taken. quarantine: takes the others.
        """
        if isinstance(X, ImageDataset):
            return X
        is_read = isinstance(X, ImageTable)  # with its groups
        group = None if is_read or like else self.settings_.group_column
        settings = self.settings_
        limits = like.reader.intensity_range if like else settings.intensity_range
        table = self.read(X, y, group, limits)
        start = self.initialization
        reader = like.reader if like else start.image_reader(table)
        channels = like.channels if like else start.channels
        audit, images = load_dataset(table, reader, channels=channels)
        warn_quarantined(audit.quarantine, "image", stacklevel=6)
        if quarantine is not None:
            quarantine.extend(audit.quarantine)
        return self.with_groups(images)

    def with_groups(self, images: ImageDataset) -> ImageDataset:
        """Return the images with the groups that stay in one split."""
        settings = self.settings_
        return with_groups(images, settings.near_duplicates, settings.group_pattern)

    def reload_images(self, images: ImageDataset) -> ImageDataset:
        """Return the same images as the chosen backbone takes them."""
        start = self.initialization
        reader, channels = start.image_reader(images.table), start.channels
        limits = images.reader.intensity_range  # of all images, used or not
        reader = replace(reader, intensity_range=limits)
        if reader == images.reader and channels in (None, images.channels):
            return images
        _, found = load_dataset(images.table, reader, channels=channels)
        if not np.array_equal(found.digests, images.digests):
            raise DataError(
                "Images changed while backbones were compared. Do not modify the "
                "images during training, and start again."
            )
        return replace(found, assigned_groups=images.assigned_groups)

    def train_and_val_images(
        self,
        X: Any,
        y: Any = None,
        validation: Any = None,
        quarantine: list[Quarantined] | None = None,
        started_at: float | None = None,
    ) -> tuple[ImageDataset, ImageDataset]:
        """Return the images for training and for validation."""
        images = self.load_images(X, y, None, quarantine)
        split = given_split(images.table)
        if self.must_choose_backbone:
            train = images.rows(split == TRAIN)
            options: dict[str, Any] = {"started_at": started_at}
            list(self.choose_backbone(train, num_images=len(images), **options))
            images = self.reload_images(images)
        train = images.rows(split == TRAIN)
        if validation is not None:
            return train, self.load_images(validation, None, images, quarantine)
        fraction = self.choose_val_fraction(len(train))
        split = add_validation_split(split, images, fraction, self.random_state)
        return images.rows(split == TRAIN), images.rows(split == VAL)

    # --- fit ---

    def fit(self, X: Any, y: Any = None, *, validation: Any = None) -> Self:
        """Fit to labelled images.

        X: a directory, a CSV, a DataFrame, arrays [N, H, W(, C)], a list of paths, PIL
        images, bytes, open files or arrays, or an ImageTable; y: [N] labels for arrays
        and lists. validation: images to choose the epoch by; None: a fraction of X
        (`val_fraction`).
        Images that cannot be used are quarantined: a QuarantineWarning counts them,
        and `quarantine_` lists each with its reason.
        """
        return self.train_to_end(self.fit_epochs(X, y, validation=validation))

    def fit_epochs(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
        started_at: float | None = None,
        report_progress: ProgressCallback | None = None,
        num_test: int = 0,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: leave the loop to stop early.

        With pretrained weights the linear probe is fitted before it returns. X may be
        an ImageDataset. started_at: `time.monotonic()` at which the minutes began.
        num_test: images to predict within them after training.
        """
        started = time.monotonic() if started_at is None else started_at
        prepared = isinstance(X, ImageDataset)
        self.start_fit(getattr(self, "weights_", None) if prepared else None)
        quarantine: list[Quarantined] = []
        train, val = self.train_and_val_images(X, y, validation, quarantine, started)
        session = self.start_session(
            train,
            val,
            checkpoint=checkpoint,
            stop_requested=stop_requested,
            started_at=started,
            report_progress=report_progress,
            quarantine=quarantine,
            num_test=num_test,
        )
        return self.train(session)

    def start_session(
        self, train: ImageDataset, val: ImageDataset, **options: Any
    ) -> TrainingSession:
        """Prepare a training; options are fields of TrainingSession."""
        vars(self).pop("model_", None)
        self._extractor = None
        check_training_images(train)
        session = TrainingSession(
            settings=self.settings_,
            objective=self.make_objective(train.table, self.settings_),
            train=train,
            val=val,
            initialization=self.initialization,
            build_network=self.build_network,
            parameters=self.json_params(),
            random_state=self.random_state,
            device=self.device,
            fixed_epochs=self.get_params()["epochs"] is not None,
            **options,
        )
        self._initialization = None  # its weights are in the network
        if session.has_model:
            self._use(session)
        self.session_ = session
        return session

    def _use(self, session: TrainingSession) -> None:
        self.model_, self._extractor = session.model, session.extractor

    def train(self, session: TrainingSession) -> Iterator[Epoch]:
        """Train, and keep the better of network and linear probe."""
        skipped = session.head_only or session.model.fine_tuning_skipped
        epochs = iter(()) if skipped else session.trainer.epochs()
        try:
            for epoch in epochs:
                session.record_history()
                self._use(session)
                yield epoch
        finally:
            session.stop_training()
            if sys.exc_info()[0] in (None, GeneratorExit):  # ended, or left early
                session.finish()
            self.session_ = None
            if session.has_model:
                self._use(session)

    def save_best(self, path: str | Path) -> bool:
        """During training, between epochs: save the best model so far.

        With pretrained weights that is the linear probe until the network is better;
        then nothing is written, and False is returned.
        """
        session = self.session_
        if session is None:
            raise NotFittedError("save_best is for use during training; call save.")
        is_better = False
        with session.trainer.best_so_far():
            is_better = session.best_model() is not None
            self._use(session)
            if is_better:
                self.save(path, overwrite=True)
        return is_better

    @property
    def expected_seconds_(self) -> float:
        """Return the expected seconds of training, known before the first epoch."""
        session = self.session_
        model = self.model_ if session is None else session.model
        return model.expected_seconds

    def describe_plan(self) -> str:
        """Return what is being trained, and for how long."""
        if self.session_ is None:
            raise NotFittedError("describe_plan is for use during training.")
        return self.session_.describe()

    def fit_from_scratch(
        self,
        train: ImageDataset,
        val: ImageDataset,
        seconds: float,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Score:
        """Return the score on val of the same network after training from scratch."""
        limits: dict[str, Any] = {"backbone": self.backbone_, "deterministic": False}
        limits["minutes"] = seconds / 60 / 0.9
        other = type(self)(**self.get_params() | SCRATCH | limits)
        other.start_fit()
        threads = 0 if self.head_only else self.runtime_.threads
        runtime = replace(
            self.runtime_, engine="torch", compiled=False, threads=threads
        )
        nothing = val.rows(np.arange(0))  # val is for the score alone
        session = other.start_session(
            train, nothing, fixed_runtime=runtime, stop_requested=stop_requested
        )
        session.trainer.clock.start()
        for _ in other.train(session):
            pass
        return other.evaluate(val).score

    # --- choice of the backbone ---

    def choose_backbone(
        self,
        train: ImageDataset,
        report_progress: ProgressCallback | None = None,
        *,
        started_at: float | None = None,
        num_images: int = 0,
    ) -> Iterator[str]:
        """Try candidates on a sample of the training images, and take one.

        Yields a sentence on each candidate, and on the choice. started_at, num_images:
        see `TrialLimits`.
        """
        settings: ImageSettings = self.validate_settings()
        started = time.monotonic() if started_at is None else started_at
        limits = TrialLimits(
            started, settings.minutes, settings.max_ms, settings.max_mb, num_images
        )
        candidates = candidate_weights(settings.weights)
        if settings.minutes is not None:
            candidates = sort_by_size(candidates)
        most = sample_size(limits.trial_seconds(), len(candidates))
        labels, seed = train.table.labels, self.random_state
        rows = sample_rows(labels, train.table.kind, seed, most)
        sample, self.trials_ = train.table.rows(rows), []

        def try_weights(weights: str, progress: ProgressCallback) -> Tried:
            changes = {**NO_SEARCH, "weights": weights, "freeze": "all"}
            changes |= {"minutes": None, "near_duplicates": False}
            model = type(self)(**self.get_params() | changes)
            model.train_to_end(model.fit_epochs(sample, report_progress=progress))
            return Tried(as_candidate(model, weights), model.objective_, model.probe_.y)

        chosen = yield from compare_backbones(
            candidates, try_weights, limits, self.trials_, report_progress
        )
        self.start_fit(chosen)

    # --- describe and explain ---

    @property
    def comparison_text(self) -> str:
        """Return the outcome of fine-tuning in a sentence; empty if there was none."""
        model = self.model_
        if model.linear_probe is None or self.head_only:
            return ""
        if model.comparison is not None:
            outcome = f"{model.comparison}: {model.comparison.verdict}"
            size = f"predicts {model.preprocessing.image_size} pixels"
            return f"fine-tuning on the validation split: {outcome}; {size}"
        if model.fine_tuning_skipped:
            reason = model.fine_tuning_skipped
            return f"no fine-tuning: {reason}; the linear probe is the model"
        return "fine-tuned; not compared with the linear probe: nothing was held out"

    def explain(
        self,
        X: Any,
        method: Method = "gradcam",
        *,
        target: str | None = None,
        against: str | None = None,
    ) -> "ImageExplanation":
        """Explain the prediction for one image by a saliency map, tested by controls.

        See `images.explain.explain` for the methods, the target and the errors.
        """
        from vicinal.images.explain.explain import explain

        self.check_fitted()
        options = {"target": target, "against": against, "seed": self.random_state}
        with network_lock():
            return explain(self, X, method, **options)
