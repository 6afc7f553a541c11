import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lrm_core.evaluation import alignment
from lrm_core.evaluation.alignment import Fit, candidate_rotations, find_alignment, tilt_to
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


def vertex_error(scene: Scene) -> float:
    """Largest distance of a vertex from its place in `lopsided`."""
    difference = scene.parts[0].vertices - lopsided().parts[0].vertices
    return float(np.linalg.norm(difference, axis=1).max())


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
    found = find_alignment(moved, points_on(lopsided()), Fit(freedom, rescale=scale != 1.0), seed=0)
    assert vertex_error(transform_scene(moved, found)) < 0.06


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


SHIFTED = np.eye(4)
SHIFTED[:3, 3] = [0.1, -0.05, 0.08]
LARGER = np.diag([1.25, 1.25, 1.25, 1.0])


@pytest.mark.parametrize(
    ("fit", "matrix", "undone"),
    [
        (Fit("azimuth"), SHIFTED, False),
        (Fit("rotation"), SHIFTED, False),
        (Fit("rotation", translate=True), SHIFTED, True),
        (Fit("rotation", translate=True), LARGER, False),
        (Fit("rotation", rescale=True), LARGER @ SHIFTED, True),
    ],
)
def test_what_is_not_fitted_stays_as_it_was_answered(fit: Fit, matrix, undone: bool) -> None:
    """Position and scale are the method's own where the protocol does not fit them."""
    moved = transform_scene(lopsided(), matrix)
    found = find_alignment(moved, points_on(lopsided()), fit, seed=0)
    assert (vertex_error(transform_scene(moved, found)) < 0.06) == undone
    if not (fit.translate or fit.rescale):
        np.testing.assert_allclose(found[:3, 3], 0.0, atol=1e-9)
    scale = np.cbrt(np.linalg.det(found[:3, :3]))
    assert scale == pytest.approx(1 / 1.25 if fit.rescale else 1.0, rel=0.03 * fit.rescale + 1e-9)


def test_azimuth_is_about_the_vertical_of_a_tilted_object() -> None:
    up = tuple(Rotation.from_euler("x", 35.0, degrees=True).apply([0.0, 0.0, 1.0]).tolist())
    np.testing.assert_allclose(tilt_to(up) @ [0, 0, 1], up, atol=1e-12)
    tilt = np.eye(4)
    tilt[:3, :3] = tilt_to(up)
    reference = transform_scene(lopsided(), tilt)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", 200.0, degrees=True).as_matrix()
    upright = transform_scene(lopsided(), turn)  # as an upright method answers
    found = find_alignment(upright, points_on(reference), Fit("azimuth"), up=up, seed=0)
    placed = transform_scene(upright, found).parts[0].vertices
    assert np.linalg.norm(placed - reference.parts[0].vertices, axis=1).max() < 0.06


def test_azimuth_alone_does_not_turn_an_object_on_its_side() -> None:
    lying = np.eye(4)
    lying[:3, :3] = Rotation.from_euler("x", 90.0, degrees=True).as_matrix()
    fallen = transform_scene(lopsided(), lying)
    errors = {
        freedom: vertex_error(
            transform_scene(
                fallen, find_alignment(fallen, points_on(lopsided()), Fit(freedom), seed=0)
            )
        )
        for freedom in ("azimuth", "rotation")
    }
    assert errors["rotation"] < 0.06 < 0.3 < errors["azimuth"]


def test_an_icp_that_makes_it_worse_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(points, target, **options):
        turned = np.eye(4)
        turned[:3, :3] = Rotation.from_euler("y", 60.0, degrees=True).as_matrix()
        return turned, points @ turned[:3, :3].T, 0.0

    monkeypatch.setattr(alignment.trimesh.registration, "icp", worse)
    found = find_alignment(lopsided(), points_on(lopsided()), Fit("rotation"), seed=0)
    np.testing.assert_allclose(found, np.eye(4), atol=1e-9)
