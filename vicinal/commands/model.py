"""Commands that use a model: evaluate, predict, ask, explain, generate and others."""

import time
from pathlib import Path
from typing import Any

from vicinal.commands.runs import open_run
from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.quarantine import quarantine_lines
from vicinal.core.domain import Command, Domain, OpenRun, Outcome
from vicinal.core.report.console import Console
from vicinal.core.report.finding import check_plot_path
from vicinal.core.report.predictions import (
    Predictions,
    check_embeddings_path,
    write_embeddings,
)
from vicinal.core.storage.files import predictions_path, refuse_links
from vicinal.core.storage.run_folder import refuse_run_as_data
from vicinal.core.text import one_line, pluralize


def use_model(
    command: str, domain: Domain, run: str, arguments: Any, console: Console
) -> Outcome:
    """Run one of these commands on a run directory."""
    started_at = time.monotonic()
    if getattr(arguments, "data", None) is not None:
        refuse_run_as_data(arguments.data)
    opened = open_run(command, domain, run, console)
    by_command = {"evaluate": _evaluate, "generate": _generate}
    by_command |= dict.fromkeys(("predict", "ask", "recommend"), _predict)
    work = by_command.get(command, _show)
    found = work(domain.commands[command], opened, arguments, console)
    seconds = round(time.monotonic() - started_at, 2)
    return {"run": run, "domain": domain.name, **found, "seconds": seconds}


def _evaluate(
    command: Command, run: OpenRun, arguments: Any, console: Console
) -> Outcome:
    """Print a score and its verdict, and write the predictions behind it."""
    output = predictions_path(arguments.output)
    found = command(run, arguments, console)
    console.print(str(found))
    console.print(found.verdict)
    if output is not None:
        write_csv(output, found.predictions)
        console.print(f"predictions: {output}")
    data = getattr(arguments, "data", None)
    return {"data": data, **found.to_dict(), "verdict": found.verdict}


def _predict(
    command: Command, run: OpenRun, arguments: Any, console: Console
) -> Outcome:
    """Print predictions or write them to the files that the arguments name."""
    output = predictions_path(arguments.output)
    embeddings = getattr(arguments, "embeddings", None)
    vectors = None if embeddings is None else check_embeddings_path(embeddings)
    found: Predictions | Outcome = command(run, arguments, console)
    if isinstance(found, dict):  # streamed already, as they do not fit in memory
        return found
    written = []
    if vectors is not None and found.embed is not None:
        names, z = found.embed()
        write_embeddings(vectors, names, z)
        written = [f"embeddings [{len(z):,}, {z.shape[1]:,}]: {vectors}"]
    if output is None:
        lines = [*found.lines(), *written]
    else:
        write_csv(output, found.frame)
        lines = [f"{pluralize(len(found.frame), found.unit)}: {output}", *written]
    for line in lines:
        console.print(line)
    for note in [*found.hints, *found.notes]:
        console.print(f"note: {one_line(note)}")
    for line in quarantine_lines(found.quarantined, "--json lists all"):
        console.print(line)
    return {**found.to_dict(), "output": None if output is None else str(output)}


def _generate(
    command: Command, run: OpenRun, arguments: Any, console: Console
) -> Outcome:
    """Print new examples, and write them to a file."""
    output = arguments.output
    path = None if output is None else check_plot_path(output, command.plots)
    found = command(run, arguments, console)
    for line in found.text:
        console.print(line)
    if path is not None:
        found.save_plot(path)
        console.print(f"output: {path}")
    return {**found.data, "output": None if path is None else str(path)}


def _show(command: Command, run: OpenRun, arguments: Any, console: Console) -> Outcome:
    """Print what was found, and write its plot."""
    path, output = None, getattr(arguments, "output", None)
    if output is not None:
        path = check_plot_path(output, command.plots)
    found = command(run, arguments, console)
    for line in found.text:
        console.print(line)
    if path is None and found.plot_name:
        folder = run.path if run.path.is_dir() else Path()
        path = refuse_links(folder, folder / "explain" / found.plot_name)
        path.parent.mkdir(parents=True, exist_ok=True)
    if path is None:
        return found.data
    found.save_plot(path)
    console.print(f"plot: {path}")
    return {**found.data, "plot": str(path)}
