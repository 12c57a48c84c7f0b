"""`vicinal check`: what the data are, what cannot be used, and why."""

import time
from pathlib import Path
from typing import Any

from vicinal.commands.options import CheckOptions
from vicinal.core.data.quarantine import quarantine_lines, write_quarantine
from vicinal.core.domain import Domain, Outcome
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.storage.files import check_writable
from vicinal.core.text import one_line
from vicinal.errors import DataError


def check(
    domain: Domain, data: str, arguments: Any, options: CheckOptions, console: Console
) -> Outcome:
    """Check data; DataError when nothing can be used."""
    started_at = time.monotonic()
    if options.quarantine is not None:
        check_writable(Path(options.quarantine))
    found: DataCheck = domain.commands["check"](data, arguments, console)
    rows = found.quarantined
    for line in found.lines:
        console.print(line)
    for note in [*found.notes, *found.hints]:
        console.print(f"note: {one_line(note)}")
    for line in quarantine_lines(rows, "--quarantine FILE.csv lists all"):
        console.print(line)
    if options.quarantine is not None:
        write_quarantine(Path(options.quarantine), rows)
        console.print(f"quarantine: {options.quarantine}")
    if not found.usable:
        raise DataError(
            f"Nothing in {data} can be used: all {len(rows):,} rows are quarantined, "
            "each for the reason above."
        )
    return {
        "data": data,
        "domain": domain.name,
        "task": found.task,
        "statistics": found.statistics,
        **found.extra,
        "notes": list(found.notes),
        "usable": found.usable,
        "quarantined": len(rows),
        "quarantine": [row._asdict() for row in rows],
        "seconds": round(time.monotonic() - started_at, 2),
    }
