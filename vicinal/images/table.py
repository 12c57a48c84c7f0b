"""Where the pictures and their labels are: one table, however the user keeps them.

======================================  ==============================================
a folder with a folder per class        DATA/glass/1.jpg (deeper folders count too)
the same below train/ val/ test/        DATA/train/glass/1.jpg
a CSV or DataFrame                      path,label[,split]; paths beside the CSV
arrays                                  [N, H, W] or [N, H, W, C], with labels y [N]
IDX files (the form of MNIST)           train-images-idx3-ubyte[.gz] and its labels
======================================  ==============================================

Classes are matched by name, in Unicode's composed form (NFC), never by position.
Nothing is opened here but the table itself: the audit looks into the pictures.
"""

import gzip
import os
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import StringIO
from numbers import Real
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from vicinal.errors import DataError, NoDataError, SettingError

Kind = Literal["single_label", "multi_label", "numeric", "none"]
Task = Literal["auto", "classification", "multilabel", "regression"]

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .dib .tif .tiff .webp .ppm .pgm .pbm .pnm "
    ".tga .avif .jp2 .mpo .ico".split()
)
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "name")
LABEL_COLUMNS = ("label", "class", "labels", "target", "y", "category", "tags")
SPLIT_COLUMNS = ("split", "set", "subset", "fold_name")
EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na"})
"""cells of a table, in lower case, that count as no label"""


class Quarantined(NamedTuple):
    """A picture that is set aside, and why."""

    name: str
    label: str
    reason: str


@dataclass(frozen=True)
class ImageTable:
    """N pictures and what is known of them, a row each."""

    names: list[str]
    """path relative to root, or a name made for a row of an array"""

    labels: np.ndarray
    """[N] class names, texts `a|b` of several, or numbers; None where not given"""

    kind: Kind = "single_label"
    """what the labels are"""

    split: np.ndarray | None = None
    """[N] train, val or test, where the user said so"""

    root: Path | None = None
    """folder of the files"""

    pixels: np.ndarray | None = None
    """[N, H, W] or [N, H, W, C], when the pictures are arrays"""

    whole_numbers: bool = False
    """whether class names are whole numbers that the user gave as numbers"""

    set_aside: list[Quarantined] = field(default_factory=list)
    """rows that could not even be listed"""

    notes: list[str] = field(default_factory=list)
    """what the user should know: hidden, empty or look-alike classes, ignored files"""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, in the order of their names."""
        return tuple(sorted(self.counts(), key=int if self.whole_numbers else str))

    def path(self, row: int) -> Path:
        """The file of a row."""
        return (self.root or Path()) / self.names[row]

    def rows(self, rows: np.ndarray) -> "ImageTable":
        """The table of some rows: their numbers, or a mask [N]."""
        index = np.arange(len(self))[rows]
        return replace(
            self,
            names=[self.names[i] for i in index],
            labels=self.labels[index],
            split=None if self.split is None else self.split[index],
            pixels=None if self.pixels is None else self.pixels[index],
        )

    def counts(self) -> dict[str, int]:
        """Pictures of each class."""
        if self.kind == "multi_label":
            from vicinal.core.objective import split_labels

            names = (set(split_labels(label)) for label in self.labels)
            return dict(Counter(k for some in names for k in some))
        return dict(Counter(self.labels)) if self.kind == "single_label" else {}


def read_images(
    data: Any,
    y: Any = None,
    *,
    task: Task = "auto",
    target: str | None = None,
) -> ImageTable:
    """Read a table of pictures from a path, a DataFrame, arrays or a list of paths.

    y: for arrays and lists: labels [N], or for several labels a picture lists of
    names or marks [N, K] of 0 and 1.
    task: what the labels are; auto reads it from them.
    target: the CSV column that holds the labels.
    Raises NoDataError when no picture is found, DataError when the form is unclear.
    """
    if task not in get_args(Task):
        known = ", ".join(get_args(Task))
        raise SettingError(f"task must be one of {known}. Got {task!r} instead.")
    own_labels = isinstance(data, (ImageTable, str, os.PathLike))
    if y is not None and (own_labels or hasattr(data, "columns")):
        raise DataError(
            "y goes with arrays and lists of paths. The labels of a folder, a CSV or a "
            "DataFrame lie in it: leave y out."
        )
    if isinstance(data, ImageTable):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _read_path(Path(data), task, target)
    if hasattr(data, "columns"):
        return _from_frame(data, Path(), task, target, first_line=0)
    if _is_paths(data):
        return _from_paths(list(data), y, task)
    return _from_arrays(data, y, task)


def _read_path(path: Path, task: Task, target: str | None) -> ImageTable:
    try:
        return _read_there(path, task, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {reason}.") from error


def _read_there(path: Path, task: Task, target: str | None) -> ImageTable:
    if not path.exists():
        raise NoDataError(f"There is nothing at {path}. Check the path's spelling.")
    if path.is_dir():
        if target is not None:
            raise SettingError("--target names a column of a CSV; DATA is a folder.")
        return _read_folder(path, task)
    if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        return _read_csv(path, task, target)
    raise DataError(
        f"{path} is a file, where a folder of pictures or a CSV was wanted. "
        "To classify one picture with a trained model: vicinal predict RUN PICTURE."
    )


# --- folders ---------------------------------------------------------------------


def _read_folder(root: Path, task: Task) -> ImageTable:
    idx = [path for path in root.iterdir() if _is_idx(path, "images")]
    if idx:
        return _read_idx(root, idx, task)
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
            f"{root} holds {_some(parts)}, which read as parts of a split, beside "
            f"{_some(others)}, which do not. Move the others elsewhere, or give a CSV "
            "with the columns path,label,split."
        )
    else:
        walk.classes_in(root, "")
    return walk.table()


class _Walk:
    """Collects the pictures of a folder per class; remembers what it passed over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.labels: list[str] = []
        self.split: list[str] = []
        self.set_aside: list[Quarantined] = []
        self.ignored: Counter[str] = Counter()
        self.hidden: list[str] = []
        self.empty: list[str] = []
        self.loops: list[str] = []
        self.closed: list[str] = []
        self.loose = 0
        real = root.resolve()
        self.above = tuple(_identity(path) for path in (real, *real.parents))

    def folders(self) -> list[str]:
        """Names of the visible folders directly in the root."""
        names = [e.name for e in self._entries(self.root) if _is_folder(e)]
        return [name for name in names if not _is_hidden(name)]

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
            if not _is_folder(entry) or _is_hidden(entry.name):
                self._pass_over(entry)
                continue
            label = unicodedata.normalize("NFC", entry.name)
            found = [self._relative(p) for p in self._pictures(entry.path, above)]
            for name in found:
                self._add(name, label, part)
            if not found:
                self.empty.append(self._relative(entry.path))

    def _add(self, name: str, label: str, part: str) -> None:
        if _escaped(name) != name:
            reason = "its name is not written in UTF-8; rename it"
            self.set_aside.append(Quarantined(_escaped(name), _escaped(label), reason))
            return
        self.names.append(name)
        self.labels.append(label)
        self.split.append(part)

    def _pass_over(self, entry: os.DirEntry[str]) -> None:
        """Remember a hidden folder, or a picture beside the class folders."""
        if _is_folder(entry):
            self.hidden.append(self._relative(entry.path))
        elif _is_picture(entry.name):
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
        notes = []
        if self.hidden:
            notes.append(f"hidden folders left out: {_some(self.hidden)}")
        if self.empty:
            notes.append(f"folders without a picture: {_some(self.empty)}")
        if self.loops:
            notes.append(f"links that lead back to a folder above: {_some(self.loops)}")
        if self.closed:
            notes.append(f"folders that cannot be read: {_some(self.closed)}")
        if self.ignored:
            kinds = ", ".join(f"{n} {kind}" for kind, n in self.ignored.most_common())
            notes.append(f"files that are no pictures by their ending: {kinds}")
        if self.loose:
            notes.append(f"{self.loose} pictures lie in no class folder, left out")
        notes += look_alikes(set(self.labels))
        return notes + one_sided(self.labels, self.split)

    def _why_nothing(self) -> str:
        wanted = "Wanted: a folder per class, such as DATA/cat/1.jpg, DATA/dog/2.jpg."
        if self.loose:
            return (
                f"{self.root} holds {self.loose} pictures but no class folders. "
                f"{wanted} A CSV with the columns path,label does as well."
            )
        told = [*(f"{q.name}: {q.reason}" for q in self.set_aside[:1]), *self._notes()]
        what = "only " + "; ".join(told) if told else "nothing"
        return f"{self.root} holds no pictures ({what}). {wanted}"


def look_alikes(classes: set[str]) -> list[str]:
    """A note for each set of class names that differ only in case or spaces."""
    same: dict[str, list[str]] = {}
    for name in sorted(classes):
        same.setdefault(" ".join(name.casefold().split()), []).append(name)
    alike = [names for names in same.values() if len(names) > 1]
    return [
        f"classes whose names differ only in case or spaces: {_some(names)}; "
        "they are kept apart, rename one if they are one class"
        for names in alike
    ]


def one_sided(labels: Sequence[str], split: Sequence[str]) -> list[str]:
    """A note for each class that is in train and not in val or test, or the reverse."""
    classes: dict[str, set[str]] = {}
    for label, part in zip(labels, split, strict=True):
        classes.setdefault(part, set()).add(label)
    train, notes = classes.get("train", set()), []
    for part in ("val", "test"):
        there = classes.get(part, set())
        if train and there - train:
            extra = _some(sorted(there - train))
            notes.append(f"classes in {part} that train does not have: {extra}")
        if there and train - there:
            missing = _some(sorted(train - there))
            notes.append(f"classes in train that {part} does not have: {missing}")
    return notes


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(path: Path) -> tuple[int, int]:
    """What tells a folder from all others, whatever link it was reached by."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _escaped(name: str) -> str:
    """A name with \\udc.. in place of bytes that are no UTF-8; any other as it is."""
    return name.encode(errors="backslashreplace").decode()


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_picture(name: str) -> bool:
    if name.startswith("."):
        return False
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a hot path


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


# --- tables ----------------------------------------------------------------------


def _read_csv(path: Path, task: Task, target: str | None) -> ImageTable:
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8 (byte {error.start}). "
            "Save it as CSV UTF-8 and try again."
        ) from error
    if not text.strip():
        raise NoDataError(f"{path} is empty. Wanted: the columns path,label[,split].")
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    try:
        with warnings.catch_warnings():
            # rows longer than the header would shift or lose cells
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path} cannot be read as a table: {error}. "
            "A cell that holds a separator belongs in double quotes."
        ) from error
    return _from_frame(frame, path.parent, task, target, first_line=2)


def _from_frame(
    frame: Any, root: Path, task: Task, target: str | None, first_line: int
) -> ImageTable:
    """A table from a DataFrame; `first_line` is the number of its first row."""
    columns = {str(name).strip().lower(): name for name in frame.columns}
    path_column = _column(frame, PATH_COLUMNS, "paths of the pictures")
    wanted = (target,) if target else LABEL_COLUMNS
    label_column = _column(frame, wanted, "labels", exact=target)
    split_column = next((columns[c] for c in SPLIT_COLUMNS if c in columns), None)
    paths = ["" if _is_missing(p) else str(p).strip() for p in frame[path_column]]
    cells = list(frame[label_column])
    labels = [_clean(cell) for cell in cells]
    parts = [""] * len(paths)
    if split_column is not None:
        parts = [(_clean(part) or "").lower() for part in frame[split_column]]
    numbers = task == "regression" and any(_number(k) is not None for k in labels)
    keep, set_aside = _sift(paths, cells, parts, first_line, numbers)
    if not keep:
        raise NoDataError(
            f"No row of the table has both a path and a label ({len(paths)} rows). "
            + (f"The first: {set_aside[0].reason}." if set_aside else "")
        )
    kept = [label for i in keep if (label := labels[i]) is not None]
    kind = _kind_of(kept, task)
    split = np.array([SPLITS.get(parts[i], "") for i in keep])
    notes = look_alikes(set(kept)) + one_sided(kept, split.tolist())
    typed = getattr(getattr(frame[label_column], "dtype", None), "kind", "O")
    return ImageTable(
        names=[paths[i] for i in keep],
        labels=_labels_as(kept, kind),
        kind=kind,
        split=split if split_column is not None and any(split) else None,
        root=root,
        whole_numbers=kind == "single_label" and typed in "iu",
        set_aside=set_aside,
        notes=notes if kind == "single_label" else [],
    )


def _column(
    frame: Any, wanted: Sequence[str], what: str, exact: str | None = None
) -> Any:
    names = list(frame.columns)
    if exact in names:
        return exact
    known = {str(name).strip().lower(): name for name in names}
    for name in wanted:
        if name.lower() in known:
            return known[name.lower()]
    told = f"a column {exact!r}" if exact else f"one of {', '.join(wanted)}"
    raise DataError(
        f"The table has no column for the {what}: wanted {told}, "
        f"got {', '.join(map(str, names))}."
    )


def _clean(cell: Any) -> str | None:
    """A cell as text, composed (NFC); None for empty, NaN and their spellings."""
    text = "" if _is_missing(cell) else unicodedata.normalize("NFC", str(cell)).strip()
    return None if text.lower() in EMPTY else text


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas' NA; the texts `None`, `nan` are not."""
    return value is None or (not isinstance(value, str) and str(value) in MISSING)


MISSING = ("nan", "<NA>", "NaT")


def _sift(
    paths: list[str],
    cells: list[Any],
    parts: list[str],
    first_line: int,
    numbers: bool,
) -> tuple[list[int], list[Quarantined]]:
    """Rows that say something usable, and those that do not, with the reason."""
    labels = [_clean(cell) for cell in cells]
    seen: dict[str, set[str]] = {}
    for path, label in zip(paths, labels, strict=True):
        if label is not None:
            seen.setdefault(path, set()).add(label)
    keep: list[int] = []
    aside: list[Quarantined] = []
    taken: set[str] = set()
    for row, (path, label, part) in enumerate(zip(paths, labels, parts, strict=True)):
        where = f"row {row + first_line}"
        if not path:
            reason = f"{where} has no path"
        elif label is None:
            reason = f"{where} has an empty label" + _spelling(cells[row])
        elif part and part not in SPLITS:
            reason = f"{where} has split {part!r}; wanted train, val or test"
        elif numbers and _number(label) is None:
            reason = f"{where}: the label {label!r} is not a number"
        elif len(seen[path]) > 1:
            names = _some(sorted(seen[path]))
            reason = f"{where}: this path is listed with different labels: {names}"
        elif path in taken:
            reason = f"{where}: this path is listed before"
        else:
            taken.add(path)
            keep.append(row)
            continue
        aside.append(Quarantined(path, label or "", reason))
    return keep, aside


def _spelling(cell: Any) -> str:
    """How an empty label was spelled, where it was."""
    if not isinstance(cell, str) or not cell.strip():
        return ""
    return f": {cell.strip()!r} counts as empty in a table (a folder may be called so)"


def _kind_of(labels: Sequence[Any], task: Task) -> Kind:
    """What labels are: numbers that measure, several names each, or one name each."""
    named: dict[str, Kind] = {
        "classification": "single_label",
        "multilabel": "multi_label",
        "regression": "numeric",
    }
    if task != "auto":
        return named[task]
    if any("|" in str(label) for label in labels):
        return "multi_label"
    numbers = [_number(label) for label in labels]
    if None in numbers:
        return "single_label"
    whole = all(float(n).is_integer() for n in numbers if n is not None)
    return "single_label" if whole and len(set(numbers)) <= 30 else "numeric"


def _number(label: Any) -> float | None:
    if "_" in str(label):  # python reads 1_000 as a number, a table does not
        return None
    try:
        value = float(label)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _labels_as(labels: Sequence[Any], kind: Kind) -> np.ndarray:
    if kind != "numeric":
        texts = [unicodedata.normalize("NFC", str(label)) for label in labels]
        return np.array(texts, dtype=object)
    numbers = [_number(label) for label in labels]
    if None in numbers:
        bad = labels[numbers.index(None)]
        raise DataError(
            f"--task regression wants numbers as labels and got {bad!r}. Name the "
            "column with --target, or train with --task classification."
        )
    return np.array(numbers, dtype=np.float64)


# --- arrays and lists ------------------------------------------------------------


def _is_paths(data: Any) -> bool:
    if getattr(data, "ndim", None) == 1:  # an array or a pandas column
        data = list(data)
    if not isinstance(data, (list, tuple)) or not data:
        return False
    return isinstance(data[0], (str, os.PathLike))


def _from_paths(data: list[Any], y: Any, task: Task) -> ImageTable:
    names = [os.fspath(path) for path in data]
    return _labelled(
        ImageTable(names, _unknown(len(names)), "none", root=Path()), y, task
    )


def _from_arrays(data: Any, y: Any, task: Task) -> ImageTable:
    try:
        pixels = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The pictures cannot be read as one array: {error}. "
            "Give pictures of one size as [N, H, W] or [N, H, W, C], or their paths."
        ) from error
    if pixels.shape[:1] == (0,):
        raise NoDataError("There are no pictures: the array or list is empty.")
    channels = pixels.shape[3:] or (1,)
    if pixels.ndim not in (3, 4) or channels[0] not in (1, 3) or not pixels.size:
        first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
        raise DataError(
            f"Arrays of pictures must be [N, H, W] or [N, H, W, C] with C 1 or 3. "
            f"Got shape {list(pixels.shape)} instead."
            + (" Put the channels last: x.transpose(0, 2, 3, 1)." if first else "")
        )
    names = [f"picture {row}" for row in range(len(pixels))]
    table = ImageTable(names, _unknown(len(names)), "none", pixels=to_bytes(pixels))
    return _labelled(table, y, task)


def _unknown(n: int) -> np.ndarray:
    return np.full(n, None, dtype=object)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8: floats in 0..1 are scaled by 255, other ranges are refused."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype.kind not in "iuf":
        raise DataError(
            f"Pixels must be numbers. Got an array of {pixels.dtype} instead."
        )
    if pixels.size and not np.isfinite(pixels).all():
        raise DataError("The pictures hold NaN or infinite pixels. Replace them first.")
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0, 1)
    if low < 0 or high > 255:
        raise DataError(
            f"Pixels must lie in 0..1 or 0..255. Got {low:g} to {high:g} instead."
        )
    unit = np.issubdtype(pixels.dtype, np.floating) and high <= 1
    return np.rint(pixels * 255 if unit else pixels).astype(np.uint8)


def _labelled(table: ImageTable, y: Any, task: Task) -> ImageTable:
    """The table with labels y [N] or marks y [N, K]; rows without one are set aside."""
    if y is None:
        return table
    if len(y) != len(table):
        raise DataError(
            f"There are {len(table)} pictures and {len(y)} labels. Give one for each."
        )
    array, marks = _label_array(y)
    given = np.array([not _is_missing(label) for label in array], dtype=bool)
    if not given.any():
        raise NoDataError(f"All {len(table)} labels are empty.")
    kept = array[given].tolist()
    numbers = np.array(kept).dtype.kind if all(map(_is_real, kept)) else ""
    if marks:
        kind: Kind = "multi_label"
    elif task == "auto" and numbers:
        kind = "numeric" if numbers == "f" else "single_label"
    else:
        kind = _kind_of(kept, task)
    aside = [
        Quarantined(table.names[row], "", f"row {row} has an empty label")
        for row in np.flatnonzero(~given)
    ]
    return replace(
        table if given.all() else table.rows(given),
        labels=_labels_as(kept, kind),
        kind=kind,
        whole_numbers=marks or (kind == "single_label" and numbers in ("i", "u")),
        set_aside=aside,
    )


def _label_array(y: Any) -> tuple[np.ndarray, bool]:
    """Labels [N] as they were given, and whether they were marks [N, K] of 0 and 1."""
    if hasattr(y, "dtype"):
        array = np.asarray(y)
    else:  # objects: a mixture of numbers and texts is not to become texts
        array = np.array([_bare(label) for label in y], dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1 and not isinstance(array[0], (list, tuple, set, np.ndarray)):
        return array, False
    if array.ndim != 2 or not np.isin(array, (0, 1)).all():
        raise DataError(
            "y must be one label for each picture, lists of names, or marks [N, K] of "
            f"0 and 1. Got shape {list(array.shape)}, the first {array[0]!r}."
        )
    texts = ["|".join(map(str, np.flatnonzero(marks))) or "-" for marks in array]
    return np.array(texts, dtype=object), True


def _bare(label: Any) -> Any:
    """A label without its wrapping: a tensor's number, a list of names as `a|b`."""
    if getattr(label, "shape", None) == ():
        return label.item()
    if isinstance(label, (list, tuple, set)) and all(isinstance(k, str) for k in label):
        return "|".join(sorted(label)) or "-"
    return label


def _is_real(label: Any) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


# --- IDX -------------------------------------------------------------------------


def _is_idx(path: Path, what: str) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return what in name and name.endswith(("-ubyte", ".idx", ".idx3", ".idx1"))


def _read_idx(root: Path, images: list[Path], task: Task) -> ImageTable:
    # the packed and the unpacked form of one file often lie side by side
    backwards = sorted(images, reverse=True)  # train before t10k, plain after packed
    parts = []
    for path in {path.name.removesuffix(".gz"): path for path in backwards}.values():
        pixels, labels = read_idx(path), read_idx(_labels_of(path))
        if pixels.ndim != 3 or labels.ndim != 1 or len(pixels) != len(labels):
            raise DataError(
                f"{path.name} must hold pictures [N, H, W] and its labels [N]. "
                f"Got {list(pixels.shape)} and {list(labels.shape)} instead."
            )
        test = any(word in path.name.lower() for word in ("t10k", "test"))
        parts.append((path.name.split("-images")[0], pixels, labels, test))
    if len({pixels.shape[1:] for _, pixels, _, _ in parts}) > 1:
        raise DataError(f"The IDX files in {root} hold pictures of different sizes.")
    names = [
        f"{name}/{row}" for name, pixels, *_ in parts for row in range(len(pixels))
    ]
    split = [np.full(len(p), "test" if test else "train") for _, p, _, test in parts]
    table = ImageTable(
        names,
        _unknown(len(names)),
        split=np.concatenate(split) if len({p[3] for p in parts}) > 1 else None,
        pixels=np.concatenate([p for _, p, _, _ in parts]),
    )
    if not len(table):
        raise NoDataError(f"The IDX files in {root} hold no pictures.")
    return _labelled(table, np.concatenate([k for _, _, k, _ in parts]), task)


def _labels_of(images: Path) -> Path:
    """The file of the labels beside a file of pictures, packed or not."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    bare = name.removesuffix(".gz")
    there = [images.with_name(k) for k in (name, bare, f"{bare}.gz")]
    return next((path for path in there if path.exists()), there[0])


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes (LeCun et al. 1998), gzipped or not."""
    if not path.exists():
        raise DataError(f"{path} is missing; the pictures' labels lie there.")
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        if data[:3] != b"\x00\x00\x08":
            raise DataError(f"{path} is not an IDX file of unsigned bytes.")
        axes = data[3]
        shape = np.frombuffer(data, ">u4", axes, 4).astype(int)
        values = np.frombuffer(data, np.uint8, offset=4 + 4 * axes)
        return values.reshape(shape)
    except DataError:
        raise
    except (EOFError, OSError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}.") from error
