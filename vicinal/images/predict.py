"""`vicinal predict`: answers for any number of pictures, streamed."""

import csv
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.files import replace_file
from vicinal.errors import NoDataError
from vicinal.images.data.read import ImageTable
from vicinal.images.model import ImageModel, Prediction

MOST_REASONS = 10
"""unreadable pictures that are named on the terminal; the CSV names them all"""


class Speaker(Protocol):
    """Says sentences, on whichever stream is right."""

    def say(self, text: str) -> None: ...


def predict_all(
    model: ImageModel,
    table: ImageTable,
    output: Path | None,
    voice: Speaker,
    *,
    keep: bool,
) -> dict[str, Any]:
    """Answer for every picture: to a CSV file, whole or not at all, or a line each.

    A picture that cannot be read has a reason in place of an answer. With `keep` the
    answers are also returned. Memory does not grow with their number otherwise.
    Raises NoDataError when no picture can be read.
    """
    started_at, kept = time.monotonic(), []
    count = {"n": 0, "unreadable": 0, "unknown": 0}

    def work(put: Callable[[dict[str, Any]], object]) -> None:
        for row in _rows(model, table):
            count["unreadable" if "reason" in row else "n"] += 1
            count["unknown"] += bool(row.get("unknown"))
            if "reason" in row and count["unreadable"] <= MOST_REASONS:
                told = f"cannot be read: {row['path']}: {row['reason']}"
                print(told, file=sys.stderr)
            if keep:
                kept.append(row)
            put(row)
        if not count["n"]:
            raise NoDataError(
                "No picture can be read: look at the reasons above, and at the paths."
            )

    if output is not None:
        _to_csv(output, model, work)
        without = f"{count['unreadable']:,} pictures without one"
        strange = ""
        if count["unknown"]:
            strange = f", {count['unknown']:,} unlike anything learned from"
        voice.say(f"{count['n']:,} answers, {without}{strange}: {output}")
    else:
        work(lambda row: None if keep else voice.say(_line(row)))
    seconds = round(time.monotonic() - started_at, 3)
    where = output and str(output)
    return {**count, "output": where, "predictions": kept, "seconds": seconds}


def _rows(model: ImageModel, table: ImageTable) -> Iterator[dict[str, Any]]:
    for answer in chain(model.answers(table), map(_no_answer, table.set_aside)):
        yield _row(model, answer)


def _no_answer(aside: Quarantined) -> Prediction:
    return Prediction(aside.name, None, aside.reason)


def _class_columns(model: ImageModel) -> list[str]:
    return [f"p_{name}" for name in model.objective_.classes]


def _row(model: ImageModel, answer: Prediction) -> dict[str, Any]:
    if answer.predicted is None:
        return {"path": answer.name, "reason": answer.reason}
    predicted = answer.predicted[None]
    row = {"path": answer.name, "predicted": model.objective_.decode(predicted)[0]}
    if model.known_ is not None:
        row["unknown"] = answer.unknown
    if model.objective_.kind == "single_label":
        row["probability"] = round(float(predicted.max()), 5)
    values = np.atleast_1d(answer.predicted).round(5).tolist()
    return row | dict(zip(_class_columns(model), values, strict=False))


def _line(row: dict[str, Any]) -> str:
    if "reason" in row:
        return f"{row['path']}\t-\t{row['reason']}"
    said = row["predicted"]
    said = f"{said:.6g}" if isinstance(said, float) else said
    sure = f"\t{row['probability']:.3f}" if "probability" in row else ""
    strange = "\tunlike anything learned from" if row.get("unknown") else ""
    return f"{row['path']}\t{said}{sure}{strange}"


def _to_csv(output: Path, model: ImageModel, work: Callable[..., None]) -> None:
    columns = ["path", "predicted", "probability", *_class_columns(model), "reason"]
    if model.known_ is not None:
        columns.insert(3, "unknown")

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, columns)
            rows.writeheader()
            work(rows.writerow)

    replace_file(output, write)
