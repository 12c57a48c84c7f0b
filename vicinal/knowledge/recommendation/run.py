"""The training run of a recommender."""

from typing import Any

import numpy as np

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.core.text import format_percent
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.evaluation.splits import MIN_ITEMS
from vicinal.knowledge.recommendation.fitting import NEW
from vicinal.knowledge.recommendation.models.ease import MAX_SIDE
from vicinal.knowledge.recommendation.recommender import Recommender
from vicinal.knowledge.recommendation.report import example_blocks, result_blocks
from vicinal.knowledge.recommendation.results import result_rows, results_of
from vicinal.knowledge.recommendation.summary import table_lines, table_statistics


class RecommendationRun(TrainingRun):
    """From a table of users and items to a run directory."""

    estimator: Recommender
    data: UserItems
    domain = "recommendation"
    unit = "user"

    @property
    def task(self) -> str:
        return "recommendation"

    def describe_data(self) -> list[str]:
        return table_lines(self.data)

    def data_statistics(self) -> dict[str, Any]:
        return table_statistics(self.data)

    @property
    def notes(self) -> list[str]:
        """Return what the user should know about the data."""
        sides = self.data.weights.get_shape()
        if min(sides) <= MAX_SIDE:
            return self.data.notes
        note = f"EASE uses the {MAX_SIDE:,} items with the most users only"
        return [*self.data.notes, note]

    def split_counts(self) -> dict[str, int]:
        """Return the choices that the final model is fitted to, and the test items."""
        model = self.estimator.model_
        tested = len(model.hidden_ranks)
        return {"train": int(model.weights.nnz), "val": 0, "test": tested}

    def describe_split(self) -> str:
        model, settings = self.estimator.model_, self.estimator.settings_
        share = format_percent(settings.held_out)
        what = (
            "the last item of each user for testing, the one before for validation"
            if model.by_time
            else f"{share} of each user's items for testing, {share} of the rest for "
            "validation"
        )
        new = results_of(model, NEW)
        count = len(next(iter(new.values())).scores.recall) if new else 0
        return (
            f"split: {what} (users with {MIN_ITEMS} items or more); {count:,} users "
            "tested as new users; the final model is fitted to all"
        )

    def split_report(self) -> Table:
        model = self.estimator.model_
        users = len(np.unique(model.hidden_ranks[:, 0]))
        rows = [
            ["choices", int(model.weights.nnz), len(model.users)],
            ["test items of known users", len(model.hidden_ranks), users],
        ]
        return Table(["part", "pairs of user and item", "users"], rows)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        model = self.estimator.model_
        index = pd.DataFrame({"item": model.items, "users": model.counts})
        sizes = model.weights.getnnz(1)
        splits = pd.DataFrame({"user": model.users, "items": sizes})
        return {"index": index, "splits": splits}

    def class_names(self) -> list[str]:
        return []

    def evaluate_model(self) -> Evaluation | None:
        return self.estimator.evaluate()

    def predictions(self) -> Any:
        """Return the test items with their ranks."""
        return None if self.evaluation is None else self.evaluation.predictions

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        return ExtraBlocks([*result_blocks(model), *example_blocks(model)])

    def extra_summary(self) -> dict[str, Any]:
        model = self.estimator.model_
        return {
            "models": result_rows(model),
            "chosen": self.estimator.model_description,
            "own_profile": model.own_profile._asdict(),
        }
