"""What the command line's verbs do with graphs."""

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.evaluation import Evaluation
from vicinal.core.files import replace_file
from vicinal.core.objective import Numeric, Objective
from vicinal.core.quarantine import Quarantined
from vicinal.core.splits import TEST
from vicinal.core.spreadsheets import read_csv
from vicinal.core.words import counted, percent
from vicinal.errors import NoDataError, RunError, SettingError, near_names
from vicinal.graphs.columns import Columns
from vicinal.graphs.facts import facts_of, to_dict, told
from vicinal.graphs.graph_set import GraphSet
from vicinal.graphs.links import LinkPredictor
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.table import GraphTable
from vicinal.graphs.tables import write_csv
from vicinal.graphs.whole_graphs import GraphModel
from vicinal.graphs.whole_run import told as told_of_set
from vicinal.voice import Voice

MOST_CLASSES = 100
"""different texts of a column that may be labels"""

MOST_SAID = 40
"""answers that are printed, where no file takes them"""

MOST_ASIDE = 20
"""rows that cannot be used, of those that are said"""


def check(table: GraphTable, quarantine: str | None, voice: Voice) -> dict[str, Any]:
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
    table: GraphTable, quarantine: str | None, voice: Voice
) -> dict[str, Any]:
    """Say what a graph is whose edges are to be learned, and what is set aside."""
    from vicinal.graphs.link_split import FEWEST, in_order, pairs_of

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
    table: GraphTable, hints: list[str], quarantine: str | None, voice: Voice
) -> dict[str, Any]:
    """Say what a graph is, and what is set aside; hints: notes that are only said."""
    facts = facts_of(table)
    for line in told(table, facts):
        voice.say(line)
    columns, notes = Columns.of(table.features)
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


def _set_aside(aside: list[Quarantined], quarantine: str | None, voice: Voice) -> None:
    """Say what cannot be used, and list it in a file where one is named."""
    _say_aside(aside, voice, "--quarantine FILE.csv lists all")
    if quarantine is not None:

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["name", "label", "reason"])
                rows.writerows(aside)

        replace_file(Path(quarantine), write)


def _say_aside(aside: Sequence[Quarantined], voice: Voice, where: str) -> None:
    """Say the first of what cannot be used; where: what lists all."""
    for q in aside[:MOST_ASIDE]:
        voice.say(f"set aside: {q.name}: {q.reason}")
    if len(aside) > MOST_ASIDE:
        voice.say(f"... and {len(aside) - MOST_ASIDE:,} more ({where})")


def check_graphs(
    found: GraphSet, quarantine: str | None, voice: Voice
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
    columns, notes = Columns.of(found.nodes.features)
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
    voice: Voice,
) -> dict[str, Any]:
    """Score a model on its own held-out nodes, or on another graph."""
    begun = time.monotonic()
    if data is None:
        found = model.evaluate()
    else:
        found = model.evaluate(model.read(data, edges=edges, target=target))
    return _scored(found, begun, output, voice)


def _scored(
    found: Evaluation, begun: float, output: str | None, voice: Voice
) -> dict[str, Any]:
    """Say a score, and write the predictions that it rests on."""
    voice.say(str(found))
    voice.say(found.verdict)
    if output is not None:
        write_csv(Path(output), found.predictions)
        voice.say(f"predictions: {output}")
    return {**found.to_dict(), "seconds": round(time.monotonic() - begun, 2)}


def evaluate_graphs(
    model: GraphModel,
    run: Path,
    data: str | None,
    target: str | None,
    output: str | None,
    voice: Voice,
) -> dict[str, Any]:
    """Score a model of whole graphs on those its run held out, or on others."""
    begun = time.monotonic()
    if data is not None and Path(data).resolve() == _learned_from(run):
        voice.say(
            "these are the run's own data: the graphs that it held out are scored"
        )
        data = None
    if data is not None:
        found = model.evaluate(model.read(data, target=target))
    else:
        found = model.evaluate(_held_out(model, run, target))
    return _scored(found, begun, output, voice)


def _learned_from(run: Path) -> Path | None:
    """Where the data of a run lie; None where it does not say."""
    from vicinal.core.run import read

    try:
        return Path(read(run, "settings.json")["data"]).resolve()
    except (RunError, KeyError):
        return None


def _held_out(model: GraphModel, run: Path, target: str | None) -> GraphSet:
    """The graphs that a run held out, from where its data lie."""
    import pandas as pd

    from vicinal.core.run import read

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
    model: LinkPredictor, output: str | None, voice: Voice
) -> dict[str, Any]:
    """Score a model of edges on those that it held out."""
    begun = time.monotonic()
    return _scored(model.evaluate(), begun, output, voice)


def predict(
    model: NodeModel,
    nodes: list[str],
    new_nodes: str | None,
    new_edges: str | None,
    output: str | None,
    voice: Voice,
) -> dict[str, Any]:
    """Answers for nodes of the graph by name, or for newcomers."""
    wanted: Any = nodes or None
    if len(nodes) == 1 and Path(nodes[0]).suffix.lower() in (".csv", ".txt"):
        wanted = _listed(Path(nodes[0]))
    answers = model.answers(wanted, new_nodes=new_nodes, new_edges=new_edges)
    frame = model.predictions_frame(answers.ids, answers.predicted)
    frame["alone"] = answers.alone
    found = _answered(frame, "node", output, voice)
    lonely = int(answers.alone.sum())
    if lonely:
        voice.say(
            f"note: {counted(lonely, 'node')} without an edge: what is said rests on "
            "own features, if there are any"
        )
    for note in answers.notes:
        voice.say(f"note: {note}")
    _say_aside(answers.set_aside, voice, "--json lists all")
    aside = [q._asdict() for q in answers.set_aside]
    return found | {"set_aside": aside, "notes": list(answers.notes)}


def predict_graphs(
    model: GraphModel, data: str, output: str | None, voice: Voice
) -> dict[str, Any]:
    """Answers for whole graphs."""
    from vicinal.graphs.graph_set import read_graphs

    found = read_graphs(data)
    frame = model.predictions_frame(found.names, model.predicted(found))
    return _answered(frame, "graph", output, voice)


def predict_links(
    model: LinkPredictor,
    nodes: list[str],
    relation: str | None,
    top: int,
    output: str | None,
    voice: Voice,
) -> dict[str, Any]:
    """How likely pairs are joined; without names the likeliest that are not listed.

    relation: by which; None: by that which a table names, or by each.
    """
    import pandas as pd

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
    if output is not None:
        write_csv(Path(output), frame)
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
    return {"predictions": frame.to_dict("records")}


def _pairs(
    nodes: list[str], model: LinkPredictor, relation: str | None
) -> list[tuple[str, ...]]:
    """Names two by two, or those of a table, with a relation where there are several:
    that which is asked for, that which the table names, or each in turn."""
    from vicinal.graphs.edge_list import edge_columns, texts

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
    frame: Any, unit: str, output: str | None, voice: Voice
) -> dict[str, Any]:
    """Say answers, or write them to a file."""
    if output is not None:
        write_csv(Path(output), frame)
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
    from vicinal.graphs.edge_list import texts
    from vicinal.graphs.node_list import ID

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


TOLD = 12
"""nodes, or edges, that are told: those that count most"""


def explain(
    model: NodeModel, name: str, target: str | None, voice: Voice
) -> dict[str, Any]:
    """What the answer for a node rests on: nodes for the first answer, edges for
    networks."""
    from vicinal.graphs.inside import deletion, surroundings

    row = int(model._rows([name], model.graph_)[0])
    classes = model.objective_.classes
    said = np.atleast_1d(model.predicted([name])[0])
    k = _class_row(model.objective_, target, said)
    answer = f"{classes[k]} {100 * said[k]:.1f} %" if classes else f"{said[k]:.4g}"
    voice.say(f"{name}: {answer}, by {model.delivered}")
    ids = model.graph_.ids
    _say_aside(model.graph_.set_aside, voice, "--json of `predict` lists all")
    answered = {
        "node": name,
        "target": classes[k] if classes else None,
        "score": float(said[k]),
    }
    if model.members_ is None:
        found = surroundings.surroundings(model.first_, model.known_, row)
        _say_parts(model, found, k, voice)
        features = _seen(model, row, k, voice)
        return answered | {
            "what": found.what,
            "off": found.off,
            "rest": found.rest.tolist(),
            "nodes": [
                {
                    "id": ids[part.node],
                    "share": part.share,
                    "known": part.known,
                    "says": part.says.tolist(),
                }
                for part in found.parts
            ],
            "features": features,
        }
    told = deletion.edges_that_count(model, row, k)
    voice.say(told.verdict)
    how = "what the log-odds lose without each edge"
    if not classes:
        how = "by how much the number is less without each edge"
    if told.method == "masks":
        how = f"what each edge adds to the {told.what}, of the networks on average"
    against = f"it speaks against {classes[k]}" if classes else "it makes it less"
    voice.say(f"{how}; below 0 {against}:")
    for edge in told.edges[:TOLD]:
        ends = f"{ids[edge.source]} - {ids[edge.target]}"
        voice.say(f"  {ends:<30} {edge.cost:+.4f}")
    features = _features(model, row, k, told.what, voice)
    return answered | {
        "features": features,
        "method": told.method,
        "what": told.what,
        "verdict": told.verdict,
        "p": told.p,
        "edges": [
            {"source": ids[e.source], "target": ids[e.target], "cost": e.cost}
            for e in told.edges
        ],
    }


def _say_parts(model: NodeModel, found: Any, k: int, voice: Voice) -> None:
    """Say which nodes the first answer is made of."""
    classes, ids = model.objective_.classes, model.graph_.ids
    one = model.objective_.kind == "single_label"
    of = f" of {classes[k]}" if classes else ""
    their = "what they speak for (by their label where it is known, else as they look)"
    what = f"their share of it, {their}," if one else "their share of it,"
    have = "has" if len(found.parts) == 1 else "have"
    voice.say(
        f"{counted(len(found.parts), 'node')} {have} a say in it. Those that count "
        f"most: {what} and what they add to the {found.what}{of}:"
    )
    for part in found.parts[:TOLD]:
        how = "known" if part.known else "as it looks"
        if one:
            how = f"{classes[int(part.says.argmax())]} ({how})"
        voice.say(
            f"  {ids[part.node]:<20} {100 * part.share:5.1f} %   {how}   "
            f"{part.says[k]:+.4f}"
        )
    if found.rest[k]:
        voice.say(f"  {'what no other node says':<34} {found.rest[k]:+.4f}")
    heat = f", before it is calibrated (temperature {model.temperature_:.3g})"
    voice.say(
        f"all together {found.computed[k]:.5f}{heat if classes else ''}; off by "
        f"{found.off:.1e}"
    )


def _seen(model: NodeModel, row: int, k: int, voice: Voice) -> list[dict[str, Any]]:
    """What features add to the layer of the first answer, those that add most first."""
    from vicinal.graphs.first_answer import VIEWS
    from vicinal.graphs.inside.surroundings import seen_features

    classes = model.objective_.classes
    adds = seen_features(model.first_, model.known_, row)
    if not len(adds):
        return []
    what = "number"
    if classes:
        what = f"logit of {classes[k]}"
    if model.objective_.kind == "single_label":
        adds = adds - adds.mean(axis=1, keepdims=True)
        what += ", beside the mean of all classes"
    names = _names_of_features(model, len(adds))
    voice.say(
        f"seen of it are {VIEWS[model.first_.view]}; the features that add most to the "
        f"{what}:"
    )
    told = []
    for f in np.argsort(-np.abs(adds[:, k]), kind="stable")[:TOLD]:
        if not adds[f, k]:
            break
        voice.say(f"  {names[f]:<34} {adds[f, k]:+.4f}")
        told.append({"feature": names[f], "adds": float(adds[f, k])})
    return told


def _names_of_features(model: NodeModel, count: int) -> list[str]:
    names = model.columns_.names()
    if len(names) == count:
        named = model.columns_.form == "table"
        return names if named else [f"feature {name}" for name in names]
    return ["1", "edges that arrive", "edges that leave"]  # see `structure`


def _features(
    model: NodeModel, row: int, k: int, what: str, voice: Voice
) -> list[dict[str, Any]]:
    """What features add, by the first of the networks, those that add most first."""
    from vicinal.graphs.inside.masks import added

    found, ids = added(model, row, k), model.graph_.ids
    names = _names_of_features(model, found.features.shape[1])
    order = np.argsort(-np.abs(found.features), axis=None)[:TOLD]
    told = []
    voice.say(f"features that add most to the {what}, by the first network:")
    for place in order:
        m, f = np.unravel_index(place, found.features.shape)
        adds = float(found.features[m, f])
        if not adds:
            break
        who = ids[found.nodes[m]]
        voice.say(f"  {names[f]:<24} of {who:<20} {adds:+.4f}")
        told.append({"feature": names[f], "node": who, "adds": adds})
    return told


def explain_graphs(
    model: GraphModel, data: str, name: str, target: str | None, voice: Voice
) -> dict[str, Any]:
    """What the answer for a graph rests on: what it costs to leave each node out."""
    from vicinal.graphs.inside.left_out import left_out

    graph = _graph_named(data, name)
    objective, said = model.objective_, model.predicted(graph)[0]
    k = _class_row(objective, target, said)
    told = left_out(model, graph, k)
    what = objective.classes[k] if objective.classes else "the number"
    shown = f"{100 * told.answer:.1f} %" if objective.classes else f"{told.answer:.4g}"
    voice.say(f"{name}: {what} {shown}, by {model.delivered}")
    of = f"probability of {what}" if objective.classes else "number"
    voice.say(f"what the {of} loses without a node and its edges:")
    order = np.argsort(-np.abs(told.costs), kind="stable")
    ids = graph.nodes.ids
    for row in order[:TOLD]:
        voice.say(f"  {ids[row]:<20} {told.costs[row]:+.4f}")
    if len(order) > TOLD:
        voice.say(f"  ... and {len(order) - TOLD:,} more")
    return {
        "graph": name,
        "target": what,
        "score": told.answer,
        "nodes": [{"id": ids[k], "cost": float(told.costs[k])} for k in order],
    }


def _graph_named(data: str, name: str) -> GraphSet:
    """The one graph of a name."""
    from vicinal.graphs.graph_set import read_graphs

    found = read_graphs(data)
    rows = np.flatnonzero(found.names == name)
    if not len(rows):
        hint = near_names(name, found.names.tolist()[:100_000])
        raise NoDataError(f"There is no graph {name!r}. {hint}")
    return found.rows(rows[:1])


def _row_named(name: str, ids: Any) -> int:
    """The row of a node of a graph."""
    rows = np.flatnonzero(ids == name)
    if not len(rows):
        raise NoDataError(f"There is no node {name!r} in it. {near_names(name, ids)}")
    return int(rows[0])


def _class_row(objective: Objective, target: str | None, said: Any) -> int:
    """The row of the class that is explained."""
    classes = objective.classes
    if target is not None and target not in classes:
        known = ", ".join(classes) or "none: it tells a number"
        raise SettingError(f"There is no class {target!r}. Known: {known}.")
    if not classes:
        return 0
    return int(np.argmax(said)) if target is None else classes.index(target)


def explain_links(
    model: LinkPredictor, source: str, target: str, relation: str | None, voice: Voice
) -> dict[str, Any]:
    """What the chance of an edge adds up to."""
    _wants_relation(model, relation)
    found = model.explain(source, target, relation)
    by = f" {relation} -" if relation else ""
    voice.say(
        f"{source} -{by} {target}: {100 * found.chance:.1f} % likely joined, by "
        f"{model.delivered}"
    )
    voice.say(f"log-odds of the average pair {found.base:+.3f}, and from:")
    for part in found.parts[:TOLD]:
        voice.say(f"  {part.name:<44} {part.value:10.4g}   {part.adds:+.3f}")
    rest = sum(part.adds for part in found.parts[TOLD:])
    if len(found.parts) > TOLD:
        more = len(found.parts) - TOLD
        voice.say(f"  {f'{more} more, together':<44} {'':10}   {rest:+.3f}")
    voice.say(f"all together, as a chance, off by {found.off:.1e}")
    return {
        "source": source,
        "target": target,
        "relation": relation,
        "chance": found.chance,
        "base": found.base,
        "off": found.off,
        "parts": [part._asdict() for part in found.parts],
    }


def inspect_graphs(
    model: GraphModel,
    data: str,
    name: str,
    node: str | None,
    target: str | None,
    voice: Voice,
) -> dict[str, Any]:
    """What the score of a graph adds up to; or the messages of one of its nodes."""
    from vicinal.graphs.inside import readouts

    graph = _graph_named(data, name)
    if model.network_ is None:
        raise SettingError(
            "The first answer has no layers: `vicinal explain RUN GRAPHS NAME` tells "
            "what it costs to leave each node out. A network answers with `vicinal "
            "train ... --deliver networks`."
        )
    tensors, ids = model._tensors(graph), graph.nodes.ids
    if node is not None:
        row = _row_named(node, ids)
        layers = readouts.messages(model.network_, tensors, row)
        told = [_say_layer(one, ids, node, voice) for one in layers]
        return {"graph": name, "node": node, "layers": told}
    k = _class_row(model.objective_, target, model.predicted(graph)[0])
    found = readouts.open_graph(model.network_, tensors, k)
    classes = model.objective_.classes
    what = f"the score of {classes[k]}, above the mean" if classes else "the score"
    voice.say(f"{name}: {what}, {found.computed:+.4f} = {found.base:+.4f} and")
    voice.say("  layer      " + "".join(f"{name:>12}" for name in readouts.READOUTS))
    for number, adds in enumerate(found.readouts):
        voice.say(f"  layers.{number:<4}" + "".join(f"{add:+12.4f}" for add in adds))
    voice.say("by nodes, those that add most:")
    whole = found.nodes.sum(axis=0)
    order = np.argsort(-np.abs(whole), kind="stable")
    for row in order[:TOLD]:
        voice.say(f"  {ids[row]:<20} {whole[row]:+.4f}")
    if len(order) > TOLD:
        voice.say(f"  ... and {len(order) - TOLD:,} more")
    voice.say(f"all together, off by {found.off:.1e}")
    return {
        "graph": name,
        "target": classes[k] if classes else "the number",
        "score": found.computed,
        "base": found.base,
        "off": found.off,
        "readouts": [
            dict(zip(readouts.READOUTS, adds.tolist(), strict=True))
            for adds in found.readouts
        ],
        "nodes": [
            {"id": ids[row], "adds": float(whole[row]), "by_layer": own.tolist()}
            for row, own in zip(order, found.nodes.T[order], strict=True)
        ],
    }


def inspect_links(
    model: LinkPredictor, source: str, target: str, relation: str | None, voice: Voice
) -> dict[str, Any]:
    """What the network's score of a pair adds up to, and the messages of both."""
    import torch

    from vicinal.graphs.inside import decoded

    _wants_relation(model, relation)
    if model.network_ is None:
        raise SettingError(
            "The first answer has no layers: `vicinal explain RUN NODE NODE` takes it "
            "apart. A network answers with `vicinal train ... --decoder dot --deliver "
            "networks`."
        )
    asked = (source, target) if relation is None else (source, relation, target)
    row = model._rows([asked])[0]
    on_links, ids = model._on_links(model.network_), model.graph_.ids
    found = decoded.open_pair(on_links, torch.from_numpy(row))
    by = f" {relation} -" if relation else ""
    voice.say(
        f"{source} -{by} {target}: score {found.computed:+.4f} = {found.base:+.4f} and"
    )
    unit = "unit" if model.network_.shape.decoder == "mlp" else "number"
    order = np.argsort(-np.abs(found.parts), kind="stable")
    for i in order[:TOLD]:
        ends = ""
        if unit == "number":
            ends = f"   ({found.ends[0, i]:+.4f}, {found.ends[1, i]:+.4f})"
        voice.say(f"  {unit} {i:<4} {found.parts[i]:+.4f}{ends}")
    rest = float(found.parts[order[TOLD:]].sum())
    if len(order) > TOLD:
        voice.say(f"  {len(order) - TOLD} more, together {rest:+.4f}")
    voice.say(f"all together, off by {found.off:.1e}")
    layers = {
        name: [
            _say_layer(one, ids, name, voice)
            for one in decoded.messages(on_links, int(end))
        ]
        for name, end in zip((source, target), row, strict=False)
    }
    return {
        "source": source,
        "target": target,
        "relation": relation,
        "score": found.computed,
        "base": found.base,
        "off": found.off,
        "parts": found.parts.tolist(),
        "layers": layers,
    }


def _wants_relation(model: LinkPredictor, relation: str | None) -> None:
    if model.relations_ and relation is None:
        raise SettingError(
            "By which relation? Name one with --relation (`vicinal predict RUN NODE "
            f"NODE` tells of all). {near_names('', model.relations_)}"
        )
    if relation is not None:
        model._relation(relation)


def inspect(
    model: NodeModel, name: str, output: str | None, voice: Voice
) -> dict[str, Any]:
    """The computational graph of a node, layer by layer, or drawn."""
    from vicinal.graphs.inside.computation_tree import tree

    row = int(model._rows([name], model.graph_)[0])
    _say_aside(model.graph_.set_aside, voice, "--json of `predict` lists all")
    if model.members_ is None:
        raise SettingError(
            "The first answer has no layers: `vicinal explain RUN NODE` takes it "
            "apart. A network answers with `vicinal train ... --deliver networks`."
        )
    if output is not None:
        return _drawn(model, row, name, Path(output), voice)
    ids, layers = model.graph_.ids, []
    if len(model.members_) > 1:
        voice.say(f"the first of {len(model.members_)} networks:")
    for one in tree(model.members_[0], model.known_, row):
        layers.append(_say_layer(one, ids, name, voice))
    classes, values = model.objective_.classes, layers[-1]["value"]
    if isinstance(model.objective_, Numeric):
        told = model.objective_.mean + model.objective_.std * values[0]
        voice.say(f"the number: {told:.4g} (in spreads from the mean {values[0]:.4f})")
    else:
        logits = zip(classes, values, strict=True)
        voice.say("logits: " + ", ".join(f"{k} {v:.4f}" for k, v in logits))
    return {"node": name, "layers": layers}


def _say_layer(one: Any, ids: Any, name: str, voice: Voice) -> dict[str, Any]:
    """Say the messages of a layer at one node; the same for JSON."""
    voice.say(f"{one.layer} ({one.kind}) of {name}, off by {one.off:.1e}:")
    messages = sorted(one.messages, key=lambda m: -float(abs(m.vector).sum()))
    for message in messages[:TOLD]:
        size = float((message.vector**2).sum() ** 0.5)
        who = ids[message.source]
        voice.say(
            f"  {who:<20} counts {message.coefficient:.4f}, sends {size:.4f} (length)"
        )
    if len(messages) > TOLD:
        voice.say(f"  ... and {len(messages) - TOLD:,} more")
    rest, given = (float((v**2).sum() ** 0.5) for v in (one.rest, one.given))
    voice.say(f"  what no neighbour sent: length {rest:.4f}; it gives {given:.4f}")
    return {
        "layer": one.layer,
        "kind": one.kind,
        "off": one.off,
        "messages": [
            {
                "from": ids[m.source],
                "coefficient": m.coefficient,
                "vector": m.vector.tolist(),
            }
            for m in one.messages
        ],
        "rest": one.rest.tolist(),
        "value": one.given.tolist(),
    }


def _drawn(
    model: NodeModel, row: int, name: str, output: Path, voice: Voice
) -> dict[str, Any]:
    """The computational graph of a node as a file: a page, or a picture."""
    from vicinal.core.files import write_text
    from vicinal.graphs.inside.tree_drawing import draw_tree, page_of_tree
    from vicinal.graphs.inside.unrolled import unrolled

    if output.suffix.lower() not in (".html", ".png", ".svg", ".pdf"):
        raise SettingError(
            f"{output} is no page or picture by its ending: take .html, .png, .svg or "
            ".pdf."
        )
    root = unrolled((model.members_ or [])[0], model.known_, row)
    objective = model.objective_
    said = np.full(len(model.graph_), -1)
    if objective.kind == "single_label":
        said = np.asarray(model.predicted()).argmax(axis=1)
    given = root, model.graph_.ids, said, objective.classes
    if output.suffix.lower() == ".html":
        title = f"{name}: its computational graph"
        write_text(output, page_of_tree(*given, title))
    else:
        figure = draw_tree(*given)
        form = output.suffix[1:].lower()
        replace_file(output, lambda t: figure.savefig(t, format=form, dpi=150))
    off = max(one.off for one in root.walk())
    voice.say(f"{output}: the parts are off by {off:.1e} at most")
    return {"node": name, "output": str(output), "off": off}
