"""What a run tells of the edges of a graph."""

from typing import Any

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block, Table
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.statistics import Facts, facts_of, told
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links.metrics import auroc
from vicinal.graphs.runs.run import GraphRun

LISTED = 1000
"""pairs that may be joined and are not listed: so many are written, likeliest first"""

MOST_RELATIONS = 50
"""that the report tells of, those with most edges first"""


class LinkRun(GraphRun):
    """One training from graph to report."""

    learner: LinkPredictor
    data: GraphTable
    facts: Facts
    unit = "pair"
    closing = (
        "Half of the pairs that are held out are edges, which neither what is learned "
        "from nor its messages hold in any direction; the others are pairs without one."
    )

    def understood(self) -> list[str]:
        self.facts = facts_of(self.data)
        return told(self.data, self.facts)

    def counts(self) -> dict[str, int]:
        split = self.learner.split_
        return {
            "train": 2 * len(split.train),
            "val": len(split.val) + len(split.val_negatives),
            "test": len(split.test) + len(split.test_negatives),
        }

    def divided(self) -> str:
        split = self.learner.split_
        return (
            f"{len(split.train):,} edges to learn from, {len(split.val):,} to choose "
            f"by, {len(split.test):,} held out for the score, each beside as many "
            f"pairs without one; {self.learner.columns_}"
        )

    def judged(self) -> Evaluation | None:
        if not len(self.learner.split_.test):
            return None
        return self.learner.evaluate()

    def errors(self) -> list[Block]:
        """How well edges of each relation are found, where there are several."""
        assert self.evaluation is not None
        if not self.learner.relations_:
            return []
        told, rows = self.evaluation.predictions, []
        for relation, own in told.groupby("relation"):
            y = (own["label"] == "edge").to_numpy(int)
            found = auroc(y, own["chance"].to_numpy(float))
            shown = "-" if found != found else f"{found:.3f}"
            rows.append([relation, int(y.sum()), shown])
        rows.sort(key=lambda row: (-row[1], row[0]))
        return [Table(["relation", "edges held out", "AUROC"], rows[:MOST_RELATIONS])]

    def frames(self) -> dict[str, Any]:
        import pandas as pd

        split, names = self.learner.split_, self.learner.graph_.ids
        parts = []
        for name, pairs in vars(split).items():
            part, _, none = name.partition("_")
            own = {"label": "no edge" if none else "edge", "split": part}
            parts.append(pd.DataFrame({**self.learner.named(pairs), **own}))
        index = pd.DataFrame({"id": names})
        return {"index": index, "splits": pd.concat(parts, ignore_index=True)}

    def predictions(self) -> Any:
        return self.learner.most_likely(LISTED)

    def more(self) -> dict[str, Any]:
        return {"graph": vars(self.facts)}
