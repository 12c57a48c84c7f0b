"""The wheel, installed into a fresh environment away from the checkout, works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words: str | Path, cwd: Path) -> str:
    """Run a command without the checkout on the path; return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo(tmp_path):
    """Needs the package index, for the wheel's build and its dependencies."""
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
        *("--wheel-dir", tmp_path, ROOT),
        cwd=tmp_path,
    )
    (wheel,) = tmp_path.glob("vicinal-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(
        *(python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel),
        cwd=tmp_path,
    )
    where = run(
        *(python, "-c", "import vicinal; print(vicinal.__file__)"), cwd=tmp_path
    )
    assert str(tmp_path) in where
    vicinal = python.with_name("vicinal")
    assert "usage: vicinal COMMAND" in run(vicinal, "--help", cwd=tmp_path)
    assert run(vicinal, "demo", "images", "--seeds", "1", "--json", cwd=tmp_path)
