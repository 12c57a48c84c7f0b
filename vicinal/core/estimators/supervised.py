"""What every estimator shares of `fit`: read, fit a baseline, train, choose, calibrate.

A domain provides `read`, `fit_baseline` and a `FittedModel`; if it has networks, also
`train_network`, `training_data`, `validation_targets` and `validation_logits`.
`supervised_model` has prediction, evaluation and saving.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.estimators.labels import check_label_kind
from vicinal.core.estimators.model_choice import choose_better
from vicinal.core.estimators.supervised_model import SupervisedModel
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.settings import TrainingSettings
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer import Loader, Trainer, Validate, no_validation
from vicinal.core.training.trainer_options import (
    Checkpointing,
    TrainerOptions,
    never_stop,
)


class SupervisedEstimator(SupervisedModel):
    """Base of the estimators: `fit`, in steps that a domain fills in."""

    keep_untested: ClassVar[bool] = True
    """whether a network is kept where there is no validation split to compare it with
    the linear baseline; with keep="network" it is kept in any case"""

    def fit(self, X: Any, *args: Any, **reading: Any) -> Self:
        """Fit to labelled data; arguments as for `read`."""
        return self.train_to_end(self.fit_epochs(X, *args, **reading))

    def fit_epochs(
        self,
        X: Any,
        *args: Any,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
        **reading: Any,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: leave the loop to stop early.

        The linear baseline is fitted before it returns. args, reading: as for `read`.
        checkpoint: a file to save to, and to resume from.
        """
        started_at = time.monotonic()
        self.start_fit()
        data = self.read(X, *args, **reading)
        warn_quarantined(data.quarantined, "row")  # a reason why the next may fail
        self.fit_baseline(data)
        return self.train_network(started_at, checkpoint, stop_requested)

    def train_to_end(self, epochs: Iterator[Epoch]) -> Self:
        """Train until the last epoch; return the estimator."""
        for _ in epochs:
            pass
        return self

    # --- what a domain provides ---

    def read(self, X: Any, *args: Any, **reading: Any) -> Any:
        """Return the data of X, perhaps with labels y, as `fit_baseline` takes them.

        DataError where the labels do not fit the estimator.
        """
        raise NotImplementedError

    def fit_baseline(self, data: Any, /) -> None:
        """Split the data, and fit and calibrate the linear baseline: set `model_`."""
        raise NotImplementedError

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train a network, if one is asked for, and keep it if it is better.

        started_at: `time.monotonic()` at which the minutes began. checkpoint: a file to
        save to, and to resume from. Default: there is no network.
        """
        return iter(())

    def validation_targets(self) -> np.ndarray:
        """Return the targets [V] or [V, K] of the validation split; it may be empty."""
        raise NotImplementedError

    def validation_logits(self) -> Tensor:
        """Return logits [V, K] on the validation split, of what predicts at present.

        That is the network if `model_` has one, else the linear baseline.
        """
        raise NotImplementedError

    # --- before training ---

    def check_data(self, data: Any) -> None:
        """Raise SettingError or DataError before anything is computed.

        Validates the parameters, and that the labels are of a kind that fits.
        """
        super().check_data(data)
        if self.kinds:
            check_label_kind(data.kind, self.kinds, type(self).__name__, self.unit)

    # --- training ---

    @property
    def fingerprint_texts(self) -> list[str]:
        return [repr(self.objective_)]

    def make_trainer(
        self,
        network: nn.Module,
        loader: Loader,
        validate: Validate,
        *,
        settings: TrainingSettings,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
        select_epoch: bool = True,
    ) -> Trainer:
        """Return a trainer for a network, seeded by `random_state`.

        It trains on the CPU. validate: not called where the validation split is empty.
        select_epoch: whether the validation loss chooses the epoch; else the last one
        is kept.
        """
        has_validation = len(self.validation_targets()) > 0
        return Trainer(
            model=network,
            loader=loader,
            objective=self.objective_,
            settings=settings,
            runtime=Runtime(deterministic=self.settings_.deterministic),
            validate=validate if has_validation else no_validation,
            options=TrainerOptions(
                seed=seed_for(self.random_state, 1),
                time_limited=settings.minutes is not None,
                started_at=started_at,
                select_epoch=select_epoch,
                select_by_loss=True,
            ),
            checkpointing=Checkpointing(
                checkpoint,
                "" if checkpoint is None else self.fingerprint(),
                stop_requested,
            ),
        )

    # --- the choice of the model ---

    @torch.no_grad()
    def keep_if_better(self, network: nn.Module) -> None:
        """Let a trained network predict if it is better than the linear baseline.

        A paired test on the validation split decides, unless keep="network". Where that
        split is empty, `keep_untested` does.
        """
        always, y = self.settings_.keep == "network", self.validation_targets()
        network.eval()
        if not len(y):
            kept = network if always or self.keep_untested else None
            self.update(network=kept, untested=True)
            return
        linear = self.validation_logits()
        self.update(network=network)
        logits = self.validation_logits()
        choice = choose_better(
            self.objective_, y, logits, linear, always_network=always
        )
        kept = network if choice.keep_network else None
        self.update(network=kept, comparison=choice.comparison)
        self.calibrate()

    @torch.no_grad()
    def calibrate(self) -> None:
        """Fit the temperature on the validation split; without one it stays."""
        y = self.validation_targets()
        if len(y):
            logits = self.validation_logits()
            temperature = fit_temperature(logits, y, self.objective_, careful=True)
            self.update(temperature=temperature)
