"""A node's computational graph as a picture, and as a page to read in."""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.report.notebook import paragraph
from vicinal.core.report.report import to_svg
from vicinal.graphs.inspect.computation_tree import TreeNode
from vicinal.graphs.inspect.plot_style import colour_of, key, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTERS = 14
"""of a name that are shown"""

SCORES = 8
"""classes whose scores are shown, the highest"""

TERMS = 12
"""of a score that are shown, the largest"""

CAPTION = (
    "a line is a message: the wider, the longer; beside it what it counts in the sum; "
    "(+n): messages not drawn;\nown: length of what no neighbour sent; the head makes "
    "the scores of what the last layer gives"
)


def draw_tree(
    root: TreeNode,
    names: np.ndarray,
    said: np.ndarray,
    classes: tuple[str, ...],
    title: str = "",
) -> "Figure":
    """The tree, the node at the right, what it rests on to its left, its scores beside.

    names: [N] of the nodes. said: [N] row of the class that each node is named, or -1.
    The wider a line, the longer the message; beside it what it counts.
    """
    from matplotlib.figure import Figure

    leaves = [one for one in root.walk() if not one.children]
    depth = root.layer - min(one.layer for one in root.walk())
    sheet = Figure(
        figsize=(3.2 * (depth + 1.6), max(3.4, 0.34 * len(leaves) + 1.4)),
        layout="constrained",
    )
    axis: Any = sheet.subplots()
    axis.set_axis_off()
    height = _heights(root)
    longest = max((one.length for one in root.walk()), default=1.0) or 1.0
    for one in root.walk():
        for child in one.children:
            ends = [child.layer, one.layer], [height[id(child)], height[id(one)]]
            width = 0.4 + 4 * child.length / longest
            axis.plot(*ends, color="#b0b0b0", linewidth=width, zorder=1)
            middle = [0.62 * a + 0.38 * b for a, b in ends]
            axis.text(*middle, f"{child.coefficient:.2g}", fontsize=7, zorder=3)
    for one in root.walk():
        colour = colour_of(int(said[one.node]))
        text = plain(names[one.node], LETTERS)
        more = f"  (+{one.left_out})" if one.left_out else ""
        axis.text(
            one.layer,
            height[id(one)],
            text + more,
            fontsize=8,
            ha="center",
            va="center",
            color="white",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": colour, "linewidth": 0},
            zorder=2,
        )
        if one.own:
            place = one.layer, height[id(one)] - 0.62
            axis.text(*place, f"own {one.own:.2g}", fontsize=6.5, ha="center")
    _scores(axis, root, height[id(root)], classes)
    top = max(height.values()) + 1
    for layer, stage in {one.layer: one.stage for one in root.walk()}.items():
        axis.text(layer, top, stage, fontsize=9, ha="center")
    there = sorted({int(said[one.node]) for one in root.walk()} - {-1})
    for row in there:
        axis.plot([], [], "s", color=colour_of(row), label=key(classes[row]))
    if there:
        axis.legend(loc="lower right", fontsize=8, frameon=False, title="named")
    axis.set_xlim(root.layer - depth - 0.4, root.layer + 1.0)
    axis.set_ylim(-1, top + 0.6)
    if title:
        sheet.suptitle(plain(title), fontsize=11)
    sheet.supxlabel(CAPTION, fontsize=7, color="#555555")
    return sheet


def _scores(axis: Any, root: TreeNode, height: float, classes: tuple[str, ...]) -> None:
    """What the head makes of the root, to its right."""
    told = scores_of(root, classes)
    axis.plot([root.layer, root.layer + 0.42], [height] * 2, "#b0b0b0", zorder=1)
    text = "\n".join(f"{plain(name)}  {score:+.2f}" for name, score in told)
    place = root.layer + 0.45, height
    axis.text(*place, text, fontsize=8, ha="left", va="center", linespacing=1.5)


def scores_of(root: TreeNode, classes: tuple[str, ...]) -> list[tuple[str, float]]:
    """The scores of the root by name, the highest first; of a number that, in
    spreads from the mean."""
    scores = np.zeros(0) if root.scores is None else root.scores
    names = classes or ("number, in spreads",)
    order = np.argsort(-scores, kind="stable")[:SCORES]
    return [(names[k], float(scores[k])) for k in order]


def _heights(root: TreeNode) -> dict[int, float]:
    """Leaves one above the other, the first child on top; others amid theirs."""
    found: dict[int, float] = {}
    free = sum(1 for one in root.walk() if not one.children)

    def place(one: TreeNode) -> float:
        nonlocal free
        if not one.children:
            free -= 1
            found[id(one)] = float(free)
        else:
            own = [place(child) for child in one.children]
            found[id(one)] = sum(own) / len(own)
        return found[id(one)]

    place(root)
    return found


def page_of_tree(
    root: TreeNode,
    names: np.ndarray,
    said: np.ndarray,
    classes: tuple[str, ...],
    title: str,
) -> str:
    """The picture, and below it every message, to be opened one by one; HTML."""
    figure = draw_tree(root, names, said, classes)  # the page has its title
    off = max(one.off for one in root.walk())
    scores = ", ".join(
        f"{name} {score:+.4f}" for name, score in scores_of(root, classes)
    )
    note = (
        "Each line is a message: the wider, the longer its vector; the number is what "
        "it counts in the sum. (+n) are messages that are not drawn; own is the length "
        "of what no neighbour sent. At each node that is opened, the sum of all "
        "messages, drawn or not, and of its own part was held against what the network "
        f"computed, and so were the scores; the largest difference is {off:.1e}."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>body{{font-family:system-ui,sans-serif;"
        "max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "details{margin-left:1.2rem}summary{cursor:pointer}"
        "td,th{padding:0 .8rem 0 0;text-align:left}</style></head><body>"
        f"<h1>{escape(title)}</h1><div>{to_svg(figure)}</div>{paragraph(note)}"
        f"{paragraph('The head makes of it: ' + scores + '.')}"
        f"{_branch(root, names, said, classes)}{_head(root, classes)}</body></html>"
    )


def _branch(
    one: TreeNode, names: np.ndarray, said: np.ndarray, classes: tuple[str, ...]
) -> str:
    row = int(said[one.node])
    named = f", named {escape(classes[row])}" if 0 <= row < len(classes) else ""
    told = f"<b>{escape(str(names[one.node]))}</b>, {one.stage}{named}"
    if one.length:
        told += f": counts {one.coefficient:.4g}, message of length {one.length:.4g}"
    inner = ""
    if one.message is not None:
        inner += _vector("its message", one.message)
    if one.opened is not None:
        told += f"; its own part of the sum has length {one.own:.4g}"
        whole = sum((m.vector for m in one.opened.messages), one.opened.rest)
        inner += _vector("what no neighbour sent", one.opened.rest)
        count = len(one.opened.messages)
        inner += _vector(f"the sum of it and of {count} messages", whole)
        inner += _vector(
            "what the layer gives, before norm and activation", one.opened.given
        )
    inner += "".join(_branch(child, names, said, classes) for child in one.children)
    if one.left_out:
        inner += f"<div style='margin-left:1.2rem'>and {one.left_out} more</div>"
    opened = " open" if one.children else ""
    return f"<details{opened}><summary>{told}</summary>{inner}</details>"


def _vector(what: str, numbers: np.ndarray) -> str:
    """Numbers to be opened, in their order."""
    told = " ".join(f"{number:.4g}" for number in numbers.tolist())
    return (
        f"<details><summary>{what}: {len(numbers)} numbers</summary>"
        f"<code>{told}</code></details>"
    )


def _head(root: TreeNode, classes: tuple[str, ...]) -> str:
    """How the head makes the highest score: each number times its weight."""
    if root.head is None or root.scores is None:
        return ""
    k = int(np.argmax(root.scores))
    name = classes[k] if classes else "the number, in spreads"
    value, weights = root.head.value, root.head.weights[k]
    terms = value * weights
    order = np.argsort(-np.abs(terms), kind="stable")
    rows = "".join(
        f"<tr><td>{d}</td><td>{value[d]:.4f}</td><td>{weights[d]:+.4f}</td>"
        f"<td>{terms[d]:+.4f}</td></tr>"
        for d in order[:TERMS]
    )
    rest = float(terms[order[TERMS:]].sum())
    if len(order) > TERMS:
        rows += (
            f"<tr><td>{len(order) - TERMS} more</td><td></td><td></td>"
            f"<td>{rest:+.4f}</td></tr>"
        )
    rows += (
        f"<tr><td>bias</td><td></td><td></td><td>{root.head.bias[k]:+.4f}</td></tr>"
        f"<tr><td><b>score</b></td><td></td><td></td>"
        f"<td><b>{root.scores[k]:+.4f}</b></td></tr>"
    )
    return (
        f"<h2>The score of {escape(name)}</h2><table><tr><th>number</th>"
        f"<th>of the last layer</th><th>weight</th><th>adds</th></tr>{rows}</table>"
    )
