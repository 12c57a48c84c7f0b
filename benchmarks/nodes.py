"""Cora in its public split: the first answer, the default within a minute, and two
networks of 64 layers alone, which is the best setting that is documented, over seeds.

    python -m benchmarks.nodes cora.npz
"""

import argparse
import statistics
import sys
import time
from typing import Any

from benchmarks.measure import tell
from vicinal.graphs.node_estimators import NodeClassifier

SETTINGS: dict[str, tuple[dict[str, Any], float]] = {
    "first answer": ({"network": "none"}, 82.0),
    "default, a minute": ({}, 84.0),
    "networks alone": (
        {"deliver": "networks", "layers": 64, "members": 2, "minutes": None},
        85.0,
    ),
}
"""wanted percent"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=20, help="seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", choices=list(SETTINGS), help="one of the settings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for name, (settings, wanted) in SETTINGS.items():
        if options.only not in (None, name):
            continue
        scores, seconds, kept, alone = [], [], 0, 0.0
        for seed in range(options.first, options.first + options.n):
            started_at = time.perf_counter()
            model = NodeClassifier(random_state=seed, **settings).fit(options.data)
            seconds.append(time.perf_counter() - started_at)
            scores.append(100 * model.evaluate().score.value)
            kept += model.networks_ is not None
            said = model.alone_.logits(model.known_).argmax(dim=1).numpy()
            own = model.held_out
            alone = 100 * float((said == model.known_.y)[own].mean())
            count = len(model.networks_ or [])
            print(
                name, seed, scores[-1], seconds[-1], count, file=sys.stderr, flush=True
            )
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        rows.append(
            {
                "what": name,
                "accuracy": statistics.mean(scores),
                "sd": spread,
                "least": min(scores),
                "most": max(scores),
                "wanted": wanted,
                "features alone": alone,
                "networks kept": kept,
                "seconds": statistics.median(seconds),
                "n": options.n,
            }
        )
    tell({"claim": "Cora, public split, percent", "rows": rows}, options.json)


if __name__ == "__main__":
    main()
