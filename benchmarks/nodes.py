"""Cora, public split, over seeds: the linear baseline, the default within a minute, and
two networks of 64 layers (the best documented setting).

    python -m benchmarks.nodes cora.npz
"""

import statistics
import sys
import time
from typing import Any

from benchmarks.measure import make_parser, print_result
from vicinal.graphs.node_estimators import NodeClassifier

SETTINGS: dict[str, tuple[dict[str, Any], float]] = {
    "linear baseline": ({"network": "none"}, 82.0),
    "default, one minute": ({}, 84.0),
    "two deep networks": (
        {"keep": "network", "layers": 64, "ensemble_size": 2, "minutes": None},
        85.0,
    ),
}
"""settings and target accuracy in percent"""


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=20, help="seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", choices=list(SETTINGS), help="run only this setting")
    options = parser.parse_args()
    rows = []
    for name, (settings, target) in SETTINGS.items():
        if options.only not in (None, name):
            continue
        scores, seconds, num_kept, features_only = [], [], 0, 0.0
        for seed in range(options.first_seed, options.first_seed + options.n):
            started_at = time.perf_counter()
            model = NodeClassifier(random_state=seed, **settings).fit(options.data)
            seconds.append(time.perf_counter() - started_at)
            scores.append(100 * model.evaluate().score.value)
            num_kept += model.networks_ is not None
            predicted = (
                model.features_only_.logits(model.labelled_graph_).argmax(dim=1).numpy()
            )
            test_mask = model.test_mask
            features_only = 100 * float(
                (predicted == model.labelled_graph_.y)[test_mask].mean()
            )
            count = len(model.networks_ or [])
            print(
                name, seed, scores[-1], seconds[-1], count, file=sys.stderr, flush=True
            )
        std = statistics.stdev(scores) if len(scores) > 1 else 0.0
        rows.append(
            {
                "setting": name,
                "accuracy": statistics.mean(scores),
                "sd": std,
                "min": min(scores),
                "max": max(scores),
                "target": target,
                "features alone": features_only,
                "networks kept": num_kept,
                "seconds": statistics.median(seconds),
                "n": options.n,
            }
        )
    print_result({"claim": "Cora, public split, percent", "rows": rows}, options.json)


if __name__ == "__main__":
    main()
