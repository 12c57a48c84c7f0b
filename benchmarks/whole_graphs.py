"""MUTAG and PROTEINS, in the ten folds that come with them.

Each fold is held out in turn; feature set, penalty and network are chosen inside the
other nine. Compared with a linear model without edges, which many GNNs do not beat
(Errica et al. 2020).

    python -m benchmarks.whole_graphs DIRECTORY   (with MUTAG/ and PROTEINS/)
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measure import make_parser, print_result
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.graph_estimators import GraphClassifier

TARGETS = {"PROTEINS": 75.5, "MUTAG": 86.0}


def folds_of(directory: Path, count: int) -> np.ndarray:
    """Return the fold [G] of each graph; -1 for graphs in no fold."""
    folds = np.full(count, -1)
    for path in (directory / "10fold_idx").glob("test_idx-*.txt"):
        number = int(path.stem.split("-")[1]) - 1
        folds[np.loadtxt(path, dtype=int)] = number
    return folds


def with_test_split(
    graphs: GraphCollection, is_held_out: np.ndarray
) -> GraphCollection:
    """Return the graphs with the held-out ones as test split."""
    return replace(graphs, split=np.where(is_held_out, "test", "train"))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory")
    parser.add_argument("--network", default="none")
    parser.add_argument("--minutes", type=float, default=1.0, help="per fold")
    options = parser.parse_args()
    rows = []
    for name, target in TARGETS.items():
        directory = Path(options.directory) / name
        graphs = read_graphs(directory)
        folds = folds_of(directory, len(graphs))
        scores, without_edges, seconds, num_kept = [], [], [], 0
        for fold in range(10):
            started_at = time.perf_counter()
            fold_graphs = with_test_split(graphs, folds == fold)
            val_fraction = 0.0 if options.network == "none" else 0.15
            model = GraphClassifier(
                network=options.network,
                minutes=options.minutes,
                val_fraction=val_fraction,
                random_state=fold,
            ).fit(fold_graphs)
            seconds.append(time.perf_counter() - started_at)
            found = model.evaluate()
            scores.append(100 * found.score.value)
            without_edges.append(
                100 * found.baselines["linear model without edges"].value
            )
            num_kept += model.network_ is not None
            print(name, fold, scores[-1], model.linear_, file=sys.stderr, flush=True)
        rows.append(
            {
                "data": name,
                "accuracy": statistics.mean(scores),
                "sd over folds": statistics.stdev(scores),
                "without edges": statistics.mean(without_edges),
                "target": target,
                "networks kept": num_kept,
                "seconds per fold": statistics.median(seconds),
                "n": 10,
            }
        )
    print_result(
        {"claim": "graph classification, ten given folds", "rows": rows}, options.json
    )


if __name__ == "__main__":
    main()
