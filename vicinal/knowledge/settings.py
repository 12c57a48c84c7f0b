"""Options of knowledge graphs. Flags and their help are generated from the fields."""

from dataclasses import dataclass

from vicinal.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class TripleColumns(Settings):
    """Columns of a table of triples. If one is named, the first line is a header."""

    head_column: str | None = None
    """column of heads; None: head, subject, source, from or the like"""

    relation_column: str | None = None
    """column of relations; None: relation, predicate, property, type or the like"""

    tail_column: str | None = None
    """column of tails; None: tail, object, target, to or the like"""

    @property
    def are_named(self) -> bool:
        """Return whether the user named a column."""
        return any((self.head_column, self.relation_column, self.tail_column))
