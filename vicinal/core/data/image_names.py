"""Whether a table is one of images: its rows are named like image files beside it."""

import os
from itertools import islice
from pathlib import Path

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif"),
    *(".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".avif", ".jp2"),
    *(".mpo", ".ico"),
)
"""of the image formats that are read"""

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "filepaths"),
    *("image", "image_path", "image_name", "image_file", "img", "img_path", "img_name"),
    *("image_id", "id_code", "id", "name"),
)
"""columns that hold the paths of images, the most likely first"""

ID_COLUMNS = frozenset({"id", "name", "id_code", "img"})
"""of these, the ones that other tables have as well"""

MOST_DIRECTORIES = 20
"""directories beside a table that are looked at"""


def names_images(table: Path) -> bool:
    """Return whether a CSV's first row has the name of an image, such as an id.

    The image lies beside the table, or one directory below.
    """
    with table.open(encoding="utf-8-sig", errors="replace") as file:
        head, first = split_cells(file.readline()), split_cells(file.readline())
    names = [
        cell
        for column, cell in zip(head, first, strict=False)
        if column.lower() in ID_COLUMNS and cell and "\0" not in cell
    ]
    if not names:
        return False
    below = (entry.path for entry in os.scandir(table.parent) if entry.is_dir())
    return any(
        os.path.isfile(os.path.join(directory, name + suffix))  # noqa: PTH113, PTH118
        for directory in [str(table.parent), *islice(below, MOST_DIRECTORIES)]
        for name in names
        for suffix in SUFFIXES
    )


def split_cells(line: str) -> list[str]:
    """Return the cells of a simple line of a CSV, separated by comma, ; or tab."""
    cells = line.replace(";", ",").replace("\t", ",").split(",")
    return [cell.strip().strip('"') for cell in cells]
