"""What TriplePredictor finds in `fit`."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.storage.schema import Schema
from vicinal.core.training.history import Epoch
from vicinal.knowledge.answering.names import GraphNames
from vicinal.knowledge.completion.fitting import CompletionScores
from vicinal.knowledge.completion.model_files import SCHEMA, from_files, to_files
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.models.completion import Completion
from vicinal.knowledge.triple_graph import TripleGraph


@dataclass(frozen=True, kw_only=True)
class FittedTriples:
    """Entities, relations and triples, and the model of triples that are missing."""

    schema: ClassVar[Schema] = SCHEMA
    temperature: ClassVar[None] = None
    network: ClassVar[None] = None

    entities: np.ndarray
    """[E] names"""

    relations: np.ndarray
    """[R] names"""

    labels: np.ndarray | None
    """[E] readable names, "" where there is none"""

    completion: Completion
    """its graph has all known triples"""

    calibration: Calibrations
    scores: CompletionScores
    """on triples that were held out"""

    comparison: None = None
    untested: bool = False
    history: list[Epoch] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    table: TripleTable | None = None
    """what `fit` was given; None after loading"""

    @property
    def graph(self) -> TripleGraph:
        """Return the graph of all known triples."""
        return self.completion.rules.graph

    @cached_property
    def names(self) -> GraphNames:
        """Return the names that a user may type."""
        return GraphNames(self.entities, self.relations, self.labels)

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
