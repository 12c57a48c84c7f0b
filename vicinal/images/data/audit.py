"""Open every image before training: report which can be used, and why others cannot.

An image that cannot be decoded is quarantined with the reason. Exact duplicates
(equal content) with one label form a group that stays in one split; those with
different labels cannot all be right and are quarantined.
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
from vicinal.images.data.decoding.decode import (
    DECODER_VERSION,
    Header,
    Preprocessing,
    decode,
    digest,
    format_range,
    header,
    is_deep,
    open_image,
    resize_array,
)
from vicinal.images.data.decoding.in_memory import load_source
from vicinal.images.data.decoding.intensity_range import fraction_outside
from vicinal.images.data.read import ImageTable, Kind
from vicinal.images.settings import MAX_PIXELS, IntensityRange, Resize

ProgressCallback = Callable[[int, int], None]
"""called with (number of images opened, total)"""

MAX_NAMED = 4
"""conflicting duplicates that a reason names"""


class DecodedImage(NamedTuple):
    """One opened image: why it cannot be used, or its header, hash and pixels."""

    reason: str | None
    header: Header | None
    digest: bytes
    pixels: np.ndarray | None
    outside: float = 0.0
    """fraction of the pixels outside the intensity range; 0 if read from the cache"""

    @property
    def has_16_bits(self) -> bool:
        """Whether the image has one channel of 16 bits."""
        return self.header is not None and self.header.mode.startswith("I;16")


@dataclass(frozen=True)
class ImageReader:
    """Decode images to one size, through the cache if there is one."""

    size: int
    """height and width of the decoded image in pixels"""

    resize: Resize = "crop"
    cache: PixelCache | None = None
    max_pixels: int = MAX_PIXELS

    crop_size: int = 0
    """pixels of the network's input, cropped from the decoded image; 0: all of it"""

    intensity_range: IntensityRange | None = None
    """values scaled to 0..255 in images of more than 8 bits; None: by their format"""

    @classmethod
    def for_model(
        cls, preprocessing: Preprocessing, cache: PixelCache | None, max_pixels: int
    ) -> "ImageReader":
        """Return the reader of the images that a trained model is given."""
        return cls(
            preprocessing.store_size,
            preprocessing.resize,
            cache,
            max_pixels,
            intensity_range=preprocessing.intensity_range,
        )

    @property
    def key(self) -> str:
        """Cache key: what pixels depend on besides the file."""
        key = f"{self.size}-{self.resize}-{DECODER_VERSION}"
        if self.intensity_range is None:
            return key
        return f"{key}-{'-'.join(map(repr, map(float, self.intensity_range)))}"

    def read(self, table: ImageTable, row: int) -> DecodedImage:
        """Open and decode one image of a table, from the cache if it is there."""
        if table.pixels is None:
            return self._read_source(table.source(row))
        pixels = table.pixels[row]
        mode = "L" if pixels.ndim == 2 or pixels.shape[2] == 1 else "RGB"
        head = Header(pixels.shape[1], pixels.shape[0], mode, "array")
        content = digest(np.ascontiguousarray(pixels).tobytes())
        resized = resize_array(pixels, self.size, self.resize)
        return DecodedImage(None, head, content, resized)

    def _read_source(self, source: Any) -> DecodedImage:
        content = b""
        try:
            data, image = load_source(source)
            content = digest(data)
            cache = self.cache if image is None else None
            image = image or open_image(data, self.max_pixels)
            head = header(image)
            pixels, outside = cache.get(content, self.key) if cache else None, 0.0
            if pixels is None:
                limits = self.intensity_range
                pixels = decode(image, self.size, self.resize, limits)
                if is_deep(image.mode):
                    values = np.asarray(image)
                    limits = limits or format_range(values, image.mode)
                    outside = fraction_outside(values, limits)
                if cache:
                    cache.put(content, self.key, pixels)
        except ImageError as error:
            return DecodedImage(str(error), None, content, None)
        return DecodedImage(None, head, content, pixels, outside)


def decode_images(
    table: ImageTable, reader: ImageReader, threads: int | None = None
) -> Iterator[DecodedImage]:
    """Decode all images of a table in order, in threads, with bounded memory."""
    return ordered_map(lambda row: reader.read(table, row), range(len(table)), threads)


@dataclass
class Audit:
    """Result of opening the N images of a table."""

    table: ImageTable
    usable: np.ndarray
    """[N] bool"""

    digests: np.ndarray
    """[N] 16-byte hashes of the content: equal hashes mean identical files"""

    sizes: np.ndarray
    """[N, 2] width and height in pixels, upright; 0 where unusable"""

    grayscale: np.ndarray
    """[N] bool: one channel"""

    formats: dict[str, int]
    """number of usable images of each file format"""

    quarantine: list[Quarantined]
    """images that cannot be used, with the reason"""

    deep: np.ndarray
    """[N] bool: one channel of more than 8 bits"""

    reduced: np.ndarray
    """[N] bool: several channels of 16 bits, of which the upper 8 are read"""

    constant: np.ndarray
    """[N] bool: all decoded pixels have one value"""

    outside: np.ndarray
    """[N] fraction of the pixels outside the intensity range"""

    intensity_range: IntensityRange | None
    """values that images of more than 8 bits were scaled from"""

    @property
    def groups(self) -> np.ndarray:
        """Group numbers [N]: exact duplicates have the same number."""
        return duplicate_groups(self.digests)

    @property
    def channels(self) -> int:
        """1 if every usable image is greyscale, else 3."""
        return 1 if self.grayscale[self.usable].all() else 3

    def usable_table(self) -> ImageTable:
        """Return the table of the usable images; NoDataError if there is none."""
        if not self.usable.any():
            first = [f"The first, {q.name}: {q.reason}." for q in self.quarantine[:1]]
            none = f"None of the {len(self.table)} images can be used."
            raise NoDataError(" ".join([none, *first]))
        return self.table.rows(self.usable)

    def exact_duplicates(self) -> list[list[str]]:
        """Return the names of each group of usable images with identical content."""
        groups = rows_by_group(self.groups, self.usable)
        return [[self.table.names[row] for row in rows] for rows in groups]

    def class_table(self) -> list[dict[str, Any]]:
        """Return per class the number of usable and quarantined images.

        Empty for numeric labels.
        """
        if self.table.kind not in ("single_label", "multi_label"):
            return []
        usable = self.table.rows(self.usable).counts()
        quarantined = Counter(
            name for q in self.quarantine for name in self._names_in(q.label)
        )
        names = self.table.classes
        names += tuple(sorted(set(quarantined) - set(names)))
        return [
            {
                "class": name,
                "images": usable.get(name, 0),
                "quarantined": quarantined[name],
            }
            for name in names
        ]

    def _names_in(self, label: str) -> Collection[str]:
        return label_names(label, self.table.kind) if label else ()

    def size_table(self) -> dict[str, list[int]]:
        """Return the minimum, median and maximum width and height in pixels."""
        sizes = self.sizes[self.usable]
        if not len(sizes):
            return {}
        quantiles = np.percentile(sizes, [0, 50, 100], axis=0).astype(int)
        return {"width": quantiles[:, 0].tolist(), "height": quantiles[:, 1].tolist()}

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as JSON values."""
        return {
            "images": len(self.table) + len(self.table.quarantined),
            "usable": int(self.usable.sum()),
            "quarantined": len(self.quarantine),
            "labels": self.table.kind,
            "classes": self.class_table(),
            "sizes": self.size_table(),
            "grayscale": int((self.grayscale & self.usable).sum()),
            "formats": self.formats,
            "exact_duplicates": self.exact_duplicates(),
            "notes": self.table.notes,
            "quarantine": [q._asdict() for q in self.quarantine],
        }


def audit(
    table: ImageTable,
    reader: ImageReader,
    *,
    report_progress: ProgressCallback | None = None,
    keep: Callable[[int, DecodedImage], None] | None = None,
) -> Audit:
    """Open every image once and report which can be used.

    keep: called as keep(row, image) for each decodable image, with its pixels, so that
    training need not decode it again.
    """
    n = len(table)
    result = Audit(
        table=table,
        usable=np.zeros(n, dtype=bool),
        digests=np.zeros(n, dtype="V16"),
        sizes=np.zeros((n, 2), dtype=np.int32),
        grayscale=np.zeros(n, dtype=bool),
        formats={},
        quarantine=list(table.quarantined),
        deep=np.zeros(n, dtype=bool),
        reduced=np.zeros(n, dtype=bool),
        constant=np.zeros(n, dtype=bool),
        outside=np.zeros(n),
        intensity_range=reader.intensity_range,
    )
    formats: Counter[str] = Counter()
    for row, image in enumerate(decode_images(table, reader)):
        result.digests[row] = np.void(image.digest.ljust(16, b"\0"))
        if image.reason is not None or image.header is None:
            _quarantine(result, row, image.reason or "cannot be read")
        else:
            result.usable[row] = True
            result.sizes[row] = image.header[:2]
            result.grayscale[row] = image.header.grayscale
            result.deep[row] = is_deep(image.header.mode)
            result.reduced[row] = image.header.mode.endswith(("A;16", "RGB;16"))
            result.constant[row] = is_constant(image.pixels)
            result.outside[row] = image.outside
            formats[image.header.format] += 1
            if keep is not None:
                keep(row, image)
        if report_progress is not None:
            report_progress(row + 1, n)
    result.formats = dict(formats.most_common())
    _quarantine_conflicts(result)
    return result


def is_constant(pixels: np.ndarray | None) -> bool:
    """Return whether all pixels [H, W, C] of an image are equal."""
    if pixels is None:
        return False
    flat = pixels.reshape(-1, pixels.shape[-1])
    if len(flat) == 1 or (flat[0] != flat[-1]).any():  # most images, at no cost
        return len(flat) == 1
    return bool((flat == flat[0]).all())


def _quarantine(result: Audit, row: int, reason: str) -> None:
    result.usable[row] = False
    label = result.table.labels[row]
    text = "" if label is None else str(label)
    result.quarantine.append(Quarantined(result.table.names[row], text, reason))


def _quarantine_conflicts(result: Audit) -> None:
    """Quarantine exact duplicates with different labels: they cannot all be right."""
    if result.table.kind == "none":
        return
    names, labels = result.table.names, result.table.labels
    for rows in rows_by_group(result.groups, result.usable):
        distinct = {label_names(label, result.table.kind) for label in labels[rows]}
        if len(distinct) == 1:
            continue
        shown = ", ".join(f"{names[row]} ({labels[row]})" for row in rows[:MAX_NAMED])
        for row in rows:
            reason = f"exact duplicates with different labels: {shown}"
            _quarantine(result, int(row), reason)


def label_names(label: Any, kind: Kind) -> frozenset[Any]:
    """Return the class names in a label: `a|b` and `b|a` have the same."""
    if kind != "multi_label":
        return frozenset([label])
    from vicinal.core.objective import split_labels

    return frozenset(split_labels(label))


def rows_by_group(groups: np.ndarray, among: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of each group [N] that has two or more rows in a mask [N]."""
    rows = np.flatnonzero(among)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[rows])) + 1
    return (group for group in np.split(rows, starts) if len(group) > 1)


def duplicate_groups(digests: np.ndarray) -> np.ndarray:
    """Return group numbers [N] of digests [N], by their first 64 bits."""
    numbers = digests.view(np.uint64).reshape(-1, 2)[:, 0]
    return np.unique(numbers, return_inverse=True)[1]
