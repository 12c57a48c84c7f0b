"""Samples of a large graph a second, and what learning from them takes.

A random graph of the size of ogbn-products (2.4 M nodes) with 60 M edges, whose degrees
fall off like those of citations (R-MAT), and 100 features a node. For 1,024 nodes 15
neighbours of each are drawn, 10 of each of those, and 5 of each of those.

Beside it: PyG's NeighborLoader, where it can be had (it wants a compiled extension that
the package index has no wheel of), and the memory's own limit, which is reading as many
numbers, at as random places, as edges were drawn. Learning runs in a process of its
own, which says how much memory it took at most, all in all.

    python -m benchmarks.sampling
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import argparse
import sys
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.aggregation import rmat
from benchmarks.measure import tell
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.neighbor_sampler import Sampler

NODES, EDGES, WIDTH, CLASSES = 2_400_000, 60_000_000, 100, 40
SEEDS, COUNTS = 1024, (15, 10, 5)

WANTED, MEMORY = 5e6, 8.0
"""sampled edges a second; gigabytes"""


def ours(graph: Adjacency, n: int) -> list[dict[str, float]]:
    """Seconds and edges of n batches."""
    sampler, found = Sampler(graph), []
    for k in range(-2, n):
        torch.manual_seed(k % 2**32)
        rows = torch.randperm(NODES)[:SEEDS]
        started_at = time.perf_counter()
        blocks = sampler.blocks(rows, COUNTS)
        seconds = time.perf_counter() - started_at
        edges = sum(block.num_edges for block in blocks)
        if k >= 0:
            found.append({"seconds": seconds, "edges": edges})
    return found


def floor(graph: Adjacency, edges: int, n: int) -> list[float]:
    """Seconds for reading as many sources at random places."""
    sources, found = graph.incoming.sources, []
    for k in range(-2, n):
        places = torch.randint(0, graph.num_edges, (edges,))
        started_at = time.perf_counter()
        sources.index_select(0, places)
        if k >= 0:
            found.append(time.perf_counter() - started_at)
    return found


def theirs(edge_index: torch.Tensor, n: int) -> Any:
    """Seconds and edges of PyG's batches, or why there are none."""
    from torch_geometric.data import Data
    from torch_geometric.loader import NeighborLoader

    data = Data(edge_index=edge_index, num_nodes=NODES)
    found = []
    try:
        loader = NeighborLoader(
            data,
            num_neighbors=list(COUNTS),
            batch_size=SEEDS,
            input_nodes=torch.randperm(NODES)[: SEEDS * (n + 2)],
        )
        started_at = time.perf_counter()
        for k, batch in enumerate(loader):
            seconds = time.perf_counter() - started_at
            if k >= 2:
                found.append({"seconds": seconds, "edges": batch.edge_index.shape[1]})
            started_at = time.perf_counter()
    except ImportError as error:
        return str(error)
    return found


def learn(folder: str, answer: Any) -> None:
    """Learn from samples for one pass over 100,000 nodes; tell what it took."""
    from vicinal.graphs.node_estimators import NodeClassifier

    started_at, own = time.perf_counter(), [0.0]

    def watch() -> None:  # what is mapped from files is not its own
        while True:
            own[0] = max(own[0], _gigabytes("RssAnon"))
            time.sleep(0.1)

    threading.Thread(target=watch, daemon=True).start()
    model = NodeClassifier(
        network="sage",
        layers=3,
        neighbours=COUNTS,
        hidden=128,
        members=1,
        epochs=1,
        minutes=None,
        deliver="networks",
        memory=2.0,
    )
    model.fit(folder)
    answer.send(
        {
            "all in all, s": time.perf_counter() - started_at,
            "epoch, s": model.history_[0].seconds,
            "nodes a second": model.history_[0].per_second,
            "peak of its own, GB": own[0],
            "peak with mapped files, GB": _gigabytes("VmHWM"),
        }
    )


def _gigabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1e6


def in_a_process(edge_index: np.ndarray) -> dict[str, float]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, NODES)
    split = rng.permutation(NODES)
    with tempfile.TemporaryDirectory() as folder:
        x = np.lib.format.open_memmap(
            f"{folder}/x.npy", "w+", np.float32, (NODES, WIDTH)
        )
        for k in range(0, NODES, 100_000):
            x[k : k + 100_000] = rng.normal(size=(len(x[k : k + 100_000]), WIDTH))
        x.flush()
        arrays = {
            "edge_index": edge_index,
            "y": y,
            "train": split[:100_000],
            "val": split[100_000:110_000],
            "test": split[110_000:120_000],
        }
        for name, array in arrays.items():
            np.save(f"{folder}/{name}.npy", array)
        del x, arrays, y, split
        here, there = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=learn, args=(folder, there))
        process.start()
        there.close()
        try:
            return here.recv()
        finally:
            process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-n", type=int, default=20, help="batches")
    parser.add_argument("--skip-learning", action="store_true")
    options = parser.parse_args()
    edge_index = rmat(NODES, EDGES)
    started_at = time.perf_counter()
    graph = Adjacency.of(torch.from_numpy(edge_index), NODES)
    built = time.perf_counter() - started_at
    batches = ours(graph, options.n)
    edges = int(np.median([b["edges"] for b in batches]))
    rates = sorted(b["edges"] / b["seconds"] for b in batches)
    least = sorted(edges / s for s in floor(graph, edges, options.n))
    middle = len(rates) // 2
    rows: list[dict[str, Any]] = [
        {
            "what": "sampling",
            "edges a batch": edges,
            "edges/s": rates[middle],
            "low": rates[0],
            "high": rates[-1],
            "batches/s": rates[middle] / edges,
            "wanted": WANTED,
            "reading at random places, edges/s": least[middle],
            "build, s": built,
            "n": options.n,
        }
    ]
    print(rows[-1], file=sys.stderr, flush=True)
    peer = theirs(torch.from_numpy(edge_index), options.n)
    if isinstance(peer, str):
        rows.append({"what": "PyG's NeighborLoader", "none": peer})
    else:
        found = sorted(b["edges"] / b["seconds"] for b in peer)
        rows.append({"what": "PyG's NeighborLoader", "edges/s": found[len(found) // 2]})
    print(rows[-1], file=sys.stderr, flush=True)
    del graph
    if not options.skip_learning:
        took = in_a_process(edge_index)
        rows.append({"what": "learning", **took, "wanted, GB": MEMORY})
        print(rows[-1], file=sys.stderr, flush=True)
    claim = f"{NODES:,} nodes, {EDGES:,} edges (R-MAT), {vicinal.__version__}"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
