"""Groups that the user knows of: bursts, patients, sites, films.

Pictures of one group are not independent, and a score is honest only when a group stays
on one side of the split. What the pixels cannot tell, a file name or a column of the
table may: `patient(\\d+)` names the patient of `ward3/patient17_left.png`.

A grouping is an array [N] of group numbers, 0 to G - 1 in the order in which the groups
first appear. Several are joined into the finest grouping that is coarser than each.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vicinal.core.data.labels import is_missing
from vicinal.errors import SettingError


def groups_from_pattern(names: Sequence[str], pattern: str) -> np.ndarray:
    r"""Group numbers [N]: names in which the pattern finds the same text are a group.

    pattern: a regular expression, sought anywhere in a name. What its first pair of
        parentheses matches names the group; without parentheses, all that it matches.
    A name in which it finds nothing, or an empty text, is a group of its own.

    Raises SettingError when the pattern is no regular expression, or names no group.

        >>> groups_from_pattern(["p1_a.png", "p2_a.png", "p1_b.png"], r"p(\d+)")
        array([0, 1, 0])
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise SettingError(
            f"The pattern for groups must be a regular expression. Got {pattern}: "
            rf"{error}. An example: 'patient(\d+)'."
        ) from error
    found = [expression.search(name) for name in names]
    which = min(expression.groups, 1)
    texts = [match[which] or None if match else None for match in found]
    if len(names) and not any(texts):
        shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        raise SettingError(
            f"The pattern for groups, {pattern}, names no group in any of the "
            f"{len(names)} names: {shown}. It is sought in the whole path, and large "
            "and small letters differ."
        )
    return _numbered(texts)


def groups_from_column(values: Iterable[Any]) -> np.ndarray:
    """Group numbers [N] of a table's column: equal cells are a group.

    Spaces around a text do not count. An empty cell (None, NaN, a text of spaces) is a
    group of its own: that nothing is known of two pictures does not join them.
    """
    return _numbered([_cell(value) for value in values])


def joined(*groupings: np.ndarray) -> np.ndarray:
    """The finest grouping [N] that is coarser than each of the groupings [N] given.

    Two pictures are together when a chain of pictures leads from one to the other, in
    which neighbours share a group of any grouping: the connected components of the
    graph whose nodes are the pictures and the groups. ValueError for no grouping, or
    for groupings of different lengths.
    """
    if len({len(groups) for groups in groupings}) != 1:
        raise ValueError(
            "joined takes one or more groupings of the same pictures. Got lengths "
            f"{[len(groups) for groups in groupings]}."
        )
    n = total = len(groupings[0])
    group = []
    for groups in groupings:
        numbers, members = np.unique(groups, return_inverse=True)
        group.append(total + members)
        total += len(numbers)
    ends = np.tile(np.arange(n), len(groupings)), np.concatenate(group)
    links = coo_array((np.ones(len(ends[0])), ends), (total, total))
    components = connected_components(links, directed=False)[1]
    return _numbered(components[:n].tolist())


def _cell(value: Any) -> Hashable:
    """What a cell says; None where it is empty."""
    if is_missing(value):
        return None
    return value.strip() or None if isinstance(value, str) else value


def _numbered(names: Sequence[Hashable]) -> np.ndarray:
    """Numbers [N] of names, in order of appearance; each None has a number alone."""
    numbers: dict[Hashable, int] = {}
    keys = ((row, None) if name is None else name for row, name in enumerate(names))
    return np.array([numbers.setdefault(k, len(numbers)) for k in keys], dtype=np.int64)
