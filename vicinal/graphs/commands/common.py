"""The command line's verbs where the data are graphs: `cli` takes them from here.

They have the names that they have for pictures; flags grow from the settings. What is
learned, nodes, edges or whole graphs, says which of them a word calls (`VERBS`).
"""

import time
from pathlib import Path
from typing import Any, Literal

from tyro.conf import OmitArgPrefixes, Suppress

from vicinal.commands.arguments import (
    Data,
    Graphs,
    MaybeData,
    Name,
    Node,
    Nodes,
    RunFolder,
)
from vicinal.core.report.console import Console
from vicinal.core.settings import Settings
from vicinal.domains import What
from vicinal.errors import DataError, Interruption, RunError, SettingError
from vicinal.graphs.settings import GraphLevelSettings, LinkSettings, NodeSettings

Task = Literal["auto", "classification", "multilabel", "regression"]
TaskOfGraph = Literal["auto", "classification", "multilabel", "regression", "links"]
Outcome = dict[str, Any]


def check(
    data: Data,
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
    from vicinal.domains import understand_graph
    from vicinal.graphs.commands import output as verbs

    table = understand_graph(data, edges, task, target, None, directed)
    return {"data": data, **verbs.check(table, quarantine, Console(json))}


def check_links(
    data: Data,
    /,
    edges: str | None = None,
    task: Literal["links"] = "links",
    relation_column: str | None = None,
    quarantine: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say what a graph is whose edges are to be learned, and what cannot be used.

    Args:
        data: a list of edges, a folder with edges.csv, or a graph in any form that
            NetworkX or scipy reads.
        edges: the file of the edges, where DATA lists the nodes.
        task: links.
        relation_column: column of the edges that names the relation of each.
        quarantine: a CSV file for the list of what cannot be used.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import understand_graph
    from vicinal.graphs.commands import output as verbs

    table = understand_graph(data, edges, relation=relation_column)
    return {"data": data, **verbs.check_links(table, quarantine, Console(json))}


def check_graphs(
    data: Data,
    /,
    task: Task = "auto",
    target: str | None = None,
    quarantine: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say what many graphs are, what can be learned from them, and what cannot be used.

    Args:
        data: a folder of a TU data set, tables with a column graph_id, or one text.
        task: what the labels are; auto reads it from them.
        target: the column that holds the labels.
        quarantine: a CSV file for the list of what cannot be used.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import understand_set
    from vicinal.graphs.commands import output as verbs

    found = understand_set(data, task, target)
    return {"data": data, **verbs.check_graphs(found, quarantine, Console(json))}


def train(
    data: Data,
    /,
    settings: OmitArgPrefixes[NodeSettings] = NodeSettings(),  # noqa: B008 - frozen
    edges: str | None = None,
    task: TaskOfGraph = "auto",
    target: str | None = None,
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    json: bool = False,
    explicit_flags: Suppress[frozenset[str]] = frozenset(),
) -> Outcome:
    """Learn from the nodes of a graph: a tested model, a report and predictions.

    Args:
        data: a folder with nodes.csv and edges.csv, a table of nodes, or a graph in
            any form that NetworkX or scipy reads.
        settings: how to learn.
        edges: the file of the edges, where DATA lists the nodes.
        task: what the labels are; auto reads it from them. links: learn which nodes
            are joined, and not what they are.
        target: the column, or attribute, that holds the labels.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        json: print one JSON object and nothing else.
        typed: names of the flags that were given, so that a resumed run can tell them.
    """
    given = {"task": task, "target": target, "edges": edges}
    return _train(
        "nodes", data, settings, given, out, resume, seed, json, explicit_flags
    )


def train_links(
    data: Data,
    /,
    settings: OmitArgPrefixes[LinkSettings] = LinkSettings(),  # noqa: B008 - frozen
    edges: str | None = None,
    task: Literal["links"] = "links",
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    json: bool = False,
    explicit_flags: Suppress[frozenset[str]] = frozenset(),
) -> Outcome:
    """Learn which nodes of a graph are joined: a tested model, a report, likely edges.

    Args:
        data: a list of edges, a folder with edges.csv, or a graph in any form that
            NetworkX or scipy reads.
        settings: how to learn.
        edges: the file of the edges, where DATA lists the nodes.
        task: links.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        json: print one JSON object and nothing else.
        typed: names of the flags that were given, so that a resumed run can tell them.
    """
    given = {"task": task, "target": None, "edges": edges}
    return _train(
        "edges", data, settings, given, out, resume, seed, json, explicit_flags
    )


def train_graphs(
    data: Data,
    /,
    settings: OmitArgPrefixes[GraphLevelSettings] = GraphLevelSettings(),  # noqa: B008 - frozen
    task: Task = "auto",
    target: str | None = None,
    out: str | None = None,
    resume: bool = False,
    seed: int = 0,
    json: bool = False,
    explicit_flags: Suppress[frozenset[str]] = frozenset(),
) -> Outcome:
    """Learn from many graphs: a tested model, a report and predictions.

    Args:
        data: a folder of a TU data set, tables with a column graph_id, or one text.
        settings: how to learn.
        task: what the labels are; auto reads it from them.
        target: the column of graphs.csv that holds the labels.
        out: the run folder to make (never overwritten: name, then name-2).
        resume: go on in the run folder named with --out.
        seed: seed of every random draw.
        json: print one JSON object and nothing else.
        typed: names of the flags that were given, so that a resumed run can tell them.
    """
    given = {"task": task, "target": target, "edges": None}
    return _train(
        "graphs", data, settings, given, out, resume, seed, json, explicit_flags
    )


def _train(
    what: What,
    data: str,
    settings: Settings,
    given: Outcome,
    out: str | None,
    resume: bool,
    seed: int,
    json: bool,
    explicit_flags: frozenset[str],
) -> Outcome:
    """Train on nodes, edges or graphs. given: task, target and edges as they came."""
    from vicinal.core.compute import distributed as data_parallel
    from vicinal.core.storage.run_folder import Run

    voice, started_at = Console(json), time.monotonic()
    if resume and out is None:
        raise SettingError(
            "--resume needs --out RUN, the folder of the run to go on in."
        )
    place, edges = Path(data).resolve(), given["edges"]
    plain = {
        k: list(v) if isinstance(v, tuple) else v for k, v in vars(settings).items()
    }
    folder = out or f"runs/{place.name if place.is_dir() else place.stem}"
    asked = {
        **given,
        "data": str(place),
        "edges": edges and str(Path(edges).resolve()),
        "parameters": plain | {"random_state": seed},  # as a file will have them
    }
    if resume:
        with Run.resume(folder) as run, data_parallel.joined():
            asked = _as_it_began(run.folder, asked, explicit_flags)
            ready = _ready(what, asked)
            return _train_in(run, what, asked, ready, data, voice, started_at, resume)
    with data_parallel.joined():
        ready = _ready(what, asked)
        with Run.create(folder) as run:
            return _train_in(run, what, asked, ready, data, voice, started_at, resume)


def _ready(what: What, asked: Outcome) -> tuple[Any, Any, str]:
    """What was read, the estimator and the task; a mistake is told before anything
    runs."""
    from vicinal.domains import (
        estimator_type,
        row_for,
        understand_graph,
        understand_set,
    )

    settings, task, target = asked["parameters"], asked["task"], asked["target"]
    if what == "edges":
        relation = settings["relation_column"]
        table = understand_graph(asked["data"], asked["edges"], relation=relation)
        return table, estimator_type("LinkPredictor")(**settings), "links"
    if what == "graphs":
        found = understand_set(asked["data"], task, target)
        missing = "No graph has a label. Put labels into a column `label` of graphs.csv"
    else:
        group, directed = settings["group_column"], settings["directed"]
        how = asked["edges"], task, target, group, directed
        found = understand_graph(asked["data"], *how)
        missing = (
            "No node has a label, so there is nothing to learn but which nodes are "
            "joined (--task links). Put labels into a column `label` of the nodes"
        )
    if found.kind == "none":
        raise DataError(f"{missing}, or name the column with --target.")
    row = row_for(found, what)
    return found, estimator_type(row.estimator)(**settings), row.task


def _train_in(
    run: Any,
    what: What,
    asked: Outcome,
    ready: Any,
    shown: str,
    voice: Console,
    started_at: float,
    resume: bool,
) -> Outcome:
    from vicinal.core.compute.signals import stop_on_signal
    from vicinal.core.storage.run_folder import how_to_resume
    from vicinal.core.training.trainer import Interrupted

    found, learner, task = ready
    if not resume:
        voice.say(f"run: {run.folder}")
    run.write("settings.json", {**asked, "estimator": type(learner).__name__})
    of = f"{task} of {what}" if what != "edges" else "which nodes are joined"
    voice.say(f"{shown}: {of}")
    try:
        with stop_on_signal() as stop_requested:
            kind = _run_type(what)
            work = kind(learner, found, run, shown, stop_requested, started_at)
            for news in work.steps():
                voice.say(news if isinstance(news, str) else _epoch_line(news))
    except (Interrupted, KeyboardInterrupt):
        raise Interruption(f"Interrupted. {how_to_resume(run.folder)}") from None
    except (SettingError, DataError, ValueError):
        _remove_if_bare(run.folder, resume)
        raise
    use, look = NEXT[what]
    voice.say(f"\nreport:  {run.folder / 'report.html'}")
    voice.say(f"use it:  vicinal predict {run.folder}{use}")
    voice.say(f"look in: vicinal explain {run.folder}{look}")
    return work.summary()


def _run_type(what: What) -> Any:
    """What tells of nodes, edges or graphs."""
    from vicinal.graphs.runs.graphs import GraphLevelRun
    from vicinal.graphs.runs.links import LinkRun
    from vicinal.graphs.runs.nodes import NodeRun

    return {"nodes": NodeRun, "edges": LinkRun, "graphs": GraphLevelRun}[what]


NEXT = {
    "nodes": (" NODE...", " NODE"),
    "edges": (" NODE NODE", " NODE NODE"),
    "graphs": (" GRAPHS", " GRAPHS NAME"),
}
"""what `predict` and `explain` take after the run"""


def _remove_if_bare(folder: Path, resume: bool) -> None:
    """Take away the new run folder that a user's mistake left with nothing to keep."""
    import shutil

    if not resume and not (folder / "model.json").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _as_it_began(
    folder: Path, asked: Outcome, explicit_flags: frozenset[str]
) -> Outcome:
    """What a resumed run began with; RunError for other data, SettingError for a flag
    that it did not begin with."""
    from vicinal.core.storage.run_folder import is_run
    from vicinal.domains import settings_of

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
        for name in sorted(explicit_flags & set(given))
        if name not in free and given[name] != before.get(name)
    ]
    if wrong:
        raise SettingError(
            "A run is resumed with the settings it began with. Different here: "
            f"{', '.join(wrong)}. Leave them out, or begin a new run without --resume."
        )
    changed = {name: given[name] for name in explicit_flags & free}
    return began | {"parameters": began["parameters"] | changed}


def _epoch_line(epoch: Any) -> str:
    val = ""
    if epoch.val_loss == epoch.val_loss:
        val = f"   val loss {epoch.val_loss:.4f}   val score {epoch.val_score:.4f}"
    return f"step {epoch.epoch:>4}   loss {epoch.train_loss:.4f}{val}"


def evaluate(
    run: RunFolder,
    data: MaybeData = None,
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
    from vicinal.domains import load, target_of
    from vicinal.graphs.commands import output as verbs

    if data is not None and target is None:
        target = target_of(Path(run))
    model, voice = load(run), Console(json)
    found = verbs.evaluate(model, data, edges, target, output, voice)
    return {**found, "run": run, "data": data}


def predict(
    run: RunFolder,
    nodes: Nodes = [],  # noqa: B006 - tyro reads it, nothing changes it
    /,
    new_nodes: str | None = None,
    new_edges: str | None = None,
    output: str | None = None,
    embeddings: str | None = None,
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
        embeddings: a .csv or .npz file for what the last dense layer sees of each.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import output as verbs

    voice = Console(json)
    given = nodes, new_nodes, new_edges, output, embeddings
    outcome = verbs.predict(load(run), *given, voice)
    return {"run": run, **outcome}


def explain(
    run: RunFolder,
    node: Node,
    /,
    target: str | None = None,
    new_nodes: str | None = None,
    new_edges: str | None = None,
    output: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> Outcome:
    """Show what the answer for a node rests on: which nodes, or which edges.

    Args:
        run: the run folder that `vicinal train` wrote.
        node: the name of a node.
        target: the class to be explained; else the one that the model names.
        new_nodes: a CSV of nodes that came later, of which NODE may be one.
        new_edges: a CSV of their edges.
        output: a file for a drawing of it: .html, .png, .svg or .pdf.
        seed: seed of what is taken away at random, to hold the order against.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs.commands import explanations as verbs

    model = _with_newcomers(run, new_nodes, new_edges)
    given = node, target, output, seed
    return {"run": run, **verbs.explain(model, *given, Console(json))}


def inspect(
    run: RunFolder,
    node: Node,
    /,
    new_nodes: str | None = None,
    new_edges: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Show the computational graph of a node: every message, and what it counts.

    Args:
        run: the run folder that `vicinal train` wrote.
        node: the name of a node.
        new_nodes: a CSV of nodes that came later, of which NODE may be one.
        new_edges: a CSV of their edges.
        output: a file for a drawing of it: .html, .png, .svg or .pdf.
        json: print one JSON object and nothing else.
    """
    from vicinal.graphs.commands import explanations as verbs

    model = _with_newcomers(run, new_nodes, new_edges)
    return {"run": run, **verbs.inspect(model, node, output, Console(json))}


def _with_newcomers(run: str, nodes: str | None, edges: str | None) -> Any:
    """The model of a run, on its graph with those that came later."""
    from vicinal.domains import load

    model = load(run)
    named = nodes is not None or edges is not None
    return model.with_new_nodes(nodes, edges) if named else model


def evaluate_graphs(
    run: RunFolder,
    data: MaybeData = None,
    /,
    target: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Score a trained model: on the graphs that it held out, or on others.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: other graphs with labels; else those held out of the run's own.
        target: the column that holds the labels; else the one trained on.
        output: a CSV file for the predictions; one that is there is replaced.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load, target_of
    from vicinal.graphs.commands import output as verbs

    if target is None:
        target = target_of(Path(run))
    model, voice = load(run), Console(json)
    found = verbs.evaluate_graphs(model, Path(run), data, target, output, voice)
    return {**found, "run": run, "data": data}


def predict_graphs(
    run: RunFolder,
    data: Graphs,
    /,
    output: str | None = None,
    embeddings: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say what graphs are.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: graphs in any form that `train` takes; labels are not needed.
        output: a CSV file for the answers (one that is there is replaced); else they
            are printed.
        embeddings: a .csv or .npz file for what the last dense layer sees of each.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import output as verbs

    given = data, output, embeddings
    return {"run": run, **verbs.predict_graphs(load(run), *given, Console(json))}


def explain_graphs(
    run: RunFolder,
    data: Graphs,
    name: Name,
    /,
    target: str | None = None,
    output: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> Outcome:
    """Show what the answer for a graph rests on: each node is left out in turn.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: graphs in any form that `train` takes.
        name: the name of one of them.
        target: the class to be explained; else the one that the model names.
        output: a file for a drawing of it: .html, .png, .svg or .pdf.
        seed: seed of the nodes left out at random, to hold the order against.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import explanations as verbs

    given = load(run), data, name, target, output, seed
    return {"run": run, **verbs.explain_graphs(*given, Console(json))}


def evaluate_links(
    run: RunFolder,
    /,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Score a trained model on the edges that it held out.

    Args:
        run: the run folder that `vicinal train` wrote.
        output: a CSV file for the predictions; one that is there is replaced.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import output as verbs

    return {**verbs.evaluate_links(load(run), output, Console(json)), "run": run}


def predict_links(
    run: RunFolder,
    nodes: Nodes = [],  # noqa: B006 - tyro reads it, nothing changes it
    /,
    relation: str | None = None,
    top: int = 20,
    output: str | None = None,
    embeddings: str | None = None,
    json: bool = False,
) -> Outcome:
    """Say how likely nodes are joined; or which pairs are, and are not listed.

    Args:
        run: the run folder that `vicinal train` wrote.
        nodes: pairs of names, one after the other, or a CSV with the columns source
            and target; else the likeliest pairs that are no edges yet.
        relation: by which they would be joined, where there are several; else by that
            which the CSV names, or by each.
        top: how many pairs are looked for, where none are named.
        output: a CSV file for the answers (one that is there is replaced); else they
            are printed.
        embeddings: a .csv or .npz file for the vector of each node.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import output as verbs

    given = nodes, relation, top, output, embeddings
    return {"run": run, **verbs.predict_links(load(run), *given, Console(json))}


def explain_links(
    run: RunFolder,
    source: Node,
    target: Node,
    /,
    relation: str | None = None,
    output: str | None = None,
    json: bool = False,
) -> Outcome:
    """Show what the chance of an edge between two nodes adds up to.

    Args:
        run: the run folder that `vicinal train` wrote.
        source: the name of a node.
        target: the name of another.
        relation: by which they would be joined, where there are several.
        output: a file for a drawing of it: .html, .png, .svg or .pdf.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import explanations as verbs

    given = load(run), source, target, relation, output
    return {"run": run, **verbs.explain_links(*given, Console(json))}


def inspect_links(
    run: RunFolder,
    source: Node,
    target: Node,
    /,
    relation: str | None = None,
    json: bool = False,
) -> Outcome:
    """Show what a network's score of two nodes adds up to, and the messages of both.

    Args:
        run: the run folder that `vicinal train` wrote.
        source: the name of a node.
        target: the name of another.
        relation: by which they would be joined, where there are several.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import explanations as verbs

    found = verbs.inspect_links(load(run), source, target, relation, Console(json))
    return {"run": run, **found}


def inspect_graphs(
    run: RunFolder,
    data: Graphs,
    name: Name,
    /,
    node: str | None = None,
    target: str | None = None,
    json: bool = False,
) -> Outcome:
    """Show what a network's score of a graph adds up to, by layers and by nodes.

    Args:
        run: the run folder that `vicinal train` wrote.
        data: graphs, as `vicinal train` takes them.
        name: which of them.
        node: the name of one of its nodes, whose messages are shown instead.
        target: the class whose score is opened; else the one that is said.
        json: print one JSON object and nothing else.
    """
    from vicinal.domains import load
    from vicinal.graphs.commands import explanations as verbs

    given = data, name, node, target
    return {"run": run, **verbs.inspect_graphs(load(run), *given, Console(json))}


def report(run: RunFolder, /, json: bool = False) -> Outcome:
    """Write a run's report again and print it as text.

    Args:
        run: the run folder that `vicinal train` wrote.
        json: print one JSON object and nothing else.
    """
    from vicinal.core.report.report import Report
    from vicinal.core.storage import run_folder as runs
    from vicinal.core.storage.files import write_text

    folder, voice = Path(run), Console(json)
    page = Report.from_dict(runs.read(folder, "report.json"))
    path = folder / "report.html"
    write_text(path, page.html())
    voice.say(page.text())
    voice.say(f"page: {path}")
    score = runs.read(folder, "metrics.json")["score"]
    return {"run": run, "page": str(path), "score": score}


NODES = {
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "explain": explain,
    "inspect": inspect,
    "report": report,
}

VERBS: dict[What, dict[str, Any]] = {
    "nodes": NODES,
    "edges": NODES
    | {
        "check": check_links,
        "train": train_links,
        "evaluate": evaluate_links,
        "predict": predict_links,
        "explain": explain_links,
        "inspect": inspect_links,
    },
    "graphs": NODES
    | {
        "check": check_graphs,
        "train": train_graphs,
        "evaluate": evaluate_graphs,
        "predict": predict_graphs,
        "explain": explain_graphs,
        "inspect": inspect_graphs,
    },
}
