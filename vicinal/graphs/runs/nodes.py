"""The training run for the nodes of a graph."""

from typing import Any

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.report.report import Block, Table, Text
from vicinal.core.report.sections import truncated_table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.statistics import describe_graph, graph_statistics
from vicinal.graphs.node_estimators import NodeEstimator
from vicinal.graphs.nodes.propagated_features import FEATURE_SETS


class NodeRun(TrainingRun):
    """From a graph with labelled nodes to a run directory."""

    estimator: NodeEstimator
    data: GraphTable
    domain = "nodes"
    unit = "node"
    epochs_between_lines = 50

    def describe_data(self) -> list[str]:
        return describe_graph(self.data, graph_statistics(self.data))

    def data_statistics(self) -> dict[str, Any]:
        return graph_statistics(self.data).to_dict()

    def describe_split(self) -> str:
        estimator = self.estimator
        unused = int((self.data.label_mask & (estimator.split_ == "")).sum())
        text = super().describe_split()
        if unused:
            text += f", {unused:,} in none, whose labels are not used"
        text += f"; {estimator.feature_encoder_}"
        if estimator.num_neighbors_ is None:
            return text
        numbers = ", ".join(map(str, estimator.num_neighbors_))
        return f"{text}; mini-batches of {numbers} neighbours per layer"

    def predictions(self) -> Any:
        estimator, table = self.estimator, self.data
        predicted = estimator.predict_values()
        frame = estimator.predictions_frame(table.ids, predicted, table.labels)
        frame.insert(1, "split", estimator.split_)
        return frame

    def extra_blocks(self) -> ExtraBlocks:
        scored = Text("Test nodes keep their edges; their labels are not used.")
        results = [] if self.evaluation is None else [scored]
        return ExtraBlocks(results, self._accuracy_by_degree(), self._linear_models())

    def _accuracy_by_degree(self) -> list[Block]:
        """Return the accuracy by number of neighbours."""
        found, estimator = self.evaluation, self.estimator
        if found is None or found.confusion is None:
            return []
        incoming = estimator.graph_.adjacency.incoming
        degree = incoming.degrees.numpy()[estimator.test_mask]
        table = found.predictions
        correct = (table["label"] == table["predicted"]).to_numpy(bool)
        ranges = ((0, 0, "none"), (1, 2, "1 or 2"), (3, 5, "3 to 5"))
        groups = [
            (name, (degree >= low) & (degree <= high)) for low, high, name in ranges
        ]
        groups.append(("6 or more", degree >= 6))
        rows = [
            [name, int(mask.sum()), f"{100 * float(correct[mask].mean()):.1f} %"]
            for name, mask in groups
            if mask.any()
        ]
        caption = "Accuracy by number of neighbours."
        return [Table(["neighbours", "nodes", "accuracy"], rows, caption)]

    def _linear_models(self) -> list[Block]:
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
