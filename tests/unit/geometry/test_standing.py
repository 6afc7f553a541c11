"""Solids whose resting sides are known, tipped by known angles; and trimesh's stable poses."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from lrm_core.geometry.standing import stand, up_seen_from
from lrm_core.structures.cameras import CANONICAL_DISTANCE, canonical_camera
from lrm_core.structures.mesh import Mesh

LEVEL = np.array([0.0, 0.0, 1.0])


def mesh_of(solid):
    return Mesh(solid.vertices.astype(np.float32), solid.faces.astype(np.int32))


def tipped(solid, axis, degrees):
    """A copy turned about an axis, out of its middle."""
    solid = solid.copy()
    solid.apply_translation([0.3, -0.2, 0.1])
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array(axis))
    solid.vertices = turn.apply(solid.vertices)
    return solid


def test_a_camera_from_above_sees_the_object_tipped_towards_it():
    """Upright again, the camera is where its elevation says."""
    elevation = np.radians(30.0)
    box = mesh_of(trimesh.creation.box((1, 1, 1)))
    motion = stand(box.vertices, box.faces, up=up_seen_from(30.0))
    place = motion.move_cameras(canonical_camera(8)).origins[0].numpy()
    expected = CANONICAL_DISTANCE * np.array([0.0, -np.cos(elevation), np.sin(elevation)])
    np.testing.assert_allclose(place, expected, atol=1e-6)


@pytest.mark.parametrize("degrees", [-10, 5, 30, 45])
def test_a_box_seen_from_anywhere_stands_on_the_side_it_stood_on(degrees):
    """Tipped towards the camera, as it is seen from above; nobody says how far."""
    solid = tipped(trimesh.creation.box((0.5, 0.8, 0.6)), (1, 0, 0), degrees)
    motion = stand(solid.vertices, solid.faces, ground=True)
    assert motion.found_side
    assert motion.turned_degrees == pytest.approx(abs(degrees), abs=1e-4)
    moved = motion.move_mesh(mesh_of(solid)).vertices
    assert moved[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert moved[:, 2].max() == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0.6, 0.8, 0)])
@pytest.mark.parametrize("degrees", [-12, 10])
def test_where_up_is_known_a_small_error_is_undone_whichever_way(axis, degrees):
    solid = tipped(trimesh.creation.box((0.5, 0.8, 0.6)), axis, degrees)
    motion = stand(solid.vertices, solid.faces, up=LEVEL, ground=True)
    assert motion.turned_degrees == pytest.approx(abs(degrees), abs=1e-4)
    steep = tipped(trimesh.creation.box((0.5, 0.8, 0.6)), axis, 2 * degrees)
    assert not stand(steep.vertices, steep.faces, up=LEVEL, ground=True).found_side


def test_a_large_side_goes_before_a_small_one_that_faces_down_better():
    """A plate with a beveled edge: it rests on its face, 30 degrees off, not on the bevel."""
    base = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
    corners = [[x, y, 0.0] for x, y in base] + [[0.8 * x, 0.8 * y, 0.3] for x, y in base]
    solid = tipped(trimesh.convex.convex_hull(np.array(corners)), (1, 0, 0), 40)
    motion = stand(solid.vertices, solid.faces, ground=True)
    moved = motion.move_mesh(mesh_of(solid)).vertices
    assert np.ptp(moved[:, 2]) == pytest.approx(0.3, abs=1e-6)


def test_a_cone_s_point_is_no_side_to_stand_on():
    """Upside down, tipped by 10 degrees: near the floor is nothing but the point."""
    cone = tipped(trimesh.creation.cone(0.4, 1.0), (1, 0, 0), 190)
    motion = stand(cone.vertices, cone.faces, ground=True)
    assert not motion.found_side
    np.testing.assert_allclose(motion.rotation, np.eye(3))
    assert motion.move_mesh(mesh_of(cone)).vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("lean", "stands"), [(0.3, True), (0.5, False)])
def test_a_leaning_tower_stands_as_long_as_its_middle_is_above_its_base(lean, stands):
    """A base of 0.4 and a height of 1: the middle is lean / 2 aside."""
    tower = trimesh.creation.box((0.4, 0.4, 1.0))
    tower.vertices[:, 0] += lean * tower.vertices[:, 2]
    motion = stand(tower.vertices, tower.faces, up=LEVEL, ground=True)
    assert motion.found_side == stands
    np.testing.assert_allclose(motion.rotation, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_it_rests_as_one_of_trimesh_s_stable_poses(seed):
    """Of a random convex solid, with the same lowest point and the same height."""
    rng = np.random.default_rng(seed)
    solid = trimesh.convex.convex_hull(rng.normal(size=(12, 3)) * [0.5, 0.5, 0.3])
    motion = stand(solid.vertices, solid.faces, ground=True)
    assert motion.found_side
    heights = []
    for pose in trimesh.poses.compute_stable_poses(solid, n_samples=1, sigma=0.0)[0]:
        posed = solid.copy().apply_transform(pose)
        heights.append((np.ptp(posed.vertices[:, 2]), posed.center_mass[2]))
    moved = trimesh.Trimesh(motion.move_mesh(mesh_of(solid)).vertices, solid.faces)
    found = (np.ptp(moved.vertices[:, 2]), moved.center_mass[2])
    assert min(np.abs(np.array(heights) - found).max(axis=1)) < 1e-3


def test_a_flat_sheet_is_shifted_only():
    sheet = trimesh.Trimesh([[0, 0, 1], [1, 0, 1], [0, 1, 1.0]], [[0, 1, 2]])
    motion = stand(sheet.vertices, sheet.faces, ground=True)
    assert not motion.found_side
    assert motion.shift[2] == pytest.approx(-1.0)


def test_cameras_see_the_moved_object_as_before():
    solid = tipped(trimesh.creation.box((0.5, 0.8, 0.6)), (1, 0, 0), 25)
    motion = stand(solid.vertices, solid.faces, up=up_seen_from(15.0), ground=True)
    camera = canonical_camera(64)
    before, _ = camera.project(torch.from_numpy(solid.vertices).float())
    moved = torch.from_numpy(motion.move_mesh(mesh_of(solid)).vertices)
    after, _ = motion.move_cameras(camera).project(moved)
    torch.testing.assert_close(after, before, atol=1e-3, rtol=0)
