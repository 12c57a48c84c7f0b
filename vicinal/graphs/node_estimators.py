"""NodeClassifier and NodeRegressor: predict a class or a number for each node.

A linear baseline on propagated features is fitted in seconds. Graph networks are then
trained within the time budget; they replace the baseline, alone or averaged with it,
only if they are significantly better on the validation split.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import TRAIN, VAL, assign_folds
from vicinal.core.estimators.labels import encode_labels, objective_and_split
from vicinal.core.estimators.model_choice import (
    calibrated_predictions,
    compare_at_own_temperature,
    constant_baseline,
    describe_choice,
)
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.significance import (
    LEVEL,
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.objective import Objective
from vicinal.core.training.trainer import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import NoDataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder, features_or_degrees
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.nodes.ensemble import Ensemble, average_logits
from vicinal.graphs.nodes.fitted_model import FittedNodeModel, memory_limit
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.propagated_features import (
    PropagatedLinearModel,
    fit_feature_model,
    fit_propagated_models,
)
from vicinal.graphs.nodes.split import split_nodes
from vicinal.graphs.sparse.memmap import matrix_allocator

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

MIN_IMPROVEMENT = 1e-3
"""smallest improvement that matters: mean Brier score, or standard deviations of the
target. On easy data far smaller differences are significant"""

FOLDS = 5
"""cross-validation folds of the linear models, where there is no validation split"""


class NodeEstimator(NodeModel):
    """Base of NodeClassifier and NodeRegressor: `fit`."""

    def fit(
        self, X: Any, y: Any = None, *, edges: Any = None, target: str | None = None
    ) -> Self:
        """Fit to a graph of which some or all nodes are labelled.

        X, edges: as for `read_graph`. y: [N] labels, None for a node without. target:
        the column, or attribute, of the labels.
        Rows that cannot be used are quarantined: a QuarantineWarning counts them, and
        `quarantine_` lists each with its reason.
        """
        epochs = self.fit_epochs(X, y, edges=edges, target=target)
        return self.train_to_end(epochs)

    def fit_baseline(self, table: GraphTable) -> None:
        """Split the nodes, fit the linear baseline and calibrate it."""
        settings = self.settings_
        split = split_nodes(table, settings, seed_for(self.random_state, 3) % 2**32)
        if not (split == TRAIN).any():
            raise NoDataError(
                "No labelled node is in the train split. Check the labels and the "
                "split column."
            )
        objective, split = objective_and_split(
            table, split, settings.label_smoothing, self.unit
        )
        encoder, notes = FeatureEncoder.from_features(table.features)
        table.notes.extend(notes)
        table = table.replace(max_bytes=memory_limit(settings))
        graph = encode_graph(table, encoder, objective, split == TRAIN)
        y = graph.y[graph.train_mask]
        if settings.class_weight == "balanced":
            objective = objective.with_class_weights(y)
        name, neighbors = settings.network, None
        if name != "none":  # raises SettingError before anything is fitted
            ensemble = self._ensemble(graph, split, objective, time.monotonic())
            name, neighbors = ensemble.network_name, ensemble.num_neighbors
        masks = validation_masks(graph, split, objective, self.random_state)
        candidates = list(
            fit_propagated_models(graph, objective, masks, 1e9 * settings.memory)
        )
        if neighbors is not None:
            graph.adjacency.clear_cache()  # large, and mini-batches do not need it
        self.model_ = FittedNodeModel(
            objective=objective,
            integer_classes=table.whole_numbers,
            constant_baseline=constant_baseline(objective, y),
            quarantine=list(table.quarantined),
            feature_encoder=encoder,
            graph=table,
            labelled_graph=graph,
            split=split,
            linear_candidates=candidates,
            features_only=fit_feature_model(graph, objective, masks),
            **best_linear_models(candidates),
            network_name=name,
            num_neighbors=neighbors,
        )
        self.calibrate()

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train networks, if any are asked for, and keep them if they are better."""
        if self.settings_.network == "none":
            return
        ensemble = self._ensemble(
            self.labelled_graph_,
            self.split_,
            self.objective_,
            started_at,
            checkpoint,
            stop_requested,
        )
        for epoch in ensemble.epochs():
            self.update(history=list(ensemble.history))
            yield epoch
        self.update(history=ensemble.history)
        self.graph_.notes.extend(ensemble.notes)
        if ensemble.networks:
            self._choose_model(ensemble)

    def _ensemble(
        self,
        graph: LabelledGraph,
        split: np.ndarray,
        objective: Objective,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Ensemble:
        return Ensemble(
            settings=self.settings_,
            graph=graph,
            val_mask=split == VAL,
            objective=objective,
            seed=seed_for(self.random_state, 1),
            started_at=started_at,
            checkpoint=checkpoint,
            stop_requested=stop_requested,
            fingerprint="" if checkpoint is None else self.fingerprint(),
        )

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        graph = self.labelled_graph_
        edges, weight = graph.adjacency.incoming, graph.edge_weight
        yield from (graph.x, edges.indptr, edges.indices, edges.edge_ids)
        yield from () if weight is None else (weight,)
        yield from (graph.y, self.split_)

    def validation_targets(self) -> np.ndarray:
        return self.labelled_graph_.y[self.split_ == VAL]

    def validation_logits(self) -> Tensor:
        return self.logits()[self.split_ == VAL]

    def _choose_model(self, ensemble: Ensemble) -> None:
        """Keep the networks, averaged with the linear baseline or alone, if better.

        Two tests in a fixed order, so that neither needs a correction: is the average
        better than the baseline? If so, are the networks alone better than the average?
        """
        y, objective = self.validation_targets(), self.objective_
        if not len(y):
            self.update(networks=ensemble.networks, untested=True)
            return
        linear, all_logits = self.validation_logits(), ensemble.logits()
        network = all_logits[self.split_ == VAL]
        if self.settings_.keep == "network":
            comparison = compare_at_own_temperature(objective, y, network, linear)
            self._use_networks(ensemble, comparison, all_logits)
            return
        temperatures = tuple(
            fit_temperature(z, y, objective) for z in (linear, network)
        )
        both = zip((linear, network), temperatures, strict=True)
        average = average_logits([z / t for z, t in both], objective)
        p_linear, p_network, p_average = (
            calibrated_predictions(objective, z, y) for z in (linear, network, average)
        )
        comparison = paired_permutation_test(objective, y, p_average, p_linear)
        if not self.is_improvement(comparison):
            self.update(comparison=comparison)
        elif self.is_improvement(
            paired_permutation_test(objective, y, p_network, p_average)
        ):
            comparison = paired_permutation_test(objective, y, p_network, p_linear)
            self._use_networks(ensemble, comparison, all_logits)
        else:
            self.update(
                networks=ensemble.networks,
                mixture_temperatures=temperatures,
                comparison=comparison,
            )
            self.calibrate()

    def _use_networks(
        self, ensemble: Ensemble, comparison: PairedComparison, logits: Any
    ) -> None:
        """Predict by the networks alone, whose logits [N, K] are known."""
        self.update(networks=ensemble.networks, comparison=comparison)
        self._cache = self._cache_key(), logits
        self.calibrate()

    def is_improvement(self, comparison: PairedComparison) -> bool:
        """Return whether a difference is significant, and large enough to matter.

        More decisions may become worse than better by one standard deviation of what
        a fair coin would give: of a few hundred nodes some twenty are decided
        differently, and one more or less says nothing.
        """
        std = getattr(self.objective_, "std", 1.0)
        wins, losses = comparison.wins, comparison.losses
        return (
            comparison.p <= LEVEL
            and losses - wins <= math.sqrt(losses + wins)
            and comparison.theirs - comparison.ours > MIN_IMPROVEMENT * std
        )

    @property
    def comparison_text(self) -> str:
        """Return how the networks compared with the linear baseline, in a sentence."""
        if self.untested_:
            return super().comparison_text
        comparison, kept = self.comparison_, self.networks_ is not None
        better = comparison is not None and self.is_improvement(comparison)
        return describe_choice(comparison, kept, better)

    def explain(
        self, name: str, target: str | None = None, *, seed: int = 0
    ) -> "GraphExplanation":
        """Explain the prediction for a node: print, `draw()`, or read `found`.

        The linear baseline is a sum over nodes; for networks the edges that change the
        prediction are searched and tested against random edges (seed). target: a class;
        None: the predicted one. Explain a new node on `with_new_nodes(...)`. Raises
        NoDataError for an unknown node, ClassError for an unknown class.
        """
        from vicinal.graphs.explain.explanation import explain_node

        self.check_fitted()
        return explain_node(self, str(name), target, seed)


def encode_graph(
    table: GraphTable,
    encoder: FeatureEncoder,
    objective: Objective,
    train_mask: np.ndarray,
) -> LabelledGraph:
    """Return a graph as tensors, with targets, on disk where memory is short."""
    import torch

    make = matrix_allocator(table.max_bytes)
    x = torch.from_numpy(encoder.transform(table.features, len(table), make))
    y, adjacency = encode_labels(table, objective), table.adjacency
    x = features_or_degrees(x, adjacency)
    return LabelledGraph(x, adjacency, table.edge_weight, y, train_mask)


def validation_masks(
    graph: LabelledGraph, split: np.ndarray, objective: Objective, random_state: int
) -> list[np.ndarray]:
    """Return masks [N] to choose linear models by: validation split, or train folds.

    None where the train split is too small to be divided.
    """
    val = split == VAL
    if val.any():
        return [val]
    rows = np.flatnonzero(graph.train_mask)
    strata, single = graph.y[rows], objective.kind == "single_label"
    if single and np.bincount(strata, minlength=objective.outputs).min() < 2:
        return []  # a fold would leave a class without a node
    if len(rows) < 2:
        return []
    folds = min(FOLDS, len(rows))
    assigned = assign_folds(
        strata if single else np.zeros(len(rows)),
        folds=folds,
        seed=seed_for(random_state, 4) % 2**32,
    )
    masks = []
    for fold in range(folds):
        mask = np.zeros(len(graph.train_mask), bool)
        mask[rows[assigned == fold]] = True
        masks.append(mask)
    return masks


def best_linear_models(candidates: list[PropagatedLinearModel]) -> dict[str, Any]:
    """Return the candidate of lowest loss, of all and of those that use features.

    Where nothing could be held out there is one candidate, which uses labels only.
    """
    if len(candidates) == 1:
        return {"linear": candidates[0], "linear_with_features": None}
    with_features = [c for c in candidates if c.feature_set != "label_propagation"]
    return {
        "linear": min(candidates, key=lambda model: model.loss),
        "linear_with_features": min(with_features, key=lambda model: model.loss),
    }


class NodeClassifier(NodeEstimator):
    """Predict the class, or several labels, of each node of a graph.

    >>> model = NodeClassifier().fit("cora")  # nodes.csv, edges.csv
    >>> model.predict()  # every node; some: model.predict(["p17", "p30"])

    After fit: `classes_` [K], `linear_`, `networks_`, `history_`.
    """

    estimator_type = "classifier"
    kinds = ("single_label", "multi_label")

    def predict_proba(self, X: Any = None, **new: Any) -> np.ndarray:
        """Return probabilities [N, K] in the order of `classes_`."""
        return self.predict_values(X, **new)

    def predict(self, X: Any = None, **new: Any) -> np.ndarray:
        """Return the most probable class [N]; marks [N, K] of several labels.

        X: names of nodes, another graph, or None: every node. new_nodes, new_edges:
        tables of new nodes and of their edges.
        """
        return self.decide(self.predict_proba(X, **new))


class NodeRegressor(NodeEstimator):
    """Predict a number for each node of a graph.

    >>> model = NodeRegressor().fit("roads", target="cars")
    >>> model.predict()  # in the unit of the target
    """

    estimator_type = "regressor"
    kinds = ("numeric",)

    def predict(self, X: Any = None, **new: Any) -> np.ndarray:
        """Return the number [N] of each node; X as for NodeClassifier."""
        return self.predict_values(X, **new)
