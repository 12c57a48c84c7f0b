"""The training run of a completion."""

from functools import cached_property
from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.knowledge.completion.predictor import TriplePredictor
from vicinal.knowledge.completion.report import leak_blocks, result_blocks
from vicinal.knowledge.completion.results import relation_rows
from vicinal.knowledge.completion.summary import table_lines, table_statistics
from vicinal.knowledge.data.names import count_entities
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.splits import TripleSplit


class CompletionRun(TrainingRun):
    """From triples to a run directory."""

    estimator: TriplePredictor
    data: TripleTable
    domain = "triples"
    unit = "triple"

    @property
    def task(self) -> str:
        return "completion"

    @cached_property
    def _statistics(self) -> dict[str, Any]:
        return table_statistics(self.data)

    @cached_property
    def _split(self) -> TripleSplit:
        return self.estimator.split(self.data)

    def describe_data(self) -> list[str]:
        return table_lines(self._statistics)

    def data_statistics(self) -> dict[str, Any]:
        return self._statistics

    @property
    def notes(self) -> list[str]:
        """Return what the user should know about the data and the rules."""
        left_out = self.estimator.model_.completion.rules.facts.num_left_out
        if not left_out:
            return self.data.notes
        note = (
            f"rules of facts are counted without the {count_entities(left_out)} that "
            "have the most facts"
        )
        return [*self.data.notes, note]

    def split_counts(self) -> dict[str, int]:
        names = ("train", "val", "test")
        return dict(zip(names, map(len, self._split), strict=True))

    def describe_split(self) -> str:
        tested = len(self.estimator.model_.scores.tested)
        text = f"{super().describe_split()}; in the end rules are mined from all"
        if tested < len(self._split.test):
            return f"{text}. {tested:,} of the test triples are ranked, at random"
        return text

    def split_report(self) -> Table:
        names = ("training", "validation", "test")
        rows = [
            [name, len(part), *(len(np.unique(part[:, k])) for k in ([0, 2], 1))]
            for name, part in zip(names, self._split, strict=True)
        ]
        return Table(["split", "triples", "entities", "relations"], rows)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        model = self.estimator.model_
        index: dict[str, Any] = {"id": model.entities}
        if model.labels is not None:
            index["label"] = model.labels
        index["triples"] = model.graph.degrees
        heads, relations, tails = np.concatenate(self._split).T
        counts = self.split_counts()
        splits = {
            "head": model.entities[heads],
            "relation": model.relations[relations],
            "tail": model.entities[tails],
            "split": np.repeat([*counts], [*counts.values()]),
        }
        return {"index": pd.DataFrame(index), "splits": pd.DataFrame(splits)}

    def class_names(self) -> list[str]:
        return [str(name) for name in self.estimator.model_.relations]

    def evaluate_model(self) -> Evaluation | None:
        return self.estimator.evaluate()

    def predictions(self) -> Any:
        """Return the test triples with their ranks."""
        return None if self.evaluation is None else self.evaluation.predictions

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        return ExtraBlocks(result_blocks(model), leak_blocks(self._statistics))

    def extra_summary(self) -> dict[str, Any]:
        model = self.estimator.model_
        scores = model.scores
        return {
            "relations": relation_rows(model),
            "validation": scores.validation,
            "seconds_by_step": scores.seconds,
            "path_rules": len(model.completion.rules.paths.rules),
            "weight_of_rules": model.completion.weight,
            "weight_of_network": None
            if model.completion.network is None
            else model.completion.network_weight,
        }
