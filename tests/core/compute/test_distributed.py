"""Several processes train as one would."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from vicinal.core.compute.distributed import ALONE, joined
from vicinal.core.compute.threads import is_led, is_one_of_several
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel

PROBLEM = '''
    import dataclasses, os, sys
    import torch
    from torch import nn
    from vicinal.core.compute import distributed as data_parallel
    from vicinal.core.objective import SingleLabel
    from vicinal.core.compute.runtime import Runtime, generator
    from vicinal.core.settings import TrainingSettings
    from vicinal.core.training.trainer import Trainer, follow

    @dataclasses.dataclass
    class Rows:
        """19 examples in batches of 6: the last batch has one, for one process."""
        share: tuple = (0, 1)
        steps = 4
        x = torch.randn(19, 2, 5, 5, generator=generator(1))
        y = torch.arange(19) % 3

        def part(self, k, of):
            return Rows((k, of))

        def batches(self, epoch, start):
            order = torch.randperm(19, generator=generator(2, epoch)).split(6)
            for rows in order[start:]:
                rows = rows[self.share[0] :: self.share[1]]
                yield self.x[rows], self.y[rows]

    def network(norm=False):
        torch.manual_seed(0)
        layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)]
        if norm:
            layers.insert(1, nn.BatchNorm2d(4))
        return nn.Sequential(*layers)

    def trainer(model, **how):
        settings = TrainingSettings(epochs=3, batch_size=6, lr=0.05)
        weights = (1.0, 2.0, 0.5)
        return Trainer(model, Rows(), SingleLabel(("a", "b", "c"), 0.0, weights),
            settings, Runtime(exact=True), lambda m: (0.0, 0.0), judged=False, **how)

    def sums(model):
        tensors = model.state_dict().values()
        return [t.sum().item() for t in tensors if t.is_floating_point()]

    def difference(a, b):
        pairs = zip(a.state_dict().values(), b.state_dict().values())
        return max((p.double() - q.double()).abs().max().item() for p, q in pairs)
'''


def together(tmp_path: Path, work: str, processes: int = 2) -> list[tuple[int, str]]:
    """Exit code and words of each process that runs `work`."""
    script = tmp_path / "work.py"
    script.write_text(textwrap.dedent(PROBLEM) + textwrap.dedent(work))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place |= {"WORLD_SIZE": str(processes), "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen(
            [sys.executable, str(script)],
            env=os.environ | place | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    told = [process.communicate(timeout=120) for process in running]
    return [
        (p.returncode, out + err) for p, (out, err) in zip(running, told, strict=True)
    ]


@pytest.mark.parametrize("processes", [2, 3])
def test_the_gradient_is_that_of_the_whole_batch(tmp_path, processes):
    """Uneven shares, a share of none, class weights: the weights come out the same."""
    work = """
    with data_parallel.joined() as here:
        if here.leads:
            led, alone = network(), network()
            history = list(trainer(led).epochs())
            again = list(trainer(alone, team=data_parallel.ALONE).epochs())
            far = difference(network(), alone)
            off = [abs(a.train_loss - b.train_loss) for a, b in zip(history, again)]
            print(far > 0.1, difference(led, alone) < 1e-5, len(off), max(off) < 1e-5)
        else:
            follow(here)
    """
    codes = together(tmp_path, work, processes)
    assert codes[0] == (0, "True True 3 True\n")
    assert codes[1:] == [(0, "")] * (processes - 1)


def test_the_followers_weights_are_the_leaders(tmp_path):
    """After training they still agree; statistics of batches are shared."""
    work = """
    with data_parallel.joined() as here:
        if here.leads:
            model = network(norm=True)
            list(trainer(model).epochs())
            print(sums(model))
        else:
            def take_orders(self, plain=Trainer.take_orders):
                plain(self)
                print(sums(self.model))
            Trainer.take_orders = take_orders
            follow(here)
    """
    (leader, one), (follower, other) = together(tmp_path, work)
    assert leader == follower == 0
    assert len(one) > 20 and one == other


def test_stopped_early_the_followers_are_let_go(tmp_path):
    work = """
    with data_parallel.joined() as here:
        if here.leads:
            for epoch in trainer(network()).epochs():
                break
            second = trainer(network())  # and a second training is led as well
            print(len(list(second.epochs())))
        else:
            follow(here)
            print("let go")
    """
    assert together(tmp_path, work) == [(0, "3\n"), (0, "let go\n")]


def test_a_loss_that_is_no_number_is_told_by_the_leader(tmp_path):
    work = """
    from vicinal.errors import TrainingError
    with data_parallel.joined() as here:
        Rows.x[3] = float("nan")
        if here.leads:
            try:
                list(trainer(network()).epochs())
            except TrainingError as error:
                print("The loss became nan" in str(error))
        else:
            follow(here)
            print("let go")
    """
    assert together(tmp_path, work) == [(0, "True\n"), (0, "let go\n")]


def test_a_follower_that_ends_is_missed_and_the_work_saved(tmp_path):
    work = f"""
    from pathlib import Path
    from vicinal.errors import LostProcessError
    file = Path({str(tmp_path)!r}) / "checkpoint.safetensors"
    with data_parallel.joined() as here:
        if here.leads:
            model = network()
            learning = trainer(model, checkpoint_file=file)
            try:
                list(learning.epochs())
            except LostProcessError as error:
                print(error)
            before = {{k: t.clone() for k, t in model.state_dict().items()}}
            resumed = trainer(network(), checkpoint_file=file, team=data_parallel.ALONE)
            place = resumed.progress.epoch, resumed.progress.step
            kept = resumed.model.state_dict()
            print(place, all(t.equal(kept[k]) for k, t in before.items()))
            print(len(list(resumed.epochs())))
        else:
            def step(self, x, y, lr, plain=Trainer._step):
                if (self.progress.epoch, self.progress.step) == (1, 2):
                    os._exit(9)
                return plain(self, x, y, lr)
            Trainer._step = step
            follow(here)
    """
    (code, words), (other, _) = together(tmp_path, work)
    assert (code, other) == (0, 9)
    assert words.splitlines() == [
        "Another process of this training ended.",
        "(1, 2) True",
        "2",
    ]


@pytest.mark.parametrize(
    "objective",
    [
        SingleLabel(("a", "b", "c"), 0.1, (1.0, 3.0, 0.2)),
        SingleLabel(("a", "b", "c")),
        MultiLabel(("a", "b", "c"), (1.0, 3.0, 0.2)),
        Numeric(2.0, 3.0),
    ],
)
def test_losses_of_shares_weighed_by_their_mass_are_the_loss_of_all(objective):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(11, objective.outputs)))
    y = {
        "single_label": torch.from_numpy(rng.integers(0, 3, 11)),
        "multi_label": torch.from_numpy(rng.integers(0, 2, (11, 3)).astype(float)),
        "numeric": torch.from_numpy(rng.normal(size=11)),
    }[objective.kind]
    shares = [slice(0, 4), slice(4, 11)]
    masses = [objective.mass(y[part]) for part in shares]
    losses = [objective.loss(logits[part], y[part]).item() for part in shares]
    whole = objective.loss(logits, y).item()
    assert np.average(losses, weights=masses) == pytest.approx(whole, rel=1e-9)


def test_alone_where_torchrun_started_one_or_none(monkeypatch):
    assert not is_one_of_several() and not is_led()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not is_one_of_several()
    with joined() as team:
        assert team is ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_one_of_several() and not is_led()
    monkeypatch.setenv("RANK", "1")
    assert is_led()
