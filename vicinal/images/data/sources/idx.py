"""Read IDX files, the format of MNIST: arrays of unsigned bytes (LeCun et al. 1998)."""

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vicinal.core.data.claimed_size import check_claimed_size
from vicinal.core.data.labels import Task
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.arrays import attach_labels


class _IdxPair(NamedTuple):
    """An IDX file of images and the one of its labels."""

    name: str
    pixels: np.ndarray
    """[N, H, W] uint8"""

    labels: np.ndarray
    """[N] uint8"""

    split: str
    """train, or test by the file's name"""


def idx_files(root: Path) -> list[Path]:
    """Return the image files in a directory that are named like IDX files."""
    return [path for path in root.iterdir() if _is_idx(path.name.lower())]


def _is_idx(name: str) -> bool:
    stem = name.removesuffix(".gz")
    return "images" in stem and stem.endswith(("-ubyte", ".idx", ".idx3", ".idx1"))


def read_idx_folder(root: Path, images: list[Path], task: Task) -> ImageTable:
    """Read IDX files of images and their labels; t10k is the test split."""
    # the packed and the unpacked form of one file often lie side by side
    ordered = sorted(images, reverse=True)  # train before t10k, unpacked after packed
    by_name = {path.name.removesuffix(".gz"): path for path in ordered}
    pairs = [_read_pair(path) for path in by_name.values()]
    if len({pair.pixels.shape[1:] for pair in pairs}) > 1:
        raise DataError(f"The IDX files in {root} hold images of different sizes.")
    names = [f"{pair.name}/{row}" for pair in pairs for row in range(len(pair.pixels))]
    if not names:
        raise NoDataError(f"The IDX files in {root} hold no images.")
    table = ImageTable.unlabelled(
        names, pixels=np.concatenate([pair.pixels for pair in pairs])
    )
    if len({pair.split for pair in pairs}) > 1:
        split = [np.full(len(pair.pixels), pair.split) for pair in pairs]
        table = replace(table, split=np.concatenate(split))
    return attach_labels(table, np.concatenate([pair.labels for pair in pairs]), task)


def _read_pair(path: Path) -> _IdxPair:
    """Read a file of images and the labels beside it."""
    pixels, labels = read_idx(path), read_idx(_label_file(path))
    if pixels.ndim != 3 or labels.ndim != 1 or len(pixels) != len(labels):
        raise DataError(
            f"{path.name} must hold images [N, H, W] and its label file labels [N]. "
            f"Got {list(pixels.shape)} and {list(labels.shape)} instead."
        )
    if 0 in pixels.shape[1:]:
        raise DataError(f"{path.name} is damaged: its images have no pixels.")
    test = any(word in path.name.lower() for word in ("t10k", "test"))
    name = path.name.split("-images")[0]
    return _IdxPair(name, pixels, labels, "test" if test else "train")


def _label_file(images: Path) -> Path:
    """Return the label file beside an image file, packed or not."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    candidates = [images.with_name(k) for k in (name, stem, f"{stem}.gz")]
    return next((path for path in candidates if path.exists()), candidates[0])


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not."""
    if not path.exists():
        raise DataError(f"{path} is missing: it should hold the labels of the images.")
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            head = file.read(4)
            if head[:3] != b"\x00\x00\x08":
                raise DataError(f"{path} is not an IDX file of unsigned bytes.")
            shape = np.frombuffer(file.read(4 * head[3]), ">u4", head[3]).tolist()
            size, claim = math.prod(shape), f"{path} claims the shape {shape}"
            check_claimed_size(size, path.stat().st_size, claim, "Fetch it again.")
            data = file.read(size + 1)
        return np.frombuffer(data, np.uint8).reshape(shape)
    except DataError:
        raise
    except (EOFError, OSError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}.") from error
