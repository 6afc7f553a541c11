import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrm_core.geometry.polygon_triangulation import triangulate

L_SHAPE = [[1, 0], [1, 0.5], [0.5, 0.5], [0.5, 1], [0, 1], [0, 0]]
ARROW = [[0, 0], [2, -1], [0, 2], [-2, -1]]  # concave at its first corner
BAR_WITH_CORNERS_ON_ITS_SIDES = [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [2, 1], [1, 1], [0, 1]]


def shoelace(polygon: np.ndarray) -> float:
    x, y = np.transpose(polygon)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def rotated(polygon: np.ndarray, seed: int) -> np.ndarray:
    """The polygon turned anywhere in space."""
    flat = np.column_stack([polygon, np.zeros(len(polygon))])
    return flat @ np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0].T


def signed_areas(polygon: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(np.asarray(polygon, dtype=float)[triangles], 1, 0)
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@pytest.mark.parametrize("polygon", [L_SHAPE, ARROW, BAR_WITH_CORNERS_ON_ITS_SIDES])
@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("first", range(6))
def test_a_polygon_is_covered_once(polygon, turn, first):
    polygon = np.roll(np.array(polygon, dtype=float), first, axis=0)[::turn]
    triangles, owner = triangulate(rotated(polygon, seed=first), np.array([len(polygon)]))
    assert len(triangles) == len(polygon) - 2
    assert (owner == 0).all()
    areas = signed_areas(polygon, triangles) * turn
    # none is turned over, so that they cannot overlap and still have the polygon's area together
    assert (areas >= -1e-9).all()
    assert areas.sum() == pytest.approx(abs(shoelace(polygon)))


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 40), st.integers(0, 10_000))
def test_star_shaped_polygons_are_covered_once(size, seed):
    rng = np.random.default_rng(seed)
    angles = (np.arange(size) + rng.uniform(0, 0.9, size)) * (2 * np.pi / size)
    polygon = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.1, 1, (size, 1))
    triangles, _ = triangulate(rotated(polygon, seed), np.array([size]))
    areas = signed_areas(polygon, triangles)
    assert len(triangles) == size - 2
    assert areas.min() > -1e-9
    assert areas.sum() == pytest.approx(shoelace(polygon))


def test_many_polygons_keep_their_order_and_their_corners():
    shapes = [
        ARROW,
        [[0, 0], [1, 0], [0, 1]],
        L_SHAPE,
        [[0, 0], [1, 0], [1, 1], [0, 1]],
        [[0, 0], [1, 1]],
    ]
    sizes = np.array([len(shape) for shape in shapes])
    corners = np.concatenate([rotated(np.array(shape, float), 3) for shape in shapes])
    triangles, owner = triangulate(corners, sizes)
    assert owner.tolist() == sorted(owner.tolist())
    assert np.bincount(owner, minlength=5).tolist() == [2, 1, 4, 2, 0]
    starts = np.cumsum(sizes) - sizes
    for polygon, start in enumerate(starts):
        used = triangles[owner == polygon]
        assert ((used >= start) & (used < start + sizes[polygon])).all()
    np.testing.assert_array_equal(triangles[owner == 3] - starts[3], [[0, 1, 2], [0, 2, 3]])


def test_no_polygons():
    triangles, owner = triangulate(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    assert triangles.shape == (0, 3)
    assert owner.shape == (0,)


def test_a_polygon_that_crosses_itself_ends():
    rng = np.random.default_rng(0)
    triangles, _ = triangulate(rng.normal(size=(200, 3)), np.array([200]))
    assert triangles.shape == (198, 3)
