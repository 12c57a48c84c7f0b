"""What a graph is, in a few figures, before anything is learned from it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vicinal.core.text import counted, percent
from vicinal.graphs.data.graph_table import GraphTable

SHOWN = 8
"""relations that are told, those with most edges first"""


@dataclass(frozen=True)
class Facts:
    """Figures of one graph."""

    nodes: int
    edges: int
    directed: bool
    weighted: bool
    components: int
    """parts that no edge joins, whatever its direction"""

    largest: int
    """nodes of the largest of them"""

    loops: int
    """edges from a node to itself"""

    isolated: int
    """nodes without an edge to another"""

    degree: tuple[int, float, int]
    """least, median and most neighbours"""

    labelled: int
    homophily: float | None
    """share of the edges between labelled nodes of one label each that join equal ones;
    None where there are none"""

    by_chance: float | None
    """what that share would be if edges did not care (each end by its own edges)"""


def facts_of(table: GraphTable) -> Facts:
    """The figures of a graph."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, own = len(table), table.source == table.target
    source, target = table.source[~own], table.target[~own]
    ones = np.ones(len(source), np.int8)
    matrix = coo_matrix((ones, (source, target)), shape=(n, n))
    count, member = connected_components(matrix, directed=False)
    degree = np.bincount(source, minlength=n) + np.bincount(target, minlength=n)
    alike, chance = _homophily(table, source, target)
    return Facts(
        nodes=n,
        edges=table.num_edges,
        directed=table.directed,
        weighted=table.weight is not None,
        components=int(count),
        largest=int(np.bincount(member).max()),
        loops=int(own.sum()),
        isolated=int((degree == 0).sum()),
        degree=(int(degree.min()), float(np.median(degree)), int(degree.max())),
        labelled=int(table.labelled.sum()),
        homophily=alike,
        by_chance=chance,
    )


def _homophily(
    table: GraphTable, source: np.ndarray, target: np.ndarray
) -> tuple[float | None, float | None]:
    """Edge homophily (Zhu et al. 2020, definition 1), and what chance gives."""
    if table.labels is None or table.kind != "single_label":
        return None, None
    both = table.labelled[source] & table.labelled[target]
    if not both.any():
        return None, None
    a, b = table.labels[source[both]], table.labels[target[both]]
    ends, counts = np.unique(np.concatenate([a, b]).astype(str), return_counts=True)
    del ends
    share = counts / counts.sum()
    return float((a == b).mean()), float((share**2).sum())


def told(table: GraphTable, facts: Facts) -> list[str]:
    """The figures in sentences."""
    way = "directed" if facts.directed else "undirected"
    weighted = ", weighted" if facts.weighted else ""
    lines = [
        f"{counted(facts.nodes, 'node')}, {counted(facts.edges, 'edge')} "
        f"({way}{weighted}); {_parts(facts)}"
    ]
    if table.relation is not None:
        counts = np.bincount(table.relation, minlength=len(table.relations))
        order = np.argsort(-counts, kind="stable")[:SHOWN]
        some = ", ".join(f"{table.relations[k]} {counts[k]:,}" for k in order)
        rest = ", ..." if len(table.relations) > SHOWN else ""
        lines.append(f"{len(table.relations):,} relations: {some}{rest}")
    least, median, most = facts.degree
    lines.append(
        f"neighbours: {least:,} to {most:,}, median {median:g}; "
        f"{counted(facts.isolated, 'node')} without any; "
        f"{counted(facts.loops, 'edge')} from a node to itself"
    )
    if facts.labelled:
        lines.append(_labels(table, facts))
    if facts.homophily is not None and facts.by_chance is not None:
        lines.append(
            f"{percent(facts.homophily)} of the edges between labelled nodes join "
            f"equal labels, where chance gives {percent(facts.by_chance)}"
        )
    return lines


def _parts(facts: Facts) -> str:
    if facts.components == 1:
        return "all connected"
    return (
        f"{counted(facts.components, 'component')}, the largest of "
        f"{counted(facts.largest, 'node')}"
    )


def _labels(table: GraphTable, facts: Facts) -> str:
    rest = facts.nodes - facts.labelled
    without = f", {rest:,} without" if rest else ""
    if table.kind == "numeric":
        assert table.labels is not None
        values = table.labels[table.labelled].astype(float)
        what = f"a number each, {values.min():g} to {values.max():g}"
    else:
        many = ", several each" if table.kind == "multi_label" else ""
        what = f"{counted(len(table.classes), 'class')}{many}"
    return f"{counted(facts.labelled, 'node')} with a label{without}: {what}"


def to_dict(facts: Facts) -> dict[str, Any]:
    """For JSON."""
    return asdict(facts)
