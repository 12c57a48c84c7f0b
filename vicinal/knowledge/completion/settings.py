"""Options of completion. Flags and their help are generated from the fields."""

from dataclasses import dataclass

from vicinal.core.settings import is_integer, is_number
from vicinal.knowledge.models.training_options import TrainingOptions
from vicinal.knowledge.settings import TripleColumns

MAX_HELD_OUT = 0.3
SMALL = 2000
"""entities below which longer vectors are trained and N3 weighs less"""

DIM, SMALL_DIM = 128, 200
N3, SMALL_N3 = 0.1, 0.03
"""chosen on the validation triples of FB15k-237, and of UMLS"""


@dataclass(frozen=True, kw_only=True)
class CompletionSettings(TripleColumns):
    """Training options for missing facts of a knowledge graph."""

    minutes: float = 3.0
    """time to train an embedding and a path network; 0: rules alone"""

    path_network: bool = True
    """train a network that scores the paths to the best answers, on another core at the
    same time; under 20 seconds, and for more than a million triples, there is none"""

    dim: int | None = None
    """complex numbers of the vector of each entity; None: 128, or 200 for graphs with
    fewer than 2,000 entities"""

    n3: float | None = None
    """weight of the N3 penalty of an embedding; None: 0.1, or 0.03 for graphs with
    fewer than 2,000 entities"""

    held_out: float = 0.05
    """share of the triples for validation, and again for testing, where the data have
    no split of their own"""

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = is_number(self.minutes) and self.minutes >= 0
        self.require("minutes", valid, "0 or more")
        valid = self.dim is None or is_integer(self.dim, 1)
        self.require("dim", valid, "1 or more")
        valid = self.n3 is None or (is_number(self.n3) and self.n3 >= 0)
        self.require("n3", valid, "0 or more")
        share = is_number(self.held_out) and 0 < self.held_out <= MAX_HELD_OUT
        self.require("held_out", share, f"above 0 and up to {MAX_HELD_OUT}")

    def training_options(self, num_entities: int) -> TrainingOptions:
        """Return how an embedding of so many entities is trained."""
        small = num_entities < SMALL
        dim = self.dim or (SMALL_DIM if small else DIM)
        n3 = (SMALL_N3 if small else N3) if self.n3 is None else self.n3
        return TrainingOptions(dim=dim, n3=n3)
