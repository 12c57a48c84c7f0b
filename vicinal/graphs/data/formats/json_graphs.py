"""Graphs in JSON: node-link, adjacency and Cytoscape.

NetworkX writes all of them, d3 the first, Cytoscape and Cytoscape.js the last. Each is
brought into the node-link form, which is then read.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.errors import DataError

NOTES = "vicinal notes"
"""graph attribute that carries notes about the file"""

SIMPLE = "vicinal simple"
"""key of a graph whose edges are listed in both directions: adjacency data"""

BYTES_PER_BYTE = 30
"""memory for each byte of JSON"""

ID_ATTRIBUTES = ("name", "value", "shared_name", "SUID")
"""attributes of Cytoscape that may repeat the id"""


def read_json(path: Path, directed: bool = False) -> Any:
    """Return the NetworkX graph of a JSON file.

    directed: whether edges are, where the file does not say.
    """
    size = path.stat().st_size
    check_claimed_size(
        BYTES_PER_BYTE * size,
        size,
        f"{path} is JSON",
        "Save a smaller graph, or save it as arrays (npz).",
    )
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    node_link, notes = _as_node_link(data, path)
    return _from_node_link({"directed": directed, **node_link}, notes, path)


def _as_node_link(data: Any, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the node-link form of a graph, and notes."""
    if isinstance(data, list) and data and all(map(_is_element, data)):
        return _from_cytoscape({"elements": data})
    if isinstance(data, dict):
        if "elements" in data:
            return _from_cytoscape(data)
        if "adjacency" in data and "nodes" in data:
            return _from_adjacency(data), []
        if "nodes" in data and ("links" in data or "edges" in data):
            key = "links" if "links" in data else "edges"
            return {**data, "links": data[key]}, []
    got = type(data).__name__
    if isinstance(data, dict):
        got = f"the keys {', '.join([*data][:10])}"
    elif isinstance(data, list) and data:
        got = f"a list of {type(data[0]).__name__}"
    raise DataError(
        f"{path} cannot be read: its JSON must be of NetworkX (nodes and links, or "
        f"nodes and adjacency) or Cytoscape (elements). Got {got}. Convert it, or save "
        "the edges as CSV with the columns source,target."
    )


def _is_element(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("data"), dict)


def _from_adjacency(data: dict[str, Any]) -> dict[str, Any]:
    """Return the node-link form of `networkx.adjacency_data`."""
    nodes, neighbors = data["nodes"], data["adjacency"]
    if len(nodes) != len(neighbors):
        raise DataError(
            f"There must be a list of neighbours for each of {len(nodes):,} nodes. Got "
            f"{len(neighbors):,}."
        )
    links = [
        {**neighbor, "source": node["id"], "target": neighbor["id"]}
        for node, items in zip(nodes, neighbors, strict=True)
        for neighbor in items
    ]
    for link in links:
        del link["id"]
    is_multigraph = _flag(data.get("multigraph", False), "multigraph")
    return {**data, "links": links, SIMPLE: not is_multigraph}


def _from_cytoscape(data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the node-link form of elements: by kind, or in one list."""
    elements = data["elements"]
    if isinstance(elements, dict):
        elements = [*elements.get("nodes", ()), *elements.get("edges", ())]
    nodes, links, others = [], [], set()
    for element in elements:
        values = dict(element["data"])
        others |= {key for key in element if key not in ("data", "group")}
        if element.get("group") == "edges" or {"source", "target"} <= values.keys():
            links.append({**values, **_texts(values, ("source", "target"))})
            links[-1].pop("id", None)
        else:
            nodes.append({**values, **_texts(values, {"id"} & values.keys())})
    for name in ID_ATTRIBUTES:
        if all(str(node.get(name)) == node.get("id") for node in nodes):
            for node in nodes:
                del node[name]
    notes = []
    if others:
        notes.append(f"keys of the elements ignored: {', '.join(sorted(others))}")
    return {**data, "nodes": nodes, "links": links}, notes


def _texts(values: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    return {name: str(values[name]) for name in names}


def _from_node_link(data: dict[str, Any], notes: list[str], path: Path) -> Any:
    """Return the NetworkX graph of node-link data.

    Edges may also refer to positions in the list of nodes, as those of d3 do.
    """
    import networkx as nx

    nodes, links = data["nodes"], data["links"]
    for items, kind in ((nodes, "nodes"), (links, "edges")):
        if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
            raise DataError(f"{path} must hold a list of objects as its {kind}.")
    id_key = next((k for k in ("id", "name") if all(k in n for n in nodes)), None)
    if id_key is None:
        raise DataError(f"{path} has nodes without an id.")
    names = [node[id_key] for node in nodes]
    for name in names:
        if not isinstance(name, (str, int, float)) or name != name:
            raise DataError(f"{path} has the node {name!r}; ids are texts or numbers.")
    known = set(names)
    if len(known) < len(names):
        repeated = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"{path} lists the node {repeated!r} twice.")
    if not all({"source", "target"} <= link.keys() for link in links):
        raise DataError(f"{path} has edges without source and target.")
    if SIMPLE not in data:  # keys of parallel edges may repeat
        links = [{k: v for k, v in link.items() if k != "key"} for link in links]
    links, more = _resolve_ends(links, names, path)
    flags = {
        "directed": _flag(data["directed"], "directed"),
        "multigraph": not data.get(SIMPLE, False),  # so that duplicates are merged
    }
    graph = nx.node_link_graph(
        {**flags, "nodes": nodes, "links": links}, edges="links", name=id_key
    )
    graph.graph[NOTES] = [*notes, *more]
    return graph


def _flag(value: Any, name: str) -> bool:
    """Return a flag, which may be a text; DataError if it is none."""
    known = {"true": True, "1": True, "false": False, "0": False, "none": False}
    found = known.get(str(value).strip().lower())
    if found is None:
        raise DataError(f"{name!r} must be true or false in JSON. Got {value!r}.")
    return found


def _resolve_ends(
    links: list[dict[str, Any]], names: list[Any], path: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return edges whose ends are names of nodes, and notes.

    They may be given as texts for numbers, or numbers for texts, or by position. Raises
    DataError for an end that is no node.
    """
    known = set(names)
    ends = [link[end] for link in links for end in ("source", "target")]
    unknown = [end for end in ends if isinstance(end, (list, dict)) or end not in known]
    if not unknown:
        return links, []
    by_text = {str(name): name for name in names}
    if len(by_text) == len(names) and all(str(end) in by_text for end in ends):
        return [_with_ends(link, lambda end: by_text[str(end)]) for link in links], []
    numeric_names = any(type(name) is int for name in names)
    if numeric_names or not _are_positions(ends, len(names)):
        raise DataError(f"{path} has an edge of {unknown[0]!r}, which is not a node.")
    links = [_with_ends(link, lambda end: names[end]) for link in links]
    return links, ["edges refer to nodes by position, starting with 0"]


def _are_positions(ends: list[Any], count: int) -> bool:
    return all(type(end) is int and 0 <= end < count for end in ends)


def _with_ends(edge: dict[str, Any], name_of: Callable[[Any], Any]) -> dict[str, Any]:
    return {**edge, **{end: name_of(edge[end]) for end in ("source", "target")}}
