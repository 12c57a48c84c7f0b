"""Prediction and evaluation of the nodes of a graph; `node_estimators` has `fit`.

Nodes that were not in the graph at training time (inductive prediction) are added to
it with their edges; nothing is trained again.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST, check_test_split
from vicinal.core.estimators.labels import (
    check_label_kind,
    encode_labels,
    rows_to_score,
)
from vicinal.core.estimators.model_choice import evaluate_against_constant
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.errors import NoDataError, suggest_names
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder, features_or_degrees
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.nodes.ensemble import (
    average_logits,
    ensemble_logits,
    node_embeddings,
)
from vicinal.graphs.nodes.fitted_model import FittedNodeModel, memory_limit
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import NodeNetwork
from vicinal.graphs.nodes.new_nodes import ExtendedGraph, extend_graph
from vicinal.graphs.nodes.propagated_features import (
    PropagatedLinearModel,
    label_propagation,
)
from vicinal.graphs.nodes.receptive_field import extract_receptive_field
from vicinal.graphs.settings import NodeSettings
from vicinal.graphs.sparse.memmap import matrix_allocator

WITHOUT_EDGES = "linear model without edges"
LABEL_PROPAGATION = "label propagation"
PROPAGATED_SHARE = 0.9
"""share of a node's value that label propagation takes from its neighbours"""


class NodePredictions(NamedTuple):
    """Predictions for nodes."""

    ids: np.ndarray
    predicted: np.ndarray
    """[N, K] probabilities, or numbers [N]"""

    isolated: np.ndarray
    """[N] bool: nodes without an edge, predicted from their own features at most"""

    quarantined: Sequence[Quarantined] = ()
    """rows of new nodes and their edges that could not be used, with the reason"""

    notes: Sequence[str] = ()
    """about new nodes: repeated edges, cells that were not read"""


class NodeModel(SupervisedEstimator):
    """Base of NodeClassifier and NodeRegressor: everything but `fit`."""

    settings_type = NodeSettings
    settings_: NodeSettings
    fitted_type = FittedNodeModel
    unit = "node"
    cpu_only = "graph networks"

    model_: FittedNodeModel
    feature_encoder_: FeatureEncoder
    graph_: GraphTable
    labelled_graph_: LabelledGraph
    split_: np.ndarray
    linear_candidates_: list[PropagatedLinearModel]
    linear_: PropagatedLinearModel
    linear_with_features_: PropagatedLinearModel | None
    features_only_: PropagatedLinearModel
    networks_: list[NodeNetwork] | None
    mixture_temperatures_: tuple[float, float] | None
    network_name_: str
    num_neighbors_: tuple[int, ...] | None

    _cache: tuple[tuple[Any, ...], Tensor] | None = None
    """logits of all nodes, and the parts of the model that computed them"""

    def read(
        self, X: Any, y: Any = None, *, edges: Any = None, target: str | None = None
    ) -> GraphTable:
        """Return the graph of X; DataError where its labels do not fit."""
        regression = self.kinds == ("numeric",)
        settings = self.validate_settings()
        options: dict[str, Any] = {
            "edges": edges,
            "target": target,
            "group_column": settings.group_column,
            "directed": settings.directed,
            **self._table_columns(),
        }
        table = read_graph(X, y, task="regression" if regression else "auto", **options)
        if table.kind == "numeric" and not regression:  # the numbers name classes
            table = table.with_task("classification")
        check_label_kind(table.kind, self.kinds, type(self).__name__, self.unit)
        return table

    def _table_columns(self) -> dict[str, Any]:
        settings = self.validate_settings()
        return {**settings.table_columns(), "time_column": settings.time_column}

    # --- predict ---

    def logits(self, graph: LabelledGraph | None = None) -> Tensor:
        """Return logits [N, K] before calibration; graph=None: of the training graph.

        Those of the training graph are computed once.
        """
        self.check_fitted()
        if graph is not None:
            return self._logits(graph)
        key = self._cache_key()
        if self._cache is None or any(
            a is not b for a, b in zip(self._cache[0], key, strict=True)
        ):
            self._cache = key, self._logits(self.labelled_graph_)
        return self._cache[1]

    def _cache_key(self) -> tuple[Any, ...]:
        model = self.model_
        return (
            model.labelled_graph,
            model.linear,
            model.networks,
            model.mixture_temperatures,
        )

    def _logits(self, graph: LabelledGraph) -> Tensor:
        linear = self.linear_
        without_labels = not graph.train_mask.any() and self.linear_with_features_
        if linear.feature_set == "label_propagation" and without_labels:
            linear = without_labels
        if self.networks_ is None:
            return linear.logits(graph)
        z = ensemble_logits(self.networks_, graph, self.objective_, self.settings_)
        if self.mixture_temperatures_ is None:
            return z
        both = zip((linear.logits(graph), z), self.mixture_temperatures_, strict=True)
        return average_logits([z / t for z, t in both], self.objective_)

    def logits_of_rows(self, extended: ExtendedGraph, rows: np.ndarray) -> Tensor:
        """Return logits [R, K] of some nodes, computed from their receptive field."""
        field = extract_receptive_field(extended.labelled_graph, rows, self.hops)
        return self._logits(field.labelled_graph)[field.rows]

    def predict_nodes(
        self, X: Any = None, *, new_nodes: Any = None, new_edges: Any = None
    ) -> NodePredictions:
        """Return predictions for nodes.

        X: names of nodes; None: every node of the graph, or every new node; or another
        graph, as for `read_graph`. new_nodes: a table of new nodes, with the columns of
        the training nodes. new_edges: their edges, among them and to the graph.
        """
        self.check_fitted()
        if new_nodes is not None or new_edges is not None:
            return self._predict_new_nodes(X, new_nodes, new_edges)
        table = self.graph_
        if X is None:
            rows, z = np.arange(len(table)), self.logits()
        elif _is_names(X):
            rows = self.row_indices(X)
            z = self.logits()[rows]
        else:
            table = read_graph(X, **self._table_columns())
            rows, z = np.arange(len(table)), self._logits(self._unlabelled(table))
        predicted = self.predict_from_logits(z)
        return NodePredictions(table.ids[rows], predicted, _isolated(table)[rows])

    def _predict_new_nodes(self, X: Any, nodes: Any, edges: Any) -> NodePredictions:
        extended = self.add_new_nodes(nodes, edges)
        table = extended.table
        rows = extended.new_rows if X is None else self.row_indices(X, table)
        return NodePredictions(
            table.ids[rows],
            self.predict_from_logits(self.logits_of_rows(extended, rows)),
            _isolated(table)[rows],
            table.quarantined,
            table.notes,
        )

    def _read_features(self, table: GraphTable) -> Tensor:
        """Return the encoded features [N, F], on disk where memory is short."""
        make = matrix_allocator(memory_limit(self.settings_))
        return torch.from_numpy(
            self.feature_encoder_.transform(table.features, len(table), make)
        )

    def _unlabelled(self, table: GraphTable) -> LabelledGraph:
        """Return another graph as tensors, without labels."""
        table = table.replace(max_bytes=memory_limit(self.settings_))
        x = features_or_degrees(self._read_features(table), table.adjacency)
        y = self.labelled_graph_.y
        no_y = np.zeros((len(table), *y.shape[1:]), y.dtype)
        train_mask = np.zeros(len(table), bool)
        return LabelledGraph(x, table.adjacency, table.edge_weight, no_y, train_mask)

    def add_new_nodes(self, nodes: Any, edges: Any) -> ExtendedGraph:
        """Return the training graph with new nodes in it, as for `predict_nodes`."""
        return extend_graph(
            self.graph_,
            self.labelled_graph_,
            self.feature_encoder_,
            nodes,
            edges,
            self.settings_,
        )

    def with_new_nodes(self, nodes: Any, edges: Any) -> Self:
        """Return the same model on the graph with new nodes in it."""
        self.check_fitted()
        extended, other = self.add_new_nodes(nodes, edges), copy.copy(self)
        other.update(graph=extended.table, labelled_graph=extended.labelled_graph)
        return other

    def row_indices(
        self, names: Sequence[Any], table: GraphTable | None = None
    ) -> np.ndarray:
        """Return the rows of nodes by name; NoDataError for an unknown name."""
        ids = self.graph_.ids if table is None else table.ids
        rows = {name: row for row, name in enumerate(ids)}
        for name in map(str, names):
            if name not in rows:
                hint = suggest_names(name, list(rows)[:100_000]).split(" Known:")[0]
                hint = f"{hint} " if hint.startswith("Did") else ""
                raise NoDataError(
                    f"There is no node {name!r}. {hint}New nodes need --new-nodes and "
                    "--new-edges."
                )
        return np.array([rows[str(name)] for name in names], np.int64)

    def predict_values(self, X: Any = None, **new: Any) -> np.ndarray:
        """Return probabilities [N, K], or numbers [N]; X as for `predict_nodes`."""
        return self.predict_nodes(X, **new).predicted

    @torch.no_grad()
    def transform(
        self, X: Any = None, *, new_nodes: Any = None, new_edges: Any = None
    ) -> np.ndarray:
        """Return embeddings [N, D]: the input of the last dense layer.

        Of an ensemble those of its first network. Arguments as for `predict_nodes`.
        """
        self.check_fitted()
        graph, rows = self.labelled_graph_, None
        if new_nodes is not None or new_edges is not None:
            extended = self.add_new_nodes(new_nodes, new_edges)
            rows = extended.new_rows
            rows = rows if X is None else self.row_indices(X, extended.table)
            field = extract_receptive_field(extended.labelled_graph, rows, self.hops)
            graph, rows = field.labelled_graph, field.rows
        elif X is not None and _is_names(X):
            rows = self.row_indices(X)
        elif X is not None:
            graph = self._unlabelled(read_graph(X, **self._table_columns()))
        if self.networks_ is None:
            z = self.linear_.propagate(graph)
        else:
            z = node_embeddings(self.networks_[0], graph, self.settings_)
        return (z if rows is None else z[rows]).numpy()

    # --- describe ---

    @property
    def final_networks(self) -> list[Any]:
        """Return the networks that predict; none: the linear baseline does."""
        return list(self.networks_ or [])

    @property
    def network_name(self) -> str:
        return self.network_name_

    @property
    def model_description(self) -> str:
        """Return what predicts: the linear baseline, networks, or the mean of both."""
        if self.networks_ is None:
            return "the linear baseline"
        count, name = len(self.networks_), self.networks_[0].name
        networks = name if count == 1 else f"an ensemble of {count} {name} networks"
        if self.mixture_temperatures_ is None:
            return networks
        return f"{networks}, averaged with the linear baseline"

    @property
    def hops(self) -> int:
        """Return from how many hops away a node can change a prediction."""
        if self.networks_ is None:
            return self.linear_.hops
        hops = self.networks_[0].hops
        return max(hops, self.linear_.hops) if self.mixture_temperatures_ else hops

    # --- evaluate ---

    @property
    def test_mask(self) -> np.ndarray:
        """Return [N] bool: nodes of the test split."""
        return self.split_ == TEST

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Evaluate on the test split (X=None), or on another graph with labels.

        Nodes of unknown classes are left out, and counted in `notes`.
        """
        self.check_fitted()
        if X is None:
            rows = np.flatnonzero(self.test_mask)
            check_test_split(len(rows), "a graph with labels")
            return self._evaluate(
                self.graph_, self.labelled_graph_, rows, self.logits()[rows], []
            )
        table = self.read(X, y)
        rows, notes = self._rows_to_score(table)
        graph = self._unlabelled(table)
        return self._evaluate(table, graph, rows, self._logits(graph)[rows], notes)

    def _rows_to_score(self, table: GraphTable) -> tuple[np.ndarray, list[str]]:
        """Return the rows of another graph that can be scored, and notes."""
        rows, notes = rows_to_score(table, self.objective_, self.unit)
        train = self.graph_.ids[self.labelled_graph_.train_mask].astype(str)
        repeated = int(np.isin(table.ids[rows].astype(str), train).sum())
        if repeated:
            notes.append(
                f"{repeated:,} of these {len(rows):,} nodes have the name of a "
                "training node: if they are the same nodes, the score is too good"
            )
        return rows, notes

    def _evaluate(
        self,
        table: GraphTable,
        graph: LabelledGraph,
        rows: np.ndarray,
        logits: Tensor,
        notes: list[str],
    ) -> Evaluation:
        """Evaluate logits [R, K] beside the constant, features and labels alone."""
        objective, predicted = self.objective_, self.predict_from_logits(logits)
        y = encode_labels(table, objective)[rows]
        labels = table.labels[rows] if table.labels is not None else None
        found = evaluate_against_constant(
            objective,
            y,
            predicted,
            self.predictions_frame(table.ids[rows], predicted, labels),
            self.constant_baseline_,
            notes,
            None if table.groups is None else table.groups[rows],
        )
        baselines = {
            WITHOUT_EDGES: self.features_only_.logits(graph._replace(x=graph.x[rows]))
        }
        if graph.train_mask.any():
            spread = label_propagation(graph, objective, PROPAGATED_SHARE)
            baselines[LABEL_PROPAGATION] = spread[rows]
        for name, z in baselines.items():
            decided = objective.decide(objective.predict(z))
            found.add_baseline(name, objective, y, decided)
        return found


def _is_names(X: Any) -> bool:
    """Return whether X is a list, or an array of one axis: names of nodes."""
    if isinstance(X, (list, tuple)):
        return True
    return isinstance(X, np.ndarray) and X.ndim == 1


def _isolated(table: GraphTable) -> np.ndarray:
    """Return [N] bool: nodes without an incoming edge other than a self-loop."""
    other = table.source != table.target
    degree = np.bincount(table.target[other], minlength=len(table))
    if not table.directed:
        degree += np.bincount(table.source[other], minlength=len(table))
    return degree == 0
