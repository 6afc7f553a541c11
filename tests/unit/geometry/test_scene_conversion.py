import numpy as np
import pytest
import torch
import trimesh

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import (
    fit_scene,
    mesh_from_part,
    mesh_from_scene,
    needs_fitting,
    normalize_scene,
    scene_from_mesh,
)
from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.mesh import Mesh, Texture
from lrm_core.structures.scene import Material, Scene, ScenePart

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], dtype=np.float32)
FACES = np.array([[0, 1, 2]], dtype=np.int32)


def two_parts() -> Scene:
    return Scene(
        (
            ScenePart(VERTICES, FACES, Material()),
            ScenePart(VERTICES + 5, FACES[:, ::-1], Material()),
        )
    )


def test_vertex_colors_become_linear():
    colors = np.array([[0, 0.5, 1], [0.2, 0.04, 0.6], [1, 1, 1]], dtype=np.float32)
    (part,) = scene_from_mesh(Mesh(VERTICES, FACES, vertex_colors=colors)).parts
    # IEC 61966-2-1, worked out by hand
    assert part.vertex_colors[0].tolist() == pytest.approx([0, 0.21404114, 1, 1])
    assert part.vertex_colors[1, 1] == pytest.approx(0.04 / 12.92)
    assert part.material == Material()


@pytest.mark.parametrize("channels", [3, 4])
def test_textures_become_rgba_and_come_before_colors(channels):
    image = np.random.default_rng(0).integers(0, 256, (2, 3, channels)).astype(np.uint8)
    uv = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)
    mesh = Mesh(VERTICES, FACES, vertex_colors=np.zeros_like(VERTICES), texture=Texture(image, uv))
    (part,) = scene_from_mesh(mesh).parts
    np.testing.assert_array_equal(part.material.texture[..., :channels], image)
    assert channels == 4 or (part.material.texture[..., 3] == 255).all()
    assert part.uv is uv
    assert part.vertex_colors is None


def test_no_colors_is_mid_grey():
    (part,) = scene_from_mesh(Mesh(VERTICES, FACES)).parts
    assert part.material.base_color == pytest.approx((*[((0.5 + 0.055) / 1.055) ** 2.4] * 3, 1))


def test_mesh_from_scene_keeps_every_triangle():
    scene = two_parts()
    mesh = mesh_from_scene(scene)
    expected = np.concatenate([part.vertices[part.faces] for part in scene.parts])
    np.testing.assert_array_equal(mesh.triangles, expected)


def test_normalize_scene_centres_the_box_and_fits_its_longest_side():
    scene = normalize_scene(two_parts(), 1.8)
    # from (0, 0, 0)-(6, 7, 5)
    half = np.array([6, 7, 5]) / 7 * 0.9
    np.testing.assert_allclose(scene.bounds, [-half, half], atol=1e-6)
    edges = np.diff(scene.parts[0].vertices, axis=0)
    np.testing.assert_allclose(edges, np.diff(VERTICES, axis=0) * 1.8 / 7, atol=1e-6)


def test_a_point_cannot_be_normalized():
    point = Scene((ScenePart(np.ones((3, 3), dtype=np.float32), FACES, Material()),))
    with pytest.raises(InputError, match="no extent"):
        normalize_scene(point, 2.0)


@pytest.mark.parametrize("kind", ["textured", "colored", "plain"])
def test_a_mesh_comes_back_from_its_part(kind):
    generator = np.random.default_rng(0)
    texture = Texture(
        generator.integers(0, 256, (2, 3, 3)).astype(np.uint8),
        np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32),
    )
    colors = generator.random((3, 3)).astype(np.float32)
    mesh = Mesh(
        VERTICES,
        FACES,
        vertex_colors=colors if kind == "colored" else None,
        texture=texture if kind == "textured" else None,
    )
    (part,) = scene_from_mesh(mesh).parts
    again = mesh_from_part(part)
    np.testing.assert_array_equal(again.vertices, VERTICES)
    assert (again.texture is None) == (kind != "textured")
    assert (again.vertex_colors is None) == (kind != "colored")
    if again.texture is not None:
        np.testing.assert_array_equal(again.texture.image, texture.image)
    if again.vertex_colors is not None:
        np.testing.assert_allclose(again.vertex_colors, colors, atol=1e-6)


def box(sides, center=(0, 0, 0)):
    mesh = trimesh.creation.box(sides)
    vertices = (mesh.vertices + center).astype(np.float32)
    return Scene((ScenePart(vertices, mesh.faces.astype(np.int32), Material()),))


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (box((2, 2, 2)), False),
        (box((0.3, 0.1, 0.1)), False),
        (box((0.1, 0.1, 0.1)), True),
        (box((2.3, 1, 1)), True),
        (box((1, 1, 1), center=(0, 0, -0.8)), True),
        (box((50, 20, 30), center=(100, 0, 0)), True),
    ],
)
def test_what_needs_fitting(scene, expected):
    assert needs_fitting(scene) is expected


@pytest.mark.parametrize("sides", [(5, 5, 5), (1, 20, 3), (0.01, 0.02, 0.01)])
def test_a_fitted_scene_is_whole_from_every_side(sides):
    scene = fit_scene(box(sides, center=(7, -3, 2)))
    np.testing.assert_allclose(scene.bounds.sum(0), 0, atol=1e-5)
    cameras = (orbit(4, size=48), orbit(1, elevation_degrees=89.0, size=48))
    opacity = torch.cat([render_scene(scene, views).opacity for views in cameras])
    for border in (opacity[:, 0], opacity[:, -1], opacity[:, :, 0], opacity[:, :, -1]):
        assert (border == 0).all()
    assert opacity.amax() == 1
