"""The inputs of the linear baseline of link prediction."""

import numpy as np

from vicinal.graphs.links.linear_model import standardize


def test_features_are_clipped_6_standard_deviations_from_the_mean():
    features = np.array([[3.0, 1000.0], [-1000.0, 4.0], [5.0, 2.0]])
    mean, std = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    z = [[1.0, 6.0], [-6.0, 0.5], [2.0, 0.0]]
    assert standardize(features, mean, std, products=False).tolist() == z
    products = [[1.0, 6.0, 36.0], [36.0, -3.0, 0.25], [4.0, 0.0, 0.0]]
    expected = np.concatenate([z, products], axis=1)
    found = standardize(features, mean, std, products=True)
    assert found.tolist() == expected.tolist()
