"""HTML page of a node's computation tree: the plot, and every message vector."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from vicinal.core.report.plots import to_svg
from vicinal.graphs.inspect.computation_tree import TreeNode
from vicinal.graphs.inspect.tree_plot import draw_tree, top_scores

MAX_TERMS = 12
"""terms of the score that are listed one by one"""


class ScoreTerm(NamedTuple):
    """One product of the head: an embedding dimension times its weight."""

    dimension: int
    value: float
    weight: float
    term: float


class ScoreTable(NamedTuple):
    """The terms of the highest score, the largest first."""

    name: str
    terms: list[ScoreTerm]
    num_hidden: int
    hidden_sum: float
    bias: float
    score: float


def render_tree_page(
    root: TreeNode,
    names: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...],
    title: str,
) -> str:
    """Return the page; arguments as for `draw_tree`."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def predicted_class(node: TreeNode) -> str:
        row = int(predicted[node.node])
        return classes[row] if 0 <= row < len(classes) else ""

    return environment.get_template("tree_page.html.j2").render(
        title=title,
        svg=to_svg(draw_tree(root, names, predicted, classes)),
        root=root,
        names=names,
        predicted_class=predicted_class,
        total=_total,
        format_vector=_format_vector,
        max_error=max(node.max_error for node in root.walk()),
        scores=top_scores(root, classes),
        table=_score_table(root, classes),
    )


def _total(node: TreeNode) -> np.ndarray:
    """Return the sum [D] of all messages and of the own term."""
    assert node.breakdown is not None
    vectors = (message.vector for message in node.breakdown.messages)
    return sum(vectors, node.breakdown.own_term)


def _format_vector(vector: np.ndarray) -> str:
    return " ".join(f"{value:.4g}" for value in vector.tolist())


def _score_table(root: TreeNode, classes: tuple[str, ...]) -> ScoreTable | None:
    if root.head is None or root.scores is None:
        return None
    k = int(np.argmax(root.scores))
    embedding, weights = root.head.embedding, root.head.weights[k]
    terms = embedding * weights
    order = np.argsort(-np.abs(terms), kind="stable")
    shown, hidden = order[:MAX_TERMS], order[MAX_TERMS:]
    return ScoreTable(
        classes[k] if classes else "the standardised number",
        [
            ScoreTerm(int(d), float(embedding[d]), float(weights[d]), float(terms[d]))
            for d in shown
        ],
        len(hidden),
        float(terms[hidden].sum()),
        float(root.head.bias[k]),
        float(root.scores[k]),
    )
