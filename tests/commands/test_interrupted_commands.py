"""Ctrl-C and SIGTERM end every command in every phase: one message, no lost work."""

import importlib
import itertools
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("without_plots")

NODES = "--domain nodes --network gcn --ensemble-size 1"
LINKS = "--domain links --decoder dot"


@pytest.fixture
def signal_in(monkeypatch):
    """Return a function that lets a signal come in a call of a function."""

    def patch(name: str, number: int, calls: int = 1) -> None:
        module, _, attribute = name.partition(":")
        owner: Any = importlib.import_module(module)
        *classes, attribute = attribute.split(".")
        for part in classes:
            owner = getattr(owner, part)
        original, numbers = getattr(owner, attribute), itertools.count(1)

        def call(*args: Any, **options: Any) -> Any:
            if next(numbers) == calls:  # one of several threads
                os.kill(os.getpid(), number)
            return original(*args, **options)

        monkeypatch.setattr(owner, attribute, call)

    return patch


@pytest.fixture
def data(tmp_path, image_directory) -> Path:
    """Return a directory with a graph, a collection of graphs, and images."""
    (tmp_path / "town").mkdir()
    nodes = [f"n{k},{k % 7},{'ab'[k // 15 % 2]}" for k in range(60)]
    edges = [f"n{k},n{(k + step) % 60}" for k in range(60) for step in (1, 2)]
    (tmp_path / "town/nodes.csv").write_text("\n".join(["id,x,label", *nodes]))
    (tmp_path / "town/edges.csv").write_text("\n".join(["source,target", *edges]))
    (tmp_path / "rings").mkdir()
    edges = [
        f"g{k},{v},{(v + 1) % (4 + k % 3)}" for k in range(40) for v in range(4 + k % 3)
    ]
    labels = [f"g{k},{'even' if k % 3 % 2 else 'odd'}" for k in range(40)]
    (tmp_path / "rings/edges.csv").write_text(
        "\n".join(["graph_id,source,target", *edges])
    )
    (tmp_path / "rings/graphs.csv").write_text("\n".join(["graph_id,label", *labels]))
    (tmp_path / "images").symlink_to(image_directory)
    return tmp_path


BEFORE_THE_RUN = {
    "check": ("check town --domain nodes", "vicinal.graphs.commands.nodes:read_graph"),
    "reading nodes": (f"train town {NODES}", "vicinal.graphs.commands.nodes:read"),
    "reading links": (f"train town {LINKS}", "vicinal.graphs.commands.links:read"),
    "reading graphs": ("train rings", "vicinal.graphs.commands.graphs:read"),
}


@pytest.mark.parametrize("phase", BEFORE_THE_RUN)
def test_before_there_is_a_run(phase, data, monkeypatch, run_command, signal_in):
    words, function = BEFORE_THE_RUN[phase]
    monkeypatch.chdir(data)
    signal_in(function, signal.SIGTERM)
    output = run_command(*words.split(), "--json")
    assert output == (128 + signal.SIGTERM, "", output.err)
    assert output.err.endswith("vicinal: interrupted\n")
    assert not Path("runs").exists()


STEP = "vicinal.core.training.trainer:Trainer._step"
IN_A_RUN = {
    "audit": ("images", "--no-cache", "vicinal.images.data.audit:ImageReader.read"),
    "linear baseline of nodes": (
        "town",
        NODES,
        "vicinal.graphs.nodes.propagated_features:propagate_features",
    ),
    "linear baseline of links": (
        "town",
        LINKS,
        "vicinal.graphs.links.features:adjacency_matrix",
    ),
    "linear baseline of graphs": (
        "rings",
        "",
        "vicinal.graphs.graph_level.graph_features:graph_features",
    ),
    "training on images": ("images", "--deterministic --no-cache", STEP),
    "training on nodes": ("town", f"{NODES} --keep network", STEP),
    "training on links": ("town", f"{LINKS} --keep network", STEP),
    "training on graphs": ("rings", "--keep network", STEP),
    "evaluation": (
        "town",
        "--domain nodes --network none",
        "vicinal.core.estimators.training_run:TrainingRun.evaluate",
    ),
    "report": (
        "town",
        "--domain nodes --network none",
        "vicinal.core.estimators.training_run:make_report",
    ),
}


@pytest.mark.parametrize("phase", IN_A_RUN)
def test_in_a_run(phase, data, monkeypatch, run_command, signal_in):
    name, flags, function = IN_A_RUN[phase]
    monkeypatch.chdir(data)
    signal_in(function, signal.SIGTERM, calls=3 if function == STEP else 1)
    words = ("train", name, "--out", "run", *flags.split(), "--epochs", "1000")
    output = run_command(*words, "--json")
    assert (output.code, output.out) == (128 + signal.SIGTERM, "")
    *_, first, command = output.err.splitlines()
    assert first == "vicinal: Interrupted. Resume with:"
    assert shlex.split(command)[1:3] == ["train", str((data / name).resolve())]
    assert not Path("run/metrics.json").exists()
    saved = Path("run/checkpoints/last.safetensors")
    assert saved.exists() == phase.startswith("training")


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain"])
def test_using_a_model(
    command, data, image_run, monkeypatch, run_command, signal_in, tmp_path
):
    signal_in("vicinal.images.data.audit:ImageReader.read", signal.SIGTERM)
    words = [command, image_run, data / "images"]
    if command == "explain":
        words[2] = data / "images" / "dark" / "0.png"
    if command == "predict":
        words += ["--output", tmp_path / "found.csv"]
    output = run_command(*words, "--json")
    assert output == (128 + signal.SIGTERM, "", "vicinal: interrupted\n")
    assert not list(tmp_path.glob("*found*"))
