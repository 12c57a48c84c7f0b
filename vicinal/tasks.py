"""What the data are, what can be learned from them, and who learns it: one table.

=================================  ====================  ===============
pictures with                      task                  estimator
=================================  ====================  ===============
one class name each                classification        ImageClassifier
several names each (`a|b`)         multilabel            ImageClassifier
a number each                      regression            ImageRegressor
=================================  ====================  ===============
"""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from vicinal.core.estimator import MODEL_JSON, read_model
from vicinal.core.run import read
from vicinal.errors import DataError, ModelFileError, RunError, near_names
from vicinal.images.table import ImageTable, Task, read_images


class Row(NamedTuple):
    """One row of the table above."""

    labels: str
    task: Task
    estimator: str
    room: str


TABLE = (
    Row("single_label", "classification", "ImageClassifier", "images.classifier"),
    Row("multi_label", "multilabel", "ImageClassifier", "images.classifier"),
    Row("numeric", "regression", "ImageRegressor", "images.regressor"),
)


def understand(
    data: str,
    task: Task = "auto",
    target: str | None = None,
    labels: str | None = None,
    group: str | None = None,
) -> ImageTable:
    """Read what DATA names; DataError when its labels do not fit the task.

    labels: a CSV of labels that were wrong. group: the column that says which pictures
    belong together.
    """
    table = read_images(data, task=task, target=target, corrections=labels, group=group)
    asked = {row.labels for row in TABLE if task in ("auto", row.task)}
    if table.kind not in asked:
        raise DataError(f"--task {task} does not fit labels that are {table.kind}.")
    return table


def row_for(table: ImageTable) -> Row:
    """The row of the table that fits the labels."""
    return next(row for row in TABLE if row.labels == table.kind)


def estimator_type(name: str) -> type[Any]:
    """The estimator's class, imported when it is asked for."""
    rooms = {row.estimator: row.room for row in TABLE}
    if name not in rooms:
        hint = near_names(name, rooms)
        raise ModelFileError(f"There is no estimator {name!r}. {hint}")
    return getattr(import_module(f"vicinal.{rooms[name]}"), name)


def load(path: str | Path) -> Any:
    """The estimator in a model folder or a run folder, ready to predict.

    Raises ModelFileError when there is none, or its files are damaged.
    """
    description = read_model(path)
    try:
        return estimator_type(description["estimator"]).restore(path, description)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelFileError(
            f"{Path(path) / MODEL_JSON} does not describe a model that this version of "
            f"vicinal can build ({error}). Train again, or copy the folder again from "
            "where it came."
        ) from error


def target_of(run: Path) -> str | None:
    """The column that a run was trained on, where --target named one."""
    try:
        return settings_of(run).get("target")
    except RunError:  # a model folder that `save` wrote
        return None


def settings_of(run: Path) -> dict[str, Any]:
    """What a run began with: data, task, estimator and its parameters."""
    return read(run, "settings.json")
