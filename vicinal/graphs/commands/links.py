"""What the commands do for links."""

from typing import Any

from vicinal.core.domain import EvaluateOptions, OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.core.text import format_percent, pluralize
from vicinal.errors import SettingError, suggest_names
from vicinal.graphs.data.statistics import check_graph
from vicinal.graphs.domains import (
    CheckLinks,
    ExplainLink,
    InspectLink,
    LinkData,
    PredictLinks,
)
from vicinal.graphs.inspection import inspect_pair
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.links.bipartite import read_links
from vicinal.graphs.links.pairs import named_pairs
from vicinal.graphs.links.split import (
    MIN_EDGES,
    num_connected_pairs,
    num_possible_pairs,
)
from vicinal.graphs.settings import named_columns


def read(data: str, options: LinkData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the graph of a training run: (table, task)."""
    columns = named_columns(parameters, "relation_column", "bipartite")
    return read_links(data, options.edges, **columns), "links"


def check(data: str, arguments: CheckLinks, console: Console) -> DataCheck:
    """Return what the graph is, how many pairs are edges, and what is quarantined."""
    columns = named_columns(vars(arguments), "relation_column", "bipartite")
    table = read_links(data, arguments.edges, **columns)
    pairs = num_connected_pairs(table)
    possible = num_possible_pairs(len(table), sides=table.sides)
    density = format_percent(pairs / max(possible, 1))
    found, hints = check_graph(table), []
    if pairs < MIN_EDGES:
        hints.append(f"training needs at least {MIN_EDGES} connected pairs")
    return found._replace(
        task="links",
        lines=[
            "task: links (which nodes are connected)",
            f"{pairs:,} of {pluralize(possible, 'pair')} are edges ({density})",
            *found.lines,
        ],
        statistics={**found.statistics, "pairs": pairs, "possible_pairs": possible},
        hints=hints,
    )


def evaluate(run: OpenRun, arguments: EvaluateOptions, console: Console) -> Evaluation:
    """Evaluate on the edges that the run held out."""
    return run.model.evaluate()


def predict(run: OpenRun, arguments: PredictLinks, console: Console) -> Predictions:
    """Predict pairs; without names, or with one, the most probable new edges."""
    model, nodes, relation = run.model, arguments.nodes, arguments.relation
    if arguments.top < 1:
        raise SettingError(f"top must be 1 or more. Got {arguments.top}.")
    if relation is not None:
        model.relation_index(relation)
    one = len(nodes) == 1 and not nodes[0].lower().endswith(".csv")
    if nodes and not one:
        column = model.settings_.relation_column
        pairs = named_pairs(nodes, model.relations_, relation, column)
        frame = model.predict_pairs(pairs)
    else:
        frame = model.most_likely(arguments.top, relation, nodes[0] if one else None)
    return Predictions(
        frame,
        "pair",
        notes=frame.attrs["notes"],
        hints=["probabilities are those among pairs of which half are edges"],
        marks={"is_edge": "already an edge"},
        embed=lambda: (model.graph_.ids, model.transform()),
    )


def explain(run: OpenRun, arguments: ExplainLink, console: Console) -> Finding:
    """Explain the probability of an edge by the terms of its log-odds."""
    return run.model.explain(*_checked_pair(run.model, arguments)).to_finding()


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
