"""The recommendation domain: its data, its options, and what each command takes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vicinal.core.domain import (
    Command,
    Domain,
    EvaluateOptions,
    PredictOptions,
    flag,
    positional,
)
from vicinal.graphs.data.tables.text_files import first_line
from vicinal.knowledge.recommendation.settings import RecommendationSettings

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".inter")
OWN_FLAGS = frozenset(
    {"user_column", "item_column", "rating_column", "min_rating", "items", "item_links"}
)
"""flags that only this domain has"""


def detect_recommendation(path: Path, flags: frozenset[str]) -> str | None:
    """Recognise a table with columns of users and of items."""
    if not path.is_file():
        return None
    if flags & OWN_FLAGS:
        return f"table of users and items ({path.name})"
    if not path.name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES):
        return None
    from vicinal.knowledge.recommendation.data.columns import find_user_and_item

    cells = [cell.strip(" \"'\n\r") for cell in re.split(r"[,;\t|]", first_line(path))]
    user, item = find_user_and_item(cells)
    if user is None or item is None:
        return None
    return f"table of users and items ({path.name}, columns {user} and {item})"


@dataclass(frozen=True, kw_only=True)
class RecommendationData:
    """Options for reading users, items, and facts about the items."""

    task: Literal["auto", "recommendation"] = "auto"
    """items that users may choose next"""

    items: str | None = flag("FILE")
    """facts about items: rows of item, relation and entity without a header, or a table
    of items with a column of each attribute (several values separated by |)"""

    item_links: str | None = flag("FILE")
    """rows of item and entity, where the facts name items by entities"""


@dataclass(frozen=True, kw_only=True)
class CheckRecommendation(RecommendationData):
    """Options for reading users, items, and facts about the items."""

    user_column: str | None = flag("COLUMN")
    """column of users; default: user, customer or the like"""

    item_column: str | None = flag("COLUMN")
    """column of items; default: item, artist, movie, product or the like"""

    rating_column: str | None = flag("COLUMN")
    """column of ratings; default: rating, stars or the like"""

    weight_column: str | None = flag("COLUMN")
    """column of weights; default: weight, plays, count or the like"""

    time_column: str | None = flag("COLUMN")
    """column of times; default: time, timestamp, date or the like"""

    min_rating: float | None = flag("N")
    """lowest rating of an item that a user likes; default: any rating counts"""


@dataclass(frozen=True)
class PredictRecommendation(PredictOptions):
    """The users who get recommendations."""

    users: list[str] = positional("USER...|FILE", [])
    """users by name, or a table of users, or one of new users and their items"""

    top: int = flag("N", 10)
    """items of each user"""

    items_of: str | None = flag("A|B|C")
    """items of a new user, separated by |"""

    known: bool = False
    """list items that a user has as well"""


@dataclass(frozen=True)
class RecommendItems(PredictRecommendation):
    """The users who get recommendations, with reasons."""


@dataclass(frozen=True)
class ExplainRecommendation:
    """A user and an item."""

    user: str = positional("USER")
    """user by name; with --items-of: any name"""

    item: str = positional("ITEM")
    """item by name"""

    items_of: str | None = flag("A|B|C")
    """items of a new user, separated by |"""

    top: int = flag("N", 20)
    """items of the user that are listed"""


@dataclass(frozen=True)
class InspectItem:
    """The item whose similar items are shown."""

    item: str = positional("ITEM")
    """item by name"""

    top: int = flag("N", 20)
    """similar items that are listed"""


COMMANDS = "vicinal.knowledge.recommendation.commands"
RECOMMENDATION = Domain(
    name="recommendation",
    summary="recommend items to users, from what all users chose",
    reads="a table with columns user and item, perhaps rating, weight and time",
    detect=detect_recommendation,
    data=RecommendationData,
    settings=RecommendationSettings,
    estimators={
        "recommendation": "vicinal.knowledge.recommendation.recommender:Recommender"
    },
    read=f"{COMMANDS}:read",
    run="vicinal.knowledge.recommendation.run:RecommendationRun",
    commands={
        "check": Command(CheckRecommendation, f"{COMMANDS}:check"),
        "evaluate": Command(EvaluateOptions, f"{COMMANDS}:evaluate"),
        "predict": Command(PredictRecommendation, f"{COMMANDS}:predict"),
        "recommend": Command(RecommendItems, f"{COMMANDS}:predict"),
        "explain": Command(ExplainRecommendation, f"{COMMANDS}:explain"),
        "inspect": Command(InspectItem, f"{COMMANDS}:inspect"),
    },
    examples={"predict": "USER", "explain": "USER ITEM"},
    demo="vicinal.knowledge.recommendation.demo:run_demo",
)
