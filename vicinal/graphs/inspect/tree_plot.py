"""Plot of a node's computation tree."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.graphs.inspect.computation_tree import TreeNode
from vicinal.graphs.inspect.plot_style import class_color, legend_label, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_NAME_LENGTH = 14
MAX_SCORES = 8
LINE_COLOR = "#b0b0b0"

CAPTION = (
    "line: message, wider for longer vectors; number: its coefficient in the sum; "
    "(+n): messages not drawn;\n"
    "own: length of the node's own term (self connection and bias); right: scores of "
    "the head"
)


def draw_tree(
    root: TreeNode,
    names: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    title: str = "",
) -> "Figure":
    """Plot the tree with the root at the right and its scores beside it.

    names: [N] of the nodes. predicted: [N] row of each node's predicted class, or -1.
    """
    from matplotlib.figure import Figure

    tree_nodes = list(root.walk())
    num_leaves = sum(not node.children for node in tree_nodes)
    depth = root.layer - min(node.layer for node in tree_nodes)
    figure = Figure(
        figsize=(3.2 * (depth + 1.6), max(3.4, 0.34 * num_leaves + 1.4)),
        layout="constrained",
    )
    axes: Any = figure.subplots()
    axes.set_axis_off()
    heights = _heights(root)
    _draw_messages(axes, root, heights)
    for node in tree_nodes:
        color = class_color(int(predicted[node.node]))
        _draw_node(axes, node, str(names[node.node]), color, heights[id(node)])
    _draw_scores(axes, root, heights[id(root)], classes)
    top = max(heights.values()) + 1
    for layer, stage in {node.layer: node.stage for node in tree_nodes}.items():
        axes.text(layer, top, stage, fontsize=9, ha="center")
    rows = sorted({int(predicted[node.node]) for node in tree_nodes} - {-1})
    for row in rows:
        label = legend_label(classes[row])
        axes.plot([], [], "s", color=class_color(row), label=label)
    if rows:
        axes.legend(
            loc="lower right", fontsize=8, frameon=False, title="predicted class"
        )
    axes.set_xlim(root.layer - depth - 0.4, root.layer + 1.0)
    axes.set_ylim(-1, top + 0.6)
    if title:
        figure.suptitle(plain_text(title), fontsize=11)
    figure.supxlabel(CAPTION, fontsize=7, color="#555555")
    return figure


def _draw_messages(axes: Any, root: TreeNode, heights: dict[int, float]) -> None:
    longest = max((node.message_length for node in root.walk()), default=1.0) or 1.0
    for node in root.walk():
        for child in node.children:
            x, y = [child.layer, node.layer], [heights[id(child)], heights[id(node)]]
            width = 0.4 + 4 * child.message_length / longest
            axes.plot(x, y, color=LINE_COLOR, linewidth=width, zorder=1)
            position = [0.62 * a + 0.38 * b for a, b in (x, y)]
            axes.text(*position, f"{child.coefficient:.2g}", fontsize=7, zorder=3)


def _draw_node(axes: Any, node: TreeNode, name: str, color: str, height: float) -> None:
    hidden = f"  (+{node.num_hidden})" if node.num_hidden else ""
    axes.text(
        node.layer,
        height,
        plain_text(name, MAX_NAME_LENGTH) + hidden,
        fontsize=8,
        ha="center",
        va="center",
        color="white",
        bbox={"boxstyle": "round,pad=0.3", "facecolor": color, "linewidth": 0},
        zorder=2,
    )
    if node.own_length:
        label = f"own {node.own_length:.2g}"
        axes.text(node.layer, height - 0.62, label, fontsize=6.5, ha="center")


def _draw_scores(
    axes: Any, root: TreeNode, height: float, classes: tuple[str, ...]
) -> None:
    axes.plot([root.layer, root.layer + 0.42], [height] * 2, LINE_COLOR, zorder=1)
    text = "\n".join(
        f"{plain_text(name)}  {score:+.2f}" for name, score in top_scores(root, classes)
    )
    position = root.layer + 0.45, height
    axes.text(*position, text, fontsize=8, ha="left", va="center", linespacing=1.5)


def top_scores(root: TreeNode, classes: tuple[str, ...]) -> list[tuple[str, float]]:
    """Return the root's highest scores by class; for a number, in standard units."""
    scores = np.zeros(0) if root.scores is None else root.scores
    names = classes or ("standardised number",)
    order = np.argsort(-scores, kind="stable")[:MAX_SCORES]
    return [(names[k], float(scores[k])) for k in order]


def _heights(root: TreeNode) -> dict[int, float]:
    """Return heights by id: leaves stacked from the top, parents in between."""
    heights: dict[int, float] = {}
    next_leaf = sum(1 for node in root.walk() if not node.children)

    def assign(node: TreeNode) -> float:
        nonlocal next_leaf
        if not node.children:
            next_leaf -= 1
            heights[id(node)] = float(next_leaf)
        else:
            below = [assign(child) for child in node.children]
            heights[id(node)] = sum(below) / len(below)
        return heights[id(node)]

    assign(root)
    return heights
