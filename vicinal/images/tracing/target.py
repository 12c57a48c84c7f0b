"""What is to be explained: one number that a network gives for a picture."""

from typing import NamedTuple

from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.errors import ClassError, near_names


class Target(NamedTuple):
    """A class's logit, or by how much it is above that of another class."""

    name: str
    """for people: `glass`, or `glass, not plastic`"""

    row: int
    against: int | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """The number [N] for each picture, of logits [N, K]."""
        own = logits[:, self.row]
        return own if self.against is None else own - logits[:, self.against]


def target_of(
    objective: Objective, name: str | None, against: str | None, logits: Tensor
) -> Target:
    """The target by its class's name; None: the class of largest logit [K].

    A number that is learned has no class: it is the target itself. ClassError for a
    class that the model does not know, or one that is set against itself.
    """
    if objective.kind == "numeric":
        return Target("the number", 0)
    classes = objective.classes
    row = int(logits.argmax()) if name is None else row_of(classes, name)
    if against is None:
        return Target(classes[row], row)
    other = row_of(classes, against)
    if other == row:
        raise ClassError(
            f"{classes[row]} cannot be set against itself. Name two classes of "
            f"{', '.join(classes)}."
        )
    return Target(f"{classes[row]}, not {classes[other]}", row, other)


def row_of(classes: tuple[str, ...], name: str) -> int:
    """The row of a class by its name; ClassError for one that is unknown."""
    if name in classes:
        return classes.index(name)
    raise ClassError(
        f"The model does not know the class {name!r}. {near_names(name, classes)}"
    )
