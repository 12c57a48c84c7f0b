"""Reading of users, items and facts about items into `UserItems`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.data.labels import parse_number
from vicinal.core.data.quarantine import Quarantined, describe_row
from vicinal.core.text import pluralize
from vicinal.errors import DataError, SettingError
from vicinal.knowledge.recommendation.data.columns import (
    EXPECTED,
    UserItemRoles,
    find_roles,
    unused_columns_note,
)
from vicinal.knowledge.recommendation.data.item_facts import (
    ReadFacts,
    facts_of_pairs,
    read_item_facts,
)
from vicinal.knowledge.recommendation.data.tables import (
    BLANK,
    CodedColumn,
    Table,
    open_table,
)
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.settings import UserItemColumns

FIRST_REASONS = 3
"""quarantined rows that an error names"""

PROBLEMS = (
    "",
    "the user is empty",
    "the item is empty",
    "the name of the user contains a control character",
    "the name of the item contains a control character",
    "the rating is no number",
    "the weight is no number above 0",
    "the time is neither a number nor a date",
)


class Rows(NamedTuple):
    """N rows as numbers, and which can be used."""

    users: CodedColumn
    items: CodedColumn
    ratings: np.ndarray | None
    weights: np.ndarray | None
    times: np.ndarray | None
    """[N]; None: there is no such column"""

    problems: np.ndarray
    """[N] rows of PROBLEMS"""

    place_of: Callable[[int], str]
    """return where a row is, such as line 7"""

    quarantined: list[Quarantined]


def read_user_items(
    data: Any,
    items: Any = None,
    links: Any = None,
    columns: UserItemColumns | None = None,
) -> UserItems:
    """Return which user chose which item, and facts about the items.

    data: path of a CSV, TSV, TXT or Parquet file, or a DataFrame; a row is a user and
    an item, perhaps with a rating, a weight and a time. items, links: as for
    `read_item_facts`. columns: those that the user named, and the lowest rating of a
    liked item. Raises DataError if nothing can be used.
    """
    if links is not None and items is None:
        raise SettingError(
            "Links connect items with the entities of facts. Give the facts as well "
            "(--items FILE)."
        )
    columns = columns or UserItemColumns()
    table, roles, notes = open_user_items(data, columns)
    rows = read_rows(table, roles)
    used = rows.problems == 0
    if columns.min_rating is not None:
        if rows.ratings is None:
            raise DataError(
                "The table has no column of ratings, which a lowest rating needs. Name "
                "it with --rating-column, or leave --min-rating out."
            )
        below = used & (rows.ratings < columns.min_rating)
        used &= ~below
        notes.append(
            f"{pluralize(int(used.sum()), 'row')} with a rating of "
            f"{columns.min_rating:g} or more used, {int(below.sum()):,} with a lower "
            "one not"
        )
    elif rows.ratings is not None:
        notes.append("every rating counts as a choice (--min-rating N: from N on)")
    if not used.any():
        shown = "; ".join(map(describe_row, rows.quarantined[:FIRST_REASONS]))
        reasons = f"The first reasons: {shown}." if shown else "Lower --min-rating."
        count = pluralize(len(used), "row")
        raise DataError(f"None of {count} of users and items is usable. {reasons}")
    return _merge(rows, used, notes, (items, links))


def open_user_items(
    data: Any, columns: UserItemColumns
) -> tuple[Table, UserItemRoles, list[str]]:
    """Return a table, its columns, and notes on how it is read."""
    is_named = columns.user_column is not None or columns.item_column is not None
    table = open_table(data, EXPECTED, header=True if is_named else None)
    if table.has_header:
        roles = find_roles(table.names, columns)
        return table, roles, unused_columns_note(roles)
    if not 2 <= len(table.names) <= 4:
        raise DataError(
            f"{table.source} has no header, and {len(table.names)} columns. Expected "
            f"{EXPECTED}. Add a first line with the names of the columns."
        )
    names = [*table.names, None, None]
    roles = UserItemRoles(table.names[0], table.names[1], names[2], None, names[3], [])
    read_as = ", ".join(("user", "item", "rating", "time")[: len(table.names)])
    return table, roles, [f"no header: the columns are read as {read_as}"]


# --- rows ----------------------------------------------------------------------------


def read_rows(table: Table, roles: UserItemRoles) -> Rows:
    """Return the rows as numbers, and those that cannot be used with the reasons."""
    columns, line_of = table.read(roles.used)
    by_name = dict(zip(roles.used, columns, strict=True))
    users, items = by_name[roles.user], by_name[roles.item]
    problems = np.zeros(len(users.codes), np.int8)

    def note(rows: np.ndarray, problem: int) -> None:
        problems[(problems == 0) & rows] = problem

    note(users.codes == BLANK, 1)
    note(items.codes == BLANK, 2)
    note(_flags(users), 3)
    note(_flags(items), 4)
    ratings = None if roles.rating is None else numbers(by_name[roles.rating])
    weights = None if roles.weight is None else numbers(by_name[roles.weight])
    times = None if roles.time is None else parse_times(by_name[roles.time])
    if ratings is not None:
        note(np.isnan(ratings), 5)
    if weights is not None:
        note(~(weights > 0), 6)
    if times is not None:
        note(np.isnan(times), 7)

    def place_of(row: int) -> str:
        return f"{table.unit} {line_of(row)}"

    quarantined = [
        Quarantined(
            place_of(row),
            f"{users.text(row)} {items.text(row)}".strip(),
            PROBLEMS[problems[row]],
        )
        for row in np.flatnonzero(problems).tolist()
    ]
    return Rows(users, items, ratings, weights, times, problems, place_of, quarantined)


def _flags(column: CodedColumn) -> np.ndarray:
    """Return [N] bool: rows whose name has a problem."""
    return np.append(column.have_problems, False)[column.codes]


def numbers(column: CodedColumn) -> np.ndarray:
    """Return the cells [N] as numbers; NaN for others."""
    values = [parse_number(cell) for cell in column.cells]
    known = [np.nan if value is None else value for value in values]
    return np.array([*known, np.nan])[column.codes]


def parse_times(column: CodedColumn) -> np.ndarray:
    """Return the cells [N] as numbers that increase with time; NaN for no time.

    Dates are nanoseconds since 1970, where not all cells are numbers.
    """
    import pandas as pd

    values = numbers(column)
    if not np.isnan(values[column.codes != BLANK]).any():
        return values
    cells = pd.Series(column.cells, dtype=object)
    dates = pd.to_datetime(cells, errors="coerce", format="mixed", utc=True)
    known = dates.to_numpy("datetime64[ns]").astype(np.int64).astype(float)
    known[dates.isna().to_numpy()] = np.nan
    return np.append(known, np.nan)[column.codes]


# --- numbers of the table ------------------------------------------------------------


def _merge(
    rows: Rows, used: np.ndarray, notes: list[str], facts: tuple[Any, Any]
) -> UserItems:
    """Return the table of the usable rows, a row that is repeated once."""
    user_codes, users = _sorted(rows.users, used)
    item_codes, items = _sorted(rows.items, used)
    found, quarantined = ReadFacts([], [], []), list(rows.quarantined)
    if facts[0] is not None:
        found = read_item_facts(*facts, known=list(items))
        quarantined += found.quarantined
        names = sorted({*items, *(item for item, _ in found.pairs)})
        places = {name: row for row, name in enumerate(names)}
        item_codes = np.array([places[name] for name in items])[item_codes]
        if more := len(names) - len(items):
            notes.append(f"{pluralize(more, 'item')} that no user has chosen yet")
        items = np.array(names, object)
    codes, inverse = np.unique(
        user_codes * len(items) + item_codes, return_inverse=True
    )
    repeated = len(inverse) - len(codes)
    if repeated:
        kept = [] if rows.weights is None else ["weights summed"]
        kept += [] if rows.times is None else ["the last time kept"]
        also = f": {', '.join(kept)}" if kept else ""
        text = f"{pluralize(repeated, 'row')} repeat a user and an item"
        notes.append(f"{text}; each pair is used once{also}")
    weights = np.ones(len(codes))
    if rows.weights is not None:
        weights = np.bincount(inverse, rows.weights[used])
    times = None
    if rows.times is not None:
        times = np.full(len(codes), -np.inf)
        np.maximum.at(times, inverse, rows.times[used])
    starts = np.searchsorted(codes, np.arange(len(users) + 1) * len(items))
    table = csr_matrix(
        (weights.astype(np.float32), codes % len(items), starts),
        shape=(len(users), len(items)),
    )
    shared, fact_notes = facts_of_pairs(found.pairs, list(items))
    if facts[0] is not None:
        notes = [*notes, *found.notes, *fact_notes]
    return UserItems(
        users=users,
        items=items,
        weights=table,
        times=times,
        has_weights=rows.weights is not None,
        facts=shared,
        num_rows=len(used),
        quarantined=quarantined,
        notes=notes,
    )


def _sorted(column: CodedColumn, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes [N'] in the ascending order of the names, and the names."""
    cells = np.array(column.cells, object)
    present = np.unique(column.codes[used])
    order = sorted(present.tolist(), key=column.cells.__getitem__)
    places = np.zeros(len(cells), np.int64)
    places[order] = np.arange(len(order))
    return places[column.codes[used]], cells[order]
