"""From trained weights: how good the first answer is and how soon it is there, over
random divisions in four fifths and one fifth; with --minutes also the fine-tuned model.

Each run is a process of its own. Seconds are from its start to the line that tells the
first answer: importing, decoding, features, cross-validation. Cold: empty caches; warm:
what the run before left there. The network's form is measured beforehand, once, as it
is on a machine of one's own.

    python -m benchmarks.transfer FOLDER WEIGHTS [--minutes 10] [--keep RUNS]
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import tell


def divided(folder: Path, seed: int, out: Path) -> Path:
    """A CSV of the pictures of a folder per class, a random fifth for testing."""
    import pandas as pd

    files = sorted(p for p in folder.resolve().glob("*/*") if p.is_file())
    rng = np.random.default_rng(seed)
    test = rng.permutation(len(files)) < len(files) / 5
    frame = pd.DataFrame(
        {
            "path": [str(p) for p in files],
            "label": [p.parent.name for p in files],
            "split": np.where(test, "test", "train"),
        }
    )
    path = out / f"seed-{seed}.csv"
    frame.to_csv(path, index=False)
    return path


def run(
    data: Path, weights: str, cache: Path, out: Path, *words: str
) -> dict[str, Any]:
    """One training: its JSON, and the seconds until the first answer was told."""
    command = [sys.executable, "-m", "vicinal", "train", str(data), "--json"]
    command += ["--weights", weights, "--out", str(out / "run"), *words]
    started_at, first = time.monotonic(), float("nan")
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"VICINAL_CACHE": str(cache)},
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if line.startswith("first answer"):
                first = time.monotonic() - started_at
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads(told) | {
        "first_seconds": first,
        "wall": time.monotonic() - started_at,
    }


def emptied(cache: Path) -> None:
    """Take away all that is kept of pictures and weights, not the measured forms."""
    import shutil

    for name in ("pictures", "features", "traced"):
        shutil.rmtree(cache / name, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of pictures per class")
    parser.add_argument("weights", help="what --weights takes")
    parser.add_argument("--minutes", help="fine-tune within so many minutes as well")
    parser.add_argument("-n", type=int, default=5, help="random divisions")
    parser.add_argument("--keep", type=Path, help="a folder in which runs are left")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = []
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    kept = options.keep and contextlib.nullcontext(options.keep)
    with kept or tempfile.TemporaryDirectory() as place:
        out, cache = Path(place), Path(place) / "cache"
        frozen = ("--freeze", "all")
        run(divided(options.folder, 0, out), options.weights, cache, out, *frozen)
        for seed in range(options.n):
            data = divided(options.folder, seed, out)
            emptied(cache)
            cold, warm = (
                run(data, options.weights, cache, out, *frozen) for _ in range(2)
            )
            row = {
                "seed": seed,
                "first": cold["score"]["value"],
                "cold_s": cold["first_seconds"],
                "warm_s": warm["first_seconds"],
            }
            if options.minutes:
                clock = ("--minutes", options.minutes)
                tuned = run(data, options.weights, cache, out, *clock)
                row |= {"tuned": tuned["score"]["value"], "tuned_s": tuned["wall"]}
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    means = {k: statistics.mean(row[k] for row in rows) for k in rows[0] if k != "seed"}
    spread = {
        f"{k} sd": statistics.stdev(row[k] for row in rows)
        for k in means
        if len(rows) > 1
    }
    claim = f"{options.weights} on {options.folder.name}, {options.n} divisions"
    tell({"claim": claim, "rows": [*rows, means, spread]}, options.json)


if __name__ == "__main__":
    main()
