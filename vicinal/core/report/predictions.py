"""Predictions and embeddings: as lines of text, as JSON, and in files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.files import check_writable, replace_file
from vicinal.core.text import one_line
from vicinal.errors import SettingError

MAX_PREDICTIONS = 40
"""predictions that are printed when no file takes them"""


class Predictions(NamedTuple):
    """What `predict` found."""

    frame: Any
    """DataFrame: id (or source, target), predicted, probability, ..."""

    unit: str
    """what is predicted, singular"""

    quarantined: Sequence[Quarantined] = ()
    """rows of the input that could not be used"""

    notes: Sequence[str] = ()
    hints: Sequence[str] = ()
    """further notes, for the console only"""

    marks: Mapping[str, str] = {}
    """column of the frame -> text that is printed behind the rows where it is True"""

    shown: Sequence[str] = ()
    """columns that are printed where there is no column `predicted`"""

    details: str = ""
    """column of the frame with texts that are printed behind the rows"""

    embed: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None
    """returns names [N] and embeddings [N, D]; None: the domain has none"""

    def lines(self) -> Iterator[str]:
        """Yield the first predictions as lines of text."""
        yield from prediction_lines(self.frame, self.marks, self.shown, self.details)
        if len(self.frame) > MAX_PREDICTIONS:
            rest = len(self.frame) - MAX_PREDICTIONS
            yield f"... and {rest:,} more (--output FILE.csv takes all)"

    def to_dict(self) -> dict[str, Any]:
        """Return the predictions as JSON values."""
        return {
            "n": len(self.frame),
            "predictions": records(self.frame),
            "notes": list(self.notes),
            "quarantine": [row._asdict() for row in self.quarantined],
        }


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON values, without blank cells."""
    return [
        {name: value for name, value in row.items() if value == value and value != ""}
        for row in frame.to_dict("records")
    ]


def prediction_lines(
    frame: Any,
    marks: Mapping[str, str],
    shown: Sequence[str] = (),
    details: str = "",
) -> Iterator[str]:
    rows = frame.head(MAX_PREDICTIONS).to_dict("records")
    names = [_name(row) for row in rows]
    width = min(40, max(map(len, names), default=0))
    for label, row in zip(names, rows, strict=True):
        more = "".join(f"  ({text})" for k, text in marks.items() if row.get(k) is True)
        text = one_line(str(row.get(details) or ""))
        behind = f"  {text}" if text else ""
        yield f"{label:<{width}}  {_prediction(row, shown)}{more}{behind}"


def _prediction(row: dict[str, Any], shown: Sequence[str]) -> str:
    """Return what is predicted: a class, a number, or several; or why nothing is."""
    if row.get("reason"):
        return f"- ({one_line(str(row['reason']))})"
    sure = f"  {100 * row['probability']:5.1f} %" if "probability" in row else ""
    if "predicted" not in row and not sure:  # a column for each target
        return "  ".join(f"{one_line(k)} {row[k]:.4g}" for k in shown)
    predicted = row.get("predicted", "")
    is_number = isinstance(predicted, float)
    value = f"{predicted:.4g}" if is_number else one_line(str(predicted))
    if "low" in row and row["low"] == row["low"]:
        value += f" [{row['low']:.4g}, {row['high']:.4g}]"
    return value + sure


def _name(row: dict[str, Any]) -> str:
    if "source" not in row:
        return one_line(str(row[next(iter(row))]))
    parts = (row[k] for k in ("source", "relation", "target") if k in row)
    return " - ".join(one_line(str(part)) for part in parts)


# --- embeddings -----------------------------------------------------------------------


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
    """Write embeddings [N, D]: CSV `id,0,1,...`, or npz with `ids` and `embeddings`.

    SettingError where the model has none.
    """
    import pandas as pd

    if not vectors.shape[1]:
        raise SettingError(
            "This model uses the labels of neighbours only and has no embeddings. A "
            "network has them (`vicinal train ... --keep network`)."
        )
    if path.suffix.lower() == ".csv":
        frame = pd.DataFrame(vectors, columns=list(map(str, range(vectors.shape[1]))))
        frame.insert(0, "id", list(ids))
        return write_csv(path, frame, escape=False)
    names = np.array([str(name) for name in ids])

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, ids=names, embeddings=vectors)

    return replace_file(path, write)
