"""What ImportanceRegressor finds in `fit`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.evaluation.significance import PairedComparison
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Schema
from vicinal.core.training.history import Epoch
from vicinal.knowledge.importance.features.graph_features import (
    FeatureRows,
    GraphFeatures,
    NewFacts,
)
from vicinal.knowledge.importance.fitting import TargetScale, Validation
from vicinal.knowledge.importance.model_files import SCHEMA, from_files, to_files
from vicinal.knowledge.importance.models.score_network import (
    PredicateEdges,
    ScoreNetwork,
)
from vicinal.knowledge.importance.models.stacked import StackedModel
from vicinal.knowledge.importance.table import ImportanceTable


@dataclass(frozen=True, kw_only=True)
class FittedImportance:
    """A knowledge graph, the known targets, and the models of the others."""

    schema: ClassVar[Schema] = SCHEMA
    temperature: ClassVar[None] = None

    entities: np.ndarray
    """[E] names"""

    labels: np.ndarray
    """[E] readable names, "" where unknown"""

    relations: np.ndarray
    """[R] names"""

    target: np.ndarray
    """[E] float64, NaN where it is not known"""

    target_name: str
    scale: TargetScale
    features: GraphFeatures
    stack: StackedModel
    validation: Validation
    network: ScoreNetwork | None = None
    """the network that predicts; None: the blend of ridge and boosting does"""

    attention: np.ndarray | None = None
    """[L, 2R + 1] of the network by predicate (`ScoreNetwork.predicate_attention`);
    None: no network was trained"""

    network_mean: float = 0.0
    network_std: float = 1.0
    """of the labels that the network was trained on"""

    comparison: PairedComparison | None = None
    untested: bool = False
    history: list[Epoch] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    table: ImportanceTable | None = None
    """what `fit` was given; None after loading"""

    # --- predict ---

    @cached_property
    def predicted(self) -> np.ndarray:
        """Return the predictions [E] for all entities, on the scale that is predicted.

        The own label of an entity is not among the labels of sharers.
        """
        if self.network is None:
            everything = np.arange(len(self.entities))
            return self.stack.predict(
                self.features, self.features.rows, everything
            ).blend
        with torch.inference_mode():
            x = torch.from_numpy(self.features.rows.dense)
            edges = PredicateEdges.from_graph(self.features.graph)
            scores = self.network.eval()(x, edges).numpy()
        return scores.astype(float) * self.network_std + self.network_mean

    @property
    def labelled(self) -> np.ndarray:
        """Return the entities with a target, ascending."""
        return np.flatnonzero(~np.isnan(self.target))

    def predict_entities(self, entities: np.ndarray) -> np.ndarray:
        """Return predictions [M] of entities in the unit of the target."""
        return self.scale.from_scale(self.predicted[entities])

    def new_rows(self, facts: Sequence[NewFacts]) -> FeatureRows:
        """Return the features of new entities."""
        return self.features.new_rows(facts)

    def predict_new(self, facts: Sequence[NewFacts]) -> np.ndarray:
        """Return predictions [M] of new entities, always of the blend."""
        found = self.stack.predict(self.features, self.new_rows(facts)).blend
        return self.scale.from_scale(found)

    # --- names ---

    def name_of(self, entity: int) -> str:
        """Return an entity's name, with the readable one if there is one."""
        name, label = str(self.entities[entity]), str(self.labels[entity])
        return f"{label} ({name})" if label and label != name else name

    @cached_property
    def rows_by_name(self) -> dict[str, int]:
        """Return the rows of entities by name and by unambiguous readable name."""
        labels, counts = np.unique(self.labels.astype(str), return_counts=True)
        unique = set(labels[(counts == 1) & (labels != "")].tolist())
        labelled = enumerate(map(str, self.labels))
        rows = {label: row for row, label in labelled if label in unique}
        return rows | {str(name): row for row, name in enumerate(self.entities)}

    def relation_name(self, directed: int) -> str:
        """Return the name of a directed relation; 2R: the self-loop."""
        size = len(self.relations)
        if directed == 2 * size:
            return "itself"
        name = str(self.relations[directed % size])
        return name if directed < size else f"{name} (inverse)"

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
