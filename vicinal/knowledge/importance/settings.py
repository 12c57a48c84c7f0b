"""Options of node importance. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Literal

from vicinal.core.settings import is_integer, is_number
from vicinal.knowledge.settings import TripleColumns

MAX_FOLDS = 20


@dataclass(frozen=True, kw_only=True)
class ImportanceSettings(TripleColumns):
    """Training options for a number of each entity of a knowledge graph."""

    target: str | None = None
    """column of the table of nodes to predict; None: the only one with numbers"""

    target_scale: Literal["auto", "log", "linear"] = "auto"
    """log: log(1 + target) is predicted; auto: where the target is then less skewed"""

    folds: int = 5
    """folds of the cross-validation"""

    minutes: float = 0.3
    """minutes to train networks of scores (GENI) on all folds together; 0: none"""

    def __post_init__(self) -> None:
        super().__post_init__()
        folds = is_integer(self.folds, 2) and self.folds <= MAX_FOLDS
        self.require("folds", folds, f"a whole number from 2 to {MAX_FOLDS}")
        minutes = is_number(self.minutes) and self.minutes >= 0
        self.require("minutes", minutes, "0 or more")
