"""The training run for the nodes of a graph."""

from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import describe_counts
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block, Table
from vicinal.core.report.sections import truncated_table
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.statistics import describe_graph, graph_statistics
from vicinal.graphs.node_estimators import NodeEstimator
from vicinal.graphs.nodes.propagated_features import FEATURE_SETS
from vicinal.graphs.runs.run import GraphTrainingRun, accuracy_rows


class NodeRun(GraphTrainingRun):
    """From a graph with labelled nodes to a run directory."""

    estimator: NodeEstimator
    data: GraphTable
    domain = "nodes"
    unit = "node"
    epochs_between_lines = 50
    scored = "Test nodes keep their edges; their labels are not used."

    def describe_data(self) -> list[str]:
        return describe_graph(self.data, graph_statistics(self.data))

    def data_statistics(self) -> dict[str, Any]:
        return graph_statistics(self.data).to_dict()

    def describe_split(self) -> str:
        estimator = self.estimator
        unused = int((self.data.label_mask & (estimator.split_ == "")).sum())
        text = f"split: {describe_counts(self.split_counts())}"
        if unused:
            text += f", {unused:,} in none, whose labels are not used"
        text += f"; {estimator.feature_encoder_}"
        if estimator.num_neighbors_ is None:
            return text
        numbers = ", ".join(map(str, estimator.num_neighbors_))
        return f"{text}; mini-batches of {numbers} neighbours per layer"

    @property
    def network_name(self) -> str:
        return self.estimator.network_name_

    def evaluate_model(self) -> Evaluation | None:
        return self.estimator.evaluate() if self.estimator.test_mask.any() else None

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        table = self.data
        labels = [None] * len(table) if table.labels is None else table.labels
        splits = pd.DataFrame({"id": table.ids, "split": self.estimator.split_})
        return {
            "index": pd.DataFrame({"id": table.ids, "label": labels}),
            "splits": splits[splits["split"] != ""],
        }

    def predictions(self) -> Any:
        estimator, table = self.estimator, self.data
        predicted = estimator.predict_values()
        frame = estimator.predictions_frame(table.ids, predicted, table.labels)
        frame.insert(1, "split", estimator.split_)
        return frame

    def error_blocks(self) -> list[Block]:
        """Return the accuracy by number of neighbours."""
        found, estimator = self.evaluation, self.estimator
        if found is None or found.confusion is None:
            return []
        incoming = estimator.graph_.adjacency.incoming
        degree = incoming.degrees.numpy()[estimator.test_mask]
        table = found.predictions
        correct = table["label"].to_numpy() == table["predicted"].to_numpy()
        ranges = ((0, 0, "none"), (1, 2, "1 or 2"), (3, 5, "3 to 5"))
        groups = [
            (name, (degree >= low) & (degree <= high)) for low, high, name in ranges
        ]
        groups.append(("6 or more", degree >= 6))
        rows = accuracy_rows(groups, np.asarray(correct))
        caption = "Accuracy by number of neighbours."
        return [Table(["neighbours", "nodes", "accuracy"], rows, caption)]

    def linear_blocks(self) -> list[Block]:
        rows = [
            [
                FEATURE_SETS[model.feature_set],
                model.head.penalty,
                model.smoothing,
                round(model.loss, 4),
            ]
            for model in self.estimator.linear_candidates_
        ]
        columns = ["features", "penalty", "smoothing", "loss"]
        return [truncated_table(columns, rows, "Linear models that were tried.")]
