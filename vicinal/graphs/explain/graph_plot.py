"""Plot of a part of a graph: layout and drawing.

Nodes are placed by T. Kamada and S. Kawai ("An algorithm for drawing general undirected
graphs", 1989), so that distances resemble path lengths; nothing is random.
`plot_selection` and `pair_contributions` select what is drawn.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from vicinal.core.text import pluralize
from vicinal.graphs.inspect.plot_style import NEUTRAL, legend_label, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_NODES = 30
MAX_NAME_LENGTH = 18

CENTERED = {"ha": "center", "va": "center"}
TEXT_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.85, "lw": 0}
"""keeps a text legible where lines cross it"""


class EdgeStyle(NamedTuple):
    """Color and line style of an edge."""

    color: str
    line: str = "-"


SUPPORTING = EdgeStyle("#333333")
OPPOSING = EdgeStyle("#c2571a", "--")
CONNECTING = EdgeStyle(NEUTRAL)
"""of edges that only connect the nodes drawn"""


class LegendEntry(NamedTuple):
    """One line of the legend: a node color or an edge style, and its meaning."""

    style: str | EdgeStyle
    label: str


@dataclass(frozen=True, kw_only=True)
class GraphPlot:
    """The nodes and edges of a plot, and how each is drawn."""

    names: list[str]
    """[M] of nodes"""

    edges: np.ndarray
    """[P, 2] rows of `names`"""

    node_colors: list[str]
    node_sizes: np.ndarray
    """[M] 0 to 1"""

    edge_styles: list[EdgeStyle]
    edge_widths: np.ndarray
    """[P] 0 to 1"""

    edge_labels: list[str]
    """[P] text beside each edge, or empty"""

    caption: str
    highlighted: tuple[int, ...] = ()
    """rows of the node, or the two nodes, that are explained"""

    legend: list[LegendEntry] = field(default_factory=list)


def hidden_note(count: int, unit: str) -> str:
    """Return how many items are not drawn, for a caption; empty if there are none."""
    return f"; {pluralize(count, f'smaller {unit}')} not drawn" if count > 0 else ""


def draw_graph(plot: GraphPlot, title: str) -> "Figure":
    """Draw a graph; highlighted nodes have a black border and a bold name."""
    from matplotlib.figure import Figure

    side = min(12.0, 4.5 + 0.12 * len(plot.names))
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes: Any = figure.subplots()
    axes.set_axis_off()
    positions = layout_nodes(len(plot.names), plot.edges)
    areas = 40 + 360 * plot.node_sizes
    name_offsets = 3 + np.sqrt(areas) / 2  # from node to name, in points
    shift = (name_offsets + 4) * 2.2 / (60 * side)
    name_positions = positions + np.stack([0 * shift, shift], axis=1)
    _draw_edges(axes, plot, positions, np.concatenate([positions, name_positions]))
    borders = [
        "black" if k in plot.highlighted else "white" for k in range(len(plot.names))
    ]
    axes.scatter(
        *positions.T,
        s=areas,
        c=plot.node_colors,
        edgecolors=borders,
        linewidths=1.5,
        zorder=2,
    )
    _draw_names(axes, plot, positions, name_offsets)
    _draw_legend(axes, plot)
    figure.suptitle(plain_text(title), fontsize=11)
    axes.margins(0.12)
    figure.supxlabel(plot.caption, fontsize=8, color="#555555")
    return figure


def _draw_edges(
    axes: Any, plot: GraphPlot, positions: np.ndarray, occupied: np.ndarray
) -> None:
    rows = zip(
        plot.edges, plot.edge_styles, plot.edge_widths, plot.edge_labels, strict=True
    )
    for (a, b), style, width, label in rows:
        axes.plot(
            *positions[[a, b]].T,
            color=style.color,
            linestyle=style.line,
            linewidth=0.8 + 5 * width,
            alpha=0.5 if style == CONNECTING else 0.9,
            zorder=1,
        )
        if label:
            position = free_position(positions[a], positions[b], occupied)
            axes.text(*position, label, fontsize=7, **CENTERED, bbox=TEXT_BOX, zorder=6)


def _draw_names(
    axes: Any, plot: GraphPlot, positions: np.ndarray, offsets: np.ndarray
) -> None:
    for k, name in enumerate(plot.names):
        axes.annotate(
            plain_text(name, MAX_NAME_LENGTH),
            positions[k],
            xytext=(0, float(offsets[k])),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            fontweight="bold" if k in plot.highlighted else "normal",
            bbox=TEXT_BOX,
            zorder=5,
        )


def _draw_legend(axes: Any, plot: GraphPlot) -> None:
    for style, label in plot.legend:
        text = legend_label(label)
        if isinstance(style, EdgeStyle):
            axes.plot([], [], style.line, color=style.color, label=text)
        else:
            axes.plot([], [], "o", color=style, label=text)
    if plot.legend:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def free_position(a: np.ndarray, b: np.ndarray, occupied: np.ndarray) -> np.ndarray:
    """Return the point on the inner half of a line furthest from points [M, 2]."""
    shares = np.linspace(0.25, 0.75, 11)[:, None]
    candidates = (1 - shares) * a + shares * b
    distances = np.linalg.norm(candidates[:, None] - occupied, axis=2).min(axis=1)
    return candidates[distances.argmax()]


def layout_nodes(count: int, edges: np.ndarray) -> np.ndarray:
    """Return positions [M, 2] of nodes, for edges [P, 2] between them.

    Unconnected nodes are a little further apart than the longest shortest path.
    """
    if count < 2:
        return np.zeros((count, 2))
    ones = np.ones(len(edges))
    matrix = coo_array((ones, edges.T.reshape(2, -1)), shape=(count, count)).tocsr()
    distances = shortest_path(matrix, directed=False, unweighted=True)
    is_connected = np.isfinite(distances)
    distances[~is_connected] = distances[is_connected].max() + 1.5
    by_node = {a: dict(enumerate(row)) for a, row in enumerate(distances.tolist())}
    positions = nx.kamada_kawai_layout(nx.empty_graph(count), dist=by_node)
    return np.array([positions[k] for k in range(count)])
