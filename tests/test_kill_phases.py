"""A transfer run that is killed in any phase and resumed equals an uninterrupted run.

The process kills itself at the n-th call of a function, so that every phase is hit,
also short ones.
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

module, owner, name, calls = sys.argv[1:5]
count = int(calls)
if count:
    holder = import_module(module)
    holder = getattr(holder, owner) if owner else holder
    original = getattr(holder, name)

    def counted(*args, **kwargs):
        global count
        count -= 1
        if not count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(holder, name, counted)
from vicinal.cli.app import main
sys.exit(main(sys.argv[5:]))
"""

PHASES = {
    "audit": ("vicinal.images.data.audit", "ImageReader", "read", 20),
    "before the splits are written": ("vicinal.images.run", "", "partition_images", 1),
    "features": ("vicinal.images.data.dataset", "ImageDataset", "batch", 3),
    "probe": ("vicinal.images.training.linear_probe", "", "cross_validate_head", 1),
    "saving the first model": (
        "vicinal.core.estimators.estimator",
        "",
        "write_json",
        1,
    ),
    "fine-tune, in an epoch": ("vicinal.core.training.trainer", "Trainer", "_step", 8),
    "fine-tune, in a checkpoint": (
        "vicinal.core.storage.checkpoint",
        "",
        "save_tensors",
        4,
    ),
    "comparison with the linear probe": (
        "vicinal.images.training.session",
        "",
        "compare_at_own_temperature",
        1,
    ),
    "evaluation": ("vicinal.images.run", "", "fit_linear_baseline", 1),
    "report": ("vicinal.images.run", "", "make_report", 1),
    "last file": ("vicinal.core.estimators.training_run", "TrainingRun", "summary", 1),
}
"""module, class, function and number of the call at which the process is killed"""


def halves(n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Return images that are bright on one side, and the side."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 140, (n, 8, 8))
    x[left, :, :4] += 60
    x[~left, :, 4:] += 60
    return x.astype(np.uint8), np.where(left, "left", "right").tolist()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A directory with images, pretrained weights and an uninterrupted run."""
    from PIL import Image

    root = tmp_path_factory.mktemp("phases")
    x, y = halves(60, 0)
    for k, (pixels, label) in enumerate(zip(x, y, strict=True)):
        path = root / "data" / label / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    source = ImageClassifier(epochs=2, augment="none", deterministic=True, cache=False)
    source.fit(*halves(60, 1)).save(root / "weights")
    assert run(root, "whole", ("vicinal", "", "", 0)) == 0
    return root


def run(root: Path, name: str, kill_at: tuple[str, str, str, int], *more: str) -> int:
    """Train in a new process; return its exit code."""
    arguments = ["train", str(root / "data"), "--out", str(root / name), "--json"]
    arguments += [
        "--weights",
        str(root / "weights"),
        "--epochs",
        "3",
        "--deterministic",
    ]
    arguments += [
        "--batch-size",
        "8",
        "--checkpoint-seconds",
        "0",
        "--no-compare-scratch",
    ]
    process = subprocess.run(
        [sys.executable, "-c", DRIVER, *map(str, kill_at), *arguments, *more],
        env=os.environ
        | {
            "PYTHONPATH": str(Path(vicinal.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "VICINAL_CACHE": str(root / f"cache-{name}"),
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_in_a_phase_and_resumed_is_the_same(phase, root):
    name = phase.replace(" ", "-")
    assert run(root, name, PHASES[phase]) == -signal.SIGKILL
    assert not (root / name / "report.txt").exists() or phase == "last file"
    assert run(root, name, ("vicinal", "", "", 0), "--resume") == 0
    whole, resumed = root / "whole", root / name
    files = {str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file()}
    assert files == {
        str(p.relative_to(resumed)) for p in resumed.rglob("*") if p.is_file()
    }
    for file in ("model.safetensors", "predictions.csv", "label_issues.csv"):
        assert (whole / file).read_bytes() == (resumed / file).read_bytes(), file
    for file in ("index", "splits", "quarantine"):
        left, right = (
            pd.read_csv(p / "data" / f"{file}.csv") for p in (whole, resumed)
        )
        pd.testing.assert_frame_equal(left, right)
    metrics = [json.loads((p / "metrics.json").read_text()) for p in (whole, resumed)]
    for values in metrics:
        for name in ("run", "seconds", "linear_seconds"):
            del values[name]
    assert metrics[0] == metrics[1]
