"""Read the images of a training run."""

from typing import Any

from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.errors import DataError
from vicinal.images.data.read import read_images
from vicinal.images.domain import ImageData


def read(data: str, options: ImageData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read images and labels: (table, task); DataError when labels do not fit."""
    table = read_images(
        data,
        task=options.task,
        target=options.target,
        label_corrections=options.label_corrections,
        group_column=parameters["group_column"],
    )
    if options.task not in ("auto", TASK_OF_KIND[table.kind]):
        raise DataError(
            f"--task {options.task} does not fit the labels, which are those of "
            f"{TASK_OF_KIND[table.kind]}."
        )
    return table, TASK_OF_KIND[table.kind]
