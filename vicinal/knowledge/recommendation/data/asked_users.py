"""Tables of the users who get recommendations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.text import pluralize
from vicinal.knowledge.recommendation.data.columns import find_user_and_item
from vicinal.knowledge.recommendation.data.read import (
    open_user_items,
    read_rows,
)
from vicinal.knowledge.recommendation.data.tables import open_table
from vicinal.knowledge.recommendation.settings import UserItemColumns


@dataclass(frozen=True)
class AskedUsers:
    """Users of the table, and new users with the weights of their items."""

    names: list[str]
    new: dict[str, dict[str, float]]
    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_asked(
    path: str, users: Mapping[str, int], items: Mapping[str, int]
) -> AskedUsers:
    """Return the users of a file.

    path: a table with a column of users, who are known; or with columns of users and
    items, which are those of new users. users, items: the rows of known ones.
    """
    table = open_table(path, "user[,item]", header=None)
    user, item = find_user_and_item(table.names)
    if table.has_header and user is not None and item is not None:
        return _new_users(path, users, items)
    has_name = user is not None or table.names[0] not in users
    if table.has_header and not has_name:  # a list whose first name is no number
        table = open_table(path, "user", header=False)
    (column,), line_of = table.read([user or table.names[0]])
    names, quarantined = list[str](), list[Quarantined]()
    for row in range(len(column.codes)):
        name = column.text(row)
        if name in users:
            names.append(name)
            continue
        reason = "there is no such user" if name else "the user is empty"
        quarantined.append(Quarantined(f"{table.unit} {line_of(row)}", name, reason))
    return AskedUsers([*dict.fromkeys(names)], {}, quarantined)


def _new_users(
    path: str, users: Mapping[str, int], items: Mapping[str, int]
) -> AskedUsers:
    """Return the items of new users; those that are not known are quarantined."""
    table, roles, notes = open_user_items(path, UserItemColumns())
    rows = read_rows(table, roles)
    found, quarantined = dict[str, dict[str, float]](), list(rows.quarantined)
    weights = np.ones(len(rows.problems)) if rows.weights is None else rows.weights
    for row in np.flatnonzero(rows.problems == 0).tolist():
        name, item = rows.users.text(row), rows.items.text(row)
        if item not in items:
            reason = f"there is no item {item!r}"
            quarantined.append(Quarantined(rows.place_of(row), name, reason))
            continue
        own = found.setdefault(name, {})
        own[item] = own.get(item, 0.0) + float(weights[row])
    if known := sum(name in users for name in found):
        notes.append(
            f"{pluralize(known, 'user')} of the training data recommended by the items "
            "of this file alone"
        )
    return AskedUsers([], found, quarantined, notes)
