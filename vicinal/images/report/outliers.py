"""Training images that are unlike the others, such as a placeholder "no image"."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vicinal.core.report.plots import jpeg_base64
from vicinal.core.report.report import Block, Gallery, Text, Thumbnail
from vicinal.core.text import pluralize
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator
from vicinal.images.inference.extractor import dataset_pixel_statistics
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.training.fitted_model import MAX_DETECTOR_IMAGES

if TYPE_CHECKING:
    import pandas as pd

OUTLIER_FILE = "out_of_distribution.csv"
MAX_THUMBNAILS = 12
"""outliers in the report; the file has all"""


class Outliers(NamedTuple):
    """Training images that `predict` would call out of distribution."""

    rows: np.ndarray
    """[M] of the training images, the most unlike first"""

    distance: np.ndarray
    """[M] distance to the nearest training images, over the largest that passes"""

    num_compared: int

    def frame(self, images: ImageDataset) -> "pd.DataFrame":
        """Return the table path, label, distance."""
        import pandas as pd

        table = images.table.rows(self.rows)
        columns = {"path": table.names, "label": table.labels}
        return pd.DataFrame(columns | {"distance": self.distance.round(3)})

    def describe(self, images: ImageDataset) -> str:
        """Return how many there are, and the first."""
        return (
            f"{pluralize(len(self.rows), 'training image')} of {self.num_compared:,} "
            f"unlike the others (out of distribution; see {OUTLIER_FILE}); the first: "
            f"{images.table.names[int(self.rows[0])]}"
        )

    def blocks(self, images: ImageDataset) -> list[Block]:
        """Show the outliers as thumbnails for the report."""
        if not len(self.rows):
            return []
        worst = self.rows[:MAX_THUMBNAILS]
        table = images.table
        thumbnails = [
            Thumbnail(
                jpeg_base64(image), [f"label: {table.labels[row]}", table.names[row]]
            )
            for image, row in zip(images.batch(worst), worst, strict=True)
        ]
        text = (
            f"{self.describe(images)}. The model would call such images unknown: look "
            "whether they are placeholders, or belong to another data set."
        )
        caption = "Training images unlike the others, the most unlike first."
        return [Text(text), Gallery(thumbnails, caption)]


def find_outliers(estimator: ImageEstimator, train: ImageDataset) -> Outliers:
    """Return the training images that are out of distribution.

    By the features of the linear probe if there is one. Copies count once, so that a
    placeholder that occurs often is found. Where the images are not in memory, or each
    must pass through the network, some thousand are compared.
    """
    none = Outliers(np.empty(0, np.int64), np.empty(0), 0)
    detector = estimator.outlier_detector_
    if detector is None:
        return none
    probe, seed, n = (
        getattr(estimator, "probe_", None),
        estimator.random_state,
        len(train),
    )
    rows = np.random.default_rng(seed).permutation(n)
    if probe is None or train.store is None:
        rows = rows[:MAX_DETECTOR_IMAGES]
    rows = np.sort(rows)
    images = train.rows(rows)
    if probe is None:
        features = estimator.extractor.dataset_features(images)
    else:
        statistics = dataset_pixel_statistics(images)
        features = ImageFeatures(probe.features[rows], statistics)
        first = np.unique(images.groups, return_index=True)[1]
        distinct = ImageFeatures(*(part[first] for part in features))
        detector = OutlierDetector.fit(distinct, detector.false_alarm_rate, seed)
    if not detector.can_detect:
        return none
    parts = (
        (detector.embeddings, features.embeddings),
        (detector.pixel_statistics, features.pixel_statistics),
    )
    distance = np.max(
        [part.distance(x, one_copy=True) / part.threshold for part, x in parts], axis=0
    )
    found = np.flatnonzero((distance > 1) & np.isfinite(distance))
    found = found[np.argsort(-distance[found], kind="stable")]
    return Outliers(rows[found], distance[found], len(rows))
