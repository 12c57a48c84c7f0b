"""Command lines that tests run in their own process."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from vicinal.cli.app import main


class Output(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return the one JSON object on stdout, where nothing else may be."""
        assert self.code == 0, self.err
        assert self.out.endswith("\n") and self.out.count("\n") == 1
        found = json.loads(self.out, parse_constant=pytest.fail)
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="session")
def run_command() -> Callable[[Sequence[str]], Output]:
    """Return a function that runs a command line."""

    def run(words: Sequence[str]) -> Output:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*words])
        return Output(code, out.getvalue(), err.getvalue())

    return run
