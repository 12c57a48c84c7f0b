"""The molecules domain: its data, its options, and what each command takes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vicinal.core.domain import (
    Command,
    Domain,
    EvaluateOptions,
    PredictOptions,
    flag,
    positional,
)
from vicinal.graphs.data.tables.text_files import first_line
from vicinal.molecules.settings import MoleculeColumns, MoleculeSettings

STRUCTURE_SUFFIXES = (".smi", ".smiles", ".ism", ".sdf", ".sd", ".mol")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")

STRUCTURE_COLUMN = re.compile(r"smiles|(standard)?inchi|smi|mol")
"""names of columns of structures by which a table is recognised, letters only"""


def detect_molecules(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a file of structures, or a table with a column of SMILES or InChI."""
    if not path.is_file():
        return None
    name = path.name.lower().removesuffix(".gz")
    if "smiles_columns" in flags:
        return f"table of molecules ({path.name})"
    if name.endswith(STRUCTURE_SUFFIXES):
        return f"file of molecules ({path.name})"
    if not name.endswith(TABLE_SUFFIXES):
        return None
    for cell in re.split(r"[,;\t|]", first_line(path)):
        column = re.sub(r"[^a-z]", "", cell.lower())
        if "smiles" in column or STRUCTURE_COLUMN.fullmatch(column):
            return f"table of molecules ({path.name}, column {cell.strip()})"
    return None


@dataclass(frozen=True, kw_only=True)
class MoleculeData:
    """Options for reading molecules and their targets."""

    task: Literal["auto", "classification", "regression"] = "auto"
    """kind of targets: classes or numbers; auto: detected"""


@dataclass(frozen=True, kw_only=True)
class CheckMolecules(MoleculeColumns, MoleculeData):
    """Options for reading molecules and their targets."""


@dataclass(frozen=True)
class EvaluateMolecules(EvaluateOptions):
    """The data to evaluate on."""

    data: str | None = positional("DATA", None)
    """other molecules with targets; default: the run's own test split or
    cross-validation"""


@dataclass(frozen=True)
class PredictMolecules(PredictOptions):
    """The molecules to predict."""

    molecules: list[str] = positional("SMILES|FILE...")
    """structures, or a file in any form that `vicinal train` reads; targets are not
    needed"""

    smiles_columns: str | None = flag("COLUMN")
    """column of SMILES or InChI in the file; default: as in training, or detected"""


@dataclass(frozen=True)
class MoleculeArgument:
    """A molecule."""

    molecule: str = positional("SMILES")
    """structure as SMILES or InChI"""

    target: str | None = flag("NAME")
    """class, or one of several targets; default: the predicted class, or the first
    target"""


@dataclass(frozen=True, kw_only=True)
class PageOption:
    """Where a page or a drawing goes."""

    output: str | None = flag("FILE.svg")
    """write a page or a drawing here (.html, .svg or .png)"""


@dataclass(frozen=True)
class ExplainMolecule(PageOption, MoleculeArgument):
    """A molecule whose prediction is explained."""

    alerts: bool = False
    """also look for structural alerts, and compare their atoms with the explanation"""

    seed: int = 0
    """seed of the random control that the explanation is compared with"""


@dataclass(frozen=True)
class InspectMolecule(MoleculeArgument):
    """A molecule whose prediction is broken down into its terms."""

    atom: int | None = flag("N")
    """number of the atom whose messages are shown, from 0; default: the one that adds
    most (networks)"""


COMMANDS = "vicinal.molecules.commands"
ESTIMATORS = "vicinal.molecules.estimators"
MOLECULES = Domain(
    name="molecules",
    summary="predict properties of molecules: classes or numbers, one or several",
    reads="a table with a column of SMILES or InChI, .smi, .sdf or .mol",
    detect=detect_molecules,
    data=MoleculeData,
    settings=MoleculeSettings,
    estimators={
        "classification": f"{ESTIMATORS}:MoleculeClassifier",
        "regression": f"{ESTIMATORS}:MoleculeRegressor",
    },
    read=f"{COMMANDS}:read",
    run="vicinal.molecules.run:MoleculeRun",
    commands={
        "check": Command(CheckMolecules, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateMolecules, f"{COMMANDS}:evaluate"),
        "predict": Command(PredictMolecules, f"{COMMANDS}:predict"),
        "explain": Command(
            ExplainMolecule, f"{COMMANDS}:explain", plots=(".html", ".svg", ".png")
        ),
        "inspect": Command(InspectMolecule, f"{COMMANDS}:inspect"),
    },
    examples={"predict": "SMILES|FILE...", "explain": "SMILES"},
    demo="vicinal.molecules.demo:run_demo",
)
