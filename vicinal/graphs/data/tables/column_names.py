"""Names of columns by which tables of edges and nodes are recognised.

Only the standard library, as in `text_files`.
"""

import re
from collections.abc import Container, Sequence
from typing import Any

SOURCE_COLUMNS = (
    *("source", "src", "source_id", "from", "head", "node1", "node_1", "id1", "id_1"),
    *("start", "source_node", "from_node", "u", "i", ":start_id"),
)
TARGET_COLUMNS = (
    *("target", "dst", "dest", "dest_id", "target_id", "to", "tail", "node2", "node_2"),
    *("id2", "id_2", "end", "target_node", "to_node", "v", "j", ":end_id"),
)
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
"""names of the two ends, where they are the first two columns"""

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


def lower(name: Any) -> str:
    return str(name).strip().lower()


def is_row_number_name(name: Any) -> bool:
    """Return True for the name of a column of row numbers, as pandas and R write it."""
    return lower(name) in ROW_NUMBER_COLUMNS or lower(name).startswith("unnamed:")


def named_ends(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the columns of source and target that their usual names tell; or None."""
    known: dict[str, Any] = {}
    for name in names:
        known.setdefault(lower(name), name)
    source = next((known[name] for name in SOURCE_COLUMNS if name in known), None)
    target = next((known[name] for name in TARGET_COLUMNS if name in known), None)
    return None if source is None or target is None else (source, target)


def paired_ends(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return two columns whose names are alike, such as user_a and user_b; or None.

    They are the first two, behind row numbers, unless they begin with source and
    target, or the like.
    """
    for name in names:
        match = BEGINNINGS.fullmatch(lower(name))
        for partner in names if match else ():
            same = BEGINNINGS.fullmatch(lower(partner))
            if match and same and same[2] == match[2] and _is_pair(match[1], same[1]):
                return name, partner
    first = [name for name in names if not is_row_number_name(name)][:2]
    if len(first) < 2:
        return None
    a, b = map(lower, first)
    one, two = ENDS.fullmatch(a), ENDS.fullmatch(b)
    if one and two and one[1] == two[1] and OTHER_END.get(one[2]) == two[2]:
        return first[0], first[1]
    both_ids = all(name.endswith("id") and name not in ID_COLUMNS for name in (a, b))
    return (first[0], first[1]) if both_ids or (a, b) in PAIRS else None


def _is_pair(source: str, target: str) -> bool:
    """Return True for two words such as source and target."""
    other = OTHER_END.get(source)
    return target == other or (target == "dest" and other in ("target", "dst"))


def only_two_columns(names: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the two columns of a table that has no others but row numbers; or None."""
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
    if found is None and paired_ends(names) is not None:
        stem = names[0].rstrip("12ab_-. ")  # user1 and user2 may be nodes as well
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
