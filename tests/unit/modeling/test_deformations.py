import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from lrm_core.modeling import deformations, shapes
from lrm_core.modeling.deformations import random_rotation, yaw


def test_twist_keeps_volume_and_bend_keeps_the_length_of_the_axis():
    bar = shapes.box([0.2, 0.2, 2.0], divisions=40)
    twisted = bar.warped(deformations.twist(90.0))
    assert trimesh.Trimesh(twisted.vertices, twisted.faces).volume == pytest.approx(0.08, rel=0.01)
    axis = np.stack([np.zeros(200), np.zeros(200), np.linspace(-1, 1, 200)], axis=1)
    bent = deformations.bend(0.9)(axis)
    assert np.linalg.norm(np.diff(bent, axis=0), axis=1).sum() == pytest.approx(2.0, rel=1e-3)


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


def test_flutes_scale_the_cross_section_by_the_angle():
    # a circle of radius 1 becomes the rose r = 1 + 0.2 cos 5a, of area pi (1 + 0.2^2 / 2)
    disc = shapes.lathe([[1.0, 0.0], [1.0, 1.0]], segments=2000)
    fluted = disc.warped(deformations.fluted(lambda angle: 1.0 + 0.2 * np.cos(5 * angle)))
    volume = trimesh.Trimesh(fluted.vertices, fluted.faces).volume
    assert volume == pytest.approx(np.pi * (1 + 0.2**2 / 2), rel=1e-4)
    np.testing.assert_allclose(fluted.vertices[0], [1.2, 0.0, 0.0], atol=1e-12)
