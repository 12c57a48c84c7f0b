"""Pajek networks (.net).

V. Batagelj and A. Mrvar: Pajek, reference manual, section 5. Vertices are numbered from
1; *Edges are undirected, *Arcs directed; *Edgeslist and *Arcslist have a vertex and its
neighbours in each line. NetworkX merges vertices of the same label and needs a line for
each vertex, which many files do not have.
"""

import re
from pathlib import Path
from typing import Any

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.data.labels import quote_names
from vicinal.errors import DataError
from vicinal.graphs.data.formats.json_graphs import NOTES
from vicinal.graphs.data.from_arrays import BYTES_PER_NODE

WORD = re.compile(r'"[^"]*"|\S+')


def read_pajek(path: Path) -> Any:
    """Return the NetworkX graph of a Pajek file.

    Vertices are named by their labels, or by their numbers if labels repeat: they are
    classes then.
    """
    return _Network(path).read()


class _Network:
    """The vertices and edges that were read so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count, self.section = -1, ""
        self.labels: dict[int, str] = {}
        self.edges: list[tuple[int, int, float]] = []
        self.arcs: list[tuple[int, int, float]] = []
        self.matrix_row = 0
        self.ignored: set[str] = set()
        self.relations: set[str] = set()

    def read(self) -> Any:
        text = self.path.read_text(encoding="utf-8-sig")
        for number, line in enumerate(text.split("\n"), 1):
            words = [word.strip('"') for word in WORD.findall(line)]
            if not words or line.lstrip().startswith("%"):
                continue
            try:
                if words[0].startswith("*"):
                    self._start(words)
                else:
                    self._add(words)
            except DataError:
                raise
            except (ValueError, IndexError) as error:
                raise DataError(
                    f"{self.path}, line {number}: expected a line of "
                    f"*{self.section or 'Vertices'}. Got {line.strip()[:80]!r}."
                ) from error
        return self._to_graph()

    def _start(self, words: list[str]) -> None:
        self.section = words[0][1:].lower()
        if self.section == "vertices":
            if self.count >= 0:
                raise DataError(
                    f"{self.path} holds several networks or vectors. Save each network "
                    "in a file of its own."
                )
            self.count = int(words[1])
            check_claimed_size(
                BYTES_PER_NODE * self.count,
                self.path.stat().st_size,
                f"{self.path} has {self.count:,} vertices",
                "Save only those that have edges.",
            )
            if len(words) > 2:
                self.ignored.add("the number of vertices of the first mode")
        elif self.section not in KNOWN_SECTIONS:
            self.ignored.add(f"*{self.section}")
        elif len(words) > 1 and self.section in ("edges", "arcs"):
            self.relations.add(words[-1])  # *Arcs :1 "knows"

    def _add(self, words: list[str]) -> None:
        if self.section == "vertices":
            vertex = self._vertex(words[0])
            self.labels[vertex] = words[1] if len(words) > 1 else words[0]
            if len(words) > 2:
                self.ignored.add("positions and shapes of the vertices")
        elif self.section in ("edges", "arcs"):
            weight = float(words[2]) if len(words) > 2 else 1.0
            edge = (self._vertex(words[0]), self._vertex(words[1]), weight)
            (self.edges if self.section == "edges" else self.arcs).append(edge)
            if len(words) > 3:
                self.ignored.add("further values of the edges")
        elif self.section in ("edgeslist", "arcslist"):
            first, *others = map(self._vertex, words)
            lines = [(first, other, 1.0) for other in others]
            (self.edges if self.section == "edgeslist" else self.arcs).extend(lines)
        elif self.section == "matrix":
            self.matrix_row += 1
            row = self._vertex(str(self.matrix_row))
            if len(words) != self.count:
                raise ValueError
            values = enumerate(map(float, words), 1)
            self.arcs += [(row, column, value) for column, value in values if value]

    def _vertex(self, word: str) -> int:
        if not 1 <= int(word) <= self.count:
            raise ValueError
        return int(word)

    def _to_graph(self) -> Any:
        import networkx as nx

        graph: Any = nx.MultiDiGraph() if self._is_directed() else nx.MultiGraph()
        numbers = range(1, self.count + 1)
        names = [self.labels.get(number, str(number)) for number in numbers]
        if len(set(names)) == len(names):
            graph.add_nodes_from(names)
        else:
            classes = {number: self.labels.get(number) for number in numbers}
            graph.add_nodes_from((str(k), {"label": classes[k]}) for k in numbers)
            names = [*map(str, numbers)]
        edges = self.edges + self.arcs
        if graph.is_directed():
            edges += [(v, u, weight) for u, v, weight in self.edges if u != v]
        elif self.arcs:  # a symmetric matrix lists each edge twice
            edges = self.edges + [arc for arc in self.arcs if arc[0] <= arc[1]]
        weighted = any(weight != 1 for _, _, weight in edges)
        for u, v, weight in edges:
            values = {"weight": weight} if weighted else {}
            graph.add_edge(names[u - 1], names[v - 1], **values)
        notes = [f"ignored: {', '.join(sorted(self.ignored))}"] if self.ignored else []
        if self.relations:
            names = quote_names(sorted(self.relations))
            notes.append(f"relations of edges are ignored: {names}")
        if self.arcs and self.edges:
            notes.append("*Edges are read as arcs in both directions, beside *Arcs")
        graph.graph[NOTES] = notes
        return graph

    def _is_directed(self) -> bool:
        """True for arcs, unless they are a symmetric matrix."""
        if not self.matrix_row:
            return bool(self.arcs)
        return {*self.arcs} != {(v, u, weight) for u, v, weight in self.arcs}


KNOWN_SECTIONS = (
    *("network", "vertices", "edges", "arcs", "edgeslist", "arcslist", "matrix"),
)
