"""Out-of-distribution detection and calibration of finished runs.

Reported are the share of their own test images flagged as unknown and the false-alarm
rate they were set to, the share of handwritten digits and noise that is detected, and
the calibration error.

    python -m benchmarks.unknown RUN [RUN ...]
"""

import statistics
from pathlib import Path
from typing import Any

import numpy as np

import vicinal
from benchmarks.measure import make_parser, print_result

NUM_FOREIGN = 300


def digits(size: int) -> np.ndarray:
    """Return handwritten digits [NUM_FOREIGN, size, size, 3], white on black."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    grey = (found.images[:NUM_FOREIGN] * 255 / 16).astype(np.uint8)
    large = [np.asarray(Image.fromarray(g).resize((size, size))) for g in grey]
    return np.repeat(np.stack(large)[..., None], 3, axis=-1)


def noise(size: int) -> np.ndarray:
    """Return independent random pixels [NUM_FOREIGN, size, size, 3]."""
    shape = NUM_FOREIGN, size, size, 3
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def evaluate_run(run: Path) -> dict[str, Any]:
    import pandas as pd

    model = vicinal.load(run)
    if model.outlier_detector_ is None:
        raise SystemExit(f"{run} has no outlier detector. Train it again.")
    splits = pd.read_csv(run / "data" / "splits.csv")
    test = splits["path"][splits["split"] == "test"].tolist()
    size = model.preprocessing_.store_size
    return {
        "run": run.name,
        "images": len(test),
        "set rate": model.outlier_detector_.false_alarm_rate,
        "false alarms": float(model.is_unknown(test).mean()),
        "digits": float(model.is_unknown(digits(size)).mean()),
        "noise": float(model.is_unknown(noise(size)).mean()),
        "calibration error": _metrics(run)["calibration_error"],
    }


def _metrics(run: Path) -> dict[str, Any]:
    from vicinal.core.storage.files import read_json

    return read_json(run / "metrics.json")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument(
        "runs", type=Path, nargs="+", help="finished runs with a test split"
    )
    options = parser.parse_args()
    rows = [evaluate_run(run) for run in options.runs]
    names = [name for name in rows[0] if name not in ("run", "set rate")]
    means = {name: statistics.mean(row[name] for row in rows) for name in names}
    spread = {
        f"{name} sd": statistics.stdev(row[name] for row in rows)
        for name in names[1:]
        if len(rows) > 1
    }
    claim = f"{len(rows)} runs: false alarms, and detection of foreign images"
    print_result({"claim": claim, "rows": [*rows, means, spread]}, options.json)


if __name__ == "__main__":
    main()
