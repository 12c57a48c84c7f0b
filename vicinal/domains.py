"""What the data are, what can be learned from them, and who learns it: one table.

=================================  ====================  ===============
pictures with                      task                  estimator
=================================  ====================  ===============
one class name each                classification        ImageClassifier
several names each (`a|b`)         multilabel            ImageClassifier
a number each                      regression            ImageRegressor
=================================  ====================  ===============

=================================  ====================  ===============
a graph whose nodes have           task                  estimator
=================================  ====================  ===============
one class name each                classification        NodeClassifier
several names each (`a|b`)         multilabel            NodeClassifier
a number each                      regression            NodeRegressor
=================================  ====================  ===============

=================================  ====================  ===============
a graph's edges, not all listed    links                 LinkPredictor
=================================  ====================  ===============

=================================  ====================  ===============
graphs with                        task                  estimator
=================================  ====================  ===============
one class name each                classification        GraphClassifier
several names each (`a|b`)         multilabel            GraphClassifier
a number each                      regression            GraphRegressor
=================================  ====================  ===============
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vicinal.core.data.labels import Task
from vicinal.core.estimators.estimator import MODEL_JSON, read_model
from vicinal.core.storage.run_folder import is_run, read
from vicinal.errors import DataError, ModelFileError, RunError, near_names
from vicinal.graphs.data.detect import is_graph, is_graph_set, lists_nodes

if TYPE_CHECKING:
    from vicinal.graphs.data.graph_collection import GraphCollection
    from vicinal.graphs.data.graph_table import GraphTable
    from vicinal.images.data.read import ImageTable

Wing = Literal["images", "graphs"]


What = Literal["pictures", "nodes", "edges", "graphs"]


class Row(NamedTuple):
    """One row of the tables above."""

    what: What
    """what has the labels"""

    labels: str
    task: Task
    estimator: str
    max_bytes: str

    @property
    def wing(self) -> Wing:
        return "images" if self.what == "pictures" else "graphs"


TABLE = (
    Row("pictures", "single_label", "classification", "ImageClassifier", "classifier"),
    Row("pictures", "multi_label", "multilabel", "ImageClassifier", "classifier"),
    Row("pictures", "numeric", "regression", "ImageRegressor", "regressor"),
    Row("nodes", "single_label", "classification", "NodeClassifier", "node_estimators"),
    Row("nodes", "multi_label", "multilabel", "NodeClassifier", "node_estimators"),
    Row("nodes", "numeric", "regression", "NodeRegressor", "node_estimators"),
    Row("edges", "none", "auto", "LinkPredictor", "link_predictor"),
    Row(
        "graphs",
        "single_label",
        "classification",
        "GraphClassifier",
        "graph_estimators",
    ),
    Row("graphs", "multi_label", "multilabel", "GraphClassifier", "graph_estimators"),
    Row("graphs", "numeric", "regression", "GraphRegressor", "graph_estimators"),
)


def what_of_data(data: str) -> What:
    """What DATA are, by their form; of one graph its nodes are learned, unless edges
    are asked for."""
    if is_graph_set(data):
        return "graphs"
    return "nodes" if is_graph(data) or lists_nodes(data) else "pictures"


def what_of_run(run: str | Path) -> What:
    """What the estimator of a run or a model judges; pictures where that is not said.

    Its own verbs then tell what is missing.
    """
    for name in (MODEL_JSON, "settings.json"):
        try:
            estimator = read(Path(run), name)["estimator"]
        except (RunError, KeyError, TypeError):
            continue
        judged: dict[str, What] = {r.estimator: r.what for r in TABLE}
        return judged.get(estimator, "pictures")
    return "pictures"


def refuse_lost_run(run: str) -> None:
    """RunError where a name is plainly one of a run folder, and there is none.

    Trained weights, which `explain` takes as well, have names that are no paths.
    """
    path = Path(run)
    a_path = len(path.parts) > 1 and (path.parent.is_dir() or path.parts[0] == "runs")
    if a_path and not path.exists() and not path.suffix:
        raise RunError(
            f"There is no model in {run}: there is no such folder. Name the run folder "
            "that `vicinal train` wrote."
        )


def refuse_run_as_data(data: str) -> None:
    """DataError where DATA are a run folder."""
    if is_run(Path(data)):
        raise DataError(
            f"{data} is a run that `vicinal train` made, and no data. Use it with "
            f"`vicinal predict {data}`, `evaluate` or `report`; a run that was "
            "interrupted goes on with --out and --resume."
        )


def understand(
    data: str,
    task: Task = "auto",
    target: str | None = None,
    labels: str | None = None,
    group: str | None = None,
) -> "ImageTable":
    """Read the pictures that DATA names; DataError when labels do not fit the task.

    labels: a CSV of labels that were wrong. group: the column that says which pictures
    belong together.
    """
    from vicinal.images.data.read import read_images

    refuse_run_as_data(data)
    table = read_images(data, task=task, target=target, corrections=labels, group=group)
    asked = {r.labels for r in TABLE if r.wing == "images" and task in ("auto", r.task)}
    if table.kind not in asked:
        raise DataError(f"--task {task} does not fit labels that are {table.kind}.")
    return table


def understand_graph(
    data: str,
    edges: str | None = None,
    task: Task = "auto",
    target: str | None = None,
    group: str | None = None,
    directed: bool = False,
    relation: str | None = None,
) -> "GraphTable":
    """Read the graph that DATA, and perhaps edges, name."""
    from vicinal.graphs.data.read import read_graph

    how = {"edges": edges, "task": task, "target": target}
    more = {"group": group, "directed": directed, "relation": relation}
    return read_graph(data, **how, **more)


def understand_set(
    data: str, task: Task = "auto", target: str | None = None
) -> "GraphCollection":
    """Read the graphs that DATA name."""
    from vicinal.graphs.data.graph_collection import read_graphs

    return read_graphs(data, task=task, target=target)


def row_for(table: Any, what: What = "pictures") -> Row:
    """The row of the table that fits the labels."""
    return next(r for r in TABLE if r.what == what and r.labels == table.kind)


def estimator_type(name: str) -> type[Any]:
    """The estimator's class, imported when it is asked for."""
    rooms = {row.estimator: f"{row.wing}.{row.max_bytes}" for row in TABLE}
    if name not in rooms:
        hint = near_names(name, rooms)
        raise ModelFileError(f"There is no estimator {name!r}. {hint}")
    return getattr(import_module(f"vicinal.{rooms[name]}"), name)


def load(path: str | Path) -> Any:
    """The estimator in a model folder or a run folder, ready to predict.

    Raises ModelFileError when there is none, or its files are damaged.
    """
    description = read_model(path)
    try:
        return estimator_type(description["estimator"]).restore(path, description)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelFileError(
            f"{Path(path) / MODEL_JSON} does not describe a model that this version of "
            f"vicinal can build ({error}). Train again, or copy the folder again from "
            "where it came."
        ) from error


def target_of(run: Path) -> str | None:
    """The column that a run was trained on, where --target named one."""
    try:
        return settings_of(run).get("target")
    except RunError:  # a model folder that `save` wrote
        return None


def settings_of(run: Path) -> dict[str, Any]:
    """What a run began with: data, task, estimator and its parameters."""
    return read(run, "settings.json")
