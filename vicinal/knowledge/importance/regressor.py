"""ImportanceRegressor: a number for each entity of a knowledge graph."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import PairedComparison, sign_test_of_gains
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, SettingError, suggest_names
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.importance.features.graph_features import (
    GraphFeatures,
    NewFacts,
)
from vicinal.knowledge.importance.fitted_model import FittedImportance
from vicinal.knowledge.importance.fitting import (
    BLEND,
    NETWORK,
    choose_scale,
    cross_validate,
    fit_final,
    split_folds,
)
from vicinal.knowledge.importance.models.network_training import NetworkTraining
from vicinal.knowledge.importance.models.score_network import PredicateEdges
from vicinal.knowledge.importance.models.stacked import Examples
from vicinal.knowledge.importance.results import evaluation_of
from vicinal.knowledge.importance.settings import ImportanceSettings
from vicinal.knowledge.importance.table import (
    ImportanceTable,
    check_target,
    read_importance,
    table_with_target,
)
from vicinal.knowledge.settings import TripleColumns

Fact = tuple[str, str, str]
"""relation, direction (out: the new entity is the head; in: the tail), other end"""


class ImportanceRegressor(FittedEstimator):
    """Predict a number for each entity of a knowledge graph, such as its page views.

    >>> model = ImportanceRegressor(target="pageviews").fit("kg.txt", nodes="e.csv")
    >>> model.predict()  # a table of all entities, the highest first
    >>> model.predict_new({"new film": [("genre", "out", "comedy")]})

    Entities are named as in the triples. Those without a target are predicted; a new
    entity is predicted by its facts, without a further fit.
    """

    settings_type = ImportanceSettings
    estimator_type = "regressor"
    fitted_type = FittedImportance
    unit = "entity"
    baseline_name = BLEND
    cpu_only = "models of importance"

    settings_: ImportanceSettings
    model_: FittedImportance

    # --- fit ---

    def fit(self, X: Any, y: Any = None, *, nodes: Any = None) -> Self:
        """Fit to triples X: a path, a DataFrame, an array, or a `TripleTable`.

        y: targets by the names of entities, a mapping or a pandas Series; None: the
        column `target` of the table `nodes`. Rows that cannot be used are quarantined:
        a QuarantineWarning counts them, and `quarantine_` lists each with its reason.
        """
        self.start_fit()
        started_at = time.monotonic()
        table = self.read(X, y, nodes=nodes)
        warn_quarantined(table.quarantined, "row", stacklevel=3)
        self.fit_baseline(table)
        for _ in self.train_network(started_at):
            pass
        return self

    def read(self, X: Any, y: Any = None, *, nodes: Any = None) -> ImportanceTable:
        """Return triples with a target; X may be an `ImportanceTable`, which has both.

        Raises SettingError for what would be ignored.
        """
        if isinstance(X, ImportanceTable):
            if y is not None or nodes is not None:
                raise SettingError("y and nodes must be None: X has a target already.")
            return X
        settings = self.validate_settings()
        names = TripleColumns.names()
        columns = TripleColumns(**{k: getattr(settings, k) for k in names})
        if y is None:
            return read_importance(X, nodes, settings.target, columns)
        if not isinstance(y, Mapping) and not hasattr(y, "items"):
            raise SettingError(
                "y must be a mapping or a pandas Series from names of entities to "
                f"numbers. Got {type(y).__name__} instead."
            )
        if not isinstance(X, TripleTable):
            table = read_triples(X, nodes, columns)
        elif nodes is None:
            table = X
        else:
            raise SettingError("nodes must be None where X is a TripleTable.")
        return table_with_target(table, y, settings.target or "target")

    def check_data(self, data: ImportanceTable) -> None:
        """Raise SettingError or DataError before anything is computed."""
        super().check_data(data)
        settings = self.validate_settings()
        check_target(data, settings.folds)
        labels = data.target[data.labelled]
        if settings.target_scale == "log" and labels.min() <= -1:
            raise DataError(
                f"target_scale must be 'linear': {data.target_name} has values of -1 "
                "or less, which have no logarithm log(1 + x)."
            )

    def fit_baseline(self, table: ImportanceTable) -> None:
        """Cross-validate all models but the network, and fit the blend to all data."""
        self.check_data(table)
        settings, seed = self.settings_, int(self.random_state)
        entities = table.labelled
        labels = table.target[entities]
        scale = choose_scale(labels, settings.target_scale, table.target_name)
        features = GraphFeatures(table.graph)
        y = scale.to_scale(labels)
        parts = split_folds(entities, y, settings.folds, seed)
        validation, weight = cross_validate(features, parts, seed)
        names = table.triples.labels
        self.model_ = FittedImportance(
            entities=table.entities,
            labels=np.full(len(table.entities), "", object) if names is None else names,
            relations=table.triples.relations,
            target=table.target,
            target_name=table.target_name,
            scale=scale,
            features=features,
            stack=fit_final(features, validation.examples, weight, seed),
            validation=validation,
            quarantine=table.quarantined,
            table=table,
        )

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train a network on each fold, and on all labels where it beats the blend.

        Each has an equal share of `minutes`, and one epoch at least. started_at and
        checkpoint are not used: a run that is resumed begins anew.
        """
        model, seed = self.model_, int(self.random_state)
        validation = model.validation
        seconds = 60 * self.settings_.minutes / (len(validation.folds) + 1)
        if not seconds:
            return
        edges = PredicateEdges.from_graph(model.features.graph)

        def train(
            examples: Examples, own: int
        ) -> Generator[Epoch, None, NetworkTraining]:
            network = NetworkTraining(model.features.rows.dense, edges, examples, own)
            for epoch in network.epochs(seconds, stop_requested):
                self.update(history=[*self.model_.history, epoch])
                yield epoch
            return network

        found, training = np.zeros(len(validation.labels)), None
        for number, rows in enumerate(validation.folds):
            examples = validation.examples.take(validation.train_rows(number))
            training = yield from train(examples, seed_for(seed, number))
            found[rows] = training.predict()[validation.entities[rows]]
        assert training is not None
        validation.predictions[NETWORK] = found
        comparison = compare(validation.labels, found, validation.predictions[BLEND])
        self.update(comparison=comparison, attention=training.attention())
        if not comparison.better or comparison.ours >= comparison.theirs:
            return
        training = yield from train(validation.examples, seed)
        self.update(
            network=training.network,
            attention=training.attention(),
            network_mean=training.mean,
            network_std=training.std,
        )

    # --- describe ---

    @property
    def fingerprint_texts(self) -> list[str]:
        model = self.model_
        return [*map(str, model.entities), *map(str, model.relations)]

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        yield from (self.model_.features.graph.triples, self.model_.validation.labels)
        yield from (self.model_.validation.entities, self.model_.validation.fold)

    @property
    def validation_metric(self) -> str:
        return "spearman"

    @property
    def network_name(self) -> str:
        return "network of scores with attention to predicates"

    @property
    def linear_description(self) -> str:
        """Return what the model was fitted to."""
        model = self.model_.stack
        count = len(self.model_.validation.labels)
        return (
            f"{count:,} labelled entities; weight of the ridge {model.weight:.2f}, of "
            f"boosting {1 - model.weight:.2f}"
        )

    # --- evaluate ---

    def evaluate(self) -> Evaluation:
        """Return the scores of the cross-validation, beside the baselines."""
        self.check_fitted()
        return evaluation_of(self.model_)

    # --- predict ---

    def predict(self, X: Sequence[str] | None = None, top: int | None = None) -> Any:
        """Return a table of predictions for entities, the highest first.

        X: names; None: all entities that have no label. Columns: entity, name (if the
        nodes have readable names), predicted, and label where it is known: the model
        was fitted to it, so that prediction is no test (`evaluate` has those). top: 1
        or more rows; None: all. Raises DataError for unknown names, SettingError for a
        bad top.
        """
        import pandas as pd

        self.check_fitted()
        if top is not None and top < 1:
            raise SettingError(f"top must be 1 or more, or None. Got {top} instead.")
        model = self.model_
        if X is None:
            rows = np.flatnonzero(np.isnan(model.target))
        else:
            rows = self.find_entities(X)
        values = model.predict_entities(rows)
        order = np.argsort(-values, kind="stable")[:top]
        rows, values = rows[order], values[order]
        columns: dict[str, Any] = {"entity": model.entities[rows]}
        if model.labels.astype(bool).any():
            columns["name"] = model.labels[rows]
        columns |= {"predicted": values.astype(float), "label": model.target[rows]}
        return pd.DataFrame(columns)

    def predict_new(self, facts: Mapping[str, Sequence[Fact]]) -> Any:
        """Return a table of predictions for new entities by their facts.

        facts: by the name of each new entity, its (relation, direction, other end);
        direction is `out` where it is the head, `in` where it is the tail. Columns:
        entity, predicted. Raises DataError for unknown relations and other ends.
        """
        import pandas as pd

        self.check_fitted()
        found = [self.new_facts(name, own) for name, own in facts.items()]
        if not found:
            raise DataError("There is no new entity to predict.")
        values = self.model_.predict_new(found)
        return pd.DataFrame({"entity": list(facts), "predicted": values})

    def new_facts(self, name: str, facts: Sequence[Fact]) -> NewFacts:
        """Return facts by number, each once; DataError for what the graph lacks."""
        model = self.model_
        relations = {str(text): row for row, text in enumerate(model.relations)}
        numbers = []
        for relation, direction, other in facts:
            if relation not in relations:
                hint = suggest_names(relation, list(relations))
                raise DataError(f"{name}: there is no relation {relation!r}. {hint}")
            if direction not in ("out", "in"):
                raise DataError(
                    f"{name}: direction must be 'out' or 'in'. Got {direction!r}."
                )
            shift = 0 if direction == "out" else len(relations)
            numbers.append(
                (relations[relation] + shift, self.find_entities([other])[0])
            )
        if not numbers:
            raise DataError(f"{name} has no facts. A new entity is predicted by them.")
        pairs = np.unique(np.array(numbers, np.int64), axis=0)
        return NewFacts(pairs[:, 0], pairs[:, 1])

    def find_entities(self, names: Sequence[str]) -> np.ndarray:
        """Return entities by their names, or by readable names that only one has."""
        if isinstance(names, str):
            raise SettingError("X must be a list of names, not a text.")
        rows = self.model_.rows_by_name
        found = []
        for name in names:
            row = rows.get(str(name))
            if row is None:
                hint = suggest_names(str(name), list(rows))
                raise DataError(f"There is no entity {str(name)!r}. {hint}")
            found.append(row)
        return np.array(found, np.int64)


def compare(
    labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> PairedComparison:
    """Return the sign test of the absolute errors [n] of two models."""
    our_error, their_error = np.abs(ours - labels), np.abs(theirs - labels)
    test = sign_test_of_gains(their_error - our_error)
    means = float(our_error.mean()), float(their_error.mean())
    return PairedComparison(
        "mean absolute error", *means, test.p, test.wins, test.losses, len(labels)
    )
