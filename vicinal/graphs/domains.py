"""The domains of graphs: nodes, links and whole graphs, and what each command takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vicinal.core.data.image_names import names_images
from vicinal.core.domain import (
    Command,
    Domain,
    EvaluateOptions,
    PredictOptions,
    Task,
    flag,
    positional,
)
from vicinal.graphs.data.detect import is_graph, is_graph_collection, is_node_table
from vicinal.graphs.data.tables.directories import find_tables
from vicinal.graphs.settings import (
    CollectionColumns,
    GraphLevelSettings,
    LinkSettings,
    NodeSettings,
    TableColumns,
)


def detect_graphs(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a collection of graphs."""
    if "graph_column" in flags or is_graph_collection(path):
        return f"several graphs in {path.name or path}"
    return None


def detect_nodes(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise one graph, or a table of nodes."""
    if path.is_dir() and is_graph(path):
        found = find_tables(path)
        files = [found.nodes, found.edges] if found else []
        names = [file.name for file in files if file is not None]
        return f"directory with {' and '.join(names) or 'arrays of edges'}"
    if is_graph(path) or "source_column" in flags:
        return f"graph or edge list ({path.name})"
    if "edges" in flags or (is_node_table(path) and not names_images(path)):
        return f"table of nodes ({path.name})"
    return None


def detect_links(path: Path, flags: frozenset[str]) -> str | None:
    """Return None: a graph's nodes are learned unless --domain links is given."""
    return None


@dataclass(frozen=True, kw_only=True)
class EdgesOption:
    """Where the edges are."""

    edges: str | None = flag("FILE.csv")
    """file of the edges, where DATA is a table of nodes"""


@dataclass(frozen=True, kw_only=True)
class GraphData:
    """Options for reading the graphs and their labels."""

    task: Task = "auto"
    """kind of labels: one class each, several (`a|b`), or a number; auto: detected"""

    target: str | None = flag("COLUMN")
    """column or attribute that holds the labels"""


@dataclass(frozen=True, kw_only=True)
class CheckGraphs(CollectionColumns, GraphData):
    """Options for reading the graphs and their labels."""


@dataclass(frozen=True, kw_only=True)
class NodeData(GraphData, EdgesOption):
    """Options for reading the graph and its labels."""


@dataclass(frozen=True, kw_only=True)
class CheckNodes(TableColumns, NodeData):
    """Options for reading the graph and its labels."""

    directed: bool = False
    """treat edges as directed, from source to target, where the data do not say"""


@dataclass(frozen=True, kw_only=True)
class LinkData(EdgesOption):
    """Options for reading the graph."""


@dataclass(frozen=True, kw_only=True)
class CheckLinks(TableColumns, LinkData):
    """Options for reading the graph."""

    relation_column: str | None = flag("COLUMN")
    """column of the edges that names the relation of each"""

    bipartite: Literal["auto", "yes", "no"] = "auto"
    """whether all edges connect nodes of one kind with nodes of another"""


@dataclass(frozen=True)
class EvaluateGraphs(EvaluateOptions):
    """The data to evaluate on."""

    data: str | None = positional("DATA", None)
    """other data with labels; default: the run's own test split"""

    target: str | None = flag("COLUMN")
    """column that holds the labels; default: as in training"""


@dataclass(frozen=True)
class EvaluateNodes(EdgesOption, EvaluateGraphs):
    """The data to evaluate on."""


@dataclass(frozen=True, kw_only=True)
class Outputs(PredictOptions):
    """Where predictions and embeddings go."""

    embeddings: str | None = flag("FILE.npz")
    """write the embeddings (inputs of the last dense layer) here, .npz or .csv"""


@dataclass(frozen=True, kw_only=True)
class NewNodes:
    """Nodes that the model has never seen."""

    new_nodes: str | None = flag("FILE.csv")
    """nodes the model has never seen, with the columns of the others"""

    new_edges: str | None = flag("FILE.csv")
    """their edges, to each other and to nodes of the graph"""


@dataclass(frozen=True)
class PredictNodes(NewNodes, Outputs):
    """The nodes to predict."""

    nodes: list[str] = positional("NODE...", [])
    """names of nodes, or a CSV with a column of names; default: all nodes, or all new
    ones"""


@dataclass(frozen=True)
class PredictLinks(Outputs):
    """The pairs of nodes to predict."""

    nodes: list[str] = positional("NODE...", [])
    """pairs of names, one after the other, or a CSV with the columns source and target;
    one name: its most probable pairs that are not edges yet; default: those of all"""

    relation: str | None = flag("NAME")
    """relation to predict, where there are several; default: the one that the CSV
    names, or each"""

    top: int = 20
    """number of pairs to find, where no pair is named"""


@dataclass(frozen=True)
class PredictGraphs(Outputs):
    """The graphs to predict."""

    data: str = positional("DATA")
    """graphs in any form that `vicinal train` reads; labels are not needed"""


@dataclass(frozen=True, kw_only=True)
class PlotOption:
    """Where a page or a plot goes."""

    output: str | None = flag("FILE.html")
    """write a page or a plot here (.html, .png, .svg or .pdf)"""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(PlotOption):
    """What of a prediction is explained."""

    target: str | None = flag("CLASS")
    """class to explain; default: the predicted class"""

    seed: int = 0
    """seed of the random control that the explanation is compared with"""


@dataclass(frozen=True)
class NodeArgument:
    """A node."""

    node: str = positional("NODE")
    """name of the node, which may be a new one"""


@dataclass(frozen=True)
class PairArgument:
    """A pair of nodes."""

    source: str = positional("NODE")
    """name of a node"""

    target: str = positional("NODE")
    """name of another node"""

    relation: str | None = flag("NAME")
    """relation of the edge, where there are several"""


@dataclass(frozen=True)
class GraphArgument:
    """A graph."""

    data: str = positional("DATA")
    """graphs in any form that `vicinal train` reads"""

    name: str = positional("NAME")
    """name of one of them"""


@dataclass(frozen=True)
class ExplainNode(ExplainOptions, NewNodes, NodeArgument):
    """A node and what of its prediction is explained."""


@dataclass(frozen=True)
class ExplainLink(PlotOption, PairArgument):
    """A pair of nodes whose prediction is explained."""


@dataclass(frozen=True)
class ExplainGraph(ExplainOptions, GraphArgument):
    """A graph and what of its prediction is explained."""


@dataclass(frozen=True)
class InspectNode(PlotOption, NewNodes, NodeArgument):
    """A node whose computation graph is shown."""


@dataclass(frozen=True)
class InspectLink(PairArgument):
    """A pair of nodes whose score is broken down into its terms."""


@dataclass(frozen=True)
class InspectGraph(GraphArgument):
    """A graph whose score is broken down into its terms."""

    node: str | None = flag("NODE")
    """name of one of its nodes, whose messages are shown instead"""

    target: str | None = flag("CLASS")
    """class whose score is shown; default: the predicted class"""


COMMANDS = "vicinal.graphs.commands"
PLOTS = (".html", ".png", ".svg", ".pdf")
GRAPH_FORMS = (
    "a directory with edges.csv (and nodes.csv), a table of nodes with --edges, an "
    "edge list (source,target[,weight]), or a file that NetworkX or scipy reads "
    "(GraphML, GML, JSON, Pajek, adjacency matrices, npz, mtx, mat)"
)
NODES = Domain(
    name="nodes",
    summary="classify the nodes of a graph, or predict a number for each",
    reads=GRAPH_FORMS,
    detect=detect_nodes,
    data=NodeData,
    settings=NodeSettings,
    estimators={
        "classification": "vicinal.graphs.node_estimators:NodeClassifier",
        "multilabel": "vicinal.graphs.node_estimators:NodeClassifier",
        "regression": "vicinal.graphs.node_estimators:NodeRegressor",
    },
    read=f"{COMMANDS}.nodes:read",
    run="vicinal.graphs.runs.nodes:NodeRun",
    commands={
        "check": Command(CheckNodes, f"{COMMANDS}.nodes:check"),
        "evaluate": Command(EvaluateNodes, f"{COMMANDS}.nodes:evaluate"),
        "predict": Command(PredictNodes, f"{COMMANDS}.nodes:predict"),
        "explain": Command(ExplainNode, f"{COMMANDS}.nodes:explain", PLOTS),
        "inspect": Command(InspectNode, f"{COMMANDS}.nodes:inspect", PLOTS),
    },
    examples={"predict": "NODE...", "explain": "NODE"},
)
LINKS = Domain(
    name="links",
    summary="predict which nodes of a graph are connected by an edge",
    reads="the same, with --domain links",
    detect=detect_links,
    data=LinkData,
    settings=LinkSettings,
    estimators={"links": "vicinal.graphs.link_predictor:LinkPredictor"},
    read=f"{COMMANDS}.links:read",
    run="vicinal.graphs.runs.links:LinkRun",
    commands={
        "check": Command(CheckLinks, f"{COMMANDS}.links:check"),
        "evaluate": Command(EvaluateOptions, f"{COMMANDS}.links:evaluate"),
        "predict": Command(PredictLinks, f"{COMMANDS}.links:predict"),
        "explain": Command(ExplainLink, f"{COMMANDS}.links:explain", PLOTS),
        "inspect": Command(InspectLink, f"{COMMANDS}.links:inspect"),
    },
    examples={"predict": "NODE NODE", "explain": "NODE NODE"},
)
GRAPHS = Domain(
    name="graphs",
    summary="classify whole graphs, or predict a number for each",
    reads="a TU data set, tables with a column graph_id, or one text file of graphs",
    detect=detect_graphs,
    data=GraphData,
    settings=GraphLevelSettings,
    estimators={
        "classification": "vicinal.graphs.graph_estimators:GraphClassifier",
        "multilabel": "vicinal.graphs.graph_estimators:GraphClassifier",
        "regression": "vicinal.graphs.graph_estimators:GraphRegressor",
    },
    read=f"{COMMANDS}.graphs:read",
    run="vicinal.graphs.runs.graphs:GraphLevelRun",
    commands={
        "check": Command(CheckGraphs, f"{COMMANDS}.graphs:check"),
        "evaluate": Command(EvaluateGraphs, f"{COMMANDS}.graphs:evaluate"),
        "predict": Command(PredictGraphs, f"{COMMANDS}.graphs:predict"),
        "explain": Command(ExplainGraph, f"{COMMANDS}.graphs:explain", PLOTS),
        "inspect": Command(InspectGraph, f"{COMMANDS}.graphs:inspect"),
    },
    examples={"predict": "DATA", "explain": "DATA NAME"},
    demo="vicinal.graphs.demo:run_demo",
    info=f"{COMMANDS}.info:info",
)
