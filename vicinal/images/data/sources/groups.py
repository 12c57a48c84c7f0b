"""Groups that the user knows: bursts, patients, sites, films.

Images of one group are not independent, so a score is honest only if each group stays
in one split. Groups come from a file name or a table column: `patient(\\d+)` finds the
patient in `ward3/patient17_left.png`.

A grouping is an array [N] of group numbers, 0 to G - 1, in order of first appearance.
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
    r"""Return group numbers [N]: names with the same matched text form a group.

    pattern: a regular expression, searched anywhere in a name. The text matched by its
        first capturing group identifies the group, or the whole match if it has none.
    A name without a match, or with an empty one, is a group of its own.

    Raises SettingError for an invalid regular expression, or if no name matches.

        >>> groups_from_pattern(["p1_a.png", "p2_a.png", "p1_b.png"], r"p(\d+)")
        array([0, 1, 0])
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise SettingError(
            f"The group pattern must be a regular expression. Got {pattern}: "
            rf"{error}. Example: 'patient(\d+)'."
        ) from error
    matches = [expression.search(name) for name in names]
    index = min(expression.groups, 1)
    texts = [match[index] or None if match else None for match in matches]
    if len(names) and not any(texts):
        shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        raise SettingError(
            f"The group pattern {pattern} matches none of the {len(names)} names: "
            f"{shown}. It is searched in the whole path and is case-sensitive."
        )
    return _number_groups(texts)


def groups_from_column(values: Iterable[Any]) -> np.ndarray:
    """Return group numbers [N] of a table column: equal cells form a group.

    Leading and trailing spaces are ignored. An empty cell (None, NaN, spaces) is a
    group of its own: two images with unknown group are not thereby related.
    """
    return _number_groups([_cell_value(value) for value in values])


def merge_groups(*groupings: np.ndarray) -> np.ndarray:
    """Return the finest grouping [N] that is coarser than each of the groupings [N].

    Two images are in one group if a chain of images links them in which neighbours
    share a group of any grouping: the connected components of the graph whose nodes are
    images and groups. Raises ValueError without groupings, or for different lengths.
    """
    if len({len(groups) for groups in groupings}) != 1:
        raise ValueError(
            "merge_groups needs one or more groupings of the same images. Got lengths "
            f"{[len(groups) for groups in groupings]}."
        )
    n = num_nodes = len(groupings[0])
    group_nodes = []
    for groups in groupings:
        numbers, inverse = np.unique(groups, return_inverse=True)
        group_nodes.append(num_nodes + inverse)
        num_nodes += len(numbers)
    edges = np.tile(np.arange(n), len(groupings)), np.concatenate(group_nodes)
    graph = coo_array((np.ones(len(edges[0])), edges), (num_nodes, num_nodes))
    components = connected_components(graph, directed=False)[1]
    return _number_groups(components[:n].tolist())


def _cell_value(value: Any) -> Hashable:
    """Return a cell's value; None if it is empty."""
    if is_missing(value):
        return None
    return value.strip() or None if isinstance(value, str) else value


def _number_groups(keys: Sequence[Hashable]) -> np.ndarray:
    """Return numbers [N] of keys, in order of appearance; each None is its own."""
    numbers: dict[Hashable, int] = {}
    unique = ((row, None) if key is None else key for row, key in enumerate(keys))
    return np.array([numbers.setdefault(k, len(numbers)) for k in unique], np.int64)
