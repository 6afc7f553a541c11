"""Point labels against shapes whose inside is known by formula."""

import numpy as np
import pytest
import trimesh

from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.training.point_samples import (
    sample_points,
    sample_surface,
    solid_points,
    sphere_directions,
)


def _part(mesh: trimesh.Trimesh, **keywords) -> ScenePart:
    material = keywords.pop("material", Material())
    return ScenePart(np.asarray(mesh.vertices), np.asarray(mesh.faces), material, **keywords)


def test_directions_are_unit_and_balanced():
    directions = sphere_directions(64)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    assert np.abs(directions.mean(axis=0)).max() < 0.02


def test_solid_points_agree_with_the_signed_distance_of_a_box_and_a_ball():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.2, 1.2, (4000, 3)).astype(np.float32)
    box = trimesh.creation.box(extents=(1.0, 1.4, 0.6))
    inside = (np.abs(points) < [0.5, 0.7, 0.3]).all(axis=1)
    np.testing.assert_array_equal(solid_points(box.triangles, points), inside)
    ball = trimesh.creation.icosphere(subdivisions=5)
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 1.0) > 0.01  # the facets lie a little inside the sphere
    found = solid_points(ball.triangles, points)
    np.testing.assert_array_equal(found[clear], radius[clear] < 1.0)


def test_a_cup_is_hollow_and_an_open_box_is_not_solid():
    # five walls of a box: from any point inside, a direction leads out through the opening
    box = trimesh.creation.box(extents=(2.0, 2.0, 2.0))
    walls = box.triangles[box.face_normals[:, 2] < 0.5]
    middle = np.zeros((1, 3), dtype=np.float32)
    assert solid_points(box.triangles, middle)[0]
    assert not solid_points(walls, middle)[0]


def test_surface_samples_are_uniform_by_area_with_outward_normals_and_colours():
    small = trimesh.creation.box(extents=(0.2, 0.2, 0.2))
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    small.apply_translation([2.0, 0.0, 0.0])
    red = Material(base_color=(1.0, 0.0, 0.0, 1.0))
    grey = Material(base_color=(0.2140411, 0.2140411, 0.2140411, 1.0))  # sRGB one half
    scene = Scene((_part(small, material=red), _part(ball, material=grey)))
    positions, normals, colors = sample_surface(scene, 20000, np.random.default_rng(0))
    on_box = positions[:, 0] > 1.0
    expected = small.area / (small.area + ball.area)
    assert on_box.mean() == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(colors[on_box], [[1.0, 0.0, 0.0]] * on_box.sum(), atol=1e-6)
    np.testing.assert_allclose(colors[~on_box], 0.5, atol=1e-4)
    outward = (normals[~on_box] * positions[~on_box]).sum(axis=1)
    assert (outward > 0.45).all()  # radius one half, facets tilt a little


def test_texture_colours_follow_uv_with_the_origin_at_the_bottom_left():
    image = np.zeros((2, 2, 4), dtype=np.uint8)
    image[..., 3] = 255
    image[0, 0, 0] = 255  # top left red
    image[1, 1, 2] = 255  # bottom right blue
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)
    part = ScenePart(
        square,
        np.array([[0, 1, 2], [0, 2, 3]]),
        Material(texture=image),
        uv=square[:, :2].copy(),
    )
    positions, _, colors = sample_surface(Scene((part,)), 2000, np.random.default_rng(0))
    left, top = positions[:, 0] < 0.5, positions[:, 1] > 0.5
    np.testing.assert_allclose(colors[left & top], [[1, 0, 0]] * (left & top).sum(), atol=1e-6)
    np.testing.assert_allclose(colors[~left & ~top], [[0, 0, 1]] * (~left & ~top).sum(), atol=1e-6)
    assert not colors[left & ~top].any()


def test_samples_of_an_object_follow_from_the_seed():
    scene = Scene((_part(trimesh.creation.icosphere(subdivisions=2)),))
    first, second = (
        sample_points(scene, np.random.default_rng(5), num_points=200, num_surface=50)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.points, second.points)
    assert first.points.shape == (200, 3)
    assert first.surface.shape == first.normals.shape == first.colors.shape == (50, 3)
    assert 0.1 < first.solid.mean() < 0.9
