"""What an answer rests on, told: sentences, lists, figures for a program, a drawing.

Of a node the nodes whose sum the first answer is (`surroundings`), or the edges that
networks rest on (`deletion`, `masks`); of a graph what each of its nodes costs
(`left_out`); of a pair the numbers between the two (`pair`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal.core.objective import Objective
from vicinal.core.report.notebook import drawing, paragraph
from vicinal.core.report.report import Figure, Report, Section, Table, Text, to_svg
from vicinal.core.text import class_or_number, counted, percent
from vicinal.errors import SettingError
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.explain.contributions import (
    Contributions,
    seen_features,
    surroundings,
)
from vicinal.graphs.explain.edge_deletion import EdgeExplanation, edges_that_count
from vicinal.graphs.explain.graph_plot import (
    GraphPlot,
    draw_sketch,
    of_edges,
    of_graph,
    of_surroundings,
)
from vicinal.graphs.explain.node_deletion import NodeDeletion, WholeModel, left_out
from vicinal.graphs.explain.pair_contributions import Pair, PairExplanation, of_pair
from vicinal.graphs.nodes.propagated_features import VIEWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

    from vicinal.graphs.node_model import NodeModel

TOLD, LISTED = 12, 200
"""of nodes, edges or features those that are printed, and those that a page lists"""


class Listing(NamedTuple):
    """Rows under a sentence, those that count most first."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    last: tuple[str, ...] = ()
    """a row that is always told"""

    total: int | None = None
    """how many rows there are; None: those here"""

    @property
    def there(self) -> int:
        """How many rows there are."""
        return len(self.rows) if self.total is None else self.total

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield f"{self.title}:"
        shown = [*self.rows[:TOLD], *([self.last] if self.last else [])]
        wide = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
        for k, row in enumerate(shown):
            if k == TOLD and self.there > TOLD:
                yield f"  ... and {self.there - TOLD:,} more"
            cells = zip(row[:-1], wide[:-1], strict=True)
            first = "  ".join(cell.ljust(min(width, 44)) for cell, width in cells)
            yield f"  {first}  {row[-1]:>{wide[-1]}}"
        if len(shown) <= TOLD < self.there:
            yield f"  ... and {self.there - TOLD:,} more"

    def table(self) -> Table:
        """For a page."""
        rows = [list(row) for row in self.rows[:LISTED]]
        rows += [list(self.last)] if self.last else []
        more = self.there - LISTED
        caption = f"{more:,} more are not listed." if more > 0 else ""
        return Table(list(self.columns), rows, caption)


@dataclass(frozen=True, repr=False)
class GraphExplanation:
    """An answer, and what it rests on."""

    title: str
    """who, what is said of it, and by what"""

    blocks: list[str | Listing]
    data: dict[str, Any]
    """the same for a program"""

    found: Contributions | EdgeExplanation | NodeDeletion | PairExplanation
    sketch: GraphPlot

    @property
    def target(self) -> str | None:
        """The class that is explained; None: a number, or the chance of a pair."""
        pair = isinstance(self.found, PairExplanation)
        return None if pair else self.data["target"]

    @property
    def score(self) -> float:
        """Its calibrated probability, the chance of a pair, or the number."""
        return self.data["score"]

    @property
    def verdict(self) -> str:
        """What the order is worth, held against chance; nothing where what is listed
        is the answer itself, part by part."""
        return self.data.get("verdict", "")

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield self.title
        for block in self.blocks:
            if isinstance(block, str):
                yield block
            else:
                yield from block.lines()

    def draw(self) -> "Sheet":
        """The part of the graph that counts."""
        return draw_sketch(self.sketch, self.title)

    def html(self) -> str:
        """A page that stands alone: the drawing, and the lists in full."""
        picture = Figure(to_svg(draw_sketch(self.sketch, "")))
        sections = [Section("The part of the graph that counts", [picture])]
        told = [Text(block) for block in self.blocks if isinstance(block, str)]
        sections.append(Section("What that is effective_n", [*told]))
        for block in self.blocks:
            if isinstance(block, Listing):
                name = f"{block.columns[0].capitalize()}s"
                title = Text(f"{block.title[:1].upper()}{block.title[1:]}:")
                sections.append(Section(name, [title, block.table()]))
        return Report(self.title, "", sections).html()

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        told = (line for line in self.blocks if isinstance(line, str))
        return drawing(self.draw(), self.title) + "".join(map(paragraph, told))


def explain_node(
    model: "NodeModel", name: str, target: str | None = None, seed: int = 0
) -> GraphExplanation:
    """What the answer for a node rests on.

    target: a class; None: the one that is said. seed: of what is taken away at random,
    to hold the order against. NoDataError for a node that is not there, SettingError
    for a class that is not.
    """
    _refuse_seed(seed)
    row = int(model._rows([name], model.graph_)[0])
    classes = model.objective_.classes
    said = np.atleast_1d(model.predicted([name])[0])
    k = class_row(model.objective_, target, said)
    answer = f"{said[k]:.4g}"
    if classes:
        answer = f"{class_or_number(classes[k])} {100 * said[k]:.1f} %"
    title = f"{name}: {answer}, by {model.delivered}"
    data = {
        "node": name,
        "target": classes[k] if classes else None,
        "score": float(said[k]),
    }
    if model.networks_ is None:
        found = surroundings(model.linear_, model.known_, row)
        blocks, more = _of_first(model, found, row, k, float(said[k]))
        sketch = of_surroundings(model, k, found)
        return GraphExplanation(title, blocks, data | more, found, sketch)
    edges = edges_that_count(model, row, k, seed)
    blocks, more = _of_networks(model, edges, k)
    return GraphExplanation(title, blocks, data | more, edges, of_edges(model, edges))


def explain_graph(
    model: WholeModel, graph: GraphCollection, target: str | None = None, seed: int = 0
) -> GraphExplanation:
    """What the answer for one graph rests on; target and seed as for a node."""
    _refuse_seed(seed)
    objective, name = model.objective_, str(graph.names[0])
    k = class_row(objective, target, model.predicted(graph)[0])
    found = left_out(model, graph, k, seed)
    classes, ids = objective.classes, graph.nodes.ids
    what = class_or_number(classes[k]) if classes else "the number"
    shown = f"{100 * found.answer:.1f} %" if classes else f"{found.answer:.4g}"
    asked = f"log-odds of {what} lose" if classes else "number loses"
    order = np.argsort(-np.abs(found.costs), kind="stable")
    listing = Listing(
        f"what the {asked} without a node and its edges",
        ("node", "cost"),
        [(str(ids[row]), f"{found.costs[row]:+.4f}") for row in order],
    )
    data = {
        "graph": name,
        "target": classes[k] if classes else None,
        "score": found.answer,
        "what": found.what,
        "verdict": found.verdict,
        "p": found.chance.p,
        "nodes": [{"id": ids[k], "cost": float(found.costs[k])} for k in order],
    }
    title = f"{name}: {what} {shown}, by {model.delivered}"
    sketch = of_graph(graph, found, what if classes else "a higher number")
    return GraphExplanation(title, [found.verdict, listing], data, found, sketch)


def explain_pair(found: PairExplanation, pair: Pair, by: str) -> GraphExplanation:
    """What the chance of an edge adds up to. by: what answers."""
    there = " (an edge already)" if pair.listed else ""
    title = f"{pair.title}: {percent(found.chance)} likely joined{there}, by {by}"
    listing = Listing(
        f"what each number between the two adds to the log-odds, {found.base:+.3f} of "
        "the average pair",
        ("number", "value", "adds"),
        [(p.name, f"{p.value:.4g}", f"{p.adds:+.3f}") for p in found.parts],
        ("all together", "", f"{found.log_odds:+.3f}"),
    )
    together = (
        f"as a chance all together is off by {found.off:.1e}; chances are those among "
        "pairs of which half are edges"
    )
    source, target = (str(pair.ids[end]) for end in pair.ends)
    data = {
        "source": source,
        "target": target,
        "relation": pair.relation,
        "score": found.chance,
        "chance": found.chance,
        "listed": pair.listed,
        "base": found.base,
        "off": found.off,
        "parts": [part._asdict() for part in found.parts],
    }
    return GraphExplanation(title, [listing, together], data, found, of_pair(pair))


def _refuse_seed(seed: int) -> None:
    if seed < 0:
        raise SettingError(f"seed must be a whole number, 0 or more. Got {seed}.")


def class_row(objective: Objective, target: str | None, said: Any) -> int:
    """The row of the class that is explained; 0 for a number."""
    classes = objective.classes
    if target is not None and target not in classes:
        known = ", ".join(classes) or "none: it tells a number"
        raise SettingError(f"There is no class {target!r}. Known: {known}.")
    if not classes:
        return 0
    return int(np.argmax(said)) if target is None else classes.index(target)


# --- the first answer --------------------------------------------------------------

Told = tuple[list[str | Listing], dict[str, Any]]
"""blocks, and the same for a program"""


def _of_first(
    model: "NodeModel", found: Contributions, row: int, k: int, said: float
) -> Told:
    """Which nodes the first answer is made of, and what is seen of them."""
    classes, ids = model.objective_.classes, model.graph_.ids
    one = model.objective_.kind == "single_label"
    of = f" of {class_or_number(classes[k])}" if classes else ""
    before = " before calibration" if classes else ""
    their = (
        "what they speak for (by their label where it was learned from, else as they "
        "look; labels that were held out are not seen)"
    )
    share = f"their share of it, {their}," if one else "their share of it,"
    have = "has" if len(found.parts) == 1 else "have"
    rows = []
    for part in found.parts:
        how = "by its label" if part.known else "as it looks"
        if one:
            how = f"{classes[int(part.says.argmax())]} ({how})"
        own = f"{100 * part.share:.1f} %", how, f"{part.says[k]:+.4f}"
        rows.append((str(ids[part.node]), *own))
    rest = ()
    if found.rest[k]:
        rest = "what no other node says", "", "", f"{found.rest[k]:+.4f}"
    nodes = Listing(
        f"{counted(len(found.parts), 'node')} {have} a say in it. Those that count "
        f"most: {share} and what they add to the {found.what}{of}{before}",
        ("node", "share", "speaks for" if one else "label", "adds"),
        rows,
        rest,
    )
    heat = ""
    if classes:
        heat = (
            f" before calibration, which makes it {percent(said)} (temperature "
            f"{model.temperature_:.3g})"
        )
    together = f"all together {found.computed[k]:.5f}{heat}; off by {found.off:.1e}"
    seen, features = _seen(model, row, k)
    data = {
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
    return [nodes, together, *seen], data


def _seen(
    model: "NodeModel", row: int, k: int
) -> tuple[list[Listing], list[dict[str, Any]]]:
    """What features add to the layer of the first answer."""
    classes = model.objective_.classes
    adds = seen_features(model.linear_, model.known_, row)
    if not len(adds):
        return [], []
    what = f"logit of {class_or_number(classes[k])}" if classes else "number"
    if model.objective_.kind == "single_label":
        adds = adds - adds.mean(axis=1, keepdims=True)
        what += ", beside the mean of all classes"
    names = names_of_features(model, len(adds))
    order = np.argsort(-np.abs(adds[:, k]), kind="stable")[:LISTED]
    told = [(names[f], float(adds[f, k])) for f in order if adds[f, k]]
    listing = Listing(
        f"seen of it are {VIEWS[model.linear_.view]}; the features that add most to "
        f"the {what}",
        ("feature", "adds"),
        [(name, f"{value:+.4f}") for name, value in told],
        total=int(np.count_nonzero(adds[:, k])),
    )
    data = [{"feature": name, "adds": value} for name, value in told]
    return [listing] if told else [], data


def names_of_features(model: "NodeModel", count: int) -> list[str]:
    """What the model knows of a node, by name."""
    names = model.columns_.names()
    if len(names) == count:
        named = model.columns_.form == "table"
        return names if named else [f"feature {name}" for name in names]
    return ["1", "edges that arrive", "edges that leave"]  # see `structure`


# --- networks -----------------------------------------------------------------------


def _of_networks(model: "NodeModel", found: EdgeExplanation, k: int) -> Told:
    """Which edges networks rest on, and which features."""
    classes, ids = model.objective_.classes, model.graph_.ids
    how = "what the log-odds lose without each edge"
    if not classes:
        how = "by how much the number is less without each edge"
    if found.method == "masks":
        how = f"what each edge adds to the {found.what}, of the networks on average"
    against = "it makes it less"
    if classes:
        against = f"it speaks against {class_or_number(classes[k])}"
    together = ()
    if found.method == "masks":
        listed = sum(edge.cost for edge in found.edges)
        together = "those near together", f"{listed:+.4f}"
    edges = Listing(
        f"{how}; below 0 {against}",
        ("edge", "cost"),
        [
            (f"{ids[edge.source]} - {ids[edge.target]}", f"{edge.cost:+.4f}")
            for edge in found.edges
        ],
        together,
    )
    listing, features = _features(model, found.node, k, found.what)
    data = {
        "features": features,
        "method": found.method,
        "what": found.what,
        "verdict": found.verdict,
        "p": found.chance.p,
        "not_tried": found.left_out,
        "whole": found.whole,
        "edges": [
            {"source": ids[e.source], "target": ids[e.target], "cost": e.cost}
            for e in found.edges
        ],
    }
    if not found.edges:
        return [found.verdict, *listing], data
    return [found.verdict, found.way, edges, *listing], data


def _features(
    model: "NodeModel", row: int, k: int, what: str
) -> tuple[list[Listing], list[dict[str, Any]]]:
    """What features add, by the first of the networks."""
    from vicinal.graphs.explain.edge_attribution import added

    found, ids = added(model, row, k), model.graph_.ids
    names = names_of_features(model, found.features.shape[1])
    order = np.argsort(-np.abs(found.features), axis=None)[:LISTED]
    told = []
    for place in order:
        m, f = np.unravel_index(place, found.features.shape)
        adds = float(found.features[m, f])
        if not adds:
            break
        told.append((names[f], str(ids[found.nodes[m]]), adds))
    listing = Listing(
        f"features that add most to the {what}, by the first network",
        ("feature", "of", "adds"),
        [(name, f"of {who}", f"{adds:+.4f}") for name, who, adds in told],
        total=int(np.count_nonzero(found.features)),
    )
    data = [{"feature": a, "node": who, "adds": b} for a, who, b in told]
    return [listing] if told else [], data
