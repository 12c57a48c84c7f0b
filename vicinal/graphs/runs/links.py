"""The training run for link prediction."""

from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.report.report import Block, Table, Text
from vicinal.core.report.sections import truncated_table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.statistics import describe_graph, graph_statistics
from vicinal.graphs.link_predictor import CLASSES, LinkPredictor
from vicinal.graphs.links.bipartite import from_side_0
from vicinal.graphs.links.metrics import auroc

NUM_NEW_EDGES = 1000
"""most probable pairs without an edge that predictions.csv lists"""

TEST_PAIRS = (
    "Half of the test pairs are edges, which neither training pairs nor messages "
    "contain in any direction; the others are pairs without an edge."
)
OPPOSITE_SIDES = "The graph is bipartite: all pairs are of opposite sides."


class LinkRun(TrainingRun):
    """From a graph to a run directory with predicted edges."""

    estimator: LinkPredictor
    data: GraphTable
    domain = "links"
    unit = "pair"

    @property
    def task(self) -> str:
        return "links"

    def describe_data(self) -> list[str]:
        return describe_graph(self.data, graph_statistics(self.data))

    def data_statistics(self) -> dict[str, Any]:
        return graph_statistics(self.data).to_dict()

    def split_counts(self) -> dict[str, int]:
        split = self.estimator.split_
        return {
            "train": 2 * len(split.train),
            "val": len(split.val) + len(split.val_negatives),
            "test": len(split.test) + len(split.test_negatives),
        }

    def describe_split(self) -> str:
        split = self.estimator.split_
        opposite = "" if self.estimator.graph_.sides is None else " of opposite sides"
        return (
            f"split: {len(split.train):,} edges for training, {len(split.val):,} for "
            f"validation, {len(split.test):,} for testing, each with as many negative "
            f"pairs{opposite}; {self.estimator.feature_encoder_}"
        )

    def split_report(self) -> Table:
        rows = [[name, count] for name, count in self.split_counts().items()]
        return Table(["split", "pairs"], rows)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        estimator, parts = self.estimator, []
        for name, pairs in vars(estimator.split_).items():
            split, _, negative = name.partition("_")
            columns = {"label": CLASSES[0 if negative else 1], "split": split}
            names = estimator.pair_columns(from_side_0(estimator.graph_, pairs))
            parts.append(pd.DataFrame({**names, **columns}))
        index = pd.DataFrame({"id": estimator.graph_.ids})
        return {"index": index, "splits": pd.concat(parts, ignore_index=True)}

    def predictions(self) -> Any:
        """Return the test pairs, and the most probable pairs without an edge."""
        import pandas as pd

        new = self.estimator.most_likely(NUM_NEW_EDGES)
        self.data.notes.extend(new.attrs["notes"])
        decided = np.where(new["probability"] >= 0.5, CLASSES[1], CLASSES[0])
        new = new.drop(columns="log_odds").assign(split="", label="", predicted=decided)
        parts = [new]
        if self.evaluation is not None:
            parts.insert(0, self.evaluation.predictions.assign(split="test"))
        names = [k for k in ("source", "target", "relation") if k in new]
        columns = [*names, "split", "label", "predicted", "probability"]
        return pd.concat([part[columns] for part in parts], ignore_index=True)

    def extra_blocks(self) -> ExtraBlocks:
        results = [] if self.evaluation is None else [Text(TEST_PAIRS)]
        if results and self.estimator.graph_.sides is not None:
            results.append(Text(OPPOSITE_SIDES))
        return ExtraBlocks(results, self._auroc_by_relation())

    def _auroc_by_relation(self) -> list[Block]:
        """Return the AUROC of each relation, where there are several."""
        if self.evaluation is None or not self.estimator.relations_:
            return []
        rows = []
        for relation, table in self.evaluation.predictions.groupby("relation"):
            y = (table["label"] == CLASSES[1]).to_numpy(int)
            value = auroc(y, table["probability"].to_numpy(float))
            shown = "-" if np.isnan(value) else f"{value:.3f}"
            rows.append([relation, int(y.sum()), shown])
        rows.sort(key=lambda row: (-row[1], row[0]))
        return [truncated_table(["relation", "test edges", "AUROC"], rows)]
