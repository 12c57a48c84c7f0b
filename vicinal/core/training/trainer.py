"""The training loop: a generator that yields one record per epoch.

The command line prints the records, a page streams them, and stopping early is
`break`. There are no callbacks. Every random draw is a function of (seed, epoch,
step), so a run that was killed and resumed ends with the same bits as one that was
not.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vicinal.core.compute.batchnorm_folding import Pair, frozen_batchnorm
from vicinal.core.compute.distributed import Command, ProcessGroup, StepMessage, current
from vicinal.core.compute.memory import keep_memory
from vicinal.core.compute.runtime import Runtime, deterministic, seed_for
from vicinal.core.metrics import better
from vicinal.core.objective import Objective
from vicinal.core.settings import TrainingSettings
from vicinal.core.storage import checkpoint
from vicinal.core.training.history import Epoch, Progress
from vicinal.core.training.optimizer import LR, make_optimizer, one_cycle
from vicinal.errors import LostProcessError, ResumeError, TrainingError, VicinalError


class Interrupted(VicinalError):
    """Training was asked to stop; its checkpoint is on disk."""


class Loader(Protocol):
    """Batches of the training part."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (x, y) of an epoch from step `start` on, always in one order."""
        ...

    def part(self, k: int, of: int) -> "Loader":
        """The loader of process k of several: its share of the same batches."""
        ...


EPOCHS = 30
"""where the settings say nothing"""

Validate = Callable[[nn.Module], tuple[float, float]]
"""gives (loss, score) of a model on the validation part"""


def set_training(model: nn.Module) -> None:
    """Training mode, except for what is frozen: its running statistics stay too."""
    model.train()
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(p.requires_grad for p in own):
            module.eval()


def saved_runtime(path: Path | None) -> Runtime | None:
    """The form in which a checkpoint was made; resuming in it keeps every bit."""
    if path is None or not path.exists():
        return None
    saved = checkpoint.load_tensors(path)[1].get("runtime")
    return Runtime(**saved) if saved else None


SHARED = (
    "model",
    "loader",
    "objective",
    "settings",
    "runtime",
    "shares",
    "penalties",
    "fixed",
    "unfreeze_at",
    "seed",
)
"""what every process of a team has alike"""


def follow(team: ProcessGroup) -> None:
    """Train along with the leading process, as often as it trains, until it leaves."""
    while team.hear().what == Command.TRAINING:
        shared, state = team.get()
        trainer = Trainer(**shared, validate=lambda _: (math.nan, math.nan), team=team)
        trainer.loader = trainer.loader.part(team.rank, team.size)
        checkpoint.unpack(state, trainer.model, trainer.optimizer)
        trainer.take_orders()


@dataclass
class Trainer:
    """One network being trained.

    Iterate over `epochs()`; afterwards `load_best()` puts the best epoch's weights
    into the model. With a `checkpoint_file`, work is on disk at most
    `settings.checkpoint_seconds` after it was done, and a Trainer made again with the
    same arguments goes on from there; `fingerprint` says what it must agree on.
    """

    model: nn.Module
    loader: Loader
    objective: Objective
    settings: TrainingSettings
    runtime: Runtime
    validate: Validate
    shares: Mapping[str, float] = field(default_factory=dict)
    """by a parameter's name, its part of the learning rate"""

    penalties: Mapping[str, float] = field(default_factory=dict)
    """by a parameter's name, lambda of lambda / 2 |w|^2 in the loss (L2). Unlike the
    optimizer's decay, which takes the same share of every weight, that keeps near 0
    what the data hardly ask for, as Adam makes steps of small slopes as long as others
    (Loshchilov & Hutter 2019, section 2)"""

    ema: float = 0.0
    """decay a step of the running mean of the weights, which is what is validated and
    kept (Polyak & Juditsky 1992); 0: the weights themselves are"""

    fixed: list[Pair] | None = None
    """convolutions and batch norms, if the norms' statistics are to stay as they are;
    None: they follow the batches"""

    unfreeze_at: Mapping[str, int] = field(default_factory=dict)
    """by a parameter's name, the epoch from which on it learns (0 where not named)"""

    time_limited: bool = False
    """whether the learning rate comes to rest with the minutes, if the epochs do not
    end before"""

    before: Callable[[nn.Module], None] = lambda _: None
    """changes the model before its first step, and not where it goes on"""

    started_at: float | None = None
    """what `time.monotonic` said when the minutes began; None: now"""

    judged: bool = True
    """whether `validate` chooses the epoch; else the last is kept, as where nothing is
    held out, and where the learning rate has come to rest by then and the choice among
    much the same networks by a few examples would be one of chance"""

    by_loss: bool = False
    """whether the best epoch is the one of least loss rather than of best score: a
    score is a count of few examples, and its noise picks an early epoch"""

    seed: int = 0
    checkpoint_file: Path | None = None
    fingerprint: str = ""
    stop_requested: Callable[[], bool] = lambda: False
    team: ProcessGroup = field(default_factory=current)

    def __post_init__(self) -> None:
        self.runtime.prepare(self.model)
        self._forward = self.runtime.forward(self.model)
        self.optimizer: Optimizer = make_optimizer(
            self.model, self.settings, self.shares
        )
        self.mean: checkpoint.Tensors = {}
        self.progress = Progress()
        self.best_weights: checkpoint.Tensors = {}
        self._saved_at = time.monotonic()
        self._started = time.monotonic() if self.started_at is None else self.started_at
        self._used_before = 0.0
        if self.checkpoint_file is not None and self.checkpoint_file.exists():
            self._restore(self.checkpoint_file)

    def start_clock(self) -> None:
        """Count the minutes from now."""
        self._started = time.monotonic()

    @property
    def has_begun(self) -> bool:
        """Whether a step was taken, in this process or in the one that it goes on."""
        return self.progress != Progress()

    def epochs(self) -> Iterator[Epoch]:
        """Train; yield a record after each epoch."""
        keep_memory()
        if not self.has_begun:
            self.before(self.model)
            self.mean = self._weights() if self.ema else {}
        with self._led(), self.team.threads():
            while self.progress.epoch < self._epochs and not self._out_of_patience:
                if self.out_of_time and self.has_begun:  # it was cut off here before
                    if self.progress.step:
                        yield self._end_epoch(whole=False)
                    return
                whole = self._run_epoch()
                yield self._end_epoch(whole)
                if self.out_of_time:
                    return

    @contextlib.contextmanager
    def _led(self) -> Iterator[None]:
        """Have the other processes of the team train along, where there are some."""
        team = self.team
        if team.size == 1:
            yield
            return
        shared = {name: getattr(self, name) for name in SHARED}
        shared |= {"loader": self.loader.part(1, team.size)}
        team.tell(StepMessage(Command.TRAINING))
        team.give((shared, checkpoint.pack(self.model, self.optimizer)))
        self.loader = self.loader.part(0, team.size)
        try:
            yield
        except LostProcessError:
            self.save()  # the step that was under way has changed no weight
            raise
        except (VicinalError, GeneratorExit):  # between two steps: the others listen
            team.tell(StepMessage(Command.STOP))
            raise
        team.tell(StepMessage(Command.STOP))

    @property
    def _epochs(self) -> int:
        return self.settings.epochs or EPOCHS

    def _weights(self) -> checkpoint.Tensors:
        """A copy of the model's state, on the CPU."""
        state = self.model.state_dict()
        return {name: t.detach().cpu().clone() for name, t in state.items()}

    @contextlib.contextmanager
    def best_so_far(self) -> Iterator[None]:
        """Have the best epoch's weights in the model; then those it learns with."""
        own = self._weights()
        self.load_best()
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def load_best(self) -> None:
        """Put the weights of the best epoch into the model."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)

    def _run_epoch(self) -> bool:
        """Take the epoch's steps; False when the time was over before the last."""
        with self._learning():
            whole = self._take_steps()
        if whole:
            self._share_statistics()
        return whole

    @contextlib.contextmanager
    def _learning(self) -> Iterator[None]:
        """Have the model in the state in which it takes this epoch's steps."""
        for name, parameter in self.model.named_parameters():
            if name in self.unfreeze_at:
                parameter.requires_grad = self.progress.epoch >= self.unfreeze_at[name]
        set_training(self.model)
        with frozen_batchnorm(self.model, self.fixed):
            yield

    def _share_statistics(self) -> None:
        if self.fixed is None:
            self.team.share_statistics(self.model)

    def _take_steps(self) -> bool:
        progress, started_at = self.progress, time.monotonic()
        self.team.tell(StepMessage(Command.EPOCH, progress.epoch, progress.step))
        for x, y in self.loader.batches(progress.epoch, progress.step):
            lr = self._lr(progress.step)
            self.team.tell(StepMessage(Command.STEP, progress.epoch, progress.step, lr))
            progress.loss_sum += self._step(x, y, lr)
            progress.step += 1
            progress.examples += len(y) * self.team.size
            now = time.monotonic()
            progress.seconds, started_at = progress.seconds + now - started_at, now
            self._between_steps()
            if self.out_of_time:
                self.save()  # as cut off, so that resuming takes the other steps
                return progress.step >= self.loader.steps
        return True

    def _step(self, x: Tensor, y: Tensor, lr: float) -> float:
        epoch, step = self.progress.epoch, self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["share"]
        rank = () if self.team.leads else (self.team.rank,)
        torch.manual_seed(seed_for(self.seed, epoch, step, *rank))
        self.optimizer.zero_grad(set_to_none=True)
        with self.runtime.threaded(), deterministic(self.runtime.exact):
            value, weight = self._gradients(x, y) if len(y) else (0.0, 0.0)
            value = self.team.average(self.model.parameters(), weight, value)
            self._finite(value)
            self._penalise()
            self.optimizer.step()
        self._average()
        return value

    def _penalise(self) -> None:
        """Add the slopes lambda w of the penalties."""
        for name, parameter in self.model.named_parameters():
            if name in self.penalties and parameter.grad is not None:
                parameter.grad.add_(parameter.detach(), alpha=self.penalties[name])

    def _gradients(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Give the parameters their gradients; the loss, and what the batch weighs."""
        with self.runtime.active():
            logits = self._forward(self.runtime.place(x))
        loss = self.objective.loss(logits.float(), self.runtime.place(y))
        loss.backward()
        return loss.item(), self.objective.mass(y)

    def take_orders(self) -> None:
        """Take the steps that the leading process orders, until its training stops."""
        keep_memory()
        with self.team.threads():
            order = self.team.hear()
            while order.what == Command.EPOCH:
                order = self._follow(order)

    def _follow(self, order: StepMessage) -> StepMessage:
        """Take an epoch's steps as they are ordered; gives the order after them."""
        self.progress = Progress(order.epoch, order.step)
        with self._learning():
            for x, y in self.loader.batches(order.epoch, order.step):
                order = self.team.hear()
                if order.what != Command.STEP:
                    return order
                with contextlib.suppress(TrainingError):  # the leader says it
                    self._step(x, y, order.lr)
                self.progress.step += 1
        self._share_statistics()
        return self.team.hear()

    @torch.no_grad()
    def _average(self) -> None:
        """m <- m + (1 - d) (w - m), with d small at first, when m is still old."""
        if not self.mean:
            return
        steps = self.progress.epoch * self.loader.steps + self.progress.step
        rate = 1 - min(self.ema, (1 + steps) / (10 + steps))
        for name, value in self.model.state_dict().items():
            mean = self.mean[name]
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.device), rate)
            else:
                mean.copy_(value)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Have the mean in the model, where there is one; then the weights again."""
        if not self.mean:
            yield
            return
        own = self._weights()
        self.model.load_state_dict(self.mean)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def _finite(self, loss: float) -> float:
        """The loss, or a TrainingError when it is not a number."""
        if math.isfinite(loss):
            return loss
        raise TrainingError(
            f"The loss became {loss} in epoch {self.progress.epoch + 1}, step "
            f"{self.progress.step + 1}. "
            f"Train with a smaller --lr (it was {self.settings.lr or LR:g})."
        )

    def _lr(self, step: int) -> float:
        """Learning rate of a step of this epoch."""
        done = self.progress.epoch + step / max(self.loader.steps, 1)
        share = done / self._epochs
        if self.time_limited and self.settings.minutes is not None:
            share = min(1.0, max(share, self._used / (60 * self.settings.minutes)))
        return one_cycle(share, self.settings.lr or LR)

    def _between_steps(self) -> None:
        if self.stop_requested():
            self.save()
            saved = " and is saved" if self.checkpoint_file else ""
            raise Interrupted(f"Training was interrupted{saved}.")
        if self._save_due:
            self.save()

    def _end_epoch(self, whole: bool) -> Epoch:
        progress, started_at = self.progress, time.monotonic()
        per_second = progress.examples / max(progress.seconds, 1e-9)
        with self._averaged():
            loss, score = self.validate(self.model)
        progress.seconds += time.monotonic() - started_at
        record = Epoch(
            epoch=progress.epoch + 1,
            train_loss=progress.loss_sum / max(progress.step, 1),
            val_loss=loss,
            val_score=score,
            lr=self._lr(max(progress.step - 1, 0)),
            seconds=round(progress.seconds, 3),
            per_second=per_second,
            best=self._improves(loss, score),
        )
        if record.best:
            with self._averaged():
                self.best_weights = self._weights()
        history = [*progress.history, record]
        self.progress = Progress(epoch=progress.epoch + 1, history=history)
        done = record.epoch == self._epochs or self._out_of_patience
        if whole and (done or self._save_due):
            self.save()
        return record

    def _improves(self, loss: float, score: float) -> bool:
        best = self.progress.best()
        if best is None or not self.judged:  # nothing held out: the last is the best
            return True
        if self.by_loss and math.isfinite(loss):
            return loss < best.val_loss
        if math.isnan(score) or math.isnan(best.val_score):
            return math.isnan(best.val_score) and not math.isnan(score)
        if score == best.val_score:
            return loss < best.val_loss
        return better(self.objective.metric, score, best.val_score)

    @property
    def _out_of_patience(self) -> bool:
        best, patience = self.progress.best(), self.settings.patience
        if best is None or not patience:
            return False
        return self.progress.epoch - best.epoch >= patience

    @property
    def _save_due(self) -> bool:
        waited = time.monotonic() - self._saved_at
        return waited >= self.settings.checkpoint_seconds

    @property
    def out_of_time(self) -> bool:
        minutes = self.settings.minutes
        return minutes is not None and self._used > 60 * minutes

    @property
    def _used(self) -> float:
        """Seconds of the minutes; those before a resumption count for a plan."""
        return self._used_before + time.monotonic() - self._started

    def save(self) -> None:
        """Write the checkpoint, if there is a file for it."""
        if self.checkpoint_file is None:
            return
        tensors = checkpoint.pack(self.model, self.optimizer)
        tensors |= {f"best.{name}": t for name, t in self.best_weights.items()}
        tensors |= {f"mean.{name}": t for name, t in self.mean.items()}
        checkpoint.save_tensors(self.checkpoint_file, tensors, self._metadata())
        self._saved_at = time.monotonic()

    def _metadata(self) -> dict[str, Any]:
        progress = {
            **vars(self.progress),
            "history": [e._asdict() for e in self.progress.history],
        }
        return {
            "fingerprint": self.fingerprint,
            "runtime": self.runtime.to_dict(),
            "epochs": self._epochs,
            "used": self._used,
            "progress": progress,
        }

    def _restore(self, path: Path) -> None:
        tensors, metadata = checkpoint.load_tensors(path)
        if metadata.get("fingerprint") != self.fingerprint:
            raise ResumeError(
                f"{path} was made from other pictures, labels or settings than these. "
                "Resume with what the run began with, or begin a new run."
            )
        if self.time_limited:  # the plan that was made at first, and what it has used
            self.settings = replace(self.settings, epochs=metadata["epochs"])
            self._used_before = metadata["used"]
            self._started = time.monotonic()
        checkpoint.unpack(tensors, self.model, self.optimizer)
        self.best_weights = checkpoint.under("best", tensors)
        self.mean = checkpoint.under("mean", tensors)
        progress = metadata["progress"]
        history = [Epoch.of(record) for record in progress.pop("history")]
        self.progress = Progress(**progress, history=history)
