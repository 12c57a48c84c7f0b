"""The score of a given test split with and without copies of training images."""

from typing import NamedTuple

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import Score
from vicinal.core.report.report import Block, Text
from vicinal.core.report.sections import score_table, truncated_table
from vicinal.core.text import pluralize
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator


class SplitLeaks(NamedTuple):
    """Near duplicates of training images in the test split, left out of its score."""

    names: list[str]
    """of the test images"""

    score: Score
    """with them"""

    without: Score

    def describe(self) -> str:
        """Return both scores in a sentence."""
        return (
            f"with {pluralize(len(self.names), 'test image')} that have near copies "
            f"in train or val: {self.score.metric} {self.score} (too good; the score "
            "above is without them; data/quarantine.csv lists them)"
        )

    def blocks(self) -> list[Block]:
        """Return both scores and the names of the images for the report."""
        text = (
            f"{pluralize(len(self.names), 'test image')} of the given split are near "
            "duplicates of training or validation images, or in one group with them. "
            "They are left out of the score, and listed in data/quarantine.csv with "
            "the image each is like."
        )
        rows = [
            ("test, without them", self.without),
            ("test, with them (too good)", self.score),
        ]
        names = [[name] for name in self.names]
        return [Text(text), score_table(rows), truncated_table(["left out"], names)]


def score_with_leaks(
    estimator: ImageEstimator,
    test: ImageDataset,
    evaluation: Evaluation,
    leaks: ImageDataset,
) -> SplitLeaks:
    """Return the score on the test images [N] and the leaks [L] together.

    evaluation: of the test images.
    """
    objective = estimator.objective_
    predicted = estimator.predict_from_logits(
        estimator.extractor.logits(
            estimator.extractor.dataset_features(leaks).embeddings
        )
    )
    score = objective.score(
        objective.encode(np.concatenate([test.table.labels, leaks.table.labels])),
        np.concatenate([evaluation.decisions, objective.decide(predicted)]),
        np.concatenate([test.groups, leaks.groups]),
    )
    return SplitLeaks(list(leaks.table.names), score, evaluation.score)
