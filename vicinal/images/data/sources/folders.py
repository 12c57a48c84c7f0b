"""Read a directory per class, of any depth, or any directory of unlabelled images.

Hidden directories and files (`.name`, `__MACOSX`, thumbnails) are skipped. Links are
followed unless they lead back to a parent. Everything that is skipped is reported in a
note. `folder_layout` decides which directories are splits and which are classes.
"""

import os
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from vicinal.core.data.image_names import SUFFIXES
from vicinal.core.data.labels import (
    Task,
    merge_spellings,
    note_classes_missing_from_splits,
    note_similar_class_names,
    quote_names,
)
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.run_folder import is_run
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError, SettingError
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.folder_layout import (
    DirectoryTree,
    Parts,
    find_layout,
)

IMAGE_SUFFIXES = frozenset(SUFFIXES)
UNSUPPORTED_SUFFIXES = frozenset(
    ".heic .heif .dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .svg .psd .jxl".split()
)
"""suffixes of image formats that Pillow alone does not decode"""

UNSUPPORTED = "unsupported image format; export it as JPEG"
NOT_UTF8 = "its file name is not valid UTF-8; rename it"
LOOSE = "not inside a class directory"

SYSTEM_DIRECTORIES = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
)
"""directories, in lower case, that systems write; skipped like hidden ones"""

THUMBNAIL_DIRECTORIES = frozenset({"thumb", "thumbs", "_thumbs", "thumbnails"})
"""directories, in lower case, that are skipped beside images"""

MAX_DEPTH = 100
"""levels of directories that are read"""

RUN_DEPTH = 3
"""levels of directories that may be those of runs"""

MAX_ENTRIES_CHECKED = 100
"""entries of a directory that are checked for being runs: a class may have millions"""


def read_folder(root: Path, task: Task) -> ImageTable:
    """Read a directory per class, or the same below splits (`folder_layout`)."""
    if task in ("regression", "multilabel"):
        labels = "numbers" if task == "regression" else "several labels per image"
        raise SettingError(
            f"A directory per class gives one class per image, not {labels}. "
            f"For --task {task} give a CSV with the columns path and label."
        )
    return _DirectoryWalk(root, skip_runs=True).table()


def list_images_below(root: Path) -> ImageTable:
    """Return an unlabelled table of all images below a directory, sorted by name."""
    walk = _DirectoryWalk(root)
    table = ImageTable.unlabelled(walk.usable_names(), root=root)
    return replace(table, quarantined=walk.quarantined, notes=walk.notes_on_skipped())


class _DirectoryWalk:
    """Collect the images below a directory, and what was skipped.

    skip_runs: leave out directories of earlier runs.
    """

    def __init__(self, root: Path, *, skip_runs: bool = False) -> None:
        self.root = root
        self.skip_runs = skip_runs
        self.names: list[str] = []
        self.directory_of: list[Parts] = []
        self.quarantined: list[Quarantined] = []
        self.ignored_suffixes: Counter[str] = Counter()
        self.hidden: list[str] = []
        self.runs: list[str] = []
        self.without_images: list[Parts] = []
        self.vacant: set[Parts] = set()
        self.loops: list[str] = []
        self.unreadable: list[str] = []
        self.tables: list[str] = []
        parents = tuple(_identity(path) for path in root.resolve().parents)
        self.tree = self._read(str(root), (), parents)

    def _read(
        self, directory: str, parts: Parts, parents: tuple[tuple[int, int], ...]
    ) -> DirectoryTree:
        """Read a directory, sorted by name, and return its tree."""
        tree, prefix = DirectoryTree(), os.path.join(*parts, "")  # noqa: PTH118
        identity = _identity(Path(directory))
        if identity in parents:
            self.loops.append(self._relative(directory))
            return tree
        if len(parts) > MAX_DEPTH:
            self.unreadable.append(f"{self._relative(directory)[:80]}... (too deep)")
            return tree
        entries = self._entries(directory)
        if not entries:
            self.vacant.add(parts)
        has_images = any(_is_image(entry.name) for entry in entries)
        for entry in entries:
            if _is_directory(entry):
                if not self._is_skipped(entry, parts, has_images):
                    self._read_child(entry, tree, parts, (*parents, identity))
            elif _is_image(entry.name) or _is_unsupported(entry.name):
                tree.num_images += 1
                self.names.append(f"{prefix}{entry.name}")
                self.directory_of.append(parts)
            else:
                self._count_suffix(entry.name)
                if not parts and _is_table(entry.name):
                    self.tables.append(entry.name)
        return tree

    def _read_child(
        self,
        entry: os.DirEntry[str],
        tree: DirectoryTree,
        parts: Parts,
        parents: tuple[tuple[int, int], ...],
    ) -> None:
        """Read a subdirectory, and add it to the tree if it has images, or nothing."""
        below = (*parts, entry.name)
        child = self._read(entry.path, below, parents)
        has_images = bool(child.num_images or child.children)
        if not has_images:
            self.without_images.append(below)
        if has_images or below in self.vacant:
            tree.children[entry.name] = child

    def _is_skipped(
        self, entry: os.DirEntry[str], parts: Parts, beside_images: bool
    ) -> bool:
        """Return whether a directory is left out, and remember which."""
        if _is_hidden(entry.name) or (
            beside_images and entry.name.lower() in THUMBNAIL_DIRECTORIES
        ):
            self.hidden.append(self._relative(entry.path))
            return True
        depth = len(parts)
        if self.skip_runs and depth < RUN_DEPTH and _holds_runs(Path(entry.path)):
            self.runs.append(self._relative(entry.path))
            return True
        return False

    def usable_names(self) -> list[str]:
        """Return the images that can be used; quarantine the others, unlabelled."""
        return [name for name in self.names if self._check(name, "")]

    def _check(self, name: str, label: str) -> bool:
        """Return whether an image has a usable name and format; else quarantine it."""
        reason = None
        if not _is_image(name):
            reason = UNSUPPORTED
        elif escape_non_utf8(name) != name:
            reason = NOT_UTF8
        if reason is not None:
            self._quarantine(name, label, reason)
        return reason is None

    def _quarantine(self, name: str, label: str, reason: str) -> None:
        row = Quarantined(escape_non_utf8(name), escape_non_utf8(label), reason)
        self.quarantined.append(row)

    def _count_suffix(self, name: str) -> None:
        """Count a visible file that is not an image."""
        if not name.startswith("."):
            suffix = Path(name).suffix.lower() or "without a suffix"
            self.ignored_suffixes[suffix] += 1

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
        layout = find_layout(self.tree, str(self.root))
        found = {p: layout.class_and_split(p) for p in set(self.directory_of)}
        names, labels, split = list[str](), list[str](), list[str]()
        num_loose = 0
        for name, parts in zip(self.names, self.directory_of, strict=True):
            labelled = found[parts]
            if labelled is None:
                num_loose += 1
                if not layout.is_unlabelled(parts):
                    self._quarantine(name, "", LOOSE)
            elif self._check(name, labelled.label):
                names.append(name)
                labels.append(labelled.label)
                split.append(labelled.split)
        notes = self.notes_on_skipped() + layout.notes
        parents = {parent.parts for parent in layout.parents}
        empty = [parts for parts in self.without_images if parts[:-1] in parents]
        if empty:
            paths = [os.path.join(*parts) for parts in empty]  # noqa: PTH118
            notes.append(f"directories without images: {quote_names(paths)}")
        if not names:
            raise NoDataError(self._explain_no_images(num_loose, notes))
        labels, spelling_notes = merge_spellings(labels, split)
        notes += spelling_notes + note_similar_class_names(set(labels))
        return ImageTable(
            names=names,
            labels=np.array(labels, dtype=object),
            split=np.array(split) if any(split) else None,
            root=self.root,
            quarantined=self.quarantined,
            notes=notes + note_classes_missing_from_splits(labels, split),
        )

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

    def _explain_no_images(self, num_loose: int, notes: list[str]) -> str:
        expected = (
            "Expected a directory per class, such as DATA/cat/1.jpg, DATA/dog/2.jpg"
        )
        if self.tables:
            expected += (
                ". If a table lists the images (path,label), name its file, such as "
                f"{self.root / self.tables[0]}"
            )
        if num_loose:
            expected += "" if self.tables else ", or a CSV with the columns path,label"
            images = pluralize(num_loose, "image")
            return f"{self.root} holds {images} but no class directories. {expected}."
        first = [f"{q.name}: {q.reason}" for q in self.quarantined[:1]]
        reasons = [*first, *notes]
        reason = "; ".join(reasons) if reasons else "it is empty"
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
    return name.startswith(".") or name.lower() in SYSTEM_DIRECTORIES


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


def _is_unsupported(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a hot path
    return suffix in UNSUPPORTED_SUFFIXES and not name.startswith(".")


def _is_image(name: str) -> bool:
    if name.startswith("."):
        return False
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a hot path
