"""Tables that are written: predictions, and what a run keeps of its data."""

from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.files import write_text
from vicinal.core.objective import Objective


def write_csv(path: Path, frame: Any) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, frame.to_csv(index=False))


def predictions_frame(
    objective: Objective, ids: np.ndarray, predicted: np.ndarray, labels: Any = None
) -> Any:
    """Predictions as a table: id, label (where known), predicted, and more.

    predicted: probabilities [N, K], or numbers [N].
    """
    import pandas as pd

    frame: dict[str, Any] = {"id": list(ids)}
    if labels is not None:
        frame["label"] = list(labels)
    frame["predicted"] = objective.decode(predicted)
    if objective.kind == "single_label":
        frame["probability"] = predicted.max(axis=1).round(5)
    for k, name in enumerate(objective.classes):
        frame[f"p_{name}"] = predicted[:, k].round(5)
    return pd.DataFrame(frame)
