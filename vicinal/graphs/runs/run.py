"""What the training runs of nodes, links and graphs share: training and the report."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from vicinal.core.data.splits import SPLITS
from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.report.ranking_scores import ranking_table
from vicinal.core.report.report import Block, Report, Table, Text
from vicinal.core.report.sections import (
    changed_settings,
    configuration_section,
    data_section,
    errors_section,
    quarantine_section,
    results_section,
    sentence,
    split_table,
    training_section,
)
from vicinal.core.storage.run_folder import environment
from vicinal.core.text import pluralize
from vicinal.core.training.history import Epoch


class GraphTrainingRun(TrainingRun):
    """Base of the training runs on graphs."""

    epochs_between_lines: ClassVar[int] = 1
    """epochs from one that is printed to the next"""

    scored: ClassVar[str] = ""
    """sentence of the report on what the score is of"""

    def train(self) -> Iterator[str | Epoch]:
        """Train networks, and say how they compare with the linear baseline."""
        estimator, number = self.estimator, 0
        for epoch in estimator.train_network(
            self.started_at, self.checkpoint, self.stop_requested
        ):
            if epoch.epoch == 1:
                number += 1
                yield f"network {number} ({self.network_name}):"
            if epoch.epoch % self.epochs_between_lines == 0:
                yield epoch
        if estimator.comparison_ is not None:
            yield (
                f"{pluralize(number, 'network')} against the linear baseline, on the "
                f"validation split: {estimator.comparison_text}"
            )

    @property
    def network_name(self) -> str:
        """Return the kind of network that is trained."""
        return self.estimator.network_name

    def split_counts(self) -> dict[str, int]:
        split = self.estimator.split_
        return {name: int((split == name).sum()) for name in SPLITS}

    def extra_summary(self) -> dict[str, Any]:
        return {"networks": len(self.estimator.final_networks)}

    # --- the report ---

    def split_report(self) -> Table:
        """Return the examples per split, by class where there are classes."""
        data, estimator = self.data, self.estimator
        single = data.kind == "single_label"
        return split_table(
            estimator.split_,
            data.labels if single else None,
            estimator.objective_.classes if single else (),
            self.unit,
        )

    def _result_blocks(self) -> list[Block]:
        """Return what the report shows of results besides the scores."""
        if self.evaluation is None:
            return []
        scored: list[Block] = [Text(self.scored)] if self.scored else []
        return [*scored, *ranking_table(self.evaluation)]

    def error_blocks(self) -> list[Block]:
        """Return what the report shows of errors besides the confusion matrix."""
        return []

    def linear_blocks(self) -> list[Block]:
        """Return what the report shows of the linear models that were tried."""
        return []

    def make_report(self) -> Report:
        """Return the report: data, quarantine, results, errors, training, settings."""
        estimator, found, unit = self.estimator, self.evaluation, self.unit
        description = [
            *self.describe_data(),
            f"node features: {estimator.feature_encoder_}",
        ]
        linear = {}
        if self.linear_score is not None and estimator.final_networks:
            linear = {"linear baseline": self.linear_score}
        sections = [
            data_section(description, self.split_report(), notes=self.notes),
            quarantine_section(self.quarantined, None, "row"),
            results_section(
                found,
                unit=unit,
                model=f"this model ({estimator.model_description})",
                other_models=linear,
                temperature=estimator.temperature_,
                extra=self._result_blocks(),
            ),
            errors_section(
                found, unit=unit, extra=self.error_blocks() if found else []
            ),
            self._training_section(),
            configuration_section(
                data=self.source,
                seed=estimator.random_state,
                seconds=self.seconds,
                settings=changed_settings(estimator),
                rows=[("model", estimator.model_description)],
            ),
        ]
        finished = environment()["started"][:16].replace("T", " ")
        title = f"{self.run.folder.name}: {self.source}"
        return Report(title, f"Finished {finished}", sections)

    def _training_section(self) -> Any:
        """Show the loss of the first network; the ensemble is summarised in a line."""
        estimator, history = self.estimator, self.estimator.history_
        text = (
            f"Linear baseline after {self.linear_seconds:.1f} s: "
            f"{estimator.linear_description}."
        )
        before = [Text(text), *self.linear_blocks()]
        if estimator.comparison_ is not None:
            text = f"Networks against the linear baseline: {estimator.comparison_text}"
            before.append(Text(sentence(text)))
        starts = [k for k, epoch in enumerate(history) if epoch.epoch == 1]
        if len(starts) > 1:
            text = (
                f"{len(starts)} networks ({self.network_name}) were trained; the "
                "curves are those of the first."
            )
            before.append(Text(text))
        first = history[: starts[1]] if len(starts) > 1 else history
        return training_section(
            first,
            metric=estimator.objective_.metric,
            unit=self.unit,
            before=before,
            kept=bool(estimator.final_networks),
        )


def accuracy_rows(
    groups: list[tuple[str, np.ndarray]], correct: np.ndarray
) -> list[list[Any]]:
    """Return name, size and accuracy in percent of each group [N bool] with members."""
    return [
        [name, int(mask.sum()), f"{100 * float(correct[mask].mean()):.1f} %"]
        for name, mask in groups
        if mask.any()
    ]
