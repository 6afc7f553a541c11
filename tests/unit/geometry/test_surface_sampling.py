"""Points of surfaces against areas, normals and colors that are known."""

import numpy as np
import pytest
import trimesh

from lrm_core.geometry.surface_sampling import sample_surface
from lrm_core.structures.scene import Material, Scene, ScenePart


def _part(mesh: trimesh.Trimesh, **keywords) -> ScenePart:
    material = keywords.pop("material", Material())
    return ScenePart(np.asarray(mesh.vertices), np.asarray(mesh.faces), material, **keywords)


def test_surface_samples_are_uniform_by_area_with_outward_normals_and_colors():
    small = trimesh.creation.box(extents=(0.2, 0.2, 0.2))
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    small.apply_translation([2.0, 0.0, 0.0])
    red = Material(base_color=(1.0, 0.0, 0.0, 1.0))
    gray = Material(base_color=(0.2140411, 0.2140411, 0.2140411, 1.0))  # sRGB one half
    scene = Scene((_part(small, material=red), _part(ball, material=gray)))
    positions, normals, colors = sample_surface(scene, 20000, np.random.default_rng(0))
    on_box = positions[:, 0] > 1.0
    expected = small.area / (small.area + ball.area)
    assert on_box.mean() == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(colors[on_box], [[1.0, 0.0, 0.0]] * on_box.sum(), atol=1e-6)
    np.testing.assert_allclose(colors[~on_box], 0.5, atol=1e-4)
    outward = (normals[~on_box] * positions[~on_box]).sum(axis=1)
    assert (outward > 0.45).all()  # radius one half, facets tilt a little


def test_texture_colors_follow_uv_with_the_origin_at_the_bottom_left():
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


def test_samples_follow_from_the_generator_alone():
    scene = Scene((_part(trimesh.creation.icosphere(subdivisions=2)),))
    first, second = (sample_surface(scene, 50, np.random.default_rng(5)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (50, 3)
