"""MNIST with the small network, three seeds: accuracy on the 10,000 test digits.

The epoch is selected on a part of the training digits; the test digits are used once.

    python -m benchmarks.mnist DIRECTORY      (the four IDX files)
"""

import statistics
import time

import vicinal
from benchmarks.measure import make_parser, print_result
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import ImageTable, read_images

EPOCHS = 12
SEEDS = 3


def run_seed(table: ImageTable, seed: int) -> dict[str, float]:
    """Train on the training split, score on the test split."""
    assert table.split is not None
    train, test = (
        table.rows(table.split == "train"),
        table.rows(table.split == "test"),
    )
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
        "images/s": statistics.median(e.examples_per_second for e in model.history_),
        "epochs": len(model.history_),
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory", help="directory of the IDX files")
    options = parser.parse_args()
    table = read_images(options.directory)
    rows = []
    for seed in range(SEEDS):
        rows.append(run_seed(table, seed))
        print(rows[-1], flush=True) if not options.json else None
    mean = statistics.mean(row["accuracy"] for row in rows)
    std = statistics.stdev(row["accuracy"] for row in rows)
    result = {
        "claim": f"MNIST, small network, {EPOCHS} epochs, vicinal "
        f"{vicinal.__version__}; target: >= 99.4 %",
        "ratio": mean / 0.994,
        "mean": mean,
        "sd": std,
        "rows": [*rows, {"mean": mean, "sd": std}],
    }
    print_result(result, options.json)


if __name__ == "__main__":
    main()
