"""A generated graph of millions of triples: reading, mining, training, in 8 GB.

    python -m benchmarks.knowledge_large [--triples 10000000] [--minutes 1]

Entities are drawn with frequencies that fall as a power of their rank, and so are
relations. A tenth of the relations are compositions of two others that hold for nine
of ten entities, so that there are rules to find. The file is written, and then read by
a fit in a process of its own, whose peak memory is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ENTITIES_OF = 10
"""triples for each entity"""

RELATIONS, COMPOSED = 100, 10
SKEW = 2.0
"""entity number E u^SKEW for a uniform u: 1 in 10 draws is one of the first 1 %"""

HOLDS = 0.9
"""share of the entities for which a composition holds"""

BLOCK = 500_000


def generate(num_triples: int, seed: int) -> np.ndarray:
    """Return different triples [about N, 3]."""
    rng = np.random.default_rng(seed)
    entities = num_triples // ENTITIES_OF
    groups = num_triples // 4 // (3 * COMPOSED)
    parts = []
    for number in range(COMPOSED):
        first = rng.permutation(entities)[:groups]
        middle = _skewed(rng, groups, entities // 100)
        country = rng.integers(200, size=entities)
        end = entities - 1 - country[middle]
        holds = rng.random(groups) < HOLDS
        own = 3 * number
        parts += [
            _triples(first, own, middle),
            _triples(middle, own + 1, end),
            _triples(first[holds], own + 2, end[holds]),
        ]
    composed = np.unique(np.concatenate(parts), axis=0)
    left = num_triples - len(composed)
    relations = RELATIONS - 3 * COMPOSED
    weights = 1 / np.arange(1, relations + 1)
    kinds = rng.choice(relations, left, p=weights / weights.sum()) + 3 * COMPOSED
    heads, tails = rng.integers(entities, size=left), _skewed(rng, left, entities)
    others = np.stack([heads, kinds, tails], axis=1).astype(np.int32)
    return rng.permutation(np.concatenate([composed, others]))


def _skewed(rng: np.random.Generator, count: int, most: int) -> np.ndarray:
    return (most * rng.random(count) ** SKEW).astype(np.int64)


def _triples(heads: np.ndarray, relation: int, tails: np.ndarray) -> np.ndarray:
    kinds = np.full(len(heads), relation)
    return np.stack([heads, kinds, tails], axis=1).astype(np.int32)


def write(triples: np.ndarray, path: Path) -> None:
    """Write triples as lines of tabs."""
    with path.open("w") as file:
        for start in range(0, len(triples), BLOCK):
            rows = triples[start : start + BLOCK].tolist()
            file.write("".join(f"e{h}\tr{r}\te{t}\n" for h, r, t in rows))


def fit(path: str, minutes: float) -> dict[str, float | int]:
    """Fit to a file; return seconds of the steps and the peak memory in gigabytes."""
    import torch

    from vicinal.knowledge.completion.predictor import TriplePredictor

    torch.set_num_threads(1)
    options = {"minutes": minutes, "path_network": False, "random_state": 0}
    model, seconds = TriplePredictor(**options), {}
    model.start_fit()
    start = time.perf_counter()
    table = model.read(path)
    seconds["read"] = time.perf_counter() - start
    print(f"read {seconds['read']:.0f} s, {_gigabytes():.2f} GB", file=sys.stderr)
    model.fit_baseline(table)
    print(f"rules {model.model_.scores.seconds}", _gigabytes(), file=sys.stderr)
    for _ in model.train_network(time.monotonic()):
        pass
    print(f"all {model.model_.scores.seconds}", _gigabytes(), file=sys.stderr)
    scores = model.evaluate()
    return {
        "entities": table.num_entities,
        "triples": len(table.triples),
        **seconds,
        **model.model_.scores.seconds,
        "whole": time.perf_counter() - start,
        "cpu": time.process_time(),
        "gigabytes": _gigabytes(),
        "mrr": scores.score.value,
        **{f"mrr, {name}": score.value for name, score in scores.baselines.items()},
    }


def _gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run(num_triples: int, minutes: float) -> dict[str, float | int]:
    """Write a graph to a temporary file, and return what a fit to it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "triples.tsv"
        write(generate(num_triples, 0), path)
        words = [sys.executable, "-m", "benchmarks.knowledge_large", "--file"]
        words += [str(path), "--minutes", str(minutes)]
        found = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triples", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--file", help="fit to this file")
    options = parser.parse_args()
    if options.file:
        print(json.dumps(fit(options.file, options.minutes)))
    else:
        print(json.dumps(run(options.triples, options.minutes), indent=1))


if __name__ == "__main__":
    main()
