"""Columns of tables of users and items, found by their names.

Only the standard library: data are recognised by their first line.
"""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from vicinal.core.data.csv_tables import named_column
from vicinal.core.data.labels import quote_names
from vicinal.errors import DataError
from vicinal.knowledge.recommendation.settings import UserItemColumns

EXPECTED = "user,item[,rating or weight][,time]"

USER_STEMS = (
    *("user", "customer", "visitor", "member", "reviewer", "client", "shopper"),
    *("listener", "reader", "viewer", "buyer", "subscriber", "account", "profile"),
)
ITEM_STEMS = (
    *("item", "artist", "movie", "film", "product", "track", "song", "album", "book"),
    *("isbn", "article", "asin", "parentasin", "game", "anime", "recipe", "business"),
    *("restaurant", "video", "show", "beer", "course", "sku", "stockcode", "stock"),
    *("content", "app", "venue", "poi", "podcast", "playlist", "page", "joke"),
)
ID_SUFFIXES = ("id", "", "code", "index", "number", "no", "uuid", "name", "title")
"""ends of the names of columns, those that are preferred first"""

RATING_NAMES = ("rating", "ratings", "stars", "star", "score", "overall", "bookrating")
WEIGHT_NAMES = (
    *("weight", "plays", "playcount", "numplays", "count", "quantity", "listens"),
    *("views", "clicks", "listencount", "frequency", "qty", "purchases", "hours"),
)
TIME_NAMES = (
    *("timestamp", "time", "datetime", "date", "unixreviewtime", "reviewtime"),
    *("ratedat", "createdat", "invoicedate", "eventtime", "ts", "orderdate"),
)
"""names in lower case, letters and numbers only"""


class UserItemRoles(NamedTuple):
    """What each column of a table of users and items is read as."""

    user: str
    item: str
    rating: str | None
    weight: str | None
    time: str | None
    others: list[str]
    """columns that are not read"""

    @property
    def used(self) -> list[str]:
        """Return the columns that are read."""
        names = (self.user, self.item, self.rating, self.weight, self.time)
        return [name for name in names if name is not None]

    def describe(self) -> str:
        """Return which column is read as what."""
        pairs = zip(self._fields, self[:5], strict=False)
        return ", ".join(f"{role} {name!r}" for role, name in pairs if name is not None)


def letters(name: str) -> str:
    """Return a name in lower case, letters and numbers only.

    A type behind a colon, as in RecBole's user_id:token, is left out.
    """
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def find_user_and_item(names: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the columns of users and of items by their names; None: there is none."""
    user = _first_of(names, USER_STEMS)
    rest = [name for name in names if name != user]
    return user, _first_of(rest, ITEM_STEMS)


def item_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that may name items, those that are preferred first."""
    return _columns_of(names, ITEM_STEMS)


def find_roles(names: Sequence[str], given: UserItemColumns) -> UserItemRoles:
    """Return the columns of a table of users and items.

    Raises DataError if there is none of users or of items, or if a column that the
    user named is missing.
    """
    table = "the table of users and items"
    asked = {
        "user": given.user_column,
        "item": given.item_column,
        "rating": given.rating_column,
        "weight": given.weight_column,
        "time": given.time_column,
    }
    named = {
        role: named_column(names, name, table)
        for role, name in asked.items()
        if name is not None
    }
    rest = [name for name in names if name not in named.values()]
    own_user = named.get("user") or _first_of(rest, USER_STEMS)
    rest = [name for name in rest if name != own_user]
    own_item = named.get("item") or _first_of(rest, ITEM_STEMS)
    for role, column in (("user", own_user), ("item", own_item)):
        if column is None:
            raise DataError(
                f"The table has no column of {role}s: expected {EXPECTED}. Got "
                f"{', '.join(names)}. Name it with --{role}-column."
            )
    assert own_user is not None and own_item is not None
    found = [
        named.get(role) or _named(rest, known)
        for role, known in (
            ("rating", RATING_NAMES),
            ("weight", WEIGHT_NAMES),
            ("time", TIME_NAMES),
        )
    ]
    used = {own_user, own_item, *found}
    others = [name for name in names if name not in used]
    return UserItemRoles(own_user, own_item, found[0], found[1], found[2], others)


def unused_columns_note(roles: UserItemRoles) -> list[str]:
    """Return a note on the columns that are not read."""
    if not roles.others:
        return []
    return [f"columns that are not read: {quote_names(roles.others)}"]


def _named(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the first of the known names that a column has."""
    by_name = {letters(name): name for name in reversed(names)}
    return next((by_name[name] for name in known if name in by_name), None)


def _first_of(names: Sequence[str], stems: Collection[str]) -> str | None:
    return next(iter(_columns_of(names, stems)), None)


def _columns_of(names: Sequence[str], stems: Collection[str]) -> list[str]:
    """Return columns whose names are a stem and perhaps a suffix, ids first."""
    return [
        name
        for suffix in ID_SUFFIXES
        for stem in stems
        for name in names
        if letters(name) in (stem + suffix, f"{stem}s{suffix}")
    ]
