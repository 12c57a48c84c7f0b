"""ImageRegressor: a number for each picture."""

from typing import Any, ClassVar

import numpy as np

from vicinal.core.metrics import r2
from vicinal.core.objective import Numeric, Objective
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.settings import ImageSettings


class ImageRegressor(ImageEstimator):
    """Learn to read a number off a picture: an age, a weight, a count.

    >>> model = ImageRegressor(epochs=20).fit("fish.csv")  # path,target
    >>> model.predict(["new.jpg"])  # in the unit of the target
    """

    estimator_type = "regressor"
    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    def predict(self, X: Any) -> np.ndarray:
        """The number [N] for each picture, in the unit of the target."""
        return self._all_predicted(X)

    def score(self, X: Any, y: Any = None) -> float:
        """R^2, as scikit-learn's regressors: 1 is perfect, 0 the mean's own score."""
        told = self.evaluate(X, y).predictions
        return r2(told["label"].to_numpy(float), told["predicted"].to_numpy(float))

    def _read(self, X: Any, y: Any, group: str | None) -> ImageTable:
        return read_images(X, y, task="regression", group=group)

    def _objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        return Numeric.of(np.asarray(table.labels, dtype=float))
