"""Explanations of one prediction: an attribution map with its faithfulness test.

A map that is no better than random maps of the same smoothness says so in its verdict.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.05
"""significance level of the comparison with random maps"""

MIN_STABILITY = 0.5
"""correlation below which a map is called unstable"""


class Faithfulness(NamedTuple):
    """Deletion and insertion scores beside those of random maps (Petsiuk et al. 2018).

    Pixels are deleted in the order of the map; deletion is the mean score on the way
    (lower is better). Insertion adds them to an empty image (higher is better). The
    random maps have the same smoothness.
    """

    deletion: float
    random_deletion: float
    insertion: float
    random_insertion: float
    p: float
    """fraction of maps, this one included, whose insertion less deletion is as large;
    at least 1 / (controls + 1)"""

    controls: int
    """number of random maps"""

    @property
    def better(self) -> bool:
        """True if the map is significantly better than random maps."""
        return self.p <= LEVEL

    def to_dict(self) -> dict[str, Any]:
        return self._asdict() | {"better": self.better}


@dataclass(frozen=True, repr=False)
class Explanation:
    """The attribution of one output of a model to the parts of an input."""

    method: str

    target: str
    """what is explained: a class, one class against another, or the number"""

    score: float
    """output of the model for the target: a probability, or a number"""

    map: np.ndarray
    """attribution: positive values increase the score, negative ones decrease it"""

    seconds: float
    """time for the map, without the tests"""

    faithfulness: Faithfulness
    stability: float
    """correlation of the map with that of a slightly noisy input"""

    @property
    def verdict(self) -> str:
        """Say in a few sentences whether the map can be trusted."""
        f = self.faithfulness
        if not np.any(self.map):
            return f"The map for {self.target} is empty: no attribution."
        numbers = (
            f"deletion {f.deletion:.2f} (random {f.random_deletion:.2f}, lower is "
            f"better), insertion {f.insertion:.2f} (random {f.random_insertion:.2f}, "
            f"higher is better), p = {f.p:.2g} with {f.controls} random maps"
        )
        if not f.better:
            return (
                f"Not significantly better than random maps: {numbers}. Do not "
                "interpret this map."
            )
        notes = ""
        if f.deletion >= f.random_deletion:
            notes += " Only the insertion score is better than random."
        elif f.insertion <= f.random_insertion:
            notes += " Only the deletion score is better than random."
        if self.stability < MIN_STABILITY:
            notes += (
                " Unstable: a little noise in the input changes the map (correlation "
                f"{self.stability:.2f})."
            )
        return (
            f"The marked regions matter for {self.target} more than random ones: "
            f"{numbers}.{notes}"
        )

    def __repr__(self) -> str:
        return f"<{self.method} for {self.target} ({self.score:.3g}): {self.verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON, the map as nested lists."""
        return {
            "method": self.method,
            "target": self.target,
            "score": self.score,
            "seconds": self.seconds,
            "stability": self.stability,
            "faithfulness": self.faithfulness.to_dict(),
            "verdict": self.verdict,
            "map": np.round(self.map.astype(float), 6).tolist(),
        }
