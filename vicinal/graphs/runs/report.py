"""The report of a training run on a graph, or many: the same questions, in the same
order, as for pictures."""

import json
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import SHARES, Score
from vicinal.core.report.report import (
    Block,
    Figure,
    Matrix,
    Report,
    Section,
    Table,
    Text,
    curves,
    intervals,
    plot_reliability,
    share_cell,
)
from vicinal.core.storage.run_folder import environment
from vicinal.core.text import counted, percent

MOST_ROWS = 40
MOST_CLASSES = 12
"""up to which the matrix of what is taken for what is shown"""


class Findings(NamedTuple):
    """All that a finished run knows."""

    name: str
    source: str
    unit: str
    """what is judged: node, graph, pair"""

    understood: list[str]
    parts: Table
    notes: list[str]
    set_aside: list[Quarantined]
    learner: Any
    first: Evaluation | None
    first_seconds: float
    evaluation: Evaluation | None
    closing: str
    errors: list[Block]
    firsts: list[Block]
    seconds: float


def make_report(run: Findings) -> Report:
    """The page of a finished run."""
    sections = [
        Section("What was understood", _understood(run)),
        Section("What was set aside", _set_aside(run)),
        Section("How good it is", _how_good(run)),
        Section("Where it errs", _where_it_errs(run)),
        Section("How training went", _training(run)),
        Section("What was run", _what_was_run(run)),
    ]
    started = environment()["started"][:16].replace("T", " ")
    return Report(f"{run.name}: {run.source}", f"Finished {started}", sections)


def _understood(run: Findings) -> list[Block]:
    blocks: list[Block] = [Text(_sentence(line)) for line in run.understood]
    blocks.append(run.parts)
    return blocks + [Text(_sentence(note), "warning") for note in run.notes]


def _set_aside(run: Findings) -> list[Block]:
    aside = run.set_aside
    if not aside:
        return [Text("Nothing: every row could be used.")]
    text = f"{counted(len(aside), 'row')} not used, each for the reason told."
    return [Text(text), cut(["name", "label", "reason"], [list(q) for q in aside])]


def _how_good(run: Findings) -> list[Block]:
    found = run.evaluation
    if found is None:
        text = f"There is no score: no {run.unit} could be held out."
        return [Text(text, "warning")]
    ours = {f"this model ({run.learner.delivered})": found.score}
    if run.first is not None and run.learner.networks_delivered:
        ours["first answer"] = run.first.score
    scores = ours | found.baselines
    rows = [[name, *_cells(score)] for name, score in scores.items()]
    rows += [["this model", *_cells(score)] for score in found.scores]
    blocks: list[Block] = [
        Text(_headline(found, run.unit), "lead"),
        Text(found.verdict, "good" if found.is_sound else "warning"),
        Figure(intervals(scores), "Dots are scores, bars their 95 % intervals."),
        cut(["", "metric", "value", "low", "high", "n"], rows),
    ]
    if found.plot_reliability and found.calibration_error is not None:
        gap = percent(found.calibration_error)
        text = f"What it says of its own sureness is off by {gap} on average."
        blocks += [Text(text), Figure(plot_reliability(found.plot_reliability))]
    blocks += [Text(run.closing)] if run.closing else []
    return blocks + [Text(_sentence(note), "warning") for note in found.notes]


def _headline(found: Evaluation, unit: str) -> str:
    score = found.score
    if score.metric in SHARES:
        return (
            f"{score.metric} {share_cell(score)} on {counted(score.n, unit)} held out."
        )
    return f"{score.metric} {score} on {counted(score.n, unit)} held out."


def _where_it_errs(run: Findings) -> list[Block]:
    found = run.evaluation
    if found is None or found.confusion is None:
        text = f"This is told for classes, of {run.unit}s that were held out."
        return [Text(text), *run.errors]
    blocks: list[Block] = []
    pairs = found.confused_pairs()
    if pairs:
        rows = [[a, b, n] for a, b, n in pairs]
        blocks.append(
            Table(["true", "said", f"{run.unit}s"], rows, "Most frequent errors.")
        )
    if len(found.classes) <= MOST_CLASSES:
        counts = found.confusion.tolist()
        blocks.append(Matrix(list(found.classes), counts, "CSR are true."))
    return blocks + run.errors


def _training(run: Findings) -> list[Block]:
    learner = run.learner
    text = f"The first answer took {run.first_seconds:.1f} s: {learner.first_told}."
    if run.firsts:
        text += " It was chosen among these by how likely it makes held-out labels."
    blocks: list[Block] = [Text(text), *run.firsts]
    history = learner.history_
    if not history:
        return [*blocks, Text("No graph network was trained.")]
    if learner.comparison_ is not None:
        told = "Networks against the first answer, on the validation part: "
        blocks.append(Text(f"{told}{learner.against_the_first}."))
    ends = [k for k, e in enumerate(history) if e.epoch == 1] + [len(history)]
    own = history[ends[0] : ends[1]]
    losses = {"train": [e.train_loss for e in own]}
    best = next((e.epoch for e in reversed(own) if e.best), own[-1].epoch)
    if not np.isnan(own[0].val_loss):
        losses = {"validation": [e.val_loss for e in own], **losses}
    drawn = curves([e.epoch for e in own], losses, "loss of the first network", best)
    count = len(ends) - 1
    text = f"{counted(count, 'network')} ({learner.network_name}) learned, "
    text += f"{counted(len(history), 'step')} in all."
    return [*blocks, Text(text), Figure(drawn)]


def _what_was_run(run: Findings) -> list[Block]:
    learner, env = run.learner, environment()
    plain = type(learner)().get_params()
    changed = {k: v for k, v in learner.get_params().items() if v != plain[k]}
    rows = [
        ["data", run.source],
        ["delivered", learner.delivered],
        ["seed", str(learner.random_state)],
        ["seconds", f"{run.seconds:.0f}"],
        ["settings changed", json.dumps(changed) if changed else "none"],
        ["vicinal", f"{env['vicinal']}, Python {env['python']}, {env['system']}"],
        ["libraries", ", ".join(f"{k} {v}" for k, v in env["packages"].items())],
    ]
    note = "settings.json, env.json and data/splits.csv in this folder hold the rest."
    return [Table(["what", "value"], rows), Text(note)]


def _cells(score: Score) -> list[Any]:
    return [score.metric, score.value, score.low, score.high, score.n]


def cut(columns: list[str], rows: list[list[Any]]) -> Table:
    """A table cut to a readable length, saying so."""
    if len(rows) <= MOST_ROWS:
        return Table(columns, rows)
    caption = f"The first {MOST_ROWS} of {len(rows):,}; the run folder has them all."
    return Table(columns, rows[:MOST_ROWS], caption)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
