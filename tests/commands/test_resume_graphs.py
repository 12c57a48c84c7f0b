"""`vicinal train --resume` on graphs: other data than those of the run are refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("without_plots")

SETTINGS = {
    "nodes": "--domain nodes --network gcn --ensemble-size 1 --keep network --epochs 3",
    "nodes, linear": "--domain nodes --network none",
    "links": "--domain links --decoder dot --keep network --epochs 3",
    "links, linear": "--domain links",
}


def write_graph(directory: Path, seed: int) -> Path:
    """Write the same nodes and labels for every seed, with other edges."""
    directory.mkdir(exist_ok=True)
    nodes = [f"n{k},{k % 7},{'ab'[k % 2]}" for k in range(60)]
    (directory / "nodes.csv").write_text("\n".join(["id,x,label", *nodes]))
    ends = np.random.default_rng(seed).integers(0, 60, (150, 2))
    edges = [f"n{a},n{b}" for a, b in ends if a != b]
    (directory / "edges.csv").write_text("\n".join(["source,target", *edges]))
    return directory


def contents(run: Path) -> dict[str, str]:
    """Return a hash of each file of a run, besides those that a command may touch."""
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.rglob("*")
        if path.is_file() and path.name not in (".lock", "settings.json", "env.json")
    }


@pytest.mark.parametrize(
    "name", ["nodes", pytest.param("links, linear", marks=pytest.mark.slow)]
)
def test_a_refused_run_stays_as_it_was(name, tmp_path, run_command, refused):
    data, run = write_graph(tmp_path / "data", 0), tmp_path / "run"
    words = ("train", data, "--out", run, *SETTINGS[name].split())
    assert run_command(*words).code == 0
    before = contents(run)
    assert {"model.safetensors", "data/splits.csv", "metrics.json"} <= set(before)
    write_graph(data, 1)
    message = refused(*words, "--resume")
    assert "began with other data or settings" in message
    assert contents(run) == before
    write_graph(data, 0)
    assert run_command(*words, "--resume").code == 0
