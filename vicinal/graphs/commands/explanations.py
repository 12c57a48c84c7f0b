"""What `explain` and `inspect` do with graphs."""

from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.objective import Numeric
from vicinal.core.report.console import Console
from vicinal.core.storage.files import check_place, replace_file, write_text
from vicinal.core.text import class_or_number, percent
from vicinal.errors import NoDataError, SettingError, near_names
from vicinal.graphs.commands.output import say_aside
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.explain.explanation import (
    TOLD,
    GraphExplanation,
    class_row,
    explain_node,
)
from vicinal.graphs.graph_estimators import GraphLevelEstimator
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.nodes.receptive_field import field_of


def explain(
    model: NodeModel,
    name: str,
    target: str | None,
    output: str | None,
    seed: int,
    voice: Console,
) -> dict[str, Any]:
    """What the answer for a node rests on: nodes for the first answer, edges for
    networks."""
    place = _place(output)
    _say_newcomers(model, voice)
    return _told(explain_node(model, name, target, seed), place, voice)


def _say_newcomers(model: NodeModel, voice: Console) -> None:
    """What was noted of nodes that came later, and what of them cannot be used."""
    for note in model.graph_.notes:
        voice.say(f"note: {note}")
    say_aside(model.graph_.set_aside, voice, "--json of `predict` lists all")


def explain_graphs(
    model: GraphLevelEstimator,
    data: str,
    name: str,
    target: str | None,
    output: str | None,
    seed: int,
    voice: Console,
) -> dict[str, Any]:
    """What the answer for a graph rests on: what it costs to leave each node out."""
    place, graph = _place(output), _graph_named(data, name)
    return _told(model.explain(graph, target, seed=seed), place, voice)


PAGE, PICTURES = ".html", (".png", ".svg", ".pdf")


def _place(output: str | None) -> Path | None:
    """Where a page or a picture goes; SettingError for another ending."""
    if output is None:
        return None
    place = Path(output)
    if place.suffix.lower() not in (PAGE, *PICTURES):
        raise SettingError(
            f"{output} is no page or picture by its ending: take .html, .png, .svg or "
            ".pdf."
        )
    check_place(place)
    return place


def _told(
    found: GraphExplanation, place: Path | None, voice: Console
) -> dict[str, Any]:
    """Say an explanation, and draw it where a file takes it."""
    for line in found.lines():
        voice.say(line)
    if place is None:
        return found.data
    if place.suffix.lower() == PAGE:
        write_text(place, found.html())
    else:
        _write_figure(found.draw(), place)
    voice.say(f"drawing: {place}")
    return found.data | {"drawing": str(place)}


def _write_figure(figure: Any, place: Path) -> None:
    from matplotlib import rc_context

    form = place.suffix[1:].lower()
    with rc_context({"svg.fonttype": "none"}):  # texts stay texts
        replace_file(place, lambda t: figure.savefig(t, format=form, dpi=150))


def _graph_named(data: str, name: str) -> GraphCollection:
    """The one graph of a name."""
    from vicinal.graphs.data.graph_collection import read_graphs

    return read_graphs(data).named(name)


def _row_named(name: str, ids: Any) -> int:
    """The row of a node of a graph."""
    rows = np.flatnonzero(ids == name)
    if not len(rows):
        raise NoDataError(
            f"There is no node {name!r} in it. {near_names(name, ids, 10)}"
        )
    return int(rows[0])


def explain_links(
    model: LinkPredictor,
    source: str,
    target: str,
    relation: str | None,
    output: str | None,
    voice: Console,
) -> dict[str, Any]:
    """What the chance of an edge adds up to."""
    place = _place(output)
    _wants_relation(model, relation)
    return _told(model.explain(source, target, relation), place, voice)


def inspect_graphs(
    model: GraphLevelEstimator,
    data: str,
    name: str,
    node: str | None,
    target: str | None,
    voice: Console,
) -> dict[str, Any]:
    """What the score of a graph adds up to; or the messages of one of its nodes."""
    from vicinal.graphs.inspect import readout as readouts

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
    said = np.atleast_1d(model.predicted(graph)[0])
    k = class_row(model.objective_, target, said)
    found = readouts.open_graph(model.network_, tensors, k)
    classes = model.objective_.classes
    what = "the score"
    if classes:
        what = f"the score of {class_or_number(classes[k])}, above the mean"
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
    voice.say(_calibrated(model, k, said))
    return {
        "graph": name,
        "target": classes[k] if classes else None,
        "score": found.computed,
        "answer": float(said[k]),
        "temperature": model.temperature_,
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
    model: LinkPredictor, source: str, target: str, relation: str | None, voice: Console
) -> dict[str, Any]:
    """What the network's score of a pair adds up to, and the messages of both."""
    import torch

    from vicinal.graphs.inspect import decoder as decoded

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
    model: NodeModel, name: str, output: str | None, voice: Console
) -> dict[str, Any]:
    """The computational graph of a node, layer by layer, or drawn."""
    from vicinal.graphs.inspect.messages import tree

    place, row = _place(output), int(model._rows([name], model.graph_)[0])
    _say_newcomers(model, voice)
    if model.networks_ is None:
        raise SettingError(
            "The first answer has no layers: `vicinal explain RUN NODE` takes it "
            "apart. A network answers with `vicinal train ... --deliver networks`."
        )
    if place is not None:
        return _drawn(model, row, name, place, voice)
    member, layers = model.networks_[0], []
    near = field_of(model.known_, np.array([row]), member.hops)
    ids = model.graph_.ids[near.nodes]
    if len(model.networks_) > 1:
        voice.say(f"{_which(model)}:")
    for one in tree(member, near.known, int(near.rows[0])):
        layers.append(_say_layer(one, ids, name, voice))
    classes, values = model.objective_.classes, layers[-1]["value"]
    if isinstance(model.objective_, Numeric):
        told = model.objective_.mean + model.objective_.std * values[0]
        voice.say(f"the number: {told:.4g} (in spreads from the mean {values[0]:.4f})")
    else:
        logits = zip(classes, values, strict=True)
        voice.say("logits: " + ", ".join(f"{k} {v:.4f}" for k, v in logits))
    said = np.atleast_1d(model.predicted([name])[0])
    k = class_row(model.objective_, None, said)
    voice.say(_calibrated(model, k, said))
    told = {"answer": float(said[k]), "temperature": model.temperature_}
    return {"node": name, "layers": layers} | told


def _which(model: NodeModel) -> str:
    """Which network is opened."""
    members = model.networks_ or []
    if len(members) == 1:
        return members[0].name
    return f"the first of {len(members)} networks, {members[0].name}"


def _calibrated(
    model: NodeModel | GraphLevelEstimator, k: int, said: np.ndarray
) -> str:
    """What the model makes of scores. k: row of the class; said: [K]."""
    classes = model.objective_.classes
    if not classes:
        return f"the answer, by {model.delivered}: {said[k]:.4g}"
    return (
        f"the answer, by {model.delivered}, calibrated (temperature "
        f"{model.temperature_:.3g}): {class_or_number(classes[k])} "
        f"{percent(float(said[k]))}"
    )


def _say_layer(one: Any, ids: Any, name: str, voice: Console) -> dict[str, Any]:
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
    model: NodeModel, row: int, name: str, place: Path, voice: Console
) -> dict[str, Any]:
    """The computational graph of a node as a file: a page, or a picture."""
    from vicinal.graphs.inspect.computation_tree import unrolled
    from vicinal.graphs.inspect.tree_plot import draw_tree, page_of_tree

    member, objective = (model.networks_ or [])[0], model.objective_
    near = field_of(model.known_, np.array([row]), member.hops)
    root = unrolled(member, near.known, int(near.rows[0]))
    said = np.full(len(near.nodes), -1)
    if objective.kind == "single_label":
        said = np.asarray(model.predicted()).argmax(axis=1)[near.nodes]
    given = root, model.graph_.ids[near.nodes], said, objective.classes
    title = f"{name}: its computational graph, by {_which(model)}"
    if place.suffix.lower() == PAGE:
        write_text(place, page_of_tree(*given, title))
    else:
        _write_figure(draw_tree(*given, title), place)
    off = max(one.off for one in root.walk())
    voice.say(f"{place}: the parts are off by {off:.1e} at most")
    return {"node": name, "output": str(place), "off": off}
