"""The training loop: a generator that yields one record per epoch.

The command line prints the records; stopping early is `break`. There are no callbacks.
Every random draw is a function of (seed, epoch, step), so a run that was killed and
resumed ends with the same bits as one that was not.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vicinal.core.compute.batchnorm_folding import frozen_batchnorm, set_training
from vicinal.core.compute.distributed import (
    Command,
    ProcessGroup,
    StepMessage,
    current_process_group,
)
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.runtime import Runtime, deterministic_kernels, seed_for
from vicinal.core.compute.signals import (
    SignalInterrupt,
    allow_signals,
    defer_signals,
    stop_requested,
)
from vicinal.core.metrics import is_better
from vicinal.core.objective import Objective
from vicinal.core.settings import TrainingSettings
from vicinal.core.storage import checkpoint
from vicinal.core.training.ema import WeightAverage
from vicinal.core.training.history import Epoch, Progress
from vicinal.core.training.optimizer import DEFAULT_LR, make_optimizer, one_cycle
from vicinal.core.training.row_loader import Loader
from vicinal.core.training.trainer_options import (
    METADATA,
    Checkpointing,
    TrainerOptions,
    TrainingLoss,
    do_nothing,
)
from vicinal.core.training.training_clock import TrainingClock
from vicinal.errors import (
    Interruption,
    LostProcessError,
    ResumeError,
    TrainingError,
    VicinalError,
)

DEFAULT_EPOCHS = 30

Validate = Callable[[nn.Module], tuple[float, float]]
"""returns (loss, score) of a model on the validation split, NaN where it is empty. The
trainer calls it in evaluation mode and without gradients"""


def no_validation(model: nn.Module) -> tuple[float, float]:
    """Return NaN as loss and score: there is no validation split."""
    return math.nan, math.nan


def loss_and_score(
    objective: Objective, logits: Tensor, y: np.ndarray
) -> tuple[float, float]:
    """Return the loss and the score of logits [N, K] for targets y, as `Validate`."""
    if not len(y):
        return math.nan, math.nan
    loss = float(objective.loss(logits, torch.from_numpy(y)))
    return loss, objective.metric_value(y, objective.predict(logits))


class TrainingInterrupted(Interruption):
    """Training was asked to stop; its checkpoint is on disk."""


@dataclass
class Trainer:
    """The training of one network.

    Iterate over `epochs()`; then `load_best()` loads the weights of the best epoch.
    With a checkpoint path, work is on disk at most `settings.checkpoint_seconds` after
    it was done, and a Trainer with the same arguments resumes from there.
    """

    model: nn.Module
    loader: Loader
    objective: TrainingLoss
    settings: TrainingSettings
    runtime: Runtime
    validate: Validate
    options: TrainerOptions = field(default_factory=TrainerOptions)
    checkpointing: Checkpointing = field(default_factory=Checkpointing)

    def __post_init__(self) -> None:
        options = self.options
        self.process_group = current_process_group()
        self.runtime.prepare(self.model)
        self._forward = self.runtime.forward(options.forward_module(self.model))
        self.optimizer: Optimizer = make_optimizer(
            self.model, self.settings, options.lr_multipliers
        )
        self.average = WeightAverage(options.ema_decay)
        self.clock = TrainingClock(self.settings.minutes, options.started_at)
        self.progress = Progress()
        self.best_weights: checkpoint.Tensors = {}
        self._saved_at = time.monotonic()
        path = self.checkpointing.path
        if path is not None and path.exists():
            self._restore(path)

    # --- the loop ---------------------------------------------------------------------

    def epochs(self) -> Iterator[Epoch]:
        """Train; yield a record after each epoch.

        A signal waits for the end of a step, or of what the caller does with a record,
        so that the state is saved.
        """
        keep_memory()
        if not self.has_started:
            self.options.on_start(self.model)
            self.average.start(self.model)
        with defer_signals(), self._leading(), self.process_group.thread_share():
            while self.progress.epoch < self._epochs and not self._out_of_patience:
                if self.clock.out_of_time and self.has_started:  # resumed after the end
                    if self.progress.step:
                        yield self._end_epoch(complete=False)
                    return
                complete = self._run_epoch()
                record = self._end_epoch(complete)
                out_of_time = self.clock.out_of_time
                if out_of_time and complete:
                    self.save()  # time may have run out after the last step
                yield record
                if out_of_time:
                    return

    def _run_epoch(self) -> bool:
        """Take the steps of an epoch; False if time ran out before the last."""
        with self._training_mode():
            complete = self._take_steps()
        if complete:
            self._average_batch_statistics()
        return complete

    def _take_steps(self) -> bool:
        progress, started_at = self.progress, time.monotonic()
        group = self.process_group
        group.broadcast(StepMessage(Command.EPOCH, progress.epoch, progress.step))
        batches = self.loader.batches(progress.epoch, progress.step)
        for x, y in _stop_on_signal(batches, self._save_and_stop):
            lr = self._lr(progress.step)
            group.broadcast(
                StepMessage(Command.STEP, progress.epoch, progress.step, lr)
            )
            progress.loss_sum += self._step(x, y, lr)
            progress.step += 1
            progress.examples += len(y) * group.world_size
            now = time.monotonic()
            progress.seconds, started_at = progress.seconds + now - started_at, now
            if stop_requested() or self.checkpointing.stop_requested():
                if progress.step == self.loader.steps:
                    self._average_batch_statistics()  # as the other ranks do now
                self._save_and_stop()
            if self._save_due:
                self.save()
            if self.clock.out_of_time:
                self.save()  # as cut off, so that a resumed run takes the other steps
                return progress.step >= self.loader.steps
        return True

    def _step(self, x: Tensor, y: Tensor, lr: float) -> float:
        """Take one step on a batch; return its loss."""
        epoch, step, group = self.progress.epoch, self.progress.step, self.process_group
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = lr * parameters["lr_multiplier"]
        rank = () if group.is_leader else (group.rank,)
        torch.manual_seed(seed_for(self.options.seed, epoch, step, *rank))
        self.optimizer.zero_grad(set_to_none=True)
        with (
            self.runtime.threaded(),
            deterministic_kernels(self.runtime.deterministic),
        ):
            loss, weight = self._backward(x, y) if len(y) else (0.0, 0.0)
            loss = group.all_reduce(self.model.parameters(), weight, loss)
            self._check_finite(loss)
            self._add_penalty_gradients()
            self.optimizer.step()
        self.average.update(self.model, epoch * self.loader.steps + step)
        return loss

    def _backward(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Compute the gradients; return the loss and the weight of the batch."""
        with self.runtime.active():
            logits = self._forward(self.runtime.move(x))
        loss = self.objective.loss(logits.float(), self.runtime.move(y))
        loss.backward()
        return loss.item(), self.objective.batch_weight(y)

    def _add_penalty_gradients(self) -> None:
        penalties = self.options.penalties
        for name, parameter in self.model.named_parameters():
            if name in penalties and parameter.grad is not None:
                parameter.grad.add_(parameter.detach(), alpha=penalties[name])

    def _end_epoch(self, complete: bool) -> Epoch:
        """Validate, select and record the epoch."""
        progress, started_at = self.progress, time.monotonic()
        examples_per_second = progress.examples / max(progress.seconds, 1e-9)
        self.model.eval()
        try:  # it may take long, and changes no weight
            with self.average.applied_to(self.model), torch.no_grad(), allow_signals():
                loss, score = self.validate(self.model)
        except SignalInterrupt:
            self._save_and_stop()
        progress.seconds += time.monotonic() - started_at
        record = Epoch(
            epoch=progress.epoch + 1,
            train_loss=progress.loss_sum / max(progress.step, 1),
            val_loss=loss,
            val_score=score,
            lr=self._lr(max(progress.step - 1, 0)),
            seconds=round(progress.seconds, 3),
            examples_per_second=examples_per_second,
            best=self._is_improvement(loss, score),
        )
        if record.best:
            with self.average.applied_to(self.model):
                self.best_weights = checkpoint.copy_state(self.model)
        history = [*progress.history, record]
        self.progress = Progress(epoch=progress.epoch + 1, history=history)
        done = record.epoch == self._epochs or self._out_of_patience
        if complete and (done or self._save_due):
            self.save()
        return record

    # --- state ------------------------------------------------------------------------

    @property
    def has_started(self) -> bool:
        """True if a step was taken, in this process or before it was resumed."""
        return self.progress != Progress()

    @property
    def _epochs(self) -> int:
        return self.settings.epochs or DEFAULT_EPOCHS

    def _lr(self, step: int) -> float:
        """Return the learning rate of a step of this epoch."""
        done = self.progress.epoch + step / max(self.loader.steps, 1)
        fraction = done / self._epochs
        if self.options.time_limited:
            fraction = min(1.0, max(fraction, self.clock.fraction))
        return one_cycle(fraction, self.settings.lr or DEFAULT_LR)

    def _is_improvement(self, loss: float, score: float) -> bool:
        best = self.progress.best()
        if best is None or not self.options.select_epoch:
            return True
        if self.options.select_by_loss and math.isfinite(loss):
            return loss < best.val_loss
        if math.isnan(score) or math.isnan(best.val_score):
            return math.isnan(best.val_score) and not math.isnan(score)
        if score == best.val_score:
            return loss < best.val_loss
        return is_better(self.objective.metric, score, best.val_score)

    @property
    def _out_of_patience(self) -> bool:
        best, patience = self.progress.best(), self.settings.patience
        if best is None or not patience:
            return False
        return self.progress.epoch - best.epoch >= patience

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} in epoch {self.progress.epoch + 1}, step "
                f"{self.progress.step + 1}. Train with a smaller --lr (it was "
                f"{self.settings.lr or DEFAULT_LR:g})."
            )

    @contextlib.contextmanager
    def _training_mode(self) -> Iterator[None]:
        """Unfreeze the parameters of this epoch and set training mode."""
        unfreeze_at = self.options.unfreeze_at
        for name, parameter in self.model.named_parameters():
            if name in unfreeze_at:
                parameter.requires_grad = self.progress.epoch >= unfreeze_at[name]
        set_training(self.model)
        with frozen_batchnorm(self.model, self.options.frozen_batchnorms):
            yield

    def load_best(self) -> None:
        """Load the weights of the best epoch into the model."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)

    @contextlib.contextmanager
    def best_so_far(self) -> Iterator[None]:
        """Load the weights of the best epoch for the `with` block.

        A signal ends the block; the next step then saves and stops.
        """
        own = checkpoint.copy_state(self.model)
        self.load_best()
        try:
            with contextlib.suppress(SignalInterrupt), allow_signals():
                yield
        finally:
            self.model.load_state_dict(own)

    # --- checkpoints ------------------------------------------------------------------

    def _save_and_stop(self) -> NoReturn:
        self.save()
        saved = "" if self.checkpointing.path is None else " and saved"
        raise TrainingInterrupted(f"Training was interrupted{saved}.")

    @property
    def _save_due(self) -> bool:
        waited = time.monotonic() - self._saved_at
        return waited >= self.settings.checkpoint_seconds

    def save(self) -> None:
        """Write the checkpoint, if there is a path for it."""
        if self.checkpointing.path is None:
            return
        tensors = checkpoint.pack(self.model, self.optimizer)
        tensors |= {f"best.{name}": t for name, t in self.best_weights.items()}
        tensors |= {f"average.{name}": t for name, t in self.average.weights.items()}
        metadata = {
            "fingerprint": self.checkpointing.fingerprint,
            "runtime": self.runtime.to_dict(),
            "epochs": self._epochs,
            "options": dict(self.options.saved_options),
            "used": self.clock.used,
            "progress": self.progress.to_dict(),
        }
        checkpoint.save_tensors(self.checkpointing.path, tensors, metadata)
        self._saved_at = time.monotonic()

    def _restore(self, path: Path) -> None:
        fingerprint = self.checkpointing.fingerprint
        tensors, metadata = checkpoint.load_checkpoint(path, METADATA, fingerprint)
        if self.options.time_limited:  # keep the schedule, and the time that it used
            self.settings = replace(self.settings, epochs=metadata["epochs"])
            self.clock.resume(metadata["used"])
        try:
            checkpoint.unpack(tensors, self.model, self.optimizer)
            for name in ("best", "average"):
                checkpoint.check_state(name, tensors, self.model)
        except (RuntimeError, LookupError, ValueError) as error:
            raise ResumeError(
                f"{path} holds the weights of another network than the one to train. "
                "Resume with the data and settings of the run, or start a new run."
            ) from error
        self.best_weights = checkpoint.with_prefix("best", tensors)
        self.average.weights = checkpoint.with_prefix("average", tensors)
        self.progress = Progress.from_dict(metadata["progress"])

    # --- distributed training ---------------------------------------------------------

    @contextlib.contextmanager
    def _leading(self) -> Iterator[None]:
        """Have the other ranks take part in the training, if there are any."""
        group = self.process_group
        if group.world_size == 1:
            yield
            return
        shared = {
            "model": self.model,
            "loader": self.loader.shard(1, group.world_size),
            "objective": self.objective,
            "settings": self.settings,
            "runtime": self.runtime,
            "options": replace(self.options, on_start=do_nothing),
        }
        group.broadcast(StepMessage(Command.TRAIN))
        group.broadcast_object((shared, checkpoint.pack(self.model, self.optimizer)))
        self.loader = self.loader.shard(0, group.world_size)
        try:
            yield
        except LostProcessError:
            self.save()  # the step under way has changed no weight
            raise
        except (VicinalError, GeneratorExit):  # between steps: the others are listening
            group.broadcast(StepMessage(Command.STOP))
            raise
        group.broadcast(StepMessage(Command.STOP))

    def follow_steps(self) -> None:
        """Take the steps that rank 0 broadcasts, until training stops."""
        keep_memory()
        with self.process_group.thread_share():
            message = self.process_group.receive()
            while message.command == Command.EPOCH:
                message = self._follow_epoch(message)

    def _follow_epoch(self, message: StepMessage) -> StepMessage:
        """Take the steps of an epoch; return the message after it."""
        self.progress = Progress(message.epoch, message.step)
        with self._training_mode():
            for x, y in self.loader.batches(message.epoch, message.step):
                message = self.process_group.receive()
                if message.command != Command.STEP:
                    return message
                with contextlib.suppress(TrainingError):  # rank 0 raises it
                    self._step(x, y, message.lr)
                self.progress.step += 1
        self._average_batch_statistics()
        return self.process_group.receive()

    def _average_batch_statistics(self) -> None:
        if self.options.frozen_batchnorms is None:
            self.process_group.average_buffers(self.model)


def _stop_on_signal(
    batches: Iterator[tuple[Tensor, Tensor]], stop: Callable[[], NoReturn]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches; call `stop` where a loader let a signal end its work."""
    while True:
        try:
            batch = next(batches, None)
        except SignalInterrupt:
            stop()
        if batch is None:
            return
        yield batch


def run_worker(group: ProcessGroup) -> None:
    """Take part in every training of rank 0, until it leaves the group."""
    while group.receive().command == Command.TRAIN:
        shared, state = group.receive_object()
        trainer = Trainer(**shared, validate=no_validation)
        trainer.loader = trainer.loader.shard(group.rank, group.world_size)
        checkpoint.unpack(state, trainer.model, trainer.optimizer)
        trainer.follow_steps()
