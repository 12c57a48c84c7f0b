"""A folder per class, of any depth; or any folder of pictures without labels.

Hidden folders and files (`.name`, `__MACOSX`) are passed over, links are followed
unless they lead back up, and what is passed over is remembered and told.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import SPLITS, Task, look_alikes, one_sided, some
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.run_folder import is_run
from vicinal.core.text import counted
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.images.data.image_table import ImageTable

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .tif .tiff .webp .ppm .pgm .pbm .pnm "
    ".tga .avif .jp2 .mpo .ico".split()
)
FOREIGN = frozenset(
    ".heic .heif .dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .svg .psd .jxl".split()
)
"""endings of pictures that Pillow alone does not decode"""

ALIEN = "a form of picture that is not read here; export it as JPEG"
NOT_UTF8 = "its name is not written in UTF-8; rename it"


def read_folder(root: Path, task: Task) -> ImageTable:
    """Read a folder per class, or the same below train, val and test."""
    if task in ("regression", "multilabel"):
        wanted = "numbers" if task == "regression" else "several names each"
        raise SettingError(
            f"A folder per class holds one name each, not {wanted}. "
            f"For --task {task} give a CSV with the columns path and label."
        )
    walk = _Walk(root)
    top = walk.folders()
    parts = [name for name in top if name.lower() in SPLITS]
    others = [name for name in top if name not in parts]
    if parts and not others:
        walk.splits_in(parts)
    elif len({SPLITS[name.lower()] for name in parts}) > 1:
        raise DataError(
            f"{root} holds {some(parts)}, which read as parts of a split, beside "
            f"{some(others)}, which do not. Move the others elsewhere, or give a CSV "
            "with the columns path,label,split."
        )
    else:
        walk.classes_in(root, "")
    table = walk.table()
    if parts and others:
        table.notes.append(
            f"the folder {parts[0]!r} lies beside {some(others)} and is taken for a "
            "class, not for a part of a split"
        )
    return table


def pictures_below(root: Path) -> ImageTable:
    """All pictures of a folder of any depth, in the order of names, without labels."""
    walk = _Walk(root)
    walk.everything()
    table = ImageTable.unlabelled(walk.names, root=root)
    return replace(table, set_aside=walk.set_aside, notes=walk.passed_over())


class _Walk:
    """Collects the pictures of a folder per class; remembers what it passed over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.labels: list[str] = []
        self.split: list[str] = []
        self.set_aside: list[Quarantined] = []
        self.ignored: Counter[str] = Counter()
        self.foreign: list[str] = []
        self.hidden: list[str] = []
        self.runs: list[str] = []
        self.empty: list[str] = []
        self.loops: list[str] = []
        self.closed: list[str] = []
        self.loose = 0
        real = root.resolve()
        self.above = tuple(_identity(path) for path in (real, *real.parents))

    def folders(self) -> list[str]:
        """Names of the visible folders directly in the root."""
        entries = [e for e in self._entries(self.root) if _is_folder(e)]
        return [e.name for e in entries if not self._is_passed(e)]

    def splits_in(self, parts: list[str]) -> None:
        """Read the classes below folders named after the parts of a split."""
        for entry in self._entries(self.root):
            if entry.name in parts:
                self.classes_in(self.root / entry.name, SPLITS[entry.name.lower()])
            else:
                self._pass_over(entry)

    def classes_in(self, folder: Path, part: str) -> None:
        above = (*self.above, _identity(folder))
        for entry in self._entries(folder):
            if not _is_folder(entry) or self._is_passed(entry):
                self._pass_over(entry)
                continue
            label = unicodedata.normalize("NFC", entry.name)
            before = len(self.foreign)
            found = [self._relative(p) for p in self._pictures(entry.path, above)]
            for name in self.foreign[before:]:
                self.set_aside.append(Quarantined(escaped(name), escaped(label), ALIEN))
            for name in found:
                self._add(name, label, part)
            if not found:
                self.empty.append(self._relative(entry.path))

    def _is_passed(self, entry: os.DirEntry[str]) -> bool:
        """Whether a folder is hidden, or holds runs of vicinal and not pictures."""
        return _is_hidden(entry.name) or _holds_runs(Path(entry.path))

    def everything(self) -> None:
        """List all pictures, whatever folder they are in."""
        for path in self._pictures(str(self.root), self.above[1:]):
            self._add(self._relative(path), "", "")
        names = map(escaped, self.foreign)
        self.set_aside += [Quarantined(name, "", ALIEN) for name in names]

    def _add(self, name: str, label: str, part: str) -> None:
        if escaped(name) != name:
            aside = Quarantined(escaped(name), escaped(label), NOT_UTF8)
            self.set_aside.append(aside)
            return
        self.names.append(name)
        self.labels.append(label)
        self.split.append(part)

    def _pass_over(self, entry: os.DirEntry[str]) -> None:
        """Remember a hidden folder, or a picture beside the class folders."""
        if _is_folder(entry):
            passed = self.hidden if _is_hidden(entry.name) else self.runs
            passed.append(self._relative(entry.path))
        elif _is_picture(entry.name):
            name, why = self._relative(entry.path), "it lies in no class folder"
            self.set_aside.append(Quarantined(escaped(name), "", why))
            self.loose += 1

    def _pictures(
        self, folder: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[str]:
        here = _identity(Path(folder))
        if here in above:
            self.loops.append(self._relative(folder))
            return
        for entry in self._entries(folder):
            if _is_folder(entry):
                if _is_hidden(entry.name):
                    self.hidden.append(self._relative(entry.path))
                else:
                    yield from self._pictures(entry.path, (*above, here))
            elif _is_picture(entry.name):
                yield entry.path
            elif Path(entry.name).suffix.lower() in FOREIGN:
                self.foreign.append(self._relative(entry.path))
            elif not entry.name.startswith("."):
                self.ignored[Path(entry.name).suffix.lower() or "no ending"] += 1

    def _entries(self, folder: str | Path) -> list[os.DirEntry[str]]:
        """What lies in a folder, ordered by name; nothing where it cannot be read."""
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda e: e.name)
        except OSError:
            self.closed.append(self._relative(folder))
            return []

    def _relative(self, path: str | Path) -> str:
        return os.path.relpath(path, self.root)

    def table(self) -> ImageTable:
        if not self.names:
            raise NoDataError(self._why_nothing())
        said = any(self.split)
        return ImageTable(
            names=self.names,
            labels=np.array(self.labels, dtype=object),
            split=np.array(self.split) if said else None,
            root=self.root,
            set_aside=self.set_aside,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        notes = self.passed_over()
        if self.empty:
            notes.append(f"folders without a picture: {some(self.empty)}")
        notes += look_alikes(set(self.labels)) + self._nested()
        return notes + one_sided(self.labels, self.split)

    def _nested(self) -> list[str]:
        """A note where every class folder has the same folders inside it."""
        inside: dict[str, set[str]] = {}
        for name, label, part in zip(self.names, self.labels, self.split, strict=True):
            folders = Path(name).parts[1 + bool(part) : -1]
            inside.setdefault(label, set()).update(folders[:1] or [""])
        kinds = list(inside.values())
        if len(kinds) < 2 or any(k != kinds[0] for k in kinds) or len(kinds[0]) < 2:
            return []
        return [
            f"each class folder holds the same folders ({some(sorted(kinds[0]))}): if "
            "those are the classes, give a CSV with the columns path,label"
        ]

    def passed_over(self) -> list[str]:
        """Notes on what lies in the folder and is not in the table."""
        notes = []
        if self.hidden:
            notes.append(f"hidden folders left out: {some(self.hidden)}")
        if self.runs:
            notes.append(f"folders of earlier runs left out: {some(self.runs)}")
        if self.loops:
            notes.append(f"links that lead back to a folder above: {some(self.loops)}")
        if self.closed:
            notes.append(f"folders that cannot be read: {some(self.closed)}")
        if self.ignored:
            kinds = ", ".join(f"{n} {kind}" for kind, n in self.ignored.most_common())
            notes.append(f"files that are no pictures by their ending: {kinds}")
        return notes

    def _why_nothing(self) -> str:
        wanted = "Wanted: a folder per class, such as DATA/cat/1.jpg, DATA/dog/2.jpg."
        if self.loose:
            return (
                f"{self.root} holds {counted(self.loose, 'picture')} but no class "
                f"folders. "
                f"{wanted} A CSV with the columns path,label does as well."
            )
        told = [*(f"{q.name}: {q.reason}" for q in self.set_aside[:1]), *self._notes()]
        what = "only " + "; ".join(told) if told else "nothing"
        return f"{self.root} holds no pictures ({what}). {wanted}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(path: Path) -> tuple[int, int]:
    """What tells a folder from all others, whatever link it was reached by."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def escaped(name: str) -> str:
    """A name with \\udc.. in place of bytes that are no UTF-8; any other as it is."""
    return name.encode(errors="backslashreplace").decode()


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is a run, or has nothing in it but runs."""
    if is_run(folder):
        return True
    try:
        with os.scandir(folder) as entries:
            inside = list(islice(entries, 100))  # a class may have a million pictures
    except OSError:
        return False
    return bool(inside) and all(_is_folder(e) and is_run(Path(e.path)) for e in inside)


def _is_picture(name: str) -> bool:
    if name.startswith("."):
        return False
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a hot path
