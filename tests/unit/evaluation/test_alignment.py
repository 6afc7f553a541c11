import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lrm_core.evaluation.alignment import align_scene, candidate_rotations
from lrm_core.geometry.scene_conversion import scene_from_mesh, transform_scene
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.scene import Scene


def lopsided() -> Scene:
    vertices = np.array([[-1, -0.3, 0], [1, 0.1, 0], [-0.7, 0.7, -0.2], [-0.5, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    return scene_from_mesh(Mesh(vertices, faces))


def points_on(scene: Scene) -> np.ndarray:
    part = scene.parts[0]
    weights = np.random.default_rng(1).dirichlet(np.ones(3), (len(part.faces), 800))
    return np.einsum("fpk,fkd->fpd", weights, part.vertices[part.faces]).reshape(-1, 3)


@pytest.mark.parametrize(
    ("freedom", "turn", "scale", "shift"),
    [
        ("azimuth", Rotation.from_euler("z", 137.0, degrees=True), 1.0, (0, 0, 0)),
        (
            "rotation",
            Rotation.from_euler("xyz", [70.0, -50.0, 200.0], degrees=True),
            1.0,
            (0, 0, 0),
        ),
        ("rotation", Rotation.from_euler("xyz", [10.0, 95.0, 20.0], degrees=True), 0.4, (1, 2, 3)),
    ],
)
def test_a_moved_object_is_brought_back(freedom, turn: Rotation, scale: float, shift) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = scale * turn.as_matrix()
    matrix[:3, 3] = shift
    moved = transform_scene(lopsided(), matrix)
    rescale = scale != 1.0
    aligned = align_scene(moved, points_on(lopsided()), freedom=freedom, rescale=rescale, seed=0)
    error = np.linalg.norm(aligned.parts[0].vertices - lopsided().parts[0].vertices, axis=1)
    assert error.max() < 0.06


def test_rotations_are_proper_and_differ() -> None:
    azimuths, everything = candidate_rotations("azimuth"), candidate_rotations("rotation")
    assert len(azimuths) == 72
    assert len(everything) == 24 * 6
    for rotations in (azimuths, everything):
        identity = np.einsum("nij,nkj->nik", rotations, rotations)
        np.testing.assert_allclose(identity, np.tile(np.eye(3), (len(rotations), 1, 1)), atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
        assert len(np.unique(rotations.reshape(-1, 9).round(6), axis=0)) == len(rotations)
    np.testing.assert_allclose(azimuths[:, 2, 2], 1.0)
