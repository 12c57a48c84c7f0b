"""A run that is killed at any moment and resumed equals an uninterrupted run, bitwise.

Runs are forked from one process that has imported torch, so that eight kills take
seconds; the slow test kills twenty, and starts a new process for each run.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import vicinal
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import CHECKPOINT

EPOCHS = 24
SETTINGS = (
    f"--epochs {EPOCHS} --batch-size 4 --deterministic --no-cache "
    "--checkpoint-seconds 0 "
    "--val-fraction 0"  # so that the last epoch is kept and every step matters
).split()
KILLS_IN_TRAINING = 3
"""per run; then one at any moment, and then the run is resumed to its end"""

Train = Callable[[list[str], float | None], bool]
"""function that runs `vicinal` with arguments and kills it after some seconds; returns
whether it finished"""


MAIN = """
import os, sys
from vicinal.cli.app import main

os._exit(main(sys.argv[1:]))
"""


def environment() -> dict[str, str]:
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def train_in_fork(run_in_forks) -> Train:
    """Run `vicinal` in processes that are forked from one with all imports done."""

    def train(arguments: list[str], seconds: float | None) -> bool:
        limit = 600 if seconds is None else seconds
        (done,) = run_in_forks((MAIN, arguments, {}), seconds=limit)
        assert done.code in (0, -signal.SIGKILL), done.err
        return done.code == 0

    return train


@pytest.fixture
def images(make_directory) -> Path:
    return make_directory({"cat": 10, "dog": 10}, height=8, width=8, channels=1)


def train_in_new_process(arguments: list[str], seconds: float | None) -> bool:
    """Run `vicinal` in a new process; return whether it finished in time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vicinal", *arguments],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            _, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    assert process.returncode == 0, err.decode()
    return True


def check_kills(
    train: Train, images: Path, folder: Path, startup: float, num_kills: int
) -> None:
    """Kill runs at random moments, resume each to its end and compare the results.

    startup: seconds before a new process starts its work.
    """
    arguments = ["train", str(images), *SETTINGS, "--out"]
    started_at, out = time.time(), folder / "whole"
    assert train([*arguments, str(out)], None)
    duration = time.time() - started_at
    training_start, training_end = (  # the last checkpoint is written after training
        (out / name).stat().st_mtime - started_at
        for name in ("data/splits.csv", CHECKPOINT)
    )
    start, width = training_start, training_end - training_start
    phases: list[str] = []
    number = 0
    few = num_kills // 8  # training is short on a fast machine
    while len(phases) < num_kills or (
        num_in_training(phases) <= few and len(phases) < 5 * num_kills
    ):
        number += 1
        out, finished, kills = folder / f"run{number}", False, 0
        while not finished:
            kills += 1
            seconds = None
            if kills <= KILLS_IN_TRAINING:
                seconds = random.uniform(start, start + width)
            elif kills == KILLS_IN_TRAINING + 1:
                seconds = random.uniform(startup, duration)
            resume = ["--resume"] if out.exists() else []
            finished = train([*arguments, str(out), *resume], seconds)
            phase = "finished" if finished else check_files(out)
            phases += [] if finished else [phase]
            if kills <= KILLS_IN_TRAINING:  # the speed of the machine varies
                shift = {"nothing": 1, "data": 1, "results": -1, "finished": -1}
                start += shift.get(phase, 0) * width / 3
        check_same(folder / "whole", out)
    assert num_in_training(phases) > few, f"killed in: {', '.join(phases)}"


def num_in_training(phases: list[str]) -> int:
    """Return how many of the kills were between the first and the last epoch."""
    return sum("epoch" in phase for phase in phases)


def check_files(out: Path) -> str:
    """Check that no file is incomplete; return the phase that the run had reached."""
    for path in (path for path in out.rglob("*.json") if path.stat().st_size):
        json.loads(path.read_text())
    if not (out / CHECKPOINT).exists():
        return "nothing" if not (out / "data").exists() else "data"
    progress = load_tensors(out / CHECKPOINT)[1]["progress"]
    if progress["epoch"] == EPOCHS:
        return "results"
    return f"epoch {progress['epoch']} step {progress['step']}"


def check_same(whole: Path, resumed: Path) -> None:
    """Check that two runs have the same files, model, predictions and score."""
    for name in ("model.safetensors", "predictions.csv", "data/splits.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    files = [
        {p.relative_to(run).as_posix() for p in run.rglob("*")}
        for run in (whole, resumed)
    ]
    assert files[0] == files[1]  # no temporary file is left
    assert (resumed / "report.html").stat().st_size > 10_000
    scores = [json.loads((r / "metrics.json").read_text()) for r in (whole, resumed)]
    assert scores[0]["score"] == scores[1]["score"]


@pytest.mark.slow
def test_eight_kills(train_in_fork, images, tmp_path):
    check_kills(train_in_fork, images, tmp_path, startup=0.0, num_kills=8)


@pytest.mark.slow
def test_twenty_kills_of_new_processes(images, tmp_path):
    started_at = time.monotonic()
    train_in_new_process(["info"], None)
    startup = 0.8 * (time.monotonic() - started_at)
    check_kills(train_in_new_process, images, tmp_path, startup, num_kills=20)
