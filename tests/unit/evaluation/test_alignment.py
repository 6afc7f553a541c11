import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lrm_core.evaluation import alignment
from lrm_core.evaluation.alignment import (
    Fit,
    candidate_rotations,
    find_alignment,
    place,
    tilt_to,
)
from lrm_core.evaluation.observation import observe
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.reference import Reference
from lrm_core.geometry.scene_conversion import scene_from_mesh, transform_scene
from lrm_core.geometry.trajectories import orbit
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


def reference_of(scene: Scene, *, up=(0.0, 0.0, 1.0), scale: float = 1.0) -> Reference:
    cameras = orbit(1, size=8)
    seen = observe(scene, cameras, load_protocol("procedural-v1"))
    picture = np.zeros((8, 8, 4), np.uint8)
    return Reference("x", picture, cameras, seen, scene, up=up, scale=scale)


def test_answers_in_the_assumed_frame_are_scaled_before_anything_is_fitted() -> None:
    """A free method chose its own size: only the promised frame has one that can be undone."""
    larger = transform_scene(lopsided(), LARGER)
    reference = reference_of(larger, scale=1.25)
    expected = np.diag([1.25, 1.25, 1.25, 1.0])
    np.testing.assert_allclose(place(lopsided(), "canonical", None, reference, seed=0), expected)
    assert place(lopsided(), "free_azimuth", None, reference, seed=0) is None
    assert place(lopsided(), "canonical", None, reference_of(larger), seed=0) is None
    # a rotation alone fits the scaled answer, which an unscaled one would not
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", 122.0, degrees=True).as_matrix()
    turned = transform_scene(lopsided(), turn)
    found = place(turned, "canonical", Fit("azimuth"), reference, seed=0)
    assert found is not None
    points, scaled = reference.observation.points, transform_scene(turned, expected)
    fitted = find_alignment(scaled, points, Fit("azimuth"), seed=0)
    np.testing.assert_array_equal(found, fitted @ expected)
    assert np.cbrt(np.linalg.det(found[:3, :3])) == pytest.approx(1.25)
    placed = transform_scene(turned, found).parts[0].vertices
    assert np.linalg.norm(placed - larger.parts[0].vertices, axis=1).max() < 0.08


def test_an_object_is_placed_about_its_references_own_vertical_by_the_seed() -> None:
    up = tuple(Rotation.from_euler("x", 35.0, degrees=True).apply([0.0, 0.0, 1.0]).tolist())
    tilt = np.eye(4)
    tilt[:3, :3] = tilt_to(up)
    reference = reference_of(transform_scene(lopsided(), tilt), up=up)
    turn = np.eye(4)  # between two steps of the search: ICP has the last word
    turn[:3, :3] = Rotation.from_euler("z", 52.0, degrees=True).as_matrix()
    turned = transform_scene(lopsided(), turn)
    fit = Fit("azimuth")
    matrices = []
    for seed in (3, 4):
        found = place(turned, "free_azimuth", fit, reference, seed=seed)
        points = reference.observation.points
        expected = find_alignment(turned, points, fit, up=up, seed=seed)
        np.testing.assert_array_equal(found, expected)
        matrices.append(found)
    assert np.abs(matrices[0] - matrices[1]).max() > 1e-6


def test_photos_have_no_surface_to_fit_to() -> None:
    photos = dataclasses.replace(reference_of(lopsided()), scene=None)
    assert place(lopsided(), "free_azimuth", Fit("azimuth"), photos, seed=0) is None
    assert place(None, "free_azimuth", Fit("azimuth"), reference_of(lopsided()), seed=0) is None


def test_an_icp_from_the_second_best_start_is_taken_where_it_ends_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search looks at few points and coarse steps: its first choice need not be the best."""
    starts: list[np.ndarray] = []

    def only_from_another(points, target, *, initial, **options):
        starts.append(initial)
        matrix = np.eye(4) if len(starts) == 3 else initial
        return matrix, points @ matrix[:3, :3].T, 0.0

    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", 7.5, degrees=True).as_matrix()
    monkeypatch.setattr(alignment.trimesh.registration, "icp", only_from_another)
    reference = points_on(lopsided())
    found = find_alignment(lopsided(), reference @ np.eye(3), Fit("rotation"), seed=0)
    assert len({tuple(start.ravel().round(6)) for start in starts}) == len(starts) > 2
    np.testing.assert_allclose(found, np.eye(4), atol=1e-9)
