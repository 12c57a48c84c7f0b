"""Each example runs to its end, and the pages show the very files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_readme_shows_the_example_itself():
    code = (ROOT / "examples" / "first_model.py").read_text(encoding="utf-8")
    body = code.split('"""', 2)[2].strip()
    assert body in (ROOT / "README.md").read_text(encoding="utf-8")


def test_commands_in_the_readme_are_verbs_that_exist():
    from vicinal.cli.app import VERBS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    used = {words[1] for words in lines if len(words) > 1 and words[0] == "vicinal"}
    assert used and used <= set(VERBS)
