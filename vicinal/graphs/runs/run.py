"""From a graph, or many, to a run folder: what was understood, parts, first answer,
networks, test, report.

It is worked through by iterating over `steps()`, which yields sentences and epoch
records as they come; everything that is found is written to the run folder. What is
told of nodes, of whole graphs and of edges is in `node_run`, `whole_run`, `link_run`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Block, Table
from vicinal.core.storage.files import write_text
from vicinal.core.storage.run_folder import CHECKPOINT, Run, environment
from vicinal.core.text import counted
from vicinal.core.training.trainer import Epoch
from vicinal.graphs.data.output_tables import write_csv
from vicinal.graphs.runs.report import Findings, make_report

EVERY = 50
"""epochs between two that are told, where there are many"""


@dataclass
class GraphRun:
    """One training from data to report."""

    learner: Any
    """NodeClassifier or another estimator of graphs"""

    data: Any
    """what it learns from, as it was read"""

    run: Run
    source: str
    stop_requested: Callable[[], bool] = lambda: False
    started_at: float = field(default_factory=time.monotonic)

    lines: list[str] = field(init=False, default_factory=list)
    """what was understood"""

    evaluation: Evaluation | None = field(init=False, default=None)
    first: Evaluation | None = field(init=False, default=None)
    """the first answer on the same examples"""

    first_seconds: float = field(init=False, default=0.0)
    seconds: float = field(init=False, default=0.0)

    unit: ClassVar[str]
    """what is judged: node, graph, pair"""

    every: ClassVar[int] = 1
    """epochs between two that are told"""

    def steps(self) -> Iterator[str | Epoch]:
        """Do everything; yield what there is to say, as it comes."""
        self.lines = self.understood()
        yield from self.lines
        aside = self.set_aside
        if aside:
            yield (
                f"{counted(len(aside), 'row')} set aside (data/quarantine.csv says "
                f"why), the first: {aside[0].name}: {aside[0].reason}"
            )
        self.learner.begin(self.data)
        yield from (f"note: {note}" for note in self.notes)
        yield self.divided()
        self._write_data()
        yield from self._first_answer()
        yield from self._networks()
        yield from self._test()
        self.seconds = time.monotonic() - self.started_at
        self._write_results()

    # --- what is told of nodes, graphs or edges ----------------------------------

    def understood(self) -> list[str]:
        """What the data are, in sentences."""
        raise NotImplementedError

    @property
    def set_aside(self) -> list[Quarantined]:
        """Rows that cannot be used."""
        return self.data.set_aside

    @property
    def notes(self) -> list[str]:
        """What the user should know of the data."""
        return self.data.notes

    def divided(self) -> str:
        """How many examples are for what, in a sentence."""
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """Examples of each part."""
        raise NotImplementedError

    def frames(self) -> dict[str, Any]:
        """Tables by name that are written to the run's data folder."""
        raise NotImplementedError

    def judged(self) -> Evaluation | None:
        """The model as it is, on what is held out, beside the baselines; None where
        nothing is."""
        raise NotImplementedError

    def predictions(self) -> Any:
        """What the model says of everything, as a table."""
        raise NotImplementedError

    def parts(self) -> Table:
        """How many examples are for what, for the report."""
        rows = [[part, count] for part, count in self.counts().items()]
        return Table(["part", f"{self.unit}s"], rows)

    def errors(self) -> list[Block]:
        """What the report tells of errors besides what is taken for what."""
        return []

    def firsts(self) -> list[Block]:
        """What the report tells of the first answers that were tried."""
        return []

    closing: ClassVar[str] = ""
    """a sentence under the score"""

    def more(self) -> dict[str, Any]:
        """What `--json` prints besides."""
        return {}

    # --- the steps -----------------------------------------------------------------

    @property
    def networks(self) -> list[Any]:
        """Those that are delivered."""
        return self.learner.networks_delivered

    def _first_answer(self) -> Iterator[str]:
        learner = self.learner
        self.first_seconds = time.monotonic() - self.started_at
        self.first = self.judged()
        how = f"first answer after {self.first_seconds:.1f} s: {learner.first_told}"
        if self.first is None:
            yield f"{how}; no {self.unit} was held out, so there is no score"
            return
        yield f"{how}: {self.first.score.metric} {self.first.score}"
        learner.save(self.run.folder)

    def _networks(self) -> Iterator[str | Epoch]:
        learner, number = self.learner, 0
        checkpoint = self.run.path(CHECKPOINT)
        for epoch in learner._epochs(self.started_at, checkpoint, self.stop_requested):
            if epoch.epoch == 1:
                number += 1
                yield f"network {number}, {learner.network_name}:"
            if epoch.epoch % self.every == 0:
                yield epoch
        if learner.comparison_ is not None:
            yield (
                f"{counted(number, 'network')} against the first answer, on the "
                f"validation part: {learner.against_the_first}"
            )

    def _test(self) -> Iterator[str]:
        self.evaluation = self.judged()
        if self.evaluation is None:
            return
        yield str(self.evaluation)
        yield self.evaluation.verdict

    # --- the folder --------------------------------------------------------------

    def _write_data(self) -> None:
        import pandas as pd

        run = self.run
        run.write("env.json", environment())
        columns = ["name", "label", "reason"]
        aside = pd.DataFrame(self.set_aside, columns=columns)
        for name, frame in {**self.frames(), "quarantine": aside}.items():
            write_csv(run.path(f"data/{name}.csv"), frame)
        run.write("classes.json", list(self.learner.objective_.classes))

    def _write_results(self) -> None:
        import pandas as pd

        run, learner = self.run, self.learner
        learner.save(run.folder)
        write_csv(run.path("metrics.csv"), pd.DataFrame(learner.history_))
        write_csv(run.path("predictions.csv"), self.predictions())
        run.write("metrics.json", self.summary())
        report = make_report(self._findings())
        run.write("report.json", report.to_dict())
        write_text(run.path("report.html"), report.html())
        write_text(run.path("report.txt"), report.text())

    def _findings(self) -> Findings:
        return Findings(
            name=self.run.folder.name,
            source=self.source,
            unit=self.unit,
            understood=[*self.lines, f"known of a node: {self.learner.columns_}"],
            parts=self.parts(),
            notes=self.notes,
            set_aside=self.set_aside,
            learner=self.learner,
            first=self.first,
            first_seconds=self.first_seconds,
            evaluation=self.evaluation,
            closing=self.closing,
            errors=self.errors() if self.evaluation is not None else [],
            firsts=self.firsts(),
            seconds=self.seconds,
        )

    def summary(self) -> dict[str, Any]:
        """What `--json` prints: score, baselines, run, seconds and counts."""
        learner = self.learner
        nothing = {"score": None, "baselines": {}}
        found = self.evaluation.to_dict() if self.evaluation else nothing
        return {
            **found,
            "run": str(self.run.folder),
            "seconds": round(self.seconds, 2),
            f"{self.unit}s": self.counts(),
            "quarantined": len(self.set_aside),
            "first_answer": None if self.first is None else self.first.score.to_dict(),
            "first_seconds": round(self.first_seconds, 2),
            "delivered": learner.delivered,
            "networks": len(self.networks),
            "parameters": sum(count_parameters(network) for network in self.networks),
            "kept_because": learner.comparison_ and learner.comparison_.to_dict(),
            **self.more(),
        }
