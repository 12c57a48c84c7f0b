"""Whether the engine that answers says what the network itself says.

The fastest form rounds products to bfloat16, or is another program altogether. So the
pictures that were judged, up to MOST of them, are also answered by the network in
float32 on torch, and what differs is stated.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.text import percent
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.inference.engines import MANY
from vicinal.images.model import ImageModel

MOST = 128
"""pictures that are compared: float32 on torch is the slow one"""


class Agreement(NamedTuple):
    """What an engine says beside torch in float32."""

    form: str
    n: int
    alike: int
    """pictures that both decide alike (numbers: within a thousandth of their spread)"""

    largest: float
    """difference of any probability, or of any number"""

    score: float | None
    score_float32: float | None
    """None where the pictures are those that were learned from"""

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def __str__(self) -> str:
        told = (
            f"{self.form}: on {self.n} pictures {self.alike} answers are those of "
            f"float32 on torch, numbers differ by {self.largest:.2g} at most"
        )
        if self.score is None or self.score_float32 is None:
            return told
        if not 0 <= self.score <= 1:
            return f"{told}, scores {self.score:.4g} and {self.score_float32:.4g}"
        return f"{told}, {percent(self.score)} and {percent(self.score_float32)} right"


def agreement(
    model: ImageModel, pictures: ImageDataset, *, held_out: bool = True
) -> Agreement | None:
    """Compare on pictures with labels; None where few were answered: it is torch.

    held_out: whether the model has not learned from them, so that scores mean anything.
    """
    if len(pictures) < MANY:
        return None
    rows = np.linspace(0, len(pictures) - 1, MOST).astype(int)
    some = pictures.rows(rows)
    objective, y = model.objective_, model.objective_.encode(some.table.labels)
    pixels = some.batch(np.arange(len(some)))
    ours, plain = (model.predicted_from(pixels, exact=exact) for exact in (False, True))
    decided, truth = objective.decide(ours), objective.decide(plain)
    if objective.kind == "numeric":
        same = np.abs(decided - truth) <= 1e-3 * max(float(np.std(y)), 1e-9)
    else:
        same = decided == truth
        same = same if same.ndim == 1 else same.all(axis=1)
    return Agreement(
        form=str(model.form_for_many()),
        n=len(some),
        alike=int(same.sum()),
        largest=float(np.abs(ours - plain).max()),
        score=objective.score(y, decided).value if held_out else None,
        score_float32=objective.score(y, truth).value if held_out else None,
    )
