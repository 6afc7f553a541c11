"""Nearest neighbors against all distances."""

import numpy as np
import pytest

from lrm_core.errors import InputError
from lrm_core.metrics.nearest_neighbors import find_nearest_neighbors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_they_are_the_smallest_of_all_distances(dtype: type) -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(size=(70, 3)).astype(dtype)
    reference = rng.normal(size=(50, 3)).astype(dtype)
    difference = predicted.astype(np.float64)[:, None] - reference.astype(np.float64)[None]
    distances = np.sqrt((difference**2).sum(axis=2))
    found = find_nearest_neighbors(predicted, reference)
    np.testing.assert_allclose(found.predicted_distances, distances.min(axis=1), rtol=1e-14)
    np.testing.assert_allclose(found.reference_distances, distances.min(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(found.predicted_indices, distances.argmin(axis=1))
    np.testing.assert_array_equal(found.reference_indices, distances.argmin(axis=0))


def test_what_cannot_be_measured_is_refused() -> None:
    points = np.zeros((3, 3))
    with pytest.raises(InputError, match="no predicted points"):
        find_nearest_neighbors(points[:0], points)
    with pytest.raises(InputError, match="reference points is not finite"):
        find_nearest_neighbors(points, points + np.array([0.0, np.nan, 0.0]))
