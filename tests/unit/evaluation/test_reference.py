import dataclasses

import numpy as np
import pytest
import torch

from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.reference import input_azimuth, make_reference
from lrm_core.geometry.scene_conversion import normalise_scene, scene_from_mesh
from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.scene import Scene

SMALL = load_protocol("procedural-v1")
SMALL = dataclasses.replace(
    SMALL,
    input_view=dataclasses.replace(SMALL.input_view, size=64),
    reference_views=dataclasses.replace(SMALL.reference_views, size=64),
    geometry=dataclasses.replace(SMALL.geometry, num_points=500),
)


def lopsided() -> Scene:
    """A tetrahedron without any symmetry, one colour per corner."""
    vertices = np.array([[0, 0, 0], [3, 0.4, 0], [0.3, 1, 0.2], [0.5, 0.2, 2]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.float32)
    return scene_from_mesh(Mesh(vertices, faces, vertex_colors=colors))


def test_the_first_view_at_the_inputs_elevation_is_the_input() -> None:
    reference = make_reference("name", lopsided(), SMALL)
    # view 0: azimuth of the input, elevation 0
    np.testing.assert_allclose(reference.cameras.origins[0], [0, -2, 0], atol=1e-5)
    rgba = reference.picture.astype(float) / 255
    on_white = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
    np.testing.assert_allclose(on_white, reference.observation.rgb[0] / 255, atol=1.5 / 255)


def test_turning_object_and_cameras_together_changes_nothing_that_is_seen() -> None:
    """The reference frame against the plain way: cameras moved around an object that stays."""
    reference = make_reference("name", lopsided(), SMALL)
    azimuth = input_azimuth("name", SMALL)
    upright = normalise_scene(lopsided(), 1.8)
    for view, elevation in ((1, 20.0), (2, 40.0), (3, -10.0)):
        around = orbit(360 * 4, elevation_degrees=elevation, radius=2.0, size=64)
        nearest = round(4 * (azimuth + 45.0 * view)) % (360 * 4)
        plain = render_scene(upright, around[nearest])
        seen = reference.observation.alpha[view] >= 128
        expected = plain.opacity[0].numpy() >= 0.5
        overlap = (seen & expected).sum() / (seen | expected).sum()
        assert overlap > 0.97  # the orbit's steps are a quarter of a degree
        distance = float(reference.cameras.origins[view].norm())
        assert distance == pytest.approx(2.0, abs=1e-5)


def test_the_object_has_the_protocols_size_and_place() -> None:
    reference = make_reference("name", lopsided(), SMALL)
    assert np.abs(reference.observation.points).max() < 0.9 * 2**0.5
    heights = reference.scene.bounds[:, 2]  # z is untouched by a turn about z
    upright = normalise_scene(lopsided(), 1.8).bounds[:, 2]
    np.testing.assert_allclose(heights, upright, atol=1e-5)
    assert reference.observation.points.shape == (500, 3)


def test_a_raised_input_camera_is_carried_to_the_horizon() -> None:
    raised = dataclasses.replace(
        SMALL,
        input_view=dataclasses.replace(SMALL.input_view, elevation_degrees=30.0, azimuth="front"),
    )
    reference = make_reference("name", lopsided(), raised)
    plain = render_scene(
        normalise_scene(lopsided(), 1.8), orbit(1, elevation_degrees=30.0, size=64)
    )
    expected = plain.opacity[0].numpy()
    np.testing.assert_allclose(reference.picture[..., 3] / 255, expected, atol=0.02)
    # the first reference view is 30 degrees below the input: it looks up at the tilted object
    assert reference.cameras.origins[0, 2] == pytest.approx(-2 * np.sin(np.pi / 6), abs=1e-5)


def test_azimuths_follow_names_and_spread() -> None:
    protocol = load_protocol("gso-v1")
    azimuths = np.array([input_azimuth(name, protocol) for name in protocol.objects])
    assert azimuths.min() >= 0.0
    assert azimuths.max() < 360.0
    quarters, _ = np.histogram(azimuths, bins=4, range=(0, 360))
    assert quarters.min() > 12
    # sha256("abc") = ba7816bf 8f01cfea ...
    expected = 360 * 0xBA7816BF8F01CFEA / 2**64
    assert input_azimuth("abc", protocol) == pytest.approx(expected)


def test_the_same_object_is_observed_the_same_way_twice() -> None:
    first, second = (make_reference("name", lopsided(), SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.picture, second.picture)
    np.testing.assert_array_equal(first.observation.points, second.observation.points)
    assert torch.equal(first.cameras.c2w, second.cameras.c2w)
