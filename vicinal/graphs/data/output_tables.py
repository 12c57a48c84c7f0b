"""Output tables: predictions and embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.domain import Outcome
from vicinal.core.report.console import Console
from vicinal.core.report.predictions import MAX_PREDICTIONS, prediction_lines
from vicinal.core.storage.files import (
    check_writable,
    predictions_path,
    replace_file,
)
from vicinal.core.text import pluralize
from vicinal.errors import SettingError


def check_embeddings_path(name: str) -> Path:
    """Return the path of an embeddings file; SettingError for an unknown suffix."""
    path = Path(name)
    if path.suffix.lower() not in (".csv", ".npz"):
        raise SettingError(
            f"--embeddings must be a .csv or .npz file. Got {name!r} instead."
        )
    check_writable(path)
    return path


def write_embeddings(path: Path, ids: np.ndarray, vectors: np.ndarray) -> None:
    """Write embeddings [N, D]: CSV `id,0,1,...`, or npz with `ids` and `embeddings`."""
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


class PredictionOutput:
    """The files of `predict`, checked before any work."""

    def __init__(self, output: str | None, embeddings: str | None) -> None:
        self.csv = predictions_path(output)
        self.vectors = None if embeddings is None else check_embeddings_path(embeddings)

    def write(
        self,
        frame: Any,
        unit: str,
        quarantined: Sequence[Quarantined],
        notes: Sequence[str],
        console: Console,
    ) -> Outcome:
        """Write predictions to the CSV file, or print them; the same as JSON."""
        if self.csv is not None:
            write_csv(self.csv, frame)
            console.print(f"{pluralize(len(frame), unit)}: {self.csv}")
        else:
            for line in prediction_lines(frame):
                console.print(line)
            if len(frame) > MAX_PREDICTIONS:
                rest = len(frame) - MAX_PREDICTIONS
                console.print(f"... and {rest:,} more (--output FILE.csv takes all)")
        return {
            "n": len(frame),
            "output": None if self.csv is None else str(self.csv),
            "predictions": frame.to_dict("records"),
            "notes": list(notes),
            "quarantine": [row._asdict() for row in quarantined],
        }

    def write_embeddings(
        self, ids: np.ndarray, z: np.ndarray, console: Console
    ) -> None:
        """Write embeddings [N, D]; SettingError where the model has none."""
        assert self.vectors is not None
        if not z.shape[1]:
            raise SettingError(
                "This model uses the labels of neighbours only and has no embeddings. "
                "A network has them (`vicinal train ... --keep network`)."
            )
        write_embeddings(self.vectors, ids, z)
        console.print(f"embeddings [{len(z):,}, {z.shape[1]:,}]: {self.vectors}")
