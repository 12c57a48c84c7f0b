"""Tables of edges whose two columns name different kinds of nodes: user_id, item_id.

User 7 and item 7 are two nodes. Where both columns have a name in common, the nodes are
called `user_id:7` and `item_id:7`. `source` and `target`, `citing` and `cited`, or
`user_a` and `user_b` name one kind of node.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vicinal.core.text import pluralize

WITHOUT_KIND = frozenset(
    "id ids uid uuid key code name names no nr num number idx index node vertex "
    "entity the of a b c i j u v x y n m".split()
)
"""words in the name of a column that say nothing of the kind of node"""

ROLES = frozenset(
    "source src target tgt dst dest destination from to origin start end begin head "
    "tail subject object left right in out sender receiver recipient citing cited "
    "cites reference follower followee followed following follows friend neighbor "
    "neighbour other partner peer caller callee payer payee first second upstream "
    "downstream previous next predecessor successor linked related similar contact "
    "colleague".split()
)
"""words for the part that a node plays in an edge, which say nothing of its kind"""

ROLE_PAIRS = frozenset(
    frozenset(pair.split())
    for pair in (
        *("parent child", "mother child", "father child", "predator prey"),
        *("boss employee", "manager employee", "supervisor employee", "mentor mentee"),
        *("manager subordinate", "buyer seller", "lender borrower", "giver taker"),
        *("winner loser", "home away", "ancestor descendant", "ego alter"),
        *("nominator nominee", "rater ratee", "truster trustee", "trustor trustee"),
        *("inviter invitee", "exporter importer"),
    )
)
"""roles of one kind of node, where they are those of both columns"""

MAX_SHARED = 0.1
"""share of the names of a column that may be in the other one as well, if they are no
numbers: different things are rarely called alike"""

DIFFERENT = "name different nodes"
"""part of the note on columns whose equal names are kept apart"""


class Sides(NamedTuple):
    """Edges between two kinds of nodes."""

    ids: np.ndarray
    source: np.ndarray
    target: np.ndarray
    sides: np.ndarray
    """[N] int8: 0 for nodes of the first column, 1 for those of the second, else -1"""

    notes: list[str]


def name_two_kinds(first: str, second: str) -> bool:
    """Return True if the names of two columns are those of different kinds of nodes."""
    one, two = _words(first), _words(second)
    if not one or not two or (one | two) & ROLES or one | two in ROLE_PAIRS:
        return False
    return not (one <= two or two <= one)


def _words(name: str) -> set[str]:
    """Return the words of `userId`, `user_id` or `User ID` that name a kind."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = {word.lower() for word in re.split(r"[\W_\d]+", spaced)}
    words = {word.removesuffix("id") if len(word) > 4 else word for word in words}
    return words - WITHOUT_KIND - {""}


def separate_sides(
    ids: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    columns: Sequence[str],
    *,
    forced: bool = False,
) -> Sides | None:
    """Return edges whose sources and targets are different nodes, or None.

    ids [N]: names; source, target [E]: rows of `ids`, from the two `columns`. None
    where these name one kind of node, or share many names that are no numbers; forced:
    never.
    """
    if not forced and not name_two_kinds(*columns):
        return None
    first, second = np.unique(source), np.unique(target)
    shared = np.intersect1d(first, second, assume_unique=True)
    sides = np.full(len(ids), -1, np.int8)
    if not len(shared):
        sides[first], sides[second] = 0, 1
        return Sides(ids, source, target, sides, [])
    many = len(shared) > MAX_SHARED * min(len(first), len(second))
    if not forced and many and not all(name.isdecimal() for name in ids[shared]):
        return None
    names = [f"{columns[0]}:{name}" for name in ids[first]]
    names += [f"{columns[1]}:{name}" for name in ids[second]]
    note = (
        f"the columns {columns[0]} and {columns[1]} {DIFFERENT}, and have "
        f"{pluralize(len(shared), 'name')} in common: the nodes are called "
        f"{columns[0]}:{ids[shared[0]]} and {columns[1]}:{ids[shared[0]]} (--domain "
        "links --bipartite no: equal names are one node)"
    )
    return Sides(
        np.array(names, dtype=object),
        np.searchsorted(first, source),
        len(first) + np.searchsorted(second, target),
        np.repeat([0, 1], [len(first), len(second)]).astype(np.int8),
        [note],
    )
