"""Training images that are unlike the others are listed, however often they occur."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.inference.extractor import dataset_pixel_statistics
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.report.outliers import find_outliers

NUM_COPIES = 6


def images_and_features() -> tuple[ImageDataset, np.ndarray]:
    """Return noise and six copies of a white placeholder, with features [100, 8]."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 160, (100, 16, 16)).astype(np.uint8)
    pixels[-NUM_COPIES:] = 255
    labels = ["a", "b"] * 47 + ["a"] * NUM_COPIES
    images = load_dataset(read_images(pixels, labels), ImageReader(16))[1]
    features = rng.normal(size=(100, 8)) + 4
    features[-NUM_COPIES:] = [-4, 4] * 4
    return images, features


@pytest.mark.parametrize("has_probe", [True, False])
def test_a_placeholder_that_occurs_often_is_an_outlier(has_probe):
    images, z = images_and_features()
    z = ImageFeatures(z, dataset_pixel_statistics(images))
    detector = OutlierDetector.fit(z, 0.1, 0, groups=images.groups)
    estimator: Any = SimpleNamespace(outlier_detector_=detector, random_state=0)
    if has_probe:
        estimator.probe_ = SimpleNamespace(features=z.embeddings)
    else:
        estimator.extractor = SimpleNamespace(dataset_features=lambda images: z)
    found = find_outliers(estimator, images)
    assert set(found.rows[:NUM_COPIES]) == set(range(94, 100))
    assert (np.diff(found.distance) <= 0).all() and found.distance[0] > 1.2
    assert len(found.rows) < 12 and found.num_compared == 100
    frame = found.frame(images)
    assert frame["path"].tolist()[:NUM_COPIES] == [f"image {k}" for k in range(94, 100)]
    assert "of 100 unlike the others" in found.describe(images)
    assert len(found.blocks(images)) == 2


def test_without_a_detector_there_are_no_outliers():
    images, _ = images_and_features()
    estimator: Any = SimpleNamespace(outlier_detector_=None)
    found = find_outliers(estimator, images)
    assert not len(found.rows) and found.blocks(images) == []
