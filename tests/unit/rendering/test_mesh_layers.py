"""The last surface along rays against formulas for a box, a ball and a sheet."""

import numpy as np
import torch
import trimesh

from lrm_core.rendering.mesh_layers import last_surface
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at
from lrm_core.structures.scene import Material, Scene, ScenePart

HALF = np.array([0.5, 0.3, 0.4])


def part_of(mesh: trimesh.Trimesh, **options: object) -> ScenePart:
    return ScenePart(
        np.float32(mesh.vertices), np.int32(mesh.faces), Material(**options)
    )  # fmt: skip


def box_scene() -> Scene:
    """Every side of the box in a color of its own: 0.5 + normal / 4, linear."""
    box = trimesh.creation.box(extents=2 * HALF)
    corners = np.float32(box.triangles.reshape(-1, 3))
    colors = np.ones((len(corners), 4), dtype=np.float32)
    colors[:, :3] = 0.5 + np.repeat(box.face_normals, 3, axis=0) / 4
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    return Scene((ScenePart(corners, faces, Material(), vertex_colors=colors),))


def ball_scene(radius: float) -> Scene:
    return Scene((part_of(trimesh.creation.icosphere(5, radius=radius)),))


def off_axis_camera(size: int) -> Cameras:
    """Neither centered nor square in its pixels, looking past the object."""
    c2w = look_at(torch.tensor([[1.6, -1.3, 0.9]]), target=(0.1, 0.05, -0.1))
    return Cameras(c2w, torch.tensor([[0.8, 0.7, 0.46, 0.56]]) * size, size, size)


def pixel_rays(camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Origin and unit-depth directions (H, W, 3), written out from the definition."""
    fx, fy, cx, cy = camera.intrinsics[0].double().numpy()
    c2w = camera.c2w[0].double().numpy()
    rays = np.zeros((camera.height, camera.width, 3))
    for row in range(camera.height):
        for column in range(camera.width):
            local = [(column + 0.5 - cx) / fx, -(row + 0.5 - cy) / fy, -1.0]
            rays[row, column] = c2w[:3, :3] @ local
    return c2w[:3, 3], rays


def srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_rays_leave_a_box_where_the_slabs_say_and_show_the_side_they_leave():
    for camera in (canonical_camera(48), off_axis_camera(48)):
        last = last_surface(SceneTracer(box_scene()), camera)
        origin, rays = pixel_rays(camera)
        sides = set()
        for row in range(48):
            for column in range(48):
                ray = rays[row, column]
                with np.errstate(divide="ignore"):
                    ends = np.sort([(-HALF - origin) / ray, (HALF - origin) / ray], axis=0)
                enter, leave = ends[0].max(), ends[1].min()
                if abs(enter - leave) < 1e-3:  # past an edge
                    continue
                if enter > leave:
                    assert np.isinf(last.depth[row, column])
                    assert not last.rgb[row, column].any()
                    assert not last.normals[row, column].any()
                    continue
                np.testing.assert_allclose(last.depth[row, column], leave, atol=1e-4)
                if np.sort(ends[1])[1] - leave < 1e-3:  # two sides meet
                    continue
                axis = ends[1].argmin()
                normal = np.zeros(3)
                normal[axis] = np.sign(ray[axis])
                sides.add((int(axis), int(normal[axis])))
                np.testing.assert_allclose(last.normals[row, column], normal, atol=1e-5)
                color = srgb(0.5 + normal / 4)
                np.testing.assert_allclose(last.rgb[row, column], color, atol=1e-4)
        assert (1, 1) in sides  # the back, which no photo shows
    assert len(sides) == 3  # seen from a corner


def test_rays_leave_a_ball_where_its_formula_says():
    radius, camera = 0.6, off_axis_camera(64)
    last = last_surface(SceneTracer(ball_scene(radius)), camera)
    origin, rays = pixel_rays(camera)
    a, b, c = (rays**2).sum(-1), rays @ origin, origin @ origin - radius**2
    discriminant = b**2 - a * c
    depth = (-b + np.sqrt(np.maximum(discriminant, 0))) / a
    clear = discriminant > 0.05
    np.testing.assert_allclose(last.depth[clear], depth[clear], atol=1e-3)
    assert np.isinf(last.depth[discriminant < -0.01]).all()
    normals = (origin + depth[..., None] * rays) / radius
    assert (last.normals * normals).sum(-1)[clear].min() > 0.999


def test_the_first_and_the_last_surface_are_one_where_there_is_only_a_sheet():
    sheet = trimesh.Trimesh(
        [[-0.6, 0.2, -0.6], [0.6, 0.2, -0.6], [0.6, 0.2, 0.6], [-0.6, 0.2, 0.6]],
        [[0, 1, 2], [0, 2, 3]],
    )
    tracer = SceneTracer(Scene((part_of(sheet),)))
    camera = off_axis_camera(48)
    first = render_scene(tracer, camera, antialias=False)
    last = last_surface(tracer, camera)
    np.testing.assert_array_equal(np.isfinite(last.depth), np.isfinite(first.depth[0]))
    seen = np.isfinite(last.depth)
    np.testing.assert_allclose(last.depth[seen], first.depth[0].numpy()[seen], atol=1e-4)
    # the normals are turned away from the viewer, those of the first surface towards it
    np.testing.assert_allclose(last.normals[seen], -first.normals[0].numpy()[seen], atol=1e-5)


def test_of_several_bodies_the_farthest_counts_whatever_is_translucent():
    near, far = (trimesh.creation.box(extents=(0.6, 0.2, 0.6)) for _ in range(2))
    near.apply_translation([0.0, -0.5, 0.0])
    far.apply_translation([0.0, 0.5, 0.0])
    glass = part_of(far, base_color=(0.0, 1.0, 0.0, 0.3), alpha_mode="BLEND")
    red = part_of(near, base_color=(1.0, 0.0, 0.0, 1.0))
    last = last_surface(SceneTracer(Scene((glass, red))), canonical_camera(33))
    np.testing.assert_allclose(last.depth[16, 16], 2.6, atol=1e-4)
    np.testing.assert_allclose(last.rgb[16, 16], [0.0, 1.0, 0.0], atol=1e-5)
