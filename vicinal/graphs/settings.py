"""Training options of the three kinds of graph tasks.

Each domain offers only what it reads. Flags and their help are generated from the
fields and the sentence below each of them.
"""

from dataclasses import dataclass
from typing import Any, Literal

from vicinal.core.settings import (
    NetworkSettings,
    Precision,
    Settings,
    is_integer,
    is_number,
)

MAX_LAYERS = 1000
"""layers of a network, in training and in a model file"""

NetworkName = Literal[
    "auto", "none", "gcn", "sage", "gin", "gat", "gatv2", "appnp", "gcnii"
]


@dataclass(frozen=True, kw_only=True)
class BaseColumns(Settings):
    """Columns that the tables of one graph and of several have."""

    id_column: str | None = None
    """node column that holds the names of the nodes; None: id, node, name, or the one
    that the edges refer to"""

    source_column: str | None = None
    """edge column of the nodes where edges begin; None: source, from, or the like"""

    destination_column: str | None = None
    """edge column of the nodes where edges end; None: target, to, or the like"""

    drop_columns: tuple[str, ...] | None = None
    """columns of nodes or edges that are not read"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.drop_columns, list):  # as read from JSON
            object.__setattr__(self, "drop_columns", tuple(self.drop_columns))
        valid = self.drop_columns is None or (
            isinstance(self.drop_columns, tuple)
            and all(isinstance(name, str) for name in self.drop_columns)
        )
        self.require("drop_columns", valid, "names of columns")

    def drop_from(self, frame: Any) -> Any:
        """Return a DataFrame without the columns to drop, of those that it has."""
        dropped = {name.strip().lower() for name in self.drop_columns or ()}
        named = [c for c in frame.columns if str(c).strip().lower() in dropped]
        return frame.drop(columns=named) if named else frame


@dataclass(frozen=True, kw_only=True)
class TableColumns(BaseColumns):
    """Columns of the tables of nodes and edges."""

    weight_column: str | None = None
    """edge column of weights, 0 or more; None: weight, if there is one"""

    def table_columns(self) -> dict[str, Any]:
        """Return these options alone, by name."""
        return {name: getattr(self, name) for name in TableColumns.names()}


@dataclass(frozen=True, kw_only=True)
class CollectionColumns(BaseColumns):
    """Columns of the tables of several graphs."""

    graph_column: str | None = None
    """column of every table that names the graph; None: graph_id, graph, or the like"""

    def table_columns(self) -> dict[str, Any]:
        """Return these options alone, by name."""
        return {name: getattr(self, name) for name in CollectionColumns.names()}


def named_columns(parameters: dict[str, Any], *others: str) -> dict[str, Any]:
    """Return the parameters that name columns of tables, and others, by name."""
    names = (*TableColumns.names(), *others)
    return {name: parameters.get(name) for name in names}


@dataclass(frozen=True, kw_only=True)
class GraphSettings(NetworkSettings):
    """Training options that all graph tasks share."""

    positive_integers = ("hidden", "layers")

    def __post_init__(self) -> None:
        super().__post_init__()
        dropout = vars(self)["dropout"]
        self.require(
            "dropout", is_number(dropout) and 0 <= dropout < 1, "from 0 to below 1"
        )
        layers = vars(self)["layers"]
        too_many = is_integer(layers, MAX_LAYERS + 1)
        self.require("layers", not too_many, f"at most {MAX_LAYERS:,}")


@dataclass(frozen=True, kw_only=True)
class NodeSettings(TableColumns, GraphSettings):
    """Training options for node classification and regression."""

    positive_integers = ("hidden", "heads")

    network: NetworkName = "auto"
    """graph network to train; auto: gcnii, or sage for mini-batches; none: only the
    linear baseline"""

    layers: int | None = None
    """layers of the network; None: the default of the network (`vicinal info`)"""

    heads: int = 8
    """attention heads (gat, gatv2); hidden must be a multiple of it"""

    dropout: float = 0.6
    """dropout probability, from 0 to below 1"""

    ensemble_size: int | None = None
    """networks trained from different random weights, whose predictions are averaged;
    None: as many as fit into --minutes, 5 at most"""

    num_neighbors: tuple[int, ...] | None = None
    """neighbours sampled per node, one number for each layer, starting at the labelled
    nodes: trains on mini-batches; None: the whole graph if --memory allows it, else 15
    10 5"""

    batch_size: int = 1024
    """labelled nodes per step, when training on mini-batches"""

    memory: float = 8.0
    """gigabytes that training may use, without reading the graph; a graph that needs
    more is trained on mini-batches, with arrays above a quarter of it kept on disk"""

    precision: Precision = "auto"
    """dtype of products and messages in training: bfloat16 is up to twice as fast on
    large graphs, where the processor supports it; auto: float32"""

    epochs: int | None = None
    """maximum number of passes over the training nodes; None: 500, or 30 with
    mini-batches"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 1e-2, or 3e-3 with
    mini-batches"""

    weight_decay: float = 5e-4
    """L2 penalty of the weights in the loss; 20 times as much for gcnii's layers"""

    label_smoothing: float = 0.0
    """share of the target spread over all classes, from 0 to below 1 (classification
    with one label per node)"""

    class_weight: Literal["none", "balanced"] = "none"
    """balanced: weight each class by the inverse of its frequency (classification)"""

    val_fraction: float = 0.15
    """share of the labelled nodes for the validation split, if the data have none"""

    test_fraction: float = 0.15
    """share of the labelled nodes for the test split, if the data have none"""

    directed: bool = False
    """read edges as directed, from source to target, where the data do not say: tables,
    arrays of pairs, adjacency lists"""

    group_column: str | None = None
    """node column whose equal values stay in one split"""

    time_column: str | None = None
    """node column to split by time: the latest nodes are the test split"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.num_neighbors, list):  # as read from JSON
            object.__setattr__(self, "num_neighbors", tuple(self.num_neighbors))
        for name in ("layers", "ensemble_size"):
            value = getattr(self, name)
            valid = value is None or is_integer(value, 1)
            self.require(name, valid, "a whole number, 1 or more")
        valid = self.num_neighbors is None or (
            isinstance(self.num_neighbors, tuple)
            and len(self.num_neighbors) > 0
            and all(is_integer(k, 1) for k in self.num_neighbors)
        )
        self.require("num_neighbors", valid, "whole numbers, 1 or more")
        positive = is_number(self.memory) and self.memory > 0
        self.require("memory", positive, "gigabytes, more than 0")
        single = self.group_column is None or self.time_column is None
        self.require("time_column", single, "None if group_column is given")


@dataclass(frozen=True, kw_only=True)
class GraphLevelSettings(CollectionColumns, GraphSettings):
    """Training options for graph classification and regression."""

    network: Literal["auto", "none", "gin", "gine"] = "auto"
    """graph network to train; auto: gine if edges have features, which gin does not
    see, else gin; none: only the linear baseline"""

    layers: int = 3
    """layers of the network"""

    dropout: float = 0.5
    """dropout probability before the last layer, from 0 to below 1"""

    batch_size: int = 20_000
    """edges per step: graphs differ in size, so a batch holds as many graphs as have
    about this number of edges together"""

    epochs: int | None = None
    """maximum number of passes over the training graphs; None: 60"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 5e-3"""

    label_smoothing: float = 0.0
    """share of the target spread over all classes, from 0 to below 1 (classification
    with one label per graph)"""

    val_fraction: float = 0.15
    """share of the labelled graphs for the validation split, if the data have none"""

    test_fraction: float = 0.15
    """share of the labelled graphs for the test split, if the data have none"""


@dataclass(frozen=True, kw_only=True)
class LinkSettings(TableColumns, GraphSettings):
    """Training options for link prediction."""

    max_fraction = 0.4

    decoder: Literal["none", "dot", "bilinear", "mlp"] = "none"
    """scores a pair of node embeddings of a trained network; none: only the linear
    baseline"""

    relation_column: str | None = None
    """edge column that names the relation: each relation between two nodes is predicted
    separately; None: all edges are of one kind"""

    bipartite: Literal["auto", "yes", "no"] = "auto"
    """whether nodes are of two kinds, such as users and items, and all edges connect
    one with the other: negatives and proposed pairs do too. yes: the two columns of a
    table name two kinds, even with the same names; auto: detected from the names of the
    columns and the edges"""

    node_embeddings: Literal["layers", "free"] = "layers"
    """layers: GraphSAGE on the node features (relational GCN for several relations);
    free: a learned vector per node, which cannot predict for new nodes"""

    hidden: int = 64
    """dimensions of the node embeddings"""

    layers: int = 2
    """layers of the network"""

    dropout: float = 0.2
    """dropout probability, from 0 to below 1"""

    epochs: int | None = None
    """maximum number of passes over the training edges; None: 100"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 1e-2"""

    val_fraction: float = 0.05
    """share of the edges for the validation split"""

    test_fraction: float = 0.1
    """share of the edges for the test split"""

    def __post_init__(self) -> None:
        super().__post_init__()
        has_network = self.keep == "auto" or self.decoder != "none"
        self.require("keep", has_network, "auto where decoder is none")
