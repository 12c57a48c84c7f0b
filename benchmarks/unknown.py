"""How honest finished runs are about what they do not know: the share of their own test
pictures that is called unknown beside the share they state, and how much of what is no
picture of theirs they catch, handwritten digits and noise; and the calibration error.

    python -m benchmarks.unknown RUN [RUN ...]
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np

import vicinal
from benchmarks.measure import tell

STRANGERS = 300


def digits(size: int) -> np.ndarray:
    """Handwritten digits [STRANGERS, size, size, 3], white on black."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    grey = (found.images[:STRANGERS] * 255 / 16).astype(np.uint8)
    large = [np.asarray(Image.fromarray(g).resize((size, size))) for g in grey]
    return np.repeat(np.stack(large)[..., None], 3, axis=-1)


def noise(size: int) -> np.ndarray:
    """Pixels drawn one by one, [STRANGERS, size, size, 3]."""
    shape = STRANGERS, size, size, 3
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def row_of(run: Path) -> dict[str, Any]:
    import pandas as pd

    model = vicinal.load(run)
    if model.known_ is None:
        raise SystemExit(f"{run} knows nothing of what is unknown. Train it anew.")
    parts = pd.read_csv(run / "data" / "splits.csv")
    test = parts["path"][parts["split"] == "test"].tolist()
    size = model.preprocessing_.store_size
    return {
        "run": run.name,
        "pictures": len(test),
        "stated": model.known_.false_alarm,
        "false alarms": float(model.is_unknown(test).mean()),
        "digits": float(model.is_unknown(digits(size)).mean()),
        "noise": float(model.is_unknown(noise(size)).mean()),
        "calibration error": _metrics(run)["calibration_error"],
    }


def _metrics(run: Path) -> dict[str, Any]:
    from vicinal.core.storage.files import read_json

    return read_json(run / "metrics.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="finished runs with a test")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows = [row_of(run) for run in options.runs]
    names = [name for name in rows[0] if name not in ("run", "stated")]
    means = {name: statistics.mean(row[name] for row in rows) for name in names}
    spread = {
        f"{name} sd": statistics.stdev(row[name] for row in rows)
        for name in names[1:]
        if len(rows) > 1
    }
    claim = f"{len(rows)} runs: known pictures called unknown, strangers caught"
    tell({"claim": claim, "rows": [*rows, means, spread]}, options.json)


if __name__ == "__main__":
    main()
