"""Whole runs and their cache: two runs at the same moment, and a full disk."""

import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vicinal.cli.app import OK, main
from vicinal.images.classifier import ImageClassifier


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """`vicinal train DATA --weights WEIGHTS`: a linear probe on frozen features."""
    home = tmp_path_factory.mktemp("home")
    rng, shape = np.random.default_rng(0), (60, 12, 12, 3)
    images = rng.integers(0, 90, shape, np.uint8)
    labels = np.arange(60) % 2
    images[labels == 1, :, :5] += 120
    source = ImageClassifier(epochs=1, cache=False, backbone="small")
    source.fit(images[:30], [str(k) for k in labels[:30]])
    for k, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        directory = home / "images" / f"class {label}"
        directory.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(directory / f"{k}.png")
    weights = str(source.save(home / "source"))
    flags = "--freeze all --no-compare-scratch --deterministic --json".split()
    return ["train", str(home / "images"), "--weights", weights, *flags]


SYNCHRONIZED = """
import sys, time, pathlib
from vicinal.cli.app import main
from vicinal.core.report import plots
from vicinal.images.data import cache
from vicinal.images.training import frozen_features

plots.to_svg = lambda *_: "<svg/>"  # the report is not what this is about
folder, name, *words = sys.argv[1:]

def synchronize(module, function):
    original, reached = getattr(module, function), []
    def wait_then_call(*arguments):
        if not reached:
            reached.append(True)
            (pathlib.Path(folder) / f"{function}.{name}").touch()
            end = time.monotonic() + 60
            while len(list(pathlib.Path(folder).glob(f"{function}.*"))) < 2:
                assert time.monotonic() < end, "the other run did not come"
                time.sleep(0.001)
        return original(*arguments)
    setattr(module, function, wait_then_call)

synchronize(cache, "_write_atomically")
synchronize(frozen_features, "save_tensors")
sys.exit(main(words))
"""
"""runs vicinal; before its first write to each cache it waits for the other process"""


@pytest.fixture(scope="module")
def without_cache(words, tmp_path_factory) -> dict[str, Any]:
    """The summary of a run that uses no cache."""
    folder = tmp_path_factory.mktemp("alone")
    run = [*words, "--no-cache", "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setenv("VICINAL_CACHE", str(folder / "cache"))
        patch.setattr("vicinal.core.report.plots.to_svg", lambda *_: "<svg/>")
        assert main(run) == OK
    assert not (folder / "cache").exists()
    return json.loads(out.getvalue())


@pytest.mark.slow
def test_two_runs_write_to_one_cache_at_the_same_moment(
    words, without_cache, run_in_forks, tmp_path
):
    cache = tmp_path / "cache"
    runs = [tmp_path / "one", tmp_path / "two"]
    programs = []
    for run in runs:
        arguments = [str(tmp_path), run.name, *words, "--out", str(run)]
        programs.append((SYNCHRONIZED, arguments, {"VICINAL_CACHE": str(cache)}))
    for output in run_in_forks(*programs):
        assert output.json()["score"] == without_cache["score"]
        assert "cannot be written" not in output.err
    one, two = ((run / "predictions.csv").read_text() for run in runs)
    assert one == two
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        f"{function}.{name}"
        for function in ("_write_atomically", "save_tensors")
        for name in ("one", "two")
    ]
    assert list((cache / "features").rglob("*.safetensors"))
    assert not list(cache.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.usefixtures("without_plots")
def test_a_cache_on_a_full_disk(
    words, without_cache, small_disk, tmp_path_factory, run_command, monkeypatch
):
    with (small_disk / "filler").open("wb", 0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
    run = tmp_path_factory.mktemp("run") / "run"
    monkeypatch.setenv("VICINAL_CACHE", str(small_disk))
    output = run_command(*words, "--out", run)
    assert output.json()["score"] == without_cache["score"]
    lines = output.err.splitlines()
    notes = [line for line in lines if line.startswith("note: The cache")]
    assert len(notes) == 2 and all("No space left" in note for note in notes)
    assert "Warning" not in output.err and (run / "report.html").exists()
