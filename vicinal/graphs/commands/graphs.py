"""What the commands do for whole graphs."""

from pathlib import Path
from typing import Any

from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.core.domain import OpenRun, Outcome
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.finding import Finding
from vicinal.errors import DataError
from vicinal.graphs.commands.common import (
    TASKS,
    print_features,
    print_quarantined,
    to_finding,
    with_quarantine,
)
from vicinal.graphs.data.output_tables import PredictionOutput
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.domains import (
    EvaluateGraphs,
    ExplainGraph,
    GraphData,
    InspectGraph,
    PredictGraphs,
)
from vicinal.graphs.inspection import inspect_graph
from vicinal.graphs.runs.graphs import (
    count_training_names,
    data_path,
    describe_graphs,
    read_test_split,
)


def read(data: str, options: GraphData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the graphs of a training run: (collection, task)."""
    found = read_graphs(data, task=options.task, target=options.target)
    if found.kind == "none":
        raise DataError(
            "No graph has a label. Put labels into a column `label` of graphs.csv, or "
            "name the column with --target."
        )
    return found, TASK_OF_KIND[found.kind]


def check(data: str, arguments: GraphData, console: Console) -> Outcome:
    """Print what the graphs are, what can be learned, and what is quarantined."""
    found = read_graphs(data, task=arguments.task, target=arguments.target)
    console.print(f"task: {TASKS[found.kind]}")
    for line in describe_graphs(found):
        console.print(line)
    encoder, notes = print_features(found.nodes.features, console)
    counts = {"graphs": len(found), "nodes": len(found.nodes)}
    return {
        "task": TASK_OF_KIND[found.kind],
        "statistics": counts | {"edges": found.nodes.num_edges},
        "features": encoder.feature_names(),
        "notes": [*found.notes, *notes],
        "usable": len(found),
        "quarantined_rows": found.quarantined,
    }


def evaluate(run: OpenRun, arguments: EvaluateGraphs, console: Console) -> Evaluation:
    """Evaluate on the run's own test split, or on other graphs."""
    data, target = arguments.data, arguments.target or run.trained_target()
    if data is not None and Path(data).resolve() == data_path(run.path):
        console.print("this is the data of the run: its test split is evaluated")
        data = None
    if data is not None:
        graphs = run.model.read(data, target=target)
        overlap = count_training_names(run.path, graphs)
        found = run.model.evaluate(graphs).with_training_overlap(
            overlap,
            f"{overlap} of these {len(graphs)} graphs have the name of a training "
            "graph: if they are the same, the score is too high",
        )
        return with_quarantine(found, graphs.quarantined)
    return run.model.evaluate(read_test_split(run, target))


def predict(run: OpenRun, arguments: PredictGraphs, console: Console) -> Outcome:
    """Predict whole graphs."""
    files = PredictionOutput(arguments.output, arguments.embeddings)
    found, model = read_graphs(arguments.data), run.model
    frame = model.predictions_frame(found.names, model.predict_values(found))
    outcome = files.write(frame, "graph", found.quarantined, found.notes, console)
    if files.vectors:
        files.write_embeddings(found.names, model.transform(found), console)
    print_quarantined(found.quarantined, console, "--json lists all")
    return outcome


def explain(run: OpenRun, arguments: ExplainGraph, console: Console) -> Finding:
    """Explain a graph's prediction: each node is removed in turn."""
    graph = read_graphs(arguments.data).by_name(arguments.name)
    return to_finding(run.model.explain(graph, arguments.target, seed=arguments.seed))


def inspect(run: OpenRun, arguments: InspectGraph, console: Console) -> Finding:
    """Show the terms of a graph's score, or the messages of one of its nodes."""
    graph = read_graphs(arguments.data).by_name(arguments.name)
    return inspect_graph(run.model, graph, arguments.node, arguments.target)
