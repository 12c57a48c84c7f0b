"""What can be used, what cannot and why: every picture is opened before training.

A picture that cannot be decoded is named with its reason, left out and counted. Exact
copies are found by content: copies with one label form a group that stays on one side
of every split; copies with different labels cannot all be right and are set aside.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.compute.threads import ordered_map
from vicinal.core.data.quarantine import Quarantined
from vicinal.errors import ImageError, NoDataError
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.decode import (
    RULES,
    Header,
    decode,
    digest,
    header,
    open_picture,
    read_file,
    resize_array,
)
from vicinal.images.data.read import ImageTable, Kind
from vicinal.images.settings import MAX_PIXELS, Resize

ProgressCallback = Callable[[int, int], None]
"""called as tick(done, total) while pictures are opened"""


class DecodedImage(NamedTuple):
    """What opening one picture showed: a reason, or a header, a digest and pixels."""

    reason: str | None
    header: Header | None
    digest: bytes
    pixels: np.ndarray | None


@dataclass(frozen=True)
class ImageReader:
    """How pictures are looked at: the size they are decoded to, and the cache."""

    size: int
    resize: Resize = "crop"
    cache: PixelCache | None = None
    max_pixels: int = MAX_PIXELS
    view: int = 0
    """pixels of the network's input, which is cut from the picture; 0: all of it"""

    @property
    def key(self) -> str:
        """What decoded pixels depend on beside the file: size, form, the rules."""
        return f"{self.size}-{self.resize}-{RULES}"

    def look(self, table: ImageTable, row: int) -> DecodedImage:
        """Open and decode one picture of a table, from the cache where it is there."""
        if table.pixels is not None:
            pixels = table.pixels[row]
            mode = "L" if pixels.ndim == 2 or pixels.shape[2] == 1 else "RGB"
            head = Header(pixels.shape[1], pixels.shape[0], mode, "array")
            name = digest(np.ascontiguousarray(pixels).tobytes())
            return DecodedImage(
                None, head, name, resize_array(pixels, self.size, self.resize)
            )
        return self.look_at_file(table, row)

    def look_at_file(self, table: ImageTable, row: int) -> DecodedImage:
        try:
            data = read_file(table.path(row))
        except ImageError as error:
            return DecodedImage(str(error), None, b"", None)
        name = digest(data)
        try:
            image = open_picture(data, self.max_pixels)
            head = header(image)
            pixels = self.cache.get(name, self.key) if self.cache else None
            if pixels is None:
                pixels = decode(image, self.size, self.resize)
                if self.cache:
                    self.cache.put(name, self.key, pixels)
        except ImageError as error:
            return DecodedImage(str(error), None, name, None)
        return DecodedImage(None, head, name, pixels)


def looks(
    table: ImageTable, eye: ImageReader, threads: int | None = None
) -> Iterator[DecodedImage]:
    """Look at every picture of a table in order, in threads, a few at a time."""
    return ordered_map(lambda row: eye.look(table, row), range(len(table)), threads)


@dataclass
class Audit:
    """What the audit found, over the N rows of a table."""

    table: ImageTable
    usable: np.ndarray
    """[N] bool"""

    digests: np.ndarray
    """[N] sixteen bytes each: pictures with the same digest are the same file"""

    sizes: np.ndarray
    """[N, 2] width and height in pixels, as shown; 0 where unusable"""

    grey: np.ndarray
    """[N] bool: one channel"""

    formats: dict[str, int]
    quarantine: list[Quarantined]

    @property
    def groups(self) -> np.ndarray:
        """[N] group numbers: exact copies have the same."""
        return groups_of(self.digests)

    @property
    def channels(self) -> int:
        """1 when every usable picture is grey, else 3."""
        return 1 if self.grey[self.usable].all() else 3

    def kept(self) -> ImageTable:
        """The table of the usable rows; NoDataError when there is none."""
        if not self.usable.any():
            first = [f"The first, {q.name}: {q.reason}." for q in self.quarantine[:1]]
            none = f"None of the {len(self.table)} pictures can be used."
            raise NoDataError(" ".join([none, *first]))
        return self.table.rows(self.usable)

    def copies(self) -> list[list[str]]:
        """Names of pictures that are exact copies of each other, usable ones only."""
        groups = rows_by_group(self.groups, self.usable)
        return [[self.table.names[row] for row in rows] for rows in groups]

    def class_table(self) -> list[dict[str, Any]]:
        """For each class: pictures usable and set aside; empty for numbers."""
        if self.table.kind not in ("single_label", "multi_label"):
            return []
        good = self.table.rows(self.usable).counts()
        bad = Counter(k for q in self.quarantine for k in self._names_in(q.label))
        names = self.table.classes
        names += tuple(sorted(set(bad) - set(names)))
        return [
            {"class": name, "pictures": good.get(name, 0), "set_aside": bad[name]}
            for name in names
        ]

    def _names_in(self, label: str) -> Collection[str]:
        return names_in(label, self.table.kind) if label else ()

    def size_table(self) -> dict[str, list[int]]:
        """Least, median and largest width and height in pixels."""
        sizes = self.sizes[self.usable]
        if not len(sizes):
            return {}
        points = np.percentile(sizes, [0, 50, 100], axis=0).astype(int)
        return {"width": points[:, 0].tolist(), "height": points[:, 1].tolist()}

    def to_dict(self) -> dict[str, Any]:
        return {
            "pictures": len(self.table) + len(self.table.set_aside),
            "usable": int(self.usable.sum()),
            "quarantined": len(self.quarantine),
            "labels": self.table.kind,
            "classes": self.class_table(),
            "sizes": self.size_table(),
            "grey": int((self.grey & self.usable).sum()),
            "formats": self.formats,
            "copies": self.copies(),
            "notes": self.table.notes,
            "quarantine": [q._asdict() for q in self.quarantine],
        }


def audit(
    table: ImageTable,
    eye: ImageReader,
    *,
    report_progress: ProgressCallback | None = None,
    keep: Callable[[int, DecodedImage], None] | None = None,
) -> Audit:
    """Look at every picture once.

    keep(row, look) is called for each usable picture, with its pixels: training takes
    them from here, so that nothing is decoded twice.
    """
    n = len(table)
    found = Audit(
        table=table,
        usable=np.zeros(n, dtype=bool),
        digests=np.zeros(n, dtype="V16"),
        sizes=np.zeros((n, 2), dtype=np.int32),
        grey=np.zeros(n, dtype=bool),
        formats={},
        quarantine=list(table.set_aside),
    )
    formats: Counter[str] = Counter()
    for row, look in enumerate(looks(table, eye)):
        found.digests[row] = np.void(look.digest.ljust(16, b"\0"))
        if look.reason is not None or look.header is None:
            _set_aside(found, row, look.reason or "cannot be read")
        else:
            found.usable[row] = True
            found.sizes[row] = look.header[:2]
            found.grey[row] = look.header.grey
            formats[look.header.format] += 1
            if keep is not None:
                keep(row, look)
        if report_progress is not None:
            report_progress(row + 1, n)
    found.formats = dict(formats.most_common())
    _set_conflicts_aside(found)
    return found


def _set_aside(found: Audit, row: int, reason: str) -> None:
    found.usable[row] = False
    label = found.table.labels[row]
    text = "" if label is None else str(label)
    found.quarantine.append(Quarantined(found.table.names[row], text, reason))


def _set_conflicts_aside(found: Audit) -> None:
    """Copies of one picture with different labels cannot all be right."""
    if found.table.kind == "none":
        return
    labels = found.table.labels
    for rows in rows_by_group(found.groups, found.usable):
        if len({names_in(label, found.table.kind) for label in labels[rows]}) > 1:
            names = ", ".join(f"{found.table.names[r]} ({labels[r]})" for r in rows[:4])
            for row in rows:
                reason = f"one picture under different labels: {names}"
                _set_aside(found, int(row), reason)


def names_in(label: Any, kind: Kind) -> frozenset[Any]:
    """What a label says, whatever the order: `b|a` says what `a|b` says."""
    if kind != "multi_label":
        return frozenset([label])
    from vicinal.core.objective import split_labels

    return frozenset(split_labels(label))


def rows_by_group(groups: np.ndarray, among: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each group of two or more, among those of a mask [N]."""
    rows = np.flatnonzero(among)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[rows])) + 1
    return (part for part in np.split(rows, starts) if len(part) > 1)


def groups_of(digests: np.ndarray) -> np.ndarray:
    """Group numbers [N] of digests [N]: the first 64 bits tell pictures apart."""
    numbers = digests.view(np.uint64).reshape(-1, 2)[:, 0]
    return np.unique(numbers, return_inverse=True)[1]
