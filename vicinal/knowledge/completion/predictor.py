"""TriplePredictor: facts that are missing in a knowledge graph."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from vicinal.errors import DataError, SettingError
from vicinal.knowledge.answering.answers import answer
from vicinal.knowledge.answering.frames import answers_frame, solutions_frame
from vicinal.knowledge.answering.query import solve
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.completion.fitting import CompletionFit
from vicinal.knowledge.completion.results import evaluation_of
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

    Rules and, if it helps, an embedding (ComplEx) answer together.
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
        """Train an embedding, keep it if it helps, and score the result on all tests.

        The records are of equal parts of the time.
        """
        if self.settings_.minutes > 0:
            yield from self._train_embedding(stop_requested)
            self._fit.combine()
        calibration, scores = self._fit.score()
        fitted = self._fit.completion
        rules = self.model_.completion.rules
        completion = type(fitted)(rules, fitted.embedding, fitted.weight)
        self.update(completion=completion, calibration=calibration, scores=scores)
        del self._fit

    def _train_embedding(self, stop_requested: Callable[[], bool]) -> Iterator[Epoch]:
        start, history, losses = time.monotonic(), list[Epoch](), list[float]()
        for step in self._fit.train():
            losses.append(step.loss)
            if step.done >= (len(history) + 1) / LINES:
                own = Epoch(
                    epoch=len(history) + 1,
                    train_loss=float(np.mean(losses)),
                    val_loss=float("nan"),
                    val_score=float("nan"),
                    lr=step.lr,
                    seconds=time.monotonic() - start,
                    examples_per_second=float("nan"),
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
        return "rules and ComplEx" if self.network_ is not None else "rules"

    @property
    def comparison_text(self) -> str:
        """Return how the combination compared with rules alone."""
        found = self.model_.scores.validation
        if "combination" not in found:
            return ""
        verdict = (
            "the combination is used"
            if self.network_ is not None
            else "it is not better beyond chance, and rules alone are used"
        )
        return (
            f"validation MRR: rules {found['rules']:.3f}, embedding "
            f"{found['embedding']:.3f}, both {found['combination']:.3f}; {verdict}"
        )

    @property
    def linear_description(self) -> str:
        """Return what the rules are."""
        count = len(self.model_.completion.rules.paths.rules)
        return f"rules of facts, {pluralize(count, 'rule')} of paths, similar entities"

    # --- evaluate ---

    def evaluate(self) -> Evaluation:
        """Return the scores of the test triples: filtered, both sides, realistic."""
        self.check_fitted()
        return evaluation_of(self.model_)

    # --- predict ---

    def predict(
        self, X: Sequence[Sequence[str]], top: int = 10, *, new: bool = False
    ) -> Any:
        """Return a table of the best answers to questions (head, relation, ?).

        X: rows of head and relation, or of head, relation and tail of which one end is
        "?". Columns: head, relation, tail, probability, known, evidence. new: without
        answers that are known. Raises DataError for unknown names.
        """
        self.check_fitted()
        if top < 1:
            raise SettingError(f"top must be 1 or more. Got {top} instead.")
        questions = [self.question(row) for row in X]
        if not questions:
            raise DataError("There is no question. Give rows of head and relation.")
        heads, relations = np.array(questions, np.int64).T
        model = self.model_
        found = answer(
            model.completion, model.calibration, heads, relations, top, known=not new
        )
        return answers_frame(model, heads, relations, found, new=new)

    def question(self, row: Sequence[str]) -> tuple[int, int]:
        """Return (head, directed relation) of a question; DataError for a bad one."""
        names, parts = self.model_.names, [str(part).strip() for part in row]
        if len(parts) == 2:
            parts.append("?")
        if len(parts) != 3 or (parts[0] == "?") == (parts[2] == "?"):
            raise DataError(
                "A question has a head, a relation and a tail, one of which ends is ?. "
                f"Got {' '.join(parts) or 'nothing'}."
            )
        relation = names.relation(parts[1])
        if parts[2] == "?":
            return names.entity(parts[0]), relation
        inverse = self.model_.graph.inverse(np.array(relation))
        return names.entity(parts[2]), int(inverse)

    def ask(self, words: Sequence[str], top: int = 10, *, new: bool = False) -> Any:
        """Return a table of the best answers to a question of one fact or several.

        words: ["paris", "capital_of", "?"]; several facts are joined by "and", with
        variables ?x, ?y (see `answering.query`).
        """
        self.check_fitted()
        model = self.model_
        facts = model.names.parse_query(words)
        if len(facts) == 1:
            names = words[0], words[1], words[2]
            return self.predict([names], top, new=new)
        found = solve(model.completion, model.calibration, facts)
        return solutions_frame(model, found, top, new=new)
