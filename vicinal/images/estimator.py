"""How ImageClassifier and ImageRegressor learn; `model` has what they can do then."""

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import nn

from vicinal.core.compute.batchnorm_folding import Pair, find_conv_bn_pairs
from vicinal.core.compute.memory import free_on
from vicinal.core.compute.runtime import (
    Runtime,
    candidates,
    fastest,
    find_device,
    measured,
    seed_for,
)
from vicinal.core.data.quarantine import Quarantined, warn_of
from vicinal.core.data.splits import TRAIN, VAL
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.significance import (
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.text import counted
from vicinal.core.training.trainer import Epoch, Trainer, saved_runtime
from vicinal.errors import (
    DataError,
    NoDataError,
)
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.engines import MANY, fastest_forward, remember
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.inference.pixel_statistics import surface
from vicinal.images.networks.base import Network
from vicinal.images.settings import ENOUGH, ImageSettings
from vicinal.images.shown_model import ShownModel
from vicinal.images.splits.split import given_parts, grouped, with_validation
from vicinal.images.training.augment import PHOTO, choose
from vicinal.images.training.backbone_selection import (
    TIMED,
    BackboneTrial,
    milliseconds,
    sample_of,
    take,
)
from vicinal.images.training.frozen_features import frozen_features
from vicinal.images.training.initialization import Initialization
from vicinal.images.training.linear_probe import (
    Probe,
    calibrated_head_scale,
    fit_probe,
    set_head,
)
from vicinal.images.training.loader import ImageLoader
from vicinal.images.training.scratch_comparison import reserved
from vicinal.images.training.time_budget import FOR_SHORTCUTS, MOST_EPOCHS, TimeBudget
from vicinal.images.weights.pretrained import candidates as candidates_of
from vicinal.images.weights.transfer import (
    blocks_to_freeze,
    freeze_first,
    opening_epochs,
    shares,
)

BATCH = 64

BESIDE = 1.15
"""what an epoch takes beside its passes: views, optimizer steps, validation"""


class ImageEstimator(ShownModel):
    """Base of the estimators that learn from pictures."""

    epochs_: int
    """passes that were planned"""

    probe_: Probe
    """with `weights`: the first answer, cross-validated on the train part"""

    first_on_val_: Score | None
    """with `weights`: the first answer on the validation part, where there is one"""

    comparison_: PairedComparison | None
    """with `weights`: the fine-tuned network against the probe on the validation part;
    None: it was not fine-tuned, or nothing was held out to compare them on"""

    quarantine_: list[Quarantined]
    expected_seconds_: float

    @property
    def settings(self) -> ImageSettings:
        """The parameters as checked settings; SettingError for one out of range."""
        asked = self._asked
        if asked.backbone == "auto":  # what was chosen, and until then the first
            taken = self._chosen or candidates_of(asked.weights)[0]
            free = {"backbone": None, "max_ms": None, "max_mb": None}
            asked = replace(asked, weights=taken, **free)
        return asked.filled()

    @property
    def _asked(self) -> ImageSettings:
        """The settings as the user gave them."""
        return cast(ImageSettings, super().settings)

    _chosen: str | None = None
    """with `backbone` auto: the weights that were taken"""

    trials_: list[BackboneTrial]
    """with `backbone` auto: what each candidate gave"""

    @property
    def chooses(self) -> bool:
        """Whether a backbone is still to be chosen."""
        return self.get_params()["backbone"] == "auto" and self._chosen is None

    def choose(self, train: ImageDataset) -> Iterator[str]:
        """Try the candidates on a sample of the train part, and take one.

        Yields a sentence on each, and on the choice.
        """
        asked = self._asked
        labels, kind = train.table.labels, train.table.kind
        table = train.table.rows(sample_of(labels, kind, self.random_state))
        self.trials_, said = [], None
        for weights in candidates_of(asked.weights):
            said = type(self)(**self.get_params() | self._trial_params(weights))
            said.report_progress = self.report_progress
            said.fit(table)
            self.trials_.append(said._as_trial(weights))
            yield str(self.trials_[-1])
        assert said is not None  # there is one candidate or more
        limits = asked.max_ms, asked.max_mb
        taken, why = take(self.trials_, said.objective_, said.probe_.y, *limits)
        self._chosen = taken.weights
        yield why

    @staticmethod
    def _trial_params(weights: str) -> dict[str, Any]:
        """Parameters by which a candidate is tried: its frozen features."""
        free = {"backbone": None, "max_ms": None, "max_mb": None, "minutes": None}
        return {"weights": weights, "freeze": "all", "near_duplicates": False, **free}

    def _as_trial(self, weights: str) -> BackboneTrial:
        how, network = self.preprocessing_, self.network_
        shape = TIMED, how.store_size, how.store_size, how.channels
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        ms = milliseconds(lambda x: self._embed(x, many=True), pixels)
        mb = sum(t.numel() * t.element_size() for t in network.state_dict().values())
        said = self.objective_.decide(self.probe_.predicted)
        score = self.probe_.score
        return BackboneTrial(weights, self.backbone_, score, ms, mb / 1e6, said)

    def reopened(self, pictures: ImageDataset) -> ImageDataset:
        """The same pictures as the backbone that was chosen wants to see them."""
        eye, channels = self.start.eye(pictures.table), self.start.channels
        if eye == pictures.eye and channels in (None, pictures.channels):
            return pictures
        _, found = load_dataset(pictures.table, eye, channels=channels)
        if not np.array_equal(found.digests, pictures.digests):
            raise DataError(
                "Images changed while backbones were tried. Leave them alone while "
                "training runs, and start again."
            )
        return replace(found, groups=pictures.groups)

    # --- learning ----------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, validation: Any = None) -> Self:
        """Learn from pictures.

        X: a folder, a CSV, a DataFrame, arrays [N, H, W(, C)], a list of paths, or an
        ImageTable; y: [N] labels for arrays and lists. validation: pictures for
        choosing the epoch; else a share of X (`val_fraction`).
        What cannot be used is set aside: a QuarantineWarning counts it, and
        `quarantine_` names each with its reason.
        """
        for _ in self.fit_epochs(X, y, validation=validation):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: leave the loop to stop early."""
        self._began = time.monotonic() if self.started_at is None else self.started_at
        self.quarantine_ = []
        train, val = self._parts(X, y, validation)
        return self._epochs(self._prepare(train, val, checkpoint, stop_requested))

    def _epochs(self, trainer: Trainer) -> Iterator[Epoch]:
        if (
            self._head_only or self.fine_tuning_skipped_
        ):  # the fitted head is the model already
            self.history_ = []
            self._settle()
            return
        self._learning, self._trainer = True, trainer
        try:
            for epoch in trainer.epochs():
                self.history_ = trainer.progress.history
                yield epoch
        finally:
            self._learning, self._trainer = False, None
            if trainer.progress.history:
                trainer.load_best()
                self.history_ = trainer.progress.history
            self.network_.eval()
            self._engines = None
            if sys.exc_info()[0] in (None, GeneratorExit):  # ended, or left early
                self._keep_the_better()
                self._settle()

    def _why_not_tuned(self, trainer: Trainer) -> str:
        """Why the first answer is the model though more was asked for; else nothing."""
        settings = self.settings
        if settings.weights is None or self._head_only:
            return ""
        if trainer.out_of_time and not trainer.has_begun:
            return "the minutes were over"
        if not len(self._val[0]) and settings.val_fraction != 0:
            return "no picture could be held out to test what it brings"
        return ""

    fine_tuning_skipped_: str = ""
    """with `weights`: why there was no fine-tuning though it was asked for"""

    chose_epoch_: bool
    """whether the validation part picked the epoch; else the last one was taken"""

    @property
    def fine_tuning(self) -> str:
        """What became of fine-tuning, in a sentence; nothing where there was none."""
        if not hasattr(self, "probe_") or self._head_only:
            return ""
        if self.comparison_ is not None:
            told = f"{self.comparison_}: {self.comparison_.verdict}"
            return f"fine-tuning on the validation part: {told}"
        if self.fine_tuning_skipped_:
            reason = self.fine_tuning_skipped_
            return f"no fine-tuning: {reason}; the first answer is the model"
        return "fine-tuned; with nothing held out, whether it is better was not tested"

    def val_share(self, n: int) -> float:
        """The share of n for choosing the epoch; none where no epoch is trained."""
        return 0.0 if self._head_only else self.settings.val_share(n)

    @property
    def test_share(self) -> float:
        """The share for the score; none where all are judged out of fold."""
        return 0.0 if self._head_only else self.settings.test_fraction

    @property
    def _head_only(self) -> bool:
        return self.settings.freeze == "all" and self.settings.weights is not None

    def _parts(
        self, X: Any, y: Any, validation: Any
    ) -> tuple[ImageDataset, ImageDataset]:
        """The pictures for learning and those for choosing the epoch."""
        if not isinstance(X, ImageDataset):
            self._chosen = None
        pictures = self.open(X, y)
        parts = given_parts(pictures.table)
        if self.chooses:
            list(self.choose(pictures.rows(parts == TRAIN)))
            pictures = self.reopened(pictures)
        if validation is not None:
            val = self.open(validation, like=pictures)
            return pictures.rows(parts == TRAIN), val
        share = self.val_share(int((parts == TRAIN).sum()))
        parts = with_validation(parts, pictures, share, self.random_state)
        return pictures.rows(parts == TRAIN), pictures.rows(parts == VAL)

    def open(
        self, X: Any, y: Any = None, like: ImageDataset | None = None
    ) -> ImageDataset:
        """Decode pictures for this estimator; set aside those that cannot be used."""
        if isinstance(X, ImageDataset):
            return X
        whole = isinstance(X, ImageTable)  # it was read with its groups
        group = None if whole or like else self.settings.group_column
        table = self.read(X, y, group)
        eye = like.eye if like else self.start.eye(table)
        channels = like.channels if like else self.start.channels
        found, pictures = load_dataset(table, eye, channels=channels)
        before: list[Quarantined] = getattr(self, "quarantine_", [])
        self.quarantine_ = [*before, *found.quarantine]
        warn_of(found.quarantine, "picture", stacklevel=5)
        return self.grouped(pictures)

    def grouped(self, pictures: ImageDataset) -> ImageDataset:
        """The pictures, and which of them are not to be divided."""
        settings = self.settings
        return grouped(pictures, settings.near_duplicates, settings.group_pattern)

    @property
    def start(self) -> Initialization:
        """What the network starts from, and how it wants to see pictures."""
        settings = self.settings
        if self._start is None or self._start.settings != settings:
            self._start = Initialization(settings)
        return self._start

    _start: Initialization | None = None
    """let go when its weights are in the network"""

    def check_start(self) -> None:
        """SettingError where the weights to start from do not fit the network."""
        if not self.chooses:
            return self.start.check()
        free = {"backbone": None, "max_ms": None, "max_mb": None}
        for weights in candidates_of(self._asked.weights):
            Initialization(
                replace(self._asked, weights=weights, **free).filled()
            ).check()

    def _prepare(
        self,
        train: ImageDataset,
        val: ImageDataset,
        checkpoint: Path | None,
        stop_requested: Callable[[], bool],
    ) -> Trainer:
        settings = self.settings
        if len(train) < 2:
            raise NoDataError(
                f"{counted(len(train), 'picture')} to learn from, where two or more "
                "are needed: others are set aside or in other parts of the split."
            )
        self._forget()
        self.objective_ = self._objective(train.table, settings)
        y, y_val = (self.objective_.encode(p.table.labels) for p in (train, val))
        if settings.class_weight == "balanced":
            self.objective_ = self.objective_.balanced(y)
        self.constant_baseline_ = np.atleast_1d(self.objective_.constant(y)).tolist()
        self._set_classes(train.table)
        self.temperature_, self._val, self._train = 1.0, (val, y_val), train
        self.known_ = None
        by_epoch = settings.weights is None or settings.patience > 0
        self.chose_epoch_ = len(val) > 0 and by_epoch
        device = find_device(self.device)
        self.preprocessing_ = self.start.preprocessing(train)
        self.network_ = self._network()
        shares_of: dict[str, float] = {}
        if settings.weights is not None:
            self._fit_first_answer(train, y, val, y_val, device)
            freeze = "none" if settings.freeze == "auto" else settings.freeze
            freeze_first(self.network_, freeze)
            shares_of = shares(self.network_, settings.layer_decay)
        augmentation = choose(settings.augment, self.preprocessing_)
        loader = ImageLoader(
            pictures=train,
            targets=y,
            preprocessing=self.preprocessing_,
            augmentation=augmentation,
            batch_size=settings.batch_size or BATCH,
            seed=seed_for(self.random_state, 0),
        )
        saved = saved_runtime(checkpoint)
        if saved is not None and saved.device != device:
            saved = replace(saved, device=device, compiled=False)
        time_limited = settings.minutes is not None and self.epochs is None
        clock = self._clock(settings)
        if free_on(device) and not self._head_only:
            loader = loader.on(device, report_progress=self.report_progress)
        if not self._head_only:
            epochs = MOST_EPOCHS if time_limited else settings.epochs or 1
            passes = epochs * loader.steps
            left = clock.left() if time_limited else math.inf
            form = saved or self.form
            self.runtime_ = form or self._fastest(loader, device, passes, left)
        self.epochs_ = 0 if self._head_only else settings.epochs or 1
        an_epoch = 0.0
        if not self._head_only:
            if time_limited:
                self._freeze_by_clock(settings, loader, clock.left())
            an_epoch = 0.0 if self.form else self._seconds_an_epoch(loader)
            if time_limited:
                self.epochs_ = clock.epochs(an_epoch)
                learning = clock.seconds / 60
                settings = replace(settings, epochs=MOST_EPOCHS, minutes=learning)
        self.expected_seconds_ = self.epochs_ * an_epoch
        trainer = Trainer(
            model=self.network_,
            loader=loader,
            objective=self.objective_,
            settings=settings,
            time_limited=time_limited,
            started_at=self._began,
            runtime=self.runtime_,
            validate=lambda model: self._validate(val, y_val),
            judged=self.chose_epoch_,
            by_loss=settings.weights is not None,
            before=self._soften_head,
            shares=shares_of,
            ema=settings.ema if settings.weights else 0.0,
            fixed=self._norms_to_fix(),
            unfreeze_at=self._opening_epochs(settings),
            seed=seed_for(self.random_state, 1),
            checkpoint_file=checkpoint,
            fingerprint=self._fingerprint(train, val),
            stop_requested=stop_requested,
        )
        self.fine_tuning_skipped_ = self._why_not_tuned(trainer)
        return trainer

    def fit_from_scratch(
        self,
        train: ImageDataset,
        val: ImageDataset,
        seconds: float,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Score:
        """How good the same network is on `val` after so long from random weights."""
        changes = {"weights": None, "freeze": "none", "stages": 1, "epochs": None}
        changes |= {"backbone": self.backbone_, "minutes": seconds / 60 / 0.9}
        changes |= {"max_ms": None, "max_mb": None, "false_alarm": 0.0}
        other = type(self)(**self.get_params() | changes)
        threads = 0 if self._head_only else self.runtime_.threads
        plain = {"engine": "torch", "compiled": False, "threads": threads}
        other.form = replace(self.runtime_, **plain)
        other._began, other.quarantine_ = time.monotonic(), []
        trainer = other._prepare(train, val, None, stop_requested)
        trainer.start_clock()
        for _ in other._epochs(trainer):
            pass
        return other.evaluate(val).score

    def check_labels(self, table: ImageTable) -> None:
        """DataError where nothing can be learned from the labels of a table."""

    def _forget(self) -> None:
        """Take away what an earlier fit learned."""
        names = "network_", "history_", "probe_", "comparison_", "_engines"
        for name in (*names, "_known_at_first"):
            vars(self).pop(name, None)

    def _objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        raise NotImplementedError

    def _set_classes(self, table: ImageTable) -> None:
        """Set `classes_`, where there are classes."""

    def _network(self) -> Network:
        """A network with random weights, or with those of `weights` in its body."""
        start = self.start
        self.backbone_ = start.backbone
        self.options_ = start.source.options if start.source else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.random_state, 2))
            network = start.network(self._build)
        self._start = None
        return network

    # --- from trained weights ----------------------------------------------------

    def _fit_first_answer(
        self,
        train: ImageDataset,
        y: np.ndarray,
        val: ImageDataset,
        y_val: np.ndarray,
        on: str,
    ) -> None:
        """Fit the head on frozen features; the network ends in it."""
        self.runtime_ = self._fastest_forward(len(train), on)
        seen, of_val = (self.features(part) for part in (train, val))
        self.probe_ = fit_probe(seen, train, y, self.objective_, self.random_state)
        set_head(self.network_, self.probe_.fit.head)
        self._begun = self.network_.state_dict()
        self._begun = {name: t.clone() for name, t in self._begun.items()}
        self.comparison_, self.first_on_val_ = None, None
        self._at_first = self.probe_.fit.head.logits(of_val)
        if len(val):
            said = self.objective_.decide(self.objective_.predict(self._at_first))
            self.first_on_val_ = self.objective_.score(y_val, said, val.together)
        self.history_ = []  # the fitted head is a model already
        self._learn_what_is_known()
        if self.objective_.kind != "numeric":
            logits = self.probe_.fit.logits
            self.temperature_ = fit_temperature(logits, y, self.objective_)

    def _soften_head(self, network: nn.Module) -> None:
        """Before fine-tuning: as sure of its examples as it is of others."""
        if hasattr(self, "probe_"):
            share = calibrated_head_scale(self.probe_, self.objective_)
            set_head(cast(Network, network), self.probe_.fit.head, share)

    def features(self, pictures: ImageDataset) -> np.ndarray:
        """What the body says of decoded pictures [N, D], from the cache where there."""
        return frozen_features(
            pictures,
            self.network_,
            self.preprocessing_,
            self.runtime_,
            cache=self.settings.cache,
            report_progress=self.report_progress,
        )

    form: Runtime | None = None
    """in which the network learns, so that nothing is timed; None: the fastest"""

    report_progress: ProgressCallback | None = None
    """called as tick(done, total) while features are computed; may raise to stop"""

    def _fastest_forward(self, count: int, device: str) -> Runtime:
        """The form in which this network answers so many pictures fastest."""
        settings = self.settings
        return fastest_forward(
            self.network_,
            self.preprocessing_,
            candidates(device, settings.precision, settings.exact),
            self.backbone_,
            many=count >= MANY,
            cache=settings.cache,
        )

    def _settle(self) -> None:
        """Learn from what was held out how sure to be, and what is unknown."""
        self._engines = None
        self._calibrate()
        self._learn_what_is_known()
        gone = "_val", "_train", "_begun", "_at_first", "_known_at_first"
        for name in gone:  # not needed any more
            vars(self).pop(name, None)

    def _learn_what_is_known(self) -> None:
        """Where the network learned from pictures, by those that were held out."""
        alarm, (val, _), train = self.settings.false_alarm, self._val, self._train
        self.known_ = None
        if not alarm or not hasattr(self, "history_"):
            return
        rows, seed = _some(len(train), self.random_state), self.random_state
        if hasattr(self, "probe_") and not self._tuned:
            if self._known_at_first is None:
                seen = ImageFeatures(
                    self.probe_.features[rows], self._surfaces_of(train, rows)
                )
                groups = train.together[rows]
                self._known_at_first = OutlierDetector.fit(
                    seen, alarm, seed, together=groups
                )
            self.known_ = self._known_at_first
        elif len(val):
            seen, held_out = (self._seen_of(p) for p in (train.rows(rows), val))
            self.known_ = OutlierDetector.fit(seen, alarm, seed, held_out=held_out)

    _known_at_first: OutlierDetector | None = None
    """what the first answer knows"""

    @staticmethod
    def _surfaces_of(pictures: ImageDataset, rows: np.ndarray) -> np.ndarray:
        parts = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        return np.concatenate([surface(pictures.batch(part)) for part in parts])

    @property
    def _tuned(self) -> bool:
        """Whether the network is another than the one the probe was fitted on."""
        kept = self.comparison_ is None or self.comparison_.better
        return bool(self.history_) and kept

    def _calibrate(self) -> None:
        """Fit the temperature on what no weight has been fitted on.

        That is what the probe said out of fold where it is the model, of many more
        pictures than the validation part has, and that part where it is not.
        """
        val, y = self._val
        if not hasattr(self, "history_") or self.objective_.kind == "numeric":
            return
        if hasattr(self, "probe_") and not self._tuned:
            logits, y = self.probe_.fit.logits, self.probe_.y
        elif len(val):
            logits = self._logits_of(val)
        else:
            self.temperature_ = 1.0
            return
        self.temperature_ = fit_temperature(logits, y, self.objective_)

    def _keep_the_better(self) -> None:
        """Go back to the probe unless fine-tuning beat it by more than chance."""
        if self.settings.weights is None or not hasattr(self, "history_"):
            return
        if len(self._val[0]):
            self.comparison_ = self._beside_the_probe()
            if not self.comparison_.better:
                self.network_.load_state_dict(self._begun)

    def _beside_the_probe(self) -> PairedComparison:
        """The network as it is against the first answer, on the validation part.

        Each at its own best temperature: how sure one is can be mended afterwards.
        """
        val, y = self._val
        now, first = (
            self.objective_.predict(z / fit_temperature(z, y, self.objective_))
            for z in (self._logits_of(val), self._at_first)
        )
        return paired_permutation_test(self.objective_, y, now, first, val.together)

    _trainer: Trainer | None = None
    """while it learns"""

    def save_best(self, path: str | Path) -> bool:
        """While learning, between two epochs: save the best there is up to now.

        With trained weights that is the first answer until the network is better by
        more than chance; then nothing is written, and False is returned.
        """
        assert self._trainer is not None
        with self._trainer.best_so_far():
            if self.settings.weights is not None and len(self._val[0]):
                self.comparison_ = self._beside_the_probe()
                if not self.comparison_.better:
                    return False
            self._calibrate()
            self._learn_what_is_known()
            self.save(path)
        return True

    def _fastest(
        self, loader: ImageLoader, device: str, passes: int, seconds: float
    ) -> Runtime:
        """The form in which this network trains fastest on batches like these.

        passes, seconds: as many steps are to come at most, and as much time.
        """
        forms = candidates(device, self.settings.precision, self.settings.exact)
        if len(forms) == 1:
            return forms[0]
        x = next(iter(loader.batches(0)))[0][:32]
        fix = self._freezes_norms
        what, cache = "tuning" if fix else "learning", self.settings.cache
        if any(form.compiled for form in forms):  # which goes by how much is to come
            cache = False

        def measure() -> Runtime:
            span = {"passes": passes, "seconds": seconds}
            return fastest(self.network_, x, forms, fix_norms=fix, **span)

        return remember(what, self.backbone_, x, forms, measure, cache)

    def _freeze_by_clock(
        self, settings: ImageSettings, loader: ImageLoader, left: float
    ) -> None:
        """With `freeze` auto: freeze as many first blocks as time asks for."""
        if settings.weights is None or settings.freeze != "auto":
            return

        def epoch_of(blocks: str) -> float:
            freeze_first(self.network_, blocks)
            return self._seconds_an_epoch(loader)

        freeze_first(self.network_, blocks_to_freeze(self.network_, left, epoch_of))

    def _opening_epochs(self, settings: ImageSettings) -> dict[str, int]:
        if settings.weights is None or settings.stages == 1:
            return {}
        learns = {n for n, p in self.network_.named_parameters() if p.requires_grad}
        unfreeze_at = opening_epochs(self.network_, settings.stages, self.epochs_)
        return {name: epoch for name, epoch in unfreeze_at.items() if name in learns}

    @property
    def _freezes_norms(self) -> bool:
        """Whether batch norms keep the statistics under which they were trained.

        A deep network of photographs learns as well so, and a third faster. A small one
        has far to go in large steps, which the norms of each batch keep in bounds.
        """
        settings = self.settings
        if settings.weights is None or settings.batch_norm == "batch":
            return False
        photo = self.preprocessing_.image_size >= PHOTO
        return photo or settings.batch_norm == "frozen"

    def _norms_to_fix(self) -> list[Pair] | None:
        if not self._freezes_norms:
            return None
        how, like = self.preprocessing_, next(self.network_.parameters())
        example = torch.rand(2, how.channels, how.image_size, how.image_size)
        return find_conv_bn_pairs(self.network_, example.to(like.device))

    started_at: float | None = None
    """what `time.monotonic` said when the user's minutes began; None: when fit began"""

    def _clock(self, settings: ImageSettings) -> TimeBudget:
        minutes = settings.minutes or 0.0
        after = 0.0
        if settings.weights is not None and settings.scratch:
            after += reserved(minutes)
        if settings.looks_for_shortcuts(tuned=True, judged=ENOUGH):
            after += min(FOR_SHORTCUTS, 0.1 * 60 * minutes)
        return TimeBudget(minutes, self._began, after)

    def _seconds_an_epoch(self, loader: ImageLoader) -> float:
        """Seconds that an epoch will take, from one step that is timed."""
        x = next(iter(loader.batches(0)))[0][:32]
        form = replace(self.runtime_, compiled=False)
        fix = self._freezes_norms
        one = measured(self.network_, x, [form], repeats=1, fix_norms=fix)[form]
        return BESIDE * one / len(x) * len(loader.pictures)

    def _validate(self, val: ImageDataset, y: np.ndarray) -> tuple[float, float]:
        if not len(val):
            return float("nan"), float("nan")
        logits = self._logits_of(val)
        loss = self.objective_.loss(logits, torch.from_numpy(y)).item()
        return loss, self.objective_.measure(y, self.objective_.predict(logits))

    def _fingerprint(self, train: ImageDataset, val: ImageDataset) -> str:
        """A hash of all that a resumed run must agree on with its checkpoint."""
        values = self.plain_params().items()
        told = {k: v for k, v in values if k not in FREE_TO_CHANGE}
        text = json.dumps([told, self.preprocessing_.to_dict()], sort_keys=True)
        sha = hashlib.sha256(text.encode())
        for part in (train, val):
            sha.update(part.digests.tobytes())
            sha.update("\n".join(map(str, part.table.labels)).encode())
        return sha.hexdigest()


MOST_KNOWN = 2_000
"""pictures whose embeddings are taken to know by"""

FREE_TO_CHANGE = {"minutes", "checkpoint_seconds", "cache", "device"}
"""parameters that may differ between a run and its resumption"""


def _some(n: int, seed: int) -> np.ndarray:
    """At most MOST_KNOWN of n rows, drawn by the seed."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:MOST_KNOWN])
