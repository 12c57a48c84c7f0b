"""Pictures to be named: files, folders of any depth, or a CSV with paths."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import NoDataError
from vicinal.images.data.csv_tables import ENDINGS, listed_in
from vicinal.images.data.folders import NOT_UTF8, escaped, pictures_below
from vicinal.images.data.read import ImageTable, opening


def list_pictures(inputs: Sequence[str]) -> ImageTable:
    """A table without labels of all pictures that the inputs name.

    Folders and CSVs are read by the same rules as for training. A file is taken
    whatever its ending, so that the audit can say what is wrong with it.
    """
    tables = [_listed(Path(text)) for text in inputs]
    names = [str(table.path(row)) for table in tables for row in range(len(table))]
    aside = [
        q._replace(name=escaped(str(table.root / q.name)) if table.root else q.name)
        for table in tables
        for q in table.set_aside
    ]
    aside += [Quarantined(escaped(k), "", NOT_UTF8) for k in names if escaped(k) != k]
    names = [name for name in names if escaped(name) == name]
    notes = [note for table in tables for note in table.notes]
    if not names:
        why = "; ".join([*(f"{q.name}: {q.reason}" for q in aside[:1]), *notes])
        where = ", ".join(map(escaped, inputs))
        why = f" ({why})" if why else ""
        raise NoDataError(
            f"There is no picture in {where}{why}. Name pictures, a folder that holds "
            "some, or a CSV with a column of paths."
        )
    return replace(ImageTable.unlabelled(names), set_aside=aside, notes=notes)


def _listed(path: Path) -> ImageTable:
    with opening(path):
        if path.is_dir():
            return pictures_below(path)
        if path.suffix.lower() in ENDINGS:
            return listed_in(path)
        return ImageTable.unlabelled([str(path)])
