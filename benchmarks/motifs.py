"""Explanations of nodes tested on a planted ground truth, compared with GNNExplainer.

The graph is that of Ying et al. (GNNExplainer, NeurIPS 2019, section 5): a
Barabasi-Albert graph of 300 nodes, 80 houses of five nodes, each attached to it by an
edge, and 0.1 N more random edges. A node's class is its position in a house, or 0. So
the reason for a node's class is known: the six edges of its house.

A GNN of three layers learns the classes; its predictions are explained by integrated
gradients of edges (`explain.edge_attribution`), by edge deletion
(`explain.edge_deletion`), and by PyG's GNNExplainer on PyG's layers with the same
weights. Scores are AUROCs of the house's edges among the edges within three hops, by
absolute attribution, of correctly classified nodes. Stability is the Jaccard index of
the six highest-ranked edges of two seeds of the explanation.

    python -m benchmarks.motifs
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import itertools
import sys
import time
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import make_parser, print_result
from vicinal.graphs.explain.edge_attribution import attribute_prediction
from vicinal.graphs.explain.edge_deletion import explain_edges
from vicinal.graphs.links.metrics import auroc
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes.receptive_field import k_hop_nodes

BASE, HOUSES, LINKS = 300, 80, 5
ROOF = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4))
"""edges of a house: 0 and 1 carry the roof 4; 2 and 3 stand on the ground"""

POSITIONS = (2, 2, 3, 3, 1)
LAYERS, TOP = 3, 6


class Village(NamedTuple):
    """The graph and its ground truth."""

    graph: Any
    labels: list[str]
    house: np.ndarray
    """[N] number of the house, -1 for nodes outside"""


def make_village(seed: int) -> Village:
    rng = np.random.default_rng(seed)
    graph = nx.barabasi_albert_graph(BASE, LINKS, seed=seed)
    labels, house = ["0"] * BASE, [-1] * BASE
    for k in range(HOUSES):
        start = BASE + 5 * k
        graph.add_edges_from((start + a, start + b) for a, b in ROOF)
        graph.add_edge(start + int(rng.integers(5)), int(rng.integers(BASE)))
        labels += [str(make_village) for make_village in POSITIONS]
        house += [k] * 5
    count = len(labels)
    while graph.number_of_edges() < BASE * LINKS - LINKS**2 + 7 * HOUSES + count // 10:
        a, b = rng.integers(count, size=2).tolist()
        if a != b:
            graph.add_edge(a, b)
    return Village(graph, labels, np.array(house))


def train_model(village: Village, network: str, seed: int) -> NodeClassifier:
    settings: dict[str, Any] = {
        "network": network,
        "layers": LAYERS,
        "hidden": 64,
        "dropout": 0.0,
        "ensemble_size": 1,
        "epochs": 1000,
        "minutes": None,
        "weight_decay": 0.0,
        "keep": "network",
    }
    model = NodeClassifier(random_state=seed, **settings)
    return model.fit(village.graph, village.labels)


class PyGNetwork(nn.Module):
    """PyG's layers with our weights."""

    def __init__(self, model: NodeClassifier) -> None:
        super().__init__()
        from torch_geometric import nn as pyg

        network: Any = (model.networks_ or [])[0]
        self.layers, self.norms = nn.ModuleList(), network.norms
        for layer in network.layers:
            if model.settings_.network == "gcn":
                theirs: Any = pyg.GCNConv(
                    layer.linear.in_features, layer.linear.out_features
                )
                theirs.lin.weight.data = layer.linear.weight.data
                theirs.bias.data = layer.bias.data
            else:
                theirs = pyg.GINConv(layer.mlp, eps=float(layer.eps))
            self.layers.append(theirs)
        self.head = network.head

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x, edge_index)))
        return self.head(x)


EdgeScores = dict[tuple[int, int], float]


def explain_by_gradients(
    model: NodeClassifier, node: int, k: int, seed: int
) -> EdgeScores:
    found = attribute_prediction(model, node, k)
    ends = zip(found.sources.tolist(), found.targets.tolist(), strict=True)
    return dict(zip(ends, np.abs(found.edges).tolist(), strict=True))


def explain_by_deletion(
    model: NodeClassifier, node: int, k: int, seed: int
) -> EdgeScores:
    found = explain_edges(model, node, k, seed, "deletion")
    return {(edge.source, edge.target): abs(edge.effect) for edge in found.edges}


def make_gnn_explainer(theirs: PyGNetwork, model: NodeClassifier, epochs: int) -> Any:
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
    x, index = model.labelled_graph_.x, model.graph_.edge_index

    def explain(model: NodeClassifier, node: int, k: int, seed: int) -> EdgeScores:
        torch.manual_seed(seed)
        mask = explainer(x, index, index=node).edge_mask
        found: EdgeScores = {}
        for a, b, value in zip(*index.tolist(), mask.tolist(), strict=True):
            pair = min(a, b), max(a, b)
            found[pair] = max(found.get(pair, 0.0), value)
        return found

    return explain


def ground_truth(village: Village, model: NodeClassifier, node: int) -> dict[Any, int]:
    """Return the edges within three hops of a node: 1 if in its house, else 0."""
    graph = model.labelled_graph_.adjacency
    inner = set(k_hop_nodes(graph, np.array([node]), LAYERS - 1).tolist())
    own = village.house[node]
    found = {}
    for a, b in village.graph.edges:
        if a in inner or b in inner:
            of_it = village.house[a] == village.house[b] == own
            inside = of_it and (a - BASE) // 5 == (b - BASE) // 5
            found[min(a, b), max(a, b)] = int(inside and _in_house(a, b))
    return found


def _in_house(a: int, b: int) -> bool:
    low, high = sorted(((a - BASE) % 5, (b - BASE) % 5))
    return (low, high) in {tuple(sorted(pair)) for pair in ROOF}


def jaccard(a: EdgeScores, b: EdgeScores) -> float:
    first = [set(sorted(p, key=lambda e: -p[e])[:TOP]) for p in (a, b)]
    return len(first[0] & first[1]) / len(first[0] | first[1])


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("-n", type=int, default=40, help="nodes per graph")
    parser.add_argument(
        "--seeds", type=int, default=5, help="graphs, each with its own network"
    )
    parser.add_argument("--network", default="gcn", choices=("gcn", "gin"))
    parser.add_argument("--epochs", type=int, default=100, help="of GNNExplainer")
    parser.add_argument(
        "--pyg", type=int, default=10, help="nodes that GNNExplainer explains"
    )
    options = parser.parse_args()
    names = ("vicinal, integrated gradients", "vicinal, deletion", "PyG, GNNExplainer")
    scores: dict[str, list[float]] = {name: [] for name in names}
    stability: dict[str, list[float]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    shared: dict[str, list[float]] = {name: [] for name in names}
    accuracies, differences = [], []
    for seed in range(options.seeds):
        village = make_village(seed)
        model = train_model(village, options.network, seed)
        theirs = PyGNetwork(model).eval()
        predicted = model.predict_values().argmax(axis=1)
        labels = np.array([int(label) for label in village.labels])
        accuracies.append(float((predicted == labels).mean()))
        with torch.no_grad():
            ours = (model.networks_ or [])[0](
                model.labelled_graph_.x, model.labelled_graph_.adjacency
            )
            again = theirs(model.labelled_graph_.x, model.graph_.edge_index)
        differences.append(float((ours - again).abs().max()))
        rng = np.random.default_rng(seed)
        nodes = np.flatnonzero((village.house >= 0) & (predicted == labels))
        methods = dict(
            zip(
                names,
                (
                    explain_by_gradients,
                    explain_by_deletion,
                    make_gnn_explainer(theirs, model, options.epochs),
                ),
                strict=True,
            )
        )
        for number, node in enumerate(rng.permutation(nodes)[: options.n].tolist()):
            pairs = ground_truth(village, model, node)
            y = np.array(list(pairs.values()))
            for name, explain in methods.items():
                if name.startswith("PyG") and number >= options.pyg:
                    continue
                started_at = time.perf_counter()
                found = explain(model, node, int(predicted[node]), 0)
                duration = time.perf_counter() - started_at
                values = np.array([found.get(pair, 0.0) for pair in pairs])
                scores[name].append(auroc(y, values))
                seconds[name].append(duration)
                if number < options.pyg:
                    shared[name].append(duration)
                    repeated = [
                        explain(model, node, int(predicted[node]), k)
                        for k in range(1, 5)
                    ]
                    pairs_of_seeds = itertools.combinations([found, *repeated], 2)
                    stability[name].append(
                        float(np.mean([jaccard(*p) for p in pairs_of_seeds]))
                    )
        print(
            f"seed {seed}: accuracy {accuracies[-1]:.3f}", file=sys.stderr, flush=True
        )
    rows = []
    peer = float(np.median(shared[names[2]]))
    for name in names:
        rows.append(
            {
                "method": name,
                "AUROC": float(np.mean(scores[name])),
                "sd": float(np.std(scores[name])),
                "nodes": len(scores[name]),
                "Jaccard of 5 seeds": float(np.mean(stability[name])),
                "seconds": float(np.median(shared[name])),
                "ratio": peer / float(np.median(shared[name])),
                "min": float(
                    min(
                        b / a
                        for a, b in zip(shared[name], shared[names[2]], strict=True)
                    )
                ),
            }
        )
    rows.append(
        {
            "network": options.network,
            "accuracy": float(np.mean(accuracies)),
            "max difference from PyG": max(differences),
        }
    )
    claim = f"{options.seeds} graphs with 80 houses each, {vicinal.__version__}"
    print_result({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
