"""ImageRegressor: predict a number for each image."""

from collections.abc import Collection
from typing import Any

import numpy as np

from vicinal.core.objective import Numeric, Objective
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.settings import ImageSettings


class ImageRegressor(ImageEstimator):
    """Predict a number for each image: an age, a weight, a count.

    >>> model = ImageRegressor(epochs=20).fit("fish.csv")  # path,target
    >>> model.predict(["new.jpg"])  # in the unit of the target
    """

    estimator_type = "regressor"
    kinds = ("numeric",)

    def predict(self, X: Any) -> np.ndarray:
        """Return the number [N] for each image, in the unit of the target."""
        return self.predict_values(X)

    def read_table(
        self, X: Any, y: Any, group: str | None, classes: Collection[str] = ()
    ) -> ImageTable:
        """Return the table of X with numbers as labels."""
        return read_images(X, y, task="regression", group_column=group)

    def make_objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        """Return the objective, with mean and standard deviation of the labels."""
        return Numeric.from_targets(np.asarray(table.labels, dtype=float))
