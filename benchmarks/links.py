"""USAir, Yeast and PB: link prediction with a tenth of the edges held out, ten splits.

python -m benchmarks.links DIRECTORY   (with USAir.mat, Yeast.mat and PB.mat)
"""

import statistics
import sys
import time
from pathlib import Path

from benchmarks.measure import make_parser, print_result
from vicinal.graphs.link_predictor import LinkPredictor

TARGETS = {"USAir": 0.95, "Yeast": 0.95, "PB": 0.94}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory")
    parser.add_argument("-n", type=int, default=10, help="splits, one seed each")
    parser.add_argument("--decoder", default="none", help="none, dot, bilinear, mlp")
    options = parser.parse_args()
    rows = []
    for name, target in TARGETS.items():
        scores: dict[str, list[float]] = {}
        seconds = []
        for seed in range(options.n):
            started_at = time.perf_counter()
            model = LinkPredictor(decoder=options.decoder, random_state=seed)
            model.fit(Path(options.directory) / f"{name}.mat")
            seconds.append(time.perf_counter() - started_at)
            found = model.evaluate()
            result = {"auroc": found.score, **found.baselines}
            result["average precision"] = found.scores[0]
            for key, score in result.items():
                scores.setdefault(key, []).append(score.value)
            print(name, seed, found.score, file=sys.stderr, flush=True)
        means = {key: statistics.mean(values) for key, values in scores.items()}
        std = statistics.stdev(scores["auroc"])
        rows.append(
            {"data": name, **means, "sd": std, "target": target}
            | {"seconds": statistics.median(seconds), "n": options.n}
        )
    claim = "a tenth of the edges held out, as many negative edges"
    print_result({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
