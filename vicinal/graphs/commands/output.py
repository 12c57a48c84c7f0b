"""What the command line's verbs do with graphs."""

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.storage.files import answers_file, replace_file
from vicinal.core.text import counted, percent
from vicinal.errors import NoDataError, RunError, SettingError
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.output_tables import (
    embeddings_file,
    write_csv,
    write_embeddings,
)
from vicinal.graphs.data.statistics import facts_of, to_dict, told
from vicinal.graphs.graph_estimators import GraphLevelEstimator
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.runs.graphs import told as told_of_set

MOST_CLASSES = 100
"""different texts of a column that may be labels"""

MOST_SAID = 40
"""answers that are printed, where no file takes them"""

MOST_ASIDE = 20
"""rows that cannot be used, of those that are said"""


def check(table: GraphTable, quarantine: str | None, voice: Console) -> dict[str, Any]:
    """Say what a graph is, what can be learned, and what is set aside."""
    task = {
        "single_label": "classification, one class a node",
        "multi_label": "multilabel, several names a node",
        "numeric": "regression, a number a node",
        "none": "none: no node has a label",
    }[table.kind]
    voice.say(f"task: {task}")
    hints = _could_be_labels(table)
    return {"task": table.kind} | _checked(table, hints, quarantine, voice)


def check_links(
    table: GraphTable, quarantine: str | None, voice: Console
) -> dict[str, Any]:
    """Say what a graph is whose edges are to be learned, and what is set aside."""
    from vicinal.graphs.links.split import FEWEST, in_order, pairs_of

    pairs = len(np.unique(in_order(pairs_of(table))[:, :2], axis=0))
    possible = len(table) * (len(table) - 1) // 2
    voice.say("task: links, which nodes are joined")
    voice.say(
        f"{pairs:,} of {counted(possible, 'pair')} of nodes are joined, "
        f"{percent(pairs / max(possible, 1))}"
    )
    hints = []
    if pairs < FEWEST:
        hints.append(f"{FEWEST} joined pairs or more are wanted to learn from")
    found = _checked(table, hints, quarantine, voice)
    return {"task": "links", "pairs": pairs, "possible": possible} | found


def _checked(
    table: GraphTable, hints: list[str], quarantine: str | None, voice: Console
) -> dict[str, Any]:
    """Say what a graph is, and what is set aside; hints: notes that are only said."""
    facts = facts_of(table)
    for line in told(table, facts):
        voice.say(line)
    columns, notes = FeatureEncoder.of(table.features)
    voice.say(f"known of a node: {columns}")
    for note in [*table.notes, *notes, *hints]:
        voice.say(f"note: {note}")
    _set_aside(table.set_aside, quarantine, voice)
    return {
        "graph": to_dict(facts),
        "features": columns.names(),
        "notes": [*table.notes, *notes],
        "quarantined": len(table.set_aside),
    }


def _could_be_labels(table: GraphTable) -> list[str]:
    """A hint at columns of few different texts, where no node has a label."""
    if table.kind != "none" or not hasattr(table.features, "columns"):
        return []
    found = []
    for name in table.features.columns:
        cells = [str(c).strip() for c in table.features[name].dropna()]
        different = {cell for cell in cells if cell}
        words = not all(_is_number(cell) for cell in different)
        if words and 2 <= len(different) <= min(MOST_CLASSES, len(table) // 2):
            found.append(f"{name} ({counted(len(different), 'value')})")
    if not found:
        return []
    return [
        f"no column is named label; --target takes another, such as "
        f"{', '.join(found[:5])}"
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _set_aside(
    aside: list[Quarantined], quarantine: str | None, voice: Console
) -> None:
    """Say what cannot be used, and list it in a file where one is named."""
    say_aside(aside, voice, "--quarantine FILE.csv lists all")
    if quarantine is not None:

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["name", "label", "reason"])
                rows.writerows(aside)

        replace_file(Path(quarantine), write)


def say_aside(aside: Sequence[Quarantined], voice: Console, where: str) -> None:
    """Say the first of what cannot be used; where: what lists all."""
    for q in aside[:MOST_ASIDE]:
        voice.say(f"set aside: {q.name}: {q.reason}")
    if len(aside) > MOST_ASIDE:
        voice.say(f"... and {len(aside) - MOST_ASIDE:,} more ({where})")


def check_graphs(
    found: GraphCollection, quarantine: str | None, voice: Console
) -> dict[str, Any]:
    """Say what many graphs are, what can be learned, and what is set aside."""
    task = {
        "single_label": "classification, one class a graph",
        "multi_label": "multilabel, several names a graph",
        "numeric": "regression, a number a graph",
        "none": "none: no graph has a label",
    }[found.kind]
    voice.say(f"task: {task}")
    lines = told_of_set(found)
    columns, notes = FeatureEncoder.of(found.nodes.features)
    for line in [*lines, f"known of a node: {columns}"]:
        voice.say(line)
    for note in [*found.notes, *notes]:
        voice.say(f"note: {note}")
    _set_aside(found.set_aside, quarantine, voice)
    return {
        "task": found.kind,
        "graphs": len(found),
        "nodes": len(found.nodes),
        "edges": found.nodes.num_edges,
        "features": columns.names(),
        "notes": [*found.notes, *notes],
        "quarantined": len(found.set_aside),
    }


def evaluate(
    model: NodeModel,
    data: str | None,
    edges: str | None,
    target: str | None,
    output: str | None,
    voice: Console,
) -> dict[str, Any]:
    """Score a model on its own held-out nodes, or on another graph."""
    started_at, place = time.monotonic(), answers_file(output)
    if data is None and target is not None:
        raise SettingError(
            "--target names a column of other DATA: name these too, or leave it out to "
            "score the nodes that the run held out."
        )
    if data is None:
        found = model.evaluate()
    else:
        found = model.evaluate(model.read(data, edges=edges, target=target))
    return _scored(found, started_at, place, voice)


def _scored(
    found: Evaluation, started_at: float, output: Path | None, voice: Console
) -> dict[str, Any]:
    """Say a score, and write the predictions that it rests on."""
    voice.say(str(found))
    voice.say(found.verdict)
    if output is not None:
        write_csv(output, found.predictions)
        voice.say(f"predictions: {output}")
    return {**found.to_dict(), "seconds": round(time.monotonic() - started_at, 2)}


def evaluate_graphs(
    model: GraphLevelEstimator,
    run: Path,
    data: str | None,
    target: str | None,
    output: str | None,
    voice: Console,
) -> dict[str, Any]:
    """Score a model of whole graphs on those its run held out, or on others."""
    started_at, place = time.monotonic(), answers_file(output)
    if data is not None and Path(data).resolve() == _learned_from(run):
        voice.say(
            "these are the run's own data: the graphs that it held out are scored"
        )
        data = None
    if data is not None:
        found = model.evaluate(model.read(data, target=target))
    else:
        found = model.evaluate(_held_out(model, run, target))
    return _scored(found, started_at, place, voice)


def _learned_from(run: Path) -> Path | None:
    """Where the data of a run lie; None where it does not say."""
    from vicinal.core.storage.run_folder import read

    try:
        return Path(read(run, "settings.json")["data"]).resolve()
    except (RunError, KeyError):
        return None


def _held_out(
    model: GraphLevelEstimator, run: Path, target: str | None
) -> GraphCollection:
    """The graphs that a run held out, from where its data lie."""
    import pandas as pd

    from vicinal.core.storage.run_folder import read

    splits = run / "data" / "splits.csv"
    if not splits.exists():
        raise NoDataError(
            f"{run} does not say which graphs were held out. Name graphs with labels."
        )
    told = pd.read_csv(splits, dtype=str, keep_default_na=False)
    names = set(told["id"][told["split"] == TEST])
    everything = model.read(read(run, "settings.json")["data"], target=target)
    rows = np.array([name in names for name in everything.names])
    if not rows.any():
        raise NoDataError("No graph was held out: name some with labels.")
    return everything.rows(rows)


def evaluate_links(
    model: LinkPredictor, output: str | None, voice: Console
) -> dict[str, Any]:
    """Score a model of edges on those that it held out."""
    started_at, place = time.monotonic(), answers_file(output)
    return _scored(model.evaluate(), started_at, place, voice)


def predict(
    model: NodeModel,
    nodes: list[str],
    new_nodes: str | None,
    new_edges: str | None,
    output: str | None,
    embeddings: str | None,
    voice: Console,
) -> dict[str, Any]:
    """Answers for nodes of the graph by name, or for newcomers."""
    csv_file = answers_file(output)
    place = None if embeddings is None else embeddings_file(embeddings)
    wanted: Any = nodes or None
    if len(nodes) == 1 and Path(nodes[0]).suffix.lower() in (".csv", ".txt"):
        wanted = _listed(Path(nodes[0]))
    answers = model.answers(wanted, new_nodes=new_nodes, new_edges=new_edges)
    frame = model.predictions_frame(answers.ids, answers.predicted)
    frame["alone"] = answers.alone
    found = _answered(frame, "node", csv_file, voice)
    lonely = int(answers.alone.sum())
    if lonely:
        voice.say(
            f"note: {counted(lonely, 'node')} without an edge: what is said rests on "
            "own features, if there are any"
        )
    for note in answers.notes:
        voice.say(f"note: {note}")
    if place is not None:
        vectors = model.transform(wanted, new_nodes=new_nodes, new_edges=new_edges)
        _embedded(place, answers.ids, vectors, voice)
    say_aside(answers.set_aside, voice, "--json lists all")
    aside = [q._asdict() for q in answers.set_aside]
    return found | {"set_aside": aside, "notes": list(answers.notes)}


def _embedded(path: Path, ids: np.ndarray, vectors: np.ndarray, voice: Console) -> None:
    """Write embeddings, and say so; SettingError where there are none."""
    if not vectors.shape[1]:
        raise SettingError(
            "This model looks at the labels around a node alone: there are no "
            "embeddings. A network has them (`vicinal train ... --deliver networks`)."
        )
    write_embeddings(path, ids, vectors)
    voice.say(f"embeddings, {vectors.shape[1]:,} numbers each: {path}")


def predict_graphs(
    model: GraphLevelEstimator,
    data: str,
    output: str | None,
    embeddings: str | None,
    voice: Console,
) -> dict[str, Any]:
    """Answers for whole graphs."""
    from vicinal.graphs.data.graph_collection import read_graphs

    csv_file = answers_file(output)
    place = None if embeddings is None else embeddings_file(embeddings)
    found = read_graphs(data)
    frame = model.predictions_frame(found.names, model.predicted(found))
    told = _answered(frame, "graph", csv_file, voice)
    if place is not None:
        _embedded(place, found.names, model.transform(found), voice)
    return told


def predict_links(
    model: LinkPredictor,
    nodes: list[str],
    relation: str | None,
    top: int,
    output: str | None,
    embeddings: str | None,
    voice: Console,
) -> dict[str, Any]:
    """How likely pairs are joined; without names the likeliest that are not listed.

    relation: by which; None: by that which a table names, or by each.
    """
    import pandas as pd

    csv_file = answers_file(output)
    vectors = None if embeddings is None else embeddings_file(embeddings)
    if top < 1:
        raise SettingError(f"top must be 1 or more. Got {top}.")
    if not nodes:
        frame = model.most_likely(top, relation)
    else:
        rows = model._rows(_pairs(nodes, model, relation))
        chances = model._chances(rows).round(5)
        known = model.listed(rows)
        frame = pd.DataFrame({**model.named(rows), "chance": chances, "listed": known})
        if len(rows) > len(nodes) // 2 > 0:  # each relation of a pair: likeliest first
            place = np.repeat(
                np.arange(len(nodes) // 2), len(rows) // (len(nodes) // 2)
            )
            frame = frame.iloc[np.lexsort((-chances, place))].reset_index(drop=True)
    if csv_file is not None:
        write_csv(csv_file, frame)
        voice.say(f"{counted(len(frame), 'pair')}: {output}")
    else:
        for row in frame.head(MOST_SAID).to_dict("records"):
            by = f" {row['relation']} -" if "relation" in row else ""
            ends = f"{row['source']} -{by} {row['target']}"
            known = "  (an edge already)" if row.get("listed") else ""
            voice.say(f"{ends:<40}  {100 * row['chance']:5.1f} %{known}")
        if len(frame) > MOST_SAID:
            more = len(frame) - MOST_SAID
            voice.say(f"... and {more:,} more (--output FILE.csv takes all)")
    voice.say("note: chances are those among pairs of which half are edges")
    if vectors is not None:
        _embedded(vectors, model.graph_.ids, model.transform(), voice)
    return {"predictions": frame.to_dict("records")}


def _pairs(
    nodes: list[str], model: LinkPredictor, relation: str | None
) -> list[tuple[str, ...]]:
    """Names two by two, or those of a table, with a relation where there are several:
    that which is asked for, that which the table names, or each in turn."""
    from vicinal.graphs.data.edge_list import edge_columns, texts

    named: list[str] | None = None
    if len(nodes) == 1 and Path(nodes[0]).suffix.lower() == ".csv":
        frame = read_csv(Path(nodes[0]), "source,target")
        ends, column = edge_columns(frame), model.settings.relation_column
        if ends is None:
            raise SettingError(f"{nodes[0]} has no columns source and target.")
        first, second = (texts(frame[name]) for name in ends[:2])
        if relation is None and column in frame.columns:
            named = texts(frame[column])
    elif len(nodes) % 2:
        raise SettingError(
            f"Names come in pairs, two for each edge. Got {len(nodes)}: "
            f"{' '.join(nodes[:5])}."
        )
    else:
        first, second = nodes[::2], nodes[1::2]
    pairs = list(zip(first, second, strict=True))
    if named is not None:
        return [(a, by, b) for (a, b), by in zip(pairs, named, strict=True)]
    if relation is None and not model.relations_:
        return [*pairs]
    if relation is not None:
        model._relation(relation)
    wanted = model.relations_ if relation is None else (relation,)
    return [(a, by, b) for a, b in pairs for by in wanted]


def _answered(
    frame: Any, unit: str, output: Path | None, voice: Console
) -> dict[str, Any]:
    """Say answers, or write them to a file."""
    if output is not None:
        write_csv(output, frame)
        voice.say(f"{counted(len(frame), unit)}: {output}")
    else:
        for line in _lines(frame):
            voice.say(line)
    return {"predictions": frame.to_dict("records")}


def _lines(frame: Any) -> Iterator[str]:
    width = min(40, max(len(name) for name in frame["id"]))
    for row in frame.head(MOST_SAID).to_dict("records"):
        sure = f"  {100 * row['probability']:5.1f} %" if "probability" in row else ""
        alone = "  (without an edge)" if row.get("alone") else ""
        said = row["predicted"]
        said = f"{said:.4g}" if isinstance(said, float) else said
        yield f"{row['id']:<{width}}  {said}{sure}{alone}"
    if len(frame) > MOST_SAID:
        yield f"... and {len(frame) - MOST_SAID:,} more (--output FILE.csv takes all)"


def _listed(path: Path) -> list[str]:
    """The names in the first column of a file, or in its column of ids."""
    from vicinal.graphs.data.edge_list import texts
    from vicinal.graphs.data.node_list import ID

    if not path.exists():
        raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
    frame = read_csv(path, "id")
    known = {str(name).strip().lower(): name for name in frame.columns}
    column = next((known[name] for name in ID if name in known), None)
    if column is None:
        raise SettingError(
            f"{path} has no column of node names: wanted one of {', '.join(ID)}."
        )
    return texts(frame[column])
