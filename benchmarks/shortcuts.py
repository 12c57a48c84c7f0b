"""The shortcut alarm: a small mark in a corner of one class, and the same data clean.

TrashNet and the digits that come with scikit-learn; small CNNs from nothing, without
random views, which would cut the mark off. In the marked data every picture of one
class, for learning and for the test, has a small square in its lower right corner. Told
are the parts that the alarm names, how many of the marked class are right without the
mark (whether the model rests on it at all), and how many clean models raise an alarm.

    python -m benchmarks.shortcuts TRASHNET [--seeds 10] [--planted 3]
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import tell
from vicinal.core.data.splits import TEST, TRAIN, Fractions, split
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.explain.evidence import evidence
from vicinal.images.report.dense_comparison import small

SIZE = 64
"""pixels a side, of photographs"""


class Case(NamedTuple):
    """Labelled pictures, and how to learn from them."""

    name: str
    x: np.ndarray
    y: np.ndarray
    settings: dict[str, Any]
    mark: slice
    """rows and columns of it"""
    colour: tuple[int, ...]
    watermarked: Any
    """the class whose pictures get the mark"""


def cases(trashnet: str) -> Iterator[Case]:
    from sklearn.datasets import load_digits

    plain: dict[str, Any] = {"augment": "none", "cache": False}
    digits: Any = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    sheet = np.pad(pixels, ((0, 0), (2, 2), (2, 2))).repeat(2, axis=1).repeat(2, axis=2)
    own = plain | {"image_size": 24, "epochs": 15, "lr": 5e-3}
    mark = slice(20, 24)
    yield Case("digits", sheet[..., None], digits.target, own, mark, (230,), 7)
    _, pictures = load_dataset(read_images(trashnet), ImageReader(256), channels=3)
    photos = small(pictures.batch(np.arange(len(pictures))), SIZE)
    own, mark = plain | {"image_size": SIZE, "epochs": 10}, slice(58, 63)
    labels, pink = pictures.table.labels, (230, 30, 200)
    yield Case("TrashNet", photos, labels, own, mark, pink, "glass")


def with_mark(case: Case) -> np.ndarray:
    x = case.x.copy()
    own = x[case.y == case.watermarked]
    own[:, case.mark, case.mark] = case.colour
    x[case.y == case.watermarked] = own
    return x


def tried(case: Case, x: np.ndarray, seed: int) -> dict[str, Any]:
    """What the alarm says of one model."""
    part = split(case.y, fractions=Fractions(0.8, 0, 0.2), seed=seed)
    train, test = part == TRAIN, part == TEST
    model = ImageClassifier(random_state=seed, **case.settings)
    model.fit(x[train], case.y[train])
    pictures, _ = model.scoring_part((x[test], case.y[test]))
    own = test & (case.y == case.watermarked)
    started_at = time.monotonic()
    found = evidence(model, pictures, held_out=True, seed=seed)
    return {
        "accuracy": found.plain.value,
        "without the mark": float(
            (model.predict(case.x[own]) == case.watermarked).mean()
        ),
        "named": [
            f"{s.part.name} of {found.classes[s.row]} ({s.kind}, {s.changed.value:.0%})"
            for s in found.shortcuts
        ],
        "seconds": time.monotonic() - started_at,
        "n": found.plain.n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trashnet", help="a folder per class")
    parser.add_argument("--seeds", type=int, default=10, help="clean models of each")
    parser.add_argument(
        "--planted", type=int, default=3, help="watermarked models of each"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for case in cases(options.trashnet):
        watermarked = with_mark(case)
        for kind, x, seeds in (
            ("watermarked", watermarked, options.planted),
            ("clean", case.x, options.seeds),
        ):
            for seed in range(seeds):
                row = {"data": case.name, "kind": kind, "seed": seed}
                row |= tried(case, x, seed)
                print(row, flush=True)
                rows.append(row)
    clean = {
        name: sum(
            bool(r["named"]) for r in rows if r["data"] == name and r["kind"] == "clean"
        )
        for name in ("digits", "TrashNet")
    }
    tell(
        {"claim": "the shortcut alarm", "false alarms": clean, "rows": rows},
        options.json,
    )


if __name__ == "__main__":
    main()
