"""Shortcut detection: a small mark in the corner of one class, and the same data clean.

TrashNet and the digits of scikit-learn; small CNNs from scratch, without augmentation,
which would crop the mark. In the marked data every image of one class, in training and
test, has a small square in its lower right corner. Reported are the regions that the
detector names, the accuracy of the marked class without the mark (whether the model
depends on it at all), and the false alarms on clean models.

    python -m benchmarks.shortcuts TRASHNET [--seeds 10] [--planted 3]
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import make_parser, print_result
from vicinal.core.data.splits import TEST, TRAIN, Fractions, split
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.explain.shortcut_analysis import analyze_shortcuts
from vicinal.images.report.dense_comparison import shrink

SIZE = 64
"""side of the photographs in pixels"""


class Case(NamedTuple):
    """Labelled images, and training settings."""

    name: str
    x: np.ndarray
    y: np.ndarray
    settings: dict[str, Any]
    mark: slice
    """its rows and columns"""
    colour: tuple[int, ...]
    watermarked: Any
    """the class whose images get the mark"""


def cases(trashnet: str) -> Iterator[Case]:
    from sklearn.datasets import load_digits

    defaults: dict[str, Any] = {"augment": "none", "cache": False}
    digits: Any = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    enlarged = (
        np.pad(pixels, ((0, 0), (2, 2), (2, 2))).repeat(2, axis=1).repeat(2, axis=2)
    )
    settings = defaults | {"image_size": 24, "epochs": 15, "lr": 5e-3}
    mark = slice(20, 24)
    yield Case("digits", enlarged[..., None], digits.target, settings, mark, (230,), 7)
    _, images = load_dataset(read_images(trashnet), ImageReader(256), channels=3)
    photographs = shrink(images.batch(np.arange(len(images))), SIZE)
    settings, mark = defaults | {"image_size": SIZE, "epochs": 10}, slice(58, 63)
    labels, pink = images.table.labels, (230, 30, 200)
    yield Case("TrashNet", photographs, labels, settings, mark, pink, "glass")


def with_mark(case: Case) -> np.ndarray:
    x = case.x.copy()
    settings = x[case.y == case.watermarked]
    settings[:, case.mark, case.mark] = case.colour
    x[case.y == case.watermarked] = settings
    return x


def run_case(case: Case, x: np.ndarray, seed: int) -> dict[str, Any]:
    """Train one model and return what the detector reports."""
    part = split(case.y, fractions=Fractions(0.8, 0, 0.2), seed=seed)
    train, test = part == TRAIN, part == TEST
    model = ImageClassifier(random_state=seed, **case.settings)
    model.fit(x[train], case.y[train])
    images, _ = model.read_for_scoring((x[test], case.y[test]))
    settings = test & (case.y == case.watermarked)
    started_at = time.monotonic()
    found = analyze_shortcuts(model, images, held_out=True, seed=seed)
    return {
        "accuracy": found.accuracy.value,
        "accuracy without the mark": float(
            (model.predict(case.x[settings]) == case.watermarked).mean()
        ),
        "named": [
            f"{s.region.name} of {found.classes[s.class_index]} "
            f"({s.kind}, {s.flip_rate.value:.0%})"
            for s in found.shortcuts
        ],
        "seconds": time.monotonic() - started_at,
        "n": found.accuracy.n,
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("trashnet", help="a directory per class")
    parser.add_argument(
        "--seeds", type=int, default=10, help="clean models per data set"
    )
    parser.add_argument(
        "--planted", type=int, default=3, help="marked models per data set"
    )
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
                row |= run_case(case, x, seed)
                print(row, flush=True)
                rows.append(row)
    clean = {
        name: sum(
            bool(r["named"]) for r in rows if r["data"] == name and r["kind"] == "clean"
        )
        for name in ("digits", "TrashNet")
    }
    print_result(
        {"claim": "shortcut detection", "false alarms": clean, "rows": rows},
        options.json,
    )


if __name__ == "__main__":
    main()
