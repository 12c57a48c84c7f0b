"""Inspect the network behind a prediction: a node, a pair of nodes, or a graph."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vicinal.core.data.class_names import class_row
from vicinal.core.objective import Numeric
from vicinal.core.report.finding import Finding
from vicinal.core.text import class_label, format_percent
from vicinal.errors import NoDataError, SettingError, suggest_names
from vicinal.graphs.inspect import readout
from vicinal.graphs.inspect.computation_tree import build_tree
from vicinal.graphs.inspect.decoder import decompose_layers, decompose_score
from vicinal.graphs.inspect.messages import LayerBreakdown, decompose_network
from vicinal.graphs.inspect.text import (
    graph_lines,
    graph_to_dict,
    layer_lines,
    layer_to_dict,
    pair_lines,
    pair_to_dict,
)
from vicinal.graphs.inspect.tree_page import render_tree_page
from vicinal.graphs.inspect.tree_plot import draw_tree
from vicinal.graphs.links.bipartite import refuse_one_side
from vicinal.graphs.nodes.receptive_field import extract_receptive_field

if TYPE_CHECKING:
    from vicinal.graphs.data.graph_collection import GraphCollection
    from vicinal.graphs.graph_estimators import GraphLevelEstimator
    from vicinal.graphs.link_predictor import LinkPredictor
    from vicinal.graphs.node_model import NodeModel


def inspect_node(model: "NodeModel", name: str) -> Finding:
    """Show the computation graph of a node, layer by layer.

    Raises NoDataError for an unknown node, SettingError for a linear baseline.
    """
    row = int(model.row_indices([name])[0])
    if model.networks_ is None:
        raise _no_network("NODE", "--keep network")
    network, objective = model.networks_[0], model.objective_
    field = extract_receptive_field(
        model.labelled_graph_, np.array([row]), network.hops
    )
    ids, center = model.graph_.ids[field.nodes], int(field.rows[0])
    layers = [*decompose_network(network, field.labelled_graph, center)]
    predicted = np.atleast_1d(model.predict_values([name])[0])
    k, title = class_row(objective, None, predicted), _network_name(model)
    classes = np.full(len(field.nodes), -1)
    if objective.kind == "single_label":
        classes = np.asarray(model.predict_values()).argmax(axis=1)[field.nodes]
    root = build_tree(network, field.labelled_graph, center)
    tree = (
        root,
        ids,
        classes,
        objective.classes,
        f"Computation graph of {name}: {title}",
    )
    text, data = _layers(layers, ids, name)
    return Finding(
        [
            f"{title}:",
            *text,
            _output_line(objective, layers[-1].output),
            _prediction_line(model, k, predicted),
        ],
        {
            "node": name,
            "layers": data,
            "probability" if objective.classes else "predicted": float(predicted[k]),
            "temperature": model.temperature_,
            "max_error": max(node.max_error for node in root.walk()),
        },
        draw=lambda: draw_tree(*tree),
        html=lambda: render_tree_page(*tree),
    )


def inspect_pair(model: "LinkPredictor", pair: tuple[str, ...]) -> Finding:
    """Show the terms of a pair's score, and the messages of both nodes.

    pair: (source, target) or (source, relation, target). Raises SettingError for a
    linear baseline.
    """
    if model.network_ is None:
        raise _no_network("NODE NODE", "--domain links --decoder dot --keep network")
    row = model.row_indices([pair])[0]
    refuse_one_side(model.graph_, row[None])
    network, ids = model.pair_network(), model.graph_.ids
    found = decompose_score(network, torch.from_numpy(row))
    unit = "unit" if network.network.config.decoder == "mlp" else "dimension"
    text, layers = [*pair_lines(found, pair, unit)], {}
    for name, end in zip((pair[0], pair[-1]), row, strict=False):
        lines, layers[name] = _layers([*decompose_layers(network, int(end))], ids, name)
        text += lines
    named = {"source": pair[0], "target": pair[-1]}
    relation = {"relation": pair[1] if len(pair) == 3 else None}
    return Finding(text, {**named, **relation, **pair_to_dict(found), "layers": layers})


def inspect_graph(
    model: "GraphLevelEstimator",
    graph: "GraphCollection",
    node: str | None = None,
    target: str | None = None,
) -> Finding:
    """Show the terms of a graph's score, or the messages of one of its nodes.

    graph: a collection of one. target: class whose score is shown; None: the predicted
    class. Raises NoDataError for an unknown node, ClassError for an unknown class,
    SettingError for a linear baseline.
    """
    if model.network_ is None:
        raise _no_network("DATA NAME", "--keep network")
    tensors, ids, name = model.to_tensors(graph), graph.nodes.ids, str(graph.names[0])
    if node is not None:
        row = _row_of(node, ids)
        layers = [*readout.decompose_layers(model.network_, tensors, row)]
        text, data = _layers(layers, ids, node)
        return Finding(text, {"graph": name, "node": node, "layers": data})
    predicted = np.atleast_1d(model.predict_values(graph)[0])
    k, classes = (
        class_row(model.objective_, target, predicted),
        model.objective_.classes,
    )
    target = classes[k] if classes else None
    found = readout.decompose_graph(model.network_, tensors, k)
    return Finding(
        [*graph_lines(found, ids, name, target), _prediction_line(model, k, predicted)],
        {
            "graph": name,
            "target": target,
            "probability" if classes else "predicted": float(predicted[k]),
            "temperature": model.temperature_,
            **graph_to_dict(found, ids),
        },
    )


def _layers(
    layers: list[LayerBreakdown], ids: Any, name: str
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the messages of layers at a node as text and as JSON."""
    text = [line for layer in layers for line in layer_lines(layer, ids, name)]
    return text, [layer_to_dict(layer, ids) for layer in layers]


def _no_network(arguments: str, flags: str) -> SettingError:
    return SettingError(
        f"The linear baseline has no layers: use `vicinal explain RUN {arguments}`. To "
        f"inspect a network, train one with `vicinal train DATA {flags}`."
    )


def _row_of(name: str, ids: np.ndarray) -> int:
    """Return the row of a node; NoDataError for an unknown name."""
    rows = np.flatnonzero(ids == name)
    if not len(rows):
        hint = suggest_names(name, ids, 10)
        raise NoDataError(f"There is no node {name!r} in this graph. {hint}")
    return int(rows[0])


def _network_name(model: "NodeModel") -> str:
    networks = model.networks_ or []
    if len(networks) == 1:
        return networks[0].name
    return f"the first of {len(networks)} networks of the ensemble, {networks[0].name}"


def _output_line(objective: Any, output: np.ndarray) -> str:
    """Return the network's output: logits, or the number in its unit."""
    if isinstance(objective, Numeric):
        number = objective.mean + objective.std * output[0]
        return f"predicted number: {number:.4g} (standardised {output[0]:.4f})"
    logits = zip(objective.classes, output, strict=True)
    return "logits: " + ", ".join(f"{name} {value:.4f}" for name, value in logits)


def _prediction_line(model: Any, k: int, predicted: np.ndarray) -> str:
    """Return what the calibrated model predicts. k: row of a class; predicted: [K]."""
    classes = model.objective_.classes
    if not classes:
        return f"prediction of {model.model_description}: {predicted[k]:.4g}"
    return (
        f"prediction of {model.model_description}, calibrated (temperature "
        f"{model.temperature_:.3g}): {class_label(classes[k])} "
        f"{format_percent(float(predicted[k]))}"
    )
