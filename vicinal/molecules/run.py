"""The training run for properties of molecules."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import Score
from vicinal.core.report.report import Table
from vicinal.core.report.sections import split_table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.core.text import pluralize
from vicinal.molecules.data.molecule_table import MoleculeTable
from vicinal.molecules.data.summary import describe_molecules, molecule_counts
from vicinal.molecules.estimators import MoleculeEstimator
from vicinal.molecules.fitting import describe_time, scores_by_split
from vicinal.molecules.objective import is_regression
from vicinal.molecules.report.blocks import (
    cross_validated_targets,
    distribution_blocks,
    error_blocks,
    fragment_blocks,
    label_error_blocks,
    result_blocks,
)
from vicinal.molecules.report.label_errors import (
    SuspectedLabel,
    suspected_label_errors,
)

METHODS = {
    "scaffold": "molecules of one scaffold in one fold (those without a ring by "
    "cluster)",
    "butina": "molecules of one cluster of similar fingerprints in one fold",
    "random": "at random, with stereoisomers, tautomers and salts of one compound in "
    "one fold",
}


@dataclass
class MoleculeRun(TrainingRun):
    """From molecules with targets to a run directory."""

    estimator: MoleculeEstimator
    data: MoleculeTable
    domain = "molecules"
    unit = "molecule"
    compared_on = "on the predictions of the cross-validation"

    split_scores: dict[str, Score] = field(init=False, default_factory=dict)
    """of the baseline, by the split"""

    suspected: list[SuspectedLabel] = field(init=False, default_factory=list)

    @property
    def task(self) -> str:
        regression = is_regression(self.estimator.objective_)
        return "regression" if regression else "classification"

    def describe_data(self) -> list[str]:
        settings = self.estimator.validate_settings()
        return [*describe_molecules(self.data), *describe_time(self.data, settings)]

    def data_statistics(self) -> dict[str, Any]:
        return molecule_counts(self.data)

    def describe_split(self) -> str:
        found = self.estimator.cross_validation_
        method = METHODS[self.estimator.settings_.grouping]
        folds, groups = (len(np.unique(k)) for k in (found.folds, found.groups))
        tested = int((self.estimator.split_ == TEST).sum())
        text = f"{pluralize(folds, 'fold')}, {method} ({groups:,} groups)"
        if not tested:
            return f"split: {text}"
        newest = ""
        if self.estimator.settings_.splits_by_time and self.data.split is None:
            newest = "the newest "
        return f"split: {text}; {newest}{tested:,} for testing"

    def split_report(self) -> Table:
        split = self.estimator.split_
        if self.data.classes and len(self.data.target_names) == 1:
            classes = self.data.classes[0]
            names = np.array(classes)[self.data.targets[:, 0].astype(int)]
            return split_table(split, names, classes, unit=self.unit)
        return split_table(split, unit=self.unit)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        data, names = self.data, self.data.smiles
        index = pd.DataFrame({"smiles": names})
        for k, name in enumerate(data.target_names):
            name = name if len(data.target_names) > 1 else "label"
            values = data.targets[:, k]
            if data.classes:
                classes = (*data.classes[k], None)
                known = np.where(np.isnan(values), -1, values).astype(int)
                index[name] = [classes[row] for row in known]
            else:
                index[name] = values
        index["line"], index["replicates"] = data.lines, data.replicates
        split = self.estimator.split_
        fold = np.full(len(split), -1)
        fold[split == TRAIN] = self.estimator.cross_validation_.folds
        splits = pd.DataFrame({"smiles": names, "split": split})
        splits["fold"] = [k if k >= 0 else "" for k in fold]
        return {"index": index, "splits": splits[splits["split"] != ""]}

    def evaluate_model(self) -> Evaluation | None:
        """Evaluate on the test split, or by the cross-validation."""
        return self.estimator.evaluate()

    def predictions(self) -> Any:
        """Return the predictions for molecules that were held out.

        Those of the train split are of the models of the other folds.
        """
        import pandas as pd

        found = self.estimator.cross_validated()
        parts = [found.predictions.assign(split=TRAIN)]
        if self.evaluation is not None and self.evaluation.scored == TEST:
            parts.append(self.evaluation.predictions.assign(split=TEST, fold=""))
        whole = pd.concat(parts, ignore_index=True)
        whole.insert(1, "split", whole.pop("split"))
        if self.data.ids is not None:
            order = [np.flatnonzero(self.estimator.split_ == k) for k in (TRAIN, TEST)]
            order[0] = order[0][self.estimator.model_.predicted_rows]
            rows = np.concatenate(order[: len(parts)]).tolist()
            whole.insert(0, "id", [self.data.ids[row] for row in rows])
        return whole

    def evaluate(self) -> Iterator[str]:
        """Evaluate the final model; of several targets, each as well."""
        yield from super().evaluate()
        model = self.estimator.model_
        if len(model.target_names) > 1:
            yield "by target, in the cross-validation:"
            for name, count, score in cross_validated_targets(model):
                yield f"  {name}: {score.metric} {score} on {count:,} molecules"

    def class_names(self) -> list[str]:
        return list(self.estimator.objective_.classes)

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        coverage = self.estimator.settings_.coverage
        return ExtraBlocks(
            [
                *result_blocks(model, coverage, self.split_scores),
                *distribution_blocks(model),
            ],
            [
                *error_blocks(model),
                *label_error_blocks(model, self.suspected),
                *fragment_blocks(model),
            ],
        )

    def analyse(self) -> Iterator[str]:
        """Score the baseline under the other ways of holding molecules out."""
        self.split_scores = scores_by_split(
            self.estimator.model_, self.estimator.settings_, self.estimator.random_state
        )
        self.suspected = suspected_label_errors(self.estimator.model_)
        if self.suspected:
            count = pluralize(len(self.suspected), "suspected label error")
            yield f"{count}: see the report, and metrics.json"
        baseline = self.estimator.baseline_name
        for name, score in self.split_scores.items():
            yield f"{name} split, {baseline}: {score.metric} {score}"

    def extra_summary(self) -> dict[str, Any]:
        scores, data = self.split_scores.items(), self.data
        rows = np.flatnonzero(self.estimator.split_ == TRAIN)
        return {
            "split_scores": {name: score.to_dict() for name, score in scores},
            "suspected_label_errors": [
                {
                    "smiles": data.smiles[rows[label.row]],
                    "id": None if data.ids is None else data.ids[rows[label.row]],
                    "line": int(data.lines[rows[label.row]]),
                    **label._asdict(),
                    "nearest": data.smiles[rows[label.nearest]],
                }
                for label in self.suspected
            ],
        }
