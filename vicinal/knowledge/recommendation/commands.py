"""What the commands do for recommendation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vicinal.core.domain import EvaluateOptions, OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.core.text import one_line, pluralize
from vicinal.errors import NoDataError, SettingError
from vicinal.knowledge.recommendation.data.asked_users import AskedUsers, read_asked
from vicinal.knowledge.recommendation.data.read import read_user_items
from vicinal.knowledge.recommendation.data.tables import TEXT_SUFFIXES, table_suffix
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.domain import (
    CheckRecommendation,
    ExplainRecommendation,
    InspectItem,
    PredictRecommendation,
    RecommendationData,
)
from vicinal.knowledge.recommendation.recommendations import (
    Explanation,
    describe_facts,
    facts_of,
)
from vicinal.knowledge.recommendation.recommender import NEW_USER, Recommender
from vicinal.knowledge.recommendation.settings import UserItemColumns
from vicinal.knowledge.recommendation.summary import table_lines, table_statistics

SEPARATOR = "|"


def read(
    data: str, options: RecommendationData, parameters: dict[str, Any]
) -> tuple[UserItems, str]:
    """Read the users and items of a training run: (table, task)."""
    values = {name: parameters.get(name) for name in UserItemColumns.names()}
    columns = UserItemColumns(**values)
    table = read_user_items(data, options.items, options.item_links, columns)
    return table, "recommendation"


def check(data: str, arguments: CheckRecommendation, console: Console) -> DataCheck:
    """Return what the table is, and which rows cannot be used."""
    values = {name: getattr(arguments, name) for name in UserItemColumns.names()}
    columns = UserItemColumns(**values)
    table = read_user_items(data, arguments.items, arguments.item_links, columns)
    return DataCheck(
        task="recommendation",
        lines=table_lines(table),
        statistics=table_statistics(table),
        usable=int(table.weights.nnz),
        quarantined=table.quarantined,
        notes=table.notes,
    )


def evaluate(run: OpenRun, arguments: EvaluateOptions, console: Console) -> Evaluation:
    """Return the scores of the items that training held out."""
    model: Recommender = run.model
    return model.evaluate()


def predict(
    run: OpenRun, arguments: PredictRecommendation, console: Console
) -> Predictions:
    """Recommend items to users of the table, or to new ones by their items."""
    model: Recommender = run.model
    asked, exclude_known = _asked_users(model, arguments), not arguments.known
    frames = []
    if asked.names:
        frames.append(model.recommend(asked.names, arguments.top, exclude_known))
    if asked.new:
        lists, names = [*asked.new.values()], [*asked.new]
        frames.append(model.recommend_new(lists, arguments.top, exclude_known, names))
    if not frames:
        raise NoDataError(
            "None of the users can be recommended anything: "
            f"{pluralize(len(asked.quarantined), 'row')} quarantined. "
            + "".join(row.reason for row in asked.quarantined[:1])
        )
    frame = frames[0] if len(frames) == 1 else _concatenate(frames)
    return Predictions(
        frame=frame.rename(columns={"item": "predicted"}),
        unit="recommendation",
        quarantined=asked.quarantined,
        notes=asked.notes,
        details="reasons",
    )


def _concatenate(frames: Sequence[Any]) -> Any:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _asked_users(model: Recommender, arguments: PredictRecommendation) -> AskedUsers:
    """Return the users who get recommendations."""
    words = arguments.users
    if arguments.items_of is not None:
        if words:
            raise SettingError(
                "Name users, or give the items of a new one with --items-of, not both."
            )
        return AskedUsers([], {NEW_USER: items_of(arguments.items_of)})
    if not words:
        raise NoDataError(
            "Name users after RUN, a table of users, or the items of a new user with "
            "--items-of."
        )
    if (
        len(words) == 1
        and words[0] not in model.model_.user_rows
        and _is_file(words[0])
    ):
        found = model.model_
        return read_asked(words[0], found.user_rows, found.item_rows)
    return AskedUsers(words, {})


def items_of(text: str) -> dict[str, float]:
    """Return the items in a text such as a|b|c, each with the weight 1."""
    names = [name.strip() for name in text.split(SEPARATOR)]
    return dict.fromkeys([name for name in names if name], 1.0)


def _is_file(word: str) -> bool:
    """Return whether a word names a table."""
    if Path(word).is_file():
        return True
    if table_suffix(Path(word)) in (*TEXT_SUFFIXES, ".parquet"):
        raise NoDataError(f"There is no file {word}. Check the spelling of the path.")
    return False


# --- explain and inspect -------------------------------------------------------------


def explain(
    run: OpenRun, arguments: ExplainRecommendation, console: Console
) -> Finding:
    """Show what each of a user's items adds to the score of an item."""
    model: Recommender = run.model
    text = arguments.items_of
    user = arguments.user if text is None else items_of(text)
    found = model.explain(user, arguments.item)
    _check_top(arguments.top)
    return Finding(
        text=explanation_lines(found, model.model_description, arguments.top),
        data={**found._asdict(), "model": model.model_description},
    )


def explanation_lines(found: Explanation, model: str, top: int) -> list[str]:
    """Return an explanation as lines of text."""
    place = "the user has it" if found.rank is None else f"rank {found.rank:,}"
    parts = found.parts[:top]
    width = max((len(one_line(name)) for name, _ in parts), default=0)
    lines = [
        f"{one_line(found.item)} for {one_line(found.user)}: score {found.score:.4f} "
        f"({place}; chosen by {pluralize(found.users, 'user')})",
        f"model: {model}",
        "",
        "what each item of the user adds:",
        *(f"  {one_line(name):<{width}}  {value:+.4f}" for name, value in parts),
    ]
    if rest := found.parts[top:]:
        total = sum(value for _, value in rest)
        lines.append(f"  {pluralize(len(rest), 'more item')}  {total:+.4f}")
    if found.base:
        lines.append(f"  without any item  {found.base:+.4f}")
    total = found.base + sum(value for _, value in found.parts)
    lines.append(f"  sum  {total:.4f}")
    if found.shared_facts:
        lines += ["", "facts that the item shares with items of the user:"]
        lines += [
            f"  {one_line(fact)}: {one_line(', '.join(names[:5]))}"
            for fact, names in found.shared_facts
        ]
    return lines


def inspect(run: OpenRun, arguments: InspectItem, console: Console) -> Finding:
    """Show the items that are similar to one, and what is known of it."""
    estimator: Recommender = run.model
    _check_top(arguments.top)
    similar = estimator.similar_items(arguments.item, arguments.top)
    model, row = estimator.model_, estimator.item_row(arguments.item)
    name, count = str(model.items[row]), int(model.counts[row])
    rank = 1 + int((model.counts > count).sum())
    facts = describe_facts(model, facts_of(model, row))
    width = max((len(one_line(k)) for k, _, _ in similar), default=0)
    lines = [
        f"{one_line(name)}: chosen by {pluralize(count, 'user')}, popularity rank "
        f"{rank:,} of {len(model.items):,}",
        f"model: {estimator.model_description}",
        "",
        "items that add most to its score (weight, users of both):",
        *(
            f"  {one_line(k):<{width}}  {weight:+.4f}  {common:,}"
            for k, weight, common in similar
        ),
    ]
    if not similar:
        lines.append("  none: its score does not depend on other items")
    if facts:
        lines += ["", "facts:", *(f"  {one_line(fact)}" for fact in facts)]
    keys = ("item", "weight", "common_users")
    return Finding(
        text=lines,
        data={
            "item": name,
            "users": count,
            "popularity_rank": rank,
            "similar": [dict(zip(keys, each, strict=True)) for each in similar],
            "facts": facts,
        },
    )


def _check_top(top: int) -> None:
    if top < 1:
        raise SettingError(f"top must be 1 or more. Got {top} instead.")
