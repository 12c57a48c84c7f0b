"""Tables and JSON of an explanation for a node."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.text import class_label, format_percent, pluralize
from vicinal.graphs.explain.contributions import (
    Contributions,
    NodeContribution,
    feature_contributions,
)
from vicinal.graphs.explain.edge_attribution import attribute_prediction
from vicinal.graphs.explain.edge_deletion import EdgeExplanation, describe_quantity
from vicinal.graphs.explain.ranked_table import MAX_LISTED, RankedTable
from vicinal.graphs.nodes.propagated_features import FEATURE_SETS

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel

Block = str | RankedTable
"""a paragraph or a table"""

TableAndData = tuple[list[RankedTable], list[dict[str, Any]]]
"""no or one table, and the same for JSON"""


def feature_names(model: "NodeModel", count: int) -> list[str]:
    """Return the names of a model's input features."""
    names = model.feature_encoder_.feature_names()
    if len(names) == count:
        is_table = model.feature_encoder_.kind == "table"
        return names if is_table else [f"feature {name}" for name in names]
    return ["constant", "in-degree", "out-degree"]  # see `data.degree_features`


# --- linear baseline ----------------------------------------------------------------


def contribution_blocks(
    model: "NodeModel", contributions: Contributions, k: int, prediction: float
) -> tuple[list[Block], dict[str, Any]]:
    """Return the contributions of nodes and features, as blocks and as JSON.

    k: row of the class. prediction: its calibrated probability, or the number.
    """
    features, feature_data = _feature_contributions(model, contributions.node, k)
    calibration = ""
    if model.objective_.classes:
        calibration = (
            f" before calibration, {format_percent(prediction)} after (temperature "
            f"{model.temperature_:.3g})"
        )
    check = (
        f"Sum {contributions.computed[k]:.5f}{calibration}. Largest difference from "
        f"the model: {contributions.max_error:.1e}."
    )
    ids = model.graph_.ids
    data = {
        "quantity": contributions.quantity,
        "max_error": contributions.max_error,
        "base": contributions.base.tolist(),
        "nodes": [
            {
                "id": ids[node.node],
                "share": node.share,
                "is_labelled": node.is_labelled,
                "contributions": node.values.tolist(),
            }
            for node in contributions.nodes
        ],
        "features": feature_data,
    }
    return [_node_table(model, contributions, k), check, *features], data


def _node_table(
    model: "NodeModel", contributions: Contributions, k: int
) -> RankedTable:
    classes = model.objective_.classes
    is_single_label = model.objective_.kind == "single_label"
    of_class = f" of {class_label(classes[k])}" if classes else ""
    before = " before calibration" if classes else ""
    count = len(contributions.nodes)

    def row_of(node: NodeContribution) -> tuple[str, ...]:
        source = "training label" if node.is_labelled else "features"
        if is_single_label:
            source = f"{classes[int(node.values.argmax())]} ({source})"
        share = f"{100 * node.share:.1f} %"
        name = str(model.graph_.ids[node.node])
        return name, share, source, f"{node.values[k]:+.4f}"

    footer = ()
    if contributions.base[k]:
        footer = "base value", "", "", f"{contributions.base[k]:+.4f}"
    source = "class (from)" if is_single_label else "from"
    return RankedTable(
        f"{pluralize(count, 'node')} contribute{'s' if count == 1 else ''} to the "
        f"{contributions.quantity}{of_class}{before}",
        ("node", "share", source, "contribution"),
        [row_of(node) for node in contributions.nodes],
        footer,
    )


def _feature_contributions(model: "NodeModel", row: int, k: int) -> TableAndData:
    """Return the contributions of features to the linear baseline's logit."""
    classes = model.objective_.classes
    values = feature_contributions(model.linear_, model.labelled_graph_, row)
    if not len(values):
        return [], []
    quantity = f"logit of {class_label(classes[k])}" if classes else "number"
    if model.objective_.kind == "single_label":
        values = values - values.mean(axis=1, keepdims=True)
        quantity += ", relative to the mean of all classes"
    names = feature_names(model, len(values))
    order = np.argsort(-np.abs(values[:, k]), kind="stable")[:MAX_LISTED]
    listed = [(names[f], float(values[f, k])) for f in order if values[f, k]]
    table = RankedTable(
        f"Contribution of features to the {quantity} (input: "
        f"{FEATURE_SETS[model.linear_.feature_set]})",
        ("feature", "contribution"),
        [(name, f"{value:+.4f}") for name, value in listed],
        total_rows=int(np.count_nonzero(values[:, k])),
    )
    data = [{"feature": name, "contribution": value} for name, value in listed]
    return [table] if listed else [], data


# --- networks -----------------------------------------------------------------------


def edge_effect_blocks(
    model: "NodeModel", explanation: EdgeExplanation
) -> tuple[list[Block], dict[str, Any]]:
    """Return the effects of edges and features, as blocks and as JSON."""
    ids = model.graph_.ids
    features, feature_data = _feature_attributions(model, explanation)
    data = {
        "features": feature_data,
        "method": explanation.method,
        "quantity": explanation.quantity,
        "verdict": explanation.verdict,
        "p": explanation.random_control.p,
        "num_untested": explanation.num_untested,
        "total_effect": explanation.total_effect,
        "edges": [
            {"source": ids[e.source], "target": ids[e.target], "effect": e.effect}
            for e in explanation.edges
        ],
    }
    if not explanation.edges:
        return [explanation.verdict, *features], data
    table = _edge_table(model, explanation)
    blocks = [explanation.verdict, explanation.method_description, table, *features]
    return blocks, data


def _edge_table(model: "NodeModel", explanation: EdgeExplanation) -> RankedTable:
    ids = model.graph_.ids
    quantity = describe_quantity(explanation.quantity, explanation.class_name)
    title, footer = f"Decrease of {quantity} without each edge", ()
    if explanation.method == "integrated_gradients":
        title = f"Attribution of {quantity} to each edge, mean over the networks"
        listed = sum(edge.effect for edge in explanation.edges)
        footer = "sum of the edges listed", f"{listed:+.4f}"
    negative = "the edge lowers it"
    if explanation.class_name:
        negative = f"the edge opposes {class_label(explanation.class_name)}"
    return RankedTable(
        f"{title} (negative: {negative})",
        ("edge", "effect"),
        [
            (f"{ids[edge.source]} - {ids[edge.target]}", f"{edge.effect:+.4f}")
            for edge in explanation.edges
        ],
        footer,
    )


def _feature_attributions(
    model: "NodeModel", explanation: EdgeExplanation
) -> TableAndData:
    """Return the attributions of features by the first network."""
    found = attribute_prediction(model, explanation.node, explanation.target)
    names, ids = feature_names(model, found.features.shape[1]), model.graph_.ids
    order = np.argsort(-np.abs(found.features), axis=None)[:MAX_LISTED]
    listed = []
    for m, f in zip(*np.unravel_index(order, found.features.shape), strict=True):
        value = float(found.features[m, f])
        if value:
            listed.append((names[f], str(ids[found.nodes[m]]), value))
    quantity = describe_quantity(explanation.quantity, explanation.class_name)
    table = RankedTable(
        f"Attribution of {quantity} to features, by integrated gradients of the first "
        "network",
        ("feature", "node", "contribution"),
        [(name, node, f"{value:+.4f}") for name, node, value in listed],
        total_rows=int(np.count_nonzero(found.features)),
    )
    data = [
        {"feature": name, "node": node, "contribution": value}
        for name, node, value in listed
    ]
    return [table] if listed else [], data
