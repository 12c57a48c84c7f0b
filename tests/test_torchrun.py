"""`torchrun -m vicinal train`: two processes, one run directory, one result."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import vicinal
from vicinal.cli.app import OK, USER_ERROR, main
from vicinal.core.storage.checkpoint import load_tensors
from vicinal.core.storage.run_folder import CHECKPOINT
from vicinal.images.classifier import ImageClassifier

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_plots")]

OPTIONS = "--deterministic --no-cache --batch-size 5 --lr 0.005".split()

TRAIN_ALL = """
import json, os, signal, sys
from vicinal.cli.app import main
from vicinal.core.report import plots

plots.to_svg = lambda *_: "<svg/>"
for port, words in json.loads(sys.argv[1]):
    if port:  # torchrun's store serves one process group
        address = {"TORCHELASTIC_USE_AGENT_STORE": "False", "MASTER_PORT": str(port)}
        os.environ.update(address)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a worker ignores it after training
    code = main(words)
sys.exit(code)
"""
"""runs `vicinal` several times: to start a process takes longer than to train"""


@pytest.fixture(scope="module")
def images(tmp_path_factory, draw) -> Path:
    directory = tmp_path_factory.mktemp("images")
    labels = [*12 * "a", *13 * "b", *9 * "c"]
    for k, label in enumerate(labels):
        (directory / label).mkdir(exist_ok=True)
        image = Image.fromarray(draw(k + 1, 12, 12, channels=1))
        image.save(directory / label / f"{k}.png")
    return directory


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    edges = [(a, b) for a in range(60) for b in range(a) if rng.random() < 0.1]
    nodes = [f"n{k},{y[k] + rng.normal():.3f},c{y[k]}" for k in range(60)]
    directory = tmp_path_factory.mktemp("town")
    (directory / "nodes.csv").write_text("\n".join(["id,a,label", *nodes]))
    lines = ["source,target", *(f"n{a},n{b}" for a, b in edges)]
    (directory / "edges.csv").write_text("\n".join(lines))
    return directory


@pytest.fixture(scope="module")
def commands(images, graph, tmp_path_factory) -> dict[str, list[str]]:
    """Return the words of each training by its name."""
    source = ImageClassifier(backbone="small", epochs=1, cache=False)
    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 12), np.uint8)
    source.fit(noise, ["x", "y"] * 6)
    weights = str(source.save(tmp_path_factory.mktemp("weights") / "source"))
    on_images = ["train", str(images), "--json", *OPTIONS, "--epochs", "4"]
    frozen = f"--weights {weights} --batch-norm frozen --no-compare-scratch".split()
    options = "--network sage --dropout 0 --ensemble-size 1 --keep network --epochs 6"
    options += " --minutes None --lr 0.003"
    on_graph = ["train", str(graph), "--json", *options.split()]
    sampled = "--num-neighbors 100 100 --batch-size 16".split()
    return {
        "scratch": [*on_images, "--backbone", "lenet5"],
        "weights": [*on_images, *frozen],
        "graph": on_graph,
        "sampled": [*on_graph, *sampled],
    }


class Trainings(NamedTuple):
    """What one torchrun did: each training, and last a command with a mistake."""

    runs: Path
    """directory of the runs, each with the name of its training"""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def trainings(commands, tmp_path_factory) -> Trainings:
    home = tmp_path_factory.mktemp("two")
    program, runs = home / "train_all.py", home / "runs"
    program.write_text(TRAIN_ALL)
    runs.mkdir()
    words = [[*commands[name], "--out", str(runs / name)] for name in commands]
    words.append(["train", str(home / "nowhere"), "--json"])
    ports = [0, *free_ports(len(words) - 1)]
    arguments = json.dumps(list(zip(ports, words, strict=True)))
    cache = str(home / "cache")
    with torchrun(str(program), arguments, VICINAL_CACHE=cache) as process:
        out, err = process.communicate()
    return Trainings(runs, process.returncode, out, err)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that no process uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def torchrun(*program: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program in two processes that train together."""
    start = "-m torch.distributed.run --standalone --nproc-per-node=2"
    root = str(Path(vicinal.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, *start.split(), *program],
        env=os.environ | {"PYTHONPATH": root} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def compare(commands, trainings, run_command, tmp_path) -> Callable[[str], None]:
    """Return a function that trains in one process and compares score and weights."""

    def run(name: str) -> None:
        runs = [tmp_path / "one", trainings.runs / name]
        single = run_command(*commands[name], "--out", runs[0]).json()
        summaries = [json.loads(line) for line in trainings.out.splitlines()]
        (double,) = (s for s in summaries if s["run"] == str(runs[1]))
        assert double["score"] == single["score"]
        first, second = (load_tensors(run / "model.safetensors")[0] for run in runs)
        assert first.keys() == second.keys() and len(first) > 8
        for key, tensor in first.items():
            torch.testing.assert_close(tensor, second[key], rtol=1e-3, atol=1e-5)

    return run


def test_one_of_the_two_processes_prints_the_result(trainings, commands):
    assert len(trainings.out.splitlines()) == len(commands), trainings.err


@pytest.mark.parametrize("start", ["scratch", "weights"])
def test_two_processes_train_the_network_of_one(compare, trainings, tmp_path, start):
    """The same epochs and weights up to rounding, in one directory with one report."""
    compare(start)
    runs = tmp_path / "one", trainings.runs / start
    files = [{str(p.relative_to(run)) for p in run.rglob("*")} for run in runs]
    assert files[0] == files[1] and "report.html" in files[1]
    found = [p.name for p in trainings.runs.iterdir() if start in p.name]
    assert found == [start]


def test_an_error_is_printed_once(trainings):
    assert trainings.code != OK
    assert trainings.err.count("vicinal: ") == 1, trainings.err
    assert f"exitcode  : {USER_ERROR}" in trainings.err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_killed_process_ends_the_run_with_a_message_and_a_checkpoint(
    images, tmp_path
):
    run = tmp_path / "run"
    endless = "--backbone lenet5 --epochs 3000 --checkpoint-seconds 3600".split()
    options = [word for word in OPTIONS if word != "--deterministic"]  # no minutes
    words = ["train", str(images), "--out", str(run), *options, *endless]
    lines: list[str] = []
    with torchrun("-m", "vicinal", *words) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("epoch   30"):
                break
        os.kill(find_worker(process.pid), signal.SIGKILL)
        process.stdout.read()
        err = process.stderr.read()
    assert process.returncode != OK
    assert sum(line.startswith("epoch    2") for line in lines) == 1  # by one process
    assert "vicinal: " in err, err
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


@pytest.mark.parametrize("name", ["graph", "sampled"])
def test_two_processes_train_on_a_graph(compare, trainings, name):
    """Each process takes half of the labelled nodes of a step. Without dropout, and
    with samples of all neighbours, the result is the same."""
    compare(name)
    tensors, _ = load_tensors(trainings.runs / name / "model.safetensors")
    assert any(name.startswith("network.0.") for name in tensors)
