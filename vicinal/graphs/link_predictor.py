"""LinkPredictor: predict which pairs of nodes are connected.

A logistic regression on pair features (common neighbours, Adamic-Adar, paths ...) is
fitted first. If a decoder is chosen, a graph network is trained, which replaces the
regression only if it is significantly better on the validation split.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import check_test_split
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.objective import SingleLabel
from vicinal.core.training.trainer import Epoch, loss_and_score
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, SettingError, suggest_names
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.links.bipartite import (
    from_side_0,
    note_one_side,
    on_one_side,
    read_links,
    refuse_one_side,
)
from vicinal.graphs.links.candidates import candidate_pairs, pairs_of_node
from vicinal.graphs.links.features import (
    BIPARTITE_HEURISTICS,
    HEURISTICS,
    spectral_embeddings,
)
from vicinal.graphs.links.fitted_model import (
    FittedLinkModel,
    features_of_pairs,
    normalized_features,
)
from vicinal.graphs.links.linear_model import (
    PairLinearModel,
    fit_pair_linear_model,
    training_pairs,
)
from vicinal.graphs.links.metrics import evaluate_links
from vicinal.graphs.links.networks import (
    LinkNetwork,
    LinkNetworkConfig,
    PairLoader,
    PairNetwork,
)
from vicinal.graphs.links.pairs import rows_of_names
from vicinal.graphs.links.split import (
    LinkSplit,
    is_edge,
    sort_pairs,
    split_links,
    to_undirected,
    unique_edges,
)
from vicinal.graphs.settings import LinkSettings

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

EPOCHS, LR = 100, 1e-2
CLASSES = ("no edge", "edge")


class LinkPredictor(SupervisedEstimator):
    """Predict which pairs of nodes are connected.

    >>> model = LinkPredictor().fit("edges.csv")
    >>> model.predict_proba([("a", "b"), ("a", "c")])  # probability of an edge
    >>> model.most_likely(20)  # the most probable pairs that are not edges
    >>> model.most_likely(10, node="a")  # those of one node

    With several relations (`relation_column`) a pair is (source, relation, target).
    Half of the training pairs are edges, so probabilities are those among pairs of
    which half are. Edges are undirected. In a bipartite graph (users and items) all
    pairs that are trained on, scored and proposed are of opposite sides.
    """

    settings_type = LinkSettings
    settings_: LinkSettings
    fitted_type = FittedLinkModel
    unit = "pair"
    cpu_only = "graph networks"
    keep_untested = False

    model_: FittedLinkModel
    graph_: GraphTable
    feature_encoder_: FeatureEncoder
    node_features_: np.ndarray | None
    relations_: tuple[str, ...]
    split_: LinkSplit
    linear_: PairLinearModel
    network_: LinkNetwork | None

    # --- fit ---

    def fit(self, X: Any, y: Any = None, *, edges: Any = None) -> Self:
        """Fit to the edges of a graph, as for `read_graph`; y is not used.

        Rows that cannot be used are quarantined: a QuarantineWarning counts them, and
        `quarantine_` lists each with its reason.
        """
        return self.train_to_end(self.fit_epochs(X, edges=edges))

    def read(self, X: Any, y: Any = None, *, edges: Any = None) -> GraphTable:
        """Return the graph of X, as for `read_graph`; y is not used."""
        settings = self.validate_settings()
        columns = settings.table_columns()
        columns |= {"relation_column": settings.relation_column}
        return read_links(X, edges, settings.bipartite, **columns)

    def fit_baseline(self, table: GraphTable) -> None:
        """Split the edges, fit the linear baseline and calibrate it."""
        if table.directed or table.relations:
            table = to_undirected(table)
        settings, objective = self.settings_, SingleLabel(CLASSES)
        encoder, notes = FeatureEncoder.from_features(table.features)
        table.notes.extend(notes)
        node_features = normalized_features(table, encoder)
        seed = seed_for(self.random_state, 3) % 2**32
        fractions = settings.val_fraction, settings.test_fraction
        split = split_links(table, *fractions, seed=seed)

        def features_of(edges: np.ndarray, pairs: np.ndarray) -> np.ndarray:
            return features_of_pairs(table, node_features, edges, pairs).features

        features, y, fold = training_pairs(
            split.train, len(table), features_of, seed, table.sides
        )
        linear, temperature = fit_pair_linear_model(features, y, fold, objective)
        self.model_ = FittedLinkModel(
            objective=objective,
            temperature=temperature,
            quarantine=list(table.quarantined),
            graph=table,
            feature_encoder=encoder,
            node_features=node_features,
            split=split,
            linear=linear,
        )
        self.calibrate()

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train a network, if a decoder is chosen, and keep it if it is better."""
        settings = self.settings_
        if settings.decoder == "none":
            return
        torch.manual_seed(seed_for(self.random_state, 5))
        model = self.pair_network(LinkNetwork(self.network_config()))
        trainer = self.make_trainer(
            model,
            PairLoader(
                self.split_.train,
                len(self.graph_),
                seed_for(self.random_state, 6),
                self.graph_.sides,
            ),
            self._validate,
            settings=settings.for_trainer(
                epochs=settings.epochs or EPOCHS, lr=settings.lr or LR
            ),
            started_at=started_at,
            checkpoint=checkpoint,
            stop_requested=stop_requested,
            select_epoch=bool(len(self.split_.val)),
        )
        yield from self.run_trainer(trainer)
        self.keep_if_better(model.network)

    def network_config(self) -> LinkNetworkConfig:
        """Return the size of the network that the settings ask for."""
        settings = self.settings_
        return LinkNetworkConfig(
            num_nodes=len(self.graph_),
            features=self.model_.node_inputs().shape[1],
            hidden=settings.hidden,
            layers=settings.layers,
            dropout=settings.dropout,
            free_embeddings=settings.node_embeddings == "free",
            decoder=settings.decoder,
            num_relations=len(self.relations_),
        )

    def pair_network(self, network: LinkNetwork | None = None) -> PairNetwork:
        """Return a network on the training graph; None: the one that predicts."""
        network = self.network_ if network is None else network
        if network is None:
            raise SettingError(
                "The linear baseline predicts: there is no network. Train one with "
                "decoder and keep='network'."
            )
        return PairNetwork(
            network, self.model_.node_inputs(), self.split_.train, len(self.graph_)
        )

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        """Return loss and score on the validation split."""
        pairs, y = self.model_.held_out("val")
        return loss_and_score(self.objective_, model(torch.from_numpy(pairs)), y)

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        return self.model_.node_inputs(), *vars(self.split_).values()

    def validation_targets(self) -> np.ndarray:
        return self.model_.held_out("val")[1]

    def validation_logits(self) -> Tensor:
        return self.logits(self.model_.held_out("val")[0])

    # --- predict ---

    def logits(self, pairs: np.ndarray) -> Tensor:
        """Return logits [P, 2] of pairs of rows, before calibration.

        pairs: [P, 2], or [P, 3] with rows of relations.
        """
        if self.network_ is None:
            return self.model_.linear_logits(pairs)
        return self.pair_network().logits(torch.from_numpy(pairs))

    def edge_probabilities(self, pairs: np.ndarray) -> np.ndarray:
        """Return the calibrated probability [P] of an edge for pairs of rows.

        It is 0 for two nodes of one side of a bipartite graph.
        """
        p = self.predict_from_logits(self.logits(sort_pairs(pairs)))[:, 1]
        return np.where(on_one_side(self.graph_, pairs), 0.0, p)

    def _log_odds(self, pairs: np.ndarray) -> np.ndarray:
        """Return log-odds [P], which differ where probabilities round to 1."""
        z = self.logits(sort_pairs(pairs)).double() / self.temperature_
        return (z[:, 1] - z[:, 0]).numpy()

    def predict_proba(self, X: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """Return the probability [P] of an edge for each pair of names.

        With several relations X holds (source, relation, target).
        """
        self.check_fitted()
        return self.edge_probabilities(self.row_indices(X))

    def predict(self, X: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """Return [P] bool: pairs that are predicted to be an edge."""
        return self.predict_proba(X) >= 0.5

    def predict_pairs(self, X: Sequence[tuple[Any, ...]]) -> Any:
        """Return a DataFrame of the pairs: probability, and whether each is an edge.

        X: as for `predict_proba`. Relations of one pair are sorted by probability.
        """
        import pandas as pd

        self.check_fitted()
        rows = self.row_indices(X)
        probability = self.edge_probabilities(rows).round(5)
        columns = {**self.pair_columns(rows), "probability": probability}
        frame = pd.DataFrame({**columns, "is_edge": self.is_edge(rows)})
        if "relation" in frame:
            ends = frame.groupby(["source", "target"], sort=False).ngroup()
            order = np.lexsort((-probability, ends))
            frame = frame.iloc[order].reset_index(drop=True)
        frame.attrs["notes"] = note_one_side(self.graph_, rows)
        return frame

    def row_indices(self, pairs: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """Return rows [P, 2] of pairs of names, or [P, 3] with rows of relations."""
        width = 3 if self.relations_ else 2
        expected = "(source, relation, target)" if self.relations_ else "pairs of names"
        relations, ends = [], []
        for pair in pairs:
            if len(pair) != width:
                raise DataError(f"X must hold {expected}. Got {pair!r}.")
            source, *relation, target = map(str, pair)
            ends += [source, target]
            relations.append([*map(self.relation_index, relation)])
        rows = rows_of_names(self.graph_.ids, ends).reshape(-1, 2)
        if (equal := rows[:, 0] == rows[:, 1]).any():
            name = ends[2 * int(equal.argmax())]
            raise DataError(f"A pair must be two nodes. Got {name!r} twice.")
        columns = np.array(relations, np.int64).reshape(len(rows), width - 2)
        return np.concatenate([rows, columns], axis=1)

    def relation_index(self, name: str) -> int:
        """Return the row of a relation; SettingError for an unknown one."""
        if name in self.relations_:
            return self.relations_.index(name)
        if not self.relations_:
            raise SettingError(
                "The edges of this model have no relations: it was trained without "
                "--relation-column."
            )
        raise SettingError(
            f"There is no relation {name!r}. {suggest_names(name, self.relations_)}"
        )

    def pair_columns(self, pairs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the names of pairs of rows as columns source, target[, relation]."""
        ids = self.graph_.ids
        columns = {"source": ids[pairs[:, 0]], "target": ids[pairs[:, 1]]}
        if self.relations_:
            columns["relation"] = np.array(self.relations_, dtype=object)[pairs[:, 2]]
        return columns

    def is_edge(self, pairs: np.ndarray) -> np.ndarray:
        """Return [P] bool: pairs of rows that are edges of the data."""
        return is_edge(sort_pairs(pairs), unique_edges(self.graph_), len(self.graph_))

    def most_likely(
        self, count: int = 20, relation: str | None = None, node: Any = None
    ) -> Any:
        """Return the most probable pairs that are not edges, as a DataFrame.

        node: the name of a node, whose pairs with all others are considered; None: only
        pairs with a common neighbour are; in a bipartite graph, pairs of opposite
        sides. `attrs["notes"]` of the DataFrame says where there are so many of them
        that some are left out. relation: one of several; None: all of them.
        """
        import pandas as pd

        self.check_fitted()
        edges, parts = unique_edges(self.graph_), []
        if node is None:
            unique = np.unique(edges[:, :2], axis=0)
            candidates, notes = candidate_pairs(self.graph_, unique)
        else:
            row = int(rows_of_names(self.graph_.ids, [node])[0])
            candidates, notes = pairs_of_node(self.graph_, row), []
        relations: list[int | None] = [None]
        if relation is not None:
            relations = [self.relation_index(relation)]
        elif self.relations_:
            relations = [*range(len(self.relations_))]
        for row in relations:
            pairs = candidates if row is None else np.insert(candidates, 2, row, axis=1)
            pairs = pairs[~is_edge(sort_pairs(pairs), edges, len(self.graph_))]
            odds = self._log_odds(pairs) if len(pairs) else np.empty(0)
            best = np.argsort(-odds, kind="stable")[:count]
            parts.append((pairs[best], odds[best]))
        pairs, odds = (np.concatenate(part) for part in zip(*parts, strict=True))
        best = np.argsort(-odds, kind="stable")[:count]
        pairs = pairs[best]
        p = self.edge_probabilities(pairs) if len(pairs) else np.empty(0)
        columns = {"probability": p.round(5), "log_odds": odds[best].round(3)}
        found = pd.DataFrame({**self.pair_columns(pairs), **columns})
        found.attrs["notes"] = notes
        return found

    @torch.no_grad()
    def transform(self, X: Any = None) -> np.ndarray:
        """Return embeddings [N, D] of nodes by name; X=None: of all nodes.

        Of the network, or of the linear baseline spectral embeddings of the graph.
        NoDataError for an unknown name.
        """
        self.check_fitted()
        if self.network_ is not None:
            found = self.pair_network().embeddings().numpy()
        else:
            edges = np.unique(self.split_.train[:, :2], axis=0)
            found = spectral_embeddings(len(self.graph_), edges)
        return found if X is None else found[rows_of_names(self.graph_.ids, X)]

    def explain(
        self, source: Any, target: Any, relation: Any = None
    ) -> "GraphExplanation":
        """Explain the probability of an edge by the terms of its log-odds.

        SettingError where a network predicts, whose score is no sum of features.
        """
        from vicinal.graphs.explain.explanation import explain_pair
        from vicinal.graphs.explain.pair_contributions import (
            Pair,
            PairContribution,
            PairExplanation,
        )

        self.check_fitted()
        if self.network_ is not None:
            raise SettingError(
                "explain needs the linear baseline, but this model predicts with a "
                f"network ({self.model_description}). Use `vicinal inspect RUN NODE "
                "NODE` to see the terms of its score, or train with --decoder none."
            )
        names = (source, target) if relation is None else (source, relation, target)
        rows = self.row_indices([names])
        refuse_one_side(self.graph_, rows)
        train = self.split_.train
        pair = Pair(
            ends=(int(rows[0, 0]), int(rows[0, 1])),
            relation=None if relation is None else str(relation),
            is_edge=bool(self.is_edge(rows)[0]),
            is_training_edge=bool(
                is_edge(sort_pairs(rows), train, len(self.graph_))[0]
            ),
            ids=self.graph_.ids,
            training_edges=np.unique(train[:, :2], axis=0),
        )
        base, terms = self.model_.feature_contributions(sort_pairs(rows))
        contributions = [
            PairContribution(name, value, term / self.temperature_)
            for name, value, term in terms
        ]
        contributions.sort(key=lambda part: -abs(part.contribution))
        probability = float(self.edge_probabilities(rows)[0])
        found = PairExplanation(probability, base / self.temperature_, contributions)
        return explain_pair(found, pair, self.model_description)

    @property
    def network_name(self) -> str:
        settings = self.settings_
        layers = "relational GCN" if self.relations_ else "GraphSAGE"
        name = layers if settings.node_embeddings == "layers" else "free embeddings"
        return f"{name} with {settings.decoder} decoder"

    # --- evaluate ---

    def evaluate(self, X: Any = None, y: Any = None) -> Evaluation:
        """Evaluate on the edges of the test split and as many negative pairs."""
        import pandas as pd

        self.check_fitted()
        pairs, targets = self.model_.held_out("test")
        check_test_split(len(pairs))
        p = self.edge_probabilities(pairs)
        columns = {
            "label": np.array(CLASSES)[targets],
            "predicted": np.array(CLASSES)[(p >= 0.5).astype(int)],
            "probability": p.round(5),
        }
        names = self.pair_columns(from_side_0(self.graph_, pairs))
        table = pd.DataFrame({**names, **columns})
        heuristics = self.model_.pair_features(pairs).heuristics
        bipartite = self.graph_.sides is not None
        names = BIPARTITE_HEURISTICS if bipartite else HEURISTICS
        baselines = {name: heuristics[name] for name in names}
        return evaluate_links(targets, p, baselines, table)
