"""Commands and scores for the scripts that make pages. Those import it by its name."""

import contextlib
import io
import json
from typing import Any

from vicinal.cli.app import main as vicinal


def run_command(*words: str) -> dict[str, Any]:
    """Run a command with --json and return its output."""
    return json.loads(printed_by(*words, "--json"))


def printed_by(*words: str) -> str:
    """Run a command and return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert vicinal([*words]) == 0
    return out.getvalue().rstrip()


def format_percentage(score: dict[str, Any]) -> str:
    """Return a score in percent with its interval."""
    value, low, high = (100 * score[k] for k in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}] (n = {score['n']:,})"
