"""The domain of knowledge graphs: its data, its options, what each command takes."""

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
from vicinal.graphs.data.tables.directories import table_suffix
from vicinal.knowledge.completion.settings import CompletionSettings

SUFFIXES = (".txt", ".tsv", ".csv", ".tab", ".nt")
OWN_FLAGS = frozenset({"head_column", "relation_column", "tail_column"})
"""flags that only triples have"""


def detect_triples(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a directory with train.txt, a file of triples, or N-Triples."""
    if flags & OWN_FLAGS:
        return path.name
    if path.is_dir():
        files = [file for file in path.iterdir() if "tr" in file.name.lower()]
    else:
        files = [path]
    if not any(table_suffix(file) in SUFFIXES for file in files):
        return None
    from vicinal.knowledge.data.files import recognised_file

    name = recognised_file(path)
    return None if name is None else f"head, relation and tail in {name}"


@dataclass(frozen=True, kw_only=True)
class TripleData:
    """Options for reading triples and what is known of the entities."""

    task: Literal["auto", "completion"] = "auto"
    """facts that are missing (completion); --task importance predicts a number for each
    entity"""

    nodes: str | None = flag("FILE")
    """table of entities: columns id, label, type and others"""


@dataclass(frozen=True, kw_only=True)
class CheckTriples(TripleData):
    """Options for reading triples and what is known of the entities."""

    head_column: str | None = flag("COLUMN")
    """column of heads; default: head, subject, source or the like"""

    relation_column: str | None = flag("COLUMN")
    """column of relations; default: relation, predicate, property or the like"""

    tail_column: str | None = flag("COLUMN")
    """column of tails; default: tail, object, target or the like"""


@dataclass(frozen=True, kw_only=True)
class EvaluateTriples(EvaluateOptions):
    """Triples on which a model is scored."""

    data: str | None = positional("DATA", None)
    """triples that training had not; default: those that it held out"""


@dataclass(frozen=True)
class AskTriples(PredictOptions):
    """A question, or a file of questions."""

    question: list[str] = positional("HEAD RELATION TAIL|FILE", [])
    """three words, ? for what is asked; several facts are joined by `and`, with
    variables ?x, ?y; or a table with a question in each row"""

    top: int = flag("N", 10)
    """answers to each question, the most probable first"""

    new: bool = False
    """leave out answers that are known already"""

    facts: str | None = flag("FILE")
    """triples of entities that the graph does not have: questions may name these"""


@dataclass(frozen=True)
class PredictTriples(AskTriples):
    """Questions; without any, the most probable facts that are missing."""

    relation: str | None = flag("NAME")
    """relation of the missing facts; default: all"""


@dataclass(frozen=True)
class ExplainTriple:
    """A fact, as the answer to the question for its tail."""

    head: str = positional("HEAD")
    """entity by name"""

    relation: str = positional("RELATION")
    """relation by name; `inverse of NAME` explains the head of a fact"""

    tail: str = positional("TAIL")
    """entity by name"""

    facts: str | None = flag("FILE")
    """triples of new entities, one of which HEAD may be"""


@dataclass(frozen=True)
class InspectTriple(ExplainTriple):
    """A fact whose score is computed step by step."""

    top: int = flag("N", 10)
    """rules, and numbers of the embedding, that are listed"""


COMMANDS = "vicinal.knowledge.completion.commands"
TRIPLES = Domain(
    name="triples",
    summary="find missing facts of a knowledge graph, and answer questions over it",
    reads="rows of head, relation and tail, perhaps as train, valid and test files",
    detect=detect_triples,
    data=TripleData,
    settings=CompletionSettings,
    estimators={"completion": "vicinal.knowledge.completion.predictor:TriplePredictor"},
    read=f"{COMMANDS}:read",
    run="vicinal.knowledge.completion.run:CompletionRun",
    commands={
        "check": Command(CheckTriples, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateTriples, f"{COMMANDS}:evaluate"),
        "predict": Command(PredictTriples, f"{COMMANDS}:predict"),
        "ask": Command(AskTriples, f"{COMMANDS}:ask"),
        "explain": Command(ExplainTriple, f"{COMMANDS}:explain", plots=()),
        "inspect": Command(InspectTriple, f"{COMMANDS}:inspect", plots=()),
    },
    examples={
        "ask": 'HEAD RELATION "?"',
        "predict": "",
        "explain": "HEAD RELATION TAIL",
    },
    demo="vicinal.knowledge.demo.demo:run_demo",
    demo_name="knowledge",
)
