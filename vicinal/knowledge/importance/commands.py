"""What the commands do for importance."""

from typing import Any

import numpy as np

from vicinal.core.domain import EvaluateOptions, OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions, records
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError, SettingError
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.importance.domain import (
    CheckImportance,
    ExplainImportance,
    ImportanceData,
    InspectImportance,
    PredictImportance,
)
from vicinal.knowledge.importance.explain.explanation import (
    explain_rows,
    explanation_json,
    explanation_lines,
)
from vicinal.knowledge.importance.explain.inspection import inspect_attention
from vicinal.knowledge.importance.features.centralities import centrality_table
from vicinal.knowledge.importance.regressor import Fact, ImportanceRegressor
from vicinal.knowledge.importance.summary import (
    centrality_lines,
    table_lines,
    table_statistics,
)
from vicinal.knowledge.importance.table import ImportanceTable, read_importance
from vicinal.knowledge.settings import TripleColumns


def read(
    data: str, options: ImportanceData, parameters: dict[str, Any]
) -> tuple[ImportanceTable, str]:
    """Read the triples and the target of a training run: (table, task)."""
    values = {name: parameters.get(name) for name in TripleColumns.names()}
    target = parameters.get("target")
    table = read_importance(data, options.nodes, target, TripleColumns(**values))
    return table, "importance"


def check(data: str, arguments: CheckImportance, console: Console) -> DataCheck:
    """Return what the graph and the target are, and the centralities of entities."""
    if arguments.top < 0:
        raise SettingError(f"top must be 0 or more. Got {arguments.top} instead.")
    table = read_importance(data, arguments.nodes, arguments.target, required=False)
    lines, extra = table_lines(table), {}
    if arguments.top:
        labels = table.triples.labels
        frame = centrality_table(table.graph, table.entities, labels)
        frame = frame.head(arguments.top)
        lines += centrality_lines(frame)
        extra = {"centralities": records(frame)}
    return DataCheck(
        task="importance",
        lines=lines,
        statistics=table_statistics(table),
        usable=len(table.graph.triples),
        quarantined=table.quarantined,
        notes=table.notes,
        extra=extra,
    )


def evaluate(run: OpenRun, arguments: EvaluateOptions, console: Console) -> Evaluation:
    """Return the scores of the cross-validation."""
    model: ImportanceRegressor = run.model
    return model.evaluate()


def predict(
    run: OpenRun, arguments: PredictImportance, console: Console
) -> Predictions:
    """Predict the target of entities, the highest first."""
    if arguments.top < 0:
        raise SettingError(f"top must be 0 or more. Got {arguments.top} instead.")
    model: ImportanceRegressor = run.model
    top = arguments.top or None
    if arguments.facts is not None:
        if arguments.entities:
            raise SettingError("Give either names of entities, or --facts FILE.")
        table = read_triples(arguments.facts)
        facts, notes = read_new_facts(table, model)
        if model.model_.network is not None:
            notes.append("the blend predicts new entities; the network predicts others")
        frame = model.predict_new(facts)
        order = np.argsort(-frame["predicted"].to_numpy(), kind="stable")[:top]
        return Predictions(
            frame=frame.iloc[order],
            unit="prediction",
            quarantined=table.quarantined,
            notes=notes,
        )
    frame = model.predict(list(arguments.entities) or None, top)
    if not len(frame):
        raise NoDataError(
            "Every entity of the graph has a target already. Name entities after RUN, "
            "or give triples of new ones with --facts FILE."
        )
    return Predictions(frame=frame, unit="prediction")


def read_new_facts(
    table: TripleTable, model: ImportanceRegressor
) -> tuple[dict[str, list[Fact]], list[str]]:
    """Return the facts of the entities of a table that are new to the graph, and notes.

    Triples between two new entities, and between two known ones, are not used. Raises
    NoDataError if there is no new entity.
    """
    splits = (table.triples, table.validation, table.test)
    triples = np.concatenate([k for k in splits if k is not None])
    known = {str(name) for name in model.model_.entities}
    facts, unused = dict[str, list[Fact]](), 0
    for head, relation, tail in triples.tolist():
        a, b = str(table.entities[head]), str(table.entities[tail])
        name = str(table.relations[relation])
        if (a in known) == (b in known):
            unused += 1
        elif b in known:
            facts.setdefault(a, []).append((name, "out", b))
        else:
            facts.setdefault(b, []).append((name, "in", a))
    if not facts:
        raise NoDataError(
            "The facts are of no new entity. Expected triples of an entity that the "
            "graph does not have with one that it has."
        )
    notes = list(table.notes)
    if unused:
        notes.append(
            f"{pluralize(unused, 'triple')} not used: of two known or two new entities"
        )
    return facts, notes


def explain(run: OpenRun, arguments: ExplainImportance, console: Console) -> Finding:
    """Explain the prediction for one entity."""
    estimator: ImportanceRegressor = run.model
    model = estimator.model_
    row = estimator.find_entities([arguments.entity])
    found = explain_rows(model, model.features.rows.take(row), int(row[0]))
    name = model.name_of(int(row[0]))
    lines = explanation_lines(model, found, name)
    if model.network is not None:
        lines.append("note: the blend is explained; the network predicts")
    return Finding(text=lines, data=explanation_json(model, found, name))


def inspect(run: OpenRun, arguments: InspectImportance, console: Console) -> Finding:
    """Show the attention of the network by predicate."""
    if arguments.top < 1:
        raise SettingError(f"top must be 1 or more. Got {arguments.top} instead.")
    return inspect_attention(run.model.model_, arguments.top)
