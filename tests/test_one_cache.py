"""Whole runs and their cache: two at the same moment, and one whose disk is full."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vicinal
from vicinal.cli.app import OK
from vicinal.images.classifier import ImageClassifier


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """`vicinal train PICTURES --weights SOURCE`, by the fitted head alone."""
    home = tmp_path_factory.mktemp("home")
    rng, shape = np.random.default_rng(0), (120, 12, 12, 3)
    pictures = rng.integers(0, 90, shape, np.uint8)
    labels = np.arange(120) % 2
    pictures[labels == 1, :, :5] += 120
    source = ImageClassifier(epochs=2, cache=False, backbone="small")
    source.fit(pictures[:60], [str(k) for k in labels[:60]])
    for k, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        (home / "pictures" / f"class {label}").mkdir(parents=True, exist_ok=True)
        place = home / "pictures" / f"class {label}" / f"{k}.png"
        Image.fromarray(pixels).save(place)
    weights = str(source.save(home / "source"))
    given = ["train", str(home / "pictures"), "--weights", weights]
    return [*given, "--freeze", "all", "--exact", "--json"]


MEETING = """
import sys, time, pathlib
from vicinal.images import cache, features
from vicinal.cli.app import main

here, name, *words = sys.argv[1:]

def after_meeting(module, function):
    plain, met = getattr(module, function), []
    def waiting(*given):
        if not met:
            met.append(True)
            (pathlib.Path(here) / f"{function}.{name}").touch()
            end = time.monotonic() + 60
            while len(list(pathlib.Path(here).glob(f"{function}.*"))) < 2:
                assert time.monotonic() < end, "the other did not come"
                time.sleep(0.001)
        return plain(*given)
    setattr(module, function, waiting)

after_meeting(cache, "_write_aside")
after_meeting(features, "save_tensors")
sys.exit(main(words))
"""
"""runs vicinal; where it first writes to a cache, it waits until another does too"""


def begin(
    words: list[str], cache: Path, how: tuple[str, ...] = ("-m", "vicinal")
) -> subprocess.Popen[str]:
    root = str(Path(vicinal.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, *how, *words],
        env=os.environ | {"VICINAL_CACHE": str(cache), "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_by(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == OK, err
    return json.loads(out), err


@pytest.fixture(scope="module")
def alone(words, tmp_path_factory) -> dict[str, Any]:
    """What the run says that has no cache."""
    out = tmp_path_factory.mktemp("alone")
    cache = out / "cache"
    told, _ = told_by(begin([*words, "--no-cache", "--out", str(out / "run")], cache))
    assert not cache.exists()
    return told


def test_two_runs_at_the_same_moment(words, alone, tmp_path):
    cache = tmp_path / "cache"
    runs = [tmp_path / "one", tmp_path / "two"]
    both = []
    for run in runs:
        how = "-c", MEETING, str(tmp_path), run.name
        both.append(begin([*words, "--out", str(run)], cache, how))
    for process in both:
        told, err = told_by(process)
        assert told["score"] == alone["score"] and "cannot be written" not in err
    a, b = ((run / "predictions.csv").read_text() for run in runs)
    assert a == b
    met = sorted(p.name for p in tmp_path.glob("*.*"))
    assert met == [
        f"{at}.{who}"
        for at in ("_write_aside", "save_tensors")
        for who in ("one", "two")
    ]
    assert list((cache / "features").rglob("*.safetensors"))
    assert not list(cache.rglob("*.part"))


def test_a_cache_whose_disk_is_full(words, alone, small_disk, tmp_path_factory):
    with (small_disk / "filler").open("wb", 0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
    out = tmp_path_factory.mktemp("run") / "run"
    told, err = told_by(begin([*words, "--out", str(out)], small_disk))
    assert told["score"] == alone["score"]
    notes = [line for line in err.splitlines() if line.startswith("note: The cache")]
    assert len(notes) == 2 and all("No space left" in note for note in notes)
    assert "Warning" not in err and (out / "report.html").exists()
