"""The scores of a completion: mean reciprocal rank with its interval, by model."""

from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import Score
from vicinal.knowledge.evaluation.ranking import HITS

SAMPLES = 1000


def mean_score(metric: str, values: np.ndarray, seed: int = 0) -> Score:
    """Return the mean of values [2, N] with the 95 % interval of the bootstrap.

    Triples are resampled, with both of their questions (B. Efron and R. Tibshirani
    1993, chapter 13).
    """
    rng, pairs = np.random.default_rng(seed), values.mean(axis=0)
    n = len(pairs)
    means = [pairs[rng.integers(n, size=n)].mean() for _ in range(SAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(pairs.mean())
    return Score(metric, mean, min(float(low), mean), max(float(high), mean), n)


def evaluation_of(model: Any) -> Evaluation:
    """Return the scores of a `FittedTriples` on its test triples."""
    scores = model.scores
    own = scores.ranks[scores.delivered]
    others = {name: r for name, r in scores.ranks.items() if name != scores.delivered}
    return Evaluation(
        score=mean_score("mrr", 1 / own),
        scores=[mean_score(f"hits@{k}", (own <= k).astype(float)) for k in HITS],
        baselines={
            name: mean_score("mrr", 1 / ranks) for name, ranks in others.items()
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
