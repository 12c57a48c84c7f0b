"""`vicinal check`: the audit alone, told in a few lines."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from vicinal.core.storage.files import replace_file
from vicinal.core.text import counted
from vicinal.images.data.audit import Audit, ImageReader, ProgressCallback, audit
from vicinal.images.data.read import ImageTable
from vicinal.images.splits.split import given_parts

LOOK = 16  # pixels: small enough to decode fast, and every byte is still read


def check_data(
    table: ImageTable, max_pixels: int, report_progress: ProgressCallback | None
) -> Audit:
    """Open every picture of a table; nothing is kept."""
    found = audit(
        table,
        ImageReader(LOOK, "squish", None, max_pixels),
        report_progress=report_progress,
    )
    classes = list(table.rows(found.usable).counts())
    if table.kind == "single_label" and len(classes) == 1:
        told = f"all pictures are of one class, {classes[0]!r}; a classifier needs two"
        table.notes.append(told)
    return found


def tell(found: Audit, say: Callable[[str], None]) -> None:
    """Say what was found."""
    usable, aside = int(found.usable.sum()), found.quarantine
    total = len(found.table) + len(found.table.set_aside)
    listed = counted(total, "picture")
    say(f"task: {_task(found)}")
    say(f"{listed} listed, {usable:,} can be used, {len(aside):,} cannot")
    for row in found.class_table()[:50]:
        rest = f"   ({row['set_aside']:,} set aside)" if row["set_aside"] else ""
        say(f"  {row['pictures']:>9,}  {row['class']}{rest}")
    for side, (least, median, most) in found.size_table().items():
        say(f"{side}: {least} to {most} pixels, median {median}")
    copies = found.copies()
    if copies:
        count = sum(map(len, copies))
        groups = counted(len(copies), "group")
        say(f"exact copies: {counted(count, 'picture')} in {groups}")
    for note in found.table.notes:
        say(f"note: {note}")
    for q in aside[:20]:
        say(f"set aside: {q.name}: {q.reason}")
    if len(aside) > 20:
        say(f"... and {len(aside) - 20:,} more (--quarantine FILE.csv lists all)")


def _task(found: Audit) -> str:
    """What can be learned from the labels, and the parts that the user has made."""
    table = found.table
    what = {
        "single_label": "classification, one class a picture",
        "multi_label": "multilabel, several names a picture",
        "numeric": "regression, a number a picture",
    }[table.kind]
    if table.kind == "numeric":
        what += f", {table.labels.min():g} to {table.labels.max():g}"
    if table.split is None:
        return what
    parts = Counter(given_parts(table).tolist())
    return f"{what}; " + ", ".join(f"{n:,} for {part}" for part, n in parts.items())


def write_quarantine(found: Audit, path: Path) -> None:
    """Write the list of what cannot be used as CSV: path, label, reason."""
    import csv

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "reason"])
            rows.writerows(found.quarantine)

    replace_file(path, write)
