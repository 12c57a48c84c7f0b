"""Neighbour sampling on a large graph: edges per second, and training with it.

A random graph of the size of ogbn-products (2.4 M nodes) with 60 M edges and a skewed
degree distribution (R-MAT), and 100 features per node. For 1,024 nodes, 15 neighbours
of each are sampled, 10 of each of those, and 5 of each of those.

Compared with PyG's NeighborLoader, where it is available (it needs a compiled extension
without a wheel on PyPI), and with the memory bound: reading as many numbers at random
positions. Training runs in a process of its own that reports its peak memory.

    python -m benchmarks.sampling
"""

import vicinal  # first: it sets how threads wait  # isort: skip
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
from benchmarks.measure import make_parser, print_result
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.neighbor_sampler import NeighborSampler

NODES, EDGES, WIDTH, CLASSES = 2_400_000, 60_000_000, 100, 40
SEEDS, COUNTS = 1024, (15, 10, 5)

TARGET_RATE, TARGET_MEMORY = 5e6, 8.0
"""sampled edges a second; gigabytes"""


def ours(graph: Adjacency, n: int) -> list[dict[str, float]]:
    """Return seconds and edges of n batches."""
    sampler, found = NeighborSampler(graph), []
    for k in range(-2, n):
        torch.manual_seed(k % 2**32)
        rows = torch.randperm(NODES)[:SEEDS]
        started_at = time.perf_counter()
        blocks = sampler.sample_blocks(rows, COUNTS)
        seconds = time.perf_counter() - started_at
        edges = sum(block.num_edges for block in blocks)
        if k >= 0:
            found.append({"seconds": seconds, "edges": edges})
    return found


def read_at_random(graph: Adjacency, edges: int, n: int) -> list[float]:
    """Return the seconds for reading as many sources at random positions."""
    sources, found = graph.incoming.indices, []
    for k in range(-2, n):
        positions = torch.randint(0, graph.num_edges, (edges,))
        started_at = time.perf_counter()
        sources.index_select(0, positions)
        if k >= 0:
            found.append(time.perf_counter() - started_at)
    return found


def theirs(edge_index: torch.Tensor, n: int) -> Any:
    """Return seconds and edges of PyG's batches, or why it does not run."""
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


def train(folder: str, answer: Any) -> None:
    """Train for one epoch over 100,000 nodes and send seconds and memory."""
    from vicinal.graphs.node_estimators import NodeClassifier

    started_at, peak = time.perf_counter(), [0.0]

    def watch() -> None:  # RssAnon excludes memory-mapped files
        while True:
            peak[0] = max(peak[0], _gigabytes("RssAnon"))
            time.sleep(0.1)

    threading.Thread(target=watch, daemon=True).start()
    model = NodeClassifier(
        network="sage",
        layers=3,
        num_neighbors=COUNTS,
        hidden=128,
        ensemble_size=1,
        epochs=1,
        minutes=None,
        keep="network",
        memory=2.0,
    )
    model.fit(folder)
    answer.send(
        {
            "total, s": time.perf_counter() - started_at,
            "epoch, s": model.history_[0].seconds,
            "nodes/s": model.history_[0].examples_per_second,
            "peak without mapped files, GB": peak[0],
            "peak with mapped files, GB": _gigabytes("VmHWM"),
        }
    )


def _gigabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1e6


def train_in_process(edge_index: np.ndarray) -> dict[str, float]:
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
        process = get_context("spawn").Process(target=train, args=(folder, there))
        process.start()
        there.close()
        try:
            return here.recv()
        finally:
            process.join()


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("-n", type=int, default=20, help="batches")
    parser.add_argument("--skip-training", action="store_true")
    options = parser.parse_args()
    edge_index = rmat(NODES, EDGES)
    started_at = time.perf_counter()
    graph = Adjacency.from_edge_index(torch.from_numpy(edge_index), NODES)
    built = time.perf_counter() - started_at
    batches = ours(graph, options.n)
    edges = int(np.median([b["edges"] for b in batches]))
    rates = sorted(b["edges"] / b["seconds"] for b in batches)
    read_rates = sorted(edges / s for s in read_at_random(graph, edges, options.n))
    middle = len(rates) // 2
    rows: list[dict[str, Any]] = [
        {
            "what": "sampling",
            "edges per batch": edges,
            "edges/s": rates[middle],
            "low": rates[0],
            "high": rates[-1],
            "batches/s": rates[middle] / edges,
            "target": TARGET_RATE,
            "reading at random positions, edges/s": read_rates[middle],
            "build, s": built,
            "n": options.n,
        }
    ]
    print(rows[-1], file=sys.stderr, flush=True)
    peer = theirs(torch.from_numpy(edge_index), options.n)
    if isinstance(peer, str):
        rows.append({"what": "PyG's NeighborLoader", "not available": peer})
    else:
        found = sorted(b["edges"] / b["seconds"] for b in peer)
        rows.append({"what": "PyG's NeighborLoader", "edges/s": found[len(found) // 2]})
    print(rows[-1], file=sys.stderr, flush=True)
    del graph
    if not options.skip_training:
        measured = train_in_process(edge_index)
        rows.append({"what": "training", **measured, "target, GB": TARGET_MEMORY})
        print(rows[-1], file=sys.stderr, flush=True)
    claim = f"{NODES:,} nodes, {EDGES:,} edges (R-MAT), {vicinal.__version__}"
    print_result({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
