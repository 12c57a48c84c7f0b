"""Data in files, and runs that several tests read and none changes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import main

FILES = {
    "settings.json", "env.json", "classes.json", "metrics.csv", "metrics.json",
    "model.json", "model.safetensors", "predictions.csv", "report.html", "report.json",
    "report.txt", "data/index.csv", "data/splits.csv", "data/quarantine.csv",
}  # fmt: skip

Tables = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]


@pytest.fixture(autouse=True)
def in_empty_directory(tmp_path, monkeypatch, without_plots) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def home(tmp_path_factory, block_tables: Tables) -> Path:
    """Return a directory with the data `town` and `rings`."""
    home = tmp_path_factory.mktemp("graphs")
    nodes, edges = block_tables()
    write_town(home / "town", nodes, edges)
    write_rings(home / "rings")
    return home


def write_town(directory: Path, nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    directory.mkdir()
    nodes.to_csv(directory / "nodes.csv", index=False)
    edges.to_csv(directory / "edges.csv", index=False)


def write_rings(directory: Path) -> None:
    """Write rings, and rings with a chord: sixty of five to nine nodes."""
    directory.mkdir()
    edges, labels = ["graph_id,source,target"], ["graph_id,label"]
    for k in range(60):
        size = 5 + k % 5
        ends = [(v, (v + 1) % size) for v in range(size)] + [(0, 2)] * (k % 2)
        edges += [f"g{k},{a},{b}" for a, b in ends]
        labels.append(f"g{k},{'chord' if k % 2 else 'ring'}")
    (directory / "edges.csv").write_text("\n".join(edges))
    (directory / "graphs.csv").write_text("\n".join(labels))


@pytest.fixture
def town(tmp_path, block_tables: Tables) -> Path:
    """Return tables of 150 nodes of three classes, which a test may change."""
    write_town(tmp_path / "town", *block_tables())
    return tmp_path / "town"


@pytest.fixture
def rings(tmp_path) -> Path:
    """Return tables of sixty graphs, which a test may change."""
    write_rings(tmp_path / "rings")
    return tmp_path / "rings"


def train(home: Path, data: str, name: str, *flags: str) -> str:
    run = home / f"run-{name}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.core.report.plots.to_svg", lambda *_: "<svg/>")
        assert main(["train", str(home / data), "--out", str(run), *flags]) == 0
    return str(run)


@pytest.fixture(scope="session")
def node_run(home: Path) -> str:
    """Return a run whose model is the linear baseline."""
    return train(home, "town", "nodes", "--network", "none")


@pytest.fixture(scope="session")
def gcn_run(home: Path) -> str:
    """Return a run whose model is one GCN of two layers."""
    flags = ("--network", "gcn", "--keep", "network", "--epochs", "3")
    return train(home, "town", "gcn", *flags, "--ensemble-size", "1")


@pytest.fixture(scope="session")
def link_run(home: Path) -> str:
    """Return a run of links whose model is the linear baseline."""
    flags = ("--domain", "links", "--decoder", "none")
    return train(home, "town", "links", *flags)


@pytest.fixture(scope="session")
def graph_run(home: Path) -> str:
    """Return a run of whole graphs whose model is the linear baseline."""
    return train(home, "rings", "graphs", "--network", "none")


@pytest.fixture(scope="session")
def gin_run(home: Path) -> str:
    """Return a run of whole graphs whose model is a GIN."""
    flags = ("--keep", "network", "--epochs", "3")
    return train(home, "rings", "gin", *flags)


@pytest.fixture
def check_files() -> Callable[[Path], None]:
    """Return a function that asserts that a run directory is complete."""

    def check(run: Path) -> None:
        files = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
        assert files >= FILES

    return check


@pytest.fixture
def labelled(town: Path) -> Callable[[str], None]:
    """Return a function that gives `town` other labels: `numeric` or `multilabel`."""

    def relabel(kind: str) -> None:
        nodes = pd.read_csv(town / "nodes.csv")
        if kind == "numeric":
            nodes["label"] = 20 + 3 * nodes["a"] + np.arange(len(nodes)) / 100
        else:
            nodes["label"] += np.where(nodes["a"] > 0, "|high", "|low")
        nodes.to_csv(town / "nodes.csv", index=False)

    return relabel
