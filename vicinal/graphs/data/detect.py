"""Detect graph data by file names and first lines, without reading more."""

from pathlib import Path

from vicinal.errors import DataError
from vicinal.graphs.data.formats.adjacency_table import read_adjacency_table
from vicinal.graphs.data.formats.forms import is_graph_form
from vicinal.graphs.data.tables.column_names import (
    GRAPH_COLUMNS,
    SOURCE_COLUMNS,
    TARGET_COLUMNS,
    are_unclear_ends,
    header_names,
    lower,
    paired_ends,
)
from vicinal.graphs.data.tables.directories import find_tables, table_suffix
from vicinal.graphs.data.tables.text_files import (
    COMMENTS,
    DAMAGED_GZIP,
    SAMPLED_BYTES,
    open_text,
    read_format,
)

GRAPH_SUFFIXES = (".edges", ".edgelist", ".el")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
EDGE_LIST_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".edges", ".edgelist", ".el"),
)

EDGE_COLUMNS = frozenset({"source", "src", "source_id", "from", "head", "u"})
"""columns that only a table of edges has"""

ADJACENCY_ARRAYS = ("adj", "adjacency", "A", "edges", "edge_index")
NODE_COLUMNS = frozenset({"id", "node_id", "node", "nodeid", ":id"})
MOLECULE_COLUMNS = frozenset({"smiles", "smi", "mol", "inchi"})
PATH_COLUMNS = frozenset(
    {"path", "file", "filename", "file_name", "image", "image_path"}
)


def is_graph(data: str | Path) -> bool:
    """Return True if a path holds one graph.

    That is a directory of tables (see `tables.directories`; missing edges are reported
    later) or with an array of edges; a file in a graph format; or a table of edges.
    """
    path = Path(data)
    if path.suffix.lower() in GRAPH_SUFFIXES:
        return True
    if path.is_dir():
        arrays = [path / f"{name}.npy" for name in ADJACENCY_ARRAYS]
        if any(file.exists() for file in (*arrays, path / "edges.parquet")):
            return True
        return find_tables(path) is not None
    if is_graph_form(path):
        return True
    if table_suffix(path) not in (*TABLE_SUFFIXES, *EDGE_LIST_SUFFIXES):
        return False
    if not path.is_file():
        return False
    return read_adjacency_table(path) is not None or _is_edge_list(path)


def _is_edge_list(path: Path) -> bool:
    """Return True if the first lines are those of a table of edges."""
    try:
        with open_text(path) as file:
            starts_with_comment = file.readline(SAMPLED_BYTES).startswith(COMMENTS)
        form = read_format(path)
    except (OSError, UnicodeError, *DAMAGED_GZIP, DataError):
        return False
    columns = {lower(cell) for cell in form.rows[0]}
    if columns & EDGE_COLUMNS:
        return True
    if columns & set(SOURCE_COLUMNS) and columns & set(TARGET_COLUMNS):
        return True
    if columns & PATH_COLUMNS or (len(columns) > 1 and "label" in columns):
        return False
    if starts_with_comment:  # comments of SNAP and KONECT
        return True
    if table_suffix(path) == ".csv":
        names, _ = header_names(form.rows)
        if names is None:
            return False
        return paired_ends(names) is not None or are_unclear_ends(names)
    return len(form.rows[0]) in (2, 3, 4)


def is_node_table(data: str | Path) -> bool:
    """Return True for a CSV or TSV of nodes, whose edges are in another file."""
    path = Path(data)
    if table_suffix(path) not in (".csv", ".tsv") or not path.is_file():
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
    files = sorted(directory.glob("[!.]*_graph_indicator.txt"))
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
        first, second = (file.readline(SAMPLED_BYTES).split() for _ in range(2))
    return len(first) == 1 and len(second) == 2 and first[0].isdigit()


def _header_columns(path: Path) -> set[str]:
    try:
        return {lower(cell) for cell in read_format(path).rows[0]}
    except (OSError, DataError):
        return set()
