"""Options of interactions. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Any, Literal

from vicinal.core.settings import Settings, is_integer, is_number

MAX_HELD_OUT = 0.3
"""share of facts for validation, and for test"""


@dataclass(frozen=True, kw_only=True)
class InteractionColumns(Settings):
    """Columns of a table of interactions, and what they hold."""

    drug_columns: tuple[str, ...] | None = None
    """columns of drugs, one for each drug of a row, or one of sets such as a|b|c; None:
    drug_1 and drug_2, drugs, or the like"""

    effect_column: str | None = None
    """column of effects, several of which are separated by |; None: effect, side
    effect, event, interaction, relation, type, label or the like"""

    def __post_init__(self) -> None:
        super().__post_init__()
        value: Any = self.drug_columns
        if isinstance(value, (list, str)):  # as read from JSON, or one name
            value = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, "drug_columns", value)
        valid = value is None or (
            isinstance(value, tuple)
            and bool(value)
            and all(isinstance(k, str) for k in value)
        )
        self.require("drug_columns", valid, "names of columns")


@dataclass(frozen=True, kw_only=True)
class InteractionSettings(InteractionColumns):
    """Training options for side effects of drugs that are taken together."""

    ordered: Literal["auto", "yes", "no"] = "auto"
    """whether a pair of drugs in the other order is another pair, as with `inhibits`;
    auto: decided by the data"""

    min_pairs: int = 10
    """pairs of drugs that an effect needs; rarer effects are left out"""

    held_out: float = 0.1
    """share of the facts, pairs and drugs that is held out for validation, and again
    for testing, in each situation"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("min_pairs", is_integer(self.min_pairs, 1), "1 or more")
        share = is_number(self.held_out) and 0 < self.held_out <= MAX_HELD_OUT
        self.require("held_out", share, f"above 0 and up to {MAX_HELD_OUT}")
