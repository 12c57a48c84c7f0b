"""Cardinality of relations (Bordes et al., 2013): 1-1, 1-N, N-1 or N-N."""

from typing import NamedTuple

import numpy as np

from vicinal.knowledge.data.triple_table import pair_codes

MANY = 1.5
"""tails per head, or heads per tail, from which on they are N"""


class Cardinality(NamedTuple):
    """How many heads and tails a relation has."""

    relation: int
    num_triples: int

    num_heads: int
    """different heads"""

    num_tails: int
    """different tails"""

    tails_per_head: float
    """mean over the heads; 0 if the relation has no triples"""

    heads_per_tail: float
    """mean over the tails"""

    @property
    def kind(self) -> str:
        """Return 1-1, 1-N, N-1 or N-N: heads of a tail, and tails of a head."""
        first = "N" if self.heads_per_tail >= MANY else "1"
        second = "N" if self.tails_per_head >= MANY else "1"
        return f"{first}-{second}"


def relation_cardinalities(
    triples: np.ndarray, num_entities: int, num_relations: int
) -> list[Cardinality]:
    """Return the cardinality of each of the relations. triples: [N, 3], each once."""
    heads, relations, tails = triples.T
    counts = np.bincount(relations, minlength=num_relations)
    num_heads, num_tails = (
        np.bincount(
            np.unique(pair_codes(relations, ends, num_entities)) // num_entities,
            minlength=num_relations,
        )
        for ends in (heads, tails)
    )
    rows = zip(counts.tolist(), num_heads.tolist(), num_tails.tolist(), strict=True)
    return [
        Cardinality(k, count, h, t, count / max(h, 1), count / max(t, 1))
        for k, (count, h, t) in enumerate(rows)
    ]
