"""`vicinal demo recommendation`: a generated table of users with tastes.

The data are synthetic. Each item has one of a few styles, each user likes one or two
styles and chooses among their items, the popular ones more often; a share of the
choices is of any style. So what there is to learn is known.
"""

import time
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.report.console import Console
from vicinal.knowledge.recommendation.data.user_items import ItemFacts, UserItems
from vicinal.knowledge.recommendation.fitting import KNOWN, NEW
from vicinal.knowledge.recommendation.recommender import Recommender
from vicinal.knowledge.recommendation.results import NDCG, RECALL, results_of

USERS, ITEMS, STYLES = 300, 200, 8
STYLES_PER_USER, ITEMS_PER_USER = 2, 20
ANY_STYLE = 0.2
"""share of the choices that do not follow the user's taste"""

EPOCHS = 30
"""passes of LightGCN over this small table"""


def make_tastes(seed: int = 0) -> UserItems:
    """Return a synthetic table: who chose what, and the style of each item."""
    rng = np.random.default_rng(seed)
    styles = rng.integers(STYLES, size=ITEMS)
    popularity = 1 / (1 + rng.permutation(ITEMS)) ** 0.5
    users, items = [], []
    for user in range(USERS):
        liked = rng.choice(STYLES, STYLES_PER_USER, replace=False)
        taste = np.where(np.isin(styles, liked), 1.0, 0.0)
        p = popularity * taste
        p = (1 - ANY_STYLE) * p / p.sum() + ANY_STYLE * popularity / popularity.sum()
        chosen = rng.choice(ITEMS, ITEMS_PER_USER, replace=False, p=p)
        users += [user] * ITEMS_PER_USER
        items += np.sort(chosen).tolist()
    ones = np.ones(len(users), np.float32)
    weights = csr_matrix((ones, (users, items)), (USERS, ITEMS))
    facts = csr_matrix(
        (np.ones(ITEMS, np.float32), (styles, np.arange(ITEMS))), (STYLES, ITEMS)
    )
    return UserItems(
        users=np.array([f"user-{k:03d}" for k in range(USERS)], object),
        items=np.array(
            [f"style-{style}-item-{k:03d}" for k, style in enumerate(styles)], object
        ),
        weights=weights,
        times=None,
        has_weights=False,
        facts=ItemFacts(
            np.array([f"style = style-{k}" for k in range(STYLES)], object), facts
        ),
        num_rows=len(users),
    )


def run_demo(console: Console, *, seeds: int = 1) -> dict[str, Any]:
    """Fit, score all models, and recommend to a user; return the scores."""
    started_at, data = time.monotonic(), make_tastes()
    console.print(
        f"A generated table (synthetic): {USERS} users, {ITEMS} items of {STYLES} "
        f"styles.\nEach user likes {STYLES_PER_USER} styles; {1 - ANY_STYLE:.0%} of "
        "the choices follow them.\n"
    )
    model = Recommender(epochs=EPOCHS).fit(data)
    scores: dict[str, Any] = {}
    for situation in (KNOWN, NEW):
        console.print(f"{situation}:")
        for name, result in results_of(model.model_, situation).items():
            recall = float(result.scores.recall.mean())
            ndcg = float(result.scores.ndcg.mean())
            mark = "  <- kept" if name == model.model_.chosen else ""
            console.print(
                f"  {name:<22} {RECALL} {recall:.3f}  {NDCG} {ndcg:.3f}{mark}"
            )
            scores.setdefault(situation, {})[name] = {RECALL: recall, NDCG: ndcg}
    frame = model.recommend("user-000", top=5)
    console.print("\nRecommendations for user-000, and why:")
    for row in frame.to_dict("records"):
        console.print(f"  {row['item']}  {row['score']:.3f}  {row['reasons']}")
    console.print(
        "\nNext, your own table, with columns user and item:\n"
        "  vicinal check DATA.csv            rows that cannot be used, and why\n"
        "  vicinal train DATA.csv            a tested model and a report\n"
        "  vicinal recommend RUN USER        items for a user, with reasons"
    )
    return {
        "score": model.evaluate().score.to_dict(),
        "situations": scores,
        "recommendations": frame.to_dict("records"),
        "seconds": round(time.monotonic() - started_at, 2),
    }
