"""The sections of a training report, as functions from values to `Section`.

Data, Quarantine, Results, Errors, Training, Configuration: every domain uses these, in
this order, and adds blocks of its own.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vicinal.core.data.quarantine import Quarantined, describe_quarantine
from vicinal.core.data.splits import SPLITS
from vicinal.core.evaluation.evaluation import Evaluation, Scored
from vicinal.core.metrics import LOWER_IS_BETTER, PROPORTIONS, Score
from vicinal.core.report.plots import plot_curves, plot_intervals, plot_reliability
from vicinal.core.report.report import (
    Block,
    Figure,
    Matrix,
    Section,
    Table,
    Text,
    percent_with_interval,
)
from vicinal.core.storage.run_folder import environment
from vicinal.core.text import format_percent, pluralize
from vicinal.core.training.history import Epoch

DATA = "Data"
QUARANTINE = "Quarantine"
RESULTS = "Results"
ERRORS = "Errors"
TRAINING = "Training"
CONFIGURATION = "Configuration"

MAX_ROWS = 40
"""rows of a table in the report; files in the run directory hold all"""

MAX_CLASSES = 30
"""classes up to which the confusion matrix is shown"""

MAX_PAIRS = 8
"""most frequent confusions that are listed"""

SCORE_COLUMNS = ["metric", "value", "low", "high", "n"]


# --- helpers --------------------------------------------------------------------------


def sentence(text: str) -> str:
    """Return text with a capital first letter and a final full stop.

    A file name at its start stays as it is.
    """
    is_file = "." in text.split(" ", 1)[0].rstrip(".,:;")
    first = text[:1] if is_file else text[:1].upper()
    return first + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def warnings_as_text(notes: Iterable[str]) -> list[Block]:
    """Return one warning paragraph for each note."""
    return [Text(sentence(note), "warning") for note in notes]


def truncated_table(
    columns: list[str],
    rows: list[list[Any]],
    caption: str = "",
    totals: list[list[Any]] | None = None,
) -> Table:
    """Return a table of at most MAX_ROWS rows; the caption says if any are left out."""
    if len(rows) > MAX_ROWS:
        cut = f"First {MAX_ROWS} of {len(rows):,} rows; the run directory has all."
        caption = f"{caption} {cut}".strip()
    return Table(columns, rows[:MAX_ROWS], caption, totals or [])


def score_cells(score: Score) -> list[Any]:
    """Return the cells for SCORE_COLUMNS: proportions in percent, NaN as None."""
    show: Any = format_percent if score.metric in PROPORTIONS else float
    values = [None if math.isnan(v) else show(v) for v in score[1:4]]
    return [score.metric, *values, score.n]


def score_table(rows: Iterable[tuple[str, Score]], name: str = "model") -> Table:
    """Return a table of named scores with their 95 % intervals."""
    cells = [[label, *score_cells(score)] for label, score in rows]
    return Table([name, *SCORE_COLUMNS], cells)


def split_table(
    split: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    *,
    unit: str,
) -> Table:
    """Return examples per split, by class where there are classes, with totals.

    split: [N] "train", "val", "test"; labels: [N] class names.
    """
    if labels is None or not len(classes):
        counts = [int((split == name).sum()) for name in SPLITS]
        rows = [[name, n] for name, n in zip(SPLITS, counts, strict=True)]
        return Table(["split", f"{unit}s"], rows, totals=[["total", sum(counts)]])
    rows = []
    for name in classes:
        counts = [int(((labels == name) & (split == s)).sum()) for s in SPLITS]
        rows.append([name, *counts, sum(counts)])
    totals = ["total", *(sum(column) for column in list(zip(*rows, strict=True))[1:])]
    return truncated_table(["class", *SPLITS, "total"], rows, totals=[totals])


# --- Data and Quarantine --------------------------------------------------------------


def data_section(
    description: Sequence[str],
    splits: Table,
    *,
    notes: Sequence[str] = (),
    extra: Sequence[Block] = (),
) -> Section:
    """Describe the data: what was detected, the splits, ignored input.

    description: sentences; notes: shown as warnings, last; extra: blocks before them.
    """
    blocks: list[Block] = [Text(sentence(line)) for line in description]
    return Section(DATA, [*blocks, splits, *extra, *warnings_as_text(notes)])


def quarantine_section(
    quarantined: Sequence[Quarantined], total: int | None, unit: str
) -> Section:
    """List quarantined rows with their reasons; total: examples before quarantine."""
    text = Text(describe_quarantine(len(quarantined), total, unit))
    if not quarantined:
        return Section(QUARANTINE, [text])
    rows = [list(row) for row in quarantined]
    return Section(QUARANTINE, [text, truncated_table([unit, "label", "reason"], rows)])


# --- Results --------------------------------------------------------------------------

THIS_MODEL = "this model"

METRIC_NAMES = {
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "mae": "mean absolute error",
    "auroc": "AUROC",
    "rmse": "RMSE",
    "nll": "negative log-likelihood",
    "nrmse": "normalised RMSE",
}
METRIC_NOTES = {
    "f1_micro": "Micro F1 counts all labels together: 2 TP / (2 TP + FP + FN).",
    "nll": "In nats for each molecule, grown in one order; lower is better.",
    "nrmse": "The mean over targets of RMSE / standard deviation; lower is better.",
}


def headline(evaluation: Evaluation, scored: Scored = "test") -> str:
    """Return one line: Test accuracy 96.7 % (95 % CI 93.8 to 98.2, n = 269)."""
    score = evaluation.score
    name = {
        "test": "Test",
        "validation": "Validation",
        "cross-validation": "Cross-validated",
    }[scored]
    metric = METRIC_NAMES.get(score.metric, score.metric)
    factor, digits, unit = (
        (100, ".1f", " %") if score.metric in PROPORTIONS else (1, ".4g", "")
    )
    value, low, high = (f"{factor * v:{digits}}" for v in score[1:4])
    interval = "" if math.isnan(score.low) else f"95 % CI {low} to {high}, "
    return f"{name} {metric} {value}{unit} ({interval}n = {score.n:,})."


def results_section(
    evaluation: Evaluation | None,
    *,
    unit: str,
    model: str = "",
    other_models: Mapping[str, Score] | None = None,
    scored: Scored = "test",
    temperature: float | None = None,
    extra: Sequence[Block] = (),
) -> Section:
    """Show the scores beside the baselines, the verdict and the calibration.

    model: what predicts, in words. other_models: scores of other models of the run,
    shown between model and baselines.
    extra: blocks after the calibration, before the notes.
    """
    if evaluation is None:
        text = f"No score: there are too few {unit}s to hold any out. Add more {unit}s."
        return Section(RESULTS, [Text(text, "warning")])
    other_models = {**(other_models or {}), **evaluation.baselines}
    compared = {THIS_MODEL: evaluation.score, **other_models}
    rows = [*compared.items(), *((THIS_MODEL, score) for score in evaluation.scores)]
    blocks: list[Block] = [
        Text(headline(evaluation, scored), "lead"),
        Text(evaluation.verdict, "good" if evaluation.is_reliable else "warning"),
        *([Text(f"This model: {model}.")] if model else []),
        Figure(plot_intervals(compared), "Scores with 95 % confidence intervals."),
        score_table(rows),
    ]
    metric = evaluation.score.metric
    if metric in METRIC_NOTES:
        blocks.append(Text(METRIC_NOTES[metric]))
    elif metric in LOWER_IS_BETTER:
        blocks.append(Text("An error: lower is better."))
    blocks += calibration_blocks(evaluation, temperature)
    return Section(RESULTS, [*blocks, *extra, *warnings_as_text(evaluation.notes)])


def calibration_blocks(
    evaluation: Evaluation, temperature: float | None = None
) -> list[Block]:
    """Show the calibration error and the reliability diagram, if there are any."""
    if not evaluation.reliability or evaluation.calibration_error is None:
        return []
    error = format_percent(evaluation.calibration_error)
    text = f"Expected calibration error {error}"
    if temperature is not None:
        text += f" (temperature {temperature:.2f})"
    caption = (
        "Reliability: accuracy against confidence. A dot's area shows the number of "
        "predictions; a calibrated model lies on the diagonal."
    )
    return [Text(f"{text}."), Figure(plot_reliability(evaluation.reliability), caption)]


# --- Errors ---------------------------------------------------------------------------


def errors_section(
    evaluation: Evaluation | None, *, unit: str, extra: Sequence[Block] = ()
) -> Section:
    """Show per-class scores, the confusion matrix and the most frequent confusions."""
    if evaluation is None:
        return Section(ERRORS, [Text(f"No {unit} was held out."), *extra])
    blocks = [*class_score_blocks(evaluation), *confusion_blocks(evaluation, unit)]
    if not blocks and not extra:
        blocks = [Text("No errors to show.")]
    return Section(ERRORS, [*blocks, *extra])


def class_score_blocks(evaluation: Evaluation) -> list[Block]:
    """Return precision, recall, F1 and support by class, lowest recall first."""
    scores = evaluation.class_scores()
    if not scores:
        return []
    rows = [
        [
            row["class"],
            _rate_cell(row, "precision"),
            _rate_cell(row, "recall"),
            None if row["f1"] is None else format_percent(row["f1"]),
            row["n"],
        ]
        for row in sorted(scores, key=lambda row: row["recall"] or 0)
    ]
    columns = ["class", "precision", "recall", "F1", "support"]
    caption = (
        "In percent, with 95 % confidence intervals; support: examples of the class."
    )
    return [truncated_table(columns, rows, caption, _average_rows(scores))]


def _average_rows(scores: list[dict[str, Any]]) -> list[list[Any]]:
    """Macro and weighted averages over the classes that occur (undefined counts 0)."""
    occurring = [row for row in scores if row["n"]]
    if not occurring:
        return []
    values = np.array(
        [[row[k] or 0.0 for k in ("precision", "recall", "f1")] for row in occurring]
    )
    support = np.array([row["n"] for row in occurring])
    return [
        [name, *map(format_percent, np.average(values, axis=0, weights=w)), int(n)]
        for name, w, n in (
            ("macro average", None, support.sum()),
            ("weighted average", support, support.sum()),
        )
    ]


def _rate_cell(row: Mapping[str, Any], name: str) -> str | None:
    if row[name] is None:
        return None
    low, high = row[f"{name}_interval"]
    return percent_with_interval(Score(name, row[name], low, high, row["n"]))


def confusion_blocks(evaluation: Evaluation, unit: str) -> list[Block]:
    """Return the confusion matrix and the most frequent confusions."""
    if evaluation.confusion is None:
        return []
    blocks: list[Block] = []
    if len(evaluation.classes) <= MAX_CLASSES:
        caption = (
            "Confusion matrix: rows are true classes, columns predicted classes; "
            "percentages are of the row."
        )
        counts = evaluation.confusion.tolist()
        blocks.append(Matrix(list(evaluation.classes), counts, caption))
    pairs = [list(pair) for pair in evaluation.confused_pairs(MAX_PAIRS)]
    if pairs:
        errors = int(evaluation.confusion.sum() - np.trace(evaluation.confusion))
        columns = ["true class", "predicted class", f"{unit}s"]
        caption = "Most frequent confusions."
        total = [["all errors", "", errors]]
        blocks.append(Table(columns, pairs, caption, total))
    elif not blocks:
        blocks.append(Text(f"No errors on the held-out {unit}s."))
    return blocks


# --- Training -------------------------------------------------------------------------


def training_section(
    history: Sequence[Epoch],
    *,
    metric: str,
    unit: str,
    before: Sequence[Block] = (),
    after: Sequence[Block] = (),
    selected: bool = True,
    kept: bool = True,
) -> Section:
    """Show the loss and score curves of one network, with a summary line.

    before, after: blocks around them. selected: whether validation chose the epoch
    (else the last was used). kept: whether this network is the model of the run.
    """
    if not history:
        blocks = before or [Text("No network was trained.")]
        return Section(TRAINING, [*blocks, *after])
    text = Text(training_summary(history, metric, unit, selected=selected, kept=kept))
    return Section(TRAINING, [*before, text, *training_curves(history, metric), *after])


def first_epochs(history: Sequence[Epoch]) -> list[int]:
    """Return the row where each network's epochs start."""
    return [row for row, epoch in enumerate(history) if epoch.epoch == 1]


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the selected epoch: the last one marked best, else the last."""
    return next((e for e in reversed(history) if e.best), history[-1])


def training_summary(
    history: Sequence[Epoch],
    metric: str,
    unit: str,
    *,
    selected: bool = True,
    kept: bool = True,
) -> str:
    """Summarise a training run in one or two sentences."""
    seconds, last = sum(e.seconds for e in history), history[-1]
    text = f"{pluralize(len(history), 'epoch')} in {seconds:.0f} s"
    if last.examples_per_second > 0:
        text += f" ({last.examples_per_second:,.0f} {unit}s/s)"
    best = best_epoch(history)
    if math.isnan(best.val_loss):
        return f"{text}."
    which = "Best epoch" if selected else "Last epoch"
    state = "" if kept else "; this network was not kept"
    score = f"{best.val_score:.4g}"
    return f"{text}. {which} {best.epoch}: validation {metric} {score}{state}."


def training_curves(history: Sequence[Epoch], metric: str) -> list[Block]:
    """Return plots of the loss and, where it was measured, the validation score."""
    best, epochs = best_epoch(history).epoch, [e.epoch for e in history]
    losses = {"train": [e.train_loss for e in history]}
    figures: list[Block] = []
    if not math.isnan(history[0].val_loss):
        losses = {"validation": [e.val_loss for e in history], **losses}
    figures.append(Figure(plot_curves(epochs, losses, "loss", best)))
    if not all(math.isnan(e.val_score) for e in history):
        scores = {metric: [e.val_score for e in history]}
        title = f"validation {metric}"
        figures.append(Figure(plot_curves(epochs, scores, title, best)))
    return figures


# --- Configuration --------------------------------------------------------------------


def changed_settings(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator that differ from the defaults."""
    defaults = type(estimator)().get_params()
    params = estimator.get_params()
    return {name: value for name, value in params.items() if value != defaults[name]}


def configuration_section(
    *,
    data: str,
    seed: Any,
    seconds: float,
    settings: Mapping[str, Any],
    rows: Sequence[tuple[str, str]] = (),
) -> Section:
    """List what is needed to repeat the run.

    settings: those that differ from the defaults (`changed_settings`); rows: name and
    value of what else a domain has to say, such as the network and the device.
    """
    env = environment()
    changed = json.dumps(dict(settings), default=str) if settings else "all defaults"
    table = [
        ["data", data],
        *map(list, rows),
        ["random seed", str(seed)],
        ["time", f"{seconds:.0f} s"],
        ["changed settings", changed],
        ["vicinal", f"{env['vicinal']}, Python {env['python']}, {env['system']}"],
        ["packages", ", ".join(f"{k} {v}" for k, v in env["packages"].items())],
    ]
    note = "Complete: settings.json, env.json and data/splits.csv in the run directory."
    return Section(CONFIGURATION, [Table(["setting", "value"], table), Text(note)])
