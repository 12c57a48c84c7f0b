"""A package that is not installed is one message with the command that installs it."""

import sys

import pytest

import vicinal
from vicinal.cli.app import main
from vicinal.core.extras import import_with_extras
from vicinal.errors import MissingExtraError


@pytest.fixture
def without_rdkit(monkeypatch):
    """Make RDKit impossible to import, and forget the modules that use it."""
    for name in [*sys.modules]:
        if name.startswith(("rdkit", "vicinal.molecules")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)


def test_a_command_names_the_extra(without_rdkit, tmp_path, capsys):
    data = tmp_path / "molecules.csv"
    data.write_text("smiles,label\nCCO,1\n")
    assert main(["check", str(data)]) == 2
    assert "pip install 'vicinal[chem]'" in capsys.readouterr().err


def test_an_estimator_names_the_extra(without_rdkit):
    with pytest.raises(MissingExtraError, match=r"needs the package rdkit.*\[chem\]"):
        _ = vicinal.MoleculeClassifier


def test_help_needs_no_extra(without_rdkit, capsys):
    assert main(["train", "--domain", "molecules", "--help"]) == 0
    assert "--smiles-columns" in capsys.readouterr().out


def test_another_missing_module_stays_as_it_is():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_with_extras("no_such_module")
