"""The scores of a completion: mean reciprocal rank with its interval, by model."""

from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import mean_score
from vicinal.knowledge.evaluation.ranking import HITS


def evaluation_of(model: Any) -> Evaluation:
    """Return the scores of a `FittedTriples` on its test triples.

    The intervals are over triples, of which both ends are asked for.
    """
    scores = model.scores
    own = scores.ranks[scores.delivered]
    others = {name: r for name, r in scores.ranks.items() if name != scores.delivered}
    return Evaluation(
        score=mean_score("mrr", (1 / own).mean(axis=0)),
        scores=[mean_score(f"hits@{k}", (own <= k).mean(axis=0)) for k in HITS],
        baselines={
            name: mean_score("mrr", (1 / ranks).mean(axis=0))
            for name, ranks in others.items()
        },
        predictions=ranks_frame(model),
        decisions=np.zeros(0),
        calibration_error=scores.calibration_error,
        comparisons={
            name: sign_test_of_gains(np.sign(1 / own - 1 / ranks).ravel())
            for name, ranks in others.items()
        },
        notes=[
            "filtered ranks of both ends of the test triples; the mean rank is taken "
            "among equal scores (realistic)"
        ],
    )


def ranks_frame(model: Any) -> pd.DataFrame:
    """Return a row for each test triple: its ends and their ranks."""
    heads, relations, tails = model.scores.tested.T
    tail_ranks, head_ranks = model.scores.ranks[model.scores.delivered]
    return pd.DataFrame(
        {
            "head": model.entities[heads],
            "relation": model.relations[relations],
            "tail": model.entities[tails],
            "tail_rank": tail_ranks,
            "head_rank": head_ranks,
        }
    )
