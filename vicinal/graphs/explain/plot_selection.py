"""Selection of the nodes and edges that the plot of an explanation shows.

The nodes and edges with the largest effects are drawn, together with shortest paths
from the explained node to them, so that the plot is connected.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.report.plots import BLUE, ORANGE
from vicinal.core.text import class_label
from vicinal.graphs.explain.contributions import Contributions
from vicinal.graphs.explain.edge_deletion import EdgeExplanation
from vicinal.graphs.explain.graph_plot import (
    CONNECTING,
    MAX_NODES,
    OPPOSING,
    SUPPORTING,
    EdgeStyle,
    GraphPlot,
    LegendEntry,
    hidden_note,
)
from vicinal.graphs.explain.node_deletion import NodeDeletion
from vicinal.graphs.inspect.plot_style import COLORS, NEUTRAL, class_color
from vicinal.graphs.sparse.adjacency import Adjacency

if TYPE_CHECKING:
    from vicinal.graphs.data.graph_collection import GraphCollection
    from vicinal.graphs.node_model import NodeModel

MAX_EDGES = 40
MAX_GRAPH_NODES = 80
"""nodes of a graph that is explained as a whole"""

MAX_LABELS = 8
"""edges with their effect beside them"""

NODE_SIZE = 0.3


def plot_contributions(
    model: "NodeModel", k: int, contributions: Contributions
) -> GraphPlot:
    """Return a plot of the nodes that contribute most. k: row of the class."""
    shown = {node.node: node for node in contributions.nodes[:MAX_NODES]}
    graph = model.labelled_graph_.adjacency
    nodes, _ = add_shortest_paths(graph, contributions.node, shown)
    edges = _edges_among(graph, nodes)
    is_single_label = model.objective_.kind == "single_label"
    largest = max((node.share for node in shown.values()), default=0.0) or 1.0
    colors, sizes = [NEUTRAL] * len(nodes), np.zeros(len(nodes))
    for position, row in enumerate(nodes):
        if row in shown:
            values = shown[row].values
            by_sign = BLUE if values[k] >= 0 else ORANGE
            by_class = class_color(int(values.argmax()))
            colors[position] = by_class if is_single_label else by_sign
            sizes[position] = shown[row].share / largest
    classes = model.objective_.classes
    legend = _sign_legend(_target_name(classes, k), colors, (BLUE, ORANGE))
    if is_single_label:
        legend = _class_legend(classes, colors)
    color = "class it contributes to most" if is_single_label else "sign"
    hidden = hidden_note(len(contributions.nodes) - len(shown), "contribution")
    return GraphPlot(
        names=[str(model.graph_.ids[row]) for row in nodes],
        edges=edges,
        node_colors=colors,
        node_sizes=sizes,
        edge_styles=[CONNECTING] * len(edges),
        edge_widths=np.zeros(len(edges)),
        edge_labels=[""] * len(edges),
        caption=f"node size: share of the prediction; color: {color}{hidden}",
        highlighted=(0,),
        legend=legend,
    )


def plot_edge_effects(model: "NodeModel", explanation: EdgeExplanation) -> GraphPlot:
    """Return a plot of the edges with the largest effects."""
    shown = explanation.edges[:MAX_EDGES]
    ends = {end for edge in shown for end in (edge.source, edge.target)}
    nodes, parents = add_shortest_paths(
        model.labelled_graph_.adjacency, explanation.node, ends
    )
    position = {row: k for k, row in enumerate(nodes)}
    effects = {_sorted(edge.source, edge.target): edge.effect for edge in shown}
    paths = {_sorted(a, b) for a, b in parents.items() if a != b}
    edges = [*effects, *sorted(paths - set(effects))]
    largest = max(map(abs, effects.values()), default=0.0) or 1.0
    styles = [_edge_style(effects.get(edge)) for edge in edges]
    classes = model.objective_.classes
    colors, legend, node_caption = [NEUTRAL] * len(nodes), [], ""
    if model.objective_.kind == "single_label":
        predicted = np.asarray(model.predict_values()).argmax(axis=1)
        colors = [class_color(int(predicted[row])) for row in nodes]
        legend = _class_legend(classes, colors)
        node_caption = "; node color: predicted class"
    target = _target_name(classes, explanation.target)
    legend += _sign_legend(target, styles, (SUPPORTING, OPPOSING))
    if CONNECTING in styles:
        legend.append(LegendEntry(CONNECTING, "connecting edge"))
    hidden = hidden_note(len(explanation.edges) - len(shown), "effect")
    return GraphPlot(
        names=[str(model.graph_.ids[row]) for row in nodes],
        edges=np.array([[position[a], position[b]] for a, b in edges]).reshape(-1, 2),
        node_colors=colors,
        node_sizes=np.full(len(nodes), NODE_SIZE),
        edge_styles=styles,
        edge_widths=np.array([abs(effects.get(e, 0.0)) / largest for e in edges]),
        edge_labels=[
            f"{effects[edge]:+.2g}" if k < MAX_LABELS and edge in effects else ""
            for k, edge in enumerate(edges)
        ],
        caption=(
            f"edge width: effect on the {explanation.quantity}{node_caption}{hidden}"
        ),
        highlighted=(position[explanation.node],),
        legend=legend,
    )


def plot_node_effects(
    graph: "GraphCollection", deletion: NodeDeletion, target: str
) -> GraphPlot:
    """Return a plot of a whole graph with the effect of each node."""
    order = np.argsort(-np.abs(deletion.effects), kind="stable")[:MAX_GRAPH_NODES]
    position = {int(row): k for k, row in enumerate(order)}
    ends = zip(graph.nodes.source.tolist(), graph.nodes.target.tolist(), strict=True)
    edges = {
        _sorted(position[a], position[b])
        for a, b in ends
        if a != b and a in position and b in position
    }
    largest = float(np.abs(deletion.effects).max(initial=0.0)) or 1.0
    effects = deletion.effects[order]
    colors = [BLUE if effect >= 0 else ORANGE for effect in effects]
    hidden = hidden_note(len(deletion.effects) - len(order), "effect")
    return GraphPlot(
        names=[str(graph.nodes.ids[row]) for row in order],
        edges=np.array(sorted(edges)).reshape(-1, 2),
        node_colors=colors,
        node_sizes=np.abs(effects) / largest,
        edge_styles=[CONNECTING] * len(edges),
        edge_widths=np.zeros(len(edges)),
        edge_labels=[""] * len(edges),
        caption=f"node size: effect on the {deletion.quantity}{hidden}",
        legend=_sign_legend(target, colors, (BLUE, ORANGE)),
    )


def _sorted(a: int, b: int) -> tuple[int, int]:
    return (min(a, b), max(a, b))


def _edge_style(effect: float | None) -> EdgeStyle:
    if effect is None:
        return CONNECTING
    return SUPPORTING if effect >= 0 else OPPOSING


def _target_name(classes: tuple[str, ...], k: int) -> str:
    return class_label(classes[k]) if classes else "a higher number"


def _sign_legend(
    target: str,
    drawn: Collection[str | EdgeStyle],
    styles: tuple[str | EdgeStyle, str | EdgeStyle],
) -> list[LegendEntry]:
    """Return the entries for a positive and a negative effect, if drawn."""
    labels = f"supports {target}", f"opposes {target}"
    entries = map(LegendEntry, styles, labels)
    return [entry for entry in entries if entry.style in drawn]


def _class_legend(classes: tuple[str, ...], drawn: Iterable[str]) -> list[LegendEntry]:
    """Return an entry for each class that is drawn; classes without an own color share
    the last one."""
    colors = set(drawn)
    has_others = len(classes) > len(COLORS) and COLORS[-1] in colors
    own_colors = COLORS[:-1] if has_others else COLORS
    named = zip(own_colors, classes, strict=False)
    entries = [LegendEntry(color, name) for color, name in named if color in colors]
    if has_others:
        entries.append(LegendEntry(COLORS[-1], "another class"))
    return entries


def add_shortest_paths(
    graph: Adjacency, root: int, selected: Collection[int]
) -> tuple[list[int], dict[int, int]]:
    """Return the root, the selected nodes, and the nodes on shortest paths to them.

    Also returns the predecessor of each node on its path; unreachable nodes have none.
    """
    rows, predecessors, frontier = graph.incoming, {root: root}, [root]
    missing = set(selected) - {root}
    while missing and frontier:
        reached = []
        for v in frontier:
            neighbors = rows.indices[rows.indptr[v] : rows.indptr[v + 1]].tolist()
            new = [u for u in dict.fromkeys(neighbors) if u not in predecessors]
            predecessors |= dict.fromkeys(new, v)
            reached += new
        missing -= set(reached)
        frontier = reached
    parents = {root: root}
    for node in selected:
        while node not in parents and node in predecessors:
            parents[node] = predecessors[node]
            node = predecessors[node]
    unreachable = [node for node in dict.fromkeys(selected) if node not in parents]
    return [*parents, *unreachable], parents


def _edges_among(graph: Adjacency, nodes: Sequence[int]) -> np.ndarray:
    """Return the edges among some nodes as pairs [P, 2] of positions in the list."""
    position = {node: k for k, node in enumerate(nodes)}
    rows, edges = graph.incoming, set()
    for v in nodes:
        for u in rows.indices[rows.indptr[v] : rows.indptr[v + 1]].tolist():
            if u in position and u != v:
                edges.add(_sorted(position[u], position[v]))
    return np.array(sorted(edges)).reshape(-1, 2)
