"""The scalar output of a network that is explained."""

from typing import NamedTuple

from torch import Tensor

from vicinal.core.data.class_names import class_index
from vicinal.core.objective import Objective
from vicinal.errors import ClassError


class Target(NamedTuple):
    """The logit of a class, or its margin over the logit of another class."""

    name: str
    """for display: `glass`, or `glass, not plastic`"""

    row: int
    """index of the class"""

    against: int | None = None
    """index of the class that it is compared with"""

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the target [N] for logits [N, K]."""
        value = logits[:, self.row]
        return value if self.against is None else value - logits[:, self.against]


def select_target(
    objective: Objective, name: str | None, against: str | None, logits: Tensor
) -> Target:
    """Return the target for a class name; None selects the class of the largest logit.

    logits: [K] of the explained input. A regression model has one output, which is the
    target. Raises ClassError for an unknown class or a class compared with itself, and
    SettingError for a class name with a regression model.
    """
    classes = objective.classes
    named = None if name is None else class_index(classes, name)
    other = None if against is None else class_index(classes, against, "against")
    if objective.kind == "numeric":
        return Target("the prediction", 0)
    row = int(logits.argmax()) if named is None else named
    if other is None:
        return Target(classes[row], row)
    if other == row:
        raise ClassError(
            f"target and against must be two different classes of {', '.join(classes)}."
            f" Got {classes[row]!r} for both."
        )
    return Target(f"{classes[row]}, not {classes[other]}", row, other)
