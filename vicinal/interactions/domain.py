"""The interactions domain: its data, its options, and what each command takes."""

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
from vicinal.interactions.settings import InteractionSettings

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
FIRST_DRUG = re.compile(
    r"(drug|compound|medication|medicine|stitch|chemical)s?(id|name)?(1|a)(id|name)?"
)
SETS_OF_DRUGS = re.compile(r"drugs|drugset|combination|medications")
"""names of columns by which a table is recognised, letters and numbers only"""


def detect_interactions(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a table with columns such as drug_1 and drug_2, or of sets of drugs."""
    if not path.is_file():
        return None
    if flags & {"drugs", "drug_columns", "effect_column"}:
        return f"table of interactions ({path.name})"
    if not path.name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES):
        return None
    for cell in re.split(r"[,;\t]", first_line(path)):
        column = re.sub(r"[^a-z0-9]", "", cell.lower())
        if FIRST_DRUG.fullmatch(column) or SETS_OF_DRUGS.fullmatch(column):
            return f"table of interactions ({path.name}, column {cell.strip()})"
    return None


@dataclass(frozen=True, kw_only=True)
class InteractionData:
    """Options for reading the interactions and what is known of the drugs."""

    task: Literal["auto", "interactions"] = "auto"
    """effects of drugs that are taken together"""

    drugs: str | None = flag("FILE.csv")
    """what is known of the drugs: columns id, and smiles, targets or effects of the
    drug taken alone (several separated by |)"""

    proteins: str | None = flag("FILE.csv")
    """pairs of proteins that interact, of the names of the targets"""


@dataclass(frozen=True, kw_only=True)
class CheckInteractions(InteractionData):
    """Options for reading the interactions and what is known of the drugs."""

    drug_columns: tuple[str, ...] | None = flag("COLUMN ...")
    """columns of drugs; default: drug_1, drug_2 or the like, or one column of sets"""

    effect_column: str | None = flag("COLUMN")
    """column of effects; default: effect, side_effect or the like"""

    ordered: Literal["auto", "yes", "no"] = "auto"
    """whether a pair in the other order is another pair; auto: decided by the data"""


@dataclass(frozen=True)
class PredictInteractions(PredictOptions):
    """The drugs that are taken together."""

    sets: list[str] = positional("DRUG...|FILE")
    """two or more drugs, by name or SMILES, or a table with a set in each row"""

    top: int = flag("N", 20)
    """effects of each set, the most probable first; 0: all"""

    new: bool = False
    """leave out effects that are known already"""


@dataclass(frozen=True)
class SetArgument:
    """The drugs that are taken together, and one effect."""

    drugs: list[str] = positional("DRUG...")
    """two or more drugs, by name or SMILES"""

    effect: str | None = flag("NAME")
    """effect; default: the most probable one that is not known"""


@dataclass(frozen=True)
class ExplainInteraction(SetArgument):
    """The drugs that are taken together, and the effect that is explained."""

    output: str | None = flag("FILE.html")
    """write a page here"""


@dataclass(frozen=True)
class InspectInteraction(SetArgument):
    """The pair of drugs whose scores are shown."""


COMMANDS = "vicinal.interactions.commands"
INTERACTIONS = Domain(
    name="interactions",
    summary="predict side effects of two or more drugs that are taken together",
    reads="a table with columns drug_1, drug_2 and effect, or drugs and effects",
    detect=detect_interactions,
    data=InteractionData,
    settings=InteractionSettings,
    estimators={"interactions": "vicinal.interactions.predictor:InteractionPredictor"},
    read=f"{COMMANDS}:read",
    run="vicinal.interactions.run:InteractionRun",
    commands={
        "check": Command(CheckInteractions, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateOptions, f"{COMMANDS}:evaluate"),
        "predict": Command(PredictInteractions, f"{COMMANDS}:predict"),
        "explain": Command(ExplainInteraction, f"{COMMANDS}:explain", plots=(".html",)),
        "inspect": Command(InspectInteraction, f"{COMMANDS}:inspect"),
    },
    examples={"predict": "DRUG DRUG", "explain": "DRUG DRUG"},
    demo="vicinal.interactions.demo:run_demo",
)
