"""The training run for graph classification and regression."""

from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.report.report import Text
from vicinal.core.report.sections import truncated_table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.core.text import pluralize
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.graph_estimators import GraphLevelEstimator
from vicinal.graphs.graph_level.graph_features import FEATURE_SETS


def describe_graphs(data: GraphCollection) -> list[str]:
    """Return the number, the sizes and the labels of graphs, in sentences."""
    edges = data.edge_counts
    lines = [
        f"{pluralize(len(data), 'graph')}: {_range(data.sizes)} nodes and "
        f"{_range(edges)} edges each"
    ]
    empty = int((edges == 0).sum())
    if empty:
        lines.append(f"{pluralize(empty, 'graph')} without an edge")
    if data.labels is not None and data.label_mask.any():
        labels = data.labels[data.label_mask]
        missing = len(data) - len(labels)
        without = f" ({missing:,} without)" if missing else ""
        if data.kind == "numeric":
            values = labels.astype(float)
            kind = f"numbers from {values.min():g} to {values.max():g}"
        else:
            several = ", several per graph" if data.kind == "multi_label" else ""
            kind = f"{pluralize(len(data.classes), 'class')}{several}"
        lines.append(f"{pluralize(len(labels), 'labelled graph')}{without}: {kind}")
    return lines


def graph_counts(data: GraphCollection) -> dict[str, int]:
    """Return the number of graphs, of all their nodes and of all their edges."""
    nodes = data.nodes
    return {"graphs": len(data), "nodes": len(nodes), "edges": nodes.num_edges}


def _range(counts: np.ndarray) -> str:
    return f"{counts.min():,} to {counts.max():,} (median {np.median(counts):g})"


WITHOUT_EDGES = (
    "`linear model without edges` is a linear model on the nodes' features alone."
)


class GraphLevelRun(TrainingRun):
    """From labelled graphs to a run directory."""

    estimator: GraphLevelEstimator
    data: GraphCollection
    domain = "graphs"
    unit = "graph"

    def describe_data(self) -> list[str]:
        return describe_graphs(self.data)

    def data_statistics(self) -> dict[str, Any]:
        return graph_counts(self.data)

    def describe_split(self) -> str:
        encoder, edges = self.estimator.feature_encoder_, self.estimator.edge_encoder_
        text = f"{super().describe_split()}; {encoder}"
        return f"{text}; edges: {edges}" if edges.num_features else text

    @property
    def selects_epoch(self) -> bool:
        return self.estimator.settings_.patience > 0

    def extra_blocks(self) -> ExtraBlocks:
        rows = [
            [
                FEATURE_SETS[model.feature_set],
                model.head.penalty,
                round(model.loss, 4),
            ]
            for model in self.estimator.linear_candidates_
        ]
        columns = ["features", "penalty", "loss"]
        tried = truncated_table(columns, rows, "Linear models that were tried.")
        results = [] if self.evaluation is None else [Text(WITHOUT_EDGES)]
        return ExtraBlocks(results, training=[tried])
