"""Fixtures of all tests: a cache of their own, small images, and the command line."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import vicinal

# one process runs thousands of tests and should release memory
os.environ.setdefault("VICINAL_KEEP_MEMORY", "0")

Draw = Callable[..., np.ndarray]
MakeFolder = Callable[..., Path]


WHOLE_PROGRAMS = ("test_torchrun", "test_kill", "test_one_cache", "test_distributed")
"""files that start other processes: first, so that no slow one is left for the end"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in WHOLE_PROGRAMS)  # a stable sort


@pytest.fixture(scope="session")
def make_cache(tmp_path_factory) -> Callable[[], Path]:
    """Return a function that makes a new empty cache.

    `mktemp` would list the directories of all tests before each test.
    """
    root, numbers = tmp_path_factory.mktemp("caches"), itertools.count()

    def make() -> Path:
        folder = root / str(next(numbers))
        folder.mkdir()
        return folder

    return make


@pytest.fixture(autouse=True)
def own_cache(make_cache, monkeypatch) -> Path:
    """Keep tests away from the user's cache."""
    folder = make_cache()
    monkeypatch.setenv("VICINAL_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    return folder


def draw_image(
    seed: int = 0, height: int = 24, width: int = 32, channels: int = 3
) -> np.ndarray:
    """Return a smooth random image [H, W, C] of uint8, [H, W] for grey."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = rng.uniform(1, 9, (channels, 3))
    planes = [np.sin(a * x + b * y + c) for a, b, c in waves]
    pixels = np.rint(np.stack(planes, axis=-1) * 120 + 128).astype(np.uint8)
    return pixels if channels > 1 else pixels[..., 0]


@pytest.fixture(scope="session")
def draw() -> Draw:
    return draw_image


@pytest.fixture
def make_directory(tmp_path) -> MakeFolder:
    """Return a function that writes images: {"train/cat": 3, "train/dog": 2}."""
    number_of_images = 0

    def make(counts: dict[str, int], name: str = "data", **options) -> Path:
        nonlocal number_of_images
        root = tmp_path / name
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                number_of_images += 1
                image = Image.fromarray(draw_image(number_of_images, **options))
                image.save(root / folder / f"{number}.png")
        return root

    return make


@pytest.fixture(scope="session")
def image_directory(tmp_path_factory) -> Path:
    """A directory of 20 images of 8 x 8 pixels, ten dark and ten light."""
    root = tmp_path_factory.mktemp("shades") / "images"
    for shade, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for k in range(10):
            image = Image.new("L", (8, 8), 60 + 120 * shade + k)
            image.putpixel((k % 8, k // 8), 255 - 255 * shade)
            image.save(root / name / f"{k}.png")
    return root


@pytest.fixture(scope="session")
def image_run(image_directory) -> Path:
    """A run of `vicinal train` on these images; tests do not change it."""
    from vicinal.cli.app import main

    run = image_directory.parent / "run"
    flags = "--epochs 2 --deterministic --no-cache --augment none".split()
    assert main(["train", str(image_directory), "--out", str(run), *flags]) == 0
    return run


@pytest.fixture
def without_plots(monkeypatch) -> None:
    """Leave the plots of reports empty: they take most of the time of a small run."""
    monkeypatch.setattr("vicinal.core.report.plots.to_svg", lambda *_: "<svg/>")


@pytest.fixture
def without_openvino(monkeypatch) -> None:
    """Compute with torch alone: compiling takes most of the time of a small model."""
    monkeypatch.setattr("vicinal.core.compute.openvino._first_process", -1)


class Output(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return the one JSON object on stdout, where nothing else may be."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1
        return json.loads(self.out, parse_constant=pytest.fail)


@pytest.fixture
def run_command(capsys) -> Callable[..., Output]:
    """Return a function that runs the command line in this process."""
    from vicinal.cli.app import main

    def run(*words: object) -> Output:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Output(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(run_command) -> Callable[..., str]:
    """Return a function that runs a command and returns its one error message."""

    def run(*words: object) -> str:
        output = run_command(*words, "--json")
        assert (output.code, output.out) == (2, "")
        assert "Traceback" not in output.err
        _, message = output.err.split("vicinal: ")
        return message.strip()

    return run


@pytest.fixture(scope="session")
def run_in_forks() -> Iterator[Callable[..., list[Output]]]:
    """Return a function that runs Python code with arguments and an environment.

    Programs of one call run at the same time, each in a fork of one process that has
    done all imports (`fork_server.py`).
    """
    with subprocess.Popen(
        [sys.executable, "-P", Path(__file__).with_name("fork_server.py")],
        env=environment_of_a_process(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        requests, replies = server.stdin, server.stdout
        assert replies.readline() == "ready\n"

        def run(
            *programs: tuple[str, list[str], dict[str, str]], seconds: float = 120
        ) -> list[Output]:
            environment = environment_of_a_process()
            whole = [
                (code, words, environment | more) for code, words, more in programs
            ]
            print(json.dumps([whole, seconds]), file=requests, flush=True)
            return [Output(*reply) for reply in json.loads(replies.readline())]

        yield run


def environment_of_a_process() -> dict[str, str]:
    """Return variables with which a new process imports this `vicinal`."""
    root = str(Path(vicinal.__file__).parents[1])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Yield a mounted disk of 1 MB; skip the test where that is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a disk")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Callable[[str], Path]:
    """Return a function from a domain to a saved model; tests do not change it."""

    @cache
    def save(domain: str) -> Path:
        folder = tmp_path_factory.mktemp(domain) / "model"
        return FIT_TINY[domain]().save(folder)

    return save


def fit_images() -> Any:
    x = np.arange(24, dtype=np.uint8)[:, None, None] * 9 + np.zeros((8, 8), np.uint8)
    model = vicinal.ImageClassifier(
        epochs=1, augment="none", deterministic=True, cache=False, near_duplicates=False
    )
    return model.fit(x, ["dark"] * 12 + ["light"] * 12)


def fit_nodes() -> Any:
    import pandas as pd

    rng = np.random.default_rng(0)
    nodes = pd.DataFrame({"id": [f"n{k}" for k in range(30)], "a": rng.normal(size=30)})
    nodes["label"] = ["x", "y"] * 15
    edges = pd.DataFrame(rng.integers(0, 30, (60, 2)), columns=["source", "target"])
    edges = "n" + edges.astype(str)
    options = {"network": "gcn", "keep": "network", "epochs": 1, "ensemble_size": 1}
    model = vicinal.NodeClassifier(**options, hidden=4)
    return model.fit(nodes, edges=edges)


def fit_links() -> Any:
    import networkx as nx
    import pandas as pd

    edges = pd.DataFrame(
        [(f"n{a}", f"n{b}") for a, b in nx.watts_strogatz_graph(20, 4, 0.3, 1).edges],
        columns=["source", "target"],
    )
    model = vicinal.LinkPredictor(
        decoder="dot", keep="network", node_embeddings="free", epochs=1, hidden=4
    )
    return model.fit(edges)


def fit_bipartite() -> Any:
    import pandas as pd

    rng = np.random.default_rng(0)
    pairs = {(f"u{a}", f"i{b}") for a, b in rng.integers(0, 12, (60, 2))}
    edges = pd.DataFrame(sorted(pairs), columns=["user", "item"])
    model = vicinal.LinkPredictor(
        bipartite="yes", decoder="dot", keep="network", epochs=1, hidden=4
    )
    return model.fit(edges)


def fit_graphs() -> Any:
    import networkx as nx

    graphs = [nx.cycle_graph(5) if k % 2 else nx.star_graph(4) for k in range(20)]
    model = vicinal.GraphClassifier(keep="network", epochs=1, hidden=4, layers=1)
    return model.fit(graphs, ["ring", "star"] * 10)


def fit_molecules() -> Any:
    chains = ["C" * k for k in range(2, 12)]
    smiles = [chain + end for chain in chains for end in ("O", "CN", "F")]
    model = vicinal.MoleculeClassifier(
        keep="network",
        epochs=1,
        hidden=4,
        folds=2,
        split="random",
        descriptors="fast",
        test_fraction=0.2,
    )
    return model.fit(smiles, ["x", "y", "x"] * 10)


FIT_TINY: dict[str, Callable[[], Any]] = {
    "images": fit_images,
    "nodes": fit_nodes,
    "links": fit_links,
    "bipartite": fit_bipartite,
    "graphs": fit_graphs,
    "molecules": fit_molecules,
}


@pytest.fixture(scope="session")
def use_model() -> Callable[[Any], None]:
    """Return a function that predicts with a model of `tiny_model` and evaluates it."""

    def use(model: Any) -> None:
        import networkx as nx

        kind = type(model).__name__
        if kind.startswith("Image"):
            x = np.arange(6, dtype=np.uint8)[:, None, None] * 40 + np.zeros(
                (8, 8), "u1"
            )
            classes = model.objective_.classes or (0.5, 1.5)
            check_predictions(model.predict_proba(x))
            model.evaluate(x, [*classes, *classes, *classes][:6])
        elif kind.startswith("Graph"):
            graphs = [nx.cycle_graph(4), nx.star_graph(3)]
            check_predictions(model.predict_proba(graphs))
            model.evaluate()
        elif kind.startswith("Molecule"):
            check_predictions(model.predict_proba(["CCO", "CCCCC(=O)O"]))
            model.evaluate()
        elif kind.startswith("Link"):
            ids = model.graph_.ids
            check_predictions(model.predict_proba([(ids[0], k) for k in ids[1:]]))
            model.evaluate()
        else:
            check_predictions(model.predict_proba())
            model.evaluate()

    return use


def check_predictions(predicted: np.ndarray) -> None:
    assert np.isfinite(predicted).all()
    assert (predicted >= 0).all() and (predicted <= 1).all()
