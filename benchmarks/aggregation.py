"""Neighbour aggregation, and epochs of full-graph networks, compared with PyG.

A random graph of the size of ogbn-arxiv (169,343 nodes, 2,332,486 edges, width 128)
with a skewed degree distribution (R-MAT: Chakrabarti, Zhan and Faloutsos 2004). PyG is
measured with what its wheels on PyPI support: messages over edge_index, torch's sparse
matrices, and its EdgeIndex.

Aggregations alternate in one process, the epochs of each network in one of their own.
Memory is measured in a process of its own, above what the graph and features take. The
networks have no dropout, so vicinal computes the first aggregation of GraphSAGE and GIN
only once: its features are constant.

    python -m benchmarks.aggregation [--device cuda]
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Work, make_parser, print_result, ratios, time_alternately
from vicinal.core.compute.memory import keep_memory
from vicinal.graphs.nodes.networks import FullGraphNetwork, NetworkConfig, build_network
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate

NODES, EDGES, WIDTH, CLASSES = 169_343, 2_332_486, 128, 40
HEADS = 4
EPOCHS = {"gcn": 5.0, "sage": 5.0, "gin": 5.0, "gat": 3.0}
"""target ratios"""


def rmat(nodes: int, edges: int, seed: int = 0) -> np.ndarray:
    """Return edges [2, E] drawn by R-MAT with the probabilities of Graph500."""
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
    """The graph, its features and labels."""

    edge_index: Tensor
    x: Tensor
    g: Tensor
    """gradient of the output"""

    y: Tensor


def make_data(device: str = "cpu") -> Data:
    torch.manual_seed(0)
    edge_index = torch.from_numpy(rmat(NODES, EDGES))
    x, g = torch.randn(NODES, WIDTH), torch.randn(NODES, WIDTH)
    found = Data(edge_index, x, g, torch.randint(0, CLASSES, (NODES,)))
    return Data(*(tensor.to(device) for tensor in found))


def synchronized(work: Work) -> Work:
    """Return the work followed by a wait until the accelerator has finished."""
    if not torch.accelerator.is_available():
        return work

    def wait() -> None:
        work()
        torch.accelerator.synchronize()

    return wait


Sum = Callable[[Tensor], Tensor]


def ours(d: Data) -> Sum:
    graph = Adjacency.from_edge_index(d.edge_index, NODES)
    return lambda x: aggregate(x, graph)


def by_edges(d: Data) -> Sum:
    from torch_geometric.nn import SimpleConv

    conv = SimpleConv(aggr="sum")
    return lambda x: conv(x, d.edge_index)


def by_sparse(d: Data) -> Sum:
    """Return PyG's layer on a CSR tensor of torch."""
    from torch_geometric.nn import SimpleConv
    from torch_geometric.utils import to_torch_csr_tensor

    conv = SimpleConv(aggr="sum")
    ones = d.x.new_ones(EDGES)  # duplicate edges count twice
    turned = to_torch_csr_tensor(d.edge_index.flip(0), ones, size=(NODES, NODES))
    return lambda x: conv(x, turned)


def by_edge_index(d: Data) -> Sum:
    """Return PyG's layer on an EdgeIndex sorted by target, with a cached transpose."""
    from torch_geometric import EdgeIndex
    from torch_geometric.nn import SimpleConv

    conv = SimpleConv(aggr="sum")
    make: Any = EdgeIndex
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


def forward_and_backward(total: Sum, d: Data) -> Work:
    def work() -> Tensor:
        x = d.x.detach().requires_grad_()
        total(x).backward(d.g)
        assert x.grad is not None
        return x.grad

    return work


def read_bytes(d: Data) -> Work:
    """Return work that reads and adds up one row of x per edge: the memory bound."""
    rows = EDGES // NODES
    rest = EDGES - rows * NODES

    def work() -> None:
        for _ in range(rows):
            d.x.sum()
        d.x[:rest].sum()

    return work


# --- epochs ------------------------------------------------------------------------


def our_network(name: str, d: Data) -> nn.Module:
    graph = Adjacency.from_edge_index(d.edge_index, NODES)
    shape = NetworkConfig(WIDTH, WIDTH, 2, CLASSES, 0.0, HEADS)
    network = build_network(name, shape).to(d.x.device)
    _ = graph.with_self_loops  # computed once, unlike in PyG
    return FullGraphNetwork(network, d.x, graph)


def their_network(name: str, d: Data) -> nn.Module:
    """Return the same network with PyG's layers."""
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
    """Return one training step. low: products and messages in bfloat16."""
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
    """Return the rows of the table for a network."""
    keep_memory()
    d = make_data(device)
    low = d._replace(x=d.x.bfloat16())
    works = {
        "vicinal": epoch(our_network(name, d), d),
        "vicinal, bfloat16": epoch(our_network(name, low), low, low=True),
        "PyG": epoch(their_network(name, d), d),
        "PyG, bfloat16": epoch(their_network(name, low), low, low=True),
    }
    times = time_alternately(
        {who: synchronized(work) for who, work in works.items()}, n
    )
    rows = []
    for ours in ("vicinal", "vicinal, bfloat16"):
        for theirs in ("PyG", "PyG, bfloat16"):
            row = {"what": f"epoch of {name}", "ours": ours, "who": theirs}
            row |= {
                "ours, s": 1 / times[ours].rate,
                "theirs, s": 1 / times[theirs].rate,
            }
            row |= ratios(times[ours], times[theirs])
            rows.append(row | {"target": EPOCHS[name], "n": n})
    return rows


# --- memory ------------------------------------------------------------------------


def send_peak(name: str, answer: Any) -> None:
    """Send the peak memory of a forward and backward pass above the baseline, in MB."""
    d = make_data()
    total = SUMS[name](d)
    x = d.x.requires_grad_()
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = _kilobytes("VmRSS")
    total(x).backward(d.g)
    answer.send((_kilobytes("VmHWM") - before) / 1024)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1])


def peak_megabytes(name: str) -> float:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=send_peak, args=(name, there))
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
    parser = make_parser(__doc__)
    parser.add_argument("-n", type=int, default=7, help="repetitions")
    parser.add_argument("--skip-epochs", action="store_true")
    parser.add_argument("--device", default="cpu", help="cuda, where there is one")
    options = parser.parse_args()
    keep_memory()
    d, rows = make_data(options.device), []
    sums = {name: make(d) for name, make in SUMS.items()}
    expected = sums["PyG, edge_index"](d.x)
    for total in sums.values():
        torch.testing.assert_close(total(d.x), expected, rtol=1e-4, atol=1e-2)
    forward: dict[str, Work] = {
        name: (lambda total=total: total(d.x)) for name, total in sums.items()
    }
    forward["reading the bytes once"] = read_bytes(d)
    both = {name: forward_and_backward(total, d) for name, total in sums.items()}
    on_cpu = options.device == "cpu"
    memory = {name: peak_megabytes(name) if on_cpu else float("nan") for name in SUMS}
    for what, works in (("forward", forward), ("forward and backward", both)):
        works = {name: synchronized(work) for name, work in works.items()}
        times = time_alternately(works, options.n, warmup=1 if on_cpu else 3)
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
            with get_context("spawn").Pool(1) as pool:  # a fresh process
                found = pool.apply(epochs, (name, options.device, options.n))
            rows += found
            print(*found, sep="\n", file=sys.stderr, flush=True)
    claim = f"{NODES:,} nodes, {EDGES:,} edges, width {WIDTH}, {vicinal.__version__}"
    print_result({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
