"""The report of a training run on pictures: six questions, always in this order.

Where the answers were looked into there is one more, what they rest on, and in a run
that began with trained weights another, what transfer bought.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.label_issues import Suspect
from vicinal.core.metrics import SHARES, SMALLER_IS_BETTER, Score
from vicinal.core.report.report import (
    Block,
    Figure,
    Gallery,
    Matrix,
    Picture,
    Report,
    Section,
    Table,
    Text,
    curves,
    intervals,
    jpeg_base64,
    plot_reliability,
)
from vicinal.core.storage.run_folder import environment
from vicinal.core.text import counted, percent
from vicinal.images.data.audit import Audit
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator
from vicinal.images.report.engine_agreement import Agreement
from vicinal.images.report.label_issues import more_pictures, suspects_blocks
from vicinal.images.training.scratch_comparison import TrainingComparison

if TYPE_CHECKING:
    from vicinal.images.explain.evidence import Evidence


class Findings(NamedTuple):
    """All that a finished run knows."""

    name: str
    source: str
    understood: str
    audit: Audit
    pictures: ImageDataset
    parts: np.ndarray
    """[N] train, val or test, for each of the pictures"""
    learner: ImageEstimator
    evaluation: Evaluation | None
    seconds: float
    suspects: list[Suspect]
    """labels that deserve a look, of the pictures that were learned from"""

    bought: Sequence[TrainingComparison] = ()
    """what the weights brought, beside the same network from nothing"""

    evidence: "Evidence | None" = None
    """what the answers rest on, where that was looked for"""

    agreement: Agreement | None = None
    """the engine that judged many pictures, beside float32 on torch"""

    seen: int = 0
    """pictures that the weights to start from had learned from"""

    alike: int = 0
    """pictures that have near copies, or others of their group"""

    leaky_score: Score | None = None
    """the first answer's score if copies were dealt to folds like other pictures"""

    @property
    def judged_part(self) -> str:
        """The part that the evaluation is about: train where it is out of fold."""
        return TEST if (self.parts == TEST).any() else TRAIN


MOST_ROWS = 40
WORST = 12


def make_report(run: Findings) -> Report:
    """The page of a finished run."""
    sections = [
        Section("What was understood", _understood(run)),
        Section("What was set aside", _set_aside(run)),
        Section("How good it is", _how_good(run)),
        Section("InspectRequest it errs", _where_it_errs(run)),
        *_rests_on(run),
        Section("How training went", _training(run)),
        *([Section("What transfer bought", _bought(run))] if run.bought else []),
        Section("What was run", _what_was_run(run)),
    ]
    started = environment()["started"][:16].replace("T", " ")
    return Report(f"{run.name}: {run.source}", f"Finished {started}", sections)


def _rests_on(run: Findings) -> list[Section]:
    """What the answers rest on, where that was looked for."""
    if run.evidence is None:
        return []
    from vicinal.images.explain.evidence import section

    return [section(run.evidence)]


def _understood(run: Findings) -> list[Block]:
    audit, parts, pictures = run.audit, run.parts, run.pictures
    blocks: list[Block] = [Text(run.understood + ".")]
    labels = pictures.table.labels
    if pictures.table.kind == "single_label":
        rows = [
            [name, *(int(((labels == name) & (parts == p)).sum()) for p in _PARTS)]
            for name in pictures.table.classes
        ]
        blocks.append(_table(["class", "train", "val", "test"], rows))
    else:
        rows = [[p, int((parts == p).sum())] for p in _PARTS]
        blocks.append(_table(["part", "pictures"], rows))
    sizes = audit.size_table()
    rows = [[side, *sizes[side]] for side in ("width", "height")]
    blocks.append(_table(["pixels", "least", "median", "largest"], rows))
    formats = ", ".join(f"{n:,} {name}" for name, n in audit.formats.items())
    grey = int((audit.grey & audit.usable).sum())
    blocks.append(Text(f"Formats: {formats}. {grey:,} pictures are grey."))
    copies = audit.copies()
    if copies:
        count = sum(map(len, copies))
        text = f"{count} pictures are exact copies of each other, in "
        text += counted(len(copies), "group")
        blocks.append(Text(f"{text}; each group is on one side of the split."))
    return blocks + [Text(_sentence(note), "warning") for note in audit.table.notes]


def _set_aside(run: Findings) -> list[Block]:
    aside = run.audit.quarantine
    if not aside:
        return [Text("Nothing: every picture could be used.")]
    total = len(run.audit.table) + len(run.audit.table.set_aside)
    text = (
        f"{len(aside):,} of {total:,} pictures are not used, each for the reason told."
    )
    return [
        Text(text),
        _table(["picture", "label", "reason"], [list(q) for q in aside]),
    ]


def _how_good(run: Findings) -> list[Block]:
    evaluation = run.evaluation
    if evaluation is None:
        text = "There is no score: no picture could be held out. Add more pictures."
        return [Text(text, "warning")]
    ours = {"this model": evaluation.score}
    scores = ours | evaluation.baselines
    rows = [[name, *_cells(score)] for name, score in scores.items()]
    rows += [["this model", *_cells(score)] for score in evaluation.scores]
    blocks: list[Block] = [
        Text(_headline(evaluation, run.judged_part == TRAIN), "lead"),
        Text(evaluation.verdict, "good" if evaluation.is_sound else "warning"),
        Figure(intervals(scores), "Dots are scores, bars their 95 % intervals."),
        _table(["", "metric", "value", "low", "high", "n"], rows),
    ]
    if evaluation.class_scores():
        rows = [
            [c["class"], _share(c, "recall"), _share(c, "precision"), c["n"]]
            for c in sorted(evaluation.class_scores(), key=lambda c: c["recall"] or 0)
        ]
        blocks.append(_table(["class", "found (recall)", "right when said", "n"], rows))
    blocks += _how_sure(run, evaluation)
    if evaluation.score.metric in SMALLER_IS_BETTER:
        blocks.append(Text("An error (mae, rmse): the smaller, the better."))
    elif evaluation.score.metric == "f1_micro":
        text = "f1_micro: of all labels given or due, the share that is both (0 to 1)."
        blocks.append(Text(text))
    return blocks + [Text(_sentence(note), "warning") for note in evaluation.notes]


def _how_sure(run: Findings, evaluation: Evaluation) -> list[Block]:
    """Whether its probabilities can be believed, and what it calls unknown."""
    blocks: list[Block] = []
    if evaluation.plot_reliability and evaluation.calibration_error is not None:
        caption = (
            "A dot for each group of answers that are about equally sure, the larger "
            "the more; on the line it is as often right as it says."
        )
        gap = percent(evaluation.calibration_error)
        text = f"What it says of its own sureness is off by {gap} on average"
        heat = run.learner.temperature_
        text += f" (temperature {heat:.2f}; chance alone gives some)."
        blocks += [
            Text(text),
            Figure(plot_reliability(evaluation.plot_reliability), caption),
        ]
    known = run.learner.known_
    if known is not None and known.can_tell:
        blocks.append(
            Text(
                "A picture unlike anything that was learned from is flagged as unknown "
                "by predict. Of pictures like these "
                f"{percent(known.false_alarm)} at most are flagged too on average, "
                "more or fewer in a single run (--false-alarm)."
            )
        )
    return blocks


def _cells(score: Score) -> list[Any]:
    """The score's fields; nothing where it has no value (NaN), as JSON has it."""
    shown: Any = percent if score.metric in SHARES else float
    values = [None if v != v else shown(v) for v in score[1:4]]
    return [score.metric, *values, score.n]


def _share(row: dict[str, Any], name: str) -> str | None:
    """A class' recall or precision with its interval, in percent."""
    if row[name] is None:
        return None
    low, high = (f"{100 * v:.0f}" for v in row[f"{name}_interval"])
    return f"{percent(row[name])} [{low}, {high}]"


def _headline(evaluation: Evaluation, out_of_fold: bool) -> str:
    score = evaluation.score
    how = "each judged by a model that had not seen it" if out_of_fold else "held out"
    if evaluation.seen:
        how += f", though the weights had learned from {evaluation.seen:,} of them"
    if score.metric == "accuracy":
        value, low, high = map(percent, score[1:4])
        return (
            f"Of {counted(score.n, 'picture')}, {how}, {value} were named right "
            f"(95 % interval {low} to {high})."
        )
    if score.metric == "mae":
        sure = f", 95 % interval {score.low:.4g} to {score.high:.4g}"
        return (
            f"On {counted(score.n, 'picture')}, {how}, it was off by "
            f"{score.value:.4g} on average (mean absolute error"
            f"{'' if score.low != score.low else sure})."
        )
    return f"On {counted(score.n, 'picture')}, {how}: {score.metric} {score}."


def _where_it_errs(run: Findings) -> list[Block]:
    evaluation = run.evaluation
    if evaluation is None:
        return [Text("Nothing was held out to find errors on.")]
    blocks: list[Block] = []
    if evaluation.confusion is not None and len(evaluation.classes) <= 30:
        counts = evaluation.confusion.tolist()
        caption = "Rows are the true classes, columns what the model said."
        blocks.append(Matrix(list(evaluation.classes), counts, caption))
    pairs = [list(pair) for pair in evaluation.confused_pairs(8)]
    if pairs:
        blocks.append(_table(["true class", "taken for", "pictures"], pairs))
    worst = _worst(run, run.pictures.rows(run.parts == run.judged_part))
    blocks += worst or [Text("No mistake on the pictures held out.")]
    if hasattr(run.learner, "probe_") and run.pictures.table.kind != "numeric":
        train, objective = run.pictures.rows(run.parts == TRAIN), run.learner.objective_
        blocks += suspects_blocks(run.suspects, train, objective)
    return blocks


def _worst(run: Findings, test: ImageDataset) -> list[Block]:
    """The errors that the model was surest of, or the numbers furthest off."""
    assert run.evaluation is not None
    table = run.evaluation.predictions
    if test.table.kind == "numeric":
        error = (table["label"].astype(float) - table["predicted"]).abs().to_numpy()
    elif test.table.kind == "single_label":
        wrong = (table["label"].astype(str) != table["predicted"]).to_numpy()
        error = np.where(wrong, table["probability"], 0)
    else:
        columns = [f"p_{name}" for name in run.evaluation.classes]
        marks = run.learner.objective_.encode(table["label"].tolist())
        error = np.abs(table[columns].to_numpy() - marks).max(axis=1)
        error = np.where(error > 0.5, error, 0)
    rows = [row for row in np.argsort(-error, kind="stable")[:WORST] if error[row] > 0]
    if not rows:
        return []
    pixels = test.batch(np.array(rows))
    pictures = [
        Picture(jpeg_base64(p), _mistake(table.iloc[row]))
        for p, row in zip(pixels, rows, strict=True)
    ]
    numbers = test.table.kind == "numeric"
    caption = "The largest errors" if numbers else "The mistakes it was surest of"
    return [Gallery(pictures, f"{caption}, worst first.")]


def _mistake(row: Any) -> list[str]:
    said = row["predicted"]
    said = f"{said:.4g}" if isinstance(said, float) else said
    sure = f" ({100 * row['probability']:.0f} %)" if "probability" in row else ""
    return [f"is {row['label']}", f"said {said}{sure}", str(row["path"])]


def _training(run: Findings) -> list[Block]:
    history = run.learner.history_
    blocks: list[Block] = _transfer(run)
    if not history:
        return blocks or [Text("No epoch was trained.")]
    best = next((e for e in reversed(history) if e.best), history[-1])
    spent = sum(e.seconds for e in history)
    metric = run.learner.objective_.metric
    epochs = [e.epoch for e in history]
    losses: dict[str, list[float]] = {}
    figures: list[Block] = []
    text = (
        f"{counted(len(history), 'epoch')} in {spent:.0f} s, "
        f"{history[-1].per_second:,.0f} pictures a second. "
    )
    if not np.isnan(best.val_loss):
        losses = {"validation": [e.val_loss for e in history]}
        found = getattr(run.learner, "comparison_", None)
        dropped = found is not None and not found.better
        taken = "The last epoch" if not run.learner.chose_epoch_ else "The best epoch"
        text += (
            f"{taken}, {best.epoch}, had validation {metric} {best.val_score:.4g}"
            f"{'; it was not kept' if dropped else ' and was kept'}."
        )
        scores = {metric: [e.val_score for e in history]}
        drawn = curves(epochs, scores, f"validation {metric}", best.epoch)
        figures = [Figure(drawn)]
    losses["train"] = [e.train_loss for e in history]
    figures.insert(0, Figure(curves(epochs, losses, "loss", best.epoch)))
    return [*blocks, Text(text), *figures]


def _transfer(run: Findings) -> list[Block]:
    """What the trained weights gave by themselves, and what fine-tuning added."""
    learner = run.learner
    if not hasattr(learner, "probe_"):
        return []
    probe = learner.probe_
    rows = [["first answer, out of fold", *_cells(probe.score)]]
    if run.leaky_score is not None:
        groups = run.learner.settings.group_column or run.learner.settings.group_pattern
        what = "copies and groups" if groups else "copies"
        rows.append([f"the same with {what} on both sides", *_cells(run.leaky_score)])
    if run.evaluation is not None and run.judged_part == TEST:
        rows.append(["delivered, held out", *_cells(run.evaluation.score)])
    text = (
        f"It began with the weights {learner.settings.weights}: a layer was fitted on "
        f"what they say of each picture (penalty {probe.fit.head.penalty:g}), and for "
        "the first answer each picture was judged by such a layer that had not seen it."
    )
    if run.alike and run.leaky_score is not None:
        text += (
            f" {counted(run.alike, 'picture')} have near copies or a group, which are "
            "on one side; the second row is what the score would have looked like if "
            "they were dealt to both."
        )
    if run.seen:
        text += (
            f" These weights had learned from {run.seen:,} of all "
            f"{counted(len(run.pictures), 'picture')}, which flatters the first answer."
        )
    if told := learner.fine_tuning:
        text += f" {told[0].upper()}{told[1:]}."
    columns = ["", "metric", "value", "low", "high", "n"]
    return [
        *_backbones(run),
        Text(text),
        _table(columns, rows),
        Text(more_pictures(probe, learner.objective_)),
    ]


def _bought(run: Findings) -> list[Block]:
    """The same network from nothing, frozen, and fine-tuned, at about equal time."""
    rows = [[b.how, f"{b.seconds:.0f}", *_cells(b.score)] for b in run.bought]
    on = "validation part" if run.learner.first_on_val_ else "first fold"
    none = "only the weights, if any of them," if run.seen else "none of them"
    text = (
        f"The same network ({run.learner.backbone_}) was also trained from random "
        f"weights, for {run.bought[0].seconds:.0f} s, and all were judged on the {on}, "
        f"which {none} had learned from. The seconds of the first answer include "
        "opening the pictures; the others are those of training."
    )
    columns = ["how", "seconds", "metric", "value", "low", "high", "n"]
    return [Text(text), _table(columns, rows)]


def _backbones(run: Findings) -> list[Block]:
    """The candidates of --backbone auto."""
    if not hasattr(run.learner, "trials_"):
        return []
    rows = [
        [t.backbone, t.weights, *_cells(t.score), round(t.ms, 2), round(t.mb, 1)]
        for t in run.learner.trials_
    ]
    columns = ["backbone", "weights", "metric", "value", "low", "high", "n"]
    text = (
        "These were tried on a sample of the train part, each with frozen features and "
        "a cross-validated layer; milliseconds are for a picture on this machine."
    )
    return [Text(text), _table([*columns, "ms", "MB"], rows)]


def _what_was_run(run: Findings) -> list[Block]:
    learner, env = run.learner, environment()
    plain = type(learner)().get_params()
    told = {k: v for k, v in learner.get_params().items() if v != plain[k]}
    how = learner.preprocessing_
    rows = [
        ["data", run.source],
        [
            "network",
            f"{learner.backbone_}, input {how.image_size} x {how.image_size}",
        ],
        ["ran on", str(learner.runtime_)],
        *([["answers", str(run.agreement)]] if run.agreement else []),
        ["seed", str(learner.random_state)],
        ["seconds", f"{run.seconds:.0f}"],
        ["settings changed", json.dumps(told) if told else "none, all as they come"],
        ["vicinal", f"{env['vicinal']}, Python {env['python']}, {env['system']}"],
        ["libraries", ", ".join(f"{k} {v}" for k, v in env["packages"].items())],
    ]
    note = "settings.json, env.json and data/splits.csv in this folder hold the rest."
    return [Table(["what", "value"], rows), Text(note)]


_PARTS = (TRAIN, VAL, TEST)


def _table(columns: list[str], rows: list[list[Any]]) -> Table:
    """A table cut to a readable length, saying so."""
    if len(rows) <= MOST_ROWS:
        return Table(columns, rows)
    caption = f"The first {MOST_ROWS} of {len(rows):,}; the run folder has them all."
    return Table(columns, rows[:MOST_ROWS], caption)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
