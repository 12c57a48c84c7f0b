"""From 1.7-megapixel JPEG files to batches of 224 px: our audit and decoding, with
hashing, EXIF, mode rules and quarantine, against bare `draft` + resize in the same
number of threads; and how many times faster it is than ResNet-18 trains.

    python -m benchmarks.input_pipeline
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import arguments, in_turns, ratios, tell
from vicinal.core.compute.threads import cores
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import ImageTable, read_images

COUNT = 200
WIDTH, HEIGHT = 1520, 1120  # 1.7 megapixels
SIZE = 224


def make_photographs(folder: Path) -> None:
    """JPEG files with the detail of photographs: noise over smooth waves."""
    rng = np.random.default_rng(0)
    for row in range(COUNT):
        coarse = Image.fromarray(rng.integers(0, 255, (28, 38, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        noise = rng.normal(0, 8, smooth.shape)
        pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        path = folder / str(row % 2) / f"{row}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=85)


def bare(path: Path) -> np.ndarray:
    """The floor: decode as small as will do, then resize; no question asked."""
    with Image.open(path) as image:
        image.draft("RGB", (SIZE, SIZE))
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def all_bare(table: ImageTable) -> np.ndarray:
    paths = [table.path(row) for row in range(len(table))]
    with ThreadPoolExecutor(cores()) as pool:
        return np.stack(list(pool.map(bare, paths)))


def ours(table: ImageTable) -> np.ndarray:
    _, pictures = load_dataset(table, ImageReader(SIZE, "squish"))
    return pictures.batch(np.arange(len(pictures)))


def main() -> None:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        make_photographs(Path(name))
        table = read_images(name)
        work = {"vicinal": lambda: ours(table), "bare": lambda: all_bare(table)}
        times = in_turns(work, options.n, COUNT)
    mine, floor = times["vicinal"], times["bare"]
    rows = [time.to_dict() for time in times.values()]
    told = {
        "claim": f"pictures/s from {WIDTH} x {HEIGHT} JPEG to {SIZE} px, "
        f"{cores()} threads, vicinal {vicinal.__version__}; wanted: ratio >= 1/1.3",
        **ratios(mine, floor),
        "rows": [*rows, ratios(mine, floor)],
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
