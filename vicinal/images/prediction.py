"""`vicinal predict`: answers for any number of pictures, streamed."""

import csv
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vicinal.errors import NoDataError, RunError
from vicinal.images.learner import Answer, ImageLearner
from vicinal.images.table import ImageTable


class Speaker(Protocol):
    """Says sentences, on whichever stream is right."""

    def say(self, text: str) -> None: ...


def predict_all(
    model: ImageLearner,
    table: ImageTable,
    output: Path | None,
    voice: Speaker,
    *,
    keep: bool,
) -> dict[str, Any]:
    """Answer for every picture: to a CSV file, or a line each.

    A picture that cannot be read has a reason in place of an answer. With `keep` the
    answers are also returned. Memory does not grow with their number otherwise.
    """
    begun, good, reasons, kept = time.monotonic(), 0, [], []
    columns = ["path", "predicted", "probability", *_class_columns(model), "reason"]
    with ExitStack() as stack:
        write = _writer(stack, output, columns)
        for answer in model.answers(table):
            row = _row(model, answer)
            good += answer.reason is None
            if answer.reason:
                reasons.append(f"{answer.name}: {answer.reason}")
            if write is not None:
                write(row.get(name, "") for name in columns)
            elif not keep:
                voice.say(_line(row))
            if keep:
                kept.append(row)
    for reason in reasons[:10]:
        print(f"cannot be read: {reason}", file=sys.stderr)
    if not good:
        raise NoDataError(
            f"None of the {len(table)} pictures can be read. {reasons[0]}"
        )
    if output is not None:
        voice.say(f"{good:,} answers, {len(reasons):,} pictures without one: {output}")
    told = {"n": good, "unreadable": len(reasons)}
    seconds = round(time.monotonic() - begun, 3)
    return {**told, "output": output and str(output), "predictions": kept} | {
        "seconds": seconds
    }


def _class_columns(model: ImageLearner) -> list[str]:
    return [f"p_{name}" for name in model.objective_.classes]


def _row(model: ImageLearner, answer: Answer) -> dict[str, Any]:
    if answer.predicted is None:
        return {"path": answer.name, "reason": answer.reason}
    predicted = answer.predicted[None]
    row = {"path": answer.name, "predicted": model.objective_.decode(predicted)[0]}
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
    return f"{row['path']}\t{said}{sure}"


def _writer(stack: ExitStack, output: Path | None, columns: list[str]) -> Any:
    if output is None:
        return None
    try:
        file = stack.enter_context(output.open("w", newline="", encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"{output} cannot be written: {error.strerror}. Choose another --output."
        ) from error
    rows = csv.writer(file)
    rows.writerow(columns)
    return lambda values: rows.writerow(list(values))
