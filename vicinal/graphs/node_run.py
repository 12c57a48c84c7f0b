"""From a graph to a run folder: what was understood, parts, first answer, networks,
test, report.

A NodeRun is worked through by iterating over `steps()`, which yields sentences and
epoch records as they come; everything it finds is written to the run folder.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.evaluation import Evaluation
from vicinal.core.files import write_text
from vicinal.core.objective import Objective
from vicinal.core.run import CHECKPOINT, Run, environment
from vicinal.core.runtime import count_parameters
from vicinal.core.splits import TEST, TRAIN, VAL
from vicinal.core.training import Epoch
from vicinal.core.words import counted
from vicinal.graphs.facts import Facts, facts_of, told
from vicinal.graphs.first_answer import by_labels
from vicinal.graphs.nodes import NodeLearner
from vicinal.graphs.page import Findings, make_report
from vicinal.graphs.table import GraphTable

FEATURES, LABELS = "features alone", "neighbours' labels alone"
"""baselines: a fitted layer that sees no edge, and labels spread, which sees no feature
"""

EVERY = 50
"""epochs between two that are told"""


@dataclass
class NodeRun:
    """One training from graph to report."""

    learner: NodeLearner
    table: GraphTable
    run: Run
    source: str
    stop_requested: Callable[[], bool] = lambda: False
    begun: float = field(default_factory=time.monotonic)

    facts: Facts = field(init=False)
    evaluation: Evaluation | None = field(init=False, default=None)
    first: Evaluation | None = field(init=False, default=None)
    """the first answer on the same nodes"""

    first_seconds: float = field(init=False, default=0.0)
    seconds: float = field(init=False, default=0.0)

    def steps(self) -> Iterator[str | Epoch]:
        """Do everything; yield what there is to say, as it comes."""
        self.facts = facts_of(self.table)
        yield from told(self.table, self.facts)
        aside = self.table.set_aside
        if aside:
            yield (
                f"{counted(len(aside), 'row')} set aside (data/quarantine.csv says "
                f"why), the first: {aside[0].name}: {aside[0].reason}"
            )
        self.learner.begin(self.table)
        yield from (f"note: {note}" for note in self.table.notes)
        yield self._divided()
        self._write_data()
        yield from self._first_answer()
        yield from self._networks()
        yield from self._test()
        self.seconds = time.monotonic() - self.begun
        self._write_results()

    def _divided(self) -> str:
        """How many nodes are for what."""
        parts = self.learner.parts_
        counts = {part: int((parts == part).sum()) for part in (TRAIN, VAL, TEST)}
        purpose = {
            TRAIN: "to learn from",
            VAL: "to choose by",
            TEST: "held out for the score",
        }
        told = [f"{n:,} {purpose[part]}" for part, n in counts.items() if n]
        rest = int((self.table.labelled & (parts == "")).sum())
        if rest:
            told.append(f"{rest:,} in no part, whose labels are not used")
        return f"{', '.join(told)}; {self.learner.columns_}"

    def _first_answer(self) -> Iterator[str]:
        learner = self.learner
        self.first_seconds = time.monotonic() - self.begun
        self.first = self._judged()
        how = f"first answer after {self.first_seconds:.1f} s: {learner.first_}"
        if self.first is None:
            yield f"{how}; no node was held out, so there is no score"
            return
        yield f"{how}: {self.first.score.metric} {self.first.score}"
        learner.save(self.run.folder)

    def _networks(self) -> Iterator[str | Epoch]:
        learner = self.learner
        epochs = learner._epochs(
            self.begun, self.run.path(CHECKPOINT), self.stop_requested
        )
        number = 0
        for epoch in epochs:
            if epoch.epoch == 1:
                number += 1
                yield f"network {number}, {learner.network_name}:"
            if epoch.epoch % EVERY == 0:
                yield epoch
        if learner.paired_ is not None:
            yield (
                f"{counted(number, 'network')} against the first answer, on the "
                f"validation part: {learner.against_the_first}"
            )

    def _judged(self) -> Evaluation | None:
        """The model as it is, on the nodes held out, beside the baselines."""
        learner = self.learner
        rows = np.flatnonzero(learner.parts_ == TEST)
        if not len(rows):
            return None
        found = learner.evaluate()
        known, objective = learner.known_, learner.objective_
        alone = learner.alone_.logits(known)[rows]
        y = known.y[rows]
        decided = objective.decide(objective.predict(alone))
        found.set_beside(FEATURES, objective, y, decided)
        labels = _by_labels(learner, objective)
        found.set_beside(LABELS, objective, y, labels[rows])
        return found

    def _test(self) -> Iterator[str]:
        self.evaluation = self._judged()
        if self.evaluation is None:
            return
        yield str(self.evaluation)
        yield self.evaluation.verdict

    # --- the folder --------------------------------------------------------------

    def _write_data(self) -> None:
        import pandas as pd

        run, table = self.run, self.table
        run.write("env.json", environment())
        labels = [None] * len(table) if table.labels is None else table.labels
        index = pd.DataFrame({"id": table.ids, "label": labels})
        splits = pd.DataFrame({"id": table.ids, "split": self.learner.parts_})
        columns = ["name", "label", "reason"]
        aside = pd.DataFrame(table.set_aside, columns=columns)
        for name, frame in {
            "index": index,
            "splits": splits[splits["split"] != ""],
            "quarantine": aside,
        }.items():
            write_csv(run.path(f"data/{name}.csv"), frame)
        run.write("classes.json", list(self.learner.objective_.classes))

    def _write_results(self) -> None:
        import pandas as pd

        run, learner = self.run, self.learner
        learner.save(run.folder)
        write_csv(run.path("metrics.csv"), pd.DataFrame(learner.history_))
        said = learner.predicted()
        frame = learner.predictions_frame(self.table.ids, said, self.table.labels)
        frame.insert(1, "part", learner.parts_)
        write_csv(run.path("predictions.csv"), frame)
        run.write("metrics.json", self.summary())
        report = make_report(self._findings())
        run.write("report.json", report.to_dict())
        write_text(run.path("report.html"), report.html())
        write_text(run.path("report.txt"), report.text())

    def _findings(self) -> Findings:
        return Findings(
            name=self.run.folder.name,
            source=self.source,
            table=self.table,
            facts=self.facts,
            learner=self.learner,
            first=self.first,
            first_seconds=self.first_seconds,
            evaluation=self.evaluation,
            seconds=self.seconds,
        )

    def summary(self) -> dict[str, Any]:
        """What `--json` prints: score, baselines, run, seconds and counts."""
        learner, parts = self.learner, self.learner.parts_
        nothing = {"score": None, "baselines": {}}
        found = self.evaluation.to_dict() if self.evaluation else nothing
        networks = learner.members_ or []
        return {
            **found,
            "run": str(self.run.folder),
            "seconds": round(self.seconds, 2),
            "nodes": {p: int((parts == p).sum()) for p in (TRAIN, VAL, TEST)},
            "graph": vars(self.facts),
            "quarantined": len(self.table.set_aside),
            "first_answer": None if self.first is None else self.first.score.to_dict(),
            "first_seconds": round(self.first_seconds, 2),
            "delivered": learner.delivered,
            "networks": len(networks),
            "parameters": sum(count_parameters(network) for network in networks),
            "kept_because": learner.paired_ and learner.paired_.to_dict(),
        }


def _by_labels(learner: NodeLearner, objective: Objective) -> np.ndarray:
    """What the labels around say, decided [N] or [N, K]."""
    said = by_labels(learner.known_, objective, 0.9)
    return objective.decide(objective.predict(said))


def write_csv(path: Path, frame: Any) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, frame.to_csv(index=False))
