"""Read report.json, which may be damaged or come from elsewhere."""

from pathlib import Path
from typing import Any

from vicinal.core.report.report import Report
from vicinal.core.storage.run_folder import RESTORE, read
from vicinal.core.storage.schema import (
    Integer,
    ListOf,
    MapOf,
    Nullable,
    Object,
    OneOf,
    Scalar,
    Text,
)
from vicinal.errors import RunError

FILE = "report.json"

BLOCKS = {
    "text": Object(
        {"text": Text(), "tone": Text(("plain", "good", "warning", "lead"))}
    ),
    "table": Object(
        {
            "columns": ListOf(Text()),
            "rows": ListOf(ListOf(Scalar())),
            "caption": Text(),
            "totals": ListOf(ListOf(Scalar())),
        }
    ),
    "figure": Object({"svg": Text(), "caption": Text()}),
    "gallery": Object(
        {
            "thumbnails": ListOf(Object({"jpeg": Text(), "lines": ListOf(Text())})),
            "caption": Text(),
        }
    ),
    "matrix": Object(
        {
            "classes": ListOf(Text()),
            "counts": ListOf(ListOf(Integer())),
            "caption": Text(),
        }
    ),
}
SECTION = Object({"title": Text(), "blocks": ListOf(OneOf("kind", BLOCKS))})
REPORT = Object({"title": Text(), "subtitle": Text(), "sections": ListOf(SECTION)})
"""schema of report.json"""


METRICS = Object({"score": Nullable(MapOf(Scalar()))}, more=True)
"""schema of metrics.json"""


def read_score(folder: Path) -> dict[str, Any] | None:
    """Return the score of a run directory, as metrics.json has it."""
    return read(folder, "metrics.json", METRICS)["score"]


def read_report(folder: Path) -> Report:
    """Return the report of a run directory; RunError if it is missing or damaged."""
    values = read(folder, FILE, REPORT)
    for section in values["sections"]:
        for block in section["blocks"]:
            if not _is_rectangular(block):
                raise RunError(
                    f"{folder / FILE} is damaged: a {block['kind']} of the section "
                    f"{section['title']!r} has rows of different lengths. {RESTORE}"
                )
    return Report.from_dict(values)


def _is_rectangular(block: dict[str, Any]) -> bool:
    """Return whether each row of a block has as many cells as there are columns."""
    if block["kind"] == "table":
        rows = [*block["rows"], *block["totals"]]
        return all(len(row) == len(block["columns"]) for row in rows)
    if block["kind"] == "matrix":
        lengths = {len(block["counts"]), *map(len, block["counts"])}
        return lengths <= {len(block["classes"])}
    return True
