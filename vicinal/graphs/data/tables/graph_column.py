"""A column `graph_id` in tables that are read as one graph.

Tables of many graphs name the nodes of each graph anew. Read as one graph, nodes of the
same name would be merged, which is refused; otherwise a note names the column.
"""

from collections.abc import Iterable
from typing import Any

from vicinal.errors import DataError
from vicinal.graphs.data.tables.column_names import GRAPH_COLUMNS, lower
from vicinal.graphs.data.tables.end_columns import cells_as_text, find_column

CERTAIN_COLUMNS = ("graph_id", "graphid")
"""names that mean a column of graphs; `graph` and `g` may as well mean a feature"""

HINT = "if it names graphs to learn from, use --domain graphs"


class GraphColumn:
    """Collects the graph of each node from the tables of one graph.

    named: columns that the user chose for labels or groups, which need no note.
    """

    def __init__(self, named: Iterable[str | None] = ()) -> None:
        self.notes: list[str] = []
        self._named = {lower(name) for name in named}
        self._graph_of: dict[str, str] = {}

    def add(self, frame: Any, name_columns: Iterable[Any], effect: str) -> None:
        """Add the nodes that some columns of a table name.

        effect: what becomes of the column of graphs, for the note. Raises DataError if
        a node is in two graphs.
        """
        column = find_column(frame, GRAPH_COLUMNS)
        if column is None:
            return
        if _is_certain(column):
            self._note(column, f"the column {str(column)!r} {effect}; {HINT}")
        graphs = cells_as_text(frame[column])
        for name_column in name_columns:
            cells = zip(cells_as_text(frame[name_column]), graphs, strict=True)
            for name, graph in dict.fromkeys(cells):
                if name and graph and self._graph_of.setdefault(name, graph) != graph:
                    self._refuse_merging(column, name, graph)

    def _refuse_merging(self, column: Any, name: str, graph: str) -> None:
        """Raise DataError for a node of two graphs; a note if the column may differ."""
        first = self._graph_of[name]
        text = f"{name!r} is a node of {first!r} and of {graph!r}"
        if not _is_certain(column):
            self._note(column, f"{text} in the column {str(column)!r}; {HINT}")
            return
        raise DataError(
            f"Nodes of different graphs have the same name: {text} in the column "
            f"{str(column)!r}. Read as one graph, they would be merged. Use --domain "
            "graphs to learn from whole graphs, or give each node a name of its own."
        )

    def _note(self, column: Any, text: str) -> None:
        """Keep the first note, unless the user named the column."""
        if not self.notes and lower(column) not in self._named:
            self.notes.append(text)


def _is_certain(column: Any) -> bool:
    return lower(column) in CERTAIN_COLUMNS
