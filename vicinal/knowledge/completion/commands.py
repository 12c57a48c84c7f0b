"""What the commands do for triples."""

from typing import Any

from vicinal.core.domain import EvaluateOptions, OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.errors import NoDataError, SettingError
from vicinal.knowledge.answering.new_entities import NONE, NewEntities
from vicinal.knowledge.answering.question_file import is_question_file, read_questions
from vicinal.knowledge.completion.asking import (
    answer_questions,
    check_top,
    missing_facts,
)
from vicinal.knowledge.completion.domain import (
    AskTriples,
    CheckTriples,
    ExplainTriple,
    InspectTriple,
    PredictTriples,
    TripleData,
)
from vicinal.knowledge.completion.explain.explanation import (
    explain_fact,
    explanation_json,
    explanation_lines,
)
from vicinal.knowledge.completion.explain.inspection import inspect_fact
from vicinal.knowledge.completion.predictor import TriplePredictor
from vicinal.knowledge.completion.summary import table_lines, table_statistics
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.settings import TripleColumns


def read(
    data: str, options: TripleData, parameters: dict[str, Any]
) -> tuple[TripleTable, str]:
    """Read the triples of a training run: (table, task)."""
    values = {name: parameters.get(name) for name in TripleColumns.names()}
    return read_triples(data, options.nodes, TripleColumns(**values)), "completion"


def check(data: str, arguments: CheckTriples, console: Console) -> DataCheck:
    """Return what the triples are, and which rows cannot be used."""
    values = {name: getattr(arguments, name) for name in TripleColumns.names()}
    table = read_triples(data, arguments.nodes, TripleColumns(**values))
    found = table_statistics(table)
    return DataCheck(
        task="completion",
        lines=table_lines(found),
        statistics=found,
        usable=len(table.triples),
        quarantined=table.quarantined,
        notes=table.notes,
    )


def evaluate(run: OpenRun, arguments: EvaluateOptions, console: Console) -> Evaluation:
    """Return the scores of triples that training held out, or of others."""
    model: TriplePredictor = run.model
    return model.evaluate(getattr(arguments, "data", None))


def predict(run: OpenRun, arguments: PredictTriples, console: Console) -> Predictions:
    """Answer questions; without any, list the most probable missing facts."""
    if arguments.question:
        if arguments.relation is not None:
            raise SettingError(
                "Give a question, or --relation for the missing facts of a relation."
            )
        return ask(run, arguments, console)
    if arguments.facts is not None:
        raise NoDataError("Ask something of the new entities: name a question.")
    check_top(arguments.top)
    frame, notes = missing_facts(run.model.model_, arguments.relation, arguments.top)
    if not len(frame):
        notes.append("no missing fact was found")
    return Predictions(frame=frame, unit="fact", notes=notes, details="evidence")


def ask(run: OpenRun, arguments: AskTriples, console: Console) -> Predictions:
    """Answer a question of one fact or several, or the questions of a file."""
    check_top(arguments.top)
    words, model = arguments.question, run.model.model_
    if not words:
        raise NoDataError(
            "Ask something after RUN: a head, a relation and a tail, with ? for what "
            "is asked, or a table of questions."
        )
    new, quarantined = new_entities(run.model, arguments.facts), []
    questions = [words]
    if is_question_file(words):
        names = model.names.with_new(new.names)
        questions, quarantined = read_questions(words[0], names)
    frame = answer_questions(
        model, questions, arguments.top, known=not arguments.new, new=new
    )
    notes = [*new.notes]
    if not len(frame):
        notes.append("no answer is probable, or all are known already")
    return Predictions(
        frame=frame,
        unit="answer",
        quarantined=quarantined,
        notes=notes,
        marks={"known": "known"},
        details="evidence",
    )


def new_entities(model: TriplePredictor, facts: str | None) -> NewEntities:
    """Return the entities of a file that the graph does not have."""
    return NONE if facts is None else model.new_entities(facts)


def explain(run: OpenRun, arguments: ExplainTriple, console: Console) -> Finding:
    """Explain the probability of a fact."""
    model, words = run.model.model_, _words(arguments)
    found = explain_fact(model, words, new_entities(run.model, arguments.facts))
    lines = explanation_lines(model, found)
    return Finding(text=lines, data=explanation_json(model, found))


def inspect(run: OpenRun, arguments: InspectTriple, console: Console) -> Finding:
    """Show the arithmetic of a score: rules, and the numbers of the embedding."""
    check_top(arguments.top)
    model, words = run.model.model_, _words(arguments)
    new = new_entities(run.model, arguments.facts)
    return inspect_fact(model, words, arguments.top, new)


def _words(arguments: ExplainTriple) -> tuple[str, str, str]:
    return arguments.head, arguments.relation, arguments.tail
