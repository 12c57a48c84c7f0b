"""The report of a training run on the nodes of a graph: the same questions, in the same
order, as for pictures."""

import json
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.evaluation import Evaluation
from vicinal.core.metrics import SHARES, Score
from vicinal.core.report import (
    Block,
    Figure,
    Matrix,
    Report,
    Section,
    Table,
    Text,
    curves,
    intervals,
    share_cell,
    sureness,
)
from vicinal.core.run import environment
from vicinal.core.splits import TEST, TRAIN, VAL
from vicinal.core.words import counted, percent
from vicinal.graphs.facts import Facts, told
from vicinal.graphs.first_answer import VIEWS
from vicinal.graphs.nodes import NodeLearner
from vicinal.graphs.table import GraphTable

MOST_ROWS = 40
MOST_CLASSES = 12
"""up to which the matrix of what is taken for what is shown"""


class Findings(NamedTuple):
    """All that a finished run knows."""

    name: str
    source: str
    table: GraphTable
    facts: Facts
    learner: NodeLearner
    first: Evaluation | None
    first_seconds: float
    evaluation: Evaluation | None
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
    table, parts = run.table, run.learner.parts_
    lines = told(table, run.facts)
    blocks: list[Block] = [Text(_sentence(line)) for line in lines]
    blocks.append(Text(f"What is known of a node: {run.learner.columns_}."))
    shown = (TRAIN, VAL, TEST)
    if table.kind == "single_label" and table.labels is not None:
        rows = [
            [name, *(int(((table.labels == name) & (parts == p)).sum()) for p in shown)]
            for name in run.learner.objective_.classes
        ]
        blocks.append(_table(["class", *shown], rows))
    else:
        rows = [[p, int((parts == p).sum())] for p in shown]
        blocks.append(_table(["part", "nodes"], rows))
    return blocks + [Text(_sentence(note), "warning") for note in table.notes]


def _set_aside(run: Findings) -> list[Block]:
    aside = run.table.set_aside
    if not aside:
        return [Text("Nothing: every row could be used.")]
    text = f"{counted(len(aside), 'row')} not used, each for the reason told."
    return [Text(text), _table(["name", "label", "reason"], [list(q) for q in aside])]


def _how_good(run: Findings) -> list[Block]:
    found = run.evaluation
    if found is None:
        text = "There is no score: no node could be held out. Label more nodes."
        return [Text(text, "warning")]
    ours = {f"this model ({run.learner.delivered})": found.score}
    if run.first is not None and run.learner.members_ is not None:
        ours["first answer"] = run.first.score
    scores = ours | found.baselines
    rows = [[name, *_cells(score)] for name, score in scores.items()]
    rows += [["this model", *_cells(score)] for score in found.scores]
    blocks: list[Block] = [
        Text(_headline(found), "lead"),
        Text(found.verdict, "good" if found.is_sound else "warning"),
        Figure(intervals(scores), "Dots are scores, bars their 95 % intervals."),
        _table(["", "metric", "value", "low", "high", "n"], rows),
    ]
    if found.sureness and found.calibration_error is not None:
        gap = percent(found.calibration_error)
        text = f"What it says of its own sureness is off by {gap} on average."
        blocks += [Text(text), Figure(sureness(found.sureness))]
    blocks.append(
        Text(
            "Nodes that are held out keep their edges: what is known of their "
            "surroundings is used, their labels are not."
        )
    )
    return blocks + [Text(_sentence(note), "warning") for note in found.notes]


def _headline(found: Evaluation) -> str:
    score = found.score
    if score.metric in SHARES:
        return (
            f"{score.metric} {share_cell(score)} on "
            f"{counted(score.n, 'node')} held out."
        )
    return f"{score.metric} {score} on {counted(score.n, 'node')} held out."


def _where_it_errs(run: Findings) -> list[Block]:
    found = run.evaluation
    if found is None or found.confusion is None:
        return [Text("This is told for classes, of nodes that were held out.")]
    blocks: list[Block] = []
    pairs = found.confused_pairs()
    if pairs:
        rows = [[a, b, n] for a, b, n in pairs]
        blocks.append(Table(["true", "said", "nodes"], rows, "Most frequent errors."))
    if len(found.classes) <= MOST_CLASSES:
        counts = found.confusion.tolist()
        blocks.append(Matrix(list(found.classes), counts, "Rows are true."))
    blocks += _by_neighbours(run, found)
    return blocks


def _by_neighbours(run: Findings, found: Evaluation) -> list[Block]:
    """How often it is right by how many neighbours a node has."""
    table, learner = run.table, run.learner
    rows = np.flatnonzero(learner.parts_ == TEST)
    degree = np.diff(table.adjacency.arriving.offsets.numpy())[rows]
    right = found.predictions["label"].to_numpy() == found.predictions["predicted"]
    told = []
    for low, high, name in ((0, 0, "none"), (1, 2, "1 or 2"), (3, 5, "3 to 5")):
        told.append((name, (degree >= low) & (degree <= high)))
    told.append(("6 or more", degree >= 6))
    lines = [
        [name, int(own.sum()), f"{100 * float(np.mean(right[own])):.1f} %"]
        for name, own in told
        if own.any()
    ]
    caption = "How often it is right, by a node's neighbours."
    return [Table(["neighbours", "nodes", "right"], lines, caption)]


def _training(run: Findings) -> list[Block]:
    learner = run.learner
    text = (
        f"The first answer took {run.first_seconds:.1f} s: {learner.first_}. It was "
        "chosen among these by how likely it makes the labels of the validation part."
    )
    rows = [
        [VIEWS[a.view], a.head.penalty, a.evened, round(a.loss, 4)]
        for a in learner.firsts_
    ]
    columns = ["what is seen", "penalty", "evened out by", "loss"]
    blocks: list[Block] = [Text(text), _table(columns, rows)]
    history = learner.history_
    if not history:
        return [*blocks, Text("No graph network was trained.")]
    if learner.paired_ is not None:
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


def _table(columns: list[str], rows: list[list[Any]]) -> Table:
    """A table cut to a readable length, saying so."""
    if len(rows) <= MOST_ROWS:
        return Table(columns, rows)
    caption = f"The first {MOST_ROWS} of {len(rows):,}; the run folder has them all."
    return Table(columns, rows[:MOST_ROWS], caption)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
