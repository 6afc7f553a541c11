import numpy as np
from scipy.spatial.transform import Rotation

from lrm_core.modeling.rotations import random_rotation, yaw


def test_yaw_is_the_rotation_about_z():
    for angle in (-2.0, 0.0, 0.3, 4.0):
        np.testing.assert_allclose(yaw(angle), Rotation.from_euler("z", angle).as_matrix())


def test_random_rotations_are_proper_and_turn_a_direction_everywhere():
    rng = np.random.default_rng(0)
    turned = np.array([random_rotation(rng) for _ in range(3000)])
    product = turned @ turned.transpose(0, 2, 1)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turned), 1.0)
    # a uniform direction has mean 0 and second moments of a third each; six standard errors
    images = turned[:, :, 0]
    assert np.abs(images.mean(axis=0)).max() < 6 * np.sqrt(1 / 3 / 3000)
    np.testing.assert_allclose(images.T @ images / 3000, np.eye(3) / 3, atol=0.033)
