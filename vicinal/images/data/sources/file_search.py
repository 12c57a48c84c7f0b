r"""Find the files that a table names, where its paths are not files as written.

Tables come from other machines and from competitions: `disc\1.png` (Windows),
`/home/ann/data/disc/1.png` or `C:\data\disc\1.png` (another directory), `1.png` or the
identifier `1` for `train/1.png`. A note says how such paths are read. The whole
path must agree, and with one file only, so that none is taken by chance.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from vicinal.core.data.image_names import SUFFIXES
from vicinal.core.text import pluralize
from vicinal.images.data.sources.folder_layout import split_word
from vicinal.images.data.sources.folders import list_images_below

MAX_SHOWN = 3
"""files that a reason names"""


class FoundFiles(NamedTuple):
    """Files that the paths of a table refer to."""

    paths: list[str]
    """[N] relative to the table, or as they were if no file was found"""

    reasons: dict[str, str]
    """why a path cannot be used: several files agree with it"""

    notes: list[str]


def find_files(paths: Sequence[str], root: Path, table: str | None) -> FoundFiles:
    """Return the paths [N] of the files that a table refers to.

    root: the directory of the table. table: its file name; None: it has no file, and
    no directory is searched.
    """
    missing = [p for p in dict.fromkeys(paths) if p and not _exists(root, p)]
    if not missing:
        return FoundFiles(list(paths), {}, [])
    renamed, reasons = _reread(missing, root), {}
    if table is not None:
        searched = [path for path in missing if path not in renamed]
        names = list_images_below(root).names if searched else []
        matches, reasons = match_names(searched, names, table)
        renamed |= matches
    notes = []
    if renamed:
        first = next(iter(renamed))
        notes.append(
            f"{pluralize(len(renamed), 'path')} in the table, not files as written, "
            f"found by name: {first!r} is read as {renamed[first]!r}"
        )
    return FoundFiles([renamed.get(path, path) for path in paths], reasons, notes)


def match_names(
    paths: Iterable[str], names: Iterable[str], table: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the file that each path means, by its end, and reasons against others.

    names: of files. A path agrees with a file whose last directories and name it is;
    only then one without the suffix, and only then in another case. If several files
    agree with a path, the directory that has all the paths is taken, or the one of the
    split in the name of the table (`train.csv`).
    """
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_stem[Path(name).stem.casefold()].append(name)
    agreeing = {
        path: found
        for path in paths
        if (found := _agreeing(_with_slashes(path), by_stem))
    }
    if all(len(found) == 1 for found in agreeing.values()):
        return {path: found[0] for path, found in agreeing.items()}, {}
    chosen = _common_directory(agreeing) or _split_directories(agreeing, table)
    if chosen:
        return chosen, {}
    return {}, {
        path: f"{pluralize(len(found), 'file')} match: "
        f"{', '.join(found[:MAX_SHOWN])}; write the path relative to the table"
        for path, found in agreeing.items()
    }


def _agreeing(path: str, by_stem: dict[str, list[str]]) -> list[str]:
    """Return the files that agree with a path, those in the same way as the first."""
    has_suffix = Path(path).suffix.lower() in SUFFIXES
    key = Path(path).stem if has_suffix else Path(path).name
    candidates = by_stem.get(key.casefold(), [])
    for same in (str, str.casefold):
        found = [
            name
            for name in candidates
            if _ends_with(
                same(name if has_suffix else _without_suffix(name)), same(path)
            )
        ]
        if found:
            return found
    return []


def _common_directory(agreeing: dict[str, list[str]]) -> dict[str, str]:
    """Return the files in the only directory that has one for each path."""
    of_directory: dict[str, dict[str, str]] = defaultdict(dict)
    for path, found in agreeing.items():
        for name in found:
            depth = _with_slashes(path).count("/") + 1
            of_directory["/".join(name.split("/")[:-depth])][path] = name
    complete = [files for files in of_directory.values() if len(files) == len(agreeing)]
    return complete[0] if len(complete) == 1 else {}


def _split_directories(agreeing: dict[str, list[str]], table: str) -> dict[str, str]:
    """Return the files in directories of the split in the name of the table."""
    split = split_word(Path(table).stem)
    if split is None:
        return {}
    own = {
        path: [n for n in found if split in map(split_word, n.split("/")[:-1])]
        for path, found in agreeing.items()
    }
    own = {path: found for path, found in own.items() if found}
    if any(len(found) > 1 for found in own.values()):
        return {}
    return {path: found[0] for path, found in own.items()}


def _reread(paths: list[str], root: Path) -> dict[str, str]:
    """Return the paths that are files with / for \\, or without their first part.

    The first part is that of an absolute path, or the name of the table's directory;
    it is the same for all.
    """
    own = root.resolve().parts
    rest_of: dict[str, tuple[int, str]] = {}
    for path in paths:
        slashes = _with_slashes(path)
        parts = slashes.split("/")
        is_absolute = slashes[:1] == "/" or bool(PureWindowsPath(path).drive)
        for k in range(len(parts)):
            rest = "/".join(parts[k:])
            allowed = k == 0 or is_absolute or tuple(parts[:k]) == own[-k:]
            if allowed and rest and _exists(root, rest):
                rest_of[path] = k, rest
                break
    dropped = {k for k, _ in rest_of.values() if k}
    return {
        path: rest
        for path, (k, rest) in rest_of.items()
        if k in (0, min(dropped, default=0))
    }


def _with_slashes(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")


def _ends_with(name: str, path: str) -> bool:
    return name == path or name.endswith("/" + path)


def _without_suffix(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122


def _exists(root: Path, path: str) -> bool:
    return os.path.isfile(os.path.join(root, path))  # noqa: PTH113, PTH118 - a hot path
