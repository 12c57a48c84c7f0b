"""Killed in any phase of a transfer run, and resumed: the same model, the same report.

A process is killed by itself when it has come to a place for the n-th time, so that
every phase is hit, and not only those that take long.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vicinal
from vicinal import ImageClassifier

DRIVER = """
import os, signal, sys
from importlib import import_module

room, owner, name, times = sys.argv[1:5]
count = int(times)
if count:
    place = import_module(room)
    place = getattr(place, owner) if owner else place
    plain = getattr(place, name)

    def counted(*args, **named):
        global count
        count -= 1
        if not count:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **named)

    setattr(place, name, counted)
from vicinal.cli.app import main
sys.exit(main(sys.argv[5:]))
"""

PHASES = {
    "scan": ("vicinal.images.data.audit", "ImageReader", "look", 20),
    "before the parts are written": ("vicinal.images.run", "", "divide", 1),
    "features": ("vicinal.images.data.dataset", "ImageDataset", "batch", 3),
    "probe": ("vicinal.images.training.linear_probe", "", "cross_fit", 1),
    "the first model": ("vicinal.core.estimators.estimator", "", "write_json", 1),
    "fine-tune, in an epoch": ("vicinal.core.training.trainer", "Trainer", "_step", 8),
    "fine-tune, in a checkpoint": (
        "vicinal.core.storage.checkpoint",
        "",
        "save_tensors",
        4,
    ),
    "comparing with the first answer": (
        "vicinal.images.estimator",
        "",
        "compare_predictions",
        1,
    ),
    "test": ("vicinal.images.run", "", "fit_linear", 1),
    "report": ("vicinal.images.run", "", "make_report", 1),
    "the last file": ("vicinal.images.run", "", "write_text", 4),
}


def halves(n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Pictures that are bright on the left or on the right."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 140, (n, 8, 8))
    x[left, :, :4] += 60
    x[~left, :, 4:] += 60
    return x.astype(np.uint8), np.where(left, "left", "right").tolist()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder per class, weights to start from, and a run that was not killed."""
    from PIL import Image

    root = tmp_path_factory.mktemp("phases")
    x, y = halves(60, 0)
    for k, (pixels, label) in enumerate(zip(x, y, strict=True)):
        path = root / "data" / label / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    source = ImageClassifier(epochs=2, augment="none", exact=True, cache=False)
    source.fit(*halves(60, 1)).save(root / "weights")
    assert run(root, "whole", ("vicinal", "", "", 0)) == 0
    return root


def run(place: Path, name: str, killed: tuple[str, str, str, int], *more: str) -> int:
    words = ["train", str(place / "data"), "--out", str(place / name), "--json"]
    words += ["--weights", str(place / "weights"), "--epochs", "3", "--exact"]
    words += ["--batch-size", "8", "--checkpoint-seconds", "0", "--no-scratch"]
    process = subprocess.run(
        [sys.executable, "-c", DRIVER, *map(str, killed), *words, *more],
        env=os.environ
        | {
            "PYTHONPATH": str(Path(vicinal.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "VICINAL_CACHE": str(place / f"cache-{name}"),
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_a_phase_and_resumed_it_is_the_same_run(phase, place):
    name = phase.replace(" ", "-")
    assert run(place, name, PHASES[phase]) == -signal.SIGKILL
    assert not (place / name / "report.txt").exists() or phase == "the last file"
    assert run(place, name, ("vicinal", "", "", 0), "--resume") == 0
    whole, again = place / "whole", place / name
    files = {str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file()}
    assert files == {str(p.relative_to(again)) for p in again.rglob("*") if p.is_file()}
    for file in ("model.safetensors", "predictions.csv", "suspects.csv"):
        assert (whole / file).read_bytes() == (again / file).read_bytes(), file
    for file in ("index", "splits", "quarantine"):
        left, right = (pd.read_csv(p / "data" / f"{file}.csv") for p in (whole, again))
        pd.testing.assert_frame_equal(left, right)
    told = [json.loads((p / "metrics.json").read_text()) for p in (whole, again)]
    for one in told:
        del one["run"], one["seconds"]
    assert told[0] == told[1]
