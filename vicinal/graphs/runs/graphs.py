"""The training run for graph classification and regression."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.domain import OpenRun
from vicinal.core.estimators.training_run import describe_counts
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block
from vicinal.core.report.sections import truncated_table
from vicinal.core.storage.run_folder import read as read_run_file
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError, RunError
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.graph_estimators import GraphLevelEstimator
from vicinal.graphs.graph_level.graph_features import FEATURE_SETS
from vicinal.graphs.runs.run import GraphTrainingRun


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


def _range(counts: np.ndarray) -> str:
    return f"{counts.min():,} to {counts.max():,} (median {np.median(counts):g})"


class GraphLevelRun(GraphTrainingRun):
    """From labelled graphs to a run directory."""

    estimator: GraphLevelEstimator
    data: GraphCollection
    domain = "graphs"
    unit = "graph"
    scored = (
        "`linear model without edges` is a linear model on the nodes' features alone."
    )

    def describe_data(self) -> list[str]:
        return describe_graphs(self.data)

    def data_statistics(self) -> dict[str, Any]:
        nodes = self.data.nodes
        return {
            "graphs": len(self.data),
            "nodes": len(nodes),
            "edges": nodes.num_edges,
        }

    def describe_split(self) -> str:
        counts = describe_counts(self.split_counts())
        return f"split: {counts}; {self.estimator.feature_encoder_}"

    def evaluate_model(self) -> Evaluation | None:
        estimator = self.estimator
        return estimator.evaluate() if len(estimator.test_.names) else None

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        data = self.data
        labels = [None] * len(data) if data.labels is None else data.labels
        splits = pd.DataFrame({"id": data.names, "split": self.estimator.split_})
        return {
            "index": pd.DataFrame({"id": data.names, "label": labels}),
            "splits": splits[splits["split"] != ""],
        }

    def predictions(self) -> Any:
        estimator, data = self.estimator, self.data
        predicted = estimator.predict_values(data)
        frame = estimator.predictions_frame(data.names, predicted, data.labels)
        frame.insert(1, "split", estimator.split_)
        return frame

    def linear_blocks(self) -> list[Block]:
        rows = [
            [
                FEATURE_SETS[model.feature_set],
                model.head.penalty,
                round(model.loss, 4),
            ]
            for model in self.estimator.linear_candidates_
        ]
        columns = ["features", "penalty", "loss"]
        return [truncated_table(columns, rows, "Linear models that were tried.")]


def data_path(run: Path) -> Path | None:
    """Return the path of a run's data; None where it does not say."""
    try:
        return Path(read_run_file(run, "settings.json")["data"]).resolve()
    except (RunError, KeyError):
        return None


def count_training_names(run: Path, graphs: GraphCollection) -> int:
    """Return how many graphs have the name of one of the run's training split."""
    splits = run / "data" / "splits.csv"
    if not splits.exists():
        return 0
    rows = pd.read_csv(splits, dtype=str, keep_default_na=False)
    names = set(rows["id"][rows["split"] == TRAIN])
    return sum(str(name) in names for name in graphs.names)


def read_test_split(run: OpenRun, target: str | None) -> GraphCollection:
    """Return the graphs that a run held out, read from the path of its data."""
    splits, data = run.path / "data" / "splits.csv", data_path(run.path)
    if not splits.exists() or data is None:
        raise NoDataError(
            f"{run.name} does not say which graphs were held out: give labelled DATA."
        )
    rows = pd.read_csv(splits, dtype=str, keep_default_na=False)
    names = set(rows["id"][rows["split"] == TEST])
    everything = run.model.read(str(data), target=target)
    held_out = np.array([name in names for name in everything.names])
    if not held_out.any():
        raise NoDataError("No graph was held out: give DATA with labels.")
    return everything.select(held_out)
