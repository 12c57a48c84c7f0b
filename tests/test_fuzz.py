"""Damaged files of every form that is read: refused with a message, whatever is broken.

Valid files are changed at random, in a forked child: a crash, a hang or an exception
that is no VicinalError is a failure, which names the seed of the change.
"""

import itertools
import json
import os
import random
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch
from PIL import Image

import vicinal
from vicinal.core.report.report import Figure, Matrix, Report, Section, Table, Text
from vicinal.core.report.report_file import read_report
from vicinal.core.storage.checkpoint import load_checkpoint, save_tensors
from vicinal.core.storage.files import sha256
from vicinal.core.storage.run_folder import read_settings
from vicinal.core.training.history import PROGRESS
from vicinal.errors import VicinalError
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.images.data.audit import ImageReader

pytestmark = pytest.mark.slow

CHANGES = int(os.environ.get("FUZZ_CHANGES", "700"))
"""changed files of each form"""

MAX_SECONDS = 30
"""for one file; more is a hang"""

MAX_BYTES = 6 << 30
"""of address space that a child may use beyond that of its parent"""

TOKENS = (
    b"nan", b"-1", b"1e400", b"9" * 30, b"\0", b"\xff\xfe", b'"', b",", b"\n", b"\t",
    b"[", b"{", b"]", b"}", b"null", b"<", b"&", b" ", b";", b"0x1", b"2147483648",
)  # fmt: skip

Files = dict[str, bytes]


def change(data: bytes, rng: random.Random) -> bytes:
    """Return bytes that are flipped, cut, inserted, repeated or removed."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        end = at + rng.choice((1, 4, 50))
        kind = rng.randrange(7)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            found[at:at] = rng.randbytes(end - at)
        elif kind == 3:
            found[at:at] = rng.choice(TOKENS)
        elif kind == 4:
            found[at:end] = rng.choice(TOKENS)
        elif kind == 5:
            found[at:at] = found[at:end] * 3
        else:
            del found[at:end]
    return bytes(found)


# --- valid files -----------------------------------------------------------------


def read_folder(folder: Path) -> Files:
    names = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def image_seeds(suffix: str, mode: str = "RGB") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        for name in ("cat", "dog"):
            (folder / name).mkdir()
            image = Image.fromarray(pixels).convert(mode)
            image.save(folder / name / f"a.{suffix}")

    return write


def write_images_csv(folder: Path) -> None:
    for name in "abcd":
        Image.new("L", (8, 8), ord(name)).save(folder / f"{name}.png")
    rows = "a.png,x\nb.png,y\nc.png,x\nd.png,y\n"
    (folder / "labels.csv").write_text(f"path,label\n{rows}")


def write_idx(folder: Path) -> None:
    for split in ("train", "t10k"):
        images = b"\0\0\x08\x03" + (6).to_bytes(4) + (4).to_bytes(4) * 2 + bytes(96)
        labels = b"\0\0\x08\x01" + (6).to_bytes(4) + bytes([0, 1] * 3)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(labels)


def graph() -> Any:
    found = nx.karate_club_graph()
    nx.set_node_attributes(found, {n: f"c{n % 2}" for n in found}, "label")
    nx.set_node_attributes(found, {n: n / 7 for n in found}, "size")
    return found


def write_graph(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path, source = folder / f"a.{suffix}", graph()
        if suffix == "json":
            data = nx.node_link_data(source, edges="links")
            path.write_text(json.dumps(data, default=str))
        else:
            getattr(nx, f"write_{suffix}")(source, path)

    return write


def adjacency() -> Any:
    return scipy.sparse.csr_matrix(nx.to_scipy_sparse_array(nx.karate_club_graph()))


def write_arrays(folder: Path) -> None:
    a = adjacency()
    names = ("data", "indices", "indptr", "shape")
    arrays: Any = {f"adj_{k}": np.asarray(getattr(a, k)) for k in names}
    x, y = np.eye(34, dtype=np.float32), np.arange(34) % 2
    np.savez(folder / "a.npz", **arrays, attr_matrix=x, labels=y)


def write_edge_list(folder: Path) -> None:
    lines = [f"{a} {b} {a + b}" for a, b in graph().edges]
    (folder / "a.txt").write_text("# a comment\n" + "\n".join(lines))


def write_node_tables(folder: Path) -> None:
    rows = [f"n{n},{n % 2},{n / 3:.2f},{'ab'[n % 2]}" for n in range(34)]
    (folder / "nodes.csv").write_text("id,label,size,kind\n" + "\n".join(rows))
    edges = [f"n{a},n{b},{a + 1}" for a, b in graph().edges]
    (folder / "edges.csv").write_text("source,target,weight\n" + "\n".join(edges))


def write_graph_tables(folder: Path) -> None:
    rows = [f"g{k},{a},{(a + 1) % 5}" for k in range(6) for a in range(5)]
    (folder / "edges.csv").write_text("graph_id,source,target\n" + "\n".join(rows))
    labels = [f"g{k},{'xy'[k % 2]}" for k in range(6)]
    (folder / "graphs.csv").write_text("graph_id,label\n" + "\n".join(labels))


def write_tu(folder: Path) -> None:
    ends = [
        (5 * k + a + 1, 5 * k + (a + 1) % 5 + 1) for k in range(4) for a in range(5)
    ]
    files = {
        "A": [f"{a}, {b}" for a, b in ends],
        "graph_indicator": [str(n // 5 + 1) for n in range(20)],
        "graph_labels": ["1", "-1", "1", "-1"],
        "node_labels": [str(n % 3) for n in range(20)],
        "node_attributes": [f"{n / 2}, {n}" for n in range(20)],
    }
    for name, lines in files.items():
        (folder / f"T_{name}.txt").write_text("\n".join(lines) + "\n")


def write_gin(folder: Path) -> None:
    nodes = [f"{a % 2} 2 {(a - 1) % 4} {(a + 1) % 4}" for a in range(4)]
    lines = [line for k in range(4) for line in (f"4 {k % 2}", *nodes)]
    (folder / "T.txt").write_text("\n".join(["4", *lines]) + "\n")


def write_settings(folder: Path) -> None:
    options = {"target": None, "directed": False}
    values = {"domain": "nodes", "data": "/x", "options": options, "parameters": {}}
    (folder / "settings.json").write_text(json.dumps(values))


def write_report(folder: Path) -> None:
    blocks: list = [
        Text("a"), Table(["a"], [[1]]), Figure("<svg><path d='M 0 0'/></svg>"),
        Matrix(["x"], [[1]]),
    ]  # fmt: skip
    values = Report("run", "today", [Section("s", blocks)]).to_dict()
    (folder / "report.json").write_text(json.dumps(values))


def write_checkpoint(folder: Path) -> None:
    metadata = {"epoch": 1, "step": 2, "examples": 3, "loss_sum": 0.1, "seconds": 1.0}
    tensors = {"a": torch.ones(3, 2), "b": torch.arange(5)}
    path = folder / "last.safetensors"
    save_tensors(path, tensors, metadata | {"history": []}, checksum=False)


# --- readers ---------------------------------------------------------------------


def read_images(path: Path) -> None:
    table = vicinal.read_images(path)
    reader = ImageReader(8, "crop", None, 10**6)
    for row in range(len(table)):
        reader.read(table, row)


def read_graph(path: Path) -> None:
    table = vicinal.read_graph(path)
    assert table.adjacency.num_nodes == len(table)
    encoder, _ = FeatureEncoder.from_features(table.features)
    encoder.transform(table.features, len(table))


def read_collection(path: Path) -> None:
    found = read_graphs(path)
    assert len(found.batch) == len(found.nodes)


def load_model(folder: Path, use: Callable[[Any], None]) -> None:
    """Use a model whose hash is that of its tensors, however they were changed."""
    path = folder / "model.json"
    try:
        values = json.loads(path.read_text())
        values["sha256"] = sha256(folder / "model.safetensors")
        path.write_text(json.dumps(values))
    except (ValueError, TypeError, OSError):
        pass
    use(vicinal.load(folder))


def read_page(folder: Path) -> None:
    page = read_report(folder)
    page.html()
    page.text()


FORMS: dict[str, tuple[Callable[[Path], Any], str, Callable[[Path], Any]]] = {
    **{
        suffix: (image_seeds(suffix), ".", read_images)
        for suffix in ("png", "jpg", "bmp", "tiff", "webp", "ppm", "tga")
    },
    "gif": (image_seeds("gif", "P"), ".", read_images),
    "tiff of 16 bits": (image_seeds("tiff", "I;16"), ".", read_images),
    "png with a palette": (image_seeds("png", "P"), ".", read_images),
    "images.csv": (write_images_csv, "labels.csv", read_images),
    "idx": (write_idx, ".", read_images),
    **{
        suffix: (write_graph(suffix), f"a.{suffix}", read_graph)
        for suffix in ("graphml", "gexf", "gml", "json")
    },
    "arrays.npz": (write_arrays, "a.npz", read_graph),
    "scipy.npz": (
        lambda folder: scipy.sparse.save_npz(folder / "a.npz", adjacency()),
        "a.npz",
        read_graph,
    ),
    "mtx": (lambda f: scipy.io.mmwrite(f / "a.mtx", adjacency()), "a.mtx", read_graph),
    "mat": (
        lambda folder: scipy.io.savemat(folder / "a.mat", {"A": adjacency()}),
        "a.mat",
        read_graph,
    ),
    "edge list": (write_edge_list, "a.txt", read_graph),
    "node tables": (write_node_tables, ".", read_graph),
    "graph tables": (write_graph_tables, ".", read_collection),
    "tu": (write_tu, ".", read_collection),
    "gin": (write_gin, "T.txt", read_collection),
    "settings": (write_settings, ".", read_settings),
    "report": (write_report, ".", read_page),
    "checkpoint": (
        write_checkpoint,
        "last.safetensors",
        lambda path: load_checkpoint(path, PROGRESS),
    ),
}


# --- children --------------------------------------------------------------------


def find_failures(
    files: Files, main: str, read: Callable[[Path], Any], folder: Path, count: int
) -> list[str]:
    """Read `count` changes of files in forked children; describe what went wrong."""
    failures: list[str] = []
    log, start = folder / "log", 0
    while start < count and len(failures) < 5:
        log.write_bytes(b"")
        child = os.fork()
        if not child:
            try:
                _read_changes(files, main, read, folder, range(start, count))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        lines = log.read_text().splitlines()
        last = int(lines[-1].split()[0]) if lines else start
        failures += [line for line in lines if " " in line]
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            failures.append(f"{last} {'hang' if name == 'SIGALRM' else name}")
        elif last < count - 1 and " " not in lines[-1]:
            failures.append(f"{last} the process ended")
        start = last + 1
    return failures


def _read_changes(
    files: Files, main: str, read: Callable[[Path], Any], folder: Path, seeds: range
) -> None:
    """Read changed files in a child; append the number of each, and failures."""
    warnings.simplefilter("ignore")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MAX_BYTES, used + MAX_BYTES))
    place = folder / "data"
    with (folder / "log").open("a", buffering=1) as log:
        for number in seeds:
            print(number, file=log)
            rng = random.Random(number)
            changed = rng.choice(sorted(files))
            for name, data in files.items():
                path = place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(change(data, rng) if name == changed else data)
            signal.alarm(MAX_SECONDS)
            try:
                read(place / main)
            except VicinalError:
                continue
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                text = f"{error!r}"[:200].replace("\n", " ")
                print(f"{number} {text} in {where.name} ({where.filename})", file=log)
                return
            finally:
                signal.alarm(0)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files_are_read_or_refused(form, tmp_path):
    write, main, read = FORMS[form]
    (tmp_path / "seed").mkdir()
    write(tmp_path / "seed")
    files = read_folder(tmp_path / "seed")
    read(tmp_path / "seed" / main)  # the seed itself is valid
    count = CHANGES // 7 if form == "mat" else CHANGES  # a process for each
    assert find_failures(files, main, read, tmp_path, count) == []


@pytest.mark.parametrize("domain", ["images", "nodes", "links", "bipartite", "graphs"])
def test_damaged_models_are_usable_or_are_refused(
    domain, tiny_model, use_model, tmp_path
):
    files = read_folder(tiny_model(domain))

    def read(folder: Path) -> None:
        load_model(folder, use_model)

    assert find_failures(files, ".", read, tmp_path, CHANGES) == []


def test_failures_are_seen(tmp_path):
    def read(path: Path) -> None:
        number = next(numbers)
        if number == 3:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 7:
            raise KeyError("x")

    numbers = itertools.count()
    found = find_failures({"a": b"abc"}, "a", read, tmp_path, 6)
    assert found == ["3 SIGSEGV"]
    numbers = itertools.count(5)
    (failure,) = find_failures({"a": b"abc"}, "a", read, tmp_path, 3)
    assert failure.startswith("2 KeyError('x') in read")
