"""What the commands do for links."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.data.csv_tables import read_csv
from vicinal.core.domain import OpenRun, Outcome
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.core.text import format_percent, pluralize
from vicinal.errors import SettingError, suggest_names
from vicinal.graphs.commands.common import to_finding
from vicinal.graphs.commands.nodes import check_graph
from vicinal.graphs.data.edge_list import cells_as_text, edge_columns
from vicinal.graphs.data.output_tables import PredictionOutput
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.domains import (
    CheckLinks,
    EvaluateLinks,
    ExplainLink,
    InspectLink,
    LinkData,
    PredictLinks,
)
from vicinal.graphs.inspection import inspect_pair
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links.split import MIN_EDGES, sort_pairs, unique_edges


def read(data: str, options: LinkData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the graph of a training run: (table, task)."""
    relation = parameters["relation_column"]
    return read_graph(data, edges=options.edges, relation=relation), "links"


def check(data: str, arguments: CheckLinks, console: Console) -> Outcome:
    """Print what the graph is, how many pairs are edges, and what is quarantined."""
    relation = arguments.relation_column
    table = read_graph(data, edges=arguments.edges, relation=relation)
    pairs = len(np.unique(sort_pairs(unique_edges(table))[:, :2], axis=0))
    possible = len(table) * (len(table) - 1) // 2
    density = format_percent(pairs / max(possible, 1))
    console.print("task: links (which nodes are connected)")
    console.print(f"{pairs:,} of {pluralize(possible, 'pair')} are edges ({density})")
    hints = []
    if pairs < MIN_EDGES:
        hints.append(f"training needs at least {MIN_EDGES} connected pairs")
    found = check_graph(table, hints, console)
    found["statistics"] |= {"pairs": pairs, "possible_pairs": possible}
    return {"task": "links", **found}


def evaluate(run: OpenRun, arguments: EvaluateLinks, console: Console) -> Evaluation:
    """Evaluate on the edges that the run held out."""
    return run.model.evaluate()


def predict(run: OpenRun, arguments: PredictLinks, console: Console) -> Outcome:
    """Predict pairs; without names the most probable pairs that are not edges."""
    files = PredictionOutput(arguments.output, arguments.embeddings)
    model, nodes, relation = run.model, arguments.nodes, arguments.relation
    if arguments.top < 1:
        raise SettingError(f"top must be 1 or more. Got {arguments.top}.")
    if nodes:
        frame = _predict_pairs(model, _pairs(nodes, model, relation))
    else:
        frame = model.most_likely(arguments.top, relation)
    outcome = files.write(frame, "pair", [], [], console)
    console.print("note: probabilities are those among pairs of which half are edges")
    if files.vectors:
        files.write_embeddings(model.graph_.ids, model.transform(), console)
    return outcome


def _predict_pairs(model: LinkPredictor, pairs: list[tuple[str, ...]]) -> pd.DataFrame:
    """Return the probability of each pair; relations of one pair, likeliest first."""
    rows = model.row_indices(pairs)
    probabilities = model.predict_proba(pairs).round(5)
    columns = {**model.pair_columns(rows), "probability": probabilities}
    frame = pd.DataFrame({**columns, "is_edge": model.is_edge(rows)})
    if "relation" not in frame:
        return frame
    ends = frame.groupby(["source", "target"], sort=False).ngroup()
    order = np.lexsort((-probabilities, ends))
    return frame.iloc[order].reset_index(drop=True)


def _pairs(
    nodes: list[str], model: LinkPredictor, relation: str | None
) -> list[tuple[str, ...]]:
    """Return pairs from names two by two, or from a CSV.

    Where there are relations, a pair has the one asked for, the one that the CSV names,
    or each in turn.
    """
    relations: list[str] | None = None
    if len(nodes) == 1 and Path(nodes[0]).suffix.lower() == ".csv":
        frame = read_csv(Path(nodes[0]), "source,target")
        ends, column = edge_columns(frame), model.settings_.relation_column
        if ends is None:
            raise SettingError(f"{nodes[0]} has no columns source and target.")
        sources, targets = (cells_as_text(frame[name]) for name in ends[:2])
        if relation is None and column in frame.columns:
            relations = cells_as_text(frame[column])
    elif len(nodes) % 2:
        raise SettingError(
            f"Names come in pairs, two for each edge. Got {len(nodes)}: "
            f"{' '.join(nodes[:5])}."
        )
    else:
        sources, targets = nodes[::2], nodes[1::2]
    pairs = list(zip(sources, targets, strict=True))
    if relations is not None:
        return [(a, r, b) for (a, b), r in zip(pairs, relations, strict=True)]
    if relation is None and not model.relations_:
        return [*pairs]
    if relation is not None:
        model.relation_index(relation)
    wanted = model.relations_ if relation is None else (relation,)
    return [(a, r, b) for a, b in pairs for r in wanted]


def explain(run: OpenRun, arguments: ExplainLink, console: Console) -> Finding:
    """Explain the probability of an edge by the terms of its log-odds."""
    return to_finding(run.model.explain(*_checked_pair(run.model, arguments)))


def inspect(run: OpenRun, arguments: InspectLink, console: Console) -> Finding:
    """Show the terms of a pair's score, and the messages of both nodes."""
    source, target, relation = _checked_pair(run.model, arguments)
    pair = (source, target) if relation is None else (source, relation, target)
    return inspect_pair(run.model, pair)


def _checked_pair(model: LinkPredictor, arguments: Any) -> tuple[str, str, str | None]:
    """Return source, target and relation; SettingError for a missing relation."""
    relation = arguments.relation
    if model.relations_ and relation is None:
        raise SettingError(
            "Name a relation with --relation (`vicinal predict RUN NODE NODE` predicts "
            f"them all). {suggest_names('', model.relations_)}"
        )
    if relation is not None:
        model.relation_index(relation)
    return arguments.source, arguments.target, relation
