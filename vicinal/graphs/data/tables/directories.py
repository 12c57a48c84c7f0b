"""Find the tables of one graph in a directory, by the names of its files.

===============  ====================================================================
form             files, each perhaps with .gz
===============  ====================================================================
tables           edges.csv[, nodes.csv], or one file NAME_edges.csv[, NAME_nodes.csv];
                 .tsv and .txt too
LINQS            NAME.cites (cited, citing), NAME.content (id, words, class): Cora
Elliptic         NAME_edgelist.csv, NAME_features.csv (no header), NAME_classes.csv
OGB              edge.csv, node-feat.csv, node-label.csv (no headers; ids are 0, 1...)
===============  ====================================================================

Only the standard library, as in `text_files`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".cites", ".content")
EDGE_STEMS = ("edges", "edge", "edgelist", "relationships")
NODE_STEMS = ("nodes", "node")


class TableFiles(NamedTuple):
    """The files of a graph."""

    form: Literal["tables", "LINQS", "Elliptic", "OGB"]
    edges: Path | None
    nodes: Path | None = None
    """with ids and features"""

    labels: Path | None = None
    others: tuple[Path, ...] = ()
    """further tables, which are not read"""


def table_suffix(path: Path) -> str:
    """Return the suffix in lower case, without .gz."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def find_tables(directory: Path) -> TableFiles | None:
    """Return the files of the graph in a directory; None if there are none."""
    files = _list_tables(directory)
    found = _find_linqs(files) or _find_ogb(files) or _find_elliptic(files)
    found = found or _find_named(files)
    if found is None:
        raw = directory / "raw"
        return find_tables(raw) if directory.name != "raw" and raw.is_dir() else None
    read = {found.edges, found.nodes, found.labels}
    others = (path for path in files if path not in read and _is_table(path))
    return found._replace(others=tuple(others))


def competing_edges(directory: Path) -> list[Path]:
    """Return the files of a directory that may all be its table of edges."""
    files = _list_tables(directory)
    return [path for path in files if _has_stem(path, EDGE_STEMS)]


def _list_tables(directory: Path) -> list[Path]:
    """Return the tables in a directory, without hidden files such as ._edges.csv."""
    tables = (path for path in directory.iterdir() if table_suffix(path) in SUFFIXES)
    return sorted(k for k in tables if k.is_file() and not k.name.startswith("."))


def _has_stem(path: Path, stems: tuple[str, ...]) -> bool:
    """Return True for a file such as edges.csv or NAME_edges.csv."""
    name = path.name.lower().removesuffix(".gz")
    stem, suffix = name.removesuffix(table_suffix(path)), table_suffix(path)
    ends = tuple(f"{mark}{word}" for mark in "_-." for word in stems)
    return suffix in TEXT_SUFFIXES and (stem in stems or stem.endswith(ends))


def _find_linqs(files: list[Path]) -> TableFiles | None:
    edges, nodes = (_only(files, (".cites",)), _only(files, (".content",)))
    return TableFiles("LINQS", edges, nodes) if edges and nodes else None


def _find_ogb(files: list[Path]) -> TableFiles | None:
    edges, nodes, labels = (
        _only(files, _with_suffixes(stem), whole=True)
        for stem in ("edge", "node-feat", "node-label")
    )
    return TableFiles("OGB", edges, nodes, labels) if edges and nodes else None


def _find_elliptic(files: list[Path]) -> TableFiles | None:
    edges, nodes, labels = (
        _only(files, _with_suffixes(stem))
        for stem in ("_edgelist", "_features", "_classes")
    )
    found = edges and nodes and labels
    return TableFiles("Elliptic", edges, nodes, labels) if found else None


def _find_named(files: list[Path]) -> TableFiles | None:
    edges, nodes = (_find_stem(files, stems) for stems in (EDGE_STEMS, NODE_STEMS))
    exact = nodes is not None and nodes.name.lower().startswith("nodes.")
    return TableFiles("tables", edges, nodes) if edges or exact else None


def _find_stem(files: list[Path], stems: tuple[str, ...]) -> Path | None:
    """Return the file of the first of these names, else the only one that ends so."""
    exact = (_only(files, _with_suffixes(stem), whole=True) for stem in stems)
    ends = (
        _only(files, [f"{mark}{name}" for mark in "_-." for name in _with_suffixes(k)])
        for k in stems
    )
    return next((path for path in (*exact, *ends) if path is not None), None)


def _with_suffixes(stem: str) -> list[str]:
    return [f"{stem}{suffix}" for suffix in TEXT_SUFFIXES]


def _only(files: list[Path], names: Iterable[str], whole: bool = False) -> Path | None:
    """Return the only file whose name is one of these, or ends with one."""
    accepted = tuple(names)
    fitting = []
    for path in files:
        name = path.name.lower().removesuffix(".gz")
        if name in accepted if whole else name.endswith(accepted):
            fitting.append(path)
    return fitting[0] if len(fitting) == 1 else None


def _is_table(path: Path) -> bool:
    return table_suffix(path) in TEXT_SUFFIXES[:2]
