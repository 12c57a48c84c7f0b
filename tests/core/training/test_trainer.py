"""Training: it learns, its records are correct, and interruptions change no bit.

Run as a program, this file trains while it is killed again and again.
"""

import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vicinal.core.compute.batchnorm_folding import set_training
from vicinal.core.compute.runtime import Runtime, seeded_generator
from vicinal.core.compute.signals import allow_signals, raise_on_signals
from vicinal.core.objective import Numeric, Objective, SingleLabel
from vicinal.core.settings import TrainingSettings
from vicinal.core.storage import checkpoint
from vicinal.core.storage.checkpoint import load_tensors, pack, save_tensors
from vicinal.core.training import trainer as training
from vicinal.core.training import training_clock
from vicinal.core.training.history import Epoch
from vicinal.core.training.optimizer import make_optimizer, one_cycle
from vicinal.core.training.trainer import (
    Trainer,
    TrainingInterrupted,
    loss_and_score,
)
from vicinal.core.training.trainer_options import (
    Checkpointing,
    TrainerOptions,
    saved_options,
    saved_runtime,
)
from vicinal.errors import ResumeError, RunError, TrainingError

nan, inf = math.nan, math.inf
CLASSES = SingleLabel(("a", "b", "c"))


@dataclass
class Rows:
    """A Loader of rows, in an order that depends on the epoch alone."""

    x: Tensor
    y: Tensor
    batch_size: int = 8
    before_batch: Callable[[], None] = lambda: None
    rank: tuple[int, int] = (0, 1)

    def shard(self, rank: int, world_size: int) -> "Rows":
        return replace(self, rank=(rank, world_size))

    @property
    def steps(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.x), generator=seeded_generator(5, epoch))
        for rows in order.split(self.batch_size)[start:]:
            self.before_batch()
            own = rows[self.rank[0] :: self.rank[1]]
            yield self.x[own], self.y[own]


@dataclass
class Scripted:
    """A validation with given results, which records the weights of each call."""

    results: list[tuple[float, float]]
    seen: list[dict[str, Tensor]] = field(default_factory=list)

    def __call__(self, model: nn.Module) -> tuple[float, float]:
        self.seen.append({k: t.clone() for k, t in model.state_dict().items()})
        return self.results[len(self.seen) - 1]


def blobs(n: int = 30) -> tuple[Tensor, Tensor]:
    """Return points [N, 4] of three classes around three corners, and the classes."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3
    return 3 * torch.eye(3, 4)[y] + torch.randn(n, 4, generator=g), y


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def deep() -> nn.Module:
    """Return a network with all that a checkpoint must restore: statistics, dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
    )


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 4, 2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.3),
        nn.Conv2d(4, 3, 3),
        nn.Flatten(),
    )


def trainer(
    model: nn.Module | None = None,
    *,
    loader: Any = None,
    validate: Any = None,
    file: Path | None = None,
    runtime: Runtime = Runtime(),  # noqa: B008 - an immutable value
    objective: Objective = CLASSES,
    stop_requested: Callable[[], bool] = lambda: False,
    fingerprint: str = "",
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Trainer:
    """Return a Trainer of a small problem, with 4 steps in an epoch."""
    some: dict[str, Any] = {"epochs": 3, "batch_size": 8, "lr": 0.05}
    some |= {"label_smoothing": 0.0, "checkpoint_seconds": inf}
    x, y = blobs()

    def evaluate(model: nn.Module) -> tuple[float, float]:
        return loss_and_score(CLASSES, model(x), y.numpy())

    return Trainer(
        model=linear() if model is None else model,
        loader=Rows(x, y) if loader is None else loader,
        objective=objective,
        settings=TrainingSettings(**some | settings),
        runtime=runtime,
        validate=evaluate if validate is None else validate,
        options=TrainerOptions(**{"seed": 11, **(options or {})}),
        checkpointing=Checkpointing(file, fingerprint, stop_requested),
    )


def end_state(trained: Trainer) -> dict[str, bytes]:
    """Return every bit of the result: weights, statistics, moments, best weights."""
    tensors = pack(trained.model, trained.optimizer)
    tensors |= {f"best.{k}": t for k, t in trained.best_weights.items()}
    return {k: t.contiguous().numpy().tobytes() for k, t in sorted(tensors.items())}


def timeless(history: list[Epoch]) -> list[Epoch]:
    """Return the records without measured times."""
    return [record._replace(seconds=0, examples_per_second=0) for record in history]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def report_progress(self) -> None:
        self.now += 1


@pytest.fixture
def clock(monkeypatch) -> Clock:
    fake = Clock()
    for module in (training, training_clock):
        monkeypatch.setattr(module, "time", fake)
    return fake


# --- learning --------------------------------------------------------------------


def test_three_classes_are_learned():
    trained = trainer(epochs=8)
    records = list(trained.epochs())
    assert records[-1].train_loss < 0.5 * records[0].train_loss
    assert records[-1].val_score >= 0.9


def test_a_linear_law_is_recovered():
    # y = 2 x_1 - 3 x_2 + 5, without noise
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    y = 2 * x[:, 0] - 3 * x[:, 1] + 5
    objective = Numeric.from_targets(y.numpy())
    torch.manual_seed(0)
    trained = trainer(
        nn.Linear(4, 1),
        loader=Rows(x, y.double(), 16),
        validate=lambda model: (0.0, 0.0),
        objective=objective,
        epochs=150,
        weight_decay=0.0,
    )
    list(trained.epochs())
    law = {k: t * objective.std for k, t in trained.model.state_dict().items()}
    weight, bias = law["weight"][0], law["bias"] + objective.mean
    assert weight.tolist() == pytest.approx([2, -3, 0, 0], abs=0.01)
    assert bias.item() == pytest.approx(5, abs=0.01)


def test_one_step_of_adamw_by_hand():
    # after one step, Adam's moments cancel: each weight moves by lr against its
    # gradient's sign, after a decay by lr * weight_decay
    x, y = blobs(6)
    model = linear()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    CLASSES.loss(model(x), y).backward()
    signs = {name: p.grad.sign() for name, p in model.named_parameters()}  # pyright: ignore[reportOptionalMemberAccess]
    trained = trainer(model, loader=Rows(x, y), epochs=1, lr=0.5, weight_decay=0.1)
    next(trained.epochs())
    lr = 0.005  # the first step is at 1 % of the peak
    weight = before["weight"] * (1 - lr * 0.1) - lr * signs["weight"]
    torch.testing.assert_close(model.weight, weight, rtol=0, atol=1e-5)
    bias = before["bias"] - lr * signs["bias"]
    torch.testing.assert_close(model.bias, bias, rtol=0, atol=1e-5)


def test_a_penalty_equals_an_l2_term_in_the_loss():
    """Three steps equal those of Adam on the loss plus 0.4 / 2 |W|^2."""
    x, y = blobs(6)
    model, other = linear(), linear()
    loader = Rows(x, y, batch_size=6)
    settings = {"epochs": 3, "lr": 0.1, "weight_decay": 0.0}
    trained = trainer(
        model, loader=loader, options={"penalties": {"weight": 0.4}}, **settings
    )
    list(trained.epochs())
    adam = torch.optim.Adam(other.parameters())
    for step in range(3):
        for group in adam.param_groups:
            group["lr"] = one_cycle(step / 3, 0.1)
        adam.zero_grad()
        square = next(other.parameters()).square().sum()
        (CLASSES.loss(other(x), y) + 0.4 / 2 * square).backward()
        adam.step()
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    plain = trainer(linear(), loader=loader, **settings)
    list(plain.epochs())
    assert not torch.allclose(next(model.parameters()), plain.model.weight)  # pyright: ignore[reportArgumentType]


def test_the_one_cycle_schedule_by_hand():
    at = {t: one_cycle(t, 10.0) for t in (0, 0.1, 0.2, 0.4, 0.6, 0.8, 1)}
    assert at[0] == pytest.approx(0.1)  # one per cent
    assert at[0.1] == pytest.approx(5)
    assert at[0.2] == pytest.approx(10)
    assert at[0.4] == pytest.approx(5 + 5 / 2**0.5)  # the cosine at 45 degrees
    assert at[0.6] == pytest.approx(5)
    assert at[0.8] == pytest.approx(5 - 5 / 2**0.5)
    assert at[1] == pytest.approx(0, abs=1e-12)
    rates = [one_cycle(t, 1.0) for t in np.linspace(0, 1, 101)]
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:])[::-1]


def test_each_step_uses_the_scheduled_learning_rate(monkeypatch):
    used: list[float] = []
    trained = trainer(epochs=2, lr=1.0)
    step = trained.optimizer.step

    def record_lr() -> None:
        used.append(trained.optimizer.param_groups[0]["lr"])
        step()

    monkeypatch.setattr(trained.optimizer, "step", record_lr)
    list(trained.epochs())
    assert used == pytest.approx([one_cycle(k / 8, 1.0) for k in range(8)])


def test_only_weight_matrices_decay():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    adam = make_optimizer(net, TrainingSettings(lr=0.5, weight_decay=0.2))
    for p in net.parameters():
        p.grad = torch.zeros_like(p)  # only the decay acts
    adam.step()
    for name, p in net.named_parameters():
        kept = 0.9 if name in ("0.weight", "2.weight") else 1.0
        torch.testing.assert_close(p.detach(), kept * before[name], rtol=1e-6, atol=0)


def test_frozen_parameters_are_not_optimized():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net[0].requires_grad_(False)
    (group,) = make_optimizer(net, TrainingSettings()).param_groups
    assert [p.shape for p in group["params"]] == [(2,), (2,)]
    assert group["weight_decay"] == 0


def test_a_frozen_body_keeps_its_weights_and_statistics():
    body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
    model = nn.Sequential(body, nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 3))
    body.requires_grad_(False)
    before = {k: t.clone() for k, t in model.state_dict().items()}
    list(trainer(model).epochs())
    for name, t in model.state_dict().items():
        assert t.equal(before[name]) == name.startswith("0."), name
    set_training(model)
    modes = {name: module.training for name, module in model.named_modules()}
    frozen = {"0", "0.0", "0.1", "0.2"}
    assert modes == {name: name not in frozen for name in modes}


@pytest.mark.parametrize("deterministic", [True, False])
def test_deterministic_kernels_are_used_in_the_backward_pass(deterministic):
    seen: list[tuple[str, bool]] = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            seen.append(("forward", torch.are_deterministic_algorithms_enabled()))
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            seen.append(("backward", torch.are_deterministic_algorithms_enabled()))
            return grad

    class Spied(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return Spy.apply(super().forward(input))  # pyright: ignore[reportReturnType]

    quiet = Scripted([(0.0, 0.0)])
    next(
        trainer(
            Spied(4, 3), validate=quiet, runtime=Runtime(deterministic=deterministic)
        ).epochs()
    )
    assert seen == [("forward", deterministic), ("backward", deterministic)] * 4
    assert not torch.are_deterministic_algorithms_enabled()


# --- records ---------------------------------------------------------------------


def test_records_contain_the_measured_values(clock):
    x, y = blobs()
    model = linear()
    losses = {
        epoch: [
            CLASSES.loss(model(a), b).item() for a, b in Rows(x, y).batches(epoch, 0)
        ]
        for epoch in range(2)
    }
    results = [(0.7, 0.5), (0.6, 0.25)]
    trained = trainer(
        model,
        loader=Rows(x, y, before_batch=clock.report_progress),
        validate=Scripted(results),
        epochs=2,
        lr=1e-12,  # so that the weights stay, and with them the losses
        weight_decay=0.0,
    )
    first, second = trained.epochs()
    assert first == (
        1,
        pytest.approx(np.mean(losses[0])),
        *results[0],
        pytest.approx(one_cycle(3 / 8, 1e-12)),
        4.0,  # seconds: one for each batch
        30 / 4,  # examples for each of them; the last batch has only six
        True,
    )
    assert second.train_loss == pytest.approx(np.mean(losses[1]))
    assert (second.epoch, second.val_loss, second.best) == (2, 0.6, False)
    assert trained.progress.history == [first, second]


@pytest.mark.parametrize(
    ("objective", "results", "best"),
    [
        (CLASSES, [(1, 0.5), (9, 0.6), (1, 0.4), (9, 0.7)], [1, 1, 0, 1]),
        # a tie goes to the smaller loss
        (CLASSES, [(1, 0.5), (2, 0.5), (0.9, 0.5), (0.9, 0.5)], [1, 0, 1, 0]),
        (CLASSES, [(1, 0.5), (nan, 0.5), (1, 0.6), (nan, 0.2)], [1, 0, 1, 0]),
        # an error is to be small
        (Numeric(), [(1, 5.0), (1, 6.0), (1, 4.0), (1, 5.0)], [1, 0, 1, 0]),
        # a score that is no number is never the best, and any other is better
        (Numeric(), [(1, 1.0), (1, 0.5), (1, nan), (1, 0.2)], [1, 1, 0, 1]),
        (CLASSES, [(1, nan), (1, 0.5), (1, nan), (1, 0.4)], [1, 1, 0, 0]),
        # nothing held out: the last is the best
        (CLASSES, [(nan, nan)] * 4, [1, 1, 1, 1]),
    ],
)
def test_the_best_epoch_s_weights_come_back(objective, results, best):
    model = linear() if objective is CLASSES else nn.Linear(4, 1)
    scripted = Scripted(results)
    select = not all(math.isnan(score) for _, score in results)
    trained = trainer(
        model,
        validate=scripted,
        objective=objective,
        epochs=4,
        options={"select_epoch": select},
    )
    assert [record.best for record in trained.epochs()] == [bool(b) for b in best]
    wanted = scripted.seen[max(k for k in range(4) if best[k])]
    trained.load_best()
    assert all(t.equal(wanted[k]) for k, t in model.state_dict().items())


def test_the_best_epoch_can_be_selected_by_loss():
    results = [(0.5, 0.9), (0.4, 0.8), (0.3, 0.7), (0.35, 0.95)]
    iterator = iter(results)
    trained = trainer(
        linear(),
        validate=lambda _: next(iterator),
        epochs=4,
        options={"select_by_loss": True},
    )
    assert [e.best for e in trained.epochs()] == [True, True, True, False]


def test_training_can_be_stopped_at_any_epoch():
    scripted = Scripted([(1, 0.9), (1, 0.8)])
    trained = trainer(validate=scripted, epochs=50)
    for record in trained.epochs():
        if record.epoch == 2:
            break
    trained.load_best()
    state = trained.model.state_dict()
    assert all(t.equal(scripted.seen[0][k]) for k, t in state.items())


# --- when it ends ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (1, [0.5, 0.4], 2),
        (2, [0.5, 0.4, 0.6, 0.6, 0.5], 5),
        (3, [0.5, 0.4, 0.4, 0.6, 0.1, 0.1], 6),
        (0, [0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 6),
        (1, [nan] * 6, 6),
    ],
)
def test_patience_stops_training(tmp_path, patience, scores, epochs):
    results = [(1.0, score) for score in scores]
    arguments: dict[str, Any] = {"patience": patience, "epochs": 6}
    select = not any(map(math.isnan, scores))
    arguments |= {"file": tmp_path / "a", "options": {"select_epoch": select}}
    trained = trainer(validate=Scripted(results), **arguments)
    assert len(list(trained.epochs())) == epochs
    # a resumed run does not go on
    assert list(trainer(validate=Scripted([]), **arguments).epochs()) == []


@pytest.mark.parametrize(
    ("minutes", "epochs"), [(0.5 / 60, 1), (3.5 / 60, 1), (5.5 / 60, 2), (1.0, 3)]
)
def test_training_stops_within_the_minutes(clock, minutes, epochs):
    # a step takes a second, there are four in an epoch
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    trained = trainer(loader=loader, minutes=minutes)
    assert [record.epoch for record in trained.epochs()] == [*range(1, epochs + 1)]
    assert clock.now == min(math.ceil(60 * minutes), 12)
    assert trained.best_weights


def test_no_epoch_starts_after_the_minutes(clock):
    def slow(model: nn.Module) -> tuple[float, float]:
        clock.now += 100
        return 0.0, 0.0

    assert len(list(trainer(validate=slow, minutes=1.0).epochs())) == 1


@pytest.mark.parametrize("used", [61, 90, 120])
def test_a_step_after_the_minutes_has_learning_rate_0(clock, used):
    # one step is always taken; a cosine continued beyond its end would rise again
    model = linear()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    options = {"time_limited": True, "started_at": -float(used)}
    (record,) = trainer(model, minutes=1.0, options=options).epochs()
    assert record.lr == pytest.approx(0, abs=1e-12)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("minutes", [1.5 / 60, 3.5 / 60, 5.5 / 60, 10.5 / 60])
def test_a_run_stopped_by_the_minutes_can_be_resumed(clock, tmp_path, minutes):
    whole = trainer(deep())
    list(whole.epochs())
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    cut = trainer(deep(), loader=loader, file=tmp_path / "a", minutes=minutes)
    list(cut.epochs())
    resumed = trainer(deep(), file=tmp_path / "a")
    list(resumed.epochs())
    assert end_state(resumed) == end_state(whole)
    assert timeless(resumed.progress.history) == timeless(whole.progress.history)


def test_a_loss_that_is_not_finite_stops_training(tmp_path):
    x, y = blobs()
    order = torch.randperm(30, generator=seeded_generator(5, 1))
    x[order[8]] = inf  # in the second batch of the second epoch, and in no good one
    calls = Rows(x, y)
    good = Rows(*blobs())

    class Late(Rows):
        def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
            return (calls if epoch == 1 else good).batches(epoch, start)

    arguments: dict[str, Any] = {"checkpoint_seconds": 0, "file": tmp_path / "a"}
    trained = trainer(loader=Late(x, y), **arguments)
    with pytest.raises(TrainingError) as caught:
        list(trained.epochs())
    text = str(caught.value)
    assert "became nan in epoch 2, step 2" in text or "became inf in epoch 2" in text
    assert "smaller --lr (it was 0.05)" in text
    assert all(p.isfinite().all() for p in trained.model.parameters())
    assert trainer(loader=good, **arguments).progress.step == 1


def test_on_start_is_called_once(tmp_path):
    done: list[float] = []

    def halve(model: nn.Module) -> None:
        assert isinstance(model, nn.Linear)
        with torch.no_grad():
            model.weight.mul_(0.5)
        done.append(model.weight.sum().item())

    first = next(linear().parameters()).sum().item()
    asked = iter([False, False, True])
    cut = trainer(
        options={"on_start": halve},
        file=tmp_path / "a",
        stop_requested=lambda: next(asked),
    )
    with pytest.raises(TrainingInterrupted):
        list(cut.epochs())
    assert done == [pytest.approx(first / 2)]
    resumed = trainer(options={"on_start": halve}, file=tmp_path / "a")
    list(resumed.epochs())
    assert len(done) == 1
    whole = trainer(options={"on_start": halve})
    list(whole.epochs())
    assert end_state(whole) == end_state(resumed)


# --- interruption ----------------------------------------------------------------


RUNTIMES = [
    (linear, Runtime()),
    (deep, Runtime()),
    (deep, Runtime(deterministic=True, threads=1)),
    pytest.param(convolutional, Runtime(channels_last=True), marks=pytest.mark.slow),
    (convolutional, Runtime(precision="bfloat16", channels_last=True)),
]


@pytest.mark.parametrize(("build", "runtime"), RUNTIMES)
def test_a_run_resumed_at_any_step_is_bitwise_equal(tmp_path, build, runtime):
    whole = trainer(build(), runtime=runtime)
    list(whole.epochs())
    wanted = end_state(whole)
    for stop in range(1, 13):
        asked = iter([*[False] * (stop - 1), True])
        file = tmp_path / f"{stop}"
        cut = trainer(
            build(), runtime=runtime, file=file, stop_requested=lambda a=asked: next(a)
        )
        with pytest.raises(TrainingInterrupted, match="saved"):
            list(cut.epochs())
        resumed = trainer(build(), runtime=saved_runtime(file) or runtime, file=file)
        assert resumed.runtime == runtime
        records = list(resumed.epochs())
        assert end_state(resumed) == wanted, stop
        history = timeless(resumed.progress.history)
        assert history == timeless(whole.progress.history), stop
        assert history[3 - len(records) :] == timeless(records)


@pytest.mark.parametrize("moment", ["step", "validation", "selection", "between"])
def test_a_signal_saves_and_stops(tmp_path, monkeypatch, moment):
    """Also in the validation, where the model has averaged weights for a while."""
    options = {"ema_decay": 0.9}
    whole = trainer(deep(), options=options)
    list(whole.epochs())
    left = 6 if moment == "step" else 2

    def count(function: Callable[..., Any] = list) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                signal.raise_signal(signal.SIGTERM)
            return function(*args)

        return call

    cut = trainer(deep(), file=tmp_path / "a", options=options)
    names = {"step": "_step", "validation": "validate", "selection": "_is_improvement"}
    if name := names.get(moment):
        monkeypatch.setattr(cut, name, count(getattr(cut, name)))
    read = count() if moment == "between" else tuple
    with raise_on_signals(), pytest.raises(TrainingInterrupted, match="and saved"):
        for epoch in cut.epochs():
            read(epoch)
    progress = {"step": (1, 2), "validation": (1, 4)}.get(moment, (2, 1))
    assert (cut.progress.epoch, cut.progress.step) == progress
    resumed = trainer(deep(), file=tmp_path / "a", options=options)
    list(resumed.epochs())
    assert end_state(resumed) == end_state(whole)
    assert timeless(resumed.progress.history) == timeless(whole.progress.history)


def test_a_signal_within_a_batch_that_takes_long_saves_and_stops(tmp_path):
    """A loader that computes for minutes lets signals end its work."""
    whole = trainer(deep())
    list(whole.epochs())
    left = 6

    def before_batch() -> None:
        nonlocal left
        left -= 1
        if not left:
            with allow_signals():
                signal.raise_signal(signal.SIGTERM)
                pytest.fail("not raised")

    loader = Rows(*blobs(), before_batch=before_batch)
    cut = trainer(deep(), loader=loader, file=tmp_path / "a")
    with raise_on_signals(), pytest.raises(TrainingInterrupted, match="and saved"):
        list(cut.epochs())
    assert (cut.progress.epoch, cut.progress.step) == (1, 1)
    resumed = trainer(deep(), file=tmp_path / "a")
    list(resumed.epochs())
    assert end_state(resumed) == end_state(whole)


@pytest.mark.parametrize(
    "options",
    [5, {"freeze": "x"}, {"freeze": 1}, {"num_views": -1}, {"num_views": "8"},
     {"num_views": 10**9}, {"other": 1}],
)  # fmt: skip
def test_damaged_options_of_a_checkpoint_are_one_message(tmp_path, options):
    file = tmp_path / "a"
    saved = {"freeze": "3", "num_views": 8}
    list(trainer(file=file, options={"saved_options": saved}).epochs())
    assert saved_options(file) == saved
    tensors, metadata = load_tensors(file)
    save_tensors(file, tensors, metadata | {"options": saved | {"freeze": "auto"}})
    assert saved_options(file) == {"num_views": 8}
    save_tensors(file, tensors, metadata | {"options": options})
    for read in (saved_options, saved_runtime):
        with pytest.raises(ResumeError, match=r"checkpoint is damaged: options"):
            read(file)


def test_a_run_resumed_after_every_step_is_bitwise_equal(tmp_path):
    whole = trainer(deep())
    list(whole.epochs())
    for _ in range(12):
        cut = trainer(deep(), file=tmp_path / "a", stop_requested=lambda: True)
        with pytest.raises(TrainingInterrupted):
            list(cut.epochs())
    last = trainer(deep(), file=tmp_path / "a", stop_requested=lambda: True)
    list(last.epochs())
    assert end_state(last) == end_state(whole)
    assert timeless(last.progress.history) == timeless(whole.progress.history)


def test_a_resumed_run_remembers_the_best_epoch(tmp_path):
    first, asked = Scripted([(1, 0.9), (1, 0.1)]), iter([*[False] * 9, True])
    cut = trainer(
        validate=first, file=tmp_path / "a", stop_requested=lambda: next(asked)
    )
    with pytest.raises(TrainingInterrupted):
        list(cut.epochs())
    resumed = trainer(validate=Scripted([(1, 0.2)]), file=tmp_path / "a")
    assert [record.epoch for record in resumed.epochs()] == [3]
    resumed.load_best()
    state = resumed.model.state_dict()
    assert all(t.equal(first.seen[0][k]) for k, t in state.items())


def test_random_draws_of_others_do_not_matter():
    def draw() -> None:
        torch.manual_seed(time.time_ns())

    whole = trainer(deep())
    disturbed = trainer(deep(), loader=Rows(*blobs(), before_batch=draw))
    for one in (whole, disturbed):
        list(one.epochs())
    assert end_state(disturbed) == end_state(whole)


def test_the_seed_determines_training():
    one, other = trainer(deep()), trainer(deep(), options={"seed": 12})
    for each in (one, other):
        list(each.epochs())
    assert end_state(one) != end_state(other)


def test_stopping_without_a_path_does_not_claim_to_have_saved():
    with pytest.raises(TrainingInterrupted) as caught:
        list(trainer(stop_requested=lambda: True).epochs())
    assert str(caught.value) == "Training was interrupted."


@pytest.mark.parametrize(
    ("seconds", "saved"),
    # a step takes a second, validating ten; the end is always saved
    [(inf, [34.0 + 8]), (0, None), (3, [3, 14, 17, 28, 31, 42]), (12, [14, 28, 42])],
)
def test_checkpoints_are_written_in_time(clock, tmp_path, monkeypatch, seconds, saved):
    times: list[float] = []
    monkeypatch.setattr(checkpoint, "save_tensors", lambda *_: times.append(clock.now))

    def slow(model: nn.Module) -> tuple[float, float]:
        clock.now += 10
        return 0.0, 0.0

    loader = Rows(*blobs(), before_batch=clock.report_progress)
    arguments: dict[str, Any] = {"file": tmp_path / "a", "checkpoint_seconds": seconds}
    list(trainer(loader=loader, validate=slow, **arguments).epochs())
    if seconds == 0:  # after every step and every epoch
        starts = (0, 14, 28)
        saved = [start + at for start in starts for at in (1, 2, 3, 4, 14)]
    assert times == saved


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    list(trainer(file=tmp_path / "a", fingerprint="these images").epochs())
    with pytest.raises(RunError, match=r"made from other data.*start a new run"):
        trainer(file=tmp_path / "a", fingerprint="those images")
    save_tensors(tmp_path / "b", {"w": torch.ones(1)}, {})
    with pytest.raises(RunError, match="made from other data"):
        trainer(file=tmp_path / "b")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    list(trainer(file=tmp_path / "a").epochs())
    with pytest.raises(ResumeError, match=r"weights of another network.*new run"):
        trainer(deep(), file=tmp_path / "a")


def test_an_empty_validation_split_has_no_score():
    found = loss_and_score(CLASSES, torch.empty(0, 3), np.empty(0, np.int64))
    assert np.isnan(found).all()


def test_a_checkpoint_stores_the_runtime(tmp_path):
    assert saved_runtime(None) is None
    assert saved_runtime(tmp_path / "missing") is None
    form = Runtime(precision="bfloat16", threads=1)
    list(trainer(file=tmp_path / "a", runtime=form, epochs=1).epochs())
    assert saved_runtime(tmp_path / "a") == form


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_run_killed_at_any_moment_is_bitwise_equal(tmp_path, start):
    with start(__file__, tmp_path) as program:
        out, _ = program.communicate(timeout=120)
    assert program.returncode == 0
    counts = json.loads(out)
    assert counts["kills"] >= 4 and counts["steps"] >= 3, counts
    plain, killed = (load_tensors(tmp_path / k / "end") for k in ("plain", "killed"))
    assert plain[0].keys() == killed[0].keys() and "best.0.weight" in plain[0]
    for name, t in plain[0].items():
        assert t.numpy().tobytes() == killed[0][name].numpy().tobytes(), name
    assert plain[1] == killed[1]


def train_to_the_end(folder: Path) -> None:
    """Train, resuming from the folder, and save the final state."""
    settings: dict[str, Any] = {"epochs": 10, "checkpoint_seconds": 0}
    trained = trainer(deep(), file=folder / "last.safetensors", **settings)
    list(trained.epochs())
    tensors = pack(trained.model, trained.optimizer)
    tensors |= {f"best.{k}": t for k, t in trained.best_weights.items()}
    history = timeless(trained.progress.history)
    save_tensors(folder / "end", tensors, {"history": history})


def in_a_process(work: Callable[[], None], seconds: float = inf) -> bool:
    """Run `work` in a child process; return False if it was killed after `seconds`."""
    process = os.fork()
    if not process:
        work()
        os._exit(0)
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            assert status == 0
            return True
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return False
        time.sleep(0.0005)


def train_and_kill(folder: Path) -> None:
    """Train once without interruption, and once killed at random moments."""
    import torch._dynamo  # imported once here, not by each child's first step

    torch.set_num_threads(1)
    for name in ("plain", "killed"):
        (folder / name).mkdir()
    start = time.monotonic()
    assert in_a_process(lambda: train_to_the_end(folder / "plain"))
    whole = time.monotonic() - start
    draw, kills, steps = random.Random(0), 0, set()
    file = folder / "killed" / "last.safetensors"
    while kills < 4 or len(steps) < 3:  # again with less time, if the machine was busy
        for path in (folder / "killed").iterdir():
            path.unlink()
        kills, steps, whole = 0, set(), whole / 2
        while not in_a_process(
            lambda: train_to_the_end(folder / "killed"),
            draw.uniform(0, 0.6 + 0.04 * kills) * whole,
        ):
            kills += 1
            if file.exists():
                progress = load_tensors(file)[1]["progress"]
                steps.add((progress["epoch"], progress["step"]))
    print(json.dumps({"kills": kills, "steps": len(steps)}))


# --- learning rates by layer, and the average of the weights --------------------------


def test_a_multiplier_of_0_keeps_a_parameter():
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    before = {k: t.clone() for k, t in model.state_dict().items()}
    some = {name: 0.0 for name, _ in model.named_parameters() if name.startswith("0.")}
    trained = trainer(model, epochs=2, options={"lr_multipliers": some})
    list(trained.epochs())
    state = model.state_dict()
    assert all(state[k].equal(before[k]) for k in some)
    assert not state["1.weight"].equal(before["1.weight"])


def test_a_multiplier_equals_a_smaller_learning_rate():
    # AdamW's step is proportional to the learning rate, whatever the gradient
    by_multiplier, by_lr = linear(), linear()
    names = dict.fromkeys(dict(by_multiplier.named_parameters()), 0.5)
    list(trainer(by_multiplier, lr=0.1, options={"lr_multipliers": names}).epochs())
    list(trainer(by_lr, lr=0.05).epochs())
    for a, b in zip(by_multiplier.parameters(), by_lr.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_layer_is_unfrozen_at_its_epoch(tmp_path):
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    unfreeze_at = {
        name: 2 for name, _ in model.named_parameters() if name.startswith("0.")
    }
    arguments: dict[str, Any] = {
        "epochs": 3,
        "options": {"unfreeze_at": unfreeze_at},
        "checkpoint_seconds": 0.0,
    }
    first = {k: t.clone() for k, t in model.state_dict().items()}
    changed = []
    for _ in trainer(model, file=tmp_path / "a", **arguments).epochs():
        changed.append(
            {k for k, t in model.state_dict().items() if not t.equal(first[k])}
        )
    late, early = {"0.weight", "0.bias"}, {"1.weight", "1.bias"}
    assert changed == [early, early, early | late]
    twin = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    twin.load_state_dict(first)
    next(trainer(twin, file=tmp_path / "b", **arguments).epochs())
    twin.requires_grad_()  # as in a new process
    list(
        trainer(twin, file=tmp_path / "b", **arguments).epochs()
    )  # resumed before it is unfrozen
    assert all(t.equal(model.state_dict()[k]) for k, t in twin.state_dict().items())


def test_the_best_weights_can_be_used_during_training():
    model, scores = linear(), iter([0.9, 0.1, 0.2])
    trained = trainer(model, validate=lambda _: (0.0, next(scores)), epochs=3)
    epochs = trained.epochs()
    next(epochs)
    best = next(model.parameters()).detach().clone()
    next(epochs)
    now = next(model.parameters()).detach().clone()
    with trained.best_so_far():
        assert next(model.parameters()).equal(best)
    assert next(model.parameters()).equal(now) and not now.equal(best)


def test_a_model_is_validated_in_evaluation_mode_without_gradients():
    model, seen = deep(), []
    trained_in: list[bool] = []
    model.register_forward_hook(lambda *_: trained_in.append(model.training))

    def evaluate(model: nn.Module) -> tuple[float, float]:
        modes = {module.training for module in model.modules()}
        seen.append((modes, torch.is_grad_enabled()))
        return 0.0, 0.0

    list(trainer(model, validate=evaluate, epochs=2).epochs())
    assert seen == [({False}, False)] * 2
    assert trained_in == [True] * 8  # the steps of the second epoch too


def test_the_average_is_validated_and_kept():
    seen: list[Tensor] = []
    steps: list[Tensor] = []
    model = linear()

    def evaluate(model: nn.Module) -> tuple[float, float]:
        seen.append(next(model.parameters()).detach().clone())
        return 0.0, float(len(seen))

    trained = trainer(model, validate=evaluate, options={"ema_decay": 0.9}, epochs=2)
    mean = next(model.parameters()).detach().clone()
    update = trained.average.update

    def record_and_update(model: nn.Module, step: int) -> None:
        steps.append(next(model.parameters()).detach().clone())
        update(model, step)

    trained.average.update = record_and_update
    list(trained.epochs())
    for k, weights in enumerate(steps):  # d = min(0.9, (1 + t) / (10 + t))
        mean += (1 - min(0.9, (1 + k) / (10 + k))) * (weights - mean)
        if (k + 1) % trained.loader.steps == 0:
            torch.testing.assert_close(seen[(k + 1) // trained.loader.steps - 1], mean)
    assert not next(model.parameters()).equal(
        mean
    )  # training continues with the weights
    trained.load_best()
    torch.testing.assert_close(next(model.parameters()).detach(), mean)


def test_the_average_of_a_resumed_run_is_bitwise_equal(tmp_path):
    arguments: dict[str, Any] = {"checkpoint_seconds": 0.0, "epochs": 3}
    arguments["options"] = {"ema_decay": 0.9}
    whole = trainer(linear(), file=tmp_path / "a", **arguments)
    list(whole.epochs())
    cut = trainer(linear(), file=tmp_path / "b", **arguments)
    next(cut.epochs())
    resumed = trainer(linear(), file=tmp_path / "b", **arguments)
    list(resumed.epochs())
    assert end_state(resumed) == end_state(whole)
    ours, theirs = resumed.average.weights, whole.average.weights
    assert ours.keys() == theirs.keys() and ours
    assert all(t.equal(theirs[k]) for k, t in ours.items())


# --- schedules with a time limit ------------------------------------------------------


def test_a_time_limited_schedule_ends_with_the_minutes(clock):
    # a step takes a second and there are four in an epoch; 100 epochs would be 400 s
    rates: list[float] = []
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    settings: dict[str, Any] = {"minutes": 40 / 60, "epochs": 100}
    trained = trainer(loader=loader, options={"time_limited": True}, **settings)
    plain = trained._step

    def step(x: Tensor, y: Tensor, lr: float) -> float:
        loss = plain(x, y, lr)
        rates.append(trained.optimizer.param_groups[0]["lr"])
        return loss

    trained._step = step  # pyright: ignore[reportAttributeAccessIssue]
    list(trained.epochs())
    assert 40 <= clock.now <= 42
    assert max(rates) == pytest.approx(0.05, rel=0.05) and rates[-1] < 1e-3
    assert rates.index(max(rates)) == pytest.approx(0.2 * 40, abs=2)


def test_epochs_that_end_before_the_minutes_end_the_schedule(clock):
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    settings: dict[str, Any] = {"minutes": 1000.0, "epochs": 5}
    limited = trainer(loader=loader, options={"time_limited": True}, **settings)
    records = list(limited.epochs())
    plain = list(trainer(epochs=5).epochs())
    assert [r.lr for r in records] == [pytest.approx(r.lr) for r in plain]


def test_a_resumed_run_keeps_its_schedule_and_its_used_time(clock, tmp_path):
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    arguments: dict[str, Any] = {
        "minutes": 1.0,
        "options": {"time_limited": True},
        "checkpoint_seconds": 0.0,
    }
    cut = trainer(loader=loader, file=tmp_path / "a", epochs=50, **arguments)
    next(cut.epochs())
    clock.now += 1000  # time between the two runs does not count
    resumed = trainer(loader=loader, file=tmp_path / "a", epochs=7, **arguments)
    assert resumed.settings.epochs == 50
    start = clock.now
    list(resumed.epochs())
    assert clock.now - start == pytest.approx(60 - 4, abs=2)


def test_the_minutes_can_start_before_training(clock):
    clock.now = 100.0
    loader = Rows(*blobs(), before_batch=clock.report_progress)
    options = {"time_limited": True, "started_at": 70.0}
    list(trainer(loader=loader, options=options, minutes=1.0, epochs=50).epochs())
    assert clock.now == pytest.approx(130, abs=2)


if __name__ == "__main__":
    train_and_kill(Path(sys.argv[1]))
