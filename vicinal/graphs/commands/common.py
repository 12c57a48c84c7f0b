"""What the commands of nodes, links and graphs share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from vicinal.core.data.quarantine import Quarantined, quarantine_lines
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.explain.explanation import GraphExplanation

TASKS = {
    "single_label": "classification (one class each)",
    "multi_label": "multilabel (several classes each)",
    "numeric": "regression (a number each)",
    "none": "none (no labels)",
}


def print_features(features: Any, console: Console) -> tuple[FeatureEncoder, list[str]]:
    """Print which columns are used as features; return their encoder and notes."""
    encoder, notes = FeatureEncoder.from_features(features)
    console.print(f"features: {encoder}")
    return encoder, notes


def print_notes(notes: Iterable[str], console: Console) -> None:
    for note in notes:
        console.print(f"note: {note}")


def print_quarantined(
    rows: Sequence[Quarantined], console: Console, where: str
) -> None:
    """Print the first quarantined rows; where: what lists them all."""
    for line in quarantine_lines(rows, where):
        console.print(line)


def with_quarantine(found: Evaluation, rows: Sequence[Quarantined]) -> Evaluation:
    """Return an evaluation whose notes list the quarantined rows of its data."""
    lines = quarantine_lines(rows, "`vicinal check DATA` lists all")
    return replace(found, notes=[*found.notes, *lines])


def to_finding(found: GraphExplanation) -> Finding:
    """Return an explanation as what the command line prints and draws."""
    return Finding([*found.lines()], found.data, found.draw, found.html)
