"""What the commands do for whole graphs."""

from typing import Any

import numpy as np

from vicinal.core.data.labels import TASK_OF_KIND, describe_task
from vicinal.core.domain import OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.errors import DataError
from vicinal.graphs.data.edge_features import fit_edge_encoder
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.domains import (
    CheckGraphs,
    EvaluateGraphs,
    ExplainGraph,
    GraphData,
    InspectGraph,
    PredictGraphs,
)
from vicinal.graphs.inspection import inspect_graph
from vicinal.graphs.runs.graphs import (
    describe_graphs,
    graph_counts,
)
from vicinal.graphs.settings import CollectionColumns


def read(data: str, options: GraphData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the graphs of a training run: (collection, task)."""
    columns = {name: parameters.get(name) for name in CollectionColumns.names()}
    found = read_graphs(data, task=options.task, target=options.target, **columns)
    if found.kind == "none":
        raise DataError(
            "No graph has a label. Put labels into a column `label` of graphs.csv, or "
            "name the column with --target."
        )
    return found, TASK_OF_KIND[found.kind]


def check(data: str, arguments: CheckGraphs, console: Console) -> DataCheck:
    """Return what the graphs are, what can be learned, and what is quarantined."""
    columns = arguments.table_columns()
    found = read_graphs(data, task=arguments.task, target=arguments.target, **columns)
    encoder, notes = FeatureEncoder.from_features(found.nodes.features)
    edge_encoder, edge_notes = fit_edge_encoder(found)
    return DataCheck(
        task=TASK_OF_KIND[found.kind],
        lines=[
            f"task: {describe_task(found.kind, 'graph')}",
            *describe_graphs(found),
            f"features: {encoder}",
            f"features of edges: {edge_encoder}",
        ],
        statistics=graph_counts(found),
        usable=len(found),
        quarantined=found.quarantined,
        notes=[*found.notes, *notes, *edge_notes],
        extra={
            "features": encoder.feature_names(),
            "edge_features": edge_encoder.feature_names(),
        },
    )


def evaluate(run: OpenRun, arguments: EvaluateGraphs, console: Console) -> Evaluation:
    """Evaluate on the run's own test split, or on other graphs."""
    data = arguments.data
    if data is None:
        return run.model.evaluate()
    if run.is_data(data):
        console.print("this is the data of the run: its test split is evaluated")
        return run.model.evaluate()
    graphs = run.model.read(data, target=arguments.target or run.trained_target())
    overlap = int(np.isin(graphs.names.astype(str), [*run.training_names()]).sum())
    found = run.model.evaluate(graphs).with_training_overlap(
        overlap,
        f"{overlap} of these {len(graphs)} graphs have the name of a training graph: "
        "if they are the same, the score is too high",
    )
    return found.with_quarantine(graphs.quarantined)


def predict(run: OpenRun, arguments: PredictGraphs, console: Console) -> Predictions:
    """Predict whole graphs."""
    model = run.model
    found = model.read_graphs(arguments.data)
    frame = model.predictions_frame(found.names, model.predict_values(found))
    return Predictions(
        frame,
        "graph",
        found.quarantined,
        found.notes,
        embed=lambda: (found.names, model.transform(found)),
    )


def explain(run: OpenRun, arguments: ExplainGraph, console: Console) -> Finding:
    """Explain a graph's prediction: each node is removed in turn."""
    graph = run.model.read_graphs(arguments.data).by_name(arguments.name)
    found = run.model.explain(graph, arguments.target, seed=arguments.seed)
    return found.to_finding()


def inspect(run: OpenRun, arguments: InspectGraph, console: Console) -> Finding:
    """Show the terms of a graph's score, or the messages of one of its nodes."""
    graph = run.model.read_graphs(arguments.data).by_name(arguments.name)
    return inspect_graph(run.model, graph, arguments.node, arguments.target)
