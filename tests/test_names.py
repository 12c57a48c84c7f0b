"""The public names: whoever changes them changes what users have written."""

import subprocess
import sys

import vicinal

PUBLIC = ["Evaluation", "Graph", "GraphBatch", "GraphClassifier", "GraphRegressor"]
PUBLIC += ["GraphTable", "ImageClassifier", "ImageRegressor", "ImageTable"]
PUBLIC += [
    "LinkPredictor",
    "NodeClassifier",
    "NodeRegressor",
    "load",
    "read_graph",
    "read_images",
]


def test_public_names_are_these_and_each_can_be_imported():
    assert vicinal.__all__ == PUBLIC
    assert all(getattr(vicinal, name).__doc__ for name in PUBLIC)


def test_importing_vicinal_or_its_command_line_loads_no_heavy_library():
    code = "import sys, vicinal.cli.app; print(*sorted(sys.modules))"
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "numpy", "pandas", "sklearn", "PIL"} & set(loaded.split())
