"""GraphClassifier and GraphRegressor: predict a class or a number for each graph.

A linear baseline on graph features is cross-validated first. A GIN, or a GINE where
edges have features, is then trained within the time budget; it replaces the baseline
only if it is significantly better on the validation split.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import (
    TEST,
    TRAIN,
    VAL,
    assign_folds,
    check_test_split,
    check_train_split,
)
from vicinal.core.estimators.labels import (
    check_label_kind,
    decode_targets,
    encode_labels,
    objective_and_split,
    rows_to_score,
)
from vicinal.core.estimators.model_choice import (
    constant_baseline,
    evaluate_against_constant,
)
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.objective import Objective
from vicinal.core.training.trainer import Epoch, loss_and_score
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.graphs.data.edge_features import fit_edge_encoder
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.read_collection import read_graphs
from vicinal.graphs.graph_level.fitted_model import FittedGraphModel
from vicinal.graphs.graph_level.graph_features import (
    BatchedGraphs,
    GraphLinearModel,
    fit_graph_linear_models,
    graph_features,
)
from vicinal.graphs.graph_level.labelled_graphs import (
    LabelledGraphs,
    encode_graphs,
    graph_loader,
    split_graphs,
)
from vicinal.graphs.graph_level.networks import (
    GraphBatchNetwork,
    GraphLevelConfig,
    GraphLevelNetwork,
)
from vicinal.graphs.settings import GraphLevelSettings

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

FOLDS = 10
EPOCHS, LR = 60, 5e-3
WITHOUT_EDGES = "linear model without edges"


class GraphLevelEstimator(SupervisedEstimator):
    """Base of GraphClassifier and GraphRegressor."""

    settings_type = GraphLevelSettings
    settings_: GraphLevelSettings
    fitted_type = FittedGraphModel
    unit = "graph"
    cpu_only = "graph networks"

    model_: FittedGraphModel
    feature_encoder_: FeatureEncoder
    edge_encoder_: FeatureEncoder
    linear_candidates_: list[GraphLinearModel]
    linear_: GraphLinearModel
    network_: GraphLevelNetwork | None
    split_: np.ndarray
    data_: GraphCollection | None
    graphs_: BatchedGraphs | None
    y_: np.ndarray | None
    test_: LabelledGraphs

    # --- fit ---

    def fit(self, X: Any, y: Any = None, *, target: str | None = None) -> Self:
        """Fit to labelled graphs, in any form that `read_graphs` takes.

        Rows that cannot be used are quarantined: a QuarantineWarning counts them, and
        `quarantine_` lists each with its reason.
        """
        return self.train_to_end(self.fit_epochs(X, y, target=target))

    def read(
        self, X: Any, y: Any = None, *, target: str | None = None
    ) -> GraphCollection:
        """Return the graphs of X; DataError where their labels do not fit."""
        regression = self.kinds == ("numeric",)
        task = "regression" if regression else "auto"
        data = self.read_graphs(X, y, task=task, target=target)
        if data.kind == "numeric" and not regression:  # the numbers name classes
            data = data.with_task("classification")
        check_label_kind(data.kind, self.kinds, type(self).__name__, self.unit)
        return data

    def read_graphs(self, X: Any, y: Any = None, **options: Any) -> GraphCollection:
        """Return the graphs of X, whose tables have the columns that are named."""
        settings = self.validate_settings()
        return read_graphs(X, y, **options, **settings.table_columns())

    def fit_baseline(self, data: GraphCollection) -> None:
        """Split the graphs, fit the linear baseline and calibrate it."""
        settings = self.settings_
        seed = seed_for(self.random_state, 3) % 2**32
        parts = split_graphs(data, settings.val_fraction, settings.test_fraction, seed)
        check_train_split(int((parts == TRAIN).sum()), "labelled graph")
        objective, parts = objective_and_split(
            data, parts, settings.label_smoothing, self.unit
        )
        encoder, notes = FeatureEncoder.from_features(data.nodes.features)
        edge_encoder, edge_notes = fit_edge_encoder(data)
        data.notes.extend([*notes, *edge_notes])
        encoders = encoder, edge_encoder
        graphs, y = encode_graphs(data, *encoders), encode_labels(data, objective)
        candidates = self._fit_candidates(graphs, y, parts, objective)
        test = data.select(np.flatnonzero(parts == TEST))
        self.model_ = FittedGraphModel(
            objective=objective,
            integer_classes=data.whole_numbers,
            constant_baseline=constant_baseline(objective, y[parts == TRAIN]),
            quarantine=list(data.quarantined),
            feature_encoder=encoder,
            edge_encoder=edge_encoder,
            linear_candidates=candidates,
            linear=min(candidates, key=lambda candidate: candidate.loss),
            split=parts,
            data=data,
            graphs=graphs,
            y=y,
            test=LabelledGraphs(
                test.names, encode_graphs(test, *encoders), y[parts == TEST]
            ),
        )
        self.calibrate()

    def _fit_candidates(
        self,
        graphs: BatchedGraphs,
        y: np.ndarray,
        parts: np.ndarray,
        objective: Objective,
    ) -> list[GraphLinearModel]:
        """Return the cross-validated linear model on each set of graph features."""
        rows = np.flatnonzero(parts == TRAIN)
        strata = y[rows] if objective.kind == "single_label" else np.zeros(len(rows))
        folds = assign_folds(
            strata,
            folds=min(FOLDS, len(rows)),
            seed=seed_for(self.random_state, 4) % 2**32,
        )
        return list(fit_graph_linear_models(graphs, y, rows, folds, objective))

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train a network, if one is asked for, and keep it if it is better."""
        settings = self.settings_
        if settings.network == "none":
            return
        if settings.network == "gine" and not self.edge_encoder_.num_features:
            raise SettingError(
                "gine needs features of edges, and these graphs have none. Use "
                "--network gin."
            )
        graphs, y = self._graphs_and_targets()
        assert self.data_ is not None  # it has graphs_
        torch.manual_seed(seed_for(self.random_state, 5))
        network = GraphLevelNetwork(
            GraphLevelConfig(
                graphs.x.shape[1],
                settings.hidden,
                settings.layers,
                self.objective_.outputs,
                settings.dropout,
                graphs.num_edge_features if self.network_name == "gine" else 0,
            )
        )
        rows = np.flatnonzero(self.split_ == TRAIN)
        loader = graph_loader(
            rows,
            torch.from_numpy(y[rows]),
            2 * self.data_.edge_counts[rows],
            settings.batch_size,
            seed_for(self.random_state, 6),
        )
        trainer = self.make_trainer(
            GraphBatchNetwork(network, graphs),
            loader,
            self._validate,
            settings=settings.for_trainer(
                epochs=settings.epochs or EPOCHS, lr=settings.lr or LR
            ),
            started_at=started_at,
            checkpoint=checkpoint,
            stop_requested=stop_requested,
            select_epoch=settings.patience > 0,
        )
        yield from self.run_trainer(trainer)
        self.keep_if_better(network)

    def _graphs_and_targets(self) -> tuple[BatchedGraphs, np.ndarray]:
        if self.graphs_ is None or self.y_ is None:
            raise NoDataError(
                "A loaded model does not contain the graphs it was trained on. Pass "
                "the graphs as X."
            )
        return self.graphs_, self.y_

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        """Return loss and score on the validation split."""
        _, y = self._graphs_and_targets()
        val = np.flatnonzero(self.split_ == VAL)
        return loss_and_score(self.objective_, model(torch.from_numpy(val)), y[val])

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        graphs, y = self._graphs_and_targets()
        edges = graphs.adjacency.incoming
        return graphs.x, edges.indptr, edges.indices, graphs.batch, y, self.split_

    def validation_targets(self) -> np.ndarray:
        _, y = self._graphs_and_targets()
        return y[self.split_ == VAL]

    def validation_logits(self) -> Tensor:
        graphs, _ = self._graphs_and_targets()
        return self._logits(graphs)[self.split_ == VAL]

    # --- predict ---

    def to_tensors(self, data: GraphCollection) -> BatchedGraphs:
        """Return graphs as the tensors that the model takes."""
        if data.nodes.edge_features is not None and not self.edge_encoder_.num_features:
            data.notes.append("features of edges are not used, as in training")
        return encode_graphs(data, self.feature_encoder_, self.edge_encoder_)

    @torch.no_grad()
    def _logits(self, graphs: BatchedGraphs) -> Tensor:
        if self.network_ is None:
            return self.linear_.logits(graphs)
        return self.network_(graphs)

    def logits(self, X: Any) -> Tensor:
        """Return logits [G, K] before calibration; X as for `read_graphs`."""
        self.check_fitted()
        return self._logits(self.to_tensors(self.read_graphs(X)))

    def predict_values(self, X: Any) -> np.ndarray:
        """Return probabilities [G, K], or numbers [G]; X as for `read_graphs`."""
        return self.predict_from_logits(self.logits(X))

    @torch.no_grad()
    def transform(self, X: Any = None) -> np.ndarray:
        """Return embeddings [G, D]: the input of the last dense layer.

        X: graphs; None: those of `fit` (NoDataError for a loaded model).
        """
        self.check_fitted()
        if X is None:
            graphs, _ = self._graphs_and_targets()
        else:
            graphs = self.to_tensors(self.read_graphs(X))
        if self.network_ is None:
            return graph_features(self.linear_.feature_set, graphs)
        return self.network_.embed(graphs).numpy()

    def explain(
        self,
        X: Any,
        target: str | None = None,
        *,
        name: Any = None,
        seed: int = 0,
    ) -> "GraphExplanation":
        """Explain the prediction for one graph by leaving out each of its nodes.

        X: a graph, or graphs of which `name` is one, as for `read_graphs`. target: a
        class; None: the predicted one. seed: of the random control. Raises DataError
        unless X is one graph, NoDataError for an unknown name, ClassError for an
        unknown class.
        """
        from vicinal.graphs.explain.explanation import explain_graph

        self.check_fitted()
        graph = self.read_graphs(X)
        if name is not None:
            graph = graph.by_name(str(name))
        if len(graph) != 1:
            raise DataError(
                f"explain takes one graph; choose one with name=. Got {len(graph)}."
            )
        return explain_graph(self, graph, target, seed)

    @property
    def network_name(self) -> str:
        if self.settings_.network == "gin" or not self.edge_encoder_.num_features:
            return "gin"
        return "gine"

    # --- evaluate ---

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Evaluate on the test split (X=None), or on other labelled graphs.

        Graphs of unknown classes are left out, and counted in `notes`; of graphs with a
        split of their own, those of its test split are scored.
        """
        self.check_fitted()
        if X is None:
            check_test_split(len(self.test_.names), "labelled graphs")
            return self._evaluate(self.test_)
        data = self.read(X, y)
        rows, notes = rows_to_score(data, self.objective_, self.unit)
        data = data.select(rows)
        encoded = LabelledGraphs(
            data.names, self.to_tensors(data), encode_labels(data, self.objective_)
        )
        return self._evaluate(encoded, notes)

    def _evaluate(
        self, data: LabelledGraphs, notes: list[str] | None = None
    ) -> Evaluation:
        """Evaluate beside the constant and the linear model without edges."""
        objective, y = self.objective_, data.y
        predicted = self.predict_from_logits(self._logits(data.graphs))
        labels = decode_targets(objective, y)
        found = evaluate_against_constant(
            objective,
            y,
            predicted,
            self.predictions_frame(data.names, predicted, labels),
            self.constant_baseline_,
            notes,
        )
        without_edges = self.linear_candidates_[0].logits(data.graphs)
        decided = objective.decide(objective.predict(without_edges))
        found.add_baseline(WITHOUT_EDGES, objective, y, decided)
        return found


class GraphClassifier(GraphLevelEstimator):
    """Predict the class, or several labels, of each graph.

    >>> model = GraphClassifier().fit("MUTAG")
    >>> model.predict(graphs)  # NetworkX or PyG graphs, or a directory of them

    After fit: `classes_` [K], `linear_`, `network_`, `history_`.
    """

    estimator_type = "classifier"
    kinds = ("single_label", "multi_label")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities [G, K] in the order of `classes_`."""
        return self.predict_values(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class [G]; marks [G, K] of several labels."""
        return self.decide(self.predict_proba(X))


class GraphRegressor(GraphLevelEstimator):
    """Predict a number for each graph.

    >>> model = GraphRegressor().fit("molecules", target="solubility")
    >>> model.predict(graphs)  # in the unit of the target
    """

    estimator_type = "regressor"
    kinds = ("numeric",)

    def predict(self, X: Any) -> np.ndarray:
        """Return the number [G] of each graph, in the unit of the target."""
        return self.predict_values(X)
