"""What InteractionPredictor finds in `fit`."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Schema
from vicinal.core.training.history import Epoch
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.fitting import Key, SituationResult, feature_sets
from vicinal.interactions.model_files import SCHEMA, from_files, to_files
from vicinal.interactions.models.combination import Combination
from vicinal.interactions.models.scores import PairScores


@dataclass(frozen=True)
class PairPredictions:
    """Predictions for M pairs and E effects."""

    probabilities: np.ndarray
    """[M, E] of the effect, 1 where it is known; NaN where nothing supports one"""

    known: csr_matrix
    """[M, E] 1 where the effect is known"""

    situations: np.ndarray
    """[M] rows of SITUATIONS"""


@dataclass(frozen=True, kw_only=True)
class FittedInteractions:
    """Drugs, what is known of them, and the models of their effects."""

    schema: ClassVar[Schema] = SCHEMA
    temperature: ClassVar[None] = None
    network: ClassVar[None] = None

    drugs: np.ndarray
    """[D] names"""

    effects: np.ndarray
    """[E] names"""

    single_effects: np.ndarray
    """[S] names of effects of drugs alone"""

    proteins: np.ndarray
    """[P] names of targets"""

    smiles: list[str | None]
    """[D] structures; None: not known"""

    features: DrugFeatures
    scores: PairScores
    combinations: dict[Key, Combination]
    results: list[SituationResult] = field(default_factory=list)
    """scores by situation; empty after loading"""

    set_scores: dict[str, float] = field(default_factory=dict)
    """AUROC on sets of three drugs or more, by model; empty: there are too few"""

    comparison: None = None
    untested: bool = False
    history: list[Epoch] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    table: InteractionTable | None = None
    """what `fit` was given; None after loading"""

    @property
    def ordered(self) -> bool:
        """Return whether a pair in the other order is another pair."""
        return self.scores.pair_effects.ordered

    # --- pairs ---

    def predict_pairs(self, pairs: np.ndarray) -> PairPredictions:
        """Return the probabilities of all effects of pairs [M, 2]."""
        pairs, known = np.asarray(pairs).reshape(-1, 2), self.scores.pair_effects
        situations = self.scores.situations(pairs)
        found = np.full((len(pairs), known.num_effects), np.nan)
        for key, rows in self._by_model(pairs, situations).items():
            combination = self.combinations[key]
            self.scores.represent_new_drugs(self.features, key[1])
            for block in np.array_split(rows, -(-len(rows) // 1024)):
                x = np.moveaxis(self.scores.columns(pairs[block]), 0, -1)
                logits = combination.logits(np.ascontiguousarray(x))
                found[block] = expit(logits.astype(float) + self.prior_logits(key))
        effects = known.known_effects(pairs)
        found[effects.nonzero()] = 1.0
        return PairPredictions(found, effects, situations)

    def prior_logits(self, key: Key) -> np.ndarray:
        """Return the log odds [E] of each effect among the pairs of a situation.

        A combination is fitted to as many pairs with as without the effect; of known
        pairs, and of all pairs of known drugs, fewer have it.
        """
        known = self.scores.pair_effects
        drugs = int(self.scores.is_known.sum())
        pairs = drugs * (drugs - 1) // (1 if self.ordered else 2)
        total = len(known.codes) if key[0] == SITUATIONS[0] else pairs
        counts = known.effect_counts.astype(float)
        share = (counts + 0.5) / (max(total, 1) + 1)
        return np.log(share) - np.log1p(-np.minimum(share, 0.999))

    def key_of(self, pair: np.ndarray) -> Key | None:
        """Return the combination that predicts a pair [1, 2]; None: there is none."""
        return next(iter(self._by_model(pair, self.scores.situations(pair))), None)

    def _by_model(
        self, pairs: np.ndarray, situations: np.ndarray
    ) -> dict[Key, np.ndarray]:
        """Return the rows of the pairs that each combination predicts."""
        found = {}
        for number, situation in enumerate(SITUATIONS):
            rows = np.flatnonzero(situations == number)
            if number < 2:
                kinds = np.zeros(len(rows), np.int64)
                sets: list[tuple[str, ...]] = [()]
            else:
                sets = feature_sets(self.features)
                kinds = self._feature_sets(pairs[rows])
            for row, own in enumerate(sets):
                key = situation, own
                chosen = rows[kinds == row]
                if len(chosen) and key in self.combinations:
                    found[key] = chosen
        return found

    def _feature_sets(self, pairs: np.ndarray) -> np.ndarray:
        """Return the rows [M] of the feature sets that represent pairs; -1: none."""
        sets = feature_sets(self.features)
        new = ~self.scores.is_known[pairs]
        found = np.full(len(pairs), -1)
        for row, kinds in reversed(list(enumerate(sets))):
            # all kinds: a drug of which more than the structure is known
            telling = [k for k in kinds if k != "structure"] or list(kinds)
            has = np.any([self.features.is_known(name) for name in telling], axis=0)
            found[(has[pairs] | ~new).all(axis=1)] = row
        return found

    # --- drugs that are not in the table ---

    def with_drugs(self, names: list[str], smiles: list[str]) -> Self:
        """Return the model with further drugs, of which the structure is known."""
        from vicinal.interactions.data.interaction_table import structure_counts
        from vicinal.interactions.prediction.extension import (
            extend_features,
            extend_scores,
        )

        structure = structure_counts(smiles)
        return replace(
            self,
            drugs=np.concatenate([self.drugs, np.array(names, object)]),
            smiles=[*self.smiles, *smiles],
            features=extend_features(self.features, structure),
            scores=extend_scores(self.scores, len(names)),
        )

    # --- files ---

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        return to_files(self)

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: Any = None
    ) -> Self:
        """Return the model that `to_files` described; ValueError for a bad one.

        settings: not used.
        """
        return cls(**from_files(description, tensors))
