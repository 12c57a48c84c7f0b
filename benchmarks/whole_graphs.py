"""MUTAG and PROTEINS, in the ten folds that came with them.

Each fold is held out in turn; a model sees nothing of it, and chooses among views,
penalties and networks inside the other nine. Beside it what its nodes say without edges
(`parts`), which is the baseline that many graph networks do not beat (Errica et al.
2020).

    python -m benchmarks.whole_graphs FOLDER   (with MUTAG/ and PROTEINS/ in it)
"""

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measure import tell
from vicinal.graphs.data.graph_collection import GraphCollection, read_graphs
from vicinal.graphs.graph_estimators import GraphClassifier

WANTED = {"PROTEINS": 75.5, "MUTAG": 86.0}


def folds_of(folder: Path, count: int) -> np.ndarray:
    """The fold [G] of each graph; -1 for the few that are held out in none."""
    folds = np.full(count, -1)
    for path in (folder / "10fold_idx").glob("test_idx-*.txt"):
        number = int(path.stem.split("-")[1]) - 1
        folds[np.loadtxt(path, dtype=int)] = number
    return folds


def divided(graphs: GraphCollection, held: np.ndarray) -> GraphCollection:
    """The graphs, of which those held out are for the test."""
    return replace(graphs, split=np.where(held, "test", "train"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--network", default="none")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each fold")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for name, wanted in WANTED.items():
        folder = Path(options.folder) / name
        graphs = read_graphs(folder)
        folds = folds_of(folder, len(graphs))
        scores, alone, seconds, kept = [], [], [], 0
        for fold in range(10):
            started_at = time.perf_counter()
            some = divided(graphs, folds == fold)
            share = 0.0 if options.network == "none" else 0.15
            model = GraphClassifier(
                network=options.network,
                minutes=options.minutes,
                val_fraction=share,
                random_state=fold,
            ).fit(some)
            seconds.append(time.perf_counter() - started_at)
            found = model.evaluate()
            scores.append(100 * found.score.value)
            alone.append(100 * found.baselines["answer without edges"].value)
            kept += model.network_ is not None
            print(name, fold, scores[-1], model.linear_, file=sys.stderr, flush=True)
        rows.append(
            {
                "data": name,
                "accuracy": statistics.mean(scores),
                "sd of folds": statistics.stdev(scores),
                "without edges": statistics.mean(alone),
                "wanted": wanted,
                "networks kept": kept,
                "seconds a fold": statistics.median(seconds),
                "n": 10,
            }
        )
    tell({"claim": "whole graphs, ten given folds", "rows": rows}, options.json)


if __name__ == "__main__":
    main()
