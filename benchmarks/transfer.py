"""Transfer learning: accuracy of the linear probe and seconds until it is fitted.

Five random splits into four fifths and one fifth; with --minutes also the fine-tuned
model. Each run is a process of its own. Seconds are from its start to the line that
reports the linear probe: imports, decoding, features, cross-validation. Cold: empty
caches; warm: the caches of the run before. The network's runtime is measured
beforehand, once, as on a user's machine.

    python -m benchmarks.transfer DIRECTORY WEIGHTS [--minutes 10] [--keep RUNS]
"""

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

from benchmarks.measure import make_parser, print_result


def split_in_five(directory: Path, seed: int, out: Path) -> Path:
    """Write a CSV of images in one directory per class, a random fifth for the test."""
    import pandas as pd

    files = sorted(p for p in directory.resolve().glob("*/*") if p.is_file())
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
    data: Path, weights: str, cache: Path, out: Path, *options_of_train: str
) -> dict[str, Any]:
    """Return the JSON of one training, and the seconds until the linear probe."""
    command = [sys.executable, "-m", "vicinal", "train", str(data), "--json"]
    command += ["--weights", weights, "--out", str(out / "run"), *options_of_train]
    started_at, probe_seconds = time.monotonic(), float("nan")
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"VICINAL_CACHE": str(cache)},
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if line.startswith("linear probe"):
                probe_seconds = time.monotonic() - started_at
        result = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads(result) | {
        "probe_seconds": probe_seconds,
        "wall": time.monotonic() - started_at,
    }


def clear_caches(cache: Path) -> None:
    """Remove cached images, features and weights, but not the measured runtimes."""
    import shutil

    for name in ("images", "features", "traced"):
        shutil.rmtree(cache / name, ignore_errors=True)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("directory", type=Path, help="a directory of images per class")
    parser.add_argument("weights", help="value of --weights")
    parser.add_argument("--minutes", help="also fine-tune within this time")
    parser.add_argument("-n", type=int, default=5, help="random splits")
    parser.add_argument("--keep", type=Path, help="directory to keep the runs in")
    options = parser.parse_args()
    rows = []
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    kept = options.keep and contextlib.nullcontext(options.keep)
    with kept or tempfile.TemporaryDirectory() as temporary:
        out, cache = Path(temporary), Path(temporary) / "cache"
        frozen = ("--freeze", "all")
        run(
            split_in_five(options.directory, 0, out),
            options.weights,
            cache,
            out,
            *frozen,
        )
        for seed in range(options.n):
            data = split_in_five(options.directory, seed, out)
            clear_caches(cache)
            cold, warm = (
                run(data, options.weights, cache, out, *frozen) for _ in range(2)
            )
            row = {
                "seed": seed,
                "linear probe": cold["score"]["value"],
                "cold_s": cold["probe_seconds"],
                "warm_s": warm["probe_seconds"],
            }
            if options.minutes:
                time_limit = ("--minutes", options.minutes)
                tuned = run(data, options.weights, cache, out, *time_limit)
                row |= {
                    "fine-tuned": tuned["score"]["value"],
                    "fine-tuned_s": tuned["wall"],
                }
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    means = {k: statistics.mean(row[k] for row in rows) for k in rows[0] if k != "seed"}
    deviations = {
        f"{k} sd": statistics.stdev(row[k] for row in rows)
        for k in means
        if len(rows) > 1
    }
    claim = f"{options.weights} on {options.directory.name}, {options.n} splits"
    print_result({"claim": claim, "rows": [*rows, means, deviations]}, options.json)


if __name__ == "__main__":
    main()
