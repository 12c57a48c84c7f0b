"""ImageClassifier: one label for each picture, or several."""

from typing import Any, ClassVar

import numpy as np

from vicinal.core.objective import MultiLabel, Objective, SingleLabel
from vicinal.errors import DataError
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.settings import ImageSettings


class ImageClassifier(ImageEstimator):
    """Learn to name what is in a picture.

    >>> model = ImageClassifier(epochs=20).fit("photos")  # photos/cat, photos/dog
    >>> model.predict(["new.jpg"])

    Labels like `a|b`, or marks y [N, K] of 0 and 1, are several labels a picture.
    After fit: `classes_` [K], `history_`, `network_`.
    """

    estimator_type = "classifier"
    kinds: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    classes_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [N, K] in the order of `classes_`.

        One label a picture: each row sums to 1. Several: each label by itself.
        """
        return self._all_predicted(X)

    def predict(self, X: Any) -> np.ndarray:
        """The class [N] of largest probability.

        For several labels marks [N, K] of 0 and 1, a column for each of `classes_`.
        """
        p = self.predict_proba(X)  # first: it says so where nothing was learned
        rows = self.objective_.decide(p)
        return rows if self.objective_.kind == "multi_label" else self.classes_[rows]

    def score(self, X: Any, y: Any = None) -> float:
        """Share of pictures whose class is right (for several labels: micro F1).

        A picture of a class that the model does not know counts as wrong here.
        """
        pictures, _ = self.scoring_part(X, y)
        found = self.evaluate(pictures).score
        share = found.n / len(pictures) if found.metric == "accuracy" else 1.0
        return found.value * share

    def _read(self, X: Any, y: Any, group: str | None) -> ImageTable:
        """Whole numbers, however many, are classes here."""
        table = super()._read(X, y, group)
        whole = table.kind == "numeric" and not np.mod(table.labels, 1).any()
        if not whole:
            return table
        return read_images(X, y, task="classification", group=group)

    def check_labels(self, table: ImageTable) -> None:
        """DataError where there is only one class."""
        classes = table.classes
        if len(classes) < 2 and table.kind == "single_label":
            raise DataError(
                f"All pictures are of one class ({', '.join(classes)}). "
                "A classifier needs two or more: add a folder of other pictures."
            )

    def _objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        self.check_labels(table)
        classes = table.classes
        if table.kind == "multi_label":
            return MultiLabel(classes)
        return SingleLabel(classes, settings.label_smoothing)

    def _set_classes(self, table: ImageTable) -> None:
        names = self.objective_.classes
        self.classes_ = _as_array(names, table.whole_numbers)

    def _restore_classes(self, description: dict[str, Any]) -> None:
        whole = description["whole_number_classes"]
        self.classes_ = _as_array(self.objective_.classes, whole)


def _as_array(names: tuple[str, ...], whole: bool) -> np.ndarray:
    return np.array([int(k) for k in names] if whole else names)
