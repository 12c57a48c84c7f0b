"""InteractionPredictor: side effects of two or more drugs that are taken together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from vicinal.core.data.quarantine import warn_quarantined
from vicinal.core.estimators.fitted_estimator import FittedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.text import format_percent, pluralize
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import DataError, SettingError, suggest_names
from vicinal.interactions.data.facts import MAX_DRUGS
from vicinal.interactions.data.interaction_table import InteractionTable, drug_features
from vicinal.interactions.data.read import read_interactions
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.fitting import fit_situations
from vicinal.interactions.models.scores import PairScores
from vicinal.interactions.pair_effects import PairEffects
from vicinal.interactions.prediction.set_model import fit_set_model
from vicinal.interactions.prediction.set_predictions import (
    SetPrediction,
    predict_sets,
    to_frame,
)
from vicinal.interactions.results import evaluation_of, headline
from vicinal.interactions.settings import InteractionColumns, InteractionSettings
from vicinal.molecules.data.parse import parse_molecule

MIN_FACTS = 200
"""facts below which a table is hardly enough, for messages"""


class InteractionPredictor(FittedEstimator):
    """Predict the effects of drugs that are taken together.

    >>> model = InteractionPredictor().fit("interactions.csv", drugs="drugs.csv")
    >>> model.predict([["aspirin", "warfarin", "ibuprofen"]], top=20)  # a table
    >>> model.predict_proba([["aspirin", "warfarin"]])  # [1, E] of `model.effects_`

    Drugs are named as in the table; one that is not in it by its SMILES. Co-reported
    effects are not proven causes, and nothing here is medical advice.
    """

    settings_type = InteractionSettings
    fitted_type = FittedInteractions
    unit = "fact"
    baseline_name = "combination of simple models"
    cpu_only = "interactions"

    settings_: InteractionSettings
    model_: FittedInteractions

    # --- fit ---

    def fit(
        self, X: Any, y: Any = None, *, drugs: Any = None, proteins: Any = None
    ) -> Self:
        """Fit to a table of interactions, as for `read_interactions`; y is not used.

        drugs, proteins: tables of what is known of drugs, and of which proteins
        interact. Rows that cannot be used are quarantined: a QuarantineWarning counts
        them, and `quarantine_` lists each with its reason.
        """
        self.start_fit()
        table = self.read(X, drugs=drugs, proteins=proteins)
        warn_quarantined(table.quarantined, "row", stacklevel=3)
        self.fit_baseline(table)
        return self

    def read(
        self, X: Any, *, drugs: Any = None, proteins: Any = None
    ) -> InteractionTable:
        """Return the interactions of X, which may be an `InteractionTable`."""
        if isinstance(X, InteractionTable):
            return X
        settings = self.validate_settings()
        names = InteractionColumns.names()
        columns = InteractionColumns(**{k: getattr(settings, k) for k in names})
        return read_interactions(X, drugs, proteins, columns, settings.ordered)

    def check_data(self, data: InteractionTable) -> None:
        """Raise SettingError or DataError before anything is computed."""
        super().check_data(data)
        self._used_effects(data)

    def fit_baseline(self, table: InteractionTable) -> None:
        """Fit the models of each situation and score them, then fit to all facts."""
        settings, used = self.settings_, self._used_effects(table)
        numbers = np.cumsum(used) - 1
        rows = used[table.pair_effects]
        known = PairEffects.from_edges(
            table.pairs[rows],
            numbers[table.pair_effects[rows]],
            len(table.drugs),
            int(used.sum()),
            ordered=table.ordered,
        )
        features, combinations, results = drug_features(table), {}, []
        seed, share = int(self.random_state), settings.held_out
        for key, combination, found in fit_situations(known, features, share, seed):
            combinations[key] = combination
            results += found
        if not combinations:
            drugs = int((known.degrees > 0).sum())
            possible = drugs * (drugs - 1) // (1 if known.ordered else 2)
            if known.table.nnz == possible * known.num_effects:
                raise DataError(
                    f"Every pair of these {drugs} drugs has every effect, so there is "
                    "nothing to distinguish. Add drugs or effects that some pairs have "
                    "not."
                )
            raise DataError(
                f"{pluralize(len(known.codes), 'pair')} of drugs with "
                f"{pluralize(known.num_effects, 'effect')} are too few to learn from "
                f"and to test on: about {2 * MIN_FACTS} facts are needed. Add data, or "
                "hold out more with --held-out."
            )
        self.model_ = FittedInteractions(
            drugs=table.drugs,
            effects=table.effects[used],
            single_effects=table.single_effects,
            proteins=table.proteins,
            smiles=table.smiles,
            features=features,
            scores=PairScores.fit(known),
            combinations=combinations,
            results=results,
            quarantine=table.quarantined,
            table=table,
        )
        own = [
            tuple(int(numbers[k]) for k in effects if used[k])
            for effects in table.set_effects
        ]
        found = fit_set_model(self.model_, table.sets, own, seed)
        if found is not None:
            self.update(set_scores=found.scores)

    def _used_effects(self, table: InteractionTable) -> np.ndarray:
        """Return [E] bool: the effects with enough pairs; DataError without any."""
        least = self.validate_settings().min_pairs
        counts = np.bincount(table.pair_effects, minlength=len(table.effects))
        used = counts >= least
        if not used.any():
            most = int(counts.max(initial=0))
            raise DataError(
                f"No effect has {least} pairs of drugs or more (--min-pairs): the most "
                f"frequent one has {most}. Add data, or lower --min-pairs."
            )
        return used

    def train_network(
        self,
        started_at: float,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = never_stop,
    ) -> Iterator[Epoch]:
        """Train nothing: what `fit_baseline` finds is the model."""
        yield from ()

    # --- describe ---

    @property
    def fingerprint_texts(self) -> list[str]:
        return [*self.model_.drugs, *self.model_.effects]

    def training_data(self) -> Iterable[Tensor | np.ndarray]:
        known = self.model_.scores.pair_effects
        yield from (known.codes, known.table.indices, known.table.indptr)

    @property
    def validation_metric(self) -> str:
        return "auroc"

    @property
    def network_name(self) -> str:
        return ""

    @property
    def linear_description(self) -> str:
        """Return what the model was fitted to."""
        known, model = self.model_.scores.pair_effects, self.model_
        cells = known.table.nnz / (known.num_effects * max(len(known.codes), 1))
        return (
            f"{pluralize(len(known.codes), 'pair')} of "
            f"{pluralize(int(model.scores.is_known.sum()), 'drug')}, which have "
            f"{format_percent(cells)} of {pluralize(known.num_effects, 'effect')}"
        )

    @property
    def left_out_effects(self) -> int:
        """Return how many effects of the table are too rare; 0 for a loaded model."""
        table = self.model_.table
        return 0 if table is None else len(table.effects) - len(self.model_.effects)

    # --- evaluate ---

    def evaluate(self) -> Evaluation:
        """Return how held-out facts are ranked in the situation that is the headline.

        That is a new pair of known drugs, beside pairs that interact in other ways, if
        there are enough; `results_` has the scores of the others.
        """
        self.check_fitted()
        return evaluation_of(self.model_, headline(self.model_.results))

    # --- predict ---

    def predict_proba(self, X: Sequence[Sequence[str]]) -> np.ndarray:
        """Return P(effect | set) [N, E] of sets of drugs (see `prediction.sets`).

        X: names, or SMILES of drugs that are not in the table. NaN where nothing
        supports a prediction for any part. Raises DataError for unknown names.
        """
        return np.stack([found.probabilities for found in self.predict_sets(X)])

    def predict_sets(self, X: Sequence[Sequence[str]]) -> list[SetPrediction]:
        """Return the predictions for sets of drugs, with their parts."""
        self.check_fitted()
        if not len(X):
            raise DataError("There is no set of drugs to predict.")
        model, sets = self.resolve(X)
        return predict_sets(model, sets)

    def predict(
        self,
        X: Sequence[Sequence[str]],
        top: int | None = 20,
        *,
        new: bool = False,
    ) -> Any:
        """Return a table of the most probable effects of each set of drugs.

        Columns as in `set_predictions.to_frame`. top: effects of each set; None: all.
        new: leave out effects that are known already.
        """
        return to_frame(self.predict_sets(X), top, new=new)

    def resolve(
        self, X: Sequence[Sequence[str]]
    ) -> tuple[FittedInteractions, list[tuple[int, ...]]]:
        """Return the drugs of sets by number, and the model with the new ones.

        Raises DataError for a name that is neither in the table nor a SMILES, for sets
        of fewer than two different drugs, and of more than MAX_DRUGS.
        """
        if isinstance(X, str) or any(isinstance(names, str) for names in X):
            raise SettingError(
                "X must be a list of sets of drugs, such as [['aspirin', 'warfarin']]."
            )
        known = {str(name): row for row, name in enumerate(self.model_.drugs)}
        folded = {name.casefold(): row for name, row in known.items()}
        new: dict[str, int] = {}
        sets = []
        for names in X:
            rows = []
            for name in names:
                name = str(name).strip()
                row = known.get(name, folded.get(name.casefold()))
                if row is None:
                    problem = self.problem_of(name)
                    if problem is not None:
                        raise DataError(problem)
                    row = new.setdefault(name, len(known) + len(new))
                rows.append(row)
            if not 2 <= len(set(rows)) <= MAX_DRUGS:
                raise DataError(
                    f"A set has 2 to {MAX_DRUGS} different drugs. Got "
                    f"{len(set(rows))}: {', '.join(map(str, names))[:200]}."
                )
            sets.append(tuple(sorted(set(rows))))
        model = self.model_
        return (model.with_drugs(list(new), list(new)) if new else model), sets

    def problem_of(self, name: str) -> str | None:
        """Return why a drug cannot be predicted; None for a known name or a SMILES."""
        names = [str(drug) for drug in self.model_.drugs]
        if name.casefold() in {drug.casefold() for drug in names}:
            return None
        if parse_molecule(name).mol is not None:
            return None
        return (
            f"There is no drug {name!r} in the table, and it is not a SMILES. "
            f"{suggest_names(name, names)}"
        )
