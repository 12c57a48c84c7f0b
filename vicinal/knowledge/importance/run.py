"""The training run of a model of importance."""

from typing import Any

from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.knowledge.importance.regressor import ImportanceRegressor
from vicinal.knowledge.importance.report import (
    entity_blocks,
    model_blocks,
    relation_blocks,
)
from vicinal.knowledge.importance.results import result_rows
from vicinal.knowledge.importance.summary import table_lines, table_statistics
from vicinal.knowledge.importance.table import ImportanceTable


class ImportanceRun(TrainingRun):
    """From triples and a table of nodes to a run directory."""

    estimator: ImportanceRegressor
    data: ImportanceTable
    domain = "importance"
    unit = "entity"
    compared_on = "on entities that neither was trained on"
    epochs_between_lines = 10

    @property
    def task(self) -> str:
        return "importance"

    def describe_data(self) -> list[str]:
        return table_lines(self.data)

    def data_statistics(self) -> dict[str, Any]:
        return table_statistics(self.data)

    @property
    def notes(self) -> list[str]:
        note = self.estimator.model_.scale.note
        return [*self.data.notes, *([note] if note else [])]

    def split_counts(self) -> dict[str, int]:
        """Return the labels of the final model; each is tested in one fold."""
        count = len(self.estimator.model_.validation.labels)
        return {"train": count, "val": 0, "test": count}

    def describe_split(self) -> str:
        validation = self.estimator.model_.validation
        return (
            f"split: {len(validation.folds)} folds of {len(validation.labels):,} "
            "labelled entities; the final model is fitted to all"
        )

    def split_report(self) -> Table:
        folds = self.estimator.model_.validation.folds
        total = sum(map(len, folds))
        rows = [[k + 1, total - len(rows), len(rows)] for k, rows in enumerate(folds)]
        return Table(["fold", "training entities", "test entities"], rows)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        model = self.estimator.model_
        validation = model.validation
        index = pd.DataFrame({"id": model.entities, "label": model.target})
        names = model.entities[validation.entities]
        splits = pd.DataFrame({"id": names, "fold": validation.fold})
        return {"index": index, "splits": splits}

    def class_names(self) -> list[str]:
        return []

    def evaluate_model(self) -> Evaluation | None:
        return self.estimator.evaluate()

    def predictions(self) -> Any:
        """Return the predictions of the cross-validation."""
        return None if self.evaluation is None else self.evaluation.predictions

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        results = [*model_blocks(model), *relation_blocks(model)]
        return ExtraBlocks(results, entity_blocks(model))

    def extra_summary(self) -> dict[str, Any]:
        return {"models": result_rows(self.estimator.model_.validation)}
