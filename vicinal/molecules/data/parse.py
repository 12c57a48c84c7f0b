"""Parse one cell as one molecule, or say why it is none.

====================  ================================================================
text                  what becomes of it
====================  ================================================================
SMILES                read by RDKit, without what follows a space (a name)
InChI                 converted, with a note
salts, solvates       the organic part, with a note; other counter-ions and solvents of
                      the lists below are removed
metals                kept as written, with a note: a complex keeps its bonds
isotopes, atom maps   removed, with a note
radicals, no carbon   kept, with a note
mixtures              refused: which of the molecules is meant?
wildcards, R groups,  refused
polymers, reactions,
SMARTS
other texts           refused with what they look like: an InChIKey, a CAS number, a
                      name, a number or a date of a spreadsheet
====================  ================================================================

The structure is not standardised otherwise: charges, tautomers and stereochemistry are
as written.
"""

import re
import unicodedata
from functools import cache
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from vicinal.core.data.csv_tables import is_empty
from vicinal.core.data.labels import is_missing

MAX_HEAVY_ATOMS = 200
"""heavy atoms of the largest molecule that is read"""

COUNTER_IONS = (
    *("[Li+]", "[Na+]", "[K+]", "[Mg+2]", "[Ca+2]", "[NH4+]", "[Na]", "[K]", "[Li]"),
    *("F", "Cl", "Br", "I", "[F-]", "[Cl-]", "[Br-]", "[I-]", "[H+]", "[OH-]"),
    *("O=[N+]([O-])O", "O=[N+]([O-])[O-]", "O=S(=O)(O)O", "O=S(=O)([O-])O"),
    *("O=S(=O)([O-])[O-]", "O=P(O)(O)O", "O=P([O-])(O)O", "O=P([O-])([O-])O"),
    *("O=P([O-])([O-])[O-]", "[O-][Cl+3]([O-])([O-])[O-]", "[O-]Cl(=O)(=O)=O"),
    *("OCl(=O)(=O)=O", "F[P-](F)(F)(F)(F)F", "F[B-](F)(F)F", "O=C(O)O", "O=C([O-])O"),
    *("O=C([O-])[O-]", "CS(=O)(=O)O", "CS(=O)(=O)[O-]", "CC(=O)O", "CC(=O)[O-]"),
    *("O=CO", "O=C[O-]", "O=C(O)C(F)(F)F", "O=C([O-])C(F)(F)F", "O=C(O)C(=O)O"),
    *("O=C(O)C=CC(=O)O", "O=C([O-])C=CC(=O)[O-]", "O=C(O)C=CC(=O)[O-]"),
    *("O=C(O)CCC(=O)O", "O=C(O)CC(O)(CC(=O)O)C(=O)O", "O=C(O)C(O)C(O)C(=O)O"),
    *("CC(O)C(=O)O", "Cc1ccc(S(=O)(=O)O)cc1", "Cc1ccc(S(=O)(=O)[O-])cc1"),
    *("O=S(=O)(O)c1ccccc1", "O=S(=O)([O-])c1ccccc1", "O=C(O)C(O)CC(=O)O"),
    *("O=C(O)C(F)(F)F", "O=S(=O)(O)CCO", "CCS(=O)(=O)O"),
)
"""SMILES of acids, bases and ions that salts of drugs have"""

SOLVENTS = (
    *("O", "[OH3+]", "[2H]O[2H]", "CO", "CCO", "CC(C)O", "CC(C)=O", "CC#N", "ClCCl"),
    *("ClC(Cl)Cl", "CS(C)=O", "CN(C)C=O", "CCOC(C)=O", "C1CCOC1", "c1ccccc1"),
    *("Cc1ccccc1", "CCCCCC", "c1ccncc1", "C1COCCO1", "N"),
)
"""SMILES of solvents that crystals hold"""

NOT_METALS = frozenset(
    (
        1,
        2,
        5,
        6,
        7,
        8,
        9,
        10,
        14,
        15,
        16,
        17,
        18,
        32,
        33,
        34,
        35,
        36,
        52,
        53,
        54,
        85,
        86,
    )
)
"""atomic numbers of elements that are no metals"""

SIMPLE_CATIONS = frozenset({3, 11, 12, 19, 20})
"""atomic numbers of metals that are counter-ions where they have no bond"""

INCHI_KEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
CAS_NUMBER = re.compile(r"\d{2,7}-\d{2}-\d")
DATE = re.compile(
    r"\d{1,2}[-/. ]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"([-/. ]?\d{2,4})?|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[-/. ]\d{2,4}"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SPREADSHEET_ERROR = re.compile(r"#(REF|NAME|VALUE|DIV/0|N/A|NUM|NULL)[!?]?")
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
SMARTS = re.compile(r"[~!;$&]|\[#\d+[^\]]*[,;&]")
NAME = re.compile(r"[A-Za-z][a-z]{3,}([ -].*)?|[a-z]+")
CAPITALS = re.compile(r"C[LI]|BR")


class Molecule(NamedTuple):
    """A parsed molecule, or the reason why there is none."""

    mol: Any
    """RDKit's Mol; None if the cell was refused"""

    reason: str = ""
    """why the cell was refused"""

    notes: tuple[str, ...] = ()
    """what was changed, or is unusual"""


def parse_molecule(cell: Any, max_heavy_atoms: int = MAX_HEAVY_ATOMS) -> Molecule:
    """Parse a cell of a table, by the rules above; a Mol of RDKit is checked alike."""
    if isinstance(cell, Chem.Mol):
        with rdBase.BlockLogs():
            return _checked(Chem.Mol(cell), [], max_heavy_atoms)
    if is_missing(cell) or not isinstance(cell, str):
        return Molecule(None, "blank" if is_missing(cell) else _not_a_text(cell))
    text = _clean(cell)
    if is_empty(text):
        return Molecule(None, "blank")
    if reason := _other_text(text):
        return Molecule(None, reason)
    notes: list[str] = []
    with rdBase.BlockLogs():
        if text.startswith("InChI="):
            mol = Chem.MolFromInchi(text)
            if mol is None:
                return Molecule(None, "cannot be read as InChI")
            notes.append("read as InChI")
        else:
            smiles, _, extension = text.partition(" ")
            if reason := _extension_problem(extension):
                return Molecule(None, reason)
            mol = Chem.MolFromSmiles(smiles)
            if mol is None:
                return Molecule(None, why_not_parsed(smiles))
            if "N(=O)=O" in smiles or "N(=O)(=O)" in smiles:
                notes.append("neutral nitro group written with charges")
        return _checked(mol, notes, max_heavy_atoms)


def _not_a_text(cell: Any) -> str:
    return f"a {type(cell).__name__} and not a text: {cell!s:.40}"


def _clean(cell: str) -> str:
    """Return a cell without invisible characters, and with plain spaces."""
    kept = (c for c in cell if unicodedata.category(c) not in ("Cf", "Cc") or c in "\t")
    return " ".join("".join(kept).split())


# --- texts that are no SMILES --------------------------------------------------------


def _other_text(text: str) -> str:
    """Return what a text is that cannot be one molecule; "" if it may be SMILES."""
    if INCHI_KEY.fullmatch(text):
        return "looks like an InChIKey, from which no structure can be read"
    if CAS_NUMBER.fullmatch(text):
        return "looks like a CAS number and not like SMILES"
    if DATE.fullmatch(text):
        return "looks like a date: a spreadsheet may have converted the cell"
    if NUMBER.fullmatch(text):
        return "looks like a number: a spreadsheet may have converted the cell"
    if SPREADSHEET_ERROR.fullmatch(text) or text[0] in "=+@":
        return "looks like a formula or an error of a spreadsheet"
    if text.startswith("InChI="):
        return ""
    smiles = text.partition(" ")[0]
    if ">" in smiles.replace("->", ""):
        return "a reaction; only single molecules are read"
    if "{" in smiles:
        return "a polymer (BigSMILES); only single molecules are read"
    dash = next((c for c in smiles if c in DASHES), None)
    if dash is not None:
        return f"has the character {dash!r}, which is no minus; write -"
    foreign = next((c for c in smiles if not c.isascii()), None)
    if foreign is not None:
        return f"has the character {foreign!r}, which SMILES does not have"
    if smiles[0] in "\"'" or smiles[-1] in "\"'":
        return "has quotes around it; write the SMILES without them"
    if ";" in smiles and "[" not in smiles:
        return "several molecules in one cell; write one per row"
    if SMARTS.search(smiles):
        return "a SMARTS pattern and not a molecule"
    return ""


def _extension_problem(extension: str) -> str:
    """Return why CXSMILES, or a name behind a space, makes the cell unusable."""
    if extension.startswith("|") and ("_R" in extension or "$R" in extension):
        return "has an R group; only whole molecules are read"
    return ""


def why_not_parsed(smiles: str) -> str:
    """Return why RDKit does not read a text as SMILES."""
    with rdBase.BlockLogs():
        raw = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if raw is None else Chem.DetectChemistryProblems(raw)
    if raw is None:
        return "cannot be read as SMILES" + _hint(smiles)
    for problem in problems:
        kind = problem.GetType()
        if kind == "AtomValenceException":
            atom = raw.GetAtomWithIdx(problem.GetAtomIdx())
            where = f"{atom.GetSymbol()}, number {atom.GetIdx() + 1}"
            return f"impossible: atom {where}, has too many bonds"
        if kind in ("KekulizeException", "AtomKekulizeException"):
            return (
                "impossible: no single and double bonds fit the aromatic atoms; "
                "a nitrogen may lack its hydrogen ([nH])"
            )
    return "impossible: " + (problems[0].Message() if problems else "not a molecule")


def _hint(smiles: str) -> str:
    """Return what may be wrong with the syntax of SMILES."""
    if "[R" in smiles or re.match(r"R\d*[^a-zA-Z]", smiles):
        return ": it has an R group; only whole molecules are read"
    if NAME.fullmatch(smiles) and not re.fullmatch(r"[cnosp\d]+", smiles):
        return ": it looks like a name"
    if smiles.count("(") != smiles.count(")"):
        return ": a bracket ( ) is not closed"
    if smiles.count("[") != smiles.count("]"):
        return ": a bracket [ ] is not closed"
    if CAPITALS.search(smiles):
        return ": write Cl and Br with a small letter"
    digits = re.sub(r"\[[^\]]*\]|%\d\d", "", smiles)
    if any(digits.count(d) % 2 for d in "123456789"):
        return ": a ring is not closed"
    return ""


# --- molecules -----------------------------------------------------------------------


def _checked(mol: Any, notes: list[str], max_heavy_atoms: int) -> Molecule:
    """Return a molecule of RDKit without what is removed, or why it is refused."""
    atoms = list(mol.GetAtoms())
    if not atoms:
        return Molecule(None, "blank")
    if any(atom.GetAtomicNum() == 0 for atom in atoms):
        return Molecule(None, "has a wildcard (*) or R group; only whole molecules fit")
    mol, removed = _without_labels(mol)
    notes += removed
    if mol.GetNumHeavyAtoms() > max_heavy_atoms:
        return Molecule(
            None, f"{mol.GetNumHeavyAtoms():,} heavy atoms, more than {max_heavy_atoms}"
        )
    if has_metal(mol):
        notes.append("has a metal; kept as written")
    else:
        mol, reason = _organic_part(mol, notes)
        if reason:
            return Molecule(None, reason)
    if not any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms()):
        notes.append("has no carbon")
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        notes.append("is a radical")
    return Molecule(mol, "", tuple(notes))


def _without_labels(mol: Any) -> tuple[Any, list[str]]:
    """Return a molecule without isotopes and atom maps, and notes on them."""
    notes = []
    isotopes = [atom for atom in mol.GetAtoms() if atom.GetIsotope()]
    mapped = [atom for atom in mol.GetAtoms() if atom.GetAtomMapNum()]
    for atom in isotopes:
        atom.SetIsotope(0)
    for atom in mapped:
        atom.SetAtomMapNum(0)
    if isotopes:
        mol = Chem.RemoveHs(mol)  # deuterium was an atom of its own
        notes.append("isotope labels removed")
    if mapped:
        notes.append("atom map numbers removed")
    return mol, notes


def has_metal(mol: Any) -> bool:
    """Return whether a molecule has a metal that is not a simple counter-ion."""
    return any(
        atom.GetAtomicNum() not in NOT_METALS
        and (atom.GetDegree() or atom.GetAtomicNum() not in SIMPLE_CATIONS)
        for atom in mol.GetAtoms()
    )


def _organic_part(mol: Any, notes: list[str]) -> tuple[Any, str]:
    """Return the organic part of a salt or solvate, or why there is not one."""
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    if len(parts) == 1:
        return mol, ""
    names = [Chem.MolToSmiles(part, isomericSmiles=False) for part in parts]
    organic = [k for k, part in enumerate(parts) if _has_carbon(part)]
    if not organic:
        return None, "a salt without an organic part"
    solvents, ions = known_smiles(SOLVENTS), known_smiles(COUNTER_IONS)
    chosen = [k for k in organic if names[k] not in solvents | ions]
    if not chosen:  # such as sodium acetate, or a solution of acetic acid
        chosen = [k for k in organic if names[k] in ions] or organic
    kinds = {names[k] for k in chosen}
    if len(kinds) > 1:
        return None, f"a mixture of {len(kinds)} organic molecules"
    part = parts[chosen[0]]
    Chem.SanitizeMol(part)
    removed = [name for k, name in enumerate(names) if k != chosen[0]]
    notes.append("counter-ions or solvents removed: " + ", ".join(sorted({*removed})))
    return part, ""


def _has_carbon(mol: Any) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())


@cache
def known_smiles(smiles: tuple[str, ...]) -> frozenset[str]:
    """Return canonical SMILES without stereochemistry."""
    with rdBase.BlockLogs():
        mols = [Chem.MolFromSmiles(text) for text in smiles]
    return frozenset(Chem.MolToSmiles(mol, isomericSmiles=False) for mol in mols)
