"""Files and directories of triples."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from vicinal.core.data.labels import SPLIT_ALIASES, quote_names
from vicinal.errors import DataError, NoDataError, VicinalError
from vicinal.graphs.data.formats.forms import UNREAD_FORMS, file_form, unread_form
from vicinal.graphs.data.formats.graph_files import read_parquet
from vicinal.graphs.data.tables.column_names import is_number
from vicinal.graphs.data.tables.directories import table_suffix
from vicinal.graphs.data.tables.text_files import check_exists
from vicinal.knowledge.data.columns import (
    RELATION_STEMS,
    TAIL_STEMS,
    find_roles,
    letters,
)
from vicinal.knowledge.data.lines import first_lines, is_comment, split_line
from vicinal.knowledge.data.ntriples import NTriples, are_ntriples
from vicinal.knowledge.data.sources import FrameTriples, TripleSource
from vicinal.knowledge.data.text_triples import TextTriples
from vicinal.knowledge.settings import TripleColumns

TEXT_SUFFIXES = (".txt", ".tsv", ".csv", ".tab")
SUFFIXES = (*TEXT_SUFFIXES, ".nt", ".parquet")
RDF_SUFFIXES = (".ttl", ".rdf", ".owl", ".nq", ".n3", ".trig", ".jsonld")

HEADS = frozenset({"head", "subject", "headid", "subjectid", "h", "s"})
RELATIONS = frozenset(
    {"relation", "rel", "relationship", "predicate", "property", "metaedge"}
)
"""columns that only a table of triples has: of other edges, type or label is one"""

OTHER_COLUMNS = frozenset(
    {
        *("source", "target", "src", "dst", "from", "to", "sourceid", "targetid"),
        *("path", "file", "filename", "image", "img", "id", "name", "node", "label"),
        *("class", "split", "weight", "user", "item", "rating", "smiles", "time"),
    }
)
"""columns of tables of edges, images, nodes, users or molecules"""

REGULAR = 0.9
"""share of the lines that have three cells"""

REPEATED = 0.5
"""different relations, as a share of the lines, that triples have at most"""


class SplitFiles(NamedTuple):
    """The files of a directory."""

    train: Path
    validation: Path | None
    test: Path | None
    others: list[str]
    """names of files that are not read"""


def find_splits(directory: Path) -> SplitFiles:
    """Return the files of the splits; NoDataError without one for training.

    They are named train, valid (validation, val, dev) and test, perhaps after the name
    of the data: fb15k-train.txt.
    """
    files = sorted(path for path in directory.iterdir() if path.is_file())
    tables = [path for path in files if table_suffix(path) in SUFFIXES]
    train, validation, test = (
        _file_of_split(tables, split) for split in ("train", "val", "test")
    )
    if train is None:
        names = quote_names([path.name for path in files]) or "no files"
        raise NoDataError(
            f"{directory} has no file of training triples. Expected train.txt, perhaps "
            f"with valid.txt and test.txt ({', '.join(SUFFIXES)}). Got {names}."
        )
    read = (train, validation, test)
    others = [path.name for path in files if path not in read]
    return SplitFiles(train, validation, test, others)


def _file_of_split(files: Iterable[Path], split: str) -> Path | None:
    """Return the file of a split; DataError if there are several."""
    stems = {path: _stem(path) for path in files}
    exact = [path for path, stem in stems.items() if SPLIT_ALIASES.get(stem) == split]
    last = {path: re.split(r"[-_. ]", stem)[-1] for path, stem in stems.items()}
    found = exact or [k for k, word in last.items() if SPLIT_ALIASES.get(word) == split]
    if len(found) > 1:
        names = quote_names([path.name for path in found])
        raise DataError(
            f"{found[0].parent} must have one file of {split} triples. Got {names}. "
            "Remove the others."
        )
    return found[0] if found else None


def _stem(path: Path) -> str:
    """Return the name of a file in lower case, without its suffix and .gz."""
    return path.name.lower().removesuffix(".gz").removesuffix(table_suffix(path))


def open_file(path: Path, columns: TripleColumns) -> TripleSource:
    """Return the triples of a file; DataError for a form that is not read."""
    check_exists(path)
    suffix = table_suffix(path)
    if suffix == ".parquet":
        if path.suffix.lower() == ".gz":
            raise DataError(f"{path} is compressed twice. Decompress it with gunzip.")
        return FrameTriples(read_parquet(path), path.name, columns)
    if suffix not in (".nt", *TEXT_SUFFIXES):
        raise _unread(path, suffix)
    lines = first_lines(path)
    if suffix != ".nt" and not are_ntriples(lines):
        return TextTriples(path, lines, columns)
    if columns.are_named:
        raise DataError(f"{path} has no columns that can be named: it is N-Triples.")
    return NTriples(path)


def _unread(path: Path, suffix: str) -> DataError:
    """Return the error about a file of another form."""
    if suffix in RDF_SUFFIXES:
        return DataError(
            f"{path} is RDF in a form that is not read. Convert it to N-Triples (.nt): "
            "rdflib.Graph().parse(FILE).serialize('triples.nt', format='nt')."
        )
    if (form := file_form(path)) in UNREAD_FORMS and form != ".gz":
        return unread_form(path, form)
    known = ", ".join(SUFFIXES)
    return DataError(f"{path} must be a file of triples: {known}, each perhaps .gz.")


# --- recognise ------------------------------------------------------------------------


def recognised_file(path: Path) -> str | None:
    """Return the name of the file of triples that a path is or has; None: no triples.

    path: a file, or a directory with train.txt.
    """
    try:
        file = find_splits(path).train if path.is_dir() else path
        return file.name if are_triples(file) else None
    except (VicinalError, OSError):  # another domain's, or none's
        return None


def are_triples(path: Path) -> bool:
    """Return whether a file holds triples, by its first lines.

    That is: N-Triples; a table whose header has a relation, or a head and a tail beside
    a column that may be one; or rows of three cells that look like triples.
    """
    suffix = table_suffix(path)
    if suffix == ".nt":
        return True
    if suffix not in TEXT_SUFFIXES:
        return False
    lines = first_lines(path)
    if are_ntriples(lines):
        return True
    lines = [line for line in lines if not is_comment(line)]
    if len(lines) < 2:
        return False
    rows = [split_line(line, separator_of(line)) for line in lines]
    header = [letters(cell) for cell in rows[0]]
    if find_roles(header, TripleColumns()) is not None:
        is_relation = bool(RELATIONS & {*header})
        return is_relation or (bool(HEADS & {*header}) and _has_tail(header))
    if OTHER_COLUMNS & {*header}:
        return False
    threes = [[cell.strip() for cell in row] for row in rows if len(row) == 3]
    return len(threes) >= REGULAR * len(rows) and _look_like_triples(threes)


def separator_of(line: str) -> str | None:
    """Return what separates the three cells or more of a line; None: spaces."""
    for separator in ("\t", ",", ";", "|"):
        if len(split_line(line, separator)) >= 3:
            return separator
    return None


def _has_tail(header: list[str]) -> bool:
    own = {*TAIL_STEMS, *(f"{stem}id" for stem in TAIL_STEMS)}
    return bool(own & {*header}) and bool({*RELATION_STEMS} & {*header})


def _look_like_triples(rows: list[list[str]]) -> bool:
    """Return whether the second cells are relations: texts that occur several times.

    Relations are no entities. Third cells that are numbers are weights, unless all
    entities are numbers.
    """
    heads, relations, tails = ({*cells} for cells in zip(*rows, strict=True))
    if any(map(is_number, relations)) or relations & (heads | tails):
        return False
    if all(map(is_number, tails)) and not all(map(is_number, heads)):
        return False
    return len(relations) <= max(REPEATED * len(rows), 1)
