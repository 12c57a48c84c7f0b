"""What several tests of the ground floor share."""

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
    """Give a function that runs a file of python in a process of its own."""

    def begin(program: str, *arguments: object) -> "subprocess.Popen[str]":
        root = Path(vicinal.__file__).parents[1]
        return subprocess.Popen(
            [sys.executable, program, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return begin
