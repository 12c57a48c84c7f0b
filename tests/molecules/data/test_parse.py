"""Cells that are molecules, and others with the reason why they are none."""

import re

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.data import parse
from vicinal.molecules.data.parse import MAX_HEAVY_ATOMS, parse_molecule


def smiles_of(cell: object) -> str:
    """Return the canonical SMILES of what a cell is read as."""
    parsed = parse_molecule(cell)
    assert parsed.mol is not None and not parsed.reason, parsed.reason
    return Chem.MolToSmiles(parsed.mol)


def canonical(smiles: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "blank"),
        ("   ", "blank"),
        (None, "blank"),
        (np.nan, "blank"),
        ("NaN", "blank"),
        ("N/A", "blank"),
        (3.5, "a float and not a text"),
        ("C(C)(C)(C)(C)C", r"atom 0 \(C, counted from 0\) has too many bonds"),
        ("C[NH+2]([O-])C", r"atom 1 \(N, counted from 0\) has too many bonds"),
        ("[AlH6]", "too many bonds"),
        ("c1ccnc1", r"no single and double bonds fit.*\[nH\]"),
        ("c1ccccc", "a ring is not closed"),
        ("CC(C", r"a bracket \( \) is not closed"),
        ("C[C", r"a bracket \[ \] is not closed"),
        ("CCCL", "write Cl and Br"),
        ("CCBR", "write Cl and Br"),
        ("C[O\u2212]", "is no minus"),
        ("CC\u00fc", "'\u00fc', which SMILES does not have"),
        ('"CCO"', "quotes"),
        ("CCO;CCN", "several molecules in one cell"),
        ("aspirin", "looks like a name"),
        ("acetic acid", "looks like a name"),
        ("50-78-2", "CAS number"),
        ("BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "InChIKey"),
        ("InChI=1S/nothing", "cannot be read as InChI"),
        ("1-Sep", "looks like a date"),
        ("Sep-21", "looks like a date"),
        ("2021-09-01", "looks like a date"),
        ("1.00E+05", "looks like a number"),
        ("12", "looks like a number"),
        ("=O", "formula"),
        ("#NAME?", "error of a spreadsheet"),
        ("#REF!", "error of a spreadsheet"),
        ("CCO>>CC=O", "a reaction"),
        ("CCO>[Na+]>CC=O", "a reaction"),
        ("{[][$]CC[$][]}", "a polymer"),
        ("[#6]1~[#6]~[#6]1", "a SMARTS pattern"),
        ("[C;R]", "a SMARTS pattern"),
        ("*c1ccccc1", "wildcard"),
        ("[*:1]c1ccccc1", "wildcard"),
        ("c1ccccc1* |$;;;;;;_R1$|", "R group"),
        ("[R1]c1ccccc1", "R group"),
        ("[Na+].[Cl-]", "a salt without an organic part"),
        ("CCO.c1ccccc1", "a mixture of 2 molecules"),
        ("CCCCN.CCCCCN.Cl", "a mixture of 2 molecules"),
        ("c1ccncc1.CC(=O)O", "a mixture of 2 molecules"),
        ("c1cc[nH+]cc1.CC(=O)[O-]", "a mixture of 2 molecules"),
        ("CC(=O)O.NN", "a mixture of 2 molecules"),
        ("NS(N)(=O)=O.c1ccccc1O", "a mixture of 2 molecules"),
        (
            "C[C@H](N)c1ccccc1.C[C@@H](N)c1ccccc1",
            "a mixture of forms",
        ),
        ("C/C=C/CCC.C/C=C\\CCC", "a mixture of forms"),
        ("CCO\nCCCCN", "several molecules in one cell"),
        ("[Na+].[Cl-];CCO", "several molecules in one cell"),
        ("[#6]1:[#6]:[#6]:[#6]:[#6]:[#6]:1", "a SMARTS pattern"),
        ("CC |Sg:n:0,1::ht|", "a polymer"),
        ("CCC |^1:1|", "a radical"),
        ("CCC |LN:1:1.3|", "repeated parts"),
        ("c1cccc1", r"aromatic atoms \(C 0, C 1, C 2, C 3, C 4, counted from 0\)$"),
        ("2021-09-01 00:00:00", "looks like a date"),
        ("C" * 500, "500 heavy atoms, more than 200"),
    ],
)
def test_cells_that_are_no_molecule_have_the_reason(cell, words):
    parsed = parse_molecule(cell)
    assert parsed.mol is None
    assert re.search(words, parsed.reason), parsed.reason


@pytest.mark.parametrize(
    ("cell", "smiles", "note"),
    [
        ("CCO", "CCO", ""),
        (" CCO ", "CCO", ""),
        ("\ufeffCCO", "CCO", ""),
        ("CCO\u00a0", "CCO", ""),
        ("CCO ethanol", "CCO", ""),
        ("CCO\tethanol", "CCO", ""),
        ("C1:C:C:C:C:C:1", "c1ccccc1", ""),
        ("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "CCO", "read as InChI"),
        ("CN(=O)=O", "C[N+](=O)[O-]", "nitro"),
        ("O=N(=O)c1ccccc1", "O=[N+]([O-])c1ccccc1", "nitro"),
        ("CN=N#N", "CN=[N+]=[N-]", "with charges"),
        ("C[N+](=O)[O-]", "C[N+](=O)[O-]", ""),
        ("InChI=1S/CH4/h1H4 methane", "C", "read as InChI"),
        ("CCC |$;;pos_Ring$|", "CCC", ""),
        ("C[C@H](N)O |&1:1|", "C[C@H](N)O", "stereochemistry read as drawn"),
        ("CC(=O)[O-].[Na+]", "CC(=O)[O-]", "removed: [Na+]"),
        ("CCN.Cl", "CCN", "removed: Cl"),
        ("CCO.O", "CCO", "removed: O"),
        ("CCCCN.OC(=O)C=CC(=O)O", "CCCCN", "removed"),
        ("CCCCN.CCCCN.OS(=O)(=O)O", "CCCCN", "removed: O=S(=O)(O)O"),
        ("CCCCN.CCCCN.OS(=O)(=O)O", "CCCCN", "equal parts"),
        ("CCCC[NH3+].O=C([O-])CCC(=O)O", "CCCC[NH3+]", "removed: O=C(O)CCC(=O)O"),
        ("CCCCN.OCC(N)(CO)CO", "CCCCN", "removed"),
        ("CC(C)NCC(O)COc1cccc2ccccc12.[Cl]", "CC(C)NCC(O)COc1cccc2ccccc12", "[Cl]"),
        ("[O-]C(=O)c1ccccc1.[Na+]", "O=C([O-])c1ccccc1", "removed: [Na+]"),
        ("[2H]C([2H])([2H])O", "CO", "isotope"),
        ("[14CH3]O", "CO", "isotope"),
        ("[2H]/C=C/C", "C=CC", "isotope"),
        ("[CH3:1][OH:2]", "CO", "atom map"),
        ("[CH3]", "[CH3]", "radical"),
        ("[He]", "[He]", "no carbon"),
        ("[H][H]", "[H][H]", "no carbon"),
        ("C[C@H](N)C(=O)O", "C[C@H](N)C(=O)O", ""),
        ("C/C=C/C", "C/C=C/C", ""),
        ("[NH3+]CC(=O)[O-]", "[NH3+]CC(=O)[O-]", ""),
    ],
)
def test_cells_that_are_molecules(cell, smiles, note):
    assert smiles_of(cell) == canonical(smiles)
    notes = parse_molecule(cell).notes
    assert any(note in text for text in notes) if note else not notes, notes


@pytest.mark.parametrize(
    "smiles",
    [
        "[Pt](Cl)(Cl)(N)N",
        "CN->[Pt]",
        "[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1",
        "[Zn+2].CC(=O)[O-].CC(=O)[O-]",
        "[Na]Cl.CC",
    ],
)
def test_molecules_with_metals_are_kept_as_written(smiles):
    """Complexes keep their bonds, and are no mixtures."""
    assert smiles_of(smiles) == canonical(smiles)
    assert "has a metal; kept as written" in parse_molecule(smiles).notes


def test_large_molecules_are_read_up_to_the_limit():
    assert parse_molecule("C" * MAX_HEAVY_ATOMS).mol is not None
    assert parse_molecule("C" * 30, max_heavy_atoms=29).mol is None


def test_molecules_of_rdkit_are_checked_and_not_changed():
    mol = Chem.MolFromSmiles("[CH3:1]O.Cl")
    assert smiles_of(mol) == "CO"
    assert mol.GetAtomWithIdx(0).GetAtomMapNum() == 1
    assert smiles_of(Chem.AddHs(Chem.MolFromSmiles("CCO"))) == "CCO"
    raw = Chem.MolFromSmiles("Oc1ccccc1", sanitize=False)
    assert smiles_of(raw) == canonical("Oc1ccccc1")
    for bad, words in (("CC(C)(C)(C)C", "too many bonds"), ("c1ccnc1", "aromatic")):
        found = parse_molecule(Chem.MolFromSmiles(bad, sanitize=False))
        assert found.mol is None and words in found.reason
    assert "SMARTS" in parse_molecule(Chem.MolFromSmarts("C~O")).reason


@pytest.mark.parametrize(
    "cell",
    [
        *("CCO", "c1ccc2[nH]ccc2c1", "C[C@H](N)C(=O)O", "FC(Cl)(Br)I", "CS(=O)(=O)N"),
        *("C[N+](=O)[O-]", "CN(=O)=O", "[13CH4]", "C[CH2:3]O", "C[CH2]", "*CC", "O"),
        *("C[Si](C)(C)C", "CB(O)O", "[SeH]C", "CC[Hg]C", "CCN.Cl", "CCO.CCN", "[2H]O"),
        "C" * (MAX_HEAVY_ATOMS + 1),
    ],
)
def test_atoms_are_looked_at_one_by_one_only_where_one_is_unusual(cell, monkeypatch):
    fast = parse_molecule(cell)
    monkeypatch.setattr(parse, "_has_unusual_atom", lambda mol: True)
    slow = parse_molecule(cell)
    assert (fast.reason, fast.notes) == (slow.reason, slow.notes)
    assert (fast.mol is None) == (slow.mol is None)
    assert fast.mol is None or Chem.MolToSmiles(fast.mol) == Chem.MolToSmiles(slow.mol)
