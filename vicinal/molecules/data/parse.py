"""Parse one cell as one molecule, or say why it is none.

====================  ================================================================
text                  what becomes of it
====================  ================================================================
SMILES                read by RDKit, without what follows a space (a name)
InChI                 converted, with a note
salts, solvates       the organic part, with a note, if the other parts are listed below
                      as counter-ions or solvents
metals                kept as written, with a note: a complex keeps its bonds
isotopes, atom maps   removed, with a note
charges               those that RDKit separates, such as in a neutral nitro group, are
                      noted
radicals, no carbon   kept, with a note
mixtures              refused, of stereoisomers too: which of the molecules is meant?
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
from rdkit.Chem import rdqueries
from rdkit.Chem.MolStandardize import rdMolStandardize

from vicinal.core.data.csv_tables import is_empty
from vicinal.core.data.labels import is_missing

MAX_HEAVY_ATOMS = 200
"""heavy atoms of the largest molecule that is read"""

COUNTER_IONS = (
    *("[Li+]", "[Na+]", "[K+]", "[Mg+2]", "[Ca+2]", "[Na]", "[K]", "[Li]", "[H+]"),
    *("F", "Cl", "Br", "I", "[F]", "[Cl]", "[Br]", "[I]", "N", "O=[N+]([O-])O"),
    *("O=S(=O)(O)O", "O=P(O)(O)O", "OCl(=O)(=O)=O", "[O-][Cl+3]([O-])([O-])O"),
    *("F[P-](F)(F)(F)(F)F", "F[B-](F)(F)F", "O=C(O)O", "CS(=O)(=O)O", "CC(=O)O"),
    *("O=CO", "O=C(O)C(F)(F)F", "O=C(O)C(=O)O", "O=C(O)C=CC(=O)O", "O=C(O)CCC(=O)O"),
    *("O=C(O)CC(O)(CC(=O)O)C(=O)O", "O=C(O)C(O)C(O)C(=O)O", "CC(O)C(=O)O"),
    *("Cc1ccc(S(=O)(=O)O)cc1", "O=S(=O)(O)c1ccccc1", "O=C(O)C(O)CC(=O)O"),
    *("O=S(=O)(O)CCO", "CCS(=O)(=O)O", "NC(CO)(CO)CO", "CN(C)CCO", "NCCO", "OCCNCCO"),
    "CNCC(O)C(O)C(O)C(O)CO",
)
"""SMILES of acids, bases and ions that salts of drugs have; charges do not matter"""

SOLVENTS = (
    *("O", "CO", "CCO", "CC(C)O", "CC(C)=O", "CC#N", "ClCCl", "ClC(Cl)Cl", "CS(C)=O"),
    *("CN(C)C=O", "CCOC(C)=O", "C1CCOC1", "c1ccccc1", "Cc1ccccc1", "CCCCCC"),
    *("c1ccncc1", "C1COCCO1"),
)
"""SMILES of solvents that crystals hold"""

NOT_METALS = frozenset(
    {1, 2, *range(5, 11), *range(14, 19), *range(32, 37), 52, 53, 54, 85, 86}
)
"""atomic numbers of elements that are no metals"""

SIMPLE_CATIONS = frozenset({3, 11, 12, 19, 20})
"""atomic numbers of metals that are counter-ions where they have no bond"""

INCHI_KEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
CAS_NUMBER = re.compile(r"\d{2,7}-\d{2}-\d")
DATE = re.compile(
    r"\d{1,2}[-/. ]?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"([-/. ]?\d{2,4})?|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[-/. ]\d{2,4}"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?)?",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SPREADSHEET_ERROR = re.compile(r"#(REF|NAME|VALUE|DIV/0|N/A|NUM|NULL)[!?]?")
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
SMARTS = re.compile(r"[~!$&]|\[#\d|\[[^\]]*[,;]")
NAME = re.compile(r"[A-Za-z][a-z]{3,}([ -].*)?|[a-z]+")
CAPITALS = re.compile(r"C[LI]|BR")
BRACKETS = re.compile(r"\[[^\]]*\]")
R_GROUP = re.compile(r"[$;]_?R\d*[;$]")
UNREAD = {
    "Sg:": "a polymer; only single molecules are read",
    "LN:": "has repeated parts; only whole molecules are read",
    "m:": "has a bond without a place; only whole molecules are read",
    "^": "has a radical behind a bar, which is not read",
}
"""parts of CXSMILES that change the molecule"""


class ParsedCell(NamedTuple):
    """A molecule, or the reason why a cell is none."""

    mol: Any
    """RDKit's Mol; None if the cell was refused"""

    reason: str = ""
    """why the cell was refused"""

    notes: tuple[str, ...] = ()
    """what was changed, or is unusual"""


def parse_molecule(cell: Any, max_heavy_atoms: int = MAX_HEAVY_ATOMS) -> ParsedCell:
    """Parse a cell of a table, by the rules above; a Mol of RDKit is checked alike."""
    with rdBase.BlockLogs():
        if isinstance(cell, Chem.Mol):
            return _parse_mol(cell, max_heavy_atoms)
        if is_missing(cell):
            return ParsedCell(None, "blank")
        if not isinstance(cell, str):
            kind = type(cell).__name__
            return ParsedCell(None, f"a {kind} and not a text: {cell!s:.40}")
        text = _clean(cell)
        if is_empty(text):
            return ParsedCell(None, "blank")
        if reason := _other_text(text):
            return ParsedCell(None, reason)
        return _parse_text(text, max_heavy_atoms)


def _parse_text(text: str, max_heavy_atoms: int) -> ParsedCell:
    first, _, rest = text.partition(" ")
    if first.startswith("InChI="):
        mol = Chem.MolFromInchi(first)
        if mol is None:
            return ParsedCell(None, "cannot be read as InChI")
        return _checked(mol, ["read as InChI"], max_heavy_atoms)
    notes: list[str] = []
    if rest.startswith("|"):
        if reason := _extension_problem(rest):
            return ParsedCell(None, reason)
        if re.search(r"[|,](&|o)\d+:", rest):
            notes.append("relative or racemic stereochemistry read as drawn")
    mol = Chem.MolFromSmiles(first)
    if mol is None:
        return ParsedCell(None, why_not_parsed(first))
    if _has_unusual_atom(mol) and _charges(mol):
        raw = Chem.MolFromSmiles(first, sanitize=False)
        if _charges(raw) != _charges(mol):
            notes.append("neutral group written with charges, such as nitro")
    return _checked(mol, notes, max_heavy_atoms)


def _parse_mol(given: Any, max_heavy_atoms: int) -> ParsedCell:
    """Check a molecule of RDKit, on a copy with implicit hydrogens."""
    if any(atom.HasQuery() for atom in given.GetAtoms()):
        return ParsedCell(None, "a SMARTS pattern and not a molecule")
    mol = Chem.Mol(given)
    problems = Chem.DetectChemistryProblems(mol)
    if problems:
        return ParsedCell(None, _describe_problem(mol, problems[0]))
    Chem.SanitizeMol(mol)
    return _checked(Chem.RemoveHs(mol), [], max_heavy_atoms)


def _charges(mol: Any) -> list[int]:
    return sorted(charge for a in mol.GetAtoms() if (charge := a.GetFormalCharge()))


def _clean(cell: str) -> str:
    """Return a cell without invisible characters, and with plain spaces in a line."""
    lines = cell.strip().splitlines() or [""]
    return "\n".join(" ".join(_visible(line).split()) for line in lines)


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c for c in text if c == "\t" or unicodedata.category(c) not in ("Cf", "Cc")
    )


# --- texts that are no SMILES --------------------------------------------------------


def _other_text(text: str) -> str:
    """Return what a text is that cannot be one molecule; "" if it may be SMILES."""
    if "\n" in text:
        return "several molecules in one cell; write one per row"
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
    if ";" in BRACKETS.sub("", smiles):
        return "several molecules in one cell; write one per row"
    if SMARTS.search(smiles):
        return "a SMARTS pattern and not a molecule"
    return ""


def _extension_problem(extension: str) -> str:
    """Return why CXSMILES makes the cell unusable; "" if it does not."""
    if R_GROUP.search(extension):
        return "has an R group; only whole molecules are read"
    without_labels = re.sub(r"\$[^$]*\$", "", extension)
    parts = re.split(r"[|,]", without_labels)
    for mark, reason in UNREAD.items():
        if any(part.startswith(mark) for part in parts):
            return reason
    return ""


def why_not_parsed(smiles: str) -> str:
    """Return why RDKit does not read a text as SMILES."""
    with rdBase.BlockLogs():
        raw = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if raw is None else Chem.DetectChemistryProblems(raw)
    if raw is None:
        return "cannot be read as SMILES" + _hint(smiles)
    return _describe_problem(raw, problems[0]) if problems else "not a molecule"


def _describe_problem(mol: Any, problem: Any) -> str:
    """Return a problem of RDKit in a chemist's words."""
    kind = problem.GetType()
    if kind == "AtomValenceException":
        atom = mol.GetAtomWithIdx(problem.GetAtomIdx())
        where = f"{atom.GetIdx()} ({atom.GetSymbol()}, counted from 0)"
        return f"impossible: atom {where} has too many bonds"
    if kind == "KekulizeException":
        atoms = [mol.GetAtomWithIdx(k) for k in problem.GetAtomIndices()]
        where = ", ".join(f"{a.GetSymbol()} {a.GetIdx()}" for a in atoms[:6])
        hydrogen = any(a.GetAtomicNum() == 7 for a in atoms)
        hint = "; a nitrogen may lack its hydrogen ([nH])" if hydrogen else ""
        return (
            "impossible: no single and double bonds fit the aromatic atoms "
            f"({where}, counted from 0){hint}"
        )
    if kind == "AtomKekulizeException":
        number = problem.GetAtomIdx()
        return f"impossible: atom {number}, counted from 0, is aromatic outside a ring"
    return f"impossible: {problem.Message()}"


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


def _checked(mol: Any, notes: list[str], max_heavy_atoms: int) -> ParsedCell:
    """Return a molecule without what is removed, or why it is refused."""
    if not mol.GetNumAtoms():
        return ParsedCell(None, "blank")
    single = len(Chem.GetMolFrags(mol)) == 1
    if single and mol.GetNumHeavyAtoms() <= max_heavy_atoms:
        if not _has_unusual_atom(mol) and mol.HasSubstructMatch(CARBON):
            return ParsedCell(mol, "", tuple(notes))  # as are most: a fast path
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        reason = "has a wildcard (*) or R group; only whole molecules are read"
        return ParsedCell(None, reason)
    mol, removed = _without_labels(mol)
    notes += removed
    size = mol.GetNumHeavyAtoms()
    if size > max_heavy_atoms:
        return ParsedCell(None, f"{size:,} heavy atoms, more than {max_heavy_atoms}")
    if has_metal(mol):
        notes.append("has a metal; kept as written")
    else:
        mol, reason = _organic_part(mol, notes)
        if reason:
            return ParsedCell(None, reason)
    if not _has_carbon(mol):
        notes.append("has no carbon")
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        notes.append("is a radical")
    return ParsedCell(mol, "", tuple(notes))


def _without_labels(mol: Any) -> tuple[Any, list[str]]:
    """Return a molecule without isotopes and atom maps, and notes on them."""
    notes = []
    isotopes = [atom for atom in mol.GetAtoms() if atom.GetIsotope()]
    mapped = [atom for atom in mol.GetAtoms() if atom.GetAtomMapNum()]
    for atom in isotopes:
        atom.SetIsotope(0)
    for atom in mapped:
        atom.SetAtomMapNum(0)
    if isotopes:  # deuterium was an atom of its own
        options = Chem.RemoveHsParameters()
        options.removeDefiningBondStereo = True
        mol = Chem.RemoveHs(mol, options)
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


CARBON = Chem.MolFromSmarts("[#6]")


@cache
def _unusual_atoms() -> Any:
    """Return a query of atoms that are charged, labelled, radicals, or rare elements.

    Also of wildcards, and of metals.
    """
    query = rdqueries.IsotopeGreaterQueryAtom(0)
    for other in (
        rdqueries.NumRadicalElectronsGreaterQueryAtom(0),
        rdqueries.HasPropQueryAtom("molAtomMapNumber"),
        Chem.AtomFromSmarts("[!+0]"),
        Chem.AtomFromSmarts("[!#6;!#7;!#8;!#9;!#15;!#16;!#17;!#35;!#53]"),
    ):
        query.ExpandQuery(other, Chem.CompositeQueryType.COMPOSITE_OR)
    return query


def _has_unusual_atom(mol: Any) -> bool:
    return len(mol.GetAtomsMatchingQuery(_unusual_atoms())) > 0


def _organic_part(mol: Any, notes: list[str]) -> tuple[Any, str]:
    """Return the organic part of a salt or solvate, or why there is not one.

    Parts that are listed as counter-ions or solvents go, unless one of them is the only
    organic part, as in sodium acetate.
    """
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=True)
    if len(parts) == 1:
        return mol, ""
    names = [flat_name(part) for part in parts]
    listed = known_names(COUNTER_IONS) | known_names(SOLVENTS)
    rest = [k for k, name in enumerate(names) if name not in listed]
    organic = [k for k, part in enumerate(parts) if _has_carbon(part)]
    if not {*rest} & {*organic}:
        rest += organic
    if not rest:
        return None, "a salt without an organic part"
    kinds = {names[k] for k in rest}
    if len(kinds) > 1:
        return None, f"a mixture of {len(kinds)} molecules"
    if len({Chem.MolToSmiles(parts[k]) for k in rest}) > 1:
        return None, "a mixture of forms (stereoisomers, charges) of one molecule"
    removed = sorted({name for name in names if name not in kinds})
    if removed:
        notes.append("counter-ions or solvents removed: " + ", ".join(removed))
    if len(rest) > 1:
        notes.append("equal parts read as one molecule")
    return parts[rest[0]], ""


def _has_carbon(mol: Any) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())


def flat_name(mol: Any) -> str:
    """Return the SMILES of a part without charges and stereochemistry."""
    neutral = rdMolStandardize.Uncharger(force=True).uncharge(mol)
    return Chem.MolToSmiles(neutral, isomericSmiles=False)


@cache
def known_names(smiles: tuple[str, ...]) -> frozenset[str]:
    """Return the names of listed parts, as `flat_name` gives them."""
    with rdBase.BlockLogs():
        return frozenset(flat_name(Chem.MolFromSmiles(text)) for text in smiles)
