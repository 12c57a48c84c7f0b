"""Detect graph data by file names and first lines, without reading more."""

from pathlib import Path

GRAPH_SUFFIXES = (
    *(".graphml", ".gexf", ".gml", ".npz", ".mtx", ".mat"),
    *(".edges", ".edgelist", ".el"),
)
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".json")

SOURCE_COLUMNS = (
    *("source", "src", "source_id", "from", "head", "node1", "node_1", "id1", "id_1"),
    *("start", "source_node", "from_node", "u", "i"),
)
TARGET_COLUMNS = (
    *("target", "dst", "dest", "dest_id", "target_id", "to", "tail", "node2", "node_2"),
    *("id2", "id_2", "end", "target_node", "to_node", "v", "j"),
)
EDGE_COLUMNS = frozenset({"source", "src", "source_id", "from", "head", "u"})
"""columns that only a table of edges has"""

ADJACENCY_ARRAYS = ("adj", "adjacency", "A", "edges", "edge_index")
GRAPH_COLUMNS = ("graph_id", "graph", "graphid", "g")
NODE_COLUMNS = frozenset({"id", "node_id", "node", "nodeid"})
MOLECULE_COLUMNS = frozenset({"smiles", "smi", "mol", "inchi"})
PATH_COLUMNS = frozenset(
    {"path", "file", "filename", "file_name", "image", "image_path"}
)


def is_graph(data: str | Path) -> bool:
    """Return True if a path holds one graph.

    That is a directory with edges.csv, nodes.csv (whose missing edges are reported
    later) or an array of edges; a file in a graph format; or a table of edges.
    """
    path = Path(data)
    suffix = path.suffix.lower()
    if suffix in GRAPH_SUFFIXES:
        return True
    if path.is_dir():
        arrays = (path / f"{name}.npy" for name in ADJACENCY_ARRAYS)
        tables = (path / name for name in ("edges.csv", "nodes.csv"))
        return any(file.exists() for file in (*arrays, *tables))
    if suffix not in TABLE_SUFFIXES or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = next((line for line in file if line.strip()), "")
            beginning = header + file.read(4096)
    except OSError:
        return False
    if suffix == ".json":  # node-link format of NetworkX
        return '"nodes"' in beginning or '"multigraph"' in beginning
    for separator in ",;\t":
        columns = _columns(header, separator)
        if columns & EDGE_COLUMNS:
            return True
        if columns & set(SOURCE_COLUMNS) and columns & set(TARGET_COLUMNS):
            return True
        if columns & PATH_COLUMNS or (len(columns) > 1 and "label" in columns):
            return False
    if header.startswith(("#", "%")):  # comments of SNAP and KONECT
        return True
    return suffix != ".csv" and len(header.split()) in (2, 3, 4)


def is_node_table(data: str | Path) -> bool:
    """Return True for a CSV or TSV of nodes, whose edges are in another file."""
    path = Path(data)
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    columns = _header_columns(path)
    others = EDGE_COLUMNS | PATH_COLUMNS | MOLECULE_COLUMNS
    return len(columns) > 1 and bool(columns & NODE_COLUMNS) and not columns & others


def is_graph_collection(data: str | Path) -> bool:
    """Return True if a path holds many graphs: a TU or GIN data set, or tables."""
    path = Path(data)
    if path.is_dir():
        if tu_dataset_name(path) is not None or find_gin_file(path) is not None:
            return True
        return (path / "edges.csv").exists() and has_graph_column(path / "edges.csv")
    if not path.is_file():
        return False
    if path.suffix.lower() in (".csv", ".tsv"):
        return is_graph(path) and has_graph_column(path)
    return path.suffix.lower() == ".txt" and _is_gin_file(path)


def tu_dataset_name(directory: Path) -> str | None:
    """Return the name of the TU data set in a directory."""
    files = sorted(directory.glob("*_graph_indicator.txt"))
    return files[0].name.removesuffix("_graph_indicator.txt") if files else None


def find_gin_file(directory: Path) -> Path | None:
    """Return the data file of a GIN data set: NAME/NAME.txt."""
    path = directory / f"{directory.name}.txt"
    return path if path.is_file() and _is_gin_file(path) else None


def has_graph_column(path: Path) -> bool:
    """Return True if the header of a table names a column of graphs."""
    return bool(_header_columns(path) & set(GRAPH_COLUMNS))


def _is_gin_file(path: Path) -> bool:
    """Return True if the first line is one integer and the second has two values."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first, second = file.readline().split(), file.readline().split()
    return len(first) == 1 and len(second) == 2 and first[0].isdigit()


def _header_columns(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().replace(";", ",").replace("\t", ",")
    return _columns(header, ",")


def _columns(header: str, separator: str) -> set[str]:
    return {cell.strip().strip('"').lower() for cell in header.split(separator)}
