"""`check` for images: open every image, and say what can be used."""

from collections.abc import Iterator

from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.core.domain import Outcome
from vicinal.core.report.console import Console
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError
from vicinal.images.data.audit import Audit, ImageReader, audit
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.domain import CheckImages
from vicinal.images.splits.overlap import SplitReport, report_splits

SIZE = 64
"""pixels of the decoded images: enough to compare them"""

STATISTICS = ("images", "sizes", "grayscale", "formats")


def check(data: str, arguments: CheckImages, console: Console) -> Outcome:
    """Print classes by split, sizes, duplicates, and what is quarantined."""
    table = read_images(
        data,
        task=arguments.task,
        target=arguments.target,
        label_corrections=arguments.label_corrections,
    )
    reader = ImageReader(SIZE, "squish", max_pixels=arguments.max_pixels)
    progress = console.progress_bar("check")
    report = None
    try:
        found, images = load_dataset(table, reader, report_progress=progress)
        report = report_splits(images)
    except NoDataError:  # nothing can be used: the reasons are printed below
        found = audit(table, reader)
    for line in _lines(table, found, report):
        console.print(line)
    splits, facts = {} if report is None else report.to_dict(), found.to_dict()
    return {
        "task": TASK_OF_KIND[table.kind],
        "statistics": {k: facts[k] for k in STATISTICS},
        "classes": facts["classes"],
        "splits": splits.get("splits", {}),
        "classes_by_split": splits.get("classes", []),
        "exact_duplicates": splits.get("exact_duplicates", []),
        "near_duplicates": splits.get("near_duplicates"),
        "duplicates_across_splits": splits.get("across_splits", []),
        "notes": facts["notes"],
        "usable": facts["usable"],
        "quarantined_rows": found.quarantine,
    }


def _lines(
    table: ImageTable, found: Audit, report: SplitReport | None
) -> Iterator[str]:
    total = pluralize(len(table) + len(table.quarantined), "image")
    yield f"task: {_describe_task(table)}"
    yield (
        f"{total}: {int(found.usable.sum()):,} usable, {len(found.quarantine):,} "
        "quarantined"
    )
    if report is not None:
        yield from report.count_lines()
    for side, (least, median, most) in found.size_table().items():
        yield f"{side}: {least} to {most} pixels, median {median}"
    if report is not None:
        yield from report.duplicate_lines()
    names = list(table.rows(found.usable).counts())
    if table.kind == "single_label" and len(names) == 1:
        yield f"note: there is one class only ({names[0]!r}); a classifier needs two"


def _describe_task(table: ImageTable) -> str:
    labels = {
        "single_label": "one class per image",
        "multi_label": "several classes per image",
        "numeric": "a number per image",
        "none": "no labels",
    }[table.kind]
    if table.kind == "numeric":
        labels += f", {table.labels.min():g} to {table.labels.max():g}"
    return f"{TASK_OF_KIND[table.kind]} ({labels})"
