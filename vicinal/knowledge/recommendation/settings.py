"""Options of recommendation. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Literal

from vicinal.core.settings import Settings, is_integer, is_number

MAX_HELD_OUT = 0.5
MAX_EPOCHS = 10_000


@dataclass(frozen=True, kw_only=True)
class UserItemColumns(Settings):
    """Columns of a table of users and items, and which rows are positive."""

    user_column: str | None = None
    """column of users; None: user, customer, visitor or the like, perhaps with id"""

    item_column: str | None = None
    """column of items; None: item, artist, movie, product, track or the like"""

    rating_column: str | None = None
    """column of ratings; None: rating, stars or the like"""

    weight_column: str | None = None
    """column of weights; None: weight, plays, count, quantity or the like"""

    time_column: str | None = None
    """column of times, numbers or dates; None: time, timestamp, date or the like"""

    min_rating: float | None = None
    """lowest rating of an item that a user likes; None: any rating counts"""

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = self.min_rating is None or is_number(self.min_rating)
        self.require("min_rating", valid, "a number, or None")


@dataclass(frozen=True, kw_only=True)
class RecommendationSettings(UserItemColumns):
    """Training options for recommendation."""

    split: Literal["auto", "random", "time"] = "auto"
    """items that are held out of each user: random ones, or the last by time; auto:
    the last if there are times"""

    held_out: float = 0.2
    """share of each user's items that is held out at random for testing, and of the
    rest for validation"""

    new_users: float = 0.1
    """share of the users who are tested as new users; 0: none"""

    epochs: int = 150
    """maximum number of passes of LightGCN over the table; 0: it is not trained"""

    minutes: float = 1.0
    """minutes for the whole run; a third of it at most goes to LightGCN"""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = is_number(self.held_out) and 0 < self.held_out <= MAX_HELD_OUT
        self.require("held_out", share, f"above 0 and up to {MAX_HELD_OUT}")
        share = is_number(self.new_users) and 0 <= self.new_users <= MAX_HELD_OUT
        self.require("new_users", share, f"from 0 to {MAX_HELD_OUT}")
        passes = is_integer(self.epochs, 0) and self.epochs <= MAX_EPOCHS
        self.require("epochs", passes, f"a whole number from 0 to {MAX_EPOCHS:,}")
        limited = is_number(self.minutes) and self.minutes > 0
        self.require("minutes", limited, "above 0")
