"""Answers for a folder of pictures, decoding included, beside what the parts allow.

    d   pictures a second that are decoded, nothing else
    m   pictures a second that the bare network answers, from pixels in memory
    bound = 1 / (1 / d + 1 / m), since both want the same cores

and the memory that it takes for few and for many pictures.

    python -m benchmarks.predict FOLDER WEIGHTS [--memory]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import in_turns, ratios, tell
from vicinal import ImageClassifier
from vicinal.images.data.audit import ImageReader, looks
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.engines import engine
from vicinal.images.model import PREDICT_BATCH, ImageModel


def fitted(folder: Path, weights: str) -> ImageModel:
    """A first answer: the head is fitted, the body stays."""
    model = ImageClassifier(weights=weights, freeze="all", near_duplicates=False)
    return model.fit(folder)


def decoded(table: ImageTable, model: ImageModel) -> Iterator[np.ndarray]:
    """Pixels of each picture, as answering decodes them."""
    how = model.preprocessing_
    eye = ImageReader(how.store_size, how.resize, None)
    return (look.pixels for look in looks(table, eye) if look.pixels is not None)


def rates(model: ImageModel, table: ImageTable, n: int) -> list[dict[str, Any]]:
    """Pictures a second of each part, of all, and all beside its bound."""
    batch = np.stack(list(islice(decoded(table, model), PREDICT_BATCH)))
    form = model._answering().form_for(many=True)
    run = engine(model.network_, model.preprocessing_, form, many=True)
    count = len(table)

    def answer_bare() -> None:
        for _ in range(-(-count // len(batch))):
            run(batch)

    times = in_turns(
        {
            "decode": lambda: sum(1 for _ in decoded(table, model)),
            "network": answer_bare,
            "predict": lambda: sum(1 for _ in model.answers(table)),
        },
        n,
        count,
    )
    d, m, ours = (times[name] for name in ("decode", "network", "predict"))
    both = type(d)(
        "bound", [a + b for a, b in zip(d.seconds, m.seconds, strict=True)], count
    )
    rows = [{"what": t.name, "per_second": t.rate, "n": n} for t in (d, m, both, ours)]
    return [*rows, {"what": "of the bound", **ratios(ours, both), "form": str(form)}]


MEMORY = """
import json, resource, sys
import vicinal
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.read import ImageTable
model, folder, count = vicinal.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
names = list_pictures([folder]).names
names = (names * (count // len(names) + 1))[:count]
print(json.dumps({
    "pictures": sum(1 for _ in model.answers(ImageTable.unlabelled(names))),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def peak(run: Path, folder: Path, count: int) -> dict[str, Any]:
    """The most memory that a process takes to answer so many pictures."""
    command = [sys.executable, "-c", MEMORY, str(run), str(folder), str(count)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {"what": "memory", **json.loads(told)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of pictures per class")
    parser.add_argument("weights", help="what --weights takes")
    parser.add_argument("--memory", action="store_true", help="2,500 and 100,000")
    parser.add_argument("-n", type=int, default=5, help="repetitions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    model = fitted(options.folder, options.weights)
    table = list_pictures([str(options.folder)])
    rows = rates(model, table, options.n)
    if options.memory:
        with tempfile.TemporaryDirectory() as place:
            run = model.save(Path(place) / "model")
            rows += [peak(run, options.folder, n) for n in (2_500, 100_000)]
    told = {
        "claim": "predict against 1 / (1 / decoding + 1 / network); wanted 0.85",
        "ratio": next(row["ratio"] for row in rows if "ratio" in row),
        "rows": rows,
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
