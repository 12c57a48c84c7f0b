"""Explanations of predictions for nodes, graphs and pairs: text, JSON, plot and page.

Nodes: contributions of nodes (linear baseline) or ranked edges (networks). Graphs: the
effect of removing each node. Pairs: contributions of the features of the pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.data.class_names import class_row
from vicinal.core.report.finding import Finding
from vicinal.core.report.notebook import html_figure, html_paragraph
from vicinal.core.report.plots import to_svg
from vicinal.core.report.report import Figure, Report, Section, Text
from vicinal.core.settings import check_seed
from vicinal.core.text import class_label, format_percent
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.explain.contributions import Contributions, compute_contributions
from vicinal.graphs.explain.edge_deletion import (
    EdgeExplanation,
    describe_quantity,
    explain_edges,
)
from vicinal.graphs.explain.graph_plot import GraphPlot, draw_graph
from vicinal.graphs.explain.node_deletion import (
    GraphLevelModel,
    NodeDeletion,
    explain_nodes,
)
from vicinal.graphs.explain.node_tables import (
    Block,
    contribution_blocks,
    edge_effect_blocks,
)
from vicinal.graphs.explain.pair_contributions import Pair, PairExplanation, plot_pair
from vicinal.graphs.explain.plot_selection import (
    plot_contributions,
    plot_edge_effects,
    plot_node_effects,
)
from vicinal.graphs.explain.ranked_table import RankedTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

    from vicinal.graphs.node_model import NodeModel


@dataclass(frozen=True, repr=False)
class GraphExplanation:
    """An explained prediction; print it, `draw()` it, or read `result`."""

    title: str
    """what is explained, its prediction and the model"""

    blocks: list[Block]
    data: dict[str, Any]
    """for JSON"""

    result: Contributions | EdgeExplanation | NodeDeletion | PairExplanation
    plot: GraphPlot

    @property
    def target(self) -> str | None:
        """Return the class that is explained; None for a number or a pair."""
        is_pair = isinstance(self.result, PairExplanation)
        return None if is_pair else self.data["target"]

    @property
    def score(self) -> float:
        """Return the calibrated probability (of a class or an edge) or the number."""
        return self.data["score"]

    @property
    def verdict(self) -> str:
        """Return the result of the random control; empty for an exact sum."""
        return self.data.get("verdict", "")

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal."""
        yield self.title
        for block in self.blocks:
            if isinstance(block, str):
                yield block
            else:
                yield from block.lines()

    def draw(self) -> "MatplotlibFigure":
        """Plot the nodes and edges that matter most."""
        return draw_graph(self.plot, self.title)

    def html(self) -> str:
        """Return a self-contained page with the plot and the full tables."""
        figure = Figure(to_svg(draw_graph(self.plot, "")))
        texts = [Text(block) for block in self.blocks if isinstance(block, str)]
        sections = [Section("Graph", [figure]), Section("Summary", [*texts])]
        for block in self.blocks:
            if isinstance(block, RankedTable):
                heading = f"{block.columns[0].capitalize()}s"
                title = Text(f"{block.title}:")
                sections.append(Section(heading, [title, block.table()]))
        return Report(self.title, "", sections).html()

    def to_finding(self) -> Finding:
        """Return what the command line prints and draws."""
        return Finding([*self.lines()], self.data, self.draw, self.html)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        texts = (block for block in self.blocks if isinstance(block, str))
        return html_figure(self.draw(), self.title) + "".join(
            map(html_paragraph, texts)
        )


def explain_node(
    model: "NodeModel", name: str, target: str | None = None, seed: int = 0
) -> GraphExplanation:
    """Explain the prediction for a node.

    target: a class; None: the predicted class. seed: of the random control. Raises
    NoDataError for an unknown node, ClassError for an unknown class.
    """
    check_seed(seed)
    row = int(model.row_indices([name], model.graph_)[0])
    classes = model.objective_.classes
    predicted = np.atleast_1d(model.predict_values([name])[0])
    k = class_row(model.objective_, target, predicted)
    score = float(predicted[k])
    title = _title(name, classes, k, score, model.model_description)
    data = {"node": name, "target": classes[k] if classes else None, "score": score}
    if model.networks_ is None:
        result = compute_contributions(model.linear_, model.labelled_graph_, row)
        blocks, node_data = contribution_blocks(model, result, k, score)
        plot = plot_contributions(model, k, result)
        return GraphExplanation(title, blocks, data | node_data, result, plot)
    result = explain_edges(model, row, k, seed)
    blocks, edge_data = edge_effect_blocks(model, result)
    plot = plot_edge_effects(model, result)
    return GraphExplanation(title, blocks, data | edge_data, result, plot)


def explain_graph(
    model: GraphLevelModel,
    graph: GraphCollection,
    target: str | None = None,
    seed: int = 0,
) -> GraphExplanation:
    """Explain the prediction for a single graph; arguments as for `explain_node`."""
    check_seed(seed)
    objective, name = model.objective_, str(graph.names[0])
    k = class_row(objective, target, model.predict_values(graph)[0])
    result = explain_nodes(model, graph, k, seed)
    classes, ids = objective.classes, graph.nodes.ids
    order = np.argsort(-np.abs(result.effects), kind="stable")
    quantity = describe_quantity(result.quantity, result.class_name)
    table = RankedTable(
        f"Decrease of {quantity} without each node and its edges",
        ("node", "effect"),
        [(str(ids[row]), f"{result.effects[row]:+.4f}") for row in order],
    )
    data = {
        "graph": name,
        "target": classes[k] if classes else None,
        "score": result.prediction,
        "quantity": result.quantity,
        "verdict": result.verdict,
        "p": result.random_control.p,
        "nodes": [
            {"id": ids[row], "effect": float(result.effects[row])} for row in order
        ],
    }
    title = _title(name, classes, k, result.prediction, model.model_description)
    target_name = class_label(classes[k]) if classes else "a higher number"
    plot = plot_node_effects(graph, result, target_name)
    return GraphExplanation(title, [result.verdict, table], data, result, plot)


def explain_pair(
    result: PairExplanation, pair: Pair, model_description: str
) -> GraphExplanation:
    """Explain the probability of an edge between two nodes."""
    already = " (already an edge)" if pair.is_edge else ""
    title = (
        f"{pair.title}: {format_percent(result.probability)} probability of an "
        f"edge{already}, predicted by {model_description}"
    )
    table = RankedTable(
        "Contribution of the features of the pair to the log-odds of an edge "
        f"({result.base:+.3f} for the average pair)",
        ("feature", "value", "contribution"),
        [
            (c.name, f"{c.value:.4g}", f"{c.contribution:+.3f}")
            for c in result.contributions
        ],
        ("log-odds of this pair", "", f"{result.log_odds:+.3f}"),
    )
    note = (
        f"Difference from the model's probability: {result.max_error:.1e}. "
        "Probabilities hold for pairs of which half are edges."
    )
    source, target = (str(pair.ids[end]) for end in pair.ends)
    data = {
        "source": source,
        "target": target,
        "relation": pair.relation,
        "score": result.probability,
        "probability": result.probability,
        "is_edge": pair.is_edge,
        "base": result.base,
        "max_error": result.max_error,
        "contributions": [c._asdict() for c in result.contributions],
    }
    return GraphExplanation(title, [table, note], data, result, plot_pair(pair))


def _title(
    name: str,
    classes: tuple[str, ...],
    k: int,
    score: float,
    model_description: str,
) -> str:
    prediction = f"{score:.4g}"
    if classes:
        prediction = f"{class_label(classes[k])} {format_percent(score)}"
    return f"{name}: {prediction}, predicted by {model_description}"
