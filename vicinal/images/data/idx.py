"""IDX files, the form of MNIST: arrays of unsigned bytes (LeCun et al. 1998)."""

import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import Task
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.arrays import with_labels
from vicinal.images.data.image_table import ImageTable


def idx_files(root: Path) -> list[Path]:
    """The files of pictures in a folder that are named as IDX files are."""
    return [path for path in root.iterdir() if _is_idx(path.name.lower())]


def _is_idx(name: str) -> bool:
    bare = name.removesuffix(".gz")
    return "images" in bare and bare.endswith(("-ubyte", ".idx", ".idx3", ".idx1"))


def read_idx_folder(root: Path, images: list[Path], task: Task) -> ImageTable:
    """Read files of pictures and the labels beside them; t10k is for testing."""
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
    if not names:
        raise NoDataError(f"The IDX files in {root} hold no pictures.")
    pixels = np.concatenate([pixels for _, pixels, _, _ in parts])
    table = ImageTable.unlabelled(names, pixels=pixels)
    if len({p[3] for p in parts}) > 1:
        table = replace(table, split=np.concatenate(split))
    return with_labels(table, np.concatenate([k for _, _, k, _ in parts]), task)


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
