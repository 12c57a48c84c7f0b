"""From 1.7-megapixel JPEG files to batches of 224 px, compared with bare decoding.

Ours audits and decodes, with hashing, EXIF, colour modes and quarantine; bare is
`draft` and resize in the same number of threads.

    python -m benchmarks.input_pipeline
"""

import vicinal  # first: it sets how threads wait  # isort: skip
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import make_parser, print_result, ratios, time_alternately
from vicinal.core.compute.threads import num_cores
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import ImageTable, read_images

COUNT = 200
WIDTH, HEIGHT = 1520, 1120  # 1.7 megapixels
SIZE = 224


def make_photographs(directory: Path) -> None:
    """Write JPEG files as detailed as photographs: noise over smooth shapes."""
    rng = np.random.default_rng(0)
    for row in range(COUNT):
        coarse = Image.fromarray(rng.integers(0, 255, (28, 38, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        noise = rng.normal(0, 8, smooth.shape)
        pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        path = directory / str(row % 2) / f"{row}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=85)


def decode_bare(path: Path) -> np.ndarray:
    """Decode as small as possible, then resize: the lower bound."""
    with Image.open(path) as image:
        image.draft("RGB", (SIZE, SIZE))
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def decode_all_bare(table: ImageTable) -> np.ndarray:
    paths = [table.path(row) for row in range(len(table))]
    with ThreadPoolExecutor(num_cores()) as pool:
        return np.stack(list(pool.map(decode_bare, paths)))


def ours(table: ImageTable) -> np.ndarray:
    _, images = load_dataset(table, ImageReader(SIZE, "squish"))
    return images.batch(np.arange(len(images)))


def main() -> None:
    options = make_parser(__doc__, n=5).parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_photographs(Path(name))
        table = read_images(name)
        work = {"vicinal": lambda: ours(table), "bare": lambda: decode_all_bare(table)}
        times = time_alternately(work, options.n, COUNT)
    mine, bare = times["vicinal"], times["bare"]
    rows = [time.to_dict() for time in times.values()]
    result = {
        "claim": f"images/s from {WIDTH} x {HEIGHT} JPEG to {SIZE} px, "
        f"{num_cores()} threads, vicinal {vicinal.__version__}; target: ratio >= 1/1.3",
        **ratios(mine, bare),
        "rows": [*rows, ratios(mine, bare)],
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
