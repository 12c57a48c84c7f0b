"""Classes that a user names."""

from typing import Any

import numpy as np

from vicinal.core.objective import Objective
from vicinal.errors import ClassError, SettingError, suggest_names


def class_row(objective: Objective, target: str | None, predicted: Any) -> int:
    """Return the row of the class to explain; 0 for a number.

    target: None for the predicted class. predicted: [K] probabilities.
    """
    if target is not None:
        return class_index(objective.classes, target)
    return int(np.argmax(predicted)) if objective.classes else 0


def class_index(classes: tuple[str, ...], name: str, parameter: str = "target") -> int:
    """Return the index of the class that a parameter names.

    ClassError for an unknown class, SettingError where the model predicts a number.
    """
    if name in classes:
        return classes.index(name)
    if not classes:
        raise SettingError(
            f"{parameter} must be None: the model predicts a number, not a class. Got "
            f"{name!r} instead."
        )
    raise ClassError(f"There is no class {name!r}. {suggest_names(name, classes)}")
