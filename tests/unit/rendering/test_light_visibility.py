"""Visibility against slabs in a plain loop, and a ball that shades nothing of itself."""

import numpy as np
import pytest
import trimesh

from lrm_core.rendering.light_visibility import light_visibility, sphere_directions
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.scene import Material, Scene, ScenePart

SIZE = 24
BOXES = (((1.2, 1.0, 0.2), (0.0, 0.0, -0.5)), ((0.3, 0.4, 0.9), (0.2, 0.1, 0.1)))


def scene_of(*meshes: trimesh.Trimesh) -> Scene:
    return Scene(
        tuple(ScenePart(np.float32(m.vertices), np.int32(m.faces), Material()) for m in meshes)
    )


def boxes() -> Scene:
    return scene_of(
        *(trimesh.creation.box(extents).apply_translation(offset) for extents, offset in BOXES)
    )


def seen(scene: Scene, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    view = render_scene(scene, camera)
    return view.depth[0].numpy(), view.normals[0].numpy()


def is_blocked(place: np.ndarray, direction: np.ndarray) -> bool:
    """Whether a ray enters one of the boxes, by the slabs between their faces."""
    for extents, offset in BOXES:
        enter, leave = 0.0, np.inf
        for axis in range(3):
            low, high = offset[axis] - extents[axis] / 2, offset[axis] + extents[axis] / 2
            ends = sorted((end - place[axis]) / direction[axis] for end in (low, high))
            enter, leave = max(enter, ends[0]), min(leave, ends[1])
        if enter < leave:
            return True
    return False


def test_directions_are_spread_evenly():
    directions = sphere_directions(64).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(directions.T @ directions / 64, np.eye(3) / 3, atol=0.02)
    gaps = np.sort(np.arccos((directions @ directions.T).clip(-1, 1)), axis=1)[:, 1]
    assert gaps.min() > 0.6 * gaps.max()


def test_boxes_shade_one_another_as_their_slabs_say():
    scene, camera = boxes(), canonical_camera(SIZE)
    depth, normals = seen(scene, camera)
    directions = sphere_directions(16)
    found = light_visibility(SceneTracer(scene), camera, depth, normals, directions)
    origin, right, up, back = (camera.c2w[0, :3, i].numpy() for i in (3, 0, 1, 2))
    focal = float(camera.intrinsics[0, 0])
    shaded = lit = 0
    for row, column in np.ndindex(SIZE, SIZE):
        if not np.isfinite(depth[row, column]):
            assert not found[row, column].any()
            continue
        x, y = (column + 0.5 - SIZE / 2) / focal, (SIZE / 2 - row - 0.5) / focal
        place = origin + depth[row, column] * (right * x + up * y - back)
        normal = normals[row, column]
        for index, direction in enumerate(directions):
            turned_away = float(normal @ direction) <= 0.0
            blocked = turned_away or is_blocked(place + 3e-3 * normal, direction)
            assert found[row, column, index] == (not blocked), (row, column, index)
            shaded += blocked and not turned_away
            lit += not blocked
    assert shaded > 50
    assert lit > 500


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_what_is_convex_shades_nothing_of_itself(scale: float):
    """Rays start above the surface, at any size of the scene."""
    ball = trimesh.creation.icosphere(3).apply_scale(scale)
    camera = canonical_camera(SIZE, distance=2.0 * scale)
    depth, normals = seen(scene_of(ball), camera)
    directions = sphere_directions(64)
    found = light_visibility(SceneTracer(scene_of(ball)), camera, depth, normals, directions)
    np.testing.assert_array_equal(found, normals @ directions.T > 0.0)
    assert found.any()
