"""GraphClassifier and GraphRegressor: what a graph is, of any size.

First an answer from what is in it, counted (`summaries`); then a graph network within
the minutes, delivered only where it is nearer the truth on graphs that neither learned
from than chance explains. Nothing is chosen on graphs that the score is taken on.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core import objective as objectives
from vicinal.core.compute.runtime import Runtime, generator, seed_for
from vicinal.core.data.quarantine import Quarantined, warn_of
from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions, deal, split
from vicinal.core.estimators.estimator import Estimator, read_weights, save_model
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.evaluation.significance import (
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.metrics import r2
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.storage.checkpoint import under
from vicinal.core.text import counted
from vicinal.core.training.linear_head import Head
from vicinal.core.training.trainer import Epoch, Loader, Trainer
from vicinal.errors import ClassError, DataError, NoDataError
from vicinal.graphs.data.graph_collection import GraphCollection, read_graphs
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.node_list import refuse_names
from vicinal.graphs.data.output_tables import predictions_frame
from vicinal.graphs.graph_level.graph_features import (
    GraphLinearModel,
    Graphs,
    graph_answers,
    view,
)
from vicinal.graphs.graph_level.networks import (
    GraphLevelConfig,
    GraphLevelNetwork,
    OnGraphs,
)
from vicinal.graphs.node_model import CONSTANT_NAMES
from vicinal.graphs.settings import GraphLevelSettings

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

FOLDS = 10
EPOCHS, LR = 60, 5e-3


@dataclass
class GraphLoader:
    """Rows of graphs in batches of about as many edges."""

    rows: np.ndarray
    y: Tensor
    edges: np.ndarray
    """[of rows] edges of each"""

    per_batch: int
    seed: int
    share: tuple[int, int] = (0, 1)

    @property
    def steps(self) -> int:
        return max(1, round(float(self.edges.sum()) / self.per_batch))

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.rows), generator=generator(self.seed, epoch))
        done = np.cumsum(self.edges[order.numpy()] + 1)  # a graph without edges counts
        step = np.minimum(done * self.steps // (done[-1] + 1), self.steps - 1)
        k, of = self.share
        for number in range(start, self.steps):
            own = order[torch.from_numpy(step == number)][k::of]
            yield torch.from_numpy(self.rows[own.numpy()]), self.y[own]

    def part(self, k: int, of: int) -> Loader:
        return replace(self, share=(k, of))


class GraphLevelEstimator(Estimator):
    """What the two estimators of whole graphs have in common."""

    settings_type = GraphLevelSettings
    fitted_by = "linear_"
    kinds: ClassVar[tuple[str, ...]]

    random_state: int
    objective_: Objective
    columns_: FeatureEncoder
    split_: np.ndarray
    """[G] train, val, test, or nothing: what each graph was for"""

    linear_candidates_: list[GraphLinearModel]
    linear_: GraphLinearModel
    network_: GraphLevelNetwork | None
    """the network that is delivered; None: the first answer is"""

    comparison_: PairedComparison | None
    history_: list[Epoch]
    constant_baseline_: list[float]
    temperature_: float
    set_: GraphCollection
    classes_: np.ndarray

    quarantine_: list[Quarantined]
    """what could not be used, with the reason"""

    def fit(self, X: Any, y: Any = None, *, target: str | None = None) -> Self:
        """Learn from graphs with labels, as `read_graphs` takes them.

        What cannot be used is set aside: a QuarantineWarning counts it, and
        `quarantine_` names each with its reason.
        """
        for _ in self.fit_epochs(X, y, target=target):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        y: Any = None,
        *,
        target: str | None = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records; the first answer is there before."""
        started_at = time.monotonic()
        self.begin(self.read(X, y, target=target))
        warn_of(self.quarantine_, "row")
        return self._epochs(started_at, checkpoint, stop_requested)

    def read(
        self, X: Any, y: Any = None, *, target: str | None = None
    ) -> GraphCollection:
        """The graphs of X, checked to have labels of a kind that this one learns."""
        numeric = self.kinds == ("numeric",)
        found = read_graphs(
            X, y, task="regression" if numeric else "auto", target=target
        )
        if found.kind == "numeric" and not numeric:  # whole numbers may name classes
            found = read_graphs(X, y, task="classification", target=target)
        if found.kind == "none":
            raise DataError("No graph has a label. Give them as y, or in graphs.csv.")
        if found.kind not in self.kinds:
            raise DataError(
                f"{type(self).__name__} learns from labels that are "
                f"{' or '.join(self.kinds)}; these are {found.kind}."
            )
        return found

    def begin(self, found: GraphCollection) -> None:
        """Find the first answer; it is the model until something better."""
        self.set_, self.quarantine_ = found, list(found.set_aside)
        self.split_ = self._parts(found)
        learned = np.flatnonzero(self.split_ == TRAIN)
        if len(learned) < 2:
            raise NoDataError(
                f"{counted(len(learned), 'labelled graph')} left to learn from, where "
                "two or more are needed."
            )
        self.objective_ = self._objective(found)
        self._name_classes(found.whole_numbers)
        self.columns_, notes = FeatureEncoder.of(found.nodes.features)
        found.notes.extend(notes)
        self.graphs_ = self._tensors(found)
        self.y_ = self._encoded(found)
        self.constant_baseline_ = np.atleast_1d(
            self.objective_.constant(self.y_[learned])
        ).tolist()
        self.network_, self.comparison_, self.history_ = None, None, []
        self.temperature_ = 1.0
        strata = self.y_[learned]
        if self.objective_.kind != "single_label":
            strata = np.zeros(len(learned))
        folds = deal(
            strata,
            folds=min(FOLDS, len(learned)),
            seed=seed_for(self.random_state, 4) % 2**32,
        )
        how = self.graphs_, self.y_, learned, folds, self.objective_
        self.linear_candidates_ = list(graph_answers(*how))
        self.linear_ = min(self.linear_candidates_, key=lambda answer: answer.loss)
        self._calibrate()

    def _parts(self, found: GraphCollection) -> np.ndarray:
        settings, rows = self.settings, np.flatnonzero(found.labelled)
        parts = np.full(len(found), "", dtype="U5")
        seed = seed_for(self.random_state, 3) % 2**32
        assert found.labels is not None  # `read` has seen to it
        one = found.kind == "single_label"
        strata = found.labels.astype(str) if one else np.zeros(len(found))
        val, test = settings.val_fraction, settings.test_fraction
        if found.split is None:
            shares = Fractions(1 - val - test, val, test)
            parts[rows] = split(strata[rows], fractions=shares, seed=seed)
            return parts
        parts[rows] = found.split[rows]
        for part, share in ((TEST, test), (VAL, val)):
            own = np.flatnonzero(parts == TRAIN)
            if not (parts == part).any() and share and len(own):
                shares = Fractions(1 - share, 0.0, share)
                taken = split(strata[own], fractions=shares, seed=seed)
                parts[own[taken == TEST]] = part
        return parts

    def _tensors(self, found: GraphCollection) -> Graphs:
        nodes = found.nodes
        x = torch.from_numpy(self.columns_.read(nodes.features, len(nodes)))
        graph = nodes.adjacency
        member = torch.from_numpy(found.member)
        x = x if x.shape[1] else torch.ones(len(nodes), 1)  # a node is a node
        return Graphs(x, graph, member, len(found))

    def _encoded(self, found: GraphCollection) -> np.ndarray:
        objective = self.objective_
        if objective.kind == "single_label":
            y = np.zeros(len(found), np.int64)
        elif objective.kind == "multi_label":
            y = np.zeros((len(found), objective.outputs), np.float32)
        else:
            y = np.zeros(len(found))
        if found.labels is not None:
            usable = self._usable(found)
            y[usable] = objective.encode(found.labels[usable].tolist())
        return y

    def _usable(self, found: GraphCollection) -> np.ndarray:
        """[G] bool: graphs with a label that the model can be asked for."""
        if found.labels is None or self.objective_.kind != "single_label":
            return found.labelled
        known = set(self.objective_.classes)
        return np.array([label in known for label in found.labels], dtype=bool)

    # --- the network -------------------------------------------------------------

    def _epochs(
        self, started_at: float, checkpoint: Path | None, stop: Callable[[], bool]
    ) -> Iterator[Epoch]:
        settings = self.settings
        if settings.network == "none":
            return
        torch.manual_seed(seed_for(self.random_state, 5))
        shape = GraphLevelConfig(
            self.graphs_.x.shape[1],
            settings.hidden,
            settings.layers,
            self.objective_.outputs,
            settings.dropout,
        )
        network = GraphLevelNetwork(shape)
        learned = np.flatnonzero(self.split_ == TRAIN)
        loader = GraphLoader(
            learned,
            torch.from_numpy(self.y_[learned]),
            2 * self.set_.edge_counts[learned],
            settings.edges_per_batch,
            seed_for(self.random_state, 6),
        )
        on_graphs = OnGraphs(network, self.graphs_)
        trainer = Trainer(
            model=on_graphs,
            loader=loader,
            objective=self.objective_,
            settings=replace(
                settings, epochs=settings.epochs or EPOCHS, lr=settings.lr or LR
            ),
            time_limited=settings.minutes is not None,
            runtime=Runtime(exact=settings.exact),
            validate=self._validate,
            judged=settings.patience > 0,
            by_loss=True,
            started_at=started_at,
            seed=seed_for(self.random_state, 1),
            checkpoint_file=checkpoint,
            fingerprint=type(self).__name__,
            stop_requested=stop,
        )
        for epoch in trainer.epochs():
            self.history_ = trainer.progress.history
            yield epoch
        trainer.load_best()
        self._keep_the_better(network.eval())

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        val = np.flatnonzero(self.split_ == VAL)
        if not len(val):
            return math.nan, math.nan
        assert isinstance(model, OnGraphs)
        said = model.logits(torch.from_numpy(val))
        loss = float(self.objective_.loss(said, torch.from_numpy(self.y_[val])))
        predicted = self.objective_.predict(said)
        return loss, self.objective_.measure(self.y_[val], predicted)

    def _keep_the_better(self, network: GraphLevelNetwork) -> None:
        val, objective = self.split_ == VAL, self.objective_
        if not val.any():
            self.network_ = network
            return
        y = self.y_[val]
        with torch.no_grad():
            ours = network(self.graphs_)[val]
        theirs = self.linear_.logits(self.graphs_)[val]
        both = [
            objective.predict(z / fit_temperature(z, y, objective))
            for z in (ours, theirs)
        ]
        self.comparison_ = paired_permutation_test(objective, y, *both)
        if self.comparison_.better or self.settings.deliver == "networks":
            self.network_ = network
        self._calibrate()

    def _calibrate(self) -> None:
        val = self.split_ == VAL
        if val.any():
            said = self._logits(self.graphs_)[val]
            self.temperature_ = fit_temperature(
                said, self.y_[val], self.objective_, True
            )

    # --- answering ---------------------------------------------------------------

    @torch.no_grad()
    def _logits(self, graphs: Graphs) -> Tensor:
        if self.network_ is None:
            return self.linear_.logits(graphs)
        return self.network_(graphs)

    def _predict(self, logits: Tensor) -> np.ndarray:
        if self.objective_.kind == "numeric":
            return self.objective_.predict(logits)
        return self.objective_.predict(logits / self.temperature_)

    def predicted(self, X: Any) -> np.ndarray:
        """Probabilities [G, K], or numbers [G], of graphs as `read_graphs` has them."""
        return self._predict(self.logits(X))

    def logits(self, X: Any) -> Tensor:
        """[G, K] of graphs as `read_graphs` has them, before calibration."""
        self.check_fitted()
        return self._logits(self._tensors(read_graphs(X)))

    @torch.no_grad()
    def transform(self, X: Any = None) -> np.ndarray:
        """Embeddings [G, D]: what the last dense layer sees of each graph.

        X: None for those it learned from, once it has; a model that was read from a
        file does not keep them (NoDataError).
        """
        self.check_fitted()
        if X is None and not hasattr(self, "graphs_"):
            raise NoDataError(
                "The model does not keep the graphs that it learned from: name those "
                "to be embedded."
            )
        graphs = self.graphs_ if X is None else self._tensors(read_graphs(X))
        if self.network_ is None:
            return view(self.linear_.view, graphs)
        return self.network_.embed(graphs).numpy()

    def explain(
        self,
        X: Any,
        target: str | None = None,
        *,
        name: Any = None,
        seed: int = 0,
    ) -> "GraphExplanation":
        """What the answer for one graph rests on: what each of its nodes costs.

        X: a graph, or graphs of which `name` is one, as `read_graphs` takes them. The
        order is held against nodes at random (seed). target: a class; None: the one
        that is said. DataError where X is not one graph, NoDataError where none has the
        name, SettingError for a class that is not there.
        """
        from vicinal.graphs.explain.explanation import explain_graph

        self.check_fitted()
        graph = read_graphs(X)
        if name is not None:
            graph = graph.named(str(name))
        if len(graph) != 1:
            raise DataError(
                f"One graph is explained at a time: choose it by name=. Got "
                f"{len(graph)}."
            )
        return explain_graph(self, graph, target, seed)

    @property
    def delivered(self) -> str:
        """What answers."""
        return "the first answer" if self.network_ is None else self.network_name

    @property
    def networks_delivered(self) -> list[GraphLevelNetwork]:
        """The network, if it is delivered."""
        return [] if self.network_ is None else [self.network_]

    @property
    def first_told(self) -> str:
        """What the first answer is."""
        return str(self.linear_)

    network_name = "gin"
    """the kind of network that is tried"""

    @property
    def against_the_first(self) -> str:
        """How the network did beside the first answer, in a sentence; nothing where
        none was tried."""
        if self.comparison_ is None:
            return ""
        asked = self.network_ is not None and not self.comparison_.better
        verdict = "delivered, as was asked for" if asked else self.comparison_.verdict
        return f"{self.comparison_}: {verdict}"

    # --- being judged ------------------------------------------------------------

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Score on graphs that were held out, or on others with labels."""
        self.check_fitted()
        if X is None:
            rows = np.flatnonzero(self.split_ == TEST)
            if not len(rows):
                raise NoDataError("No graph was held out: name some with labels.")
            return self._judged(self.set_.rows(rows))
        found = self.read(X, y)
        usable = self._usable(found)
        if not usable.any():
            raise ClassError("No graph is of a class that the model knows.")
        left = int((found.labelled & ~usable).sum())
        note = f"{counted(left, 'graph')} of unknown classes left out"
        return self._judged(found.rows(usable), [note] if left else [])

    def _judged(
        self, found: GraphCollection, notes: list[str] | None = None
    ) -> Evaluation:
        """The evaluation, beside what never looks and what sees no edge."""
        objective, graphs = self.objective_, self._tensors(found)
        y = self._encoded(found)
        blind = (
            self.constant_baseline_
            if objective.kind == "multi_label"
            else self.constant_baseline_[0]
        )
        if objective.kind == "single_label" and len(np.unique(y)) > 1:
            blind = objective.constant(y)
        predicted = self._predict(self._logits(graphs))
        told = evaluate_predictions(
            objective,
            y,
            predicted,
            self.predictions_frame(found.names, predicted, found.labels),
            blind,
            CONSTANT_NAMES[objective.kind],
            notes,
        )
        if getattr(self, "linear_candidates_", None):
            alone = objective.predict(self.linear_candidates_[0].logits(graphs))
            told.add_baseline(
                "answer without edges", objective, y, objective.decide(alone)
            )
        return told

    def predictions_frame(
        self, names: np.ndarray, predicted: np.ndarray, labels: Any = None
    ) -> Any:
        """Predictions as a table: id, label (where known), predicted, and more."""
        return predictions_frame(self.objective_, names, predicted, labels)

    # --- keeping -----------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the model to a folder: safetensors and JSON, nothing to unpickle."""
        self.check_fitted()
        network = self.network_
        whole = getattr(getattr(self, "classes_", None), "dtype", None) == np.int64
        description = {
            "estimator": type(self).__name__,
            "parameters": self.plain_params(),
            "objective": objectives.to_dict(self.objective_),
            "columns": self.columns_.to_dict(),
            "firsts": [answer.to_dict() for answer in self.linear_candidates_],
            "first": self.linear_candidates_.index(self.linear_),
            "network": None if network is None else network.shape._asdict(),
            "constant": self.constant_baseline_,
            "temperature": self.temperature_,
            "whole_number_classes": whole,
            "history": [epoch._asdict() for epoch in self.history_],
        }
        tensors: dict[str, Tensor] = {}
        for k, answer in enumerate(self.linear_candidates_):
            tensors[f"first.{k}.weights"] = torch.from_numpy(answer.head.weights)
            tensors[f"first.{k}.bias"] = torch.from_numpy(answer.head.bias)
        if network is not None:
            state = network.state_dict().items()
            tensors |= {f"network.{name}": t for name, t in state}
        return save_model(path, description, tensors)

    @classmethod
    def restore(cls, folder: str | Path, description: dict[str, Any]) -> Self:
        """The estimator that `save` wrote to a folder."""
        self = cls(**description["parameters"])
        self.objective_ = objectives.from_dict(description["objective"])
        self.columns_ = FeatureEncoder.from_dict(description["columns"])
        self.constant_baseline_ = description["constant"]
        self.temperature_ = description["temperature"]
        self.history_ = [Epoch.of(epoch) for epoch in description["history"]]
        self.split_ = np.array([], dtype="U5")
        tensors = read_weights(folder, description)
        self.linear_candidates_ = []
        for k, told in enumerate(description["firsts"]):
            head = under(f"first.{k}", tensors)
            arrays = head["weights"].numpy(), head["bias"].numpy()
            self.linear_candidates_.append(
                GraphLinearModel(
                    told["view"],
                    Head(*arrays, told["penalty"]),
                    self.objective_,
                    told["loss"],
                )
            )
        self.linear_ = self.linear_candidates_[description["first"]]
        self.network_ = None
        if description["network"] is not None:
            self.network_ = GraphLevelNetwork(
                GraphLevelConfig(**description["network"])
            )
            self.network_.load_state_dict(under("network", tensors))
            self.network_.eval()
        self._name_classes(description["whole_number_classes"])
        return self

    def _name_classes(self, whole: bool) -> None:
        names = self.objective_.classes
        if names:
            self.classes_ = np.array([int(k) for k in names] if whole else names)

    def _objective(self, found: GraphCollection) -> Objective:
        raise NotImplementedError


class GraphClassifier(GraphLevelEstimator):
    """Name what each graph is.

    >>> model = GraphClassifier().fit("MUTAG")
    >>> model.predict(graphs)  # of NetworkX, of PyG, or a folder of them

    After fit: `classes_` [K], `linear_`, `network_`, `history_`.
    """

    estimator_type = "classifier"
    kinds = ("single_label", "multi_label")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [G, K] in the order of `classes_`."""
        return self.predicted(X)

    def predict(self, X: Any) -> np.ndarray:
        """The class [G] of largest probability; of several labels marks [G, K]."""
        rows = self.objective_.decide(self.predict_proba(X))
        return rows if self.objective_.kind == "multi_label" else self.classes_[rows]

    def score(self, X: Any = None, y: Any = None) -> float:
        """Share of graphs whose class is right."""
        return self.evaluate(X, y).score.value

    def _objective(self, found: GraphCollection) -> Objective:
        assert found.labels is not None  # `read` has seen to it
        if found.kind == "multi_label":
            texts = found.labels[found.labelled]
            names = sorted({name for text in texts for name in text.split("|")})
            return MultiLabel(tuple(names))
        if found.labelled.all():
            refuse_names(found.labels)
        there = tuple(sorted(set(found.labels[self.split_ == TRAIN])))
        if len(there) < 2:
            raise DataError(
                f"All graphs to learn from are of one class ({', '.join(there)}). A "
                "classifier needs two or more."
            )
        strange = found.labelled & ~np.isin(found.labels.astype(str), there)
        self.split_[strange] = ""
        return SingleLabel(there, self.settings.label_smoothing)


class GraphRegressor(GraphLevelEstimator):
    """A number for each graph."""

    estimator_type = "regressor"
    kinds = ("numeric",)

    def predict(self, X: Any) -> np.ndarray:
        """The number [G] of each graph, in the unit of the target."""
        return self.predicted(X)

    def score(self, X: Any = None, y: Any = None) -> float:
        """R^2 on graphs that were held out, or on those of X."""
        told = self.evaluate(X, y).predictions
        return r2(told["label"].to_numpy(float), told["predicted"].to_numpy(float))

    def _objective(self, found: GraphCollection) -> Objective:
        assert found.labels is not None  # `read` has seen to it
        return Numeric.of(found.labels[self.split_ == TRAIN].astype(float))
