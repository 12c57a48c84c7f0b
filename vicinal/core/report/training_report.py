"""The report of a training run: what every domain shows, and what one adds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import Score
from vicinal.core.report.ranking_scores import ranking_table
from vicinal.core.report.report import Block, Report, Section, Table, Text
from vicinal.core.report.sections import (
    changed_settings,
    configuration_section,
    data_section,
    errors_section,
    first_epochs,
    quarantine_section,
    results_section,
    sentence,
    training_section,
)
from vicinal.core.storage.run_folder import environment


class ExtraBlocks(NamedTuple):
    """What a domain adds to sections of the report."""

    results: Sequence[Block] = ()
    """after the scores"""

    errors: Sequence[Block] = ()
    """after the confusion matrix"""

    training: Sequence[Block] = ()
    """after the line on the linear baseline"""


class RunResults(NamedTuple):
    """What a training run found."""

    name: str
    source: str
    """the data as the user named them"""

    unit: str
    description: Sequence[str]
    """sentences on the data and the split"""

    splits: Table
    quarantined: Sequence[Quarantined]
    notes: Sequence[str]
    evaluation: Evaluation | None
    linear_score: Score | None
    linear_seconds: float
    seconds: float
    selects_epoch: bool
    extra: ExtraBlocks


def make_report(estimator: Any, results: RunResults) -> Report:
    """Return the report: data, quarantine, results, errors, training, settings."""
    found, unit, extra = results.evaluation, results.unit, results.extra
    linear = {}
    if results.linear_score is not None and estimator.final_networks:
        linear = {estimator.baseline_name: results.linear_score}
    ranking = [] if found is None else ranking_table(found)
    sections = [
        data_section(results.description, results.splits, notes=results.notes),
        quarantine_section(results.quarantined, None, "row"),
        results_section(
            found,
            unit=unit,
            model=estimator.model_description,
            other_models=linear,
            scored="test" if found is None else found.scored,
            temperature=estimator.temperature_,
            extra=[*extra.results, *ranking],
        ),
        errors_section(found, unit=unit, extra=extra.errors),
        _training_section(estimator, results),
        configuration_section(
            data=results.source,
            seed=estimator.random_state,
            seconds=results.seconds,
            settings=changed_settings(estimator),
            rows=[("model", estimator.model_description)],
        ),
    ]
    finished = environment()["started"][:16].replace("T", " ")
    return Report(f"{results.name}: {results.source}", f"Finished {finished}", sections)


def _training_section(estimator: Any, results: RunResults) -> Section:
    """Show the curves of the first network; an ensemble is summarised in a line."""
    history = estimator.history_
    seconds = f"{results.linear_seconds:.1f} s"
    name = sentence(estimator.baseline_name).rstrip(".")
    text = f"{name} after {seconds}: {estimator.linear_description}."
    before: list[Block] = [Text(text), *results.extra.training]
    if text := estimator.comparison_text:
        if estimator.comparison_ is not None:
            text = f"Networks against the {estimator.baseline_name}: {text}"
        before.append(Text(sentence(text)))
    starts = first_epochs(history)
    if len(starts) > 1:
        text = (
            f"{len(starts)} networks ({estimator.network_name}) were trained; the "
            "curves are those of the first."
        )
        before.append(Text(text))
    return training_section(
        history[: starts[1]] if len(starts) > 1 else history,
        metric=estimator.validation_metric,
        unit=results.unit,
        before=before,
        selected=results.selects_epoch,
        kept=bool(estimator.final_networks),
    )
