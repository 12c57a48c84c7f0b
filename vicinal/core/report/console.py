"""How a command speaks: sentences, tables and progress, to the right stream.

With --json the sentences go to stderr, so that stdout holds the JSON object alone.
Progress is a bar on a terminal and a few plain lines in a log.
"""

import atexit
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


class Console:
    """Speaks for one command."""

    def __init__(self, json: bool) -> None:
        self.out: TextIO = sys.stderr if json else sys.stdout

    def say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def print_table(self, values: dict[str, Any], indent: str = "") -> None:
        """Names and values below each other; a table inside one is indented."""
        width = max(map(len, values), default=0)
        for name, value in values.items():
            if isinstance(value, dict):
                self.say(f"{indent}{name}:")
                self.print_table(value, indent + "  ")
            else:
                self.say(f"{indent}{name:<{width}}  {value}")

    def progress_bar(self, what: str) -> Callable[[int, int], None]:
        """A function to be called as tick(done, total)."""
        return _Bar(what) if sys.stderr.isatty() else _Lines(what)


class _Bar:
    """A progress bar on a terminal."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self.bar is None:
            self.bar, self.task = self._begin(total)
        self.bar.update(self.task, completed=done)
        if done >= total:
            self.bar.stop()

    def _begin(self, total: int) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        bar.start()
        atexit.register(bar.stop)  # gives the cursor back when the work is cut short
        return bar, bar.add_task(self.what, total=total)


class _Lines:
    """A line at most every ten seconds."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.spoken = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self.spoken >= 10:
            self.spoken = time.monotonic()
            print(f"{self.what}: {done:,} of {total:,}", file=sys.stderr, flush=True)
