"""Read a directory per class, of any depth, or any directory of unlabelled images.

Hidden directories and files (`.name`, `__MACOSX`) are skipped. Links are followed
unless they lead back to a parent. Everything that is skipped is reported in a note.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import (
    SPLIT_ALIASES,
    Task,
    note_classes_missing_from_splits,
    note_similar_class_names,
    quote_names,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.run_folder import is_run
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.image_table import ImageTable

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .tif .tiff .webp .ppm .pgm .pbm .pnm "
    ".tga .avif .jp2 .mpo .ico".split()
)
UNSUPPORTED_SUFFIXES = frozenset(
    ".heic .heif .dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .svg .psd .jxl".split()
)
"""suffixes of image formats that Pillow alone does not decode"""

UNSUPPORTED = "unsupported image format; export it as JPEG"
NOT_UTF8 = "its file name is not valid UTF-8; rename it"
LOOSE = "not inside a class directory"

MAX_ENTRIES_CHECKED = 100
"""entries of a directory that are checked for being runs: a class may have millions"""


def read_folder(root: Path, task: Task) -> ImageTable:
    """Read a directory per class, or the same below train, val and test."""
    if task in ("regression", "multilabel"):
        labels = "numbers" if task == "regression" else "several labels per image"
        raise SettingError(
            f"A directory per class gives one class per image, not {labels}. "
            f"For --task {task} give a CSV with the columns path and label."
        )
    walk = _DirectoryWalk(root)
    directories = walk.directories()
    splits = [name for name in directories if name.lower() in SPLIT_ALIASES]
    others = [name for name in directories if name not in splits]
    if splits and not others:
        walk.read_splits(splits)
    elif len({SPLIT_ALIASES[name.lower()] for name in splits}) > 1:
        raise DataError(
            f"{root} holds {quote_names(splits)}, which are names of splits, beside "
            f"{quote_names(others)}, which are not. Move the others elsewhere, or give "
            "a CSV with the columns path,label,split."
        )
    else:
        walk.read_classes(root, "")
    table = walk.table()
    if splits and others:
        table.notes.append(
            f"the directory {splits[0]!r} lies beside {quote_names(others)} and is "
            "read as a class, not as a split"
        )
    return table


def list_images_below(root: Path) -> ImageTable:
    """Return an unlabelled table of all images below a directory, sorted by name."""
    walk = _DirectoryWalk(root)
    walk.read_unlabelled()
    table = ImageTable.unlabelled(walk.names, root=root)
    return replace(table, quarantined=walk.quarantined, notes=walk.notes_on_skipped())


class _DirectoryWalk:
    """Collect the images of a directory per class, and what was skipped."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.labels: list[str] = []
        self.split: list[str] = []
        self.quarantined: list[Quarantined] = []
        self.ignored_suffixes: Counter[str] = Counter()
        self.unsupported: list[str] = []
        self.hidden: list[str] = []
        self.runs: list[str] = []
        self.empty: list[str] = []
        self.loops: list[str] = []
        self.unreadable: list[str] = []
        self.num_loose = 0
        real = root.resolve()
        self.parents = tuple(_identity(path) for path in (real, *real.parents))

    def directories(self) -> list[str]:
        """Return the names of the visible directories directly in the root."""
        entries = [e for e in self._entries(self.root) if _is_directory(e)]
        return [e.name for e in entries if not self._is_skipped(e)]

    def read_splits(self, splits: list[str]) -> None:
        """Read the classes below directories named after splits."""
        for entry in self._entries(self.root):
            if entry.name in splits:
                split = SPLIT_ALIASES[entry.name.lower()]
                self.read_classes(self.root / entry.name, split)
            else:
                self._skip(entry)

    def read_classes(self, directory: Path, split: str) -> None:
        """Read a directory whose subdirectories are the classes."""
        parents = (*self.parents, _identity(directory))
        for entry in self._entries(directory):
            if not _is_directory(entry) or self._is_skipped(entry):
                self._skip(entry)
                continue
            label = unicodedata.normalize("NFC", entry.name)
            before = len(self.unsupported)
            images = [self._relative(p) for p in self._images(entry.path, parents)]
            for name in self.unsupported[before:]:
                self._quarantine(name, label, UNSUPPORTED)
            for name in images:
                self._add(name, label, split)
            if not images:
                self.empty.append(self._relative(entry.path))

    def read_unlabelled(self) -> None:
        """List all images, whatever directory they are in."""
        for path in self._images(str(self.root), self.parents[1:]):
            self._add(self._relative(path), "", "")
        for name in self.unsupported:
            self._quarantine(name, "", UNSUPPORTED)

    def _is_skipped(self, entry: os.DirEntry[str]) -> bool:
        """Return whether a directory is hidden, or holds runs instead of images."""
        return _is_hidden(entry.name) or _holds_runs(Path(entry.path))

    def _add(self, name: str, label: str, split: str) -> None:
        if escape_non_utf8(name) != name:
            self._quarantine(name, label, NOT_UTF8)
            return
        self.names.append(name)
        self.labels.append(label)
        self.split.append(split)

    def _quarantine(self, name: str, label: str, reason: str) -> None:
        row = Quarantined(escape_non_utf8(name), escape_non_utf8(label), reason)
        self.quarantined.append(row)

    def _skip(self, entry: os.DirEntry[str]) -> None:
        """Record a skipped directory, or a file beside the class directories."""
        if _is_directory(entry):
            skipped = self.hidden if _is_hidden(entry.name) else self.runs
            skipped.append(self._relative(entry.path))
        elif _is_image(entry.name):
            self._quarantine(self._relative(entry.path), "", LOOSE)
            self.num_loose += 1
        else:
            self._count_suffix(entry.name)

    def _count_suffix(self, name: str) -> None:
        """Count a visible file that is not an image."""
        if not name.startswith("."):
            suffix = Path(name).suffix.lower() or "without a suffix"
            self.ignored_suffixes[suffix] += 1

    def _images(
        self, directory: str, parents: tuple[tuple[int, int], ...]
    ) -> Iterator[str]:
        """Yield the paths of all images below a directory, sorted by name."""
        identity = _identity(Path(directory))
        if identity in parents:
            self.loops.append(self._relative(directory))
            return
        for entry in self._entries(directory):
            if _is_directory(entry):
                if _is_hidden(entry.name):
                    self.hidden.append(self._relative(entry.path))
                else:
                    yield from self._images(entry.path, (*parents, identity))
            elif _is_image(entry.name):
                yield entry.path
            elif Path(entry.name).suffix.lower() in UNSUPPORTED_SUFFIXES:
                self.unsupported.append(self._relative(entry.path))
            else:
                self._count_suffix(entry.name)

    def _entries(self, directory: str | Path) -> list[os.DirEntry[str]]:
        """Return directory entries sorted by name; empty if it cannot be read."""
        try:
            with os.scandir(directory) as entries:
                return sorted(entries, key=lambda e: e.name)
        except OSError:
            self.unreadable.append(self._relative(directory))
            return []

    def _relative(self, path: str | Path) -> str:
        return os.path.relpath(path, self.root)

    def table(self) -> ImageTable:
        """Return the labelled table; NoDataError if no image was found."""
        if not self.names:
            raise NoDataError(self._explain_no_images())
        return ImageTable(
            names=self.names,
            labels=np.array(self.labels, dtype=object),
            split=np.array(self.split) if any(self.split) else None,
            root=self.root,
            quarantined=self.quarantined,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        notes = self.notes_on_skipped()
        if self.empty:
            notes.append(f"directories without images: {quote_names(self.empty)}")
        notes += note_similar_class_names(set(self.labels))
        notes += self._note_same_subdirectories()
        return notes + note_classes_missing_from_splits(self.labels, self.split)

    def _note_same_subdirectories(self) -> list[str]:
        """Return a note if every class directory has the same subdirectories."""
        by_class: dict[str, set[str]] = {}
        for name, label, split in zip(self.names, self.labels, self.split, strict=True):
            subdirectories = Path(name).parts[1 + bool(split) : -1]
            by_class.setdefault(label, set()).update(subdirectories[:1] or [""])
        names = list(by_class.values())
        if len(names) < 2 or any(k != names[0] for k in names) or len(names[0]) < 2:
            return []
        return [
            "every class directory has the same subdirectories "
            f"({quote_names(sorted(names[0]))}): if those are the classes, give a CSV "
            "with the columns path,label"
        ]

    def notes_on_skipped(self) -> list[str]:
        """Return notes on what is in the directory but not in the table."""
        notes = []
        if self.hidden:
            notes.append(f"hidden directories skipped: {quote_names(self.hidden)}")
        if self.runs:
            notes.append(
                f"directories of earlier runs skipped: {quote_names(self.runs)}"
            )
        if self.loops:
            loops = quote_names(self.loops)
            notes.append(f"links to a parent directory skipped: {loops}")
        if self.unreadable:
            unreadable = quote_names(self.unreadable)
            notes.append(f"directories that cannot be read: {unreadable}")
        if self.ignored_suffixes:
            counts = self.ignored_suffixes.most_common()
            ignored = ", ".join(f"{n} {suffix}" for suffix, n in counts)
            notes.append(f"files without an image suffix skipped: {ignored}")
        return notes

    def _explain_no_images(self) -> str:
        expected = (
            "Expected a directory per class, such as DATA/cat/1.jpg, DATA/dog/2.jpg"
        )
        if self.num_loose:
            return (
                f"{self.root} holds {pluralize(self.num_loose, 'image')} but no class "
                f"directories. {expected}, or a CSV with the columns path,label."
            )
        first = [f"{q.name}: {q.reason}" for q in self.quarantined[:1]]
        reasons = [*first, *self._notes()]
        reason = "; ".join(reasons) if reasons else "it is empty"
        tables = [e.name for e in self._entries(self.root) if _is_table(e.name)]
        if tables:
            expected += (
                ". If a table lists the images (path,label), name its file, such as "
                f"{self.root / tables[0]}"
            )
        return f"{self.root} holds no images ({reason}). {expected}."


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path: Path) -> tuple[int, int]:
    """Return what identifies a directory, whatever link it was reached by."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def escape_non_utf8(name: str) -> str:
    """Return a name with `\\udc..` for bytes that are not UTF-8; others unchanged."""
    return name.encode(errors="backslashreplace").decode()


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _holds_runs(directory: Path) -> bool:
    """Return whether a directory is a run, or holds nothing but runs."""
    if is_run(directory):
        return True
    try:
        with os.scandir(directory) as entries:
            first = list(islice(entries, MAX_ENTRIES_CHECKED))
    except OSError:
        return False
    return bool(first) and all(_is_directory(e) and is_run(Path(e.path)) for e in first)


def _is_table(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith((".csv", ".tsv"))


def _is_image(name: str) -> bool:
    if name.startswith("."):
        return False
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a hot path
