"""What an answer rests on as a picture: the part of the graph that counts, laid out.

Nodes stand where a spring between each pair, as long as the way between them, would
hold them (T. Kamada and S. Kawai 1989, "An algorithm for drawing general undirected
graphs"); nothing in that is drawn by chance. What leads from the node that is explained
to what counts is drawn too, so that nothing floats.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal.core.report.report import BLUE, ORANGE
from vicinal.core.text import class_or_number, counted
from vicinal.graphs.explain.contributions import Contributions
from vicinal.graphs.explain.edge_deletion import EdgeExplanation
from vicinal.graphs.explain.node_deletion import NodeDeletion
from vicinal.graphs.inspect.plot_style import COLOURS, PLAIN, colour_of, key, plain
from vicinal.graphs.sparse.adjacency import Adjacency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vicinal.graphs.data.graph_collection import GraphCollection
    from vicinal.graphs.node_model import NodeModel


MOST_NODES, MOST_EDGES, MOST_OF_A_GRAPH = 30, 40, 80
"""that are drawn: nodes, or edges, that count most; nodes of a whole graph"""

NOTED = 8
"""edges that have their figure beside them"""

LETTERS = 18
"""of a name that are shown"""


class EdgeStyle(NamedTuple):
    """How an edge is drawn."""

    colour: str
    style: str = "-"


FOR, AGAINST, LEADS = EdgeStyle("#333333"), EdgeStyle("#c2571a", "--"), EdgeStyle(PLAIN)
"""edges that speak for a class, against it, and those that only lead there"""


class LegendEntry(NamedTuple):
    """A line of the legend: of nodes, or of edges."""

    look: str | EdgeStyle
    what: str


@dataclass(frozen=True)
class GraphPlot:
    """A part of a graph, ready to be laid out."""

    names: list[str]
    pairs: np.ndarray
    """[P, 2] places in `names`"""

    fills: list[str]
    """[M] colours of nodes"""

    sizes: np.ndarray
    """[M] 0 to 1"""

    strokes: list[EdgeStyle]
    """[P] how edges are drawn"""

    widths: np.ndarray
    """[P] 0 to 1"""

    notes: list[str]
    """[P] beside edges; empty: nothing"""

    caption: str
    train_mask: tuple[int, ...] = ()
    """the node, or the two, that are explained"""

    legend: list[LegendEntry] = field(default_factory=list)
    """what colours mean"""


# --- what is drawn ----------------------------------------------------------------


def of_surroundings(model: "NodeModel", k: int, found: Contributions) -> GraphPlot:
    """The nodes that the first answer is made of; k: row of the class."""
    parts = {part.node: part for part in found.parts[:MOST_NODES]}
    nodes, parent = _led(model.known_.graph, found.node, parts)
    pairs = _among(model.known_.graph, nodes, parent)
    one = model.objective_.kind == "single_label"
    fills, sizes = [], np.zeros(len(nodes))
    most = max((part.share for part in parts.values()), default=0.0) or 1.0
    for place, node in enumerate(nodes):
        part = parts.get(node)
        if part is None:
            fills.append(PLAIN)
        elif one:
            fills.append(colour_of(int(part.says.argmax())))
        else:
            fills.append(BLUE if part.says[k] >= 0 else ORANGE)
        sizes[place] = 0.0 if part is None else part.share / most
    classes = model.objective_.classes
    legend = _of_classes(classes, fills)
    if not one:
        legend = _signs(_target(classes, k), fills)
    caption = (
        "the larger a node, the more it counts; "
        + ("its colour: what it speaks for" if one else "its colour: which way")
        + more_of(len(found.parts) - len(parts), "node")
    )
    ids = model.graph_.ids
    plain = [LEADS] * len(pairs), np.zeros(len(pairs)), [""] * len(pairs)
    names = [str(ids[node]) for node in nodes]
    return GraphPlot(names, pairs, fills, sizes, *plain, caption, (0,), legend)


def of_edges(model: "NodeModel", found: EdgeExplanation) -> GraphPlot:
    """The edges that the networks' answer rests on."""
    told = found.edges[:MOST_EDGES]
    ends = {end for edge in told for end in (edge.source, edge.target)}
    nodes, parent = _led(model.known_.graph, found.node, ends)
    place = {node: k for k, node in enumerate(nodes)}
    cost = {(min(e.source, e.target), max(e.source, e.target)): e.cost for e in told}
    noted = set(list(cost)[:NOTED])
    way = {(min(a, b), max(a, b)) for a, b in parent.items() if a != b}
    most = max((abs(value) for value in cost.values()), default=0.0) or 1.0
    drawn = [*cost, *sorted(way - set(cost))]
    strokes, widths, notes = [], [], []
    for pair in drawn:
        value = cost.get(pair, 0.0)
        strokes.append(LEADS if pair not in cost else FOR if value >= 0 else AGAINST)
        widths.append(abs(value) / most)
        notes.append(f"{value:+.2g}" if pair in noted else "")
    classes = model.objective_.classes
    legend, fills = [], [PLAIN] * len(nodes)
    if model.objective_.kind == "single_label":
        said = np.asarray(model.predicted()).argmax(axis=1)
        fills = [colour_of(int(said[node])) for node in nodes]
        legend = _of_classes(classes, fills)
    named = "; colours of nodes: what they are named" if legend else ""
    legend += _signs(_target(classes, found.target), strokes, (FOR, AGAINST))
    if LEADS in strokes:
        legend.append(LegendEntry(LEADS, "only leads there"))
    caption = (
        f"the wider an edge, the further it moves the {found.what}{named}"
        + more_of(len(found.edges) - len(told), "edge")
    )
    return GraphPlot(
        [str(model.graph_.ids[node]) for node in nodes],
        np.array([[place[a], place[b]] for a, b in drawn]).reshape(-1, 2),
        fills,
        np.full(len(nodes), 0.3),
        strokes,
        np.array(widths),
        notes,
        caption,
        (place[found.node],),
        legend,
    )


def of_graph(graph: "GraphCollection", found: NodeDeletion, target: str) -> GraphPlot:
    """A whole graph, its nodes by what each costs."""
    order = np.argsort(-np.abs(found.costs), kind="stable")[:MOST_OF_A_GRAPH]
    place = {int(row): k for k, row in enumerate(order)}
    both = zip(graph.nodes.source.tolist(), graph.nodes.target.tolist(), strict=True)
    pairs = {
        (min(place[a], place[b]), max(place[a], place[b]))
        for a, b in both
        if a != b and a in place and b in place
    }
    most = float(np.abs(found.costs).max(initial=0.0)) or 1.0
    costs = found.costs[order]
    fills = [BLUE if cost >= 0 else ORANGE for cost in costs]
    left = len(found.costs) - len(order)
    return GraphPlot(
        [str(graph.nodes.ids[row]) for row in order],
        np.array(sorted(pairs)).reshape(-1, 2),
        fills,
        np.abs(costs) / most,
        [LEADS] * len(pairs),
        np.zeros(len(pairs)),
        [""] * len(pairs),
        f"the larger a node, the further it moves the {found.what}"
        + more_of(left, "node"),
        (),
        _signs(target, fills),
    )


def _target(classes: tuple[str, ...], k: int) -> str:
    return class_or_number(classes[k]) if classes else "a higher number"


def _signs(
    target: str,
    there: Collection[str | EdgeStyle],
    looks: tuple[str | EdgeStyle, str | EdgeStyle] = (BLUE, ORANGE),
) -> list[LegendEntry]:
    """What the looks of both signs mean, of those that are there."""
    words = f"speaks for {target}", f"speaks against {target}"
    keys = [LegendEntry(look, what) for look, what in zip(looks, words, strict=True)]
    return [key for key in keys if key.look in there]


def _of_classes(classes: tuple[str, ...], fills: Iterable[str]) -> list[LegendEntry]:
    there = set(fills)
    more = len(classes) > len(COLOURS) and COLOURS[-1] in there
    named = zip(COLOURS[:-1] if more else COLOURS, classes, strict=False)
    found = [LegendEntry(colour, name) for colour, name in named if colour in there]
    return [*found, *([LegendEntry(COLOURS[-1], "another class")] if more else [])]


def more_of(count: int, unit: str) -> str:
    """How many are not drawn; nothing where all are."""
    return f"; {counted(count, unit)} of less weight not drawn" if count > 0 else ""


def _led(
    graph: Adjacency, root: int, wanted: Collection[int]
) -> tuple[list[int], dict[int, int]]:
    """The root, the nodes that are wanted, and those on a shortest way to them; and of
    each the one that it is reached from."""
    rows, reached, frontier = graph.incoming, {root: root}, [root]
    missing = set(wanted) - {root}
    while missing and frontier:
        near = []
        for v in frontier:
            own = rows.sources[rows.offsets[v] : rows.offsets[v + 1]].tolist()
            fresh = [u for u in dict.fromkeys(own) if u not in reached]
            reached |= dict.fromkeys(fresh, v)
            near += fresh
        missing -= set(near)
        frontier = near
    parent = {root: root}
    for node in wanted:
        while node not in parent and node in reached:
            parent[node] = reached[node]
            node = reached[node]
    nodes = [*parent, *(node for node in dict.fromkeys(wanted) if node not in parent)]
    return nodes, parent


def _among(
    graph: Adjacency, nodes: Sequence[int], parent: dict[int, int]
) -> np.ndarray:
    """Pairs [P, 2] of places: the edges among some nodes."""
    place = {node: k for k, node in enumerate(nodes)}
    rows, found = graph.incoming, set()
    for v in nodes:
        for u in rows.sources[rows.offsets[v] : rows.offsets[v + 1]].tolist():
            if u in place and u != v:
                a, b = place[u], place[v]
                found.add((min(a, b), max(a, b)))
    return np.array(sorted(found)).reshape(-1, 2)


# --- drawing ----------------------------------------------------------------------


def draw_sketch(sketch: GraphPlot, title: str) -> "Figure":
    """The sketch, laid out; what is explained has a black rim."""
    from matplotlib.figure import Figure

    count = len(sketch.names)
    side = min(12.0, 4.5 + 0.12 * count)
    sheet = Figure(figsize=(side + 1.5, side), layout="constrained")
    axis: Any = sheet.subplots()
    axis.set_axis_off()
    at = positions(count, sketch.pairs)
    areas = 40 + 360 * sketch.sizes
    lift = 3 + np.sqrt(areas) / 2  # of names above their nodes, in points
    above = at + np.stack([0 * lift, (lift + 4) * 2.2 / (60 * side)], axis=1)
    for (a, b), stroke, width, note in zip(
        sketch.pairs, sketch.strokes, sketch.widths, sketch.notes, strict=True
    ):
        look = {"color": stroke.colour, "linestyle": stroke.style}
        faint = 0.5 if stroke == LEADS else 0.9
        axis.plot(
            *at[[a, b]].T, **look, linewidth=0.8 + 5 * width, alpha=faint, zorder=1
        )
        if note:
            place = _free_place(at[a], at[b], np.concatenate([at, above]))
            axis.text(*place, note, fontsize=7, **CENTRED, bbox=PATCH, zorder=6)
    rims = ["black" if k in sketch.train_mask else "white" for k in range(count)]
    axis.scatter(
        *at.T, s=areas, c=sketch.fills, edgecolors=rims, linewidths=1.5, zorder=2
    )
    for k, name in enumerate(sketch.names):
        axis.annotate(
            plain(name, LETTERS),
            at[k],
            xytext=(0, float(lift[k])),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            fontweight="bold" if k in sketch.train_mask else "normal",
            bbox=PATCH,
            zorder=5,
        )
    for look, what in sketch.legend:
        if isinstance(look, EdgeStyle):
            axis.plot([], [], look.style, color=look.colour, label=key(what))
        else:
            axis.plot([], [], "o", color=look, label=key(what))
    if sketch.legend:
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    sheet.suptitle(plain(title), fontsize=11)
    axis.margins(0.12)
    sheet.supxlabel(sketch.caption, fontsize=8, color="#555555")
    return sheet


CENTRED = {"ha": "center", "va": "center"}
PATCH = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.85, "lw": 0}
"""behind a text, so that it can be read where lines cross it"""


def _free_place(a: np.ndarray, b: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The place on the inner half of a line furthest from those taken [M, 2]."""
    shares = np.linspace(0.25, 0.75, 11)[:, None]
    places = (1 - shares) * a + shares * b
    far = np.linalg.norm(places[:, None] - taken, axis=2).min(axis=1)
    return places[far.argmax()]


def positions(count: int, pairs: np.ndarray) -> np.ndarray:
    """Places [M, 2] of nodes, each pair as far apart as the way between them; what no
    way joins a little further than the longest."""
    import networkx as nx
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import shortest_path

    if count < 2:
        return np.zeros((count, 2))
    ones = np.ones(len(pairs))
    matrix = coo_matrix((ones, pairs.T.reshape(2, -1)), shape=(count, count)).tocsr()
    far = shortest_path(matrix, directed=False, unweighted=True)
    joined = far[np.isfinite(far)]
    far[~np.isfinite(far)] = joined.max() + 1.5
    graph = nx.empty_graph(count)
    dist = {a: dict(enumerate(row)) for a, row in enumerate(far.tolist())}
    found = nx.kamada_kawai_layout(graph, dist=dist)
    return np.array([found[k] for k in range(count)])
