"""The importance domain: its data, its options, and what each command takes."""

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
from vicinal.knowledge.importance.settings import ImportanceSettings


def detect_nothing(path: Path, flags: frozenset[str]) -> str | None:
    """Return None: --task chooses this domain, not the form of the data."""
    return None


@dataclass(frozen=True, kw_only=True)
class ImportanceData:
    """Options for reading triples and what is known of the entities."""

    task: Literal["importance"] = "importance"
    """predict a number for each entity"""

    nodes: str | None = flag("FILE")
    """table of entities: columns id, label, type and others, one of them the target"""


@dataclass(frozen=True, kw_only=True)
class CheckImportance(ImportanceData):
    """Options for reading triples and what is known of the entities."""

    target: str | None = flag("COLUMN")
    """column of the nodes to predict; default: the only one with numbers"""

    top: int = flag("N", 10)
    """entities whose centralities are shown, by PageRank; 0: none are computed"""


@dataclass(frozen=True)
class PredictImportance(PredictOptions):
    """The entities whose target is predicted."""

    entities: list[str] = positional("ENTITY...", ())
    """names of entities; default: all that have no target"""

    facts: str | None = flag("FILE")
    """triples of new entities: those that the graph does not have are predicted"""

    top: int = flag("N", 0)
    """predictions, the highest first; 0: all"""


@dataclass(frozen=True)
class ExplainImportance:
    """The entity whose prediction is explained."""

    entity: str = positional("ENTITY")
    """name of an entity of the graph"""


@dataclass(frozen=True)
class InspectImportance:
    """The attention of the network by predicate."""

    top: int = flag("N", 15)
    """predicates with the most, and with the least attention"""


COMMANDS = "vicinal.knowledge.importance.commands"
IMPORTANCE = Domain(
    name="importance",
    summary="predict a number for each entity of a knowledge graph",
    reads="what triples reads, with --task importance and --nodes FILE",
    detect=detect_nothing,
    data=ImportanceData,
    settings=ImportanceSettings,
    estimators={
        "importance": "vicinal.knowledge.importance.regressor:ImportanceRegressor"
    },
    read=f"{COMMANDS}:read",
    run="vicinal.knowledge.importance.run:ImportanceRun",
    commands={
        "check": Command(CheckImportance, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateOptions, f"{COMMANDS}:evaluate"),
        "predict": Command(PredictImportance, f"{COMMANDS}:predict"),
        "explain": Command(ExplainImportance, f"{COMMANDS}:explain", plots=()),
        "inspect": Command(InspectImportance, f"{COMMANDS}:inspect", plots=()),
    },
    examples={"predict": "--top 20", "explain": "ENTITY", "inspect": ""},
    reads_data_of="triples",
)
