"""What a user may set for graphs: said once, with its unit."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from vicinal.core.settings import Precision, TrainingSettings, is_number, is_whole

NetworkName = Literal[
    "auto", "none", "gcn", "sage", "gin", "gat", "gatv2", "appnp", "gcnii"
]


@dataclass(frozen=True, kw_only=True)
class GraphSettings(TrainingSettings):
    """What is asked of the settings of all of them."""

    counts: ClassVar[tuple[str, ...]] = ("hidden", "layers")
    """settings that are whole numbers, 1 or more"""

    most_held: ClassVar[float] = 0.8
    """share that may be held out, to score on or to choose by"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.counts:
            value = getattr(self, name)
            self.require(name, is_whole(value, 1), "a whole number, 1 or more")
        dropout = vars(self)["dropout"]  # a field of each
        out = is_number(dropout) and 0 <= dropout < 1
        self.require("dropout", out, "from 0 to below 1")
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name)
            held = is_number(value) and 0 <= value <= self.most_held
            self.require(name, held, f"from 0 to {self.most_held}")


@dataclass(frozen=True, kw_only=True)
class NodeSettings(GraphSettings):
    """How nodes of a graph are learned."""

    counts = ("hidden", "heads", "nodes_per_batch")

    network: NetworkName = "auto"
    """graph network that is tried after the first answer; auto: gcnii, or sage where it
    learns from samples; none: the first answer is the model"""

    deliver: Literal["auto", "networks"] = "auto"
    """auto: the networks, alone or with the first answer, only where they are shown to
    be better on the validation part; networks: they alone, shown or not"""

    hidden: int = 64
    """width of the network's layers"""

    layers: int | None = None
    """layers of the network; None: what it is known for (`vicinal info`)"""

    heads: int = 8
    """heads of attention side by side (gat, gatv2); hidden is divided among them"""

    dropout: float = 0.6
    """share of the numbers that are left out at random while it learns, 0 to below 1"""

    members: int | None = None
    """networks that learn from different random weights, and whose answers are
    averaged; None: as many as --minutes have room for, 5 at most"""

    neighbours: tuple[int, ...] | None = None
    """neighbours of a node that a step sees, of each of those, and so on outward, a
    number for each layer: the network learns from samples; None: all of them, where
    --memory has room for that, else 15 10 5"""

    nodes_per_batch: int = 1024
    """labelled nodes of one step, where the network learns from samples"""

    memory: float = 8.0
    """gigabytes that learning may take, reading the graph not counted: a graph whose
    steps need more is learned from samples, and features, layers and edges that take
    more than a quarter of it lie on disk"""

    precision: Precision = "auto"
    """number format of products and messages while a network learns: bfloat16 is up to
    twice as fast for large graphs (`benchmarks.aggregation`); auto: float32"""

    epochs: int | None = None
    """steps over the whole graph, or passes over the labelled nodes where it learns
    from samples, at most (patience may end it sooner); None: 500, of samples 30"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 1e-2, of samples 3e-3"""

    weight_decay: float = 5e-4
    """L2 penalty of the weights in the loss; of gcnii's layers 20 times as much"""

    label_smoothing: float = 0.0
    """share of the target spread over all classes, 0 to 1 (one label per node)"""

    minutes: float | None = 1.0
    """minutes for everything from reading to the report; None: no limit"""

    val_fraction: float = 0.15
    """share of the labelled nodes to choose by, where no part is named val"""

    test_fraction: float = 0.15
    """share of the labelled nodes held out to score on, where no part is named test"""

    directed: bool = False
    """whether edges of tables lead one way, from source to target; other forms of
    graphs say so themselves"""

    group_column: str | None = None
    """column of the nodes whose equal cells stay on one side of the split"""

    time_column: str | None = None
    """column of the nodes by which the split is made: the latest are held out"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.neighbours, list):  # as a file has it
            object.__setattr__(self, "neighbours", tuple(self.neighbours))
        for name in ("layers", "members"):
            value = getattr(self, name)
            good = value is None or is_whole(value, 1)
            self.require(name, good, "a whole number, 1 or more")
        seen = self.neighbours is None or (
            len(self.neighbours) > 0 and all(is_whole(k, 1) for k in self.neighbours)
        )
        self.require("neighbours", seen, "whole numbers, 1 or more")
        max_bytes = is_number(self.memory) and self.memory > 0
        self.require("memory", max_bytes, "gigabytes, more than 0")
        both = self.group_column is None or self.time_column is None
        self.require("time_column", both, "left out where group_column is given")


@dataclass(frozen=True, kw_only=True)
class GraphLevelSettings(GraphSettings):
    """How whole graphs are learned."""

    counts = ("hidden", "layers", "edges_per_batch")

    network: Literal["auto", "none", "gin"] = "auto"
    """graph network that is tried after the first answer; auto: gin; none: the first
    answer is the model"""

    deliver: Literal["auto", "networks"] = "auto"
    """auto: the network only where it is shown to be better than the first answer on
    the validation part; networks: it alone, shown or not"""

    hidden: int = 64
    """width of the network's layers"""

    layers: int = 3
    """layers of the network"""

    dropout: float = 0.5
    """share of the numbers that are left out at random before the last layer"""

    edges_per_batch: int = 20_000
    """edges of the graphs of one step, about: graphs differ in size, steps do not"""

    epochs: int | None = None
    """passes over the training part, at most (patience may end it sooner); None: 60"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 5e-3"""

    weight_decay: float = 0.02
    """decoupled weight decay of AdamW, per unit of learning rate"""

    label_smoothing: float = 0.0
    """share of the target spread over all classes, 0 to 1 (one label per graph)"""

    minutes: float | None = 1.0
    """minutes for everything from reading to the report; None: no limit"""

    val_fraction: float = 0.15
    """share of the labelled graphs to test a network by, where no part is named val"""

    test_fraction: float = 0.15
    """share of the labelled graphs held out to score on, where no part is named test"""


@dataclass(frozen=True, kw_only=True)
class LinkSettings(GraphSettings):
    """How edges of a graph are learned."""

    most_held = 0.4

    decoder: Literal["none", "dot", "bilinear", "mlp"] = "none"
    """how a network scores two embeddings; none: no network is tried, the first answer
    is the model"""

    deliver: Literal["auto", "networks"] = "auto"
    """auto: the network only where it is shown to be better than the first answer on
    the validation part; networks: it alone, shown or not"""

    relation_column: str | None = None
    """column of the edges that names the relation of each: two nodes may be joined by
    several, and each is predicted by itself; None: an edge is an edge"""

    embeddings: Literal["layers", "free"] = "layers"
    """layers: GraphSAGE (of several relations relational GCN) on what is known of the
    nodes; free: numbers of each node's own, which say nothing of nodes that come
    later"""

    hidden: int = 64
    """width of the embeddings"""

    layers: int = 2
    """layers of the network"""

    dropout: float = 0.2
    """share of the numbers that are left out at random while it learns, 0 to below 1"""

    epochs: int | None = None
    """passes over the edges, at most (patience may end it sooner); None: 100"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 1e-2"""

    weight_decay: float = 0.02
    """decoupled weight decay of AdamW, per unit of learning rate"""

    label_smoothing: float = 0.0
    """share of the target spread over both answers, 0 to 1"""

    minutes: float | None = 1.0
    """minutes for everything from reading to the report; None: no limit"""

    val_fraction: float = 0.05
    """share of the edges held out to choose by"""

    test_fraction: float = 0.1
    """share of the edges held out to score on"""

    def __post_init__(self) -> None:
        super().__post_init__()
        tried = self.deliver == "auto" or self.decoder != "none"
        self.require("deliver", tried, "auto where --decoder names no network")
