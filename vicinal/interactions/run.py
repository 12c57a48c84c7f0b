"""The training run of a model of interactions."""

from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.core.text import pluralize
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.predictor import InteractionPredictor
from vicinal.interactions.report import effect_blocks, result_blocks, set_blocks
from vicinal.interactions.results import result_rows
from vicinal.interactions.summary import table_lines, table_statistics


class InteractionRun(TrainingRun):
    """From a table of interactions to a run directory."""

    estimator: InteractionPredictor
    data: InteractionTable
    domain = "interactions"
    unit = "fact"

    @property
    def task(self) -> str:
        return "interactions"

    def describe_data(self) -> list[str]:
        return table_lines(self.data)

    def data_statistics(self) -> dict[str, Any]:
        return table_statistics(self.data)

    @property
    def notes(self) -> list[str]:
        left_out = self.estimator.left_out_effects
        if not left_out:
            return self.data.notes
        least = self.estimator.settings_.min_pairs
        return [
            *self.data.notes,
            f"{pluralize(left_out, 'effect')} with fewer than {least} pairs left out "
            "(--min-pairs)",
        ]

    def split_counts(self) -> dict[str, int]:
        """Return the facts of the final model, and those of the headline's test."""
        facts = int(self.estimator.model_.scores.pair_effects.table.nnz)
        found = self.evaluation or self.estimator.evaluate()
        tested = int(np.sum(found.predictions["label"].to_numpy() == found.classes[1]))
        return {"train": facts, "val": 0, "test": tested}

    def describe_split(self) -> str:
        results = self.estimator.model_.results
        own = {result.situation for result in results}
        share = self.estimator.settings_.held_out
        text = (
            f"split: {share:.0%} of the facts, pairs or drugs for validation and as "
            "many for testing, in each situation; the final model is fitted to all"
        )
        missing = [name for name in SITUATIONS if name not in own]
        if not missing:
            return text
        return f"{text}. Too few facts or features to test: {', '.join(missing)}"

    def split_report(self) -> Table:
        rows = [
            [result.title, result.negatives, int(truth.sum()), int((~truth).sum())]
            for result in self.estimator.model_.results
            for truth in [result.cells.truth]
        ]
        columns = ["situation", "negatives", "facts tested", "pairs without the effect"]
        return Table(columns, rows)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        model = self.estimator.model_
        known = model.scores.pair_effects
        counts = known.effect_counts.astype(int)
        index = pd.DataFrame({"effect": model.effects, "pairs": counts})
        degrees = np.asarray(known.degrees)
        splits = pd.DataFrame({"drug": model.drugs, "pairs": degrees})
        return {"index": index, "splits": splits}

    def class_names(self) -> list[str]:
        return [str(effect) for effect in self.estimator.model_.effects]

    def evaluate_model(self) -> Evaluation | None:
        return self.estimator.evaluate()

    def predictions(self) -> Any:
        """Return the cells of the headline's test."""
        return None if self.evaluation is None else self.evaluation.predictions

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        results = [*result_blocks(model.results), *set_blocks(model)]
        return ExtraBlocks(results, effect_blocks(model))

    def extra_summary(self) -> dict[str, Any]:
        model = self.estimator.model_
        return {"situations": result_rows(model.results), "sets": model.set_scores}
