"""`torchrun -m vicinal train`: two processes, one run folder, one result."""

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
from vicinal.cli.app import MISTAKE, OK, main
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import CHECKPOINT
from vicinal.images.classifier import ImageClassifier

HOW = "--exact --no-cache --batch-size 5 --lr 0.005".split()


@pytest.fixture
def pictures(make_folder) -> Path:
    shape = {"height": 12, "width": 12, "channels": 1}
    return make_folder({"a": 12, "b": 13, "c": 9}, **shape)


def torchrun(*words: str) -> subprocess.Popen[str]:
    """Two processes of `vicinal` that train together."""
    start = "-m torch.distributed.run --standalone --nproc-per-node=2 -m vicinal"
    return subprocess.Popen(
        [sys.executable, *start.split(), *words],
        env=os.environ | {"PYTHONPATH": str(Path(vicinal.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("start", ["nothing", "weights"])
def test_two_processes_give_what_one_gives(pictures, tmp_path, capsys, start):
    """The same epochs and weights but for rounding, in one folder with one report."""
    one, two = tmp_path / "one", tmp_path / "two"
    how = [*HOW, "--backbone", "lenet5"]
    if start == "weights":
        source = ImageClassifier(backbone="small", epochs=1, cache=False)
        noise = np.random.default_rng(0).integers(0, 256, (12, 12, 12), np.uint8)
        source.fit(noise, ["x", "y"] * 6)
        weights = source.save(tmp_path / "source")
        how = [*HOW, "--weights", str(weights), "--batch-norm", "frozen"]
    words = ["train", str(pictures), *how, "--epochs", "4", "--json"]
    assert main([*words, "--out", str(one)]) == OK
    alone = json.loads(capsys.readouterr().out)
    with torchrun(*words, "--out", str(two)) as process:
        told, err = process.communicate()
    assert process.returncode == OK, err
    together = json.loads(told)  # one object on stdout, from one of the two
    assert together["score"] == alone["score"]
    files = [{str(p.relative_to(run)) for p in run.rglob("*")} for run in (one, two)]
    assert files[0] == files[1] and "report.html" in files[1]
    assert sorted(p.name for p in tmp_path.iterdir() if "two" in p.name) == ["two"]
    first, second = (load_tensors(run / "model.safetensors")[0] for run in (one, two))
    assert first.keys() == second.keys() and len(first) > 8
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-5)


def test_a_mistake_is_told_once(tmp_path):
    with torchrun("train", str(tmp_path / "nowhere"), "--json") as process:
        out, err = process.communicate()
    assert process.returncode != OK and out == ""
    assert err.count("vicinal: ") == 1 and f"exitcode  : {MISTAKE}" in err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_process_ends_the_run_with_a_message_and_a_checkpoint(
    pictures, tmp_path, capsys
):
    out = tmp_path / "run"
    slow = "--backbone lenet5 --epochs 3000 --checkpoint-seconds 3600".split()
    words = ["train", str(pictures), "--out", str(out), *HOW, *slow]
    with torchrun(*words) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch   3"):
                break
        os.kill(follower_of(process.pid), signal.SIGKILL)
        process.stdout.read()
        err = process.stderr.read()
    assert process.returncode != OK
    told = err[err.index("vicinal: ") :].splitlines()
    assert told[0].endswith("Go on with:"), err
    assert "Another process" in told[0] or "Interrupted" in told[0]
    assert (out / CHECKPOINT).exists() and not (out / "report.html").exists()
    command = shlex.split(told[1])[1:]
    assert main([*command, "--minutes", "0.005"]) == OK
    # what was learned before is there, whether or not the clock left time for more
    epochs = (out / "metrics.csv").read_text().splitlines()[1:]
    assert len(epochs) >= 3 and (out / "report.html").exists()


def follower_of(agent: int) -> int:
    """The process that torchrun started and that does not lead."""
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    for child in children:
        if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"no process of rank 1 among {children}")


@pytest.mark.parametrize("samples", [False, True])
def test_two_processes_learn_from_a_graph(tmp_path, capsys, samples):
    """Each takes half of the labelled nodes of a step; without dropout, and where a
    sample holds all neighbours, that is the same."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    ends = [(a, b) for a in range(60) for b in range(a) if rng.random() < 0.1]
    rows = [f"n{k},{y[k] + rng.normal():.3f},c{y[k]}" for k in range(60)]
    (tmp_path / "town").mkdir()
    table = "\n".join(["id,a,label", *rows])
    (tmp_path / "town" / "nodes.csv").write_text(table)
    links = "\n".join(["source,target", *(f"n{a},n{b}" for a, b in ends)])
    (tmp_path / "town" / "edges.csv").write_text(links)
    how = "--network sage --dropout 0 --members 1 --deliver networks --epochs 6"
    how += " --minutes None --lr 0.003"
    words = ["train", str(tmp_path / "town"), *how.split(), "--json"]
    if samples:
        words += ["--neighbours", "100", "100", "--nodes-per-batch", "16"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*words, "--out", str(one)]) == OK
    alone = json.loads(capsys.readouterr().out)
    with torchrun(*words, "--out", str(two)) as process:
        told, err = process.communicate()
    assert process.returncode == OK, err
    assert json.loads(told)["score"] == alone["score"]
    first, second = (load_tensors(run / "model.safetensors")[0] for run in (one, two))
    assert any(name.startswith("member.0.") for name in first)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-5)
