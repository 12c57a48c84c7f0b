"""The report of a training run on images.

Data, Quarantine, Results, Errors, Training and Configuration, as in every domain; with
a section on shortcuts and one on transfer learning where a run has them.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.label_issues import LabelIssue
from vicinal.core.metrics import PROPORTIONS, Score
from vicinal.core.report.ranking_scores import ranking_table
from vicinal.core.report.report import (
    Block,
    Report,
    Section,
    Table,
    Text,
    percent_with_interval,
)
from vicinal.core.report.sections import (
    changed_settings,
    configuration_section,
    data_section,
    errors_section,
    quarantine_section,
    results_section,
    score_table,
    sentence,
    split_table,
    training_section,
    truncated_table,
)
from vicinal.core.storage.run_folder import environment
from vicinal.core.text import format_percent, pluralize
from vicinal.images.data.audit import Audit
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator
from vicinal.images.report.engine_agreement import Agreement
from vicinal.images.report.galleries import augmentation_gallery, error_gallery
from vicinal.images.report.label_issues import (
    describe_learning_curve,
    label_issue_blocks,
)
from vicinal.images.report.outliers import Outliers
from vicinal.images.report.split_leaks import SplitLeaks
from vicinal.images.training.scratch_comparison import TrainingComparison

if TYPE_CHECKING:
    from vicinal.images.explain.shortcut_analysis import ShortcutAnalysis

TRANSFER_LEARNING = "Transfer learning"
UNIT = "image"
INTERVALS = "In brackets: 95 % confidence intervals."


class ReportData(NamedTuple):
    """The results of a training run."""

    name: str
    source: str
    """where the data came from"""

    description: str
    """what was detected in the data"""

    audit: Audit
    images: ImageDataset
    split: np.ndarray
    """[N] train, val or test for each image"""

    estimator: ImageEstimator
    evaluation: Evaluation | None
    seconds: float
    label_issues: list[LabelIssue]
    """of the training images"""

    scratch_comparison: Sequence[TrainingComparison] = ()
    shortcut_analysis: "ShortcutAnalysis | None" = None
    engine_agreement: Agreement | None = None
    training_overlap: int = 0
    """scored images that the pretrained weights were trained on"""

    near_duplicates: int = 0
    """images with a near duplicate, or in a group with others"""

    leaky_score: Score | None = None
    """score of the linear probe if near duplicates were spread over the folds"""

    outliers: Outliers | None = None
    """training images that are unlike the others"""

    leaks: SplitLeaks | None = None
    """near duplicates of training images in the user's test split"""

    @property
    def scored_split(self) -> str:
        """The split that the evaluation is of; train if it is cross-validated."""
        return TEST if (self.split == TEST).any() else TRAIN


def make_report(run: ReportData) -> Report:
    """Return the report of a finished run."""
    sections = [
        _data(run),
        _quarantine(run),
        _results(run),
        _errors(run),
        *_shortcuts(run),
        _training(run),
        *_transfer_learning(run),
        _configuration(run),
    ]
    started = environment()["started"][:16].replace("T", " ")
    return Report(f"{run.name}: {run.source}", f"Finished {started}", sections)


# --- Data and Quarantine --------------------------------------------------------------


def _data(run: ReportData) -> Section:
    audit, table = run.audit, run.images.table
    single_label = table.kind == "single_label"
    labels = np.asarray(table.labels).astype(str) if single_label else None
    splits = split_table(
        run.split, labels, table.classes if single_label else (), unit=UNIT
    )
    extra: list[Block] = []
    if sizes := audit.size_table():
        rows = [[side, *values] for side, values in sizes.items()]
        columns = ["pixels", "minimum", "median", "maximum"]
        extra.append(Table(columns, rows, "Image sizes."))
    formats = ", ".join(f"{n:,} {name}" for name, n in audit.formats.items())
    gray = int((audit.grayscale & audit.usable).sum())
    text = f"Formats: {formats}." if formats else ""
    text += f" {pluralize(gray, 'image')} greyscale." if gray else ""
    if text:
        extra.append(Text(text.strip()))
    if duplicates := audit.exact_duplicates():
        count = sum(map(len, duplicates))
        groups = pluralize(len(duplicates), "group")
        text = f"{count:,} exact duplicates in {groups}; each group is in one split."
        extra.append(Text(text))
    return data_section([run.description], splits, notes=audit.table.notes, extra=extra)


def _quarantine(run: ReportData) -> Section:
    total = len(run.audit.table) + len(run.audit.table.quarantined)
    return quarantine_section(run.audit.quarantine, total, UNIT)


# --- Results and Errors ---------------------------------------------------------------


def _results(run: ReportData) -> Section:
    evaluation, extra = run.evaluation, list[Block]()
    if run.leaks is not None:
        extra += run.leaks.blocks()
    if evaluation is not None:
        extra += ranking_table(evaluation)
    detector = run.estimator.outlier_detector_
    if detector is not None and detector.can_detect:
        rate = format_percent(detector.false_alarm_rate)
        extra.append(
            Text(
                "vicinal predict flags out-of-distribution images as unknown. Expected "
                f"false alarms: at most {rate} of images like these "
                "(--false-alarm-rate)."
            )
        )
    return results_section(
        evaluation,
        unit=UNIT,
        scored="test" if run.scored_split == TEST else "cross-validation",
        temperature=run.estimator.temperature_,
        extra=extra,
    )


def _errors(run: ReportData) -> Section:
    extra: list[Block] = []
    if run.evaluation is not None:
        scored = run.images.rows(run.split == run.scored_split)
        extra += error_gallery(run.evaluation, scored, run.estimator.objective_)
        if _has_probe(run) and run.images.table.kind != "numeric":
            train = run.images.rows(run.split == TRAIN)
            objective = run.estimator.objective_
            extra += label_issue_blocks(run.label_issues, train, objective)
    if run.outliers is not None:
        extra += run.outliers.blocks(run.images.rows(run.split == TRAIN))
    return errors_section(run.evaluation, unit=UNIT, extra=extra)


def _shortcuts(run: ReportData) -> list[Section]:
    if run.shortcut_analysis is None:
        return []
    from vicinal.images.explain.shortcut_analysis import section

    return [section(run.shortcut_analysis)]


# --- Training -------------------------------------------------------------------------


def _training(run: ReportData) -> Section:
    estimator = run.estimator
    history = estimator.history_
    before = [*_backbone_blocks(run), *_probe_blocks(run)]
    after: list[Block] = []
    if history:
        train = run.images.rows(run.split == TRAIN)
        after += augmentation_gallery(estimator, train)
    comparison = getattr(estimator, "comparison_", None)
    return training_section(
        history,
        metric=estimator.objective_.metric,
        unit=UNIT,
        before=before,
        after=after,
        selected=estimator.chose_epoch_,
        kept=comparison is None or comparison.better,
    )


def _has_probe(run: ReportData) -> bool:
    """Whether a linear probe on frozen features was fitted."""
    return hasattr(run.estimator, "probe_")


def _probe_blocks(run: ReportData) -> list[Block]:
    """Compare the linear probe with the delivered model."""
    if not _has_probe(run):
        return []
    estimator = run.estimator
    settings, probe = estimator.settings_, estimator.probe_
    rows = [("linear probe, cross-validated", probe.score)]
    if run.leaky_score is not None:
        grouped = settings.group_column or settings.group_pattern
        what = "near duplicates and groups" if grouped else "near duplicates"
        rows.append((f"the same, with {what} in several folds", run.leaky_score))
    if run.evaluation is not None and run.scored_split == TEST:
        rows.append(("delivered model, test", run.evaluation.score))
    text = (
        f"Pretrained weights: {settings.weights}. A linear probe was fitted on frozen "
        f"features (penalty {probe.fit.head.penalty:g}) and cross-validated."
    )
    if run.near_duplicates and run.leaky_score is not None:
        text += (
            f" {pluralize(run.near_duplicates, 'image')} have near duplicates or a "
            "group, which are kept in one fold; the second row is the optimistic score "
            "without this."
        )
    if run.training_overlap:
        text += (
            f" The pretrained weights were trained on {run.training_overlap:,} of the "
            "scored images, so the score is optimistic."
        )
    if estimator.comparison_text:
        text += f" {sentence(estimator.comparison_text)}"
    learning_curve = describe_learning_curve(probe, estimator.objective_)
    return [Text(text), score_table(rows), Text(learning_curve)]


def _backbone_blocks(run: ReportData) -> list[Block]:
    """List the candidates of --backbone auto."""
    if not getattr(run.estimator, "trials_", None):
        return []
    rows: list[list[Any]] = [
        [
            t.backbone,
            t.weights,
            _score_cell(t.score),
            t.score.n,
            round(t.ms, 2),
            round(t.mb, 1),
        ]
        for t in run.estimator.trials_
    ]
    metric = run.estimator.objective_.metric
    columns = ["backbone", "weights", metric, "n", "ms/image", "MB"]
    text = (
        "Candidate backbones, each with a cross-validated linear probe on a sample of "
        "the training images; milliseconds per image on this machine."
    )
    return [Text(text), truncated_table(columns, rows, INTERVALS)]


def _transfer_learning(run: ReportData) -> list[Section]:
    """Compare pretrained weights with the same network trained from scratch."""
    if not run.scratch_comparison:
        return []
    estimator = run.estimator
    rows: list[list[Any]] = [
        [row.method, round(row.seconds), _score_cell(row.score), row.score.n]
        for row in run.scratch_comparison
    ]
    scored = "the validation split" if estimator.probe_val_score_ else "one fold"
    seconds = run.scratch_comparison[0].seconds
    text = (
        f"The same network ({estimator.backbone_}) was also trained from scratch for "
        f"{seconds:.0f} s. All methods are scored on {scored}, which none of them was "
        "trained on"
    )
    text += ", except perhaps the pretrained weights." if run.training_overlap else "."
    text += " The seconds of the linear probe include reading the images."
    columns = ["method", "seconds", estimator.objective_.metric, "n"]
    return [
        Section(
            TRANSFER_LEARNING, [Text(text), truncated_table(columns, rows, INTERVALS)]
        )
    ]


def _score_cell(score: Score) -> str:
    """Return a score with its 95 % interval in one cell."""
    if math.isnan(score.low):
        value = score.value
        is_proportion = score.metric in PROPORTIONS
        return format_percent(value) if is_proportion else f"{value:.4g}"
    if score.metric in PROPORTIONS:
        return percent_with_interval(score)
    return f"{score.value:.4g} [{score.low:.4g}, {score.high:.4g}]"


# --- Configuration --------------------------------------------------------------------


def _configuration(run: ReportData) -> Section:
    estimator = run.estimator
    side = estimator.preprocessing_.image_size
    rows = [
        ("network", f"{estimator.backbone_}, input {side} x {side}"),
        ("device", str(estimator.runtime_)),
    ]
    if run.engine_agreement is not None:
        rows.append(("inference engine", str(run.engine_agreement)))
    return configuration_section(
        data=run.source,
        seed=estimator.random_state,
        seconds=run.seconds,
        settings=changed_settings(estimator),
        rows=rows,
    )
