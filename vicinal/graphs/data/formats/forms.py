"""The form of a file, from its name and its first bytes, without reading more.

What is in a file counts more than how its name ends: a Pajek file may be called g.txt.
"""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from vicinal.core.domain import Task
from vicinal.errors import DataError

HEAD = 4096
"""bytes that are looked at"""

READ_FORMS = {
    ".graphml": "GraphML",
    ".gexf": "GEXF",
    ".gml": "GML",
    ".json": "JSON",
    ".cyjs": "Cytoscape JSON",
    ".adjlist": "an adjacency list",
    ".net": "Pajek",
    ".npz": "NumPy arrays",
    ".npy": "a NumPy array",
    ".mtx": "Matrix Market",
    ".mat": "MATLAB",
    ".parquet": "Parquet",
}
"""forms that are read, beside tables of text; each is named by its usual suffix"""

SAME_FORM = {
    ".paj": ".net",
    ".pajek": ".net",
    ".gv": ".dot",
    ".hdf5": ".h5",
    ".multiline_adjlist": ".adjlist",
    ".xlsm": ".xls",
    ".xlsx": ".xls",
    ".ods": ".xls",
    ".pth": ".pt",
    ".pickle": ".pkl",
    ".gpickle": ".pkl",
    ".arrow": ".feather",
    ".7z": ".zip",
    ".tar": ".zip",
    ".tgz": ".zip",
    ".xml": ".rdf",
    ".ttl": ".rdf",
    ".nt": ".rdf",
    ".owl": ".rdf",
    ".db": ".sqlite",
    ".bz2": ".gz",
    ".xz": ".gz",
    ".zst": ".gz",
}

TO_CSV = (
    "Save its tables as CSV: edges with the columns source,target, nodes with id,label."
)
TO_GRAPHML = "Convert it to GraphML"
UNREAD_FORMS = {
    ".dot": (
        "a Graphviz file (DOT)",
        f"{TO_GRAPHML} in Python: networkx.write_graphml("
        "networkx.Graph(networkx.nx_pydot.read_dot(FILE)), 'graph.graphml').",
    ),
    ".graphson": (
        "GraphSON (TinkerPop)",
        f"{TO_GRAPHML}: g.io('graph.graphml').write() in the Gremlin console.",
    ),
    ".xls": ("a spreadsheet", TO_CSV),
    ".feather": ("an Arrow table", TO_CSV),
    ".sqlite": ("a database", TO_CSV),
    ".h5": ("an HDF5 file", "Save its arrays with numpy.savez(edge_index=, x=, y=)."),
    ".pkl": (
        "a pickle, which could run any program when it is opened",
        "If you trust it, open it in Python and pass the graph.",
    ),
    ".pt": (
        "a file of PyTorch",
        "Open it in Python and pass the graph, or numpy.savez(edge_index=, x=, y=).",
    ),
    ".zip": ("an archive", "Unpack it."),
    ".gz": ("compressed", "Decompress it."),
    ".rdf": ("XML or RDF", f"{TO_GRAPHML}, or a CSV of source,relation,target."),
    ".gdf": ("a GDF file", f"{TO_GRAPHML}, for example with Gephi."),
    ".tgf": ("a TGF file", f"{TO_GRAPHML}, for example with yEd."),
    ".graphmlz": ("compressed GraphML", "Unpack it with gunzip."),
    ".sif": ("a SIF file", "Save it as a CSV of source,relation,target."),
    ".dl": ("a UCINET file", "Save it as CSV, or as Pajek (.net)."),
}
"""what files of other forms are, and what to do"""

TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".edges", ".edgelist", ".el"),
)

MAGIC = (
    (b"PAR1", ".parquet"),
    (b"\x93NUMPY", ".npy"),
    (b"\x89HDF", ".h5"),
    (b"MATLAB ", ".mat"),
    (b"SQLite format", ".sqlite"),
    (b"ARROW1", ".feather"),
    (b"\xd0\xcf\x11\xe0", ".xls"),
    (b"7z\xbc\xaf", ".zip"),
    (b"BZh", ".gz"),
    (b"\xfd7zXZ", ".gz"),
    *((bytes((128, protocol)), ".pkl") for protocol in range(2, 6)),
)

COMMENT = r"(\s*(#|//|%(?!%)|/\*).*\n)*\s*"
PATTERNS = (
    (rf"{COMMENT}%%MatrixMarket\b", ".mtx"),
    (rf"{COMMENT}\*(vertices|network)\b", ".net"),
    (rf'{COMMENT}(strict\s+)?(di)?graph(\s+("[^"\n]*"|[\w.-]+))?\s*\{{', ".dot"),
    (r"\s*<[\s\S]*<graphml\b|\s*<graphml\b", ".graphml"),
    (r"\s*<[\s\S]*<gexf\b|\s*<gexf\b", ".gexf"),
    (r"\s*<\?xml\b|\s*@prefix\b", ".rdf"),
    (rf"{COMMENT}((Creator|Version)\b.*\n\s*)*graph\s*\[", ".gml"),
    (r'\s*\{[\s\S]*("(out|in)E"\s*:|"g:(Int|Vert|Edge))', ".graphson"),
    (r'\s*(\{\s*"|\[\s*[\[{])', ".json"),
    (r"(#.*\n){0,2}# GMT .*\n", ".adjlist"),
)
"""beginnings of texts; NetworkX writes the last one above adjacency lists"""

GRAPH_KEYS = (
    *('"nodes"', '"links"', '"edges"', '"adjacency"', '"elements"', '"multigraph"'),
)
"""keys of graphs in JSON"""


class ReadOptions(NamedTuple):
    """Options for reading the graph in a file."""

    task: Task = "auto"
    """how labels are parsed"""

    target: str | None = None
    """attribute of the nodes that holds labels"""

    directed: bool = False
    """whether edges are directed, where the file does not say"""


def file_form(path: Path) -> str:
    """Return the form of a file: a key of READ_FORMS or UNREAD_FORMS, or its suffix."""
    suffix = path.suffix.lower()
    suffix = SAME_FORM.get(suffix, suffix)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return suffix
    if head.startswith(b"PK\x03\x04"):
        return suffix if suffix in (".npz", ".xls", ".pt") else _form_of_archive(path)
    if head.startswith(b"\x1f\x8b"):
        inner = Path(path.stem).suffix.lower()
        return inner if suffix == ".gz" and inner in TABLE_SUFFIXES else ".gz"
    for magic, form in MAGIC:
        if head.startswith(magic):
            return form
    text = head.decode("utf-8-sig", errors="replace")
    for pattern, form in PATTERNS:
        if re.match(pattern, text, re.IGNORECASE if form == ".net" else 0):
            is_other_json = form == ".json" and suffix in READ_FORMS
            return suffix if is_other_json else form
    return suffix


def _form_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return ".zip"
    if any(name.endswith(".npy") for name in names):
        return ".npz"
    if any(name.endswith("data.pkl") for name in names):
        return ".pt"
    return ".xls" if "[Content_Types].xml" in names else ".zip"


def is_graph_form(path: Path) -> bool:
    """Return True for a file in a graph format, and for what a message names as one."""
    form = file_form(path)
    if form != ".json":
        return form in READ_FORMS or form in UNREAD_FORMS
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    is_element = '"data"' in head and ('"id"' in head or '"source"' in head)
    return is_element or any(key in head for key in GRAPH_KEYS)


def unread_form(path: Path, form: str) -> DataError:
    """Return the error about a file of a form that is not read."""
    what, cure = UNREAD_FORMS[form]
    return DataError(f"{path} is {what}, which is not read. {cure}")


def other_form_note(path: Path, form: str) -> list[str]:
    """Return a note if a file is read in another form than its name says."""
    suffix = path.suffix.lower()
    if SAME_FORM.get(suffix, suffix) == form:
        return []
    return [f"{path.name} is read as {READ_FORMS[form]}"]
