"""Throughput of predictions for a directory of images, decoding included.

    d   images per second that are decoded, nothing else
    m   images per second of the bare network, from pixels in memory
    bound = 1 / (1 / d + 1 / m), because both use the same cores

With --memory also the peak memory for few and for many images.

    python -m benchmarks.predict DIRECTORY WEIGHTS [--memory]
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import make_parser, print_result, ratios, time_alternately
from vicinal import ImageClassifier
from vicinal.images.data.audit import ImageReader, decode_images
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.engines import make_engine
from vicinal.images.model import ImageModel

BATCH_SIZE = 64


def fit_probe(directory: Path, weights: str) -> ImageModel:
    """Return a model with frozen weights and a fitted linear probe."""
    model = ImageClassifier(weights=weights, freeze="all", near_duplicates=False)
    return model.fit(directory)


def decode_all(table: ImageTable, model: ImageModel) -> Iterator[np.ndarray]:
    """Yield the pixels of each image, decoded as for a prediction."""
    preprocessing = model.preprocessing_
    reader = ImageReader(preprocessing.store_size, preprocessing.resize, None)
    return (
        image.pixels
        for image in decode_images(table, reader)
        if image.pixels is not None
    )


def measure_rates(model: ImageModel, table: ImageTable, n: int) -> list[dict[str, Any]]:
    """Return images per second of each part and of predict, and the bound."""
    batch = np.stack(list(islice(decode_all(table, model), BATCH_SIZE)))
    runtime = model.runtime_for_many()
    run = make_engine(model.network_, model.preprocessing_, runtime, many=True)
    count = len(table)

    def run_network() -> None:
        for _ in range(-(-count // len(batch))):
            run(batch)

    times = time_alternately(
        {
            "decode": lambda: sum(1 for _ in decode_all(table, model)),
            "network": run_network,
            "predict": lambda: sum(1 for _ in model.iter_predictions(table)),
        },
        n,
        count,
    )
    d, m, ours = (times[name] for name in ("decode", "network", "predict"))
    bound = type(d)(
        "bound", [a + b for a, b in zip(d.seconds, m.seconds, strict=True)], count
    )
    rows = [{"what": t.name, "per_second": t.rate, "n": n} for t in (d, m, bound, ours)]
    return [
        *rows,
        {"what": "share of the bound", **ratios(ours, bound), "runtime": str(runtime)},
    ]


MEMORY = """
import json, resource, sys
import vicinal
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import ImageTable
model, directory, count = vicinal.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
names = list_images([directory]).names
names = (names * (count // len(names) + 1))[:count]
print(json.dumps({
    "images": sum(1 for _ in model.iter_predictions(ImageTable.unlabelled(names))),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def measure_memory(run: Path, directory: Path, count: int) -> dict[str, Any]:
    """Return the peak memory of a process that predicts `count` images."""
    command = [sys.executable, "-c", MEMORY, str(run), str(directory), str(count)]
    result = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {"what": "memory", **json.loads(result)}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory", type=Path, help="a directory of images per class")
    parser.add_argument("weights", help="value of --weights")
    parser.add_argument(
        "--memory",
        action="store_true",
        help="also measure memory, 2,500 and 100,000 images",
    )
    parser.add_argument("-n", type=int, default=5, help="repetitions")
    options = parser.parse_args()
    model = fit_probe(options.directory, options.weights)
    table = list_images([str(options.directory)])
    rows = measure_rates(model, table, options.n)
    if options.memory:
        with tempfile.TemporaryDirectory() as temporary:
            run = model.save(Path(temporary) / "model")
            rows += [
                measure_memory(run, options.directory, n) for n in (2_500, 100_000)
            ]
    result = {
        "claim": "predict against 1 / (1 / decoding + 1 / network); target 0.85",
        "ratio": next(row["ratio"] for row in rows if "ratio" in row),
        "rows": rows,
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
