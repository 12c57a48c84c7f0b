"""`torchrun -m vicinal train`: two processes, one run directory, one result."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vicinal
from vicinal.cli.app import OK, USER_ERROR, main
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import CHECKPOINT
from vicinal.images.classifier import ImageClassifier

OPTIONS = "--deterministic --no-cache --batch-size 5 --lr 0.005".split()


@pytest.fixture
def images(make_directory) -> Path:
    shape = {"height": 12, "width": 12, "channels": 1}
    return make_directory({"a": 12, "b": 13, "c": 9}, **shape)


def torchrun(*words: str) -> subprocess.Popen[str]:
    """Start `vicinal` in two processes that train together."""
    start = "-m torch.distributed.run --standalone --nproc-per-node=2 -m vicinal"
    return subprocess.Popen(
        [sys.executable, *start.split(), *words],
        env=os.environ | {"PYTHONPATH": str(Path(vicinal.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_twice(words: list[str], one: Path, two: Path, capsys) -> list[dict]:
    """Train in one process, then in two; return the scores and compare the weights."""
    assert main([*words, "--out", str(one)]) == OK
    single = json.loads(capsys.readouterr().out)
    with torchrun(*words, "--out", str(two)) as process:
        out, err = process.communicate()
    assert process.returncode == OK, err
    double = json.loads(out)  # one object on stdout, from one of the two
    first, second = (load_tensors(run / "model.safetensors")[0] for run in (one, two))
    assert first.keys() == second.keys() and len(first) > 8
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-5)
    return [single["score"], double["score"]]


@pytest.mark.parametrize("start", ["scratch", "weights"])
def test_two_processes_train_the_network_of_one(images, tmp_path, capsys, start):
    """The same epochs and weights up to rounding, in one directory with one report."""
    options = [*OPTIONS, "--backbone", "lenet5"]
    if start == "weights":
        source = ImageClassifier(backbone="small", epochs=1, cache=False)
        noise = np.random.default_rng(0).integers(0, 256, (12, 12, 12), np.uint8)
        source.fit(noise, ["x", "y"] * 6)
        weights = source.save(tmp_path / "source")
        options = [*OPTIONS, "--weights", str(weights), "--batch-norm", "frozen"]
        options.append("--no-compare-scratch")
    words = ["train", str(images), *options, "--epochs", "4", "--json"]
    runs = one, two = tmp_path / "one", tmp_path / "two"
    single, double = train_twice(words, one, two, capsys)
    assert double == single
    files = [{str(p.relative_to(run)) for p in run.rglob("*")} for run in runs]
    assert files[0] == files[1] and "report.html" in files[1]
    assert sorted(p.name for p in tmp_path.iterdir() if "two" in p.name) == ["two"]


def test_an_error_is_printed_once(tmp_path):
    with torchrun("train", str(tmp_path / "nowhere"), "--json") as process:
        out, err = process.communicate()
    assert process.returncode != OK and out == ""
    assert err.count("vicinal: ") == 1 and f"exitcode  : {USER_ERROR}" in err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_process_ends_the_run_with_a_message_and_a_checkpoint(
    images, tmp_path, capsys
):
    run = tmp_path / "run"
    endless = "--backbone lenet5 --epochs 3000 --checkpoint-seconds 3600".split()
    words = ["train", str(images), "--out", str(run), *OPTIONS, *endless]
    with torchrun(*words) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch   3"):
                break
        os.kill(find_worker(process.pid), signal.SIGKILL)
        process.stdout.read()
        err = process.stderr.read()
    assert process.returncode != OK
    message = err[err.index("vicinal: ") :].splitlines()
    assert message[0].endswith("Resume with:"), err
    assert "Another process" in message[0] or "Interrupted" in message[0]
    assert (run / CHECKPOINT).exists() and not (run / "report.html").exists()
    command = shlex.split(message[1])[1:]
    assert main([*command, "--minutes", "0.005"]) == OK
    # the epochs before the kill are kept, even if no time is left for more
    epochs = (run / "metrics.csv").read_text().splitlines()[1:]
    assert len(epochs) >= 3 and (run / "report.html").exists()


def find_worker(agent: int) -> int:
    """Return the process id of rank 1 that torchrun (the agent) started."""
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    for child in children:
        if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"no process of rank 1 among {children}")


@pytest.mark.parametrize("sampled", [False, True])
def test_two_processes_train_on_a_graph(tmp_path, capsys, sampled):
    """Each process takes half of the labelled nodes of a step. Without dropout, and
    with samples of all neighbours, the result is the same."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    edges = [(a, b) for a in range(60) for b in range(a) if rng.random() < 0.1]
    nodes = [f"n{k},{y[k] + rng.normal():.3f},c{y[k]}" for k in range(60)]
    data = tmp_path / "town"
    data.mkdir()
    (data / "nodes.csv").write_text("\n".join(["id,a,label", *nodes]))
    lines = ["source,target", *(f"n{a},n{b}" for a, b in edges)]
    (data / "edges.csv").write_text("\n".join(lines))
    options = "--network sage --dropout 0 --ensemble-size 1 --keep network --epochs 6"
    options += " --minutes None --lr 0.003"
    words = ["train", str(data), *options.split(), "--json"]
    if sampled:
        words += ["--num-neighbors", "100", "100", "--batch-size", "16"]
    single, double = train_twice(words, tmp_path / "one", tmp_path / "two", capsys)
    assert double == single
    tensors, _ = load_tensors(tmp_path / "two" / "model.safetensors")
    assert any(name.startswith("network.0.") for name in tensors)
