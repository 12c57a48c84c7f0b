"""Summary statistics of a graph, computed before anything is trained."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vicinal.core.report.data_check import DataCheck
from vicinal.core.text import format_percent, pluralize
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder

MOST_RELATIONS = 8
"""relations shown, the most frequent first"""


@dataclass(frozen=True)
class GraphStatistics:
    """Summary statistics of one graph."""

    num_nodes: int
    num_edges: int
    directed: bool
    weighted: bool
    components: int
    """connected components, ignoring the direction of edges"""

    largest_component: int
    """number of nodes"""

    self_loops: int
    isolated_nodes: int
    """nodes without an edge to another node"""

    degree: tuple[int, float, int]
    """minimum, median and maximum, without self-loops"""

    num_labelled: int
    homophily: float | None
    """share of the edges between labelled nodes whose ends have the same class"""

    expected_homophily: float | None
    """the same in a random graph with the same degrees"""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def graph_statistics(table: GraphTable) -> GraphStatistics:
    """Compute the statistics of a graph."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, loop = len(table), table.source == table.target
    source, target = table.source[~loop], table.target[~loop]
    ones = np.ones(len(source), np.int8)
    matrix = coo_matrix((ones, (source, target)), shape=(n, n))
    num_components, component = connected_components(matrix, directed=False)
    degree = np.bincount(source, minlength=n) + np.bincount(target, minlength=n)
    homophily, expected_homophily = _homophily(table, source, target)
    return GraphStatistics(
        num_nodes=n,
        num_edges=table.num_edges,
        directed=table.directed,
        weighted=table.weight is not None,
        components=int(num_components),
        largest_component=int(np.bincount(component).max()),
        self_loops=int(loop.sum()),
        isolated_nodes=int((degree == 0).sum()),
        degree=(int(degree.min()), float(np.median(degree)), int(degree.max())),
        num_labelled=int(table.label_mask.sum()),
        homophily=homophily,
        expected_homophily=expected_homophily,
    )


def _homophily(
    table: GraphTable, source: np.ndarray, target: np.ndarray
) -> tuple[float | None, float | None]:
    """Return the edge homophily (Zhu et al. 2020, definition 1), and that by chance."""
    if table.labels is None or table.kind != "single_label":
        return None, None
    both = table.label_mask[source] & table.label_mask[target]
    if not both.any():
        return None, None
    a, b = table.labels[source[both]], table.labels[target[both]]
    ends = np.concatenate([a, b]).astype(str)
    counts = np.unique(ends, return_counts=True)[1]
    share = counts / counts.sum()
    return float((a == b).mean()), float((share**2).sum())


def describe_graph(table: GraphTable, statistics: GraphStatistics) -> list[str]:
    """Return the statistics as lines of text."""
    direction = "directed" if statistics.directed else "undirected"
    weighted = ", weighted" if statistics.weighted else ""
    lines = [
        f"{pluralize(statistics.num_nodes, 'node')}, "
        f"{pluralize(statistics.num_edges, 'edge')} ({direction}{weighted}); "
        f"{_describe_components(statistics)}"
    ]
    if table.relation is not None:
        counts = np.bincount(table.relation, minlength=len(table.relations))
        order = np.argsort(-counts, kind="stable")[:MOST_RELATIONS]
        shown = ", ".join(f"{table.relations[k]} {counts[k]:,}" for k in order)
        more = ", ..." if len(table.relations) > MOST_RELATIONS else ""
        lines.append(f"{len(table.relations):,} relations: {shown}{more}")
    low, median, high = statistics.degree
    lines.append(
        f"degree {low:,} to {high:,}, median {median:g}; "
        f"{pluralize(statistics.isolated_nodes, 'isolated node')}; "
        f"{pluralize(statistics.self_loops, 'self-loop')}"
    )
    if statistics.num_labelled:
        lines.append(_describe_labels(table, statistics))
    if statistics.homophily is not None and statistics.expected_homophily is not None:
        lines.append(
            f"homophily {format_percent(statistics.homophily)} (edges between nodes of "
            f"the same class; {format_percent(statistics.expected_homophily)} expected "
            "by chance)"
        )
    return lines


def _describe_components(statistics: GraphStatistics) -> str:
    if statistics.components == 1:
        return "connected"
    largest = pluralize(statistics.largest_component, "node")
    return (
        f"{pluralize(statistics.components, 'component')}, the largest with {largest}"
    )


def _describe_labels(table: GraphTable, statistics: GraphStatistics) -> str:
    num_unlabelled = statistics.num_nodes - statistics.num_labelled
    without = f", {num_unlabelled:,} without" if num_unlabelled else ""
    if table.kind == "numeric":
        assert table.labels is not None
        values = table.labels[table.label_mask].astype(float)
        what = f"numbers from {values.min():g} to {values.max():g}"
    else:
        multi_label = " (multi-label)" if table.kind == "multi_label" else ""
        what = f"{pluralize(len(table.classes), 'class')}{multi_label}"
    labelled = pluralize(statistics.num_labelled, "node")
    return f"{labelled} with a label{without}: {what}"


def check_graph(table: GraphTable) -> DataCheck:
    """Return what `vicinal check` says of a graph, without a task."""
    facts = graph_statistics(table)
    encoder, notes = FeatureEncoder.from_features(table.features)
    return DataCheck(
        task="none",
        lines=[*describe_graph(table, facts), f"features: {encoder}"],
        statistics=facts.to_dict(),
        usable=len(table),
        quarantined=table.quarantined,
        notes=[*table.notes, *notes],
        extra={"features": encoder.feature_names()},
    )


MAX_CLASSES = 100
"""distinct values of a column that may hold labels"""


def label_column_hints(table: GraphTable) -> list[str]:
    """Suggest columns with few distinct texts, where no node has a label."""
    if table.kind != "none" or not hasattr(table.features, "columns"):
        return []
    found = []
    for name in table.features.columns:
        values = {str(c).strip() for c in table.features[name].dropna()} - {""}
        few = 2 <= len(values) <= min(MAX_CLASSES, len(table) // 2)
        if few and not all(map(_is_number, values)):
            found.append(f"{name} ({pluralize(len(values), 'value')})")
    names = ", ".join(found[:5])
    return [f"no column is called label; --target takes another, such as {names}"][
        : len(found)
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
