"""The command line's verbs where the data are a graph: `cli` takes them from here.

They have the names that they have for pictures; flags grow from `NodeSettings`.
"""

import time
from pathlib import Path
from typing import Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, Suppress

from vicinal.errors import Interruption, RunError, SettingError
from vicinal.graphs.settings import NodeSettings
from vicinal.voice import Voice

Task = Literal["auto", "classification", "multilabel", "regression"]
Outcome = dict[str, Any]


def check(
    data: Positional[str],
    /,
    edges: str | None = None,
    task: Task = "auto",
    target: str | None = None,
    directed: bool = False,
    quarantine: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say what a graph is, what can be learned from it, and what cannot be used.

    Args:
        data: a folder with nodes.csv and edges.csv, a table of nodes, a list of edges,
            or a graph in any form that NetworkX or scipy reads.
        edges: the file of the edges, where DATA lists the nodes.
        task: what the labels are; auto reads it from them.
        target: the column, or attribute, that holds the labels.
        directed: edges of tables lead one way, from source to target.
        quarantine: a CSV file for the list of what cannot be used.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs import verbs
    from vicinal.tasks import understand_graph

    table = understand_graph(data, edges, task, target, None, directed)
    return {"data": data, **verbs.check(table, quarantine, Voice(json))}


def train(
    data: Positional[str],
    /,
    settings: OmitArgPrefixes[NodeSettings] = NodeSettings(),  # noqa: B008 - frozen
    edges: str | None = None,
    task: Task = "auto",
    target: str | None = None,
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    json: bool = False,
    typed: Suppress[frozenset[str]] = frozenset(),
) -> Outcome:
    """Learn from the nodes of a graph: a tested model, a report and predictions.

    Args:
        data: a folder with nodes.csv and edges.csv, a table of nodes, or a graph in
            any form that NetworkX or scipy reads.
        settings: how to learn.
        edges: the file of the edges, where DATA lists the nodes.
        task: what the labels are; auto reads it from them.
        target: the column, or attribute, that holds the labels.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        json: print one JSON object and nothing else.
        typed: names of the flags that were given, so that a resumed run can tell them.
    """
    from vicinal.core.run import Run

    voice, begun = Voice(json), time.monotonic()
    if resume and out is None:
        raise SettingError(
            "--resume needs --out RUN, the folder of the run to go on in."
        )
    place = Path(data).resolve()
    folder = out or f"runs/{place.name if place.is_dir() else place.stem}"
    asked = {
        "data": str(place),
        "edges": edges and str(Path(edges).resolve()),
        "task": task,
        "target": target,
        "parameters": settings.to_dict() | {"random_state": seed},
    }
    if resume:
        with Run.resume(folder) as run:
            asked = _as_it_began(run.folder, asked, typed)
            return _train_in(run, asked, _ready(asked), data, voice, begun, resume)
    ready = _ready(asked)
    with Run.create(folder) as run:
        return _train_in(run, asked, ready, data, voice, begun, resume)


def _ready(asked: Outcome) -> tuple[Any, Any]:
    """The graph and the estimator; a mistake is told before anything runs."""
    from vicinal.errors import DataError
    from vicinal.tasks import estimator_type, row_for, understand_graph

    settings = asked["parameters"]
    table = understand_graph(
        asked["data"],
        asked["edges"],
        asked["task"],
        asked["target"],
        settings["group_column"],
        settings["directed"],
    )
    if table.kind == "none":
        raise DataError(
            "No node has a label, so there is nothing to learn. Put labels into a "
            "column `label` of the nodes, or name the column with --target."
        )
    learner = estimator_type(row_for(table, "nodes").estimator)(**settings)
    return table, learner


def _train_in(
    run: Any,
    asked: Outcome,
    ready: Any,
    shown: str,
    voice: Voice,
    begun: float,
    resume: bool,
) -> Outcome:
    from vicinal.core.interruption import stop_on_signal
    from vicinal.core.run import how_to_resume
    from vicinal.core.training import Interrupted
    from vicinal.graphs.node_run import NodeRun
    from vicinal.tasks import row_for

    table, learner = ready
    row = row_for(table, "nodes")
    if not resume:
        voice.say(f"run: {run.folder}")
    run.write("settings.json", {**asked, "estimator": row.estimator})
    voice.say(f"{shown}: {row.task} of nodes")
    try:
        with stop_on_signal() as stop_requested:
            work = NodeRun(learner, table, run, shown, stop_requested, begun)
            for news in work.steps():
                voice.say(news if isinstance(news, str) else _epoch_line(news))
    except (Interrupted, KeyboardInterrupt):
        raise Interruption(f"Interrupted. {how_to_resume(run.folder)}") from None
    except (SettingError, ValueError):
        _remove_if_bare(run.folder, resume)
        raise
    voice.say(f"\nreport:  {run.folder / 'report.html'}")
    voice.say(f"use it:  vicinal predict {run.folder} NODE...")
    voice.say(f"look in: vicinal explain {run.folder} NODE")
    return work.summary()


def _remove_if_bare(folder: Path, resume: bool) -> None:
    """Take away the new run folder that a user's mistake left with nothing to keep."""
    import shutil

    if not resume and not (folder / "model.json").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _as_it_began(folder: Path, asked: Outcome, typed: frozenset[str]) -> Outcome:
    """What a resumed run began with; RunError for other data, SettingError for a flag
    that it did not begin with."""
    from vicinal.core.run import is_run
    from vicinal.tasks import settings_of

    if not is_run(folder):  # killed before it had written anything
        return asked
    began = settings_of(folder)
    if began["data"] != asked["data"]:
        raise RunError(
            f"The run in {folder} began with {began['data']}, not with "
            f"{asked['data']}. Name those data, or begin a new run."
        )
    given = asked["parameters"] | {k: asked[k] for k in ("task", "target", "edges")}
    before = began | began["parameters"]
    free = {"minutes", "checkpoint_seconds"}
    wrong = [
        f"{name} ({before.get(name)!r} then, {given[name]!r} now)"
        for name in sorted(typed & set(given))
        if name not in free and given[name] != before.get(name)
    ]
    if wrong:
        raise SettingError(
            "A run is resumed with the settings it began with. Different here: "
            f"{', '.join(wrong)}. Leave them out, or begin a new run without --resume."
        )
    changed = {name: given[name] for name in typed & free}
    return began | {"parameters": began["parameters"] | changed}


def _epoch_line(epoch: Any) -> str:
    val = ""
    if epoch.val_loss == epoch.val_loss:
        val = f"   val loss {epoch.val_loss:.4f}   val score {epoch.val_score:.4f}"
    return f"step {epoch.epoch:>4}   loss {epoch.train_loss:.4f}{val}"


def evaluate(
    run: Positional[str],
    data: Positional[str | None] = None,
    /,
    edges: str | None = None,
    target: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Score a trained model: on the nodes that it held out, or on another graph.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: another graph with labels; else the nodes held out of the run's own.
        edges: the file of the edges, where DATA lists the nodes.
        target: the column that holds the labels; else the one trained on.
        output: a CSV file for the predictions; one that is there is replaced.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs import verbs
    from vicinal.tasks import load, target_of

    if data is not None and target is None:
        target = target_of(Path(run))
    model, voice = load(run), Voice(json)
    found = verbs.evaluate(model, data, edges, target, output, voice)
    return {**found, "run": run, "data": data}


def predict(
    run: Positional[str],
    nodes: Positional[list[str]] = [],  # noqa: B006 - tyro reads it, nothing changes it
    /,
    new_nodes: str | None = None,
    new_edges: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say what nodes of the graph are, or nodes that came later.

    Args:
        run: the run folder that `vicinal train` wrote.
        nodes: names of nodes, or a CSV with a column of them; else all, or all new.
        new_nodes: a CSV of nodes that came later, with the columns of the others.
        new_edges: a CSV of their edges, to each other and to nodes of the graph.
        output: a CSV file for the answers (one that is there is replaced); else they
            are printed.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs import verbs
    from vicinal.tasks import load

    voice = Voice(json)
    given = nodes, new_nodes, new_edges
    outcome = verbs.predict(load(run), *given, output, voice)
    return {"run": run, **outcome}


def explain(
    run: Positional[str],
    node: Positional[str],
    /,
    target: str | None = None,
    json: bool = False,
) -> Outcome:
    """Show what the answer for a node rests on: which nodes, or which edges.

    Args:
        run: the run folder that `vicinal train` wrote.
        node: the name of a node.
        target: the class to be explained; else the one that the model names.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs import verbs
    from vicinal.tasks import load

    return {"run": run, **verbs.explain(load(run), node, target, Voice(json))}


def inspect(
    run: Positional[str], node: Positional[str], /, json: bool = False
) -> Outcome:
    """Show the computational graph of a node: every message, and what it counts.

    Args:
        run: the run folder that `vicinal train` wrote.
        node: the name of a node.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs import verbs
    from vicinal.tasks import load

    return {"run": run, **verbs.inspect(load(run), node, Voice(json))}


def report(run: Positional[str], /, json: bool = False) -> Outcome:
    """Write a run's report again and print it as text.

    Args:
        run: the run folder that `vicinal train` wrote.
        json: print one JSON object and nothing else.
    """
    from vicinal.core import run as runs
    from vicinal.core.files import write_text
    from vicinal.core.report import Report

    folder, voice = Path(run), Voice(json)
    page = Report.from_dict(runs.read(folder, "report.json"))
    path = folder / "report.html"
    write_text(path, page.html())
    voice.say(page.text())
    voice.say(f"page: {path}")
    score = runs.read(folder, "metrics.json")["score"]
    return {"run": run, "page": str(path), "score": score}


VERBS = {
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "explain": explain,
    "inspect": inspect,
    "report": report,
}
