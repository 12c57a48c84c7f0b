"""What an answer rests on, and whether that is more than chance would say.

A map of what counts is easily drawn and seldom checked. Here each comes with what
happens when its parts are taken away: an `Explanation` that does no better than random
maps of the same smoothness says so.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.05
"""how often chance alone may be taken for an explanation"""


class Faithfulness(NamedTuple):
    """How a map does beside random ones as smooth as it (Petsiuk et al. 2018).

    Pixels are taken away, those that the map marks first, and the answer is asked for
    again and again: deletion is the mean of the answer on the way, the less the better.
    Insertion puts them back into a picture without anything, the more the better.
    """

    deletion: float
    random_deletion: float
    insertion: float
    random_insertion: float
    p: float
    """share of the random maps that do as well, by insertion less deletion; the map
    itself counts as one of them, so it is 1 / (maps + 1) at least"""

    maps: int
    """random maps that it was held against"""

    @property
    def better(self) -> bool:
        """Whether the map says more than chance."""
        return self.p <= LEVEL

    def to_dict(self) -> dict[str, Any]:
        return self._asdict() | {"better": self.better}


@dataclass(frozen=True, repr=False)
class Explanation:
    """Which parts of an input one number of a model rests on."""

    method: str

    target: str
    """what is explained: a class, one class against another, or the number"""

    score: float
    """what the model gives for it: a probability, or a number"""

    map: np.ndarray
    """above 0 what speaks for the target, below 0 what speaks against it"""

    seconds: float
    """what the map took, without what follows"""

    faithfulness: Faithfulness
    stability: float
    """correlation of the map with that of the input with a little noise in it"""

    @property
    def verdict(self) -> str:
        """What the map is worth, in a sentence."""
        f = self.faithfulness
        if not np.any(self.map):
            return f"Nothing in it speaks for {self.target}: the map is empty."
        beside = (
            f"the answer is {f.deletion:.2f} on average while what it marks is taken "
            f"away, the less the better (random: {f.random_deletion:.2f}), and "
            f"{f.insertion:.2f} while that is put back, the more the better (random: "
            f"{f.random_insertion:.2f}); p = {f.p:.2g}, of {f.maps} random maps"
        )
        if not f.better:
            return (
                "This map is not shown to do better than random ones as smooth as it: "
                f"{beside}. Do not read anything into it."
            )
        notes = ""
        if f.deletion >= f.random_deletion:
            notes += " Only putting back speaks for it."
        elif f.insertion <= f.random_insertion:
            notes += " Only taking away speaks for it."
        if self.stability < UNSTEADY:
            notes += (
                " A little noise in the input changes the map a lot (correlation "
                f"{self.stability:.2f})."
            )
        return (
            f"What it marks counts for {self.target} more than random places do: "
            f"{beside}.{notes}"
        )

    def __repr__(self) -> str:
        return f"<{self.method} for {self.target} ({self.score:.3g}): {self.verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, the map in rows."""
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


UNSTEADY = 0.5
"""correlation below which a map is told to be unsteady"""
