"""The public names: to change one is to break the code of users."""

import subprocess
import sys

import vicinal

PUBLIC = [
    "Evaluation",
    "Graph",
    "GraphBatch",
    "GraphClassifier",
    "GraphRegressor",
    "GraphTable",
    "ImageClassifier",
    "ImageRegressor",
    "ImageTable",
    "ImportanceRegressor",
    "InteractionPredictor",
    "LinkPredictor",
    "MoleculeClassifier",
    "MoleculeGenerator",
    "MoleculeRegressor",
    "MoleculeTable",
    "NodeClassifier",
    "NodeRegressor",
    "Recommender",
    "TriplePredictor",
    "load",
    "read_graph",
    "read_images",
    "read_molecules",
]


def test_the_public_names_are_documented_and_can_be_imported():
    assert vicinal.__all__ == PUBLIC
    assert all(getattr(vicinal, name).__doc__ for name in PUBLIC)


def test_importing_vicinal_or_its_command_line_loads_no_heavy_library():
    code = "import sys, vicinal.cli.app; print(*sorted(sys.modules))"
    words = [sys.executable, "-c", code]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "numpy", "pandas", "sklearn", "PIL"} & set(loaded.split())
