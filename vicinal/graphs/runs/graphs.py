"""What a run tells of many graphs."""

from typing import Any

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block, Table
from vicinal.core.text import counted
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.graph_estimators import GraphLevelEstimator
from vicinal.graphs.graph_level.graph_features import VIEWS
from vicinal.graphs.runs.nodes import by_class, divided
from vicinal.graphs.runs.report import cut
from vicinal.graphs.runs.run import GraphRun


def told(found: GraphCollection) -> list[str]:
    """What many graphs are, in sentences."""
    nodes, edges = found.sizes, found.edge_counts
    lines = [
        f"{counted(len(found), 'graph')}: {_range(nodes)} nodes and {_range(edges)} "
        "edges each"
    ]
    empty = int((edges == 0).sum())
    if empty:
        lines.append(f"{counted(empty, 'graph')} without an edge")
    if found.labels is not None and found.labelled.any():
        labels = found.labels[found.labelled]
        rest = len(found) - len(labels)
        without = f", {rest:,} without" if rest else ""
        if found.kind == "numeric":
            values = labels.astype(float)
            what = f"a number each, {values.min():g} to {values.max():g}"
        else:
            many = ", several each" if found.kind == "multi_label" else ""
            what = f"{counted(len(found.classes), 'class')}{many}"
        lines.append(f"{counted(len(labels), 'graph')} with a label{without}: {what}")
    return lines


def _range(counts: np.ndarray) -> str:
    return f"{counts.min():,} to {counts.max():,} (median {np.median(counts):g})"


class GraphLevelRun(GraphRun):
    """One training from graphs to report."""

    learner: GraphLevelEstimator
    data: GraphCollection
    unit = "graph"
    closing = "`answer without edges` is a fitted layer on what the nodes are alone."

    def understood(self) -> list[str]:
        return told(self.data)

    def counts(self) -> dict[str, int]:
        parts = self.learner.split_
        return {part: int((parts == part).sum()) for part in (TRAIN, VAL, TEST)}

    def divided(self) -> str:
        return f"{', '.join(divided(self.counts()))}; {self.learner.columns_}"

    def judged(self) -> Evaluation | None:
        if not (self.learner.split_ == TEST).any():
            return None
        return self.learner.evaluate()

    def frames(self) -> dict[str, Any]:
        import pandas as pd

        found = self.data
        labels = [None] * len(found) if found.labels is None else found.labels
        splits = pd.DataFrame({"id": found.names, "split": self.learner.split_})
        return {
            "index": pd.DataFrame({"id": found.names, "label": labels}),
            "splits": splits[splits["split"] != ""],
        }

    def predictions(self) -> Any:
        learner, found = self.learner, self.data
        said = learner.predicted(found)
        frame = learner.predictions_frame(found.names, said, found.labels)
        frame.insert(1, "part", learner.split_)
        return frame

    def parts(self) -> Table:
        return by_class(self.data, self.learner) or super().parts()

    def firsts(self) -> list[Block]:
        rows = [
            [VIEWS[a.view], a.head.penalty, round(a.loss, 4)]
            for a in self.learner.linear_candidates_
        ]
        return [cut(["what is seen", "penalty", "loss"], rows)]

    def more(self) -> dict[str, Any]:
        found = self.data
        return {
            "set": {
                "graphs": len(found),
                "nodes": len(found.nodes),
                "edges": found.nodes.num_edges,
            }
        }
