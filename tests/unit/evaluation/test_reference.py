import dataclasses

import numpy as np
import pytest
import torch

from lrm_core.evaluation.protocol import VariedCameraConfig, load_protocol
from lrm_core.evaluation.reference import input_camera, make_reference
from lrm_core.geometry.scene_conversion import normalize_scene, scene_from_mesh, transform_scene
from lrm_core.geometry.trajectories import orbit
from lrm_core.reconstruction.view_directions import Direction
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import canonical_camera
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
    """A tetrahedron without any symmetry, one color per corner."""
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
    azimuth = input_camera("name", SMALL).azimuth
    upright = normalize_scene(lopsided(), 1.8)
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
    upright = normalize_scene(lopsided(), 1.8).bounds[:, 2]
    np.testing.assert_allclose(heights, upright, atol=1e-5)
    assert reference.observation.points.shape == (500, 3)


def test_a_raised_input_camera_is_carried_to_the_horizon() -> None:
    raised = dataclasses.replace(
        SMALL,
        input_view=dataclasses.replace(SMALL.input_view, elevation_degrees=30.0, azimuth="front"),
    )
    reference = make_reference("name", lopsided(), raised)
    plain = render_scene(
        normalize_scene(lopsided(), 1.8), orbit(1, elevation_degrees=30.0, size=64)
    )
    expected = plain.opacity[0].numpy()
    np.testing.assert_allclose(reference.picture[..., 3] / 255, expected, atol=0.02)
    # the first reference view is 30 degrees below the input: it looks up at the tilted object
    assert reference.cameras.origins[0, 2] == pytest.approx(-2 * np.sin(np.pi / 6), abs=1e-5)


def test_azimuths_follow_names_and_spread() -> None:
    protocol = load_protocol("gso-v1")
    azimuths = np.array([input_camera(name, protocol).azimuth for name in protocol.objects])
    assert azimuths.min() >= 0.0
    assert azimuths.max() < 360.0
    quarters, _ = np.histogram(azimuths, bins=4, range=(0, 360))
    assert quarters.min() > 12
    # sha256("abc") = ba7816bf 8f01cfea ...
    expected = 360 * 0xBA7816BF8F01CFEA / 2**64
    assert input_camera("abc", protocol).azimuth == pytest.approx(expected)


def test_the_same_object_is_observed_the_same_way_twice() -> None:
    first, second = (make_reference("name", lopsided(), SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.picture, second.picture)
    np.testing.assert_array_equal(first.observation.points, second.observation.points)
    assert torch.equal(first.cameras.c2w, second.cameras.c2w)


def longest_side_in_picture(picture: np.ndarray) -> float:
    """Larger side of the box of what a picture shows, over its width."""
    rows, columns = np.nonzero(picture[..., 3] >= 128)
    return float(max(np.ptp(rows), np.ptp(columns)) + 1) / len(picture)


def plate() -> Scene:
    """A square of side 1 that faces the front, thin: its picture needs no perspective."""
    corners = np.array(
        [[x, y, z] for y in (-0.001, 0.001) for x, z in ((0, 0), (1, 0), (1, 1), (0, 1))]
    )
    faces = [[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]]
    return scene_from_mesh(Mesh(corners.astype(np.float32), np.array(faces, np.int32)))


def test_a_protocols_own_lens_radius_and_size_are_followed() -> None:
    """None of the values below is that of a bundled protocol."""
    other = dataclasses.replace(
        SMALL,
        longest_side=1.1,
        input_view=dataclasses.replace(
            SMALL.input_view, azimuth="front", radius=3.3, focal=1.4, size=200
        ),
        reference_views=dataclasses.replace(
            SMALL.reference_views, radius=2.7, focal=1.2, size=150, num_views=3
        ),
    )
    reference = make_reference("name", plate(), other)
    assert np.ptp(reference.scene.bounds, axis=0).max() == pytest.approx(1.1, abs=1e-5)
    assert longest_side_in_picture(reference.picture) == pytest.approx(1.1 * 1.4 / 3.3, abs=0.011)
    assert reference.cameras.origins.norm(dim=1).tolist() == pytest.approx([2.7] * 3, abs=1e-5)
    lens = reference.cameras.normalized_intrinsics
    assert lens[:, :2].flatten().tolist() == pytest.approx([1.2] * 6)
    seen = np.concatenate([reference.observation.alpha[0][..., None]] * 4, axis=-1)
    assert longest_side_in_picture(seen) == pytest.approx(1.1 * 1.2 / 2.7, abs=0.015)
    # methods that assume distance 2 and focal length 0.75 take the picture for wider than it is
    assert reference.scale == pytest.approx((3.3 / 1.4) / (2.0 / 0.75))


VARIED = dataclasses.replace(
    SMALL,
    input_view=dataclasses.replace(
        SMALL.input_view,
        azimuth="front",
        size=200,
        varied=VariedCameraConfig(
            seed=3, elevation_degrees=(-20.0, 50.0), focal=(0.7, 1.5), fill=(0.2, 0.5)
        ),
    ),
)


def test_varied_cameras_follow_from_seed_and_name_and_fill_their_ranges() -> None:
    cameras = [input_camera(f"object {index}", VARIED) for index in range(400)]
    assert input_camera("object 7", VARIED) == cameras[7]
    drawn = {
        "elevation": ([camera.elevation for camera in cameras], -20.0, 50.0),
        "focal": ([camera.focal for camera in cameras], 0.7, 1.5),
        # the object's side over what the picture shows at its center
        "fill": ([1.8 * camera.focal / camera.radius for camera in cameras], 0.2, 0.5),
    }
    for name, (values, low, high) in drawn.items():
        quarters, _ = np.histogram(values, bins=4, range=(low, high))
        assert quarters.sum() == 400, name
        assert quarters.min() > 70, name
    columns = np.corrcoef([values for values, _, _ in drawn.values()])
    assert np.abs(columns - np.eye(3)).max() < 0.15
    smaller = input_camera("object 7", dataclasses.replace(VARIED, longest_side=0.9))
    assert smaller.radius == pytest.approx(cameras[7].radius / 2)
    varied = dataclasses.replace(VARIED.input_view.varied, seed=4)
    reseeded = dataclasses.replace(
        VARIED, input_view=dataclasses.replace(VARIED.input_view, varied=varied)
    )
    assert input_camera("object 7", reseeded) != cameras[7]


def test_an_answer_in_the_assumed_frame_is_scaled_to_the_varied_cameras_picture() -> None:
    """What fills a part of the picture for one camera fills it for the other."""
    level = dataclasses.replace(VARIED.input_view.varied, elevation_degrees=(0.0, 0.0))
    protocol = dataclasses.replace(
        VARIED, input_view=dataclasses.replace(VARIED.input_view, varied=level)
    )
    reference = make_reference("name", plate(), protocol)
    shown = longest_side_in_picture(reference.picture)
    assumed = shown * 2.0 / 0.75  # side of a plate at the origin for the assumed camera
    assert assumed * reference.scale == pytest.approx(1.8, rel=0.03)


def test_the_vertical_is_carried_to_the_input_frame() -> None:
    raised = dataclasses.replace(
        SMALL, input_view=dataclasses.replace(SMALL.input_view, elevation_degrees=30.0)
    )
    # a camera that looks down by 30 degrees sees the vertical lean towards it
    expected = (0.0, -np.sin(np.pi / 6), np.cos(np.pi / 6))
    assert make_reference("name", plate(), raised).up == pytest.approx(expected, abs=1e-5)
    assert make_reference("name", plate(), SMALL).up == pytest.approx((0, 0, 1), abs=1e-6)


def test_further_pictures_are_those_of_a_camera_carried_around_the_vertical() -> None:
    given = dataclasses.replace(SMALL.input_view, further_azimuths_degrees=(180.0, 90.0))
    reference = make_reference("x", lopsided(), dataclasses.replace(SMALL, input_view=given))
    assert reference.scene is not None
    assert len(reference.further) == 2
    for azimuth, picture in zip((180.0, 90.0), reference.further, strict=True):
        own = np.eye(4)  # turning the object the other way shows the same
        own[:3, :3] = Direction(azimuth).rotation.numpy()
        view = render_scene(transform_scene(reference.scene, own), canonical_camera(64))
        expected = view.opacity[0].numpy()
        np.testing.assert_allclose(picture[..., 3] / 255.0, expected, atol=0.02)
