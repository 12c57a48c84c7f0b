"""Explanations of nodes held against a planted truth, beside PyG's GNNExplainer.

The graph is that of Ying et al. (GNNExplainer, NeurIPS 2019, section 5): a
Barabasi-Albert graph of 300 nodes, 80 houses of five nodes, each tied to it by an edge,
and a tenth of N random edges more. A node's class is its place in a house, or 0. Why a
node is of its class is then known: the six edges of its house.

A graph network of three layers learns the classes; it is explained, node by node, by
what each edge adds (`inside.masks`), by taking each away (`inside.deletion`), and by
PyG's GNNExplainer on PyG's own layers with the same weights. Scores are AUROCs of the
house's edges among the pairs joined within three steps, by how far an edge moves the
answer, for or against, of nodes that the network names rightly; the Jaccard index is
that of the six first edges of two seeds of the explanation.

    python -m benchmarks.motifs
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import argparse
import itertools
import sys
import time
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import tell
from vicinal.graphs.explain.edge_attribution import added
from vicinal.graphs.explain.edge_deletion import edges_that_count
from vicinal.graphs.links.metrics import auroc
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes.receptive_field import k_hop_nodes

BASE, HOUSES, LINKS = 300, 80, 5
ROOF = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4))
"""0 and 1 carry the roof 4; 2 and 3 stand on the ground"""

PLACES = (2, 2, 3, 3, 1)
LAYERS, FIRST = 3, 6


class Village(NamedTuple):
    """The graph and its truth."""

    graph: Any
    labels: list[str]
    house: np.ndarray
    """[N] number of the house, -1 outside"""


def village(seed: int) -> Village:
    rng = np.random.default_rng(seed)
    graph = nx.barabasi_albert_graph(BASE, LINKS, seed=seed)
    labels, house = ["0"] * BASE, [-1] * BASE
    for k in range(HOUSES):
        start = BASE + 5 * k
        graph.add_edges_from((start + a, start + b) for a, b in ROOF)
        graph.add_edge(start + int(rng.integers(5)), int(rng.integers(BASE)))
        labels += [str(place) for place in PLACES]
        house += [k] * 5
    count = len(labels)
    while graph.number_of_edges() < BASE * LINKS - LINKS**2 + 7 * HOUSES + count // 10:
        a, b = rng.integers(count, size=2).tolist()
        if a != b:
            graph.add_edge(a, b)
    return Village(graph, labels, np.array(house))


def learned(place: Village, network: str, seed: int) -> NodeClassifier:
    settings: dict[str, Any] = {
        "network": network,
        "layers": LAYERS,
        "hidden": 64,
        "dropout": 0.0,
        "members": 1,
        "epochs": 1000,
        "minutes": None,
        "weight_decay": 0.0,
        "deliver": "networks",
    }
    model = NodeClassifier(random_state=seed, **settings)
    return model.fit(place.graph, place.labels)


class Theirs(nn.Module):
    """PyG's layers with the weights of ours."""

    def __init__(self, model: NodeClassifier) -> None:
        super().__init__()
        from torch_geometric import nn as pyg

        network: Any = (model.networks_ or [])[0]
        self.layers, self.norms = nn.ModuleList(), network.norms
        for layer in network.layers:
            if model.settings.network == "gcn":
                made: Any = pyg.GCNConv(
                    layer.linear.in_features, layer.linear.out_features
                )
                made.lin.weight.data = layer.linear.weight.data
                made.bias.data = layer.bias.data
            else:
                made = pyg.GINConv(layer.mlp, eps=float(layer.eps))
            self.layers.append(made)
        self.head = network.head

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x, edge_index)))
        return self.head(x)


Pairs = dict[tuple[int, int], float]


def by_masks(model: NodeClassifier, node: int, k: int, seed: int) -> Pairs:
    found = added(model, node, k)
    ends = zip(found.source.tolist(), found.target.tolist(), strict=True)
    return dict(zip(ends, np.abs(found.edges).tolist(), strict=True))


def by_deletion(model: NodeClassifier, node: int, k: int, seed: int) -> Pairs:
    found = edges_that_count(model, node, k, seed, "deletion")
    return {(edge.source, edge.target): abs(edge.cost) for edge in found.edges}


def by_pyg(theirs: Theirs, model: NodeClassifier, epochs: int) -> Any:
    from torch_geometric.explain import Explainer, GNNExplainer

    explainer = Explainer(
        model=theirs,
        algorithm=GNNExplainer(epochs=epochs),
        explanation_type="model",
        edge_mask_type="object",
        model_config={
            "mode": "multiclass_classification",
            "task_level": "node",
            "return_type": "raw",
        },
    )
    x, index = model.known_.x, model.graph_.edge_index

    def explain(model: NodeClassifier, node: int, k: int, seed: int) -> Pairs:
        torch.manual_seed(seed)
        mask = explainer(x, index, index=node).edge_mask
        found: Pairs = {}
        for a, b, value in zip(*index.tolist(), mask.tolist(), strict=True):
            pair = min(a, b), max(a, b)
            found[pair] = max(found.get(pair, 0.0), value)
        return found

    return explain


def truth(place: Village, model: NodeClassifier, node: int) -> dict[Any, int]:
    """Pairs joined within three steps of a node: 1 for those of its house."""
    graph = model.known_.graph
    inner = set(k_hop_nodes(graph, np.array([node]), LAYERS - 1).tolist())
    own = place.house[node]
    found = {}
    for a, b in place.graph.edges:
        if a in inner or b in inner:
            of_it = place.house[a] == place.house[b] == own
            inside = of_it and (a - BASE) // 5 == (b - BASE) // 5
            found[min(a, b), max(a, b)] = int(inside and _in_house(a, b))
    return found


def _in_house(a: int, b: int) -> bool:
    low, high = sorted(((a - BASE) % 5, (b - BASE) % 5))
    return (low, high) in {tuple(sorted(pair)) for pair in ROOF}


def jaccard(a: Pairs, b: Pairs) -> float:
    first = [set(sorted(p, key=lambda e: -p[e])[:FIRST]) for p in (a, b)]
    return len(first[0] & first[1]) / len(first[0] | first[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-n", type=int, default=40, help="nodes of each graph")
    parser.add_argument("--seeds", type=int, default=5, help="graphs, and networks")
    parser.add_argument("--network", default="gcn", choices=("gcn", "gin"))
    parser.add_argument("--epochs", type=int, default=100, help="GNNExplainer's")
    parser.add_argument("--pyg", type=int, default=10, help="nodes that it explains")
    options = parser.parse_args()
    names = ("vicinal, what edges add", "vicinal, deletion", "PyG, GNNExplainer")
    scores: dict[str, list[float]] = {name: [] for name in names}
    stable: dict[str, list[float]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    shared: dict[str, list[float]] = {name: [] for name in names}
    right, off = [], []
    for seed in range(options.seeds):
        place = village(seed)
        model = learned(place, options.network, seed)
        theirs = Theirs(model).eval()
        said = model.predicted().argmax(axis=1)
        wanted = np.array([int(label) for label in place.labels])
        right.append(float((said == wanted).mean()))
        with torch.no_grad():
            ours = (model.networks_ or [])[0](model.known_.x, model.known_.graph)
            again = theirs(model.known_.x, model.graph_.edge_index)
        off.append(float((ours - again).abs().max()))
        rng = np.random.default_rng(seed)
        nodes = np.flatnonzero((place.house >= 0) & (said == wanted))
        ways = dict(
            zip(
                names,
                (by_masks, by_deletion, by_pyg(theirs, model, options.epochs)),
                strict=True,
            )
        )
        for number, node in enumerate(rng.permutation(nodes)[: options.n].tolist()):
            pairs = truth(place, model, node)
            y = np.array(list(pairs.values()))
            for name, way in ways.items():
                if name.startswith("PyG") and number >= options.pyg:
                    continue
                started_at = time.perf_counter()
                found = way(model, node, int(said[node]), 0)
                took = time.perf_counter() - started_at
                values = np.array([found.get(pair, 0.0) for pair in pairs])
                scores[name].append(auroc(y, values))
                seconds[name].append(took)
                if number < options.pyg:
                    shared[name].append(took)
                    more = [way(model, node, int(said[node]), k) for k in range(1, 5)]
                    both = itertools.combinations([found, *more], 2)
                    stable[name].append(float(np.mean([jaccard(*p) for p in both])))
        print(f"seed {seed}: right {right[-1]:.3f}", file=sys.stderr, flush=True)
    rows = []
    peer = float(np.median(shared[names[2]]))
    for name in names:
        rows.append(
            {
                "who": name,
                "AUROC": float(np.mean(scores[name])),
                "sd": float(np.std(scores[name])),
                "nodes": len(scores[name]),
                "Jaccard of 5 seeds": float(np.mean(stable[name])),
                "seconds": float(np.median(shared[name])),
                "ratio": peer / float(np.median(shared[name])),
                "least": float(
                    min(
                        b / a
                        for a, b in zip(shared[name], shared[names[2]], strict=True)
                    )
                ),
            }
        )
    rows.append(
        {"network": options.network, "right": float(np.mean(right)), "off": max(off)}
    )
    claim = f"{options.seeds} graphs with 80 houses each, {vicinal.__version__}"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
