"""TriplePredictor: facts that are missing in a knowledge graph."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.text import pluralize
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError
from vicinal.knowledge.answering.new_entities import (
    NONE,
    NewEntities,
    find_new_entities,
)
from vicinal.knowledge.completion.asking import (
    answer_questions,
    check_top,
    missing_facts,
)
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.completion.fitting import CompletionFit
from vicinal.knowledge.completion.results import evaluation_of, evaluation_on
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.splits import TripleSplit, split_triples
from vicinal.knowledge.settings import TripleColumns

MIN_TRIPLES = 100
"""triples that a graph needs to be completed and tested"""

FIRST_TESTED = 2000
"""test triples that rules are scored on before an embedding is trained"""

LINES = 10
"""records of the training of an embedding"""


class TriplePredictor(FittedEstimator):
    """Predict facts that are missing in a knowledge graph.

    >>> model = TriplePredictor(minutes=3).fit("triples.tsv")
    >>> model.predict([["paris", "capital_of"]], top=5)  # a table of answers
    >>> model.ask(["?", "directed", "alien"])

    Rules and, where they help, an embedding (ComplEx) and a path network (after NBFNet)
    answer together.
    """

    settings_type = CompletionSettings
    fitted_type = FittedTriples
    unit = "triple"
    baseline_name = "rules"
    cpu_only = "completions"

    settings_: CompletionSettings
    model_: FittedTriples

    # --- fit ---

    def fit(self, X: Any, y: Any = None, *, nodes: Any = None) -> Self:
        """Fit to triples, as for `read_triples`; y is not used.

        nodes: a table of what is known of the entities. Rows that cannot be used are
        quarantined: a QuarantineWarning counts them, and `quarantine_` lists each with
        its reason.
        """
        self.start_fit()
        table = self.read(X, nodes=nodes)
        warn_quarantined(table.quarantined, "row", stacklevel=3)
        self.fit_baseline(table)
        for _ in self.train_network(time.monotonic()):
            pass
        return self

    def read(self, X: Any, *, nodes: Any = None) -> TripleTable:
        """Return the triples of X, which may be a `TripleTable`."""
        if isinstance(X, TripleTable):
            return X
        settings = self.validate_settings()
        names = TripleColumns.names()
        columns = TripleColumns(**{name: getattr(settings, name) for name in names})
        return read_triples(X, nodes, columns)

    def check_data(self, data: TripleTable) -> None:
        """Raise SettingError or DataError before anything is computed."""
        super().check_data(data)
        if len(data.triples) < MIN_TRIPLES:
            raise DataError(
                f"{pluralize(len(data.triples), 'triple')} are too few to learn from "
                f"and to test on: at least {MIN_TRIPLES} are needed. Add triples."
            )

    def split(self, table: TripleTable) -> TripleSplit:
        """Return the split of the data, or a random one."""
        share, seed = self.settings_.held_out, int(self.random_state)
        return split_triples(table.triples, table.validation, table.test, share, seed)

    def fit_baseline(self, table: TripleTable) -> None:
        """Mine rules, and score them."""
        self.check_data(table)
        split = self.split(table)
        self._fit = CompletionFit(
            split,
            table.num_entities,
            table.num_relations,
            self.settings_,
            int(self.random_state),
        )
        self._fit.mine()
        calibration, scores = self._fit.score(FIRST_TESTED)
        self.model_ = FittedTriples(
            entities=table.entities,
            relations=table.relations,
            labels=table.labels,
            completion=self._fit.final_completion(),
            calibration=calibration,
            scores=scores,
            quarantine=table.quarantined,
            table=table,
        )

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train an embedding and a path network, and score the result on all tests.

        Each is kept if it helps. The records are of the embedding, for equal parts of
        the time.
        """
        if self.settings_.minutes > 0:
            yield from self._train_embedding(stop_requested)
            self._fit.combine()
        calibration, scores = self._fit.score()
        fitted = self._fit.completion
        rules = self.model_.completion.rules
        completion = replace(fitted, rules=rules)
        self.update(completion=completion, calibration=calibration, scores=scores)
        del self._fit

    def _train_embedding(self, stop_requested: Callable[[], bool]) -> Iterator[Epoch]:
        start, history, losses = time.monotonic(), list[Epoch](), list[float]()
        batch = self.settings_.training_options(len(self.model_.entities)).batch
        for steps, step in enumerate(self._fit.train(), 1):
            losses.append(step.loss)
            if step.done >= (len(history) + 1) / LINES:
                own = Epoch(
                    epoch=len(history) + 1,
                    train_loss=float(np.mean(losses)),
                    val_loss=float("nan"),
                    val_score=float("nan"),
                    lr=step.lr,
                    seconds=time.monotonic() - start,
                    examples_per_second=steps * batch / (time.monotonic() - start),
                    best=False,
                )
                history, losses = [*history, own], []
                self.update(history=history)
                yield own
            if stop_requested():
                break

    # --- describe ---

    @property
    def network_(self) -> nn.Module | None:
        """Return the embedding, if there is one."""
        return self.model_.completion.embedding

    @property
    def fingerprint_texts(self) -> list[str]:
        return [*self.model_.entities, *self.model_.relations]

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        yield self.model_.graph.triples

    @property
    def validation_metric(self) -> str:
        return "mrr"

    @property
    def network_name(self) -> str:
        return "ComplEx"

    @property
    def model_description(self) -> str:
        """Return which models answer together."""
        completion, parts = self.model_.completion, ["rules"]
        if completion.embedding is not None:
            parts.append("ComplEx")
        if completion.network is not None:
            parts.append("a path network")
        *others, last = parts
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def comparison_text(self) -> str:
        """Return how the models compared, and which are used."""
        found = self.model_.scores.validation
        if len(found) < 2:
            return ""
        scores = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        return (
            f"validation MRR: {scores}; a model is used if it is better beyond chance: "
            f"{self.model_description}"
        )

    @property
    def linear_description(self) -> str:
        """Return what the rules are."""
        count = len(self.model_.completion.rules.paths.rules)
        return f"rules of facts, {pluralize(count, 'rule')} of paths, similar entities"

    # --- evaluate ---

    def evaluate(self, X: Any = None) -> Evaluation:
        """Return scores of triples: filtered, both sides, realistic.

        X: triples that the graph does not have, as for `fit`; None: those that `fit`
        held out. Raises DataError if no triple of X can be ranked.
        """
        self.check_fitted()
        if X is None:
            return evaluation_of(self.model_)
        return evaluation_on(self.model_, self.read(X))

    # --- predict ---

    def predict(
        self,
        X: Sequence[Sequence[str]],
        top: int = 10,
        *,
        known: bool = True,
        facts: Any = None,
    ) -> Any:
        """Return a table of the best answers to questions.

        X: the words of each question: (head, relation), or (head, relation, tail) of
        which one end is "?", or several facts, see `ask`. known: with answers that are
        known. facts: triples of entities that the graph does not have, as for `fit`;
        questions may name these, and nothing is fitted again.

        Columns: question, head, relation, tail, predicted, probability, known and
        evidence, as in `answering.frames`. Raises DataError for unknown names, with
        similar ones, and for what is not a question.
        """
        self.check_fitted()
        check_top(top)
        if not len(X):
            raise DataError("There is no question. Give rows of head and relation.")
        new = NONE if facts is None else self.new_entities(facts)
        return answer_questions(self.model_, X, top, known=known, new=new)

    def ask(
        self,
        words: Sequence[str],
        top: int = 10,
        *,
        known: bool = True,
        facts: Any = None,
    ) -> Any:
        """Return a table of the best answers to a question of one fact or several.

        words: ["paris", "capital_of", "?"]; several facts are joined by "and", with
        variables ?x, ?y (see `answering.query`). known, facts: as for `predict`.
        """
        return self.predict([words], top, known=known, facts=facts)

    def predict_missing(self, relation: str | None = None, top: int = 20) -> Any:
        """Return a table of the most probable facts that the graph does not have.

        relation: the only one that is asked for; None: all. Columns as in `predict`.
        """
        self.check_fitted()
        check_top(top)
        return missing_facts(self.model_, relation, top)[0]

    def new_entities(self, facts: Any) -> NewEntities:
        """Return the entities of triples that the graph does not have.

        facts: as X in `fit`. Raises DataError if there are none.
        """
        return find_new_entities(read_triples(facts), self.model_.names)
