"""What a run tells of the nodes of a graph."""

from typing import Any

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block, Table
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.statistics import Facts, facts_of, told
from vicinal.graphs.node_estimators import NodeEstimator
from vicinal.graphs.nodes.propagated_features import VIEWS
from vicinal.graphs.runs.report import cut
from vicinal.graphs.runs.run import EVERY, GraphRun

PURPOSE = {
    TRAIN: "to learn from",
    VAL: "to choose by",
    TEST: "held out for the score",
}


def divided(counts: dict[str, int]) -> list[str]:
    """How many examples are for what."""
    return [f"{n:,} {PURPOSE[part]}" for part, n in counts.items() if n]


class NodeRun(GraphRun):
    """One training from graph to report."""

    learner: NodeEstimator
    data: GraphTable
    facts: Facts
    unit = "node"
    every = EVERY
    closing = (
        "Nodes that are held out keep their edges: what is known of their surroundings "
        "is used, their labels are not."
    )

    def understood(self) -> list[str]:
        self.facts = facts_of(self.data)
        return told(self.data, self.facts)

    def counts(self) -> dict[str, int]:
        parts = self.learner.split_
        return {part: int((parts == part).sum()) for part in (TRAIN, VAL, TEST)}

    def divided(self) -> str:
        parts = divided(self.counts())
        rest = int((self.data.labelled & (self.learner.split_ == "")).sum())
        if rest:
            parts.append(f"{rest:,} in no part, whose labels are not used")
        told = f"{', '.join(parts)}; {self.learner.columns_}"
        samples = self.learner.samples
        if samples is None:
            return told
        seen = ", ".join(map(str, samples))
        return f"{told}; networks learn from samples of {seen} neighbours, outward"

    def judged(self) -> Evaluation | None:
        return self.learner.evaluate() if self.learner.held_out.any() else None

    def frames(self) -> dict[str, Any]:
        import pandas as pd

        table = self.data
        labels = [None] * len(table) if table.labels is None else table.labels
        splits = pd.DataFrame({"id": table.ids, "split": self.learner.split_})
        return {
            "index": pd.DataFrame({"id": table.ids, "label": labels}),
            "splits": splits[splits["split"] != ""],
        }

    def predictions(self) -> Any:
        learner, table = self.learner, self.data
        said = learner.predicted()
        frame = learner.predictions_frame(table.ids, said, table.labels)
        frame.insert(1, "part", learner.split_)
        return frame

    def parts(self) -> Table:
        return by_class(self.data, self.learner) or super().parts()

    def errors(self) -> list[Block]:
        """How often it is right by how many neighbours a node has."""
        found, learner = self.evaluation, self.learner
        if found is None or found.confusion is None:
            return []
        incoming = learner.graph_.adjacency.incoming
        degree = incoming.degrees.numpy()[learner.held_out]
        right = found.predictions["label"].to_numpy() == found.predictions["predicted"]
        told = []
        for low, high, name in ((0, 0, "none"), (1, 2, "1 or 2"), (3, 5, "3 to 5")):
            told.append((name, (degree >= low) & (degree <= high)))
        told.append(("6 or more", degree >= 6))
        lines = [
            [name, int(own.sum()), f"{100 * float(np.mean(right[own])):.1f} %"]
            for name, own in told
            if own.any()
        ]
        caption = "How often it is right, by a node's neighbours."
        return [Table(["neighbours", "nodes", "right"], lines, caption)]

    def firsts(self) -> list[Block]:
        rows = [
            [VIEWS[a.view], a.head.penalty, a.correct_and_smooth, round(a.loss, 4)]
            for a in self.learner.linear_candidates_
        ]
        return [
            cut(["what is seen", "penalty", "correct_and_smooth out by", "loss"], rows)
        ]

    def more(self) -> dict[str, Any]:
        return {"graph": vars(self.facts)}


def by_class(data: Any, learner: Any) -> Table | None:
    """How many examples of each class are for what; None where there are no classes."""
    labels, parts, shown = data.labels, learner.split_, (TRAIN, VAL, TEST)
    if data.kind != "single_label" or labels is None:
        return None
    rows = [
        [name, *(int(((labels == name) & (parts == part)).sum()) for part in shown)]
        for name in learner.objective_.classes
    ]
    return cut(["class", *shown], rows)
