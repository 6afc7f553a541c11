import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lrm_core.structures.rotations import least_rotation


@pytest.mark.parametrize("seed", range(5))
def test_it_carries_one_vector_onto_the_other_by_the_angle_between_them(seed):
    start, end = np.random.default_rng(seed).normal(size=(2, 3))
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    rotation = least_rotation(start, end)
    np.testing.assert_allclose(rotation @ start, end, atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    angle = Rotation.from_matrix(rotation).magnitude()
    assert angle == pytest.approx(np.arccos(start @ end))


def test_equal_vectors_are_not_turned():
    np.testing.assert_array_equal(least_rotation(np.eye(3)[0], np.eye(3)[0]), np.eye(3))
