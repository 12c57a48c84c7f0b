"""What the commands do for nodes."""

from pathlib import Path
from typing import Any

from vicinal.core.data.labels import TASK_OF_KIND, describe_task
from vicinal.core.data.quarantine import quarantine_lines
from vicinal.core.domain import OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.core.text import pluralize
from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.statistics import check_graph, label_column_hints
from vicinal.graphs.data.tables.node_list import read_node_names
from vicinal.graphs.domains import (
    CheckNodes,
    EvaluateNodes,
    ExplainNode,
    InspectNode,
    NodeData,
    PredictNodes,
)
from vicinal.graphs.explain.explanation import explain_node
from vicinal.graphs.inspection import inspect_node
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.settings import named_columns


def read(data: str, options: NodeData, parameters: dict[str, Any]) -> tuple[Any, str]:
    """Read the graph of a training run: (table, task)."""
    table = read_graph(
        data,
        edges=options.edges,
        task=options.task,
        target=options.target,
        directed=parameters["directed"],
        **named_columns(parameters, "group_column", "time_column"),
    )
    if table.kind == "none":
        raise DataError(
            "No node has a label. To predict edges instead, add --domain links. For "
            "labels, put them into a column `label` of the nodes, or name the column "
            "with --target."
        )
    return table, TASK_OF_KIND[table.kind]


def check(data: str, arguments: CheckNodes, console: Console) -> DataCheck:
    """Return what a graph is, what can be learned, and what is quarantined."""
    table = read_graph(
        data,
        edges=arguments.edges,
        task=arguments.task,
        target=arguments.target,
        directed=arguments.directed,
        **arguments.table_columns(),
    )
    found = check_graph(table)
    return found._replace(
        task=TASK_OF_KIND[table.kind],
        lines=[f"task: {describe_task(table.kind, 'node')}", *found.lines],
        hints=label_column_hints(table),
    )


def evaluate(run: OpenRun, arguments: EvaluateNodes, console: Console) -> Evaluation:
    """Evaluate on the run's own test split, or on another graph."""
    if arguments.data is None and arguments.target is not None:
        raise SettingError(
            "--target names a column of DATA: give DATA too, or leave --target out to "
            "evaluate on the run's own test split."
        )
    if arguments.data is None:
        return run.model.evaluate()
    target = arguments.target or run.trained_target()
    table = run.model.read(arguments.data, edges=arguments.edges, target=target)
    return run.model.evaluate(table).with_quarantine(table.quarantined)


def predict(run: OpenRun, arguments: PredictNodes, console: Console) -> Predictions:
    """Predict nodes of the graph by name, or new nodes."""
    names: Any = arguments.nodes or None
    listed = len(arguments.nodes) == 1 and Path(arguments.nodes[0])
    if listed and listed.suffix.lower() in (".csv", ".txt"):
        names = read_node_names(listed, run.model.settings_)
    new = {"new_nodes": arguments.new_nodes, "new_edges": arguments.new_edges}
    found = run.model.predict_nodes(names, **new)
    frame = run.model.predictions_frame(found.ids, found.predicted)
    frame["isolated"] = found.isolated
    hints, isolated = [], int(found.isolated.sum())
    if isolated:
        hints.append(
            f"{pluralize(isolated, 'isolated node')} (no edge): predicted from the "
            "node's own features, if it has any"
        )
    return Predictions(
        frame,
        "node",
        found.quarantined,
        found.notes,
        hints,
        marks={"isolated": "isolated node"},
        embed=lambda: (found.ids, run.model.transform(names, **new)),
    )


def explain(run: OpenRun, arguments: ExplainNode, console: Console) -> Finding:
    """Explain a node's prediction by nodes (linear baseline) or edges (network)."""
    model = _with_new_nodes(run.model, arguments, console)
    found = explain_node(model, arguments.node, arguments.target, arguments.seed)
    return found.to_finding()


def inspect(run: OpenRun, arguments: InspectNode, console: Console) -> Finding:
    """Show the computation graph of a node, layer by layer."""
    return inspect_node(_with_new_nodes(run.model, arguments, console), arguments.node)


def _with_new_nodes(model: NodeModel, arguments: Any, console: Console) -> NodeModel:
    """Return the model on its graph extended by new nodes, if any are given."""
    new = arguments.new_nodes, arguments.new_edges
    if not any(new):
        return model
    extended = model.with_new_nodes(*new)
    table = extended.graph_
    for note in table.notes:
        console.print(f"note: {note}")
    for line in quarantine_lines(table.quarantined, "--json of `predict` lists all"):
        console.print(line)
    return extended
