"""Sums over neighbours, and epochs of whole graph networks, beside PyG.

A random graph of the size of ogbn-arxiv (169,343 nodes, 2,332,486 edges, width 128),
whose degrees fall off like those of citations (R-MAT: Chakrabarti, Zhan and Faloutsos
2004). PyG's ways are those that its wheels on the package index have: messages over
edge_index, torch's sparse matrices, and its own EdgeIndex.

Rivals take turns in one process, the epochs of each network in one of their own; memory
is that of a process of each's own, above what the graph and the features take. Networks
have no dropout, so that vicinal's first sums of GraphSAGE and GIN, of features that do
not change, are made once.

    python -m benchmarks.aggregation [--device cuda]
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import argparse
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Work, in_turns, ratios, tell
from vicinal.core.compute.memory import keep_memory
from vicinal.graphs.nodes.networks import NetworkConfig, OnGraph, build
from vicinal.graphs.sparse.adjacency import Adjacency, aggregate

NODES, EDGES, WIDTH, CLASSES = 169_343, 2_332_486, 128, 40
HEADS = 4
EPOCHS = {"gcn": 5.0, "sage": 5.0, "gin": 5.0, "gat": 3.0}
"""wanted ratios"""


def rmat(nodes: int, edges: int, seed: int = 0) -> np.ndarray:
    """Ends [2, E] of edges drawn by R-MAT with the shares of Graph500."""
    rng = np.random.default_rng(seed)
    depth = int(np.ceil(np.log2(nodes)))
    ends = np.zeros((2, edges), np.int64)
    for _ in range(depth):
        draw = rng.random(edges)
        down = draw > 0.76  # 0.57 + 0.19
        right = ((draw > 0.57) & (draw <= 0.76)) | (draw > 0.95)
        ends = 2 * ends + np.stack([down, right])
    shuffled = rng.permutation(2**depth) % nodes
    return shuffled[ends]


class Data(NamedTuple):
    """The graph, and numbers for it."""

    edge_index: Tensor
    x: Tensor
    g: Tensor
    """what comes back from above"""

    y: Tensor


def data(device: str = "cpu") -> Data:
    torch.manual_seed(0)
    edge_index = torch.from_numpy(rmat(NODES, EDGES))
    x, g = torch.randn(NODES, WIDTH), torch.randn(NODES, WIDTH)
    found = Data(edge_index, x, g, torch.randint(0, CLASSES, (NODES,)))
    return Data(*(part.to(device) for part in found))


def done(work: Work) -> Work:
    """The work, and a wait until an accelerator has done it."""
    if not torch.accelerator.is_available():
        return work

    def wait() -> None:
        work()
        torch.accelerator.synchronize()

    return wait


Sum = Callable[[Tensor], Tensor]


def ours(d: Data) -> Sum:
    graph = Adjacency.of(d.edge_index, NODES)
    return lambda x: aggregate(x, graph)


def by_edges(d: Data) -> Sum:
    from torch_geometric.nn import SimpleConv

    conv = SimpleConv(aggr="sum")
    return lambda x: conv(x, d.edge_index)


def by_sparse(d: Data) -> Sum:
    """torch's CSR through PyG's layer."""
    from torch_geometric.nn import SimpleConv
    from torch_geometric.utils import to_torch_csr_tensor

    conv = SimpleConv(aggr="sum")
    ones = d.x.new_ones(EDGES)  # edges that are there twice count twice
    turned = to_torch_csr_tensor(d.edge_index.flip(0), ones, size=(NODES, NODES))
    return lambda x: conv(x, turned)


def by_edge_index(d: Data) -> Sum:
    """PyG's EdgeIndex, sorted by target, with its transpose kept."""
    from torch_geometric import EdgeIndex as Sorted
    from torch_geometric.nn import SimpleConv

    conv = SimpleConv(aggr="sum")
    make: Any = Sorted
    found = make(d.edge_index, sparse_size=(NODES, NODES))
    found, _ = found.sort_by("col")
    found.fill_cache_()
    return lambda x: conv(x, found)


SUMS: dict[str, Callable[[Data], Sum]] = {
    "vicinal": ours,
    "PyG, edge_index": by_edges,
    "PyG, sparse": by_sparse,
    "PyG, EdgeIndex": by_edge_index,
}


def there_and_back(total: Sum, d: Data) -> Work:
    def work() -> Tensor:
        x = d.x.detach().requires_grad_()
        total(x).backward(d.g)
        assert x.grad is not None
        return x.grad

    return work


def bytes_once(d: Data) -> Work:
    """Read what is gathered: a row of x for each edge, added up."""
    rows = EDGES // NODES
    rest = EDGES - rows * NODES

    def work() -> None:
        for _ in range(rows):
            d.x.sum()
        d.x[:rest].sum()

    return work


# --- epochs ------------------------------------------------------------------------


def our_network(name: str, d: Data) -> nn.Module:
    graph = Adjacency.of(d.edge_index, NODES)
    shape = NetworkConfig(WIDTH, WIDTH, 2, CLASSES, 0.0, HEADS)
    network = build(name, shape).to(d.x.device)
    _ = graph.add_self_loops  # made once, as PyG does not
    return OnGraph(network, d.x, graph)


def their_network(name: str, d: Data) -> nn.Module:
    """The same layers of PyG."""
    from torch_geometric import nn as pyg

    def gin(a: int, b: int) -> nn.Module:
        dense = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, b))
        return pyg.GINConv(dense, train_eps=True)

    make: dict[str, Callable[[int, int], nn.Module]] = {
        "gcn": lambda a, b: pyg.GCNConv(a, b, cached=True),
        "sage": pyg.SAGEConv,
        "gin": gin,
        "gat": lambda a, b: pyg.GATConv(a, b // HEADS, heads=HEADS),
    }

    class Theirs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(make[name](WIDTH, WIDTH) for _ in range(2))
            norms = (nn.BatchNorm1d(WIDTH) if name == "gin" else nn.Identity(),) * 2
            self.norms = nn.ModuleList(norms)
            self.head = nn.Linear(WIDTH, CLASSES)

        def forward(self, rows: Tensor) -> Tensor:
            x = d.x
            for layer, norm in zip(self.layers, self.norms, strict=True):
                x = (
                    F.elu(layer(x, d.edge_index))
                    if name == "gat"
                    else F.relu(norm(layer(x, d.edge_index)))
                )
            return self.head(x)[rows]

    return Theirs().to(d.x.device)


def epoch(network: nn.Module, d: Data, low: bool = False) -> Work:
    """low: products and messages in bfloat16."""
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    rows = torch.arange(NODES, device=d.x.device)

    def work() -> None:
        with torch.autocast(d.x.device.type, torch.bfloat16, low):
            logits = network(rows)
        loss = F.cross_entropy(logits.float(), d.y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return work


def epochs(name: str, device: str, n: int) -> list[dict[str, Any]]:
    """Rows of the table for a network."""
    keep_memory()
    d = data(device)
    low = d._replace(x=d.x.bfloat16())
    works = {
        "vicinal": epoch(our_network(name, d), d),
        "vicinal, bfloat16": epoch(our_network(name, low), low, low=True),
        "PyG": epoch(their_network(name, d), d),
        "PyG, bfloat16": epoch(their_network(name, low), low, low=True),
    }
    times = in_turns({who: done(work) for who, work in works.items()}, n)
    rows = []
    for ours in ("vicinal", "vicinal, bfloat16"):
        for theirs in ("PyG", "PyG, bfloat16"):
            row = {"what": f"epoch of {name}", "ours": ours, "who": theirs}
            row |= {
                "ours, s": 1 / times[ours].rate,
                "theirs, s": 1 / times[theirs].rate,
            }
            row |= ratios(times[ours], times[theirs])
            rows.append(row | {"wanted": EPOCHS[name], "n": n})
    return rows


# --- memory ------------------------------------------------------------------------


def peak(name: str, answer: Any) -> None:
    """Megabytes that a sum there and back takes above what was there before it."""
    d = data()
    total = SUMS[name](d)
    x = d.x.requires_grad_()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kilobytes("VmRSS")
    total(x).backward(d.g)
    answer.send((_kilobytes("VmHWM") - before) / 1024)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1])


def megabytes(name: str) -> float:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=peak, args=(name, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:  # out of memory
        return float("inf")
    finally:
        process.join()


# --- the table ---------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-n", type=int, default=7, help="repetitions")
    parser.add_argument("--skip-epochs", action="store_true")
    parser.add_argument("--device", default="cpu", help="cuda, where there is one")
    options = parser.parse_args()
    keep_memory()
    d, rows = data(options.device), []
    sums = {name: make(d) for name, make in SUMS.items()}
    wanted = sums["PyG, edge_index"](d.x)
    for total in sums.values():
        torch.testing.assert_close(total(d.x), wanted, rtol=1e-4, atol=1e-2)
    forward: dict[str, Work] = {
        name: (lambda total=total: total(d.x)) for name, total in sums.items()
    }
    forward["reading the bytes once"] = bytes_once(d)
    both = {name: there_and_back(total, d) for name, total in sums.items()}
    on_cpu = options.device == "cpu"
    memory = {name: megabytes(name) if on_cpu else float("nan") for name in SUMS}
    for what, works in (("forward", forward), ("forward and backward", both)):
        works = {name: done(work) for name, work in works.items()}
        times = in_turns(works, options.n, warm=1 if on_cpu else 3)
        for name, timing in times.items():
            row = {"what": what, "who": name, "ms": 1e3 / timing.rate}
            row |= ratios(times["vicinal"], timing)
            if what != "forward":
                row["MB"] = memory[name]
                row["MB ratio"] = memory[name] / memory["vicinal"]
            rows.append(row | {"n": options.n})
            print(rows[-1], file=sys.stderr, flush=True)
    if not options.skip_epochs:
        for name in EPOCHS:
            with get_context("spawn").Pool(1) as own:  # memory as it is at the start
                found = own.apply(epochs, (name, options.device, options.n))
            rows += found
            print(*found, sep="\n", file=sys.stderr, flush=True)
    claim = f"{NODES:,} nodes, {EDGES:,} edges, width {WIDTH}, {vicinal.__version__}"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
