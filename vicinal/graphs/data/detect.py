"""Whether a path holds a graph, or many: by names and first lines, without reading
more."""

from pathlib import Path

SURE = (
    ".graphml",
    ".gexf",
    ".gml",
    ".npz",
    ".mtx",
    ".mat",
    ".edges",
    ".edgelist",
    ".el",
)
"""endings that nothing but graphs have here"""

TABLES = (".csv", ".tsv", ".txt", ".json")
SOURCE = (
    *("source", "src", "source_id", "from", "head", "node1", "node_1", "id1", "id_1"),
    *("start", "source_node", "from_node", "u", "i"),
)
TARGET = (
    *("target", "dst", "dest", "dest_id", "target_id", "to", "tail", "node2", "node_2"),
    *("id2", "id_2", "end", "target_node", "to_node", "v", "j"),
)
"""names of the columns of an edge's ends"""

ENDS = frozenset({"source", "src", "source_id", "from", "head", "u"})
"""those that say by themselves what a table lists"""

ADJACENCY = ("adj", "adjacency", "A", "edges", "edge_index")
"""names of the array that holds the edges"""

GRAPH = ("graph_id", "graph", "graphid", "g")
"""names of the column that says which graph a row is of"""

NAMES = frozenset({"id", "node_id", "node", "nodeid"})
MOLECULES = frozenset({"smiles", "smi", "mol", "inchi"})
"""names of columns that tell of nodes, and of molecules"""

PATHS = frozenset({"path", "file", "filename", "file_name", "image", "image_path"})


def is_graph(data: str | Path) -> bool:
    """A folder with edges.csv, or with nodes.csv alone, which lacks them; a file of a
    graph's form, or a table of edges."""
    path = Path(data)
    ending = path.suffix.lower()
    if ending in SURE:
        return True
    if path.is_dir():
        arrays = any((path / f"{name}.npy").exists() for name in ADJACENCY)
        tables = ((path / name).exists() for name in ("edges.csv", "nodes.csv"))
        return arrays or any(tables)
    if ending not in TABLES or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = next((line for line in file if line.strip()), "")
            begins = head + file.read(4096)
    except OSError:
        return False
    if ending == ".json":  # NetworkX's node-link form
        return '"nodes"' in begins or '"multigraph"' in begins
    for mark in ",;\t":
        cells = {cell.strip().strip('"').lower() for cell in head.split(mark)}
        if cells & ENDS or (cells & set(SOURCE) and cells & set(TARGET)):
            return True
        if cells & PATHS or (len(cells) > 1 and "label" in cells):
            return False
    return head.startswith(("#", "%")) or (
        ending != ".csv" and len(head.split()) in (2, 3, 4)
    )


def lists_nodes(data: str | Path) -> bool:
    """Whether a path is a table of nodes, whose edges are another's: it names what it
    lists, and neither ends of edges nor files nor molecules."""
    path = Path(data)
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline().lower().replace(";", ",").replace("\t", ",")
    cells = {cell.strip().strip('"') for cell in head.split(",")}
    others = ENDS | PATHS | MOLECULES
    return len(cells) > 1 and bool(cells & NAMES) and not cells & others


def is_graph_set(data: str | Path) -> bool:
    """Whether a path holds many graphs."""
    path = Path(data)
    if path.is_dir():
        if tu_name(path) is not None or one_text(path) is not None:
            return True
        return (path / "edges.csv").exists() and has_graph_ids(path / "edges.csv")
    if not path.is_file():
        return False
    if path.suffix.lower() in (".csv", ".tsv"):
        return is_graph(path) and has_graph_ids(path)
    return path.suffix.lower() == ".txt" and _is_one_text(path)


def tu_name(folder: Path) -> str | None:
    """The name of a TU data set in a folder."""
    found = sorted(folder.glob("*_graph_indicator.txt"))
    return found[0].name.removesuffix("_graph_indicator.txt") if found else None


def one_text(folder: Path) -> Path | None:
    """The text of many graphs in a folder of the same name."""
    path = folder / f"{folder.name}.txt"
    return path if path.is_file() and _is_one_text(path) else None


def _is_one_text(path: Path) -> bool:
    """Whether its first line is a number, and its second two."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first, second = file.readline().split(), file.readline().split()
    return len(first) == 1 and len(second) == 2 and first[0].isdigit()


def has_graph_ids(path: Path) -> bool:
    """Whether the first line of a table names a column of graphs."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline().lower().replace(";", ",").replace("\t", ",")
    return bool({cell.strip().strip('"') for cell in head.split(",")} & set(GRAPH))
