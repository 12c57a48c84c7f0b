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
    """share of the random maps that do as well, by insertion less deletion"""

    @property
    def better(self) -> bool:
        """Whether the map says more than chance."""
        return self.p <= LEVEL

    def to_dict(self) -> dict[str, Any]:
        return self._asdict() | {"better": self.better}


@dataclass(frozen=True)
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
            f"{f.deletion:.2f} beside {f.random_deletion:.2f} when it is taken away, "
            f"{f.insertion:.2f} beside {f.random_insertion:.2f} when it is put back; "
            f"p = {f.p:.2g}"
        )
        if not f.better:
            return (
                "This map does no better than random ones as smooth as it "
                f"({beside}): do not read anything into it."
            )
        unsteady = ""
        if self.stability < UNSTEADY:
            unsteady = (
                " A little noise in the input changes the map a lot (correlation "
                f"{self.stability:.2f})."
            )
        return (
            f"What it marks counts for {self.target} more than random places do "
            f"({beside}).{unsteady}"
        )

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
