"""List images to predict: files, directories of any depth, or a CSV of paths."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import NoDataError
from vicinal.images.data.read import ImageTable, os_errors_as_data_errors
from vicinal.images.data.sources.csv_tables import CSV_SUFFIXES, read_path_list
from vicinal.images.data.sources.folders import (
    NOT_UTF8,
    escape_non_utf8,
    list_images_below,
)


def list_images(inputs: Sequence[str]) -> ImageTable:
    """Return an unlabelled table of all images that the inputs name.

    Directories and CSVs are read by the same rules as for training. A file is accepted
    whatever its suffix, so that decoding can say what is wrong with it.
    """
    tables = [_list_input(Path(text)) for text in inputs]
    names = [str(table.path(row)) for table in tables for row in range(len(table))]
    quarantined = [
        q._replace(
            name=escape_non_utf8(str(table.root / q.name)) if table.root else q.name
        )
        for table in tables
        for q in table.quarantined
    ]
    quarantined += [
        Quarantined(escape_non_utf8(name), "", NOT_UTF8)
        for name in names
        if escape_non_utf8(name) != name
    ]
    names = [name for name in names if escape_non_utf8(name) == name]
    notes = [note for table in tables for note in table.notes]
    if not names:
        reasons = [*(f"{q.name}: {q.reason}" for q in quarantined[:1]), *notes]
        reason = f" ({'; '.join(reasons)})" if reasons else ""
        searched = ", ".join(map(escape_non_utf8, inputs))
        raise NoDataError(
            f"No image found in {searched}{reason}. Give image files, a directory of "
            "images, or a CSV with a column of paths."
        )
    return replace(ImageTable.unlabelled(names), quarantined=quarantined, notes=notes)


def _list_input(path: Path) -> ImageTable:
    with os_errors_as_data_errors(path):
        if path.is_dir():
            return list_images_below(path)
        if path.suffix.lower() in CSV_SUFFIXES:
            return read_path_list(path)
        return ImageTable.unlabelled([str(path)])
