"""LinkPredictor: which pairs of nodes are joined, and are not listed yet.

First an answer from what two nodes have between them (`link_features`) and a fitted
layer on it, and on its products where these help; then, where that is asked for, a
graph network or free embeddings with a decoder, delivered only where they are nearer
the truth on held-out pairs than chance explains. Common neighbours, Adamic-Adar and
Katz stand beside.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core import objective as objectives
from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.data.quarantine import Quarantined, warn_of
from vicinal.core.estimators.estimator import Estimator, read_weights, save_model
from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import (
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.objective import SingleLabel
from vicinal.core.storage.checkpoint import under
from vicinal.core.training.linear_head import PENALTIES, Head, RidgePath
from vicinal.core.training.trainer import Epoch, Trainer
from vicinal.errors import DataError, NoDataError, SettingError, near_names
from vicinal.graphs.data.degree_features import seen_as
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.node_features import FeatureEncoder
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.links.features import (
    NAMES,
    NAMES_OF_RELATIONS,
    PairFeatures,
    between,
    between_relations,
    embeddings,
    two_hop_pairs,
)
from vicinal.graphs.links.metrics import judge_links
from vicinal.graphs.links.networks import (
    LinkNetwork,
    LinkShape,
    OnLinks,
    PairLoader,
)
from vicinal.graphs.links.split import (
    LinkSplit,
    among,
    in_order,
    pairs_of,
    sample_negative_edges,
    split_links,
    to_undirected,
)
from vicinal.graphs.settings import LinkSettings

if TYPE_CHECKING:
    from vicinal.graphs.explain.explanation import GraphExplanation

FOLDS = 5
"""of the training edges: the numbers of each fold are of a graph without it"""

MANY = 4000
"""pairs above which one fold is enough to choose by"""

FURTHEST = 6.0
"""spreads from the mean beyond which a number says no more"""

EPOCHS, LR = 100, 1e-2
CLASSES = ("no edge", "edge")


class LinkPredictor(Estimator):
    """Tell which pairs of nodes are joined.

    >>> model = LinkPredictor().fit("edges.csv")
    >>> model.predict_proba([("a", "b"), ("a", "c")])  # chance of an edge for each
    >>> model.most_likely(20)  # pairs that are not listed, the likeliest first

    Where edges are of several relations (`relation_column`), a pair is asked for as
    (source, relation, target).

    Half of the pairs that it learns from are edges, so its chances are those among
    pairs of which half are. Edges are taken without their direction.
    """

    settings_type = LinkSettings
    fitted_by = "head_"

    random_state: int
    graph_: GraphTable
    quarantine_: list[Quarantined]
    """what could not be used, with the reason"""

    split_: LinkSplit
    head_: Head
    mean_: np.ndarray
    spread_: np.ndarray
    """of the numbers between pairs, of those learned from"""

    products_: bool
    """whether products of two of the numbers are seen as well"""

    network_: LinkNetwork | None
    """the network that is delivered; None: the first answer is"""

    comparison_: PairedComparison | None
    history_: list[Epoch]
    temperature_: float

    def fit(self, X: Any, y: Any = None, *, edges: Any = None) -> Self:
        """Learn from the edges of a graph, as `read_graph` takes it; y is not used.

        What cannot be used is set aside: a QuarantineWarning counts it, and
        `quarantine_` names each with its reason.
        """
        for _ in self.fit_epochs(X, edges=edges):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        *,
        edges: Any = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records; the first answer is there before."""
        started_at = time.monotonic()
        relation = self.settings.relation_column
        self.begin(read_graph(X, edges=edges, relation=relation))
        warn_of(self.quarantine_, "row")
        return self._epochs(started_at, checkpoint, stop_requested)

    def begin(self, table: GraphTable) -> None:
        """Divide the edges and fit the first answer."""
        if table.directed or table.relations:
            table = to_undirected(table)
        settings = self.settings
        self.quarantine_ = list(table.set_aside)
        self.objective_ = SingleLabel(CLASSES)
        self.graph_ = table
        self.columns_, notes = FeatureEncoder.of(table.features)
        table.notes.extend(notes)
        self.known_ = self._known(table)
        seed = seed_for(self.random_state, 3) % 2**32
        shares = settings.val_fraction, settings.test_fraction
        self.split_ = split_links(table, *shares, seed=seed)
        features, y, fold = self._learned_from(seed)
        self.mean_, self.spread_ = features.mean(axis=0), features.std(axis=0)
        self.spread_[self.spread_ < 1e-9] = 1.0
        self._fit_head(features, y, fold)
        self.network_, self.comparison_, self.history_ = None, None, []
        self._said: dict[int, Any] = {}
        self._calibrate()

    def _known(self, table: GraphTable) -> np.ndarray | None:
        """What is known of nodes, rows of length 1, [N, F]."""
        x = self.columns_.read(table.features, len(table)).astype(np.float64)
        if not x.shape[1]:
            return None
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(length > 0, length, 1)

    def _learned_from(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers [P, D], truth [P] and fold [P] of pairs to learn from, out of fold.

        Pairs that are none are drawn among those that are no training edge, without
        sight of what is held out.
        """
        rng, train = np.random.default_rng(seed + 1), self.split_.train
        nodes = len(self.graph_)
        nones = sample_negative_edges(nodes, train, len(train), False, rng)
        fold = rng.integers(0, FOLDS, len(train))
        features, truth, folds = [], [], []
        for k in range(FOLDS):
            own = fold == k
            if not own.any() or own.all():
                continue
            pairs = np.concatenate([train[own], nones[own]])
            features.append(self._between(train[~own], pairs).features)
            truth.append(np.repeat([1, 0], own.sum()))
            folds.append(np.full(2 * int(own.sum()), k))
        return np.concatenate(features), np.concatenate(truth), np.concatenate(folds)

    def _between(self, edges: np.ndarray, pairs: np.ndarray) -> PairFeatures:
        """What is between pairs in the graph of edges."""
        rule = between_relations if self.relations_ else between
        return rule(len(self.graph_), edges, pairs, self.known_)

    @property
    def relations_(self) -> tuple[str, ...]:
        """The names of the relations that are told apart; none: an edge is an edge."""
        return self.graph_.relations

    def _seen(self, features: np.ndarray) -> np.ndarray:
        """The numbers, standardised, and with `products_` the products of any two."""
        z = np.clip((features - self.mean_) / self.spread_, -FURTHEST, FURTHEST)
        if self.products_:
            i, j = np.triu_indices(z.shape[1])
            z = np.concatenate([z, z[:, i] * z[:, j]], axis=1)
        return z.astype(np.float32)

    def _fit_head(self, features: np.ndarray, y: np.ndarray, fold: np.ndarray) -> None:
        """Fit the layer; with products or without, and by which penalty, pairs that it
        does not learn from decide: those of each fold in turn, or where there are many
        those of one."""
        judged = range(FOLDS if len(y) <= MANY else 1)
        tried: list[tuple[float, bool, float, float]] = []
        for products in (False, True):
            self.products_ = products
            z = self._seen(features)
            said = [
                _path(z[fold != k], y[fold != k], self.objective_)
                for k in judged
                if 0 < (fold == k).sum() < len(y)
            ]
            for number, penalty in enumerate(PENALTIES):
                own = np.isin(fold, list(judged))
                logits = torch.zeros(int(own.sum()), 2)
                for k, heads in zip(judged, said, strict=False):
                    rows = (fold == k)[own]
                    logits[torch.from_numpy(rows)] = heads[number].logits(z[fold == k])
                heat = fit_temperature(logits, y[own], self.objective_)
                loss = self.objective_.loss(logits / heat, torch.from_numpy(y[own]))
                tried.append((float(loss), products, penalty, heat))
        _, self.products_, penalty, self.temperature_ = min(tried)
        heads = _path(self._seen(features), y, self.objective_)
        self.head_ = heads[PENALTIES.index(penalty)]

    # --- the network -------------------------------------------------------------

    def _epochs(
        self, started_at: float, checkpoint: Path | None, stop: Callable[[], bool]
    ) -> Iterator[Epoch]:
        settings = self.settings
        if settings.decoder == "none":
            return
        torch.manual_seed(seed_for(self.random_state, 5))
        on_links = self._on_links(LinkNetwork(self._shape()))
        loader = PairLoader(
            self.split_.train, len(self.graph_), seed_for(self.random_state, 6)
        )
        trainer = Trainer(
            model=on_links,
            loader=loader,
            objective=self.objective_,
            settings=replace(
                settings, epochs=settings.epochs or EPOCHS, lr=settings.lr or LR
            ),
            time_limited=settings.minutes is not None,
            runtime=Runtime(exact=settings.exact),
            validate=self._validate,
            judged=bool(len(self.split_.val)),
            by_loss=True,
            started_at=started_at,
            seed=seed_for(self.random_state, 1),
            checkpoint_file=checkpoint,
            fingerprint="links",
            stop_requested=stop,
        )
        for epoch in trainer.epochs():
            self.history_ = trainer.progress.history
            yield epoch
        trainer.load_best()
        self._keep_the_better(on_links.network.eval())

    def _shape(self) -> LinkShape:
        settings = self.settings
        return LinkShape(
            nodes=len(self.graph_),
            features=self._x().shape[1],
            hidden=settings.hidden,
            layers=settings.layers,
            dropout=settings.dropout,
            free=settings.embeddings == "free",
            decoder=settings.decoder,
            relations=len(self.relations_),
        )

    def _x(self) -> Tensor:
        x = torch.from_numpy(self.columns_.read(self.graph_.features, len(self.graph_)))
        return seen_as(x, self.graph_.adjacency)

    def _on_links(self, network: LinkNetwork) -> OnLinks:
        return OnLinks(network, self._x(), self.split_.train, len(self.graph_))

    def _held(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Pairs that are held out, and the truth of them."""
        edges = getattr(self.split_, part)
        nones = getattr(self.split_, f"{part}_negatives")
        truth = np.repeat([1, 0], [len(edges), len(nones)])
        return np.concatenate([edges, nones]), truth

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        pairs, y = self._held("val")
        if not len(pairs):
            return math.nan, math.nan
        assert isinstance(model, OnLinks)
        said = model.logits(torch.from_numpy(pairs))
        loss = float(self.objective_.loss(said, torch.from_numpy(y)))
        return loss, self.objective_.measure(y, self.objective_.predict(said))

    def _keep_the_better(self, network: LinkNetwork) -> None:
        pairs, y = self._held("val")
        if not len(pairs):
            return
        ours = self._on_links(network).logits(torch.from_numpy(pairs))
        theirs = self._first_logits(pairs)
        said = [
            self.objective_.predict(z / fit_temperature(z, y, self.objective_))
            for z in (ours, theirs)
        ]
        self.comparison_ = paired_permutation_test(self.objective_, y, *said)
        if self.comparison_.better or self.settings.deliver == "networks":
            self.network_ = network
        self._calibrate()

    def _calibrate(self) -> None:
        pairs, y = self._held("val")
        if len(pairs):
            said = self._logits(pairs)
            self.temperature_ = fit_temperature(said, y, self.objective_, careful=True)

    # --- answering ---------------------------------------------------------------

    def _first_logits(self, pairs: np.ndarray) -> Tensor:
        found = self._between(self.split_.train, pairs)
        return self.head_.logits(self._seen(found.features))

    def _logits(self, pairs: np.ndarray) -> Tensor:
        """[P, 2] of pairs of rows, with their relations if there are any."""
        if self.network_ is None:
            return self._first_logits(pairs)
        return self._on_links(self.network_).logits(torch.from_numpy(pairs))

    def _chances(self, pairs: np.ndarray) -> np.ndarray:
        """Calibrated chance [P] of an edge."""
        said = self._logits(in_order(pairs)) / self.temperature_
        return self.objective_.predict(said)[:, 1]

    def _odds(self, pairs: np.ndarray) -> np.ndarray:
        """Their log-odds [P], which tell apart what is as good as sure."""
        said = self._logits(in_order(pairs)).double() / self.temperature_
        return (said[:, 1] - said[:, 0]).numpy()

    def listed(self, pairs: np.ndarray) -> np.ndarray:
        """[P] bool: pairs of rows that are edges of the graph already."""
        return among(in_order(pairs), pairs_of(self.graph_), len(self.graph_))

    def predict_proba(self, X: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """The chance of an edge for each pair of names, [P].

        Where there are relations, X holds (source, relation, target).
        """
        self.check_fitted()
        return self._chances(self._rows(X))

    def predict(self, X: Sequence[tuple[Any, ...]]) -> np.ndarray:
        """Whether each pair of names is joined, [P] bool; X as for `predict_proba`."""
        return self.predict_proba(X) >= 0.5

    def _rows(self, pairs: Sequence[tuple[Any, ...]]) -> np.ndarray:
        place = {name: row for row, name in enumerate(self.graph_.ids)}
        related = {name: row for row, name in enumerate(self.relations_)}
        width = 3 if related else 2
        what = "(source, relation, target)" if related else "A pair of names"
        rows = []
        for pair in pairs:
            if len(pair) != width:
                raise DataError(f"{what} was wanted. Got {pair!r}.")
            source, *relation, target = map(str, pair)
            for name in (source, target):
                if name not in place:
                    raise NoDataError(f"There is no node {name!r}.")
            if source == target:
                raise DataError(f"A pair is of two nodes. Got {source!r} twice.")
            rows.append([place[source], place[target], *map(self._relation, relation)])
        return np.array(rows, np.int64).reshape(-1, width)

    def _relation(self, name: str) -> int:
        """The row of a relation; SettingError for one that is unknown."""
        if name in self.relations_:
            return self.relations_.index(name)
        if not self.relations_:
            raise SettingError(
                "Edges of this run have no relations: it was trained without "
                "--relation-column."
            )
        raise SettingError(
            f"There is no relation {name!r}. {near_names(name, self.relations_)}"
        )

    def most_likely(self, count: int = 20, relation: str | None = None) -> Any:
        """Pairs that are no edges yet, the likeliest first: a table, names and chance.

        Looked for among nodes that have a neighbour in common. relation: the one that
        is asked for; None: each of them, where there are any.
        """
        import pandas as pd

        self.check_fitted()
        edges, parts = pairs_of(self.graph_), []
        pairs = two_hop_pairs(len(self.graph_), edges[:, :2])
        wanted: list[int | None] = [None]
        if self.relations_ or relation is not None:
            wanted = [*range(len(self.relations_))]
            wanted = wanted if relation is None else [self._relation(relation)]
        for row in wanted:
            asked = pairs if row is None else np.insert(pairs, 2, row, axis=1)
            asked = asked[~among(asked, edges, len(self.graph_))]
            odds = self._odds(asked) if len(asked) else np.empty(0)
            best = np.argsort(-odds, kind="stable")[:count]
            parts.append((asked[best], odds[best]))
        found, odds = (np.concatenate(part) for part in zip(*parts, strict=True))
        best = np.argsort(-odds, kind="stable")[:count]
        chance = self._chances(found[best]) if len(best) else np.empty(0)
        return pd.DataFrame(
            {
                **self.named(found[best]),
                "chance": chance.round(5),
                "log_odds": odds[best].round(3),
            }
        )

    def named(self, pairs: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the names of pairs of rows."""
        names = self.graph_.ids
        told = {"source": names[pairs[:, 0]], "target": names[pairs[:, 1]]}
        if self.relations_:
            told["relation"] = np.array(self.relations_, dtype=object)[pairs[:, 2]]
        return told

    def explain(
        self, source: Any, target: Any, relation: Any = None
    ) -> "GraphExplanation":
        """What the chance that the first answer gives a pair of names adds up to.

        relation: by which they would be joined, where there are several. SettingError
        where a network answers: its embeddings have no such parts.
        """
        from vicinal.graphs.explain.explanation import explain_pair
        from vicinal.graphs.explain.pair_contributions import (
            LinkPart,
            Pair,
            PairExplanation,
        )

        self.check_fitted()
        if self.network_ is not None:
            raise SettingError(
                f"{self.delivered} answers, whose embeddings are no sum of parts. The "
                "first answer has them (train with --decoder none); `vicinal inspect "
                "RUN NODE NODE` opens the score of a network."
            )
        asked = (source, target) if relation is None else (source, relation, target)
        rows = self._rows([asked])
        pair, listed = in_order(rows), bool(self.listed(rows)[0])
        learned = bool(among(pair, self.split_.train, len(self.graph_))[0])
        features = self._between(self.split_.train, pair).features
        names = list(NAMES if self.known_ is not None else NAMES[:-1])
        names += NAMES_OF_RELATIONS if self.relations_ else ()
        values = features[0].tolist()
        if self.products_:
            i, j = np.triu_indices(len(names))
            names += [f"{names[a]} x {names[b]}" for a, b in zip(i, j, strict=True)]
            values += (features[0, i] * features[0, j]).tolist()
        slope = (self.head_.weights[:, 1] - self.head_.weights[:, 0]).astype(float)
        adds = self._seen(features)[0] * slope / self.temperature_
        base = float(self.head_.bias[1] - self.head_.bias[0]) / self.temperature_
        chance = float(self._chances(pair)[0])
        parts = [LinkPart(*row) for row in zip(names, values, adds, strict=True)]
        parts.sort(key=lambda part: -abs(part.adds))
        ends, edges = rows[0].tolist()[:2], np.unique(self.split_.train[:, :2], axis=0)
        name = None if relation is None else str(relation)
        told = name, listed, learned, self.graph_.ids, edges
        between = Pair((ends[0], ends[1]), *told)
        found = PairExplanation(chance, base, parts)
        return explain_pair(found, between, self.delivered)

    @torch.no_grad()
    def transform(self, X: Any = None) -> np.ndarray:
        """Embeddings [N, D] of the nodes by the network; of the first answer, what the
        graph's best approximation of low rank says of each.

        X: names of nodes; None: all. NoDataError for a name that is not there.
        """
        self.check_fitted()
        if self.network_ is not None:
            found = self._on_links(self.network_).embeddings().numpy()
        else:
            edges = np.unique(self.split_.train[:, :2], axis=0)
            found = embeddings(len(self.graph_), edges)
        if X is None:
            return found
        place = {name: row for row, name in enumerate(self.graph_.ids)}
        lost = next((str(name) for name in X if str(name) not in place), None)
        if lost is not None:
            raise NoDataError(
                f"There is no node {lost!r}. {near_names(lost, place, 10)}"
            )
        return found[[place[str(name)] for name in X]]

    @property
    def delivered(self) -> str:
        """What answers."""
        if self.network_ is None:
            return "the first answer"
        return str(self.network_)

    @property
    def networks_delivered(self) -> list[LinkNetwork]:
        """The network, if it is delivered."""
        return [] if self.network_ is None else [self.network_]

    @property
    def network_name(self) -> str:
        """The kind of network that is tried."""
        settings = self.settings
        layers = "relational GCN" if self.relations_ else "GraphSAGE"
        what = layers if settings.embeddings == "layers" else "free embeddings"
        return f"{what} with a decoder: {settings.decoder}"

    @property
    def first_told(self) -> str:
        """What the first answer is."""
        products = ", and products of any two of them" if self.products_ else ""
        penalty = f"a fitted layer (penalty {self.head_.penalty:g})"
        return f"what two nodes have between them{products}, {penalty}"

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

    def evaluate(self) -> Evaluation:
        """Score on edges that were held out, and as many pairs that are none."""
        import pandas as pd

        self.check_fitted()
        pairs, y = self._held("test")
        if not len(pairs):
            raise NoDataError("No edge was held out: set test_fraction above 0.")
        said = self._chances(pairs)
        own = {"label": np.array(CLASSES)[y], "chance": said.round(5)}
        frame = pd.DataFrame({**self.named(pairs), **own})
        told = self._between(self.split_.train, pairs)
        return judge_links(y, said, told.heuristics, frame)

    def score(self, X: Any = None, y: Any = None) -> float:
        """AUROC on the edges that were held out."""
        return self.evaluate().score.value

    # --- keeping -----------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the model and its graph to a folder: safetensors and JSON."""
        self.check_fitted()
        network = self.network_
        description = {
            "estimator": type(self).__name__,
            "parameters": self.plain_params(),
            "objective": objectives.to_dict(self.objective_),
            "columns": self.columns_.to_dict(),
            "penalty": self.head_.penalty,
            "products": self.products_,
            "network": None if network is None else network.shape._asdict(),
            "temperature": self.temperature_,
            "relations": list(self.relations_),
            "history": [epoch._asdict() for epoch in self.history_],
        }
        text = "\0".join(self.graph_.ids).encode()
        x = self.columns_.read(self.graph_.features, len(self.graph_))
        arrays = {
            "source": self.graph_.source,
            "target": self.graph_.target,
            "x": x,
            "mean": self.mean_,
            "spread": self.spread_,
            "weights": self.head_.weights,
            "bias": self.head_.bias,
            **{f"split.{k}": v for k, v in vars(self.split_).items()},
        }
        if self.graph_.relation is not None:
            arrays["relation"] = self.graph_.relation
        ready = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
        tensors = {k: torch.from_numpy(v) for k, v in ready.items()}
        tensors["ids"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        if network is not None:
            state = network.state_dict().items()
            tensors |= {f"network.{name}": t for name, t in state}
        return save_model(path, description, tensors)

    @classmethod
    def restore(cls, folder: str | Path, description: dict[str, Any]) -> Self:
        """The estimator that `save` wrote to a folder."""
        self = cls(**description["parameters"])
        self.objective_ = SingleLabel(CLASSES)
        tensors = read_weights(folder, description)
        arrays = {k: t.numpy() for k, t in tensors.items() if k != "ids"}
        ids = tensors["ids"].numpy().tobytes().decode().split("\0")
        x = arrays["x"]
        # what was read once is kept as numbers, and is not to be read again
        form = "kept" if x.shape[1] else "none"
        self.columns_ = FeatureEncoder(form, width=x.shape[1])
        self.graph_ = GraphTable(
            ids=np.array(ids, dtype=object),
            source=arrays["source"],
            target=arrays["target"],
            features=x if x.shape[1] else None,
            relation=arrays.get("relation"),
            relations=tuple(description["relations"]),
        )
        self.known_ = self._known(self.graph_)
        parts = {k.removeprefix("split."): v for k, v in arrays.items()}
        names = LinkSplit.__dataclass_fields__
        self.split_ = LinkSplit(**{name: parts[name] for name in names})
        self.mean_, self.spread_ = arrays["mean"], arrays["spread"]
        self.head_ = Head(arrays["weights"], arrays["bias"], description["penalty"])
        self.products_ = description["products"]
        self.temperature_ = description["temperature"]
        self.history_ = [Epoch.of(epoch) for epoch in description["history"]]
        self.network_, self.comparison_ = None, None
        if description["network"] is not None:
            self.network_ = LinkNetwork(LinkShape(**description["network"]))
            self.network_.load_state_dict(under("network", tensors))
            self.network_.eval()
        return self


def _path(z: np.ndarray, y: np.ndarray, objective: SingleLabel) -> list[Head]:
    """Heads of all penalties."""
    problem = RidgePath.of(z, y, objective)
    every = np.ones((len(z), 1), bool)
    heads, start = [], None
    for penalty in PENALTIES:
        start = problem.solve(every, penalty, start)
        heads.append(problem.in_own_axes(start, penalty))
    return heads
