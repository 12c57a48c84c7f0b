"""What Recommender finds in `fit`."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Schema
from vicinal.core.training.history import Epoch
from vicinal.knowledge.recommendation.data.user_items import ItemFacts, UserItems
from vicinal.knowledge.recommendation.evaluation.ranking import PopularityProfile
from vicinal.knowledge.recommendation.fitting import ModelChoice, RankingResult
from vicinal.knowledge.recommendation.model_files import SCHEMA, from_files, to_files
from vicinal.knowledge.recommendation.models.item_model import Blend


@dataclass(frozen=True, kw_only=True)
class FittedRecommender:
    """Users, items, who chose what, and the model that scores items."""

    schema: ClassVar[Schema] = SCHEMA
    temperature: ClassVar[None] = None
    network: ClassVar[None] = None

    users: np.ndarray
    """[U] names"""

    items: np.ndarray
    """[I] names"""

    weights: csr_matrix
    """[U, I] of the items that users chose"""

    has_weights: bool
    facts: ItemFacts
    scorer: Blend
    chosen: str
    """name of the model"""

    choices: list[ModelChoice]
    """all models that were fitted, the best on validation first"""

    results: list[RankingResult]
    hidden_ranks: np.ndarray
    """(user, item, rank) [M, 3] of the test items"""

    own_profile: PopularityProfile
    """of the items that the test users are known to have"""

    by_time: bool
    comparison: None = None
    untested: bool = False
    history: list[Epoch] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    table: UserItems | None = None
    """what `fit` was given; None after loading"""

    @property
    def counts(self) -> np.ndarray:
        """Return the number of users of each item [I]."""
        return self.weights.getnnz(0)

    @cached_property
    def user_rows(self) -> dict[str, int]:
        """Return the row of each user by name."""
        return {str(name): row for row, name in enumerate(self.users)}

    @cached_property
    def item_rows(self) -> dict[str, int]:
        """Return the row of each item by name."""
        return {str(name): row for row, name in enumerate(self.items)}

    def row_of(
        self, items: np.ndarray, weights: np.ndarray | None = None
    ) -> csr_matrix:
        """Return items [N] as a row of the table [1, I]; weights: 1 by default."""
        order = np.argsort(items, kind="stable")
        values = np.ones(len(items)) if weights is None else weights
        data = np.asarray(values, np.float32)[order]
        shape = 1, len(self.items)
        return csr_matrix((data, items[order], [0, len(items)]), shape=shape)

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
