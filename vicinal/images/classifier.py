"""ImageClassifier: predict a class, or several labels, for each image."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from vicinal.core.objective import MultiLabel, Objective, SingleLabel
from vicinal.errors import DataError
from vicinal.images.data.decoding.in_memory import is_in_memory
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.settings import ImageSettings


class ImageClassifier(ImageEstimator):
    """Predict the class, or several labels, of each image.

    >>> model = ImageClassifier(epochs=20).fit("photos")  # photos/cat, photos/dog
    >>> model.predict(["new.jpg"])

    Labels such as `a|b`, or marks y [N, K] of 0 and 1, are several labels per image.
    After fit: `classes_` [K], `history_`, `network_`.
    """

    estimator_type = "classifier"
    kinds = ("single_label", "multi_label")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities [N, K] in the order of `classes_`.

        With one label per image each row sums to 1.
        """
        return self.predict_values(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class [N]; marks [N, K] of several labels."""
        return self.decide(self.predict_proba(X))

    def score(self, X: Any = None, y: Any = None) -> float:
        """Return accuracy, or micro F1 of several labels.

        An image of an unknown class counts as wrong.
        """
        images, _ = self.read_for_scoring(X, y)
        found = self.evaluate(images).score
        known = found.n / len(images) if found.metric == "accuracy" else 1.0
        return found.value * known

    def read_table(
        self, X: Any, y: Any, group: str | None, classes: Collection[str] = ()
    ) -> ImageTable:
        """Return the table of X; whole numbers, however many, are classes."""
        if isinstance(X, Iterator) and not is_in_memory(X):
            X = list(X)  # it may be read twice
        table = super().read_table(X, y, group, classes)
        if table.kind != "numeric" or np.mod(table.labels, 1).any():
            return table
        options: dict[str, Any] = {"group_column": group, "classes": classes}
        return read_images(X, y, task="classification", **options)

    def make_objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        """Return the objective; DataError where there is only one class."""
        classes = table.classes
        if table.kind == "multi_label":
            return MultiLabel(classes)
        if len(classes) < 2:
            raise DataError(
                f"All images are of one class ({', '.join(classes)}). A classifier "
                "needs two or more: add a directory of other images."
            )
        return SingleLabel(classes, settings.label_smoothing)
