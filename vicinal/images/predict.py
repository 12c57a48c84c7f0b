"""Predict any number of images: streamed to a CSV file, or printed a line each."""

import csv
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vicinal.core.data.csv_tables import escape_formula
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.report.console import print_note
from vicinal.core.storage.files import replace_file
from vicinal.core.text import one_line
from vicinal.errors import NoDataError
from vicinal.images.data.read import ImageTable
from vicinal.images.model import ImageModel, Prediction

MAX_REASONS = 10
"""unreadable images that are named on the terminal; the CSV names them all"""


class Printer(Protocol):
    """Prints lines, such as the console."""

    def print(self, text: str, /) -> None: ...


def predict_all(
    model: ImageModel,
    table: ImageTable,
    output: Path | None,
    console: Printer,
    *,
    keep: bool,
) -> dict[str, Any]:
    """Predict every image of a table, to a CSV file (complete or not there) or lines.

    An image that cannot be read has a reason instead of a prediction. With `keep` the
    predictions are also returned, and the unreadable images as `quarantine`; else
    memory does not grow with their number. Raises NoDataError if no image can be read.
    """
    started_at, kept = time.monotonic(), []
    quarantine: list[dict[str, str]] = []
    count = {"n": 0, "unreadable": 0, "unknown": 0}

    def write_rows(write: Callable[[dict[str, Any]], object]) -> None:
        for row in _rows(model, table):
            count["unreadable" if "reason" in row else "n"] += 1
            count["unknown"] += bool(row.get("unknown"))
            if "reason" in row and count["unreadable"] <= MAX_REASONS:
                parts = one_line(row["path"]), one_line(row["reason"])
                print_note(f"cannot be read: {': '.join(parts)}")
            if keep:
                kept.append(row)
                if "reason" in row:
                    unreadable = Quarantined(row["path"], "", row["reason"])
                    quarantine.append(unreadable._asdict())
            write(row)
        if not count["n"]:
            raise NoDataError("No image can be read. Check the paths and the reasons.")

    if output is not None:
        _write_csv(output, model, write_rows)
        text = f"{count['n']:,} predictions, {count['unreadable']:,} unreadable images"
        if count["unknown"]:
            text += f", {count['unknown']:,} unlike the training images"
        console.print(f"{text}: {output}")
    else:
        write_rows(lambda row: None if keep else console.print(_line(row)))
    seconds = round(time.monotonic() - started_at, 3)
    path = output and str(output)
    return {
        **count,
        "output": path,
        "predictions": kept,
        "notes": table.notes,
        "quarantine": quarantine,
        "seconds": seconds,
    }


def _rows(model: ImageModel, table: ImageTable) -> Iterator[dict[str, Any]]:
    quarantined = (Prediction(q.name, None, q.reason) for q in table.quarantined)
    for prediction in chain(model.iter_predictions(table), quarantined):
        yield _row(model, prediction)


def _class_columns(model: ImageModel) -> list[str]:
    return [f"p_{name}" for name in model.objective_.classes]


def _row(model: ImageModel, prediction: Prediction) -> dict[str, Any]:
    if prediction.predicted is None:
        return {"path": prediction.name, "reason": prediction.reason}
    predicted = prediction.predicted[None]
    row = {"path": prediction.name, "predicted": model.objective_.decode(predicted)[0]}
    if model.outlier_detector_ is not None:
        row["unknown"] = prediction.unknown
    if model.objective_.kind == "single_label":
        row["probability"] = round(float(predicted.max()), 5)
    values = np.atleast_1d(prediction.predicted).round(5).tolist()
    return row | dict(zip(_class_columns(model), values, strict=False))


def _line(row: dict[str, Any]) -> str:
    path = one_line(row["path"])
    if "reason" in row:
        return f"{path}\t-\t{one_line(row['reason'])}"
    predicted = row["predicted"]
    is_number = isinstance(predicted, float)
    text = f"{predicted:.6g}" if is_number else one_line(predicted)
    probability = f"\t{row['probability']:.3f}" if "probability" in row else ""
    unknown = "\tunlike the training images" if row.get("unknown") else ""
    return f"{path}\t{text}{probability}{unknown}"


def _write_csv(
    output: Path, model: ImageModel, write_rows: Callable[..., None]
) -> None:
    columns = ["path", "predicted", "probability", *_class_columns(model), "reason"]
    if model.outlier_detector_ is not None:
        columns.insert(3, "unknown")

    def write(temporary: Path) -> None:
        # bytes of names that are not UTF-8 are escaped as in JSON: \udc..
        with temporary.open(
            "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as file:
            rows = csv.writer(file)
            rows.writerow(map(escape_formula, columns))

            def write_row(row: dict[str, Any]) -> None:
                rows.writerow(escape_formula(row.get(name, "")) for name in columns)

            write_rows(write_row)

    replace_file(output, write)
