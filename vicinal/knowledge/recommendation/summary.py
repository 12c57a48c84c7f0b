"""What a table of users and items holds, in figures and in sentences."""

from typing import Any

import numpy as np

from vicinal.core.text import format_percent, pluralize
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.evaluation.ranking import POPULAR_SHARE


def table_statistics(table: UserItems) -> dict[str, Any]:
    """Return figures that describe a table."""
    counts, sizes = table.weights.getnnz(0), table.weights.getnnz(1)
    return {
        "rows": table.num_rows,
        "users": len(table.users),
        "items": len(table.items),
        "choices": int(table.weights.nnz),
        "median_items_per_user": float(np.median(sizes)),
        "items_of_one_user": int((counts == 1).sum()),
        "items_of_no_user": int((counts == 0).sum()),
        "popular_share": popular_share(counts),
        "weights": table.has_weights,
        "times": table.times is not None,
        "facts": len(table.facts),
    }


def popular_share(counts: np.ndarray) -> float:
    """Return the share of the choices that the most popular items have."""
    most = max(1, round(POPULAR_SHARE * len(counts)))
    return float(np.sort(counts)[::-1][:most].sum() / max(counts.sum(), 1))


def table_lines(table: UserItems) -> list[str]:
    """Return the same in sentences."""
    found = table_statistics(table)
    cells = found["users"] * found["items"]
    lines = [
        f"{pluralize(found['users'], 'user')} and {pluralize(found['items'], 'item')}, "
        f"{pluralize(found['choices'], 'choice')} "
        f"({100 * found['choices'] / max(cells, 1):.2g} % of all pairs)",
        f"a user has {found['median_items_per_user']:,.0f} items (median); "
        f"{found['items_of_one_user']:,} items have one user; the most popular "
        f"{format_percent(POPULAR_SHARE)} of the items have "
        f"{format_percent(found['popular_share'])} of the choices",
    ]
    also = ["weights"] if found["weights"] else []
    also += ["times"] if found["times"] else []
    also += (
        [f"{pluralize(found['facts'], 'fact')} about items"] if found["facts"] else []
    )
    return [*lines, f"with {', '.join(also)}"] if also else lines
