"""A model of the nodes of a graph: it answers, is judged, and is kept with its graph.

How it learned is the business of `nodes`. The graph is kept because a node is told by
its surroundings: what comes later joins it (`newcomers`).
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor

from vicinal.core import objective as objectives
from vicinal.core.data.labels import Kind
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST
from vicinal.core.estimators.estimator import Estimator, read_weights, save_model
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, under
from vicinal.core.text import counted
from vicinal.core.training.linear_head import Head
from vicinal.core.training.trainer import Epoch
from vicinal.errors import ClassError, DataError, NoDataError, near_names
from vicinal.graphs.data.degree_features import seen_as
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.output_tables import predictions_frame
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.nodes.ensemble import averaged, embedded, together
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import NetworkConfig, NodeNetwork, build
from vicinal.graphs.nodes.new_nodes import ExtendedGraph, joined
from vicinal.graphs.nodes.propagated_features import (
    PropagatedLinearModel,
    label_propagation,
)
from vicinal.graphs.nodes.receptive_field import field_of
from vicinal.graphs.settings import NodeSettings
from vicinal.graphs.sparse.memmap import in_room

CONSTANT_NAMES = {
    "single_label": "most frequent class",
    "multi_label": "most frequent labels",
    "numeric": "median",
}


ANSWERS = "linear", "fitted", "alone"
"""of which the model file tells"""

FEATURES, LABELS = "features alone", "neighbours' labels alone"
"""baselines: a fitted layer that sees no edge, and labels spread, which sees no feature
"""

SPREAD = 0.9
"""how far the labels are spread for that"""


class Answers(NamedTuple):
    """What a model says of nodes, by name."""

    ids: np.ndarray
    predicted: np.ndarray
    """[N, K] probabilities, or numbers [N]"""

    alone: np.ndarray
    """[N] bool: nodes without an edge: what is said of them rests on their own
    features, if on anything"""

    set_aside: Sequence[Quarantined] = ()
    """of newcomers and their edges what cannot be used, with the reason"""

    notes: Sequence[str] = ()
    """of newcomers what the user should know: repeats, cells that are not read"""


class NodeModel(Estimator):
    """What NodeClassifier and NodeRegressor can do once they have learned."""

    settings_type = NodeSettings
    fitted_by = "linear_"
    kinds: ClassVar[tuple[str, ...]]

    random_state: int
    device: str
    objective_: Objective
    columns_: FeatureEncoder
    graph_: GraphTable
    """the graph that was learned from, without what was known of its labels"""

    known_: LabelledGraph
    """the same as tensors, with the labels that were learned"""

    linear_: PropagatedLinearModel
    fitted_: PropagatedLinearModel | None
    """the best answer that looks at more than labels: for graphs that have none"""

    alone_: PropagatedLinearModel
    """what features say without any edge"""

    networks_: list[NodeNetwork] | None
    """the networks that are delivered; None: the first answer is"""

    mixture_temperatures_: tuple[float, float] | None = None
    """with `networks_`: temperatures of the first answer and of the networks, where the
    mean of both is delivered"""

    history_: list[Epoch]
    constant_baseline_: list[float]
    temperature_: float
    _said: Tensor | None = None
    """logits of all nodes, once they were asked for"""

    def read(
        self, X: Any, y: Any = None, *, edges: Any = None, target: str | None = None
    ) -> GraphTable:
        """The graph of X, checked to hold labels of a kind that this one learns."""
        numeric = self.kinds == ("numeric",)
        settings = self.settings
        table = read_graph(
            X,
            y,
            edges=edges,
            task="regression" if numeric else "auto",
            target=target,
            group=settings.group_column,
            directed=settings.directed,
        )
        if table.kind == "numeric" and not numeric and table.has_whole_numbers:
            table = table.naming_classes()
        elif table.kind == "numeric" and not numeric:  # numbers may name classes
            how = {"edges": edges, "target": target, "directed": settings.directed}
            group = settings.group_column
            table = read_graph(X, y, task="classification", group=group, **how)
        if table.kind == "none":
            raise DataError(
                "No node has a label. Give them as y, in a column `label`, or in the "
                "column named with target."
            )
        if table.kind not in self.kinds:
            raise DataError(
                f"{type(self).__name__} learns from labels that are "
                f"{' or '.join(self.kinds)}; these are {table.kind}."
            )
        return table

    def _know(self, table: GraphTable, train_mask: np.ndarray) -> None:
        """Keep a graph, and what is known of it."""
        x = self._read_features(table)
        y = self._encoded(table)
        self.graph_, self._said = table.having(max_bytes=self._room), None
        graph = self.graph_.adjacency
        seen = seen_as(x, graph)
        self.known_ = LabelledGraph(seen, graph, table.edge_weight, y, train_mask)

    def _read_features(self, table: GraphTable) -> Tensor:
        """[N, F]: in memory, or on disk where there is no room for them."""
        make = in_room(self._room)
        return torch.from_numpy(self.columns_.read(table.features, len(table), make))

    @property
    def _room(self) -> float:
        """Bytes of an array from which on it lies on disk: a quarter of --memory."""
        return 1e9 * self.settings.memory / 4

    def _encoded(self, table: GraphTable) -> np.ndarray:
        """Targets [N] or [N, K]; 0 where a label is not known."""
        objective, n = self.objective_, len(table)
        if objective.kind == "single_label":
            y = np.zeros(n, np.int64)
        elif objective.kind == "multi_label":
            y = np.zeros((n, objective.outputs), np.float32)
        else:
            y = np.zeros(n)
        if table.labels is None:
            return y
        usable = self._usable(table)
        y[usable] = objective.encode(table.labels[usable].tolist())
        return y

    def _usable(self, table: GraphTable) -> np.ndarray:
        """[N] bool: nodes with a label that the model can be asked for."""
        if table.labels is None or self.objective_.kind != "single_label":
            return table.labelled
        known = set(self.objective_.classes)
        return np.array([label in known for label in table.labels], dtype=bool)

    # --- answering ---------------------------------------------------------------

    def logits(self, known: LabelledGraph | None = None) -> Tensor:
        """[N, K] of all nodes, before calibration; of those it learned from, once."""
        self.check_fitted()
        if known is not None:
            return self._logits(known)
        if self._said is None:
            self._said = self._logits(self.known_)
        return self._said

    def _logits(self, known: LabelledGraph) -> Tensor:
        first = self.linear_
        if first.view == "labels" and not known.train_mask.any() and self.fitted_:
            first = self.fitted_
        if self.networks_ is None:
            return first.logits(known)
        said = together(self.networks_, known, self.objective_, self.settings)
        if self.mixture_temperatures_ is None:
            return said
        both = zip((first.logits(known), said), self.mixture_temperatures_, strict=True)
        return averaged([z / heat for z, heat in both], self.objective_)

    def _predict(self, logits: Tensor) -> np.ndarray:
        """Calibrated probabilities [N, K], or numbers [N]."""
        if self.objective_.kind == "numeric":
            return self.objective_.predict(logits)
        return self.objective_.predict(logits / self.temperature_)

    def answers(
        self, X: Any = None, *, new_nodes: Any = None, new_edges: Any = None
    ) -> Answers:
        """What the model says.

        X: None for every node of the graph, or of the newcomers; names of nodes; or
        another graph, as `read_graph` takes it. new_nodes: a table of nodes that came
        later, a row each, with the columns of the others. new_edges: their edges, to
        each other and to nodes of the graph.
        """
        self.check_fitted()
        if new_nodes is not None or new_edges is not None:
            return self._newcomers(X, new_nodes, new_edges)
        if X is None:
            table, rows, said = self.graph_, None, self.logits()
        elif _is_names(X):
            table, rows = self.graph_, self._rows(X, self.graph_)
            said = self.logits()[rows]
        else:
            table, rows = read_graph(X), None
            said = self._logits(self._unlabelled(table))
        own = np.arange(len(table)) if rows is None else rows
        return Answers(table.ids[own], self._predict(said), _alone(table)[own])

    def _unlabelled(self, table: GraphTable) -> LabelledGraph:
        """Another graph, of which no label is known."""
        table = table.having(max_bytes=self._room)
        x = seen_as(self._read_features(table), table.adjacency)
        nothing = np.zeros((len(table), *self.known_.y.shape[1:]), self.known_.y.dtype)
        train_mask = np.zeros(len(table), bool)
        return LabelledGraph(x, table.adjacency, table.edge_weight, nothing, train_mask)

    def _newcomers(self, X: Any, nodes: Any, edges: Any) -> Answers:
        """Of nodes that came later, by what lies around them alone."""
        found = self.joined(nodes, edges)
        rows = found.new if X is None else self._rows(X, found.table)
        said = self.logits_near(found, rows)
        table = found.table
        predicted, alone = self._predict(said), _alone(table)[rows]
        found = table.ids[rows], predicted, alone
        return Answers(*found, table.set_aside, table.notes)

    def joined(self, nodes: Any, edges: Any) -> ExtendedGraph:
        """The graph with newcomers in it."""
        return joined(self.graph_, self.known_, self.columns_, nodes, edges)

    def with_new_nodes(self, nodes: Any, edges: Any) -> Self:
        """The same model on the graph with newcomers in it, as for `answers`."""
        self.check_fitted()
        found = self.joined(nodes, edges)
        other = copy.copy(self)
        other.graph_, other.known_, other._said = found.table, found.known, None
        return other

    @property
    def delivered(self) -> str:
        """What answers."""
        if self.networks_ is None:
            return "the first answer"
        count = len(self.networks_)
        name = self.networks_[0].name
        told = f"{name}" if count == 1 else f"{count} networks, {name}"
        return (
            told
            if self.mixture_temperatures_ is None
            else f"{told}, with the first answer"
        )

    @property
    def networks_delivered(self) -> list[NodeNetwork]:
        """Those that have a part in the answer."""
        return self.networks_ or []

    @property
    def first_told(self) -> str:
        """What the first answer is."""
        return str(self.linear_)

    @property
    def hops(self) -> int:
        """How far what is said of a node reaches."""
        if self.networks_ is None:
            return self.linear_.hops
        own = self.networks_[0].hops
        return (
            own if self.mixture_temperatures_ is None else max(own, self.linear_.hops)
        )

    def logits_near(self, found: ExtendedGraph, rows: np.ndarray) -> Tensor:
        """Logits [R, K] of some nodes, computed from their receptive field."""
        near = field_of(found.known, rows, self.hops)
        return self._logits(near.known)[near.rows]

    def _rows(self, names: Sequence[Any], table: GraphTable) -> np.ndarray:
        place = {name: row for row, name in enumerate(table.ids)}
        wanted = [str(name) for name in names]
        for name in wanted:
            if name not in place:
                hint = near_names(name, list(place)[:100_000]).split(" Known:")[0]
                hint = hint if hint.startswith("Did") else ""
                raise NoDataError(
                    f"There is no node {name!r}. {hint} Nodes that came later go with "
                    "--new-nodes and --new-edges.".replace("  ", " ")
                )
        return np.array([place[name] for name in wanted], np.int64)

    def predicted(self, X: Any = None, **newcomers: Any) -> np.ndarray:
        """Probabilities [N, K], or numbers [N]; X as for `answers`."""
        return self.answers(X, **newcomers).predicted

    @torch.no_grad()
    def transform(
        self, X: Any = None, *, new_nodes: Any = None, new_edges: Any = None
    ) -> np.ndarray:
        """Embeddings [N, D]: what the last dense layer sees of each node.

        Of several networks those of the first. X and newcomers as for `answers`.
        """
        self.check_fitted()
        known, rows = self.known_, None
        if new_nodes is not None or new_edges is not None:
            found = self.joined(new_nodes, new_edges)
            rows = found.new if X is None else self._rows(X, found.table)
            near = field_of(found.known, rows, self.hops)
            known, rows = near.known, near.rows
        elif X is not None and _is_names(X):
            rows = self._rows(X, self.graph_)
        elif X is not None:
            known = self._unlabelled(read_graph(X))
        if self.networks_ is None:
            z = self.linear_.seen(known)
        else:
            z = embedded(self.networks_[0], known, self.settings)
        return (z if rows is None else z[rows]).numpy()

    # --- being judged ------------------------------------------------------------

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Score on nodes that were held out, or on another graph with labels.

        Nodes of classes that the model does not know are left out and told in `notes`.
        """
        self.check_fitted()
        if X is None:
            rows = np.flatnonzero(getattr(self, "split_", np.array([])) == TEST)
            if not len(rows):
                raise NoDataError(
                    "No node was held out when this model learned: name a graph with "
                    "labels."
                )
            said = self._predict(self.logits()[rows])
            found = self.judged(self.graph_, rows, said)
            self._set_beside(found, self.known_, rows, self.known_.y[rows])
            return found
        table = self.read(X, y)
        rows, notes = self._to_score(table)
        learned = self.graph_.ids[self.known_.train_mask]
        again = int(np.isin(table.ids[rows].astype(str), learned.astype(str)).sum())
        if again:
            notes = [
                *notes,
                f"{again:,} of these {len(rows):,} nodes have the names of nodes that "
                "were learned from: where they are those, the score says nothing of "
                "others",
            ]
        known = self._unlabelled(table)
        found = self.judged(
            table, rows, self._predict(self._logits(known)[rows]), notes
        )
        self._set_beside(found, known, rows, self._encoded(table)[rows])
        return found

    def _set_beside(
        self, found: Evaluation, known: LabelledGraph, rows: np.ndarray, y: np.ndarray
    ) -> None:
        """Hold an evaluation against features alone and, where some are known, labels
        alone."""
        objective = self.objective_
        said = {FEATURES: self.alone_.logits(known._replace(x=known.x[rows]))}
        if known.train_mask.any():
            said[LABELS] = label_propagation(known, objective, SPREAD)[rows]
        for name, logits in said.items():
            decided = objective.decide(objective.predict(logits))
            found.add_baseline(name, objective, y, decided)

    def _to_score(self, table: GraphTable) -> tuple[np.ndarray, list[str]]:
        """Rows of another graph to score on, and notes."""
        usable, notes = self._usable(table), []
        if table.split is not None and (table.split == TEST).any():
            usable &= table.split == TEST
            notes.append("only nodes of the part test are scored")
        strange = int((table.labelled & ~self._usable(table)).sum())
        if strange:
            told = counted(strange, "node")
            notes.append(f"{told} of classes that the model does not know left out")
        if not usable.any():
            raise ClassError("No node is of a class that the model knows.")
        return np.flatnonzero(usable), notes

    def judged(
        self,
        table: GraphTable,
        rows: np.ndarray,
        predicted: np.ndarray,
        notes: list[str] | None = None,
    ) -> Evaluation:
        """The evaluation of predictions for some rows of a graph."""
        objective = self.objective_
        y = self._encoded(table)[rows]
        blind = (
            self.constant_baseline_
            if objective.kind == "multi_label"
            else self.constant_baseline_[0]
        )
        if objective.kind == "single_label" and len(np.unique(y)) > 1:
            blind = objective.constant(y)
        labels = table.labels[rows] if table.labels is not None else None
        return evaluate_predictions(
            objective,
            y,
            predicted,
            self.predictions_frame(table.ids[rows], predicted, labels),
            blind,
            CONSTANT_NAMES[objective.kind],
            notes,
            None if table.groups is None else table.groups[rows],
        )

    def predictions_frame(
        self, ids: np.ndarray, predicted: np.ndarray, labels: Any = None
    ) -> Any:
        """Predictions as a table: id, label (where known), predicted, and more."""
        return predictions_frame(self.objective_, ids, predicted, labels)

    # --- keeping -----------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the model and its graph to a folder: safetensors and JSON."""
        self.check_fitted()
        networks = self.networks_ or []
        description = {
            "estimator": type(self).__name__,
            "parameters": self.plain_params(),
            "objective": objectives.to_dict(self.objective_),
            "columns": self.columns_.to_dict(),
            "directed": self.graph_.directed,
            "linear": self.linear_.to_dict(),
            "fitted": None if self.fitted_ is None else self.fitted_.to_dict(),
            "alone": self.alone_.to_dict(),
            "network": None if not networks else networks[0].description,
            "members": len(networks),
            "mixed": None
            if self.mixture_temperatures_ is None
            else list(self.mixture_temperatures_),
            "constant": self.constant_baseline_,
            "temperature": self.temperature_,
            "whole_number_classes": self._whole_numbers(),
            "history": [epoch._asdict() for epoch in self.history_],
        }
        tensors = {f"graph.{k}": t for k, t in self._graph_tensors().items()}
        for name in ANSWERS:
            answer = getattr(self, f"{name}_")
            if answer is not None:
                weights, bias = answer.head.weights, answer.head.bias
                tensors[f"{name}.weights"] = torch.from_numpy(np.asarray(weights))
                tensors[f"{name}.bias"] = torch.from_numpy(np.asarray(bias))
        for k, network in enumerate(networks):
            state = network.state_dict().items()
            tensors |= {f"member.{k}.{name}": t for name, t in state}
        return save_model(path, description, tensors)

    def _graph_tensors(self) -> Tensors:
        """The graph and what is known of it."""
        table, known = self.graph_, self.known_
        text = "\0".join(table.ids).encode()
        found = {
            "ids": torch.frombuffer(bytearray(text), dtype=torch.uint8),
            "source": torch.from_numpy(table.source),
            "target": torch.from_numpy(table.target),
            "x": known.x.contiguous(),
            "y": torch.from_numpy(known.y),
            "train_mask": torch.from_numpy(known.train_mask),
            "tested": torch.from_numpy(self.split_ == TEST),
            "usable": torch.from_numpy(self._usable(table)),
        }
        if table.weight is not None:
            found["weight"] = torch.from_numpy(table.weight)
        return found

    split_: np.ndarray

    @classmethod
    def restore(cls, folder: str | Path, description: dict[str, Any]) -> Self:
        """The estimator that `save` wrote to a folder."""
        self = cls(**description["parameters"])
        self.objective_ = objectives.from_dict(description["objective"])
        self.columns_ = FeatureEncoder.from_dict(description["columns"])
        self.constant_baseline_ = description["constant"]
        self.temperature_ = description["temperature"]
        self.history_ = [Epoch.of(epoch) for epoch in description["history"]]
        tensors = read_weights(folder, description)
        self._restore_graph(under("graph", tensors), description["directed"])
        first, fitted, alone = (self._answer(k, description, tensors) for k in ANSWERS)
        assert first is not None and alone is not None
        self.linear_, self.fitted_, self.alone_ = first, fitted, alone
        self.networks_ = None
        mixed = description.get("mixed")
        self.mixture_temperatures_ = None if mixed is None else (mixed[0], mixed[1])
        if description["members"]:
            self.networks_ = []
            for k in range(description["members"]):
                network = _network(description["network"])
                network.load_state_dict(under(f"member.{k}", tensors))
                self.networks_.append(network.eval())
        self._name_classes(description["whole_number_classes"])
        return self

    def _answer(
        self, name: str, description: dict[str, Any], tensors: Tensors
    ) -> PropagatedLinearModel | None:
        told, head = description[name], under(name, tensors)
        if told is None:
            return None
        arrays = head["weights"].numpy(), head["bias"].numpy()
        layer = Head(*arrays, told["penalty"])
        loss = math.nan if told["loss"] is None else told["loss"]
        view, correct_and_smooth = told["view"], told["evened"]
        return PropagatedLinearModel(
            view, layer, correct_and_smooth, self.objective_, loss
        )

    def _restore_graph(self, tensors: Tensors, directed: bool) -> None:
        text = tensors["ids"].numpy().tobytes().decode()
        ids = np.array(text.split("\0"), dtype=object)
        y, weight = tensors["y"].numpy(), tensors.get("weight")
        usable = tensors["usable"].numpy()
        labels = np.full(len(ids), None, dtype=object)
        if usable.any():
            objective = self.objective_
            told = y if objective.kind == "numeric" else None
            if told is None and objective.kind == "single_label":
                told = np.array(objective.classes, dtype=object)[y]
            if told is None:
                told = np.array(objective.decode(y), dtype=object)
            labels[usable] = told[usable]
        self.graph_ = GraphTable(
            ids=ids,
            source=tensors["source"].numpy(),
            target=tensors["target"].numpy(),
            directed=directed,
            weight=None if weight is None else weight.numpy(),
            labels=labels,
            kind=cast(Kind, self.objective_.kind),
            max_bytes=self._room,
        )
        self.known_ = LabelledGraph(
            tensors["x"],
            self.graph_.adjacency,
            self.graph_.edge_weight,
            y,
            tensors["train_mask"].numpy(),
        )
        self.split_ = np.where(tensors["tested"].numpy(), TEST, "")

    def _whole_numbers(self) -> bool:
        return getattr(getattr(self, "classes_", None), "dtype", None) == np.int64

    def _name_classes(self, whole: bool) -> None:
        """Set `classes_`, where there are classes."""
        names = self.objective_.classes
        if names:
            self.classes_ = np.array([int(k) for k in names] if whole else names)

    classes_: np.ndarray


def _network(description: dict[str, Any]) -> NodeNetwork:
    rest = dict(description)
    return build(rest.pop("name"), NetworkConfig(**rest))


def _is_names(X: Any) -> bool:
    """Whether X names nodes: a list, or an array of one axis."""
    if isinstance(X, (list, tuple)):
        return True
    return isinstance(X, np.ndarray) and X.ndim == 1


def _alone(table: GraphTable) -> np.ndarray:
    """[N] bool: nodes to which no edge leads but their own."""
    other = table.source != table.target
    degree = np.bincount(table.target[other], minlength=len(table))
    if not table.directed:
        degree += np.bincount(table.source[other], minlength=len(table))
    return degree == 0
