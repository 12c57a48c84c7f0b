"""Predictions as lines of text."""

from collections.abc import Iterator
from typing import Any

MAX_PREDICTIONS = 40
"""predictions that are printed when no file takes them"""


def prediction_lines(frame: Any) -> Iterator[str]:
    rows = frame.head(MAX_PREDICTIONS).to_dict("records")
    names = [_name(row) for row in rows]
    width = min(40, max(map(len, names), default=0))
    for name, row in zip(names, rows, strict=True):
        predicted = row.get("predicted", "")
        value = f"{predicted:.4g}" if isinstance(predicted, float) else predicted
        sure = f"  {100 * row['probability']:5.1f} %" if "probability" in row else ""
        more = "  (isolated node)" if row.get("isolated") else ""
        more += "  (already an edge)" if row.get("is_edge") else ""
        yield f"{name:<{width}}  {value}{sure}{more}"


def _name(row: dict[str, Any]) -> str:
    if "source" not in row:
        return str(row["id"])
    parts = (row[k] for k in ("source", "relation", "target") if k in row)
    return " - ".join(map(str, parts))
