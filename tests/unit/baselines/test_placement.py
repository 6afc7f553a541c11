import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from lrm_core.baselines.placement import PlacedField, Similarity, moved_scene, undo_crop
from lrm_core.geometry.scene_conversion import scene_from_mesh, transform_scene
from lrm_core.geometry.trajectories import orbit
from lrm_core.rendering.mesh_renderer import render_scene
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.scene import Material, Scene, ScenePart

WINDOW, SIZE = (60.0, -20.0, 300.0), 512


def scene_of(points: np.ndarray) -> Scene:
    return Scene((ScenePart(points.astype(np.float32), np.zeros((0, 3), np.int32), Material()),))


@pytest.mark.parametrize(("distance", "focal"), [(2.0, 0.75), (1.9, 1.3737), (1.2, 1.09375)])
def test_the_crop_shows_what_the_picture_shows(distance, focal):
    """Points at the object's center, through crop and camera of the method, and the other way."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (50, 3)) * [1, 0, 1]
    assumed = canonical_camera(1, distance=distance, focal=focal)
    in_crop = assumed.project(torch.from_numpy(points).float())[0][0].numpy()
    expected = np.array(WINDOW[:2]) + WINDOW[2] * in_crop

    similarity = undo_crop(WINDOW, SIZE, distance=distance, focal=focal)
    moved = moved_scene(scene_of(points), similarity).parts[0].vertices
    found = canonical_camera(SIZE).project(torch.from_numpy(moved))[0][0].numpy()
    assert np.allclose(found, expected, atol=1e-3)


def test_no_crop_and_the_same_camera_change_nothing():
    similarity = undo_crop((0.0, 0.0, 512.0), 512, distance=2.0, focal=0.75)
    assert similarity == Similarity(1.0, (0.0, 0.0, 0.0))


def test_scenes_are_turned_scaled_and_moved_in_this_order():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x -> y
    scene = scene_of(np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 3.0]]))
    moved = moved_scene(scene, Similarity(2.0, (10.0, 20.0, 30.0)), quarter)
    assert moved.parts[0].vertices.tolist() == [[10.0, 22.0, 30.0], [6.0, 20.0, 36.0]]
    assert moved.parts[0].vertices.dtype == np.float32


class MeshField:
    """A field that is the picture of a mesh: what it should look like is known without it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def render(self, cameras: Cameras) -> RenderOutput:
        return render_scene(self.scene, cameras, channels=("rgb", "depth", "alpha"))


def test_a_placed_field_looks_like_its_placed_mesh():
    vertices = np.array([[-0.4, -0.2, 0], [0.5, 0.1, 0], [-0.3, 0.3, -0.1], [0, 0, 0.6]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    colors = np.eye(4)[:, :3]
    mesh = Mesh(vertices.astype(np.float32), faces, vertex_colors=colors.astype(np.float32))
    scene, matrix = scene_from_mesh(mesh), np.eye(4)
    matrix[:3, :3] = 1.3 * Rotation.from_euler("xyz", [20, -40, 100], degrees=True).as_matrix()
    matrix[:3, 3] = [0.1, -0.2, 0.05]
    cameras = orbit(3, elevation_degrees=15.0, size=48)
    expected = MeshField(transform_scene(scene, matrix)).render(cameras)
    found = PlacedField(MeshField(scene), matrix).render(cameras)
    hit = expected.opacity > 0.99
    assert hit.sum() > 100
    assert (found.opacity - expected.opacity).abs().mean() < 2e-3
    assert (found.rgb - expected.rgb).abs().mean() < 2e-3
    both = hit & (found.opacity > 0.99)
    assert (found.depth - expected.depth)[both].abs().max() < 1e-3
