"""Volume IoU against boxes by hand, Manifold's exact booleans and trimesh's containment."""

import numpy as np
import pytest
import trimesh

from lrm_core.metrics import volume_iou as module
from lrm_core.metrics.volume_iou import volume_iou, why_not_closed


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    return np.array(trimesh.creation.box(bounds=[low, high]).triangles)


UNIT = box((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (UNIT, 1.0),
        (UNIT + np.array([0.0, 0.0, 0.5]), 1 / 3),
        (UNIT + np.array([0.25, 0.0, 0.0]), 0.75 / 1.25),
        (UNIT + np.array([0.25, 0.25, 0.25]), 0.75**3 / (2 - 0.75**3)),
        (UNIT + np.array([3.0, 0.0, 0.0]), 0.0),
        (UNIT * 0.5, 0.125),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_boxes_have_a_known_overlap(other: np.ndarray, expected: float, dtype: type) -> None:
    # 40 columns meet the sides of every box between their axes: exact
    found = volume_iou(UNIT.astype(dtype), other.astype(dtype), num_columns=40)
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.reason == ""


def test_exact_booleans_agree() -> None:
    pytest.importorskip("manifold3d")
    rng = np.random.default_rng(9)
    torus = trimesh.creation.torus(1.0, 0.4)
    for _ in range(3):
        other = trimesh.creation.icosphere(3)
        other.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
        other.apply_translation(rng.normal(size=3) * 0.3)
        both = trimesh.boolean.intersection([torus, other], engine="manifold").volume
        expected = both / (torus.volume + other.volume - both)
        found = volume_iou(torus.triangles, other.triangles)
        assert found.value == pytest.approx(expected, abs=1e-4)


def test_points_inside_agree() -> None:
    knot = trimesh.creation.torus(0.6, 0.25)
    turned = knot.copy()
    turned.apply_transform(trimesh.transformations.euler_matrix(0.8, 0.3, 0.1))
    points = np.random.default_rng(10).uniform(-0.9, 0.9, (20000, 3))
    a, b = knot.contains(points), turned.contains(points)
    expected, deviation = (a & b).sum() / (a | b).sum(), 0.5 / np.sqrt((a | b).sum())
    found = volume_iou(knot.triangles, turned.triangles)
    assert found.value == pytest.approx(expected, abs=4 * deviation)


def test_overlapping_parts_are_a_union_and_winding_does_not_matter() -> None:
    """By parity the overlap of two boxes would be a hole."""
    two = np.concatenate([UNIT, UNIT + np.array([0.5, 0.0, 0.0])])
    whole = box((0, 0, 0), (1.5, 1, 1))
    assert volume_iou(two, whole).value == pytest.approx(1.0)
    assert volume_iou(two[:, ::-1], whole).value == pytest.approx(1.0)


def test_column_axes_through_corners_and_edges_cross_once() -> None:
    """Vertices at the column axes, where rays of other implementations count twice."""
    n = 8
    mesh = trimesh.creation.box(bounds=[[0, 0, 0], [n, n, 1]])
    for _ in range(4):
        mesh = mesh.subdivide()  # vertices at every half: 8 columns have their axes there
    lower = mesh.triangles * [1.0, 1.0, 0.5]
    assert volume_iou(mesh.triangles, lower, num_columns=n).value == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_every_column_leaves_as_often_as_it_enters(seed: int) -> None:
    """On a lattice of thirds, where axes meet vertices and edges and nothing is round in binary."""
    rng = np.random.default_rng(seed)
    mesh = trimesh.creation.icosphere(3)
    lattice = np.round(mesh.vertices * 9 + rng.uniform(-1, 1, mesh.vertices.shape)) / 3
    axes = np.stack([np.arange(-15.0, 16.0) / 6, np.arange(-15.0, 16.0) / 3])
    column, z, turn = module._cross_columns(lattice[mesh.faces], axes)
    assert np.abs(z).max() <= np.abs(lattice[:, 2]).max()
    assert len(column) > 200
    assert not np.bincount(column, weights=turn).any()


def test_a_share_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a = trimesh.creation.icosphere(2).triangles
    at_once = volume_iou(a, a * 0.8, num_columns=64)
    monkeypatch.setattr(module, "_MOST_CANDIDATES", 100)
    assert volume_iou(a, a * 0.8, num_columns=64) == at_once


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (UNIT[1:], "not closed: 3 of 18 edges"),
        (UNIT[:0], "no triangles"),
        (np.concatenate([UNIT[:1, ::-1], UNIT[1:]]), "not closed"),
        (UNIT * np.nan, "not finite"),
    ],
)
def test_no_inside_no_number(broken: np.ndarray, reason: str) -> None:
    for found, name in (
        (volume_iou(broken, UNIT), "predicted"),
        (volume_iou(UNIT, broken), "reference"),
    ):
        assert found.value is None
        assert reason in found.reason
        assert f"the {name} mesh" in found.reason


def test_a_sheet_with_two_sides_encloses_nothing() -> None:
    sheet = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
    folded = np.concatenate([sheet, sheet[:, ::-1]])
    assert why_not_closed(folded) == ""
    assert volume_iou(folded, folded).reason == "neither mesh encloses a volume"
    assert volume_iou(folded, UNIT).value == 0.0


def test_parts_that_share_an_edge_are_closed() -> None:
    """An edge with four faces is closed, though no manifold."""
    touching = np.concatenate([UNIT, UNIT + np.array([1.0, 1.0, 0.0])])
    assert why_not_closed(touching) == ""
    assert volume_iou(touching, box((0, 0, 0), (2, 2, 1))).value == pytest.approx(0.5)
