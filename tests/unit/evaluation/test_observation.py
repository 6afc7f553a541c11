import dataclasses

import numpy as np
import torch

from lrm_core.evaluation.observation import observe, observe_field, surface_points
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.trajectories import orbit
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.render_output import RenderOutput

PROTOCOL = load_protocol("procedural-v1")
PROTOCOL = dataclasses.replace(
    PROTOCOL, geometry=dataclasses.replace(PROTOCOL.geometry, num_points=4000)
)


def test_a_square_facing_the_camera_is_seen_where_geometry_says() -> None:
    corners = np.array([[-0.5, 0, -0.5], [0.5, 0, -0.5], [0.5, 0, 0.5], [-0.5, 0, 0.5]], np.float32)
    colors = np.tile(np.float32([1, 0, 0]), (4, 1))
    square = scene_from_mesh(Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), vertex_colors=colors))
    seen = observe(square, orbit(1, size=64), PROTOCOL)
    # half a unit at distance 2 and focal length 48 px: 12 px from the center
    expected = np.zeros((64, 64), bool)
    expected[20:44, 20:44] = True
    np.testing.assert_array_equal(seen.alpha[0] == 255, expected)
    np.testing.assert_array_equal(seen.rgb[0][expected], np.tile([255, 0, 0], (24 * 24, 1)))
    np.testing.assert_array_equal(seen.rgb[0][~expected], 255)
    np.testing.assert_allclose(seen.depth[0][expected], 2.0, atol=1e-5)
    assert np.all(np.isinf(seen.depth[0][~expected]))
    assert seen.points.shape == (4000, 3)
    np.testing.assert_allclose(seen.points[:, 1], 0.0, atol=1e-6)
    np.testing.assert_allclose(np.abs(seen.normals), np.tile([0, 1, 0], (4000, 1)), atol=1e-6)
    # uniform: each quarter of the square holds a quarter of the points
    share = np.mean((seen.points[:, 0] > 0) & (seen.points[:, 2] > 0))
    assert abs(share - 0.25) < 0.03


def test_nothing_is_an_empty_white_picture() -> None:
    seen = observe(None, orbit(3, size=16), PROTOCOL)
    assert seen.rgb.shape == (3, 16, 16, 3)
    assert seen.rgb.min() == 255
    assert seen.alpha.max() == 0
    assert np.all(np.isinf(seen.depth))
    assert len(seen.points) == len(seen.normals) == 0


def test_mesh_and_nothing_lie_on_the_protocols_background() -> None:
    gray = dataclasses.replace(
        PROTOCOL,
        reference_views=dataclasses.replace(PROTOCOL.reference_views, background=0.2),
    )
    corners = np.array([[-0.2, 0, -0.2], [0.2, 0, -0.2], [0, 0, 0.2]], np.float32)
    triangle = scene_from_mesh(Mesh(corners, np.array([[0, 1, 2]])))
    for scene in (triangle, None):
        seen = observe(scene, orbit(1, size=16), gray)
        np.testing.assert_array_equal(seen.rgb[seen.alpha == 0], 51)
    assert observe(triangle, orbit(1, size=16), gray).alpha.max() > 200


class Fog:
    """A red fog of opacity 0.6 everywhere, on white."""

    def render(self, cameras):
        shape = (len(cameras), cameras.height, cameras.width)
        opacity = torch.full(shape, 0.6)
        rgb = 0.6 * torch.tensor([1.0, 0.0, 0.0]).expand(*shape, 3) + 0.4
        return RenderOutput(rgb, opacity, 3.0 * opacity)


def test_a_field_is_seen_on_the_protocols_background() -> None:
    gray = dataclasses.replace(
        PROTOCOL,
        reference_views=dataclasses.replace(PROTOCOL.reference_views, background=0.2),
    )
    cameras = orbit(2, size=8)
    nothing = observe(None, cameras, gray)
    seen = observe_field(nothing, Fog(), cameras, gray)
    # 0.6 red, 0.4 gray: sRGB values mix as they are
    np.testing.assert_array_equal(seen.rgb, np.tile([173, 20, 20], (2, 8, 8, 1)))
    np.testing.assert_array_equal(seen.alpha, 153)
    np.testing.assert_allclose(seen.depth, 1.8, rtol=1e-6)
    assert seen.points is nothing.points


def test_points_follow_the_seed_and_lie_on_the_surface() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    triangle = scene_from_mesh(Mesh(corners, np.array([[0, 1, 2]])))
    first, again, other = (surface_points(triangle, PROTOCOL, seed=s)[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    assert np.all(other[:, 2] == 0)
    assert np.all(other[:, :2] >= 0)
    assert np.all(other[:, :2].sum(axis=1) <= 1 + 1e-6)
    # the protocol's own seed is the one of an observation
    seeded = dataclasses.replace(PROTOCOL, geometry=dataclasses.replace(PROTOCOL.geometry, seed=1))
    np.testing.assert_array_equal(observe(triangle, orbit(1, size=8), seeded).points, other)
