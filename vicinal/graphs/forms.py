"""Whether a path holds a graph: by its name and first line, without opening more."""

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
ENDS = frozenset({"source", "src", "source_id", "from", "head", "u"})
PATHS = frozenset({"path", "file", "filename", "file_name", "image", "image_path"})


def is_graph(data: str | Path) -> bool:
    """A folder with edges.csv, a file of a graph's form, or a table of edges."""
    path = Path(data)
    ending = path.suffix.lower()
    if ending in SURE:
        return True
    if path.is_dir():
        return (path / "edges.csv").exists()
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
        if cells & ENDS:
            return True
        if cells & PATHS or (len(cells) > 1 and "label" in cells):
            return False
    return head.startswith(("#", "%")) or (
        ending != ".csv" and len(head.split()) in (2, 3)
    )
