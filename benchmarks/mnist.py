"""MNIST with the small network, three seeds: accuracy on the 10,000 test digits.

The epoch is chosen on a part of the training digits; the test digits are used once.

    python -m benchmarks.mnist FOLDER      (the four IDX files)
"""

import argparse
import statistics
import time

import vicinal
from benchmarks.measure import tell
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import ImageTable, read_images

EPOCHS = 12
SEEDS = 3


def one_seed(table: ImageTable, seed: int) -> dict[str, float]:
    """Train on the train part, score on the test part."""
    assert table.split is not None
    train, test = table.rows(table.split == "train"), table.rows(table.split == "test")
    model = ImageClassifier(
        epochs=EPOCHS, random_state=seed, val_fraction=0.05, cache=False
    )
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    score = model.evaluate(test).score
    return {
        "seed": seed,
        "accuracy": score.value,
        "low": score.low,
        "high": score.high,
        "seconds": seconds,
        "pictures/s": statistics.median(e.per_second for e in model.history_),
        "epochs": len(model.history_),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the IDX files lie")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    table = read_images(options.folder)
    rows = []
    for seed in range(SEEDS):
        rows.append(one_seed(table, seed))
        print(rows[-1], flush=True) if not options.json else None
    mean = statistics.mean(row["accuracy"] for row in rows)
    spread = statistics.stdev(row["accuracy"] for row in rows)
    told = {
        "claim": f"MNIST, small network, {EPOCHS} epochs, vicinal "
        f"{vicinal.__version__}; wanted: >= 99.4 %",
        "ratio": mean / 0.994,
        "mean": mean,
        "spread": spread,
        "rows": [*rows, {"mean": mean, "spread": spread}],
    }
    tell(told, options.json)


if __name__ == "__main__":
    main()
