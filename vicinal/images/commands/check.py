"""`check` for images, which opens every one of them; reading for `train`."""

from typing import Any

from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.errors import NoDataError
from vicinal.images.data.audit import ImageReader, audit
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.decoding.intensity_range import measure_intensity_range
from vicinal.images.data.image_notes import image_notes
from vicinal.images.data.read import read_images
from vicinal.images.domain import CheckImages, ImageData
from vicinal.images.splits.overlap import check_lines, report_splits

SIZE = 64
"""pixels of the decoded images: enough to compare them"""

STATISTICS = ("images", "sizes", "grayscale", "formats")


def check(data: str, arguments: CheckImages, console: Console) -> DataCheck:
    """Return classes by split, sizes, duplicates, and what is quarantined."""
    table = read_images(
        data,
        task=arguments.task,
        target=arguments.target,
        label_corrections=arguments.label_corrections,
    )
    most = arguments.max_pixels
    limits = arguments.intensity_range or measure_intensity_range(table, most)
    reader = ImageReader(SIZE, "squish", max_pixels=most, intensity_range=limits)
    progress = console.progress_bar("check")
    report = None
    try:
        found, images = load_dataset(table, reader, report_progress=progress)
        report = report_splits(images)
    except NoDataError:  # nothing can be used: the reasons are in the quarantine
        found = audit(table, reader)
    splits, facts = {} if report is None else report.to_dict(), found.to_dict()
    return DataCheck(
        task=TASK_OF_KIND[table.kind],
        lines=[*check_lines(found, report)],
        statistics={k: facts[k] for k in STATISTICS},
        usable=facts["usable"],
        quarantined=found.quarantine,
        notes=[*facts["notes"], *image_notes(found)],
        extra={
            "classes": facts["classes"],
            "splits": splits.get("splits", {}),
            "classes_by_split": splits.get("classes", []),
            "exact_duplicates": splits.get("exact_duplicates", []),
            "near_duplicates": splits.get("near_duplicates"),
            "duplicates_across_splits": splits.get("across_splits", []),
        },
    )


def read(data: str, options: ImageData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the images of a training run: (table, task)."""
    table = read_images(
        data,
        task=options.task,
        target=options.target,
        label_corrections=options.label_corrections,
        group_column=parameters["group_column"],
    )
    return table, TASK_OF_KIND[table.kind]
