"""Output of a command: lines, tables and progress.

With `--json`, stdout holds the JSON object alone and everything else goes to stderr.
Tables and progress bars are rich's on a terminal, plain lines in a log. Names come
from data: control characters and marks of the writing direction are shown escaped, so
that a terminal does not act on them.
"""

import atexit
import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vicinal.core.text import printable
from vicinal.errors import NoteWarning

if TYPE_CHECKING:
    import rich.console
    import rich.progress

LOG_SECONDS = 10.0
"""seconds between two progress lines in a log"""

Progress = Callable[[int, int], None]
"""called as progress(done, total)"""


def print_note(text: str) -> None:
    """Print a line on stderr, where it is not taken for a result."""
    print(printable(text), file=sys.stderr, flush=True)


def open_closed_streams() -> None:
    """Open standard streams that the caller has closed (`>&-`), to nowhere.

    Else the next file to be opened would be one of them, and get their messages.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
            if getattr(sys, name) is None:
                setattr(sys, name, Path(os.devnull).open("r" if not number else "w"))


class _PrintHandler(logging.Handler):
    """Prints the messages of modules on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        print_note(record.getMessage())


@contextlib.contextmanager
def _messages_printed() -> Iterator[None]:
    """Print what modules of vicinal log in the `with` block."""
    logger, handler = logging.getLogger("vicinal"), _PrintHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextlib.contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print vicinal's own warnings as one sentence, and messages of its modules."""
    with _messages_printed(), warnings.catch_warnings():
        warnings.simplefilter("always", NoteWarning)  # whatever -W says
        show = warnings.showwarning

        def note(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, NoteWarning):
                print_note(f"note: {message}")
            else:
                show(printable(str(message)), category, *where)

        warnings.showwarning = note
        yield


class Console:
    """The text output of one command."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.out: TextIO = sys.stderr if json else sys.stdout

    def print(self, text: str) -> None:
        """Print a line."""
        print(printable(str(text)), file=self.out, flush=True)

    def print_table(self, values: Mapping[str, Any]) -> None:
        """Print names and values, one a line; nested mappings are indented."""
        if self._terminal.is_terminal:
            self._terminal.print(_rich_table(values))
        else:
            self._print_plain(values)

    def _print_plain(self, values: Mapping[str, Any], indent: str = "") -> None:
        width = max(map(len, values), default=0)
        for name, value in values.items():
            if isinstance(value, Mapping):
                self.print(f"{indent}{name}:")
                self._print_plain(value, indent + "  ")
            else:
                self.print(f"{indent}{name:<{width}}  {value}")

    def progress_bar(self, task: str) -> Progress:
        """Return progress(done, total), which shows the progress of a task."""
        return _Bar(task) if sys.stderr.isatty() else _Lines(task)

    @cached_property
    def _terminal(self) -> "rich.console.Console":
        from rich.console import Console as RichConsole

        return RichConsole(file=self.out, highlight=False, markup=False, emoji=False)


def _rich_table(values: Mapping[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        table.add_row(
            Text(printable(name)),
            _rich_table(value) if nested else Text(printable(str(value))),
        )
    return table


class _Bar:
    """A progress bar on a terminal, removed when it is complete."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.bar: rich.progress.Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        if self.bar is None:
            self.bar = self._start()
            self.row = self.bar.add_task(self.task, total=total)
        self.bar.update(self.row, completed=done)
        if done >= total:
            self.bar.stop()

    def _start(self) -> "rich.progress.Progress":
        from rich.console import Console as RichConsole
        from rich.progress import Progress as RichProgress

        bar = RichProgress(console=RichConsole(stderr=True), transient=True)
        bar.start()
        atexit.register(bar.stop)  # shows the cursor again after an interrupt
        return bar


class Counter:
    """A line at most every LOG_SECONDS, where the total is not known."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.printed_at = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.printed_at >= LOG_SECONDS:
            self.printed_at = now
            print(f"{self.task}: {done:,}", file=sys.stderr, flush=True)


class _Lines:
    """A line at most every LOG_SECONDS, for logs."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.printed_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.printed_at >= LOG_SECONDS:
            self.printed_at = now
            print(f"{self.task}: {done:,} of {total:,}", file=sys.stderr, flush=True)
