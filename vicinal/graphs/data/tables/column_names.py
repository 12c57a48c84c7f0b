"""Names of columns by which tables of edges and nodes are recognised.

Only the standard library, as in `text_files`.
"""

import re
from collections.abc import Container, Sequence
from itertools import pairwise
from typing import Any

SOURCE_COLUMNS = (
    *("source", "src", "source_id", "from", "head", "node1", "node_1", "id1", "id_1"),
    *("start", "source_node", "from_node", "u", "i", ":start_id", "fromnodeid"),
)
TARGET_COLUMNS = (
    *("target", "dst", "dest", "dest_id", "target_id", "to", "tail", "node2", "node_2"),
    *("id2", "id_2", "end", "target_node", "to_node", "v", "j", ":end_id"),
    "tonodeid",
)
MATRIX_ENDS = (("row", "col"), ("row", "column"))
"""names of the two ends in a list of the entries of a matrix"""

TIMES = (("start", "end"), ("from", "to"))
"""names that are times, if two other columns are a pair"""

GRAPH_COLUMNS = ("graph_id", "graph", "graphid", "g")
WEIGHT_COLUMNS = ("weight", "w", "edge_weight")
RELATION_COLUMNS = (
    *("relation", "rel", "edge_type", "type", ":type", "predicate", "interaction"),
)
"""columns that usually hold the relation; a note says so where they are not used"""

ID_COLUMNS = ("id", "node_id", ":id", "node", "name", "nodeid")
LABEL_COLUMNS = ("label", "class", "y", "labels", "target", "category")
SPLIT_COLUMNS = ("split", "set", "subset", "part")
ROW_NUMBER_COLUMNS = (
    *("", "x", "index", "idx", "rownames", "row", "row_number", "rowid", "level_0"),
    *("no", "no.", "nr", "#", "sno"),
)
"""what programs call the column of row numbers, besides `Unnamed: 0`"""

PAIRS = frozenset(
    {
        *(("payer", "payee"), ("citing", "cited"), ("follower", "followee")),
        *(("sender", "receiver"), ("sender", "recipient"), ("caller", "callee")),
        *(("buyer", "seller"), ("parent", "child"), ("follower", "followed")),
        *(("origin", "destination"), ("user", "item"), ("user", "movie")),
        *(("author", "paper"), ("person", "group"), ("nodea", "nodeb")),
    }
)
"""names of the two ends, where their columns are side by side"""

TIME_WORDS = frozenset(
    "date time datetime timestamp ts year month week day hour start end".split()
)
QUANTITIES = TIME_WORDS - {"start", "end"} | frozenset(
    "at on lat lon lng latitude longitude x y z weight type value amount count km "
    "age".split()
)
"""words for what the two ends of an edge have: a start date is no node"""

RECORDS = frozenset(
    "edge rating review transaction txn tx event record row interaction link relation "
    "relationship message log entry payment purchase transfer".split()
)
"""what the id of a whole row names, beside those of the ends"""

ID_SUFFIX = re.compile(r"[ _.-]?id$")
ENDS = re.compile(r"(.+?)[ _.-]?(1|2|a|b|from|to)")
BEGINNINGS = re.compile(r"(source|src|from|start|target|dst|dest|to|end)[ _.-](.+)")
OTHER_END = {
    "1": "2",
    "a": "b",
    "from": "to",
    "source": "target",
    "src": "dst",
    "start": "end",
}
NEO4J = re.compile(r"([^:]*)(:(?:ID|START_ID|END_ID|TYPE|LABEL))(?:\(.*\))?")
ID_SPACE = re.compile(r"[^:]*:(START|END)_ID\((.+)\)")
NEO4J_TYPE = re.compile(r"([^:]+):[a-z]+(\[\])?(\{.*\})?")


def plain_names(names: Sequence[Any]) -> list[str]:
    """Return stripped names, those of neo4j-admin (`age:int`, `:START_ID`) simplified.

    `personId:ID` becomes `:ID`.
    """
    plain = [str(name).strip() for name in names]
    special = [NEO4J.fullmatch(name) for name in plain]
    if not any(special):
        return plain
    for k, match in enumerate(special):
        if match:
            plain[k] = match[2]
        elif other := NEO4J_TYPE.fullmatch(plain[k]):
            plain[k] = other[1]
    return plain


def id_spaces(names: Sequence[Any]) -> tuple[str, str] | None:
    """Return the id spaces of `:START_ID(User)` and `:END_ID(Movie)`, if they differ.

    Names are unique within a space only. None: they are the same, or not given.
    """
    found = (ID_SPACE.fullmatch(str(name).strip()) for name in names)
    spaces = {match[1]: match[2] for match in found if match}
    start, end = spaces.get("START"), spaces.get("END")
    return None if start is None or end is None or start == end else (start, end)


def lower(name: Any) -> str:
    return str(name).strip().lower()


def is_row_number_name(name: Any) -> bool:
    """Return True for the name of a column of row numbers, as pandas and R write it."""
    return lower(name) in ROW_NUMBER_COLUMNS or lower(name).startswith("unnamed:")


def named_ends(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the columns of source and target, recognised by their usual names.

    None if there are none, or if they are times beside a pair: person1, person2, start
    and end.
    """
    known: dict[str, Any] = {}
    for name in names:
        known.setdefault(lower(name), name)
    source = next((known[name] for name in SOURCE_COLUMNS if name in known), None)
    target = next((known[name] for name in TARGET_COLUMNS if name in known), None)
    if source is not None and target is not None:
        others = [name for name in names if name not in (source, target)]
        is_time = (lower(source), lower(target)) in TIMES
        pair = _adjacent_pair(others) if is_time else None
        has_pair = pair is not None and not lower(pair[0]).endswith("from")
        return None if has_pair else (source, target)
    if known.keys() & {*ID_COLUMNS, *LABEL_COLUMNS}:  # of nodes in a grid
        return None
    pairs = ((known[a], known[b]) for a, b in MATRIX_ENDS if {a, b} <= known.keys())
    return next(pairs, None)


def paired_ends(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return two columns whose names are alike, such as user_a and user_b, or None.

    They are the first two, apart from row numbers, ids of records, and quantities; the
    only two ids; or two that begin with source and target, or the like.
    """
    pair = _find_pair(names)
    if pair is not None:
        return pair
    columns = _possible_ends(names)
    ids = list(filter(_is_id, columns))
    return (ids[0], ids[1]) if len(ids) == 2 and ids == columns[:2] else None


def are_unclear_ends(names: Sequence[Any]) -> bool:
    """Return True if ids may be the ends of edges, but it is unclear which of them.

    There are three or more columns of ids, or two of them beside `start` and `end`.
    """
    if {*map(lower, names)} & {*ID_COLUMNS}:  # a table of nodes
        return False
    ends = named_ends(names)
    num_ids = len(list(filter(_is_id, _possible_ends(names))))
    if ends is not None:
        return tuple(map(lower, ends)) == TIMES[0] and num_ids > 1
    return _find_pair(names) is None and num_ids > 2


def _find_pair(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return two columns whose names show that they are the two ends, or None."""
    for name in names:
        match = BEGINNINGS.fullmatch(lower(name))
        for partner in names if match and not _is_quantity(name) else ():
            same = BEGINNINGS.fullmatch(lower(partner))
            if match and same and same[2] == match[2] and _is_pair(match[1], same[1]):
                return name, partner
    return _adjacent_pair(names)


def _adjacent_pair(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return two columns side by side whose names are a pair, or None."""
    columns = _possible_ends(names)
    for first, second in pairwise(columns):
        if (_stem(first), _stem(second)) in PAIRS:
            return first, second
    if len(columns) < 2:
        return None
    one, two = (ENDS.fullmatch(lower(name)) for name in columns[:2])
    is_pair = one and two and one[1] == two[1] and OTHER_END.get(one[2]) == two[2]
    return (columns[0], columns[1]) if is_pair else None


def _possible_ends(names: Sequence[Any]) -> list[Any]:
    """Return the columns that are no row numbers, times or other quantities.

    Ids of records are left out too, if two of the other columns may be the ends.
    """
    names = [name for name in names if not _is_other(name)]
    rest = [name for name in names if not (_is_id(name) and _stem(name) in RECORDS)]
    num_ids = sum(map(_is_id, rest))
    return rest if len(rest) > 1 and num_ids != 1 else names


def _is_other(name: Any) -> bool:
    """Return True for a row number, a time or another quantity."""
    is_time = any(lower(name) in pair for pair in TIMES)
    return is_time or is_row_number_name(name) or _is_quantity(name)


def _is_id(name: Any) -> bool:
    """Return True for a column of ids, but not for one of the usual names of nodes."""
    return lower(name).endswith("id") and lower(name) not in ID_COLUMNS


def _stem(name: Any) -> str:
    """Return a name in lower case without the `_id` at its end."""
    return ID_SUFFIX.sub("", lower(name)) if _is_id(name) else lower(name)


def may_be_weight(name: Any) -> bool:
    """Return True unless the name is that of an id, a row number or a time."""
    return not (
        _is_id(name) or is_row_number_name(name) or bool(_words(name) & TIME_WORDS)
    )


def _words(name: Any) -> set[str]:
    return {*re.split(r"[\W_]+", lower(name))}


def _is_quantity(name: Any) -> bool:
    """Return True for names such as start_date, weight or time."""
    return not _is_id(name) and bool(QUANTITIES & _words(name))


def _is_pair(source: str, target: str) -> bool:
    """Return True for two words such as source and target."""
    other = OTHER_END.get(source)
    return target == other or (target == "dest" and other in ("target", "dst"))


def only_two_columns(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the two columns of a table without others than row numbers, or None."""
    others = [name for name in names if not is_row_number_name(name)]
    known = {*ID_COLUMNS, *LABEL_COLUMNS} & {lower(name) for name in others}
    return (others[0], others[1]) if len(others) == 2 and not known else None


def header_names(
    rows: Sequence[Sequence[str]], ids: Container[str] = ()
) -> tuple[list[str] | None, bool]:
    """Return the names of columns in the first row of a table of edges, or None.

    ids: names of nodes, if they are known. Also return whether that is certain.
    """
    names = plain_names(rows[0])
    if named_ends(names) is not None:
        return names, True
    found, nodes = is_header(rows), {cell for row in rows[1:] for cell in row[:2]}
    if found is None and any(cell in ids for cell in rows[0][:2]):
        found = False
    elif found is None and any(cell in ids for cell in nodes):
        found = True
    pair = paired_ends(names)
    if found is None and pair is not None:
        stem = pair[0].rstrip("12ab_-. ")  # user1 and user2 may be nodes as well
        found = not any(node.startswith(stem) for node in nodes)
    return (names if found else None), found is not None


def is_header(rows: Sequence[Sequence[str]]) -> bool | None:
    """Return whether the first row of a table of edges is a header; None: unclear.

    It is where a column of numbers begins with a text, and where names of nodes hold
    digits, but not those in the first row. It is not if it names a node of other rows.
    """
    first, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    nodes = {cell for row in body for cell in row[:2]}
    if not body or nodes & set(first[:2]):
        return False if body else None
    for k, cell in enumerate(first):
        column = [row[k] for row in body if row[k]]
        if column and not is_number(cell) and all(map(is_number, column)):
            return True
    if all(map(is_number, first[:2])):
        return False
    digits = re.compile(r"\d")
    if all(map(digits.search, nodes)) and not any(map(digits.search, first[:2])):
        return True
    return None


def is_number(text: str) -> bool:
    """Return True for a finite number."""
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
