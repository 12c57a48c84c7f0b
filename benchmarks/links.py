"""USAir, Yeast and PB: a tenth of the edges held out, ten times over.

python -m benchmarks.links FOLDER   (with USAir.mat, Yeast.mat and PB.mat in it)
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

from benchmarks.measure import tell
from vicinal.graphs.link_predictor import LinkPredictor

WANTED = {"USAir": 0.95, "Yeast": 0.95, "PB": 0.94}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("-n", type=int, default=10, help="divisions, a seed each")
    parser.add_argument("--decoder", default="none", help="none, dot, bilinear, mlp")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    for name, wanted in WANTED.items():
        scores: dict[str, list[float]] = {}
        seconds = []
        for seed in range(options.n):
            started_at = time.perf_counter()
            model = LinkPredictor(decoder=options.decoder, random_state=seed)
            model.fit(Path(options.folder) / f"{name}.mat")
            seconds.append(time.perf_counter() - started_at)
            found = model.evaluate()
            told = {"auroc": found.score, **found.baselines}
            told["average precision"] = found.scores[0]
            for key, score in told.items():
                scores.setdefault(key, []).append(score.value)
            print(name, seed, found.score, file=sys.stderr, flush=True)
        means = {key: statistics.mean(values) for key, values in scores.items()}
        spread = statistics.stdev(scores["auroc"])
        rows.append(
            {"data": name, **means, "sd": spread, "wanted": wanted}
            | {"seconds": statistics.median(seconds), "n": options.n}
        )
    claim = "edges, a tenth held out, as many pairs that are none"
    tell({"claim": claim, "rows": rows}, options.json)


if __name__ == "__main__":
    main()
