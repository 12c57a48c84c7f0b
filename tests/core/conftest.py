"""Fixtures of the tests of core."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import vicinal

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Return a function that runs a Python file in a process of its own."""

    def start_program(program: str, *arguments: object) -> "subprocess.Popen[str]":
        root = Path(vicinal.__file__).parents[1]
        return subprocess.Popen(
            [sys.executable, program, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start_program
