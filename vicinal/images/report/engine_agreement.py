"""Agreement of the inference engine with the network in float32.

The fastest engine may round to bfloat16 or run on OpenVINO. So up to MAX_IMAGES of the
evaluated images are also predicted by torch in float32, and differences are reported.
"""

from typing import Any, NamedTuple

import numpy as np

from vicinal.core.text import format_percent
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.inference.engines import MANY_IMAGES
from vicinal.images.model import ImageModel

MAX_IMAGES = 128
"""images that are compared, because float32 on torch is slow"""

FEW_IMAGES = 16
"""images that are compared where the minutes are used up"""


class Agreement(NamedTuple):
    """The predictions of an engine compared with torch in float32."""

    engine: str
    n: int
    equal: int
    """equal predicted classes (numbers: within 0.001 standard deviations)"""

    max_difference: float
    """of any probability, or of any number"""

    score: float | None
    score_float32: float | None
    """None for training images"""

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def __str__(self) -> str:
        text = (
            f"{self.engine}: {self.equal} of {self.n} predictions equal to torch "
            f"float32, largest difference {self.max_difference:.2g}"
        )
        if self.score is None or self.score_float32 is None:
            return text
        show = format_percent if 0 <= self.score <= 1 else "{:.4g}".format
        return f"{text}; score {show(self.score)}, float32 {show(self.score_float32)}"


def agreement(
    model: ImageModel,
    images: ImageDataset,
    *,
    held_out: bool = True,
    max_images: int = MAX_IMAGES,
) -> Agreement | None:
    """Compare on labelled images; None for few images, which torch predicts anyway.

    held_out: whether the model was not trained on them, so that scores are meaningful.
    max_images: images that are compared.
    """
    if len(images) < MANY_IMAGES:
        return None
    rows = np.linspace(0, len(images) - 1, max_images).astype(int)
    sample = images.rows(rows)
    objective, y = model.objective_, model.objective_.encode(sample.table.labels)
    pixels = sample.batch(np.arange(len(sample)))
    ours, float32 = (
        model.predict_pixels(pixels, exact=exact) for exact in (False, True)
    )
    decisions, expected = objective.decide(ours), objective.decide(float32)
    if objective.kind == "numeric":
        equal = np.abs(decisions - expected) <= 1e-3 * max(float(np.std(y)), 1e-9)
    else:
        equal = decisions == expected
        equal = equal if equal.ndim == 1 else equal.all(axis=1)
    return Agreement(
        engine=str(model.runtime_for_many()),
        n=len(sample),
        equal=int(equal.sum()),
        max_difference=float(np.abs(ours - float32).max()),
        score=objective.score(y, decisions).value if held_out else None,
        score_float32=objective.score(y, expected).value if held_out else None,
    )
