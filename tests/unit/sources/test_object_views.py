"""Views of objects, against formulas: the shell of cameras, a sphere, a plane, a box."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.sources.object_views import (
    RenderedViews,
    ViewSettings,
    render_object,
    sample_cameras,
)
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.scene import Material, Scene, ScenePart

SMALL = ViewSettings(num_views=3, size=40)
RED = Material(base_color=(1.0, 0.0, 0.0, 1.0))


def part(vertices: np.ndarray, faces: np.ndarray, material: Material = RED) -> ScenePart:
    return ScenePart(vertices.astype(np.float32), faces.astype(np.int32), material)


def box(extents: tuple[float, float, float], center: tuple[float, float, float]) -> Scene:
    mesh = trimesh.creation.box(extents)
    return Scene((part(mesh.vertices + center, mesh.faces),))


def rays(cameras: Cameras, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and directions (H, W, 3), one unit long along the viewing axis."""
    fx, fy, cx, cy = cameras.intrinsics[index].double().numpy()
    columns, rows = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    local = np.stack([(columns - cx) / fx, (cy - rows) / fy, -np.ones_like(rows)], axis=-1)
    c2w = cameras.c2w[index].double().numpy()
    return c2w[:3, 3], local @ c2w[:3, :3].T


def test_the_defaults_are_those_of_the_paper() -> None:
    settings = ViewSettings()
    assert (settings.num_views, settings.size, settings.longest_side) == (32, 1024, 2.0)
    assert (settings.radius, settings.height) == ((1.5, 3.0), (-0.75, 1.6))


def test_cameras_lie_on_the_shell_and_look_at_the_origin() -> None:
    cameras = sample_cameras(ViewSettings(num_views=2000, size=8), "chair")
    radii = cameras.origins.norm(dim=-1)
    heights = cameras.origins[:, 2]
    assert 1.5 <= radii.min() < 1.52
    assert 2.98 < radii.max() <= 3.0
    assert -0.75 <= heights.min() < -0.73
    assert 1.58 < heights.max() <= 1.6
    azimuths = torch.atan2(cameras.origins[:, 0], -cameras.origins[:, 1])
    counts = torch.histc(azimuths, bins=8, min=-torch.pi, max=torch.pi)
    assert counts.min() > 0.7 * 2000 / 8
    pixels, _ = cameras.project(torch.zeros(1, 3))
    torch.testing.assert_close(pixels, torch.full_like(pixels, 4.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(cameras.intrinsics[0], torch.tensor([6.0, 6.0, 4.0, 4.0]))
    assert (cameras.c2w[:, 2, 1] > 0).all(), "z is up in every view"


def test_cameras_depend_on_the_seed_and_the_object_alone() -> None:
    first = sample_cameras(SMALL, "chair")
    torch.rand(5)
    assert torch.equal(first.c2w, sample_cameras(SMALL, "chair").c2w)
    assert not torch.equal(first.c2w, sample_cameras(SMALL, "table").c2w)
    other = sample_cameras(ViewSettings(num_views=3, size=40, seed=1), "chair")
    assert not torch.equal(first.c2w, other.c2w)


def test_a_sphere_has_the_depth_of_a_sphere() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=37.0)
    scene = Scene((part(mesh.vertices + np.array([100.0, -20.0, 3.0]), mesh.faces),))
    cameras = sample_cameras(SMALL, "sphere")
    views = render_object(scene, cameras, SMALL)
    for index in range(len(cameras)):
        origin, directions = rays(cameras, index)
        a = (directions**2).sum(-1)
        b = directions @ origin
        discriminant = b**2 - a * (origin @ origin - 1.0)
        depth = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
        inside = discriminant > 0.05  # not where a pixel's width decides
        np.testing.assert_allclose(views.depth[index][inside], depth[inside], atol=2e-3)
        assert np.isinf(views.depth[index][discriminant < -0.3]).all()
        assert (views.images[index, ..., 3][discriminant > 0.3] == 255).all()


def test_a_plane_has_the_depth_of_a_plane() -> None:
    corners = np.array([[-9, -9, -4], [9, -9, -4], [9, 9, 4], [-9, 9, 4]], dtype=float)
    scene = Scene((part(corners, np.array([[0, 1, 2], [0, 2, 3]])),))
    settings = ViewSettings(num_views=4, size=32, normals=True, seed=3)
    cameras = sample_cameras(settings, "plane")
    views = render_object(scene, cameras, settings)
    normal = np.array([0.0, -4.0, 9.0]) / np.hypot(4, 9)
    seen = 0
    for index in range(len(cameras)):
        origin, directions = rays(cameras, index)
        depth = -(origin @ normal) / (directions @ normal)
        points = origin + depth[..., None] * directions
        inside = (np.abs(points[..., :2]) < 0.97).all(-1) & (depth > 0)
        np.testing.assert_allclose(views.depth[index][inside], depth[inside], rtol=1e-4)
        assert views.normals is not None
        turned = normal * np.sign(origin @ normal)
        np.testing.assert_allclose(
            views.normals[index][inside], np.broadcast_to(turned, (inside.sum(), 3)), atol=1e-4
        )
        seen += inside.sum()
    assert seen > 100


def test_objects_are_brought_into_the_cube() -> None:
    cameras = sample_cameras(SMALL, "box")
    views = render_object(box((5.0, 10.0, 20.0), (7.0, 8.0, 9.0)), cameras, SMALL)
    np.testing.assert_allclose(views.bounds, [[-0.25, -0.5, -1.0], [0.25, 0.5, 1.0]], atol=1e-6)
    half = ViewSettings(num_views=3, size=40, longest_side=1.0)
    views = render_object(box((5.0, 10.0, 20.0), (7.0, 8.0, 9.0)), cameras, half)
    np.testing.assert_allclose(views.bounds[1], [0.125, 0.25, 0.5], atol=1e-6)


def test_an_object_without_extent_is_refused() -> None:
    point = Scene((part(np.ones((3, 3)), np.array([[0, 1, 2]])),))
    with pytest.raises(InputError, match="no extent"):
        render_object(point, sample_cameras(SMALL, "point"), SMALL)


def test_alpha_is_straight() -> None:
    """Colors are those of the surface however little of it a pixel shows."""
    cameras = sample_cameras(SMALL, "box")
    views = render_object(box((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), cameras, SMALL)
    alpha = views.images[..., 3]
    assert ((alpha > 0) & (alpha < 255)).sum() > 20
    np.testing.assert_array_equal(
        views.images[alpha > 0][:, :3], np.tile([255, 0, 0], ((alpha > 0).sum(), 1))
    )
    assert np.isinf(views.depth[alpha == 0]).all()
    assert np.isfinite(views.depth[alpha == 255]).all()


def test_a_translucent_surface_keeps_its_alpha() -> None:
    glass = Material(base_color=(1.0, 0.0, 0.0, 0.5), alpha_mode="BLEND")
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], dtype=float)
    scene = Scene((part(corners, np.array([[0, 1, 2], [0, 2, 3]]), glass),))
    image = render_object(scene, canonical_camera(40), SMALL).images[0]
    np.testing.assert_array_equal(image[20, 20], [255, 0, 0, 128])


def test_views_are_the_same_again_and_normals_and_light_are_options() -> None:
    cameras = sample_cameras(SMALL, "box")

    def render(**changes: object) -> RenderedViews:
        settings = ViewSettings(num_views=3, size=40, **changes)  # type: ignore[arg-type]
        return render_object(box((1.0, 2.0, 3.0), (0.0, 0.0, 0.0)), cameras, settings)

    first, again, lit, normals = render(), render(), render(lighting="studio"), render(normals=True)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.depth, again.depth)
    assert first.normals is None
    assert normals.normals is not None
    lengths = np.linalg.norm(normals.normals, axis=-1)
    np.testing.assert_allclose(lengths, np.isfinite(normals.depth), atol=1e-5)
    assert len(np.unique(first.images[first.images[..., 3] == 255], axis=0)) == 1
    assert len(np.unique(lit.images[lit.images[..., 3] == 255], axis=0)) > 3


def test_both_up_axes_are_understood(tmp_path: Path) -> None:
    """The same object written y-up (front +z) and z-up (front -y)."""
    mesh = trimesh.creation.cone(0.4, 2.0)  # along z
    mesh.apply_translation([0.0, -0.3, 0.0])
    mesh.export(tmp_path / "z.stl")
    x, y, z = mesh.vertices.T
    trimesh.Trimesh(np.stack([x, z, -y], axis=1), mesh.faces).export(tmp_path / "y.stl")
    cameras = sample_cameras(SMALL, "cone")
    z_up = render_object(read_scene(tmp_path / "z.stl", up="z"), cameras, SMALL)
    y_up = render_object(read_scene(tmp_path / "y.stl"), cameras, SMALL)
    np.testing.assert_allclose(z_up.bounds, y_up.bounds, atol=1e-6)
    assert np.mean(z_up.images[..., 3] != y_up.images[..., 3]) < 1e-3
    wrong = render_object(read_scene(tmp_path / "z.stl"), cameras, SMALL)
    assert np.mean(wrong.images[..., 3] != y_up.images[..., 3]) > 0.02
