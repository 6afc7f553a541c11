"""Normal consistency on surfaces with known normals."""

import numpy as np
import pytest

from lrm_core.metrics.nearest_neighbors import NearestNeighbors, find_nearest_neighbors
from lrm_core.metrics.normal_consistency import normal_consistency


def plane(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Points on the plane z = 0 with normals that lean by an angle."""
    rng = np.random.default_rng(5)
    points = np.concatenate([rng.random((200, 2)), np.zeros((200, 1))], axis=1)
    return points, np.tile([np.sin(angle), 0.0, np.cos(angle)], (200, 1))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, np.pi])
def test_leaning_normals_score_the_cosine(angle: float) -> None:
    points, upright = plane(0.0)
    _, leaning = plane(angle)
    neighbors = find_nearest_neighbors(points, points)
    found = normal_consistency(neighbors, leaning, upright)
    assert found == pytest.approx(abs(np.cos(angle)), abs=1e-12)


def test_each_direction_counts_half_and_goes_by_its_own_neighbors() -> None:
    x, y, z = np.eye(3)
    neighbors = NearestNeighbors(np.zeros(3), np.array([0, 0, 1]), np.zeros(2), np.array([2, 1]))
    predicted, reference = np.stack([x, y, z]), np.stack([x, z])
    # predicted to reference: |x.x|, |y.x|, |z.z|; reference to predicted: |x.z|, |z.y|
    assert normal_consistency(neighbors, predicted, reference) == pytest.approx((2 / 3 + 0) / 2)


def test_unrelated_normals_score_one_half() -> None:
    rng = np.random.default_rng(6)
    normals = rng.normal(size=(2, 20000, 3))
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    points = rng.random((20000, 3))
    neighbors = find_nearest_neighbors(points, points)
    assert normal_consistency(neighbors, *normals) == pytest.approx(0.5, abs=0.01)
