"""What the command line's verbs do with graphs."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vicinal.core.files import replace_file
from vicinal.core.spreadsheets import read_csv
from vicinal.core.words import counted
from vicinal.errors import NoDataError, SettingError
from vicinal.graphs.columns import Columns
from vicinal.graphs.facts import facts_of, to_dict, told
from vicinal.graphs.node_model import Answers, NodeModel
from vicinal.graphs.node_run import write_csv
from vicinal.graphs.table import GraphTable
from vicinal.voice import Voice

MOST_SAID = 40
"""answers that are printed, where no file takes them"""


def check(table: GraphTable, quarantine: str | None, voice: Voice) -> dict[str, Any]:
    """Say what a graph is, what can be learned, and what is set aside."""
    facts = facts_of(table)
    task = {
        "single_label": "classification, one class a node",
        "multi_label": "multilabel, several names a node",
        "numeric": "regression, a number a node",
        "none": "none: no node has a label",
    }[table.kind]
    voice.say(f"task: {task}")
    for line in told(table, facts):
        voice.say(line)
    columns, notes = Columns.of(table.features)
    voice.say(f"known of a node: {columns}")
    for note in [*table.notes, *notes]:
        voice.say(f"note: {note}")
    aside = table.set_aside
    for q in aside[:20]:
        voice.say(f"set aside: {q.name}: {q.reason}")
    if len(aside) > 20:
        more = len(aside) - 20
        voice.say(f"... and {more:,} more (--quarantine FILE.csv lists all)")
    if quarantine is not None:

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["name", "label", "reason"])
                rows.writerows(aside)

        replace_file(Path(quarantine), write)
    return {
        "task": table.kind,
        "graph": to_dict(facts),
        "features": columns.names(),
        "notes": [*table.notes, *notes],
        "quarantined": len(aside),
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
    voice.say(str(found))
    voice.say(found.verdict)
    if output is not None:
        write_csv(Path(output), found.predictions)
        voice.say(f"predictions: {output}")
    return {**found.to_dict(), "seconds": round(time.monotonic() - begun, 2)}


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
    if output is not None:
        write_csv(Path(output), frame)
        voice.say(f"{counted(len(frame), 'node')}: {output}")
    else:
        for line in _lines(frame, answers, model):
            voice.say(line)
    lonely = int(answers.alone.sum())
    if lonely:
        voice.say(
            f"note: {counted(lonely, 'node')} without an edge: what is said rests on "
            "own features, if there are any"
        )
    return {"predictions": frame.to_dict("records")}


def _lines(frame: Any, answers: Answers, model: NodeModel) -> Iterator[str]:
    width = min(40, max(len(name) for name in answers.ids))
    for row in frame.head(MOST_SAID).to_dict("records"):
        sure = f"  {100 * row['probability']:5.1f} %" if "probability" in row else ""
        alone = "  (without an edge)" if row["alone"] else ""
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
    if model.objective_.kind != "single_label":
        raise SettingError("explain is for nodes of one class each.")
    if target is not None and target not in classes:
        raise SettingError(
            f"There is no class {target!r}. Known: {', '.join(classes)}."
        )
    said = model.predicted([name])[0]
    k = int(said.argmax()) if target is None else classes.index(target)
    voice.say(f"{name}: {classes[k]} {100 * said[k]:.1f} %, by {model.delivered}")
    ids = model.graph_.ids
    if model.members_ is None:
        found = surroundings.surroundings(model.first_, model.known_, row)
        voice.say(
            f"{len(found.parts):,} nodes have a say in it; those that count most, and "
            f"what they add to the {found.what} of {classes[k]}:"
        )
        for part in found.parts[:TOLD]:
            how = "known" if part.known else "as it looks"
            own = classes[int(part.says.argmax())]
            voice.say(
                f"  {ids[part.node]:<20} {100 * part.share:5.1f} %   {own} ({how})   "
                f"{part.says[k]:+.4f}"
            )
        voice.say(f"all together {found.computed[k]:.5f}; off by {found.off:.1e}")
        return {
            "node": name,
            "target": classes[k],
            "score": float(said[k]),
            "what": found.what,
            "off": found.off,
            "nodes": [
                {
                    "id": ids[part.node],
                    "share": part.share,
                    "known": part.known,
                    "says": part.says.tolist(),
                }
                for part in found.parts
            ],
        }
    told = deletion.edges_that_count(model, row, k)
    voice.say(told.verdict)
    for edge in told.edges[:TOLD]:
        ends = f"{ids[edge.source]} - {ids[edge.target]}"
        voice.say(f"  {ends:<30} costs {edge.cost:+.4f}")
    return {
        "node": name,
        "target": classes[k],
        "score": told.answer,
        "verdict": told.verdict,
        "p": told.p,
        "edges": [
            {"source": ids[e.source], "target": ids[e.target], "cost": e.cost}
            for e in told.edges
        ],
    }


def inspect(model: NodeModel, name: str, voice: Voice) -> dict[str, Any]:
    """The computational graph of a node, layer by layer."""
    from vicinal.graphs.inside.computation_tree import tree

    row = int(model._rows([name], model.graph_)[0])
    if model.members_ is None:
        raise SettingError(
            "The first answer has no layers: `vicinal explain RUN NODE` takes it apart."
        )
    ids, layers = model.graph_.ids, []
    for one in tree(model.members_[0], model.known_, row):
        voice.say(f"{one.layer} ({one.kind}) of {name}, off by {one.off:.1e}:")
        messages = sorted(one.messages, key=lambda m: -float(abs(m.vector).sum()))
        for message in messages[:TOLD]:
            size = float((message.vector**2).sum() ** 0.5)
            who = ids[message.source]
            voice.say(f"  {who:<20} x {message.coefficient:.4f}   length {size:.4f}")
        if len(messages) > TOLD:
            voice.say(f"  ... and {len(messages) - TOLD:,} more")
        layers.append(
            {
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
        )
    logits = dict(zip(model.objective_.classes, layers[-1]["value"], strict=True))
    voice.say("logits: " + ", ".join(f"{k} {v:.4f}" for k, v in logits.items()))
    return {"node": name, "layers": layers}
