"""Tables that are written: predictions, and what a run keeps of its data."""

from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.objective import Objective
from vicinal.core.storage.files import check_place, replace_file, write_text
from vicinal.errors import SettingError


def write_csv(path: Path, frame: Any) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, frame.to_csv(index=False))


def embeddings_file(name: str) -> Path:
    """The file that takes embeddings; SettingError for an ending that is unknown."""
    path = Path(name)
    if path.suffix.lower() not in (".csv", ".npz"):
        raise SettingError(
            f"--embeddings takes a .csv or a .npz file. Got {name!r} instead."
        )
    check_place(path)
    return path


def write_embeddings(path: Path, ids: np.ndarray, vectors: np.ndarray) -> None:
    """Write a vector [D] for each id: CSV `id,0,1,...`, or npz with `ids` and
    `embeddings` [N, D]."""
    import pandas as pd

    if path.suffix.lower() == ".csv":
        frame = pd.DataFrame(vectors, columns=list(map(str, range(vectors.shape[1]))))
        frame.insert(0, "id", list(ids))
        return write_csv(path, frame)
    names = np.array([str(name) for name in ids])

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, ids=names, embeddings=vectors)

    return replace_file(path, write)


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
