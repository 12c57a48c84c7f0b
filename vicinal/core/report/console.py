"""Output of a command: lines, tables and progress.

With `--json`, stdout holds the JSON object alone and everything else goes to stderr.
Tables and progress bars are rich's on a terminal, plain lines in a log. Names come
from data: control characters and marks of the writing direction are shown escaped, so
that a terminal does not act on them.
"""

import atexit
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from vicinal.core.text import printable

if TYPE_CHECKING:
    import rich.console
    import rich.progress

LOG_SECONDS = 10.0
"""seconds between two progress lines in a log"""

Progress = Callable[[int, int], None]
"""called as progress(done, total)"""


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
            Text(name), _rich_table(value) if nested else Text(printable(str(value)))
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
