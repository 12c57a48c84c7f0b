"""The shortcut alarm: a small mark in a corner of one class, and the same data clean.

TrashNet (MobileNetV2 fine-tuned for a few epochs from trained weights, one seed a
division) and the digits that come with scikit-learn (a small CNN from nothing). In the
marked data every picture of one class, for learning and for the test, has a small light
square in its lower right corner. Told are the parts that the alarm names, and how many
of the clean models raise one.

    python -m benchmarks.shortcuts TRASHNET WEIGHTS.safetensors [--seeds 10]
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import tell
from vicinal.core.splits import TEST, TRAIN, Fractions, split
from vicinal.images.audit import Eye
from vicinal.images.classifier import ImageClassifier
from vicinal.images.inside.evidence import evidence
from vicinal.images.pictures import look_over
from vicinal.images.table import read_images

SIZE, VIEW = 256, 224
"""pixels of a stored photograph, and of what the network sees of it"""


class Case(NamedTuple):
    """Labelled pictures, and how to learn from them."""

    name: str
    x: np.ndarray
    y: np.ndarray
    settings: dict[str, Any]
    mark: tuple[slice, slice]
    marked: Any
    """the class whose pictures get the mark"""


def cases(trashnet: str, weights: str, epochs: int) -> Iterator[Case]:
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    sheet = np.pad(pixels, ((0, 0), (2, 2), (2, 2))).repeat(2, axis=1).repeat(2, axis=2)
    small = {"image_size": 24, "epochs": 15, "lr": 5e-3, "augment": "none"}
    small |= {"cache": False}
    corner = slice(20, 24)
    yield Case("digits", sheet, digits.target, small, (corner, corner), 7)
    table = read_images(trashnet)
    _, pictures = look_over(table, Eye(SIZE), channels=3)
    photos = pictures.batch(np.arange(len(pictures)))
    end = (SIZE + VIEW) // 2
    corner = slice(end - 18, end - 4)
    tuned = {"weights": weights, "epochs": epochs}
    yield Case(
        "TrashNet", photos, pictures.table.labels, tuned, (corner, corner), "glass"
    )


def with_mark(case: Case) -> np.ndarray:
    x = case.x.copy()
    rows = np.flatnonzero(case.y == case.marked)
    x[np.ix_(rows, *(np.arange(256)[s] for s in case.mark))] = 230
    return x


def tried(case: Case, x: np.ndarray, seed: int) -> dict[str, Any]:
    """What the alarm says of one model."""
    part = split(case.y, fractions=Fractions(0.8, 0, 0.2), seed=seed)
    train, test = part == TRAIN, part == TEST
    model = ImageClassifier(random_state=seed, **case.settings)
    model.fit(x[train], case.y[train])
    pictures, _ = model.to_score((x[test], case.y[test]))
    begun = time.monotonic()
    found = evidence(model, pictures, held_out=True, seed=seed)
    return {
        "accuracy": found.plain.value,
        "named": [
            f"{s.part.name} of {found.classes[s.row]} ({s.kind}, {s.changed.value:.0%})"
            for s in found.shortcuts
        ],
        "seconds": time.monotonic() - begun,
        "n": found.plain.n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trashnet", help="a folder per class")
    parser.add_argument("weights", help="what --weights takes")
    parser.add_argument("--seeds", type=int, default=10, help="clean models of each")
    parser.add_argument("--planted", type=int, default=3, help="marked models of each")
    parser.add_argument("--epochs", type=int, default=2, help="of fine-tuning")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for case in cases(options.trashnet, options.weights, options.epochs):
        marked = with_mark(case)
        for kind, x, seeds in (
            ("marked", marked, options.planted),
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
