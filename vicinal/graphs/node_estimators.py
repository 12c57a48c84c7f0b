"""NodeClassifier and NodeRegressor: what a node is, told by what surrounds it.

First an answer in seconds (`first_answer`), then graph networks within the minutes; the
networks are delivered only where they are nearer the truth on nodes held out to choose
by than chance explains (`core.paired`).
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.quarantine import Quarantined, warn_of
from vicinal.core.data.splits import TEST, TRAIN, VAL, deal
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.significance import (
    LEVEL,
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.metrics import r2
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.training.trainer import Epoch
from vicinal.errors import DataError, NoDataError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.node_list import refuse_names
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.nodes.ensemble import Ensemble, averaged
from vicinal.graphs.nodes.propagated_features import (
    PropagatedLinearModel,
    features_alone,
    first_answers,
)
from vicinal.graphs.nodes.split import parts_of

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

MATTERS = 1e-3
"""mean distance from the truth, in Brier score or spreads of the target, by which
networks have to be nearer: where all is right, the last digits can be told apart too"""

FOLDS = 5
"""where no node could be held out to choose by"""


class NodeEstimator(NodeModel):
    """How the two estimators learn."""

    split_: np.ndarray
    """[N] train, val, test, or nothing: what each node was for"""

    linear_candidates_: list[PropagatedLinearModel]
    """the best answer of each view that was tried"""

    comparison_: PairedComparison | None
    """the networks against the first answer on the validation part; None: no network
    was trained, or nothing was held out"""

    quarantine_: list[Quarantined]
    """what could not be used, with the reason"""

    network_name: str
    """the kind of network that is tried"""

    minutes: float | None
    samples: tuple[int, ...] | None = None
    """neighbours that a step sees, outward; None: the whole graph"""

    def fit(
        self, X: Any, y: Any = None, *, edges: Any = None, target: str | None = None
    ) -> Self:
        """Learn from a graph whose nodes are labelled, some or all.

        X, edges: as `read_graph` takes them. y: [N] labels, None for a node without.
        target: the column, or attribute, of the labels.
        What cannot be used is set aside: a QuarantineWarning counts it, and
        `quarantine_` names each with its reason.
        """
        for _ in self.fit_epochs(X, y, edges=edges, target=target):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        y: Any = None,
        *,
        edges: Any = None,
        target: str | None = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: leave the loop to stop early.

        The first answer is there before the first epoch.
        """
        started_at = time.monotonic()
        table = self.read(X, y, edges=edges, target=target)
        self.begin(table)
        warn_of(self.quarantine_, "row")
        return self._epochs(started_at, checkpoint, stop_requested)

    def begin(self, table: GraphTable) -> None:
        """Find the first answer for a graph; the model is that until something better.

        NoDataError where no node is left to learn from.
        """
        settings, seed = self.settings, self.random_state
        self.quarantine_ = list(table.set_aside)
        self.split_ = parts_of(table, settings, seed_for(seed, 3) % 2**32)
        if not (self.split_ == TRAIN).any():
            raise NoDataError(
                "No labelled node is left to learn from. Check the labels and the "
                "parts."
            )
        self.objective_ = self._objective(table)
        self._set_classes(table)
        self.columns_, notes = FeatureEncoder.of(table.features)
        table.notes.extend(notes)
        self._know(table, self.split_ == TRAIN)
        self.samples = None
        if settings.network != "none":  # or it is refused
            members = self._members(time.monotonic(), None, lambda: False)
            self.samples = members.counts
        y = self.known_.y[self.known_.train_mask]
        if settings.class_weight == "balanced":
            self.objective_ = self.objective_.balanced(y)
        self.constant_baseline_ = np.atleast_1d(self.objective_.constant(y)).tolist()
        self.temperature_, self.networks_, self.history_ = 1.0, None, []
        self.mixture_temperatures_ = None
        self.comparison_ = None
        self.network_name = settings.network
        self.linear_candidates_ = []
        max_bytes = 1e9 * settings.memory
        judged = self._judged()
        for answer in first_answers(self.known_, self.objective_, judged, max_bytes):
            self.linear_candidates_.append(answer)
        if self.samples is not None:
            self.known_.graph.forget()  # it is large, and samples do without
        self.alone_ = features_alone(self.known_, self.objective_, judged)
        self.linear_ = self.linear_candidates_[
            0
        ]  # where nothing can be chosen by, the only one
        self.fitted_ = None
        if len(self.linear_candidates_) > 1:
            self.linear_ = min(self.linear_candidates_, key=lambda answer: answer.loss)
            fitted = [
                answer for answer in self.linear_candidates_ if answer.view != "labels"
            ]
            self.fitted_ = min(fitted, key=lambda answer: answer.loss)
        self._calibrate()

    def _judged(self) -> list[np.ndarray]:
        """Masks [N] of nodes to choose by: the validation part, else folds of train."""
        val = self.split_ == VAL
        if val.any():
            return [val]
        rows = np.flatnonzero(self.known_.train_mask)
        y = self.known_.y[rows]
        if self.objective_.kind == "single_label":
            counts = np.bincount(y, minlength=self.objective_.outputs)
            if counts.min() < 2:  # a fold would take a class away
                return []
        if len(rows) < 2:
            return []
        strata = y if self.objective_.kind == "single_label" else np.zeros(len(rows))
        folds = min(FOLDS, len(rows))
        dealt = deal(strata, folds=folds, seed=seed_for(self.random_state, 4) % 2**32)
        masks = []
        for fold in range(folds):
            mask = np.zeros(len(self.known_.train_mask), bool)
            mask[rows[dealt == fold]] = True
            masks.append(mask)
        return masks

    def _epochs(
        self,
        started_at: float,
        checkpoint: Path | None,
        stop_requested: Callable[[], bool],
    ) -> Iterator[Epoch]:
        if self.settings.network == "none":
            return
        members = self._members(started_at, checkpoint, stop_requested)
        self.network_name = members.name
        yield from members.epochs()
        self.history_ = members.history
        if members.networks:
            self._keep_the_better(members)

    def _members(
        self, started_at: float, checkpoint: Path | None, stop: Callable[[], bool]
    ) -> Ensemble:
        return Ensemble(
            settings=self.settings,
            known=self.known_,
            val=self.split_ == VAL,
            objective=self.objective_,
            seed=seed_for(self.random_state, 1),
            started_at=started_at,
            checkpoint=checkpoint,
            stop_requested=stop,
        )

    def _keep_the_better(self, members: Ensemble) -> None:
        """The networks with the first answer, or alone, where that is shown better.

        Two questions in a fixed order, so that neither has to pay for the other: is the
        mean of both nearer the truth on the validation part than the first answer, by
        more than chance explains? If so, are the networks alone nearer than the mean?
        """
        val, objective = self.split_ == VAL, self.objective_
        if not val.any():
            self.networks_ = members.networks
            return
        y, firsts = self.known_.y[val], self.logits()[val]  # so far it is the model
        said = members.logits()
        parts = firsts, said[val]
        heats = [fit_temperature(z, y, objective) for z in parts]
        cool = [z / heat for z, heat in zip(parts, heats, strict=True)]
        first, alone, both = (
            objective.predict(calibrated(z, y, objective))
            for z in (*parts, averaged(cool, objective))
        )
        if self.settings.deliver == "networks":
            self.comparison_ = paired_permutation_test(objective, y, alone, first)
            self.networks_ = members.networks
            self._calibrate(said)
            return
        self.comparison_ = paired_permutation_test(objective, y, both, first)
        if self._shown(self.comparison_):
            self.networks_, self.mixture_temperatures_ = (
                members.networks,
                (heats[0], heats[1]),
            )
            if self._shown(paired_permutation_test(objective, y, alone, both)):
                self.comparison_ = paired_permutation_test(objective, y, alone, first)
                self.mixture_temperatures_ = None
        self._calibrate()

    def _shown(self, found: PairedComparison) -> bool:
        """Whether a difference is more than chance explains, and more than nothing, and
        what is decided is no worse by more than one spread of what a coin would give.

        Of a few hundred nodes some twenty are decided differently: whether one more of
        them becomes worse than better says nothing.
        """
        spread = getattr(self.objective_, "std", 1.0)
        worse, differing = found.losses - found.wins, found.losses + found.wins
        return (
            found.p <= LEVEL
            and worse <= math.sqrt(differing)
            and found.theirs - found.ours > MATTERS * spread
        )

    def explain(
        self, name: str, target: str | None = None, *, seed: int = 0
    ) -> "GraphExplanation":
        """What the answer for a node rests on: print it, `draw()` it, or read `found`.

        The first answer is a sum over nodes; of networks it is told which edges move
        them, held against edges at random (seed). target: a class; None: the one that
        is said. Of a node that came later: `with_new_nodes(...)` first. NoDataError
        for a node that is not there, SettingError for a class that is not.
        """
        from vicinal.graphs.explain.explanation import explain_node

        self.check_fitted()
        return explain_node(self, str(name), target, seed)

    @property
    def against_the_first(self) -> str:
        """How the networks did beside the first answer, in a sentence; nothing where
        none was tried."""
        if self.comparison_ is None:
            return ""
        verdict = self.comparison_.verdict
        if self.networks_ is None and self.comparison_.better:
            verdict = "not kept, for it is nearer by next to nothing"
        elif self.networks_ is not None and self._shown(self.comparison_):
            verdict = "kept"
        elif self.networks_ is not None:
            verdict = "delivered, as was asked for"
        return f"{self.comparison_}: {verdict}"

    def _calibrate(self, said: Tensor | None = None) -> None:
        """Fit the temperature. said: logits of all nodes, where they are known."""
        val = self.split_ == VAL
        self._said = said
        if val.any():
            y = self.known_.y[val]
            given = self.logits()[val], y, self.objective_
            self.temperature_ = fit_temperature(*given, careful=True)

    def _objective(self, table: GraphTable) -> Objective:
        raise NotImplementedError

    def _set_classes(self, table: GraphTable) -> None:
        """Set `classes_`, where there are classes."""

    @property
    def held_out(self) -> np.ndarray:
        """[N] bool: nodes that the score is taken on."""
        return self.split_ == TEST


def calibrated(logits: Tensor, y: np.ndarray, objective: Objective) -> Tensor:
    """Logits [N, K] divided by the temperature that suits y."""
    return logits / fit_temperature(logits, y, objective)


class NodeClassifier(NodeEstimator):
    """Name what each node of a graph is, or several things that it is.

    >>> model = NodeClassifier().fit("cora")  # nodes.csv, edges.csv
    >>> model.predict()  # every node; model.predict(["p17", "p30"]) some

    After fit: `classes_` [K], `linear_`, `networks_`, `history_`.
    """

    estimator_type = "classifier"
    kinds = ("single_label", "multi_label")
    classes_: np.ndarray

    def predict_proba(self, X: Any = None, **newcomers: Any) -> np.ndarray:
        """Probabilities [N, K] in the order of `classes_`; X as for `predict`."""
        return self.predicted(X, **newcomers)

    def predict(self, X: Any = None, **newcomers: Any) -> np.ndarray:
        """The class [N] of largest probability; of several labels marks [N, K].

        X: None for every node of the graph, names of some, or another graph.
        new_nodes, new_edges: tables of nodes that came later and of their edges.
        """
        p = self.predict_proba(X, **newcomers)
        rows = self.objective_.decide(p)
        return rows if self.objective_.kind == "multi_label" else self.classes_[rows]

    def score(self, X: Any = None, y: Any = None) -> float:
        """Share of the held-out nodes, or of those of X, whose class is right."""
        return self.evaluate(X, y).score.value

    def _objective(self, table: GraphTable) -> Objective:
        classes = table.classes
        learned = table.labels[self.split_ == TRAIN] if table.labels is not None else ()
        if table.kind == "multi_label":
            return MultiLabel(classes)
        if table.labels is not None and table.labelled.all():
            refuse_names(table.labels)
        there = tuple(sorted(set(learned)))
        if len(there) < 2:
            raise DataError(
                f"All labelled nodes to learn from are of one class "
                f"({', '.join(there)}). A classifier needs two or more."
            )
        strange = sorted(set(classes) - set(there))
        if strange:
            table.notes.append(
                f"classes without a node to learn from, left out: {', '.join(strange)}"
            )
            gone = np.isin(table.labels.astype(str), strange)  # type: ignore[union-attr]
            self.split_[gone] = ""
        return SingleLabel(there, self.settings.label_smoothing)

    def _set_classes(self, table: GraphTable) -> None:
        self._name_classes(table.whole_numbers)


class NodeRegressor(NodeEstimator):
    """A number for each node of a graph.

    >>> model = NodeRegressor().fit("roads", target="cars")
    >>> model.predict()  # in the unit of the target
    """

    estimator_type = "regressor"
    kinds = ("numeric",)

    def predict(self, X: Any = None, **newcomers: Any) -> np.ndarray:
        """The number [N] of each node; X as for NodeClassifier."""
        return self.predicted(X, **newcomers)

    def score(self, X: Any = None, y: Any = None) -> float:
        """R^2 of the held-out nodes, or of those of X."""
        told = self.evaluate(X, y).predictions
        return r2(told["label"].to_numpy(float), told["predicted"].to_numpy(float))

    def _objective(self, table: GraphTable) -> Objective:
        assert table.labels is not None  # `read` has seen to it
        return Numeric.of(table.labels[self.split_ == TRAIN].astype(float))


Learned = NodeClassifier | NodeRegressor
