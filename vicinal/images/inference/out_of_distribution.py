"""Which pictures are like those learned from: by their embedding, and by their surface.

Either may raise the flag (`core.novelty`). The rate of false alarms is shared between
them, and the two shares add up to it at most (Boole's inequality).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.storage.checkpoint import Tensors, under
from vicinal.errors import ModelFileError

SURFACES = 0.2
"""part of the false alarms that surfaces may give; embeddings have the rest"""


class ImageFeatures(NamedTuple):
    """What was seen of N pictures."""

    embeddings: np.ndarray
    """[N, D] what the last layer is given"""

    surfaces: np.ndarray
    """[N, K] see `surface.surface`"""


@dataclass(frozen=True)
class OutlierDetector:
    """What is known, and from where on a picture is called unknown."""

    embeddings: NearestNeighborDetector
    surfaces: NearestNeighborDetector | None
    """None: it was learned before surfaces counted"""

    false_alarm: float
    """share of known pictures that may be called unknown"""

    @classmethod
    def fit(
        cls,
        seen: ImageFeatures,
        false_alarm: float,
        seed: int,
        *,
        held_out: ImageFeatures | None = None,
        together: np.ndarray | None = None,
    ) -> "OutlierDetector":
        """Learn what is known.

        held_out: pictures no weight was fitted on. together: [N] groups of those seen,
        which are no neighbours of each other where none is held out.
        """
        z, x = (None, None) if held_out is None else held_out
        of_z, of_x = (1 - SURFACES) * false_alarm, SURFACES * false_alarm
        return cls(
            NearestNeighborDetector.fit(
                seen.embeddings, of_z, seed, z, together=together
            ),
            NearestNeighborDetector.fit(
                seen.surfaces, of_x, seed, x, places=True, together=together
            ),
            false_alarm,
        )

    @property
    def can_tell(self) -> bool:
        """Whether there were enough pictures to call any unknown."""
        return self.embeddings.threshold < np.inf

    def is_unknown(self, seen: ImageFeatures) -> np.ndarray:
        """Whether each picture is unlike what is known; bool [N]."""
        strange = self.embeddings.is_unknown(seen.embeddings)
        if self.surfaces is None:
            return strange
        return strange | self.surfaces.is_unknown(seen.surfaces)

    def to_arrays(self) -> tuple[Tensors, dict[str, Any]]:
        """Tensors and JSON for a model file; no bit is lost."""
        tensors, values = {}, {"false_alarm": self.false_alarm}
        for name in ("embeddings", "surfaces"):
            if (part := getattr(self, name)) is not None:
                found, values[name] = part.to_arrays()
                tensors |= {f"{name}.{key}": t for key, t in found.items()}
        return tensors, values

    @classmethod
    def from_arrays(cls, tensors: Tensors, values: dict[str, Any]) -> "OutlierDetector":
        """What `to_arrays` gave; ModelFileError when a part is missing."""
        if "neighbours" in values:  # written before surfaces counted
            found = NearestNeighborDetector.from_arrays(tensors, values)
            return cls(found, None, found.false_alarm)
        try:
            z, alarm = values["embeddings"], float(values["false_alarm"])
        except KeyError as error:
            raise ModelFileError(
                f"The model file lacks {error} of what is known. Train it again."
            ) from error
        x = values.get("surfaces")
        return cls(
            NearestNeighborDetector.from_arrays(under("embeddings", tensors), z),
            NearestNeighborDetector.from_arrays(under("surfaces", tensors), x)
            if x
            else None,
            alarm,
        )
