"""`vicinal report`: write a run's report again and print it as text."""

import time
from pathlib import Path
from typing import Any

from vicinal.commands.runs import open_run
from vicinal.core.domain import Domain, Outcome
from vicinal.core.report.console import Console
from vicinal.core.report.report_file import read_report, read_score
from vicinal.core.storage.files import refuse_links, write_json, write_text


def report(domain: Domain, run: str, arguments: Any, console: Console) -> Outcome:
    """Write the report of a run; a domain may add sections that are asked for."""
    started_at, folder = time.monotonic(), Path(run)
    page = read_report(folder)
    score = read_score(folder)
    for suffix in ("json", "txt", "html"):
        refuse_links(folder, folder / f"report.{suffix}")
    added: Outcome = {}
    if any(vars(arguments).values()):
        opened = open_run("report", domain, run, console)
        sections, added = domain.commands["report"](opened, arguments, console)
        for section in sections:
            page = page.with_section(section)
        write_json(folder / "report.json", page.to_dict())
        write_text(folder / "report.txt", page.text())
    path = folder / "report.html"
    write_text(path, page.html())
    console.print(page.text())
    console.print(f"report: {path}")
    return {
        "run": run,
        "domain": domain.name,
        "page": str(path),
        "score": score,
        **added,
        "seconds": round(time.monotonic() - started_at, 2),
    }
