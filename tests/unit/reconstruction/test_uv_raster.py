import numpy as np
import pytest
from scipy.spatial import Delaunay

from lrm_core.reconstruction import uv_raster
from lrm_core.reconstruction.uv_raster import ranges, rasterize


def all_texels(triangles, size):
    batches = list(rasterize(triangles, size))
    names = ("faces", "columns", "rows", "barycentric")
    return [np.concatenate([getattr(batch, name) for batch in batches]) for name in names]


@pytest.fixture
def triangulation():
    """Triangles that tile the unit square, with corners and edges on texel centers too."""
    rng = np.random.default_rng(0)
    on_centres = (rng.integers(0, 64, (60, 2)) + 0.5) / 64
    square = [[0, 0], [0, 1], [1, 0], [1, 1]]
    points = np.concatenate([square, rng.random((60, 2)), np.unique(on_centres, axis=0)])
    triangles = points[Delaunay(points).simplices]
    triangles[::2] = triangles[::2, ::-1]  # either orientation
    return triangles


def test_tiling_covers_every_texel_exactly_once(triangulation):
    _, columns, rows, _ = all_texels(triangulation, 64)
    hits = np.zeros((64, 64), dtype=int)
    np.add.at(hits, (rows, columns), 1)
    assert (hits == 1).all()


def test_barycentric_weights_give_the_texel_centre(triangulation):
    faces, columns, rows, barycentric = all_texels(triangulation, 64)
    centers = np.einsum("tc,tcd->td", barycentric, triangulation[faces])
    expected = (np.stack([columns, rows], axis=1) + 0.5) / 64
    np.testing.assert_allclose(centers, expected, atol=1e-12)
    assert barycentric.min() > -1e-9
    np.testing.assert_allclose(barycentric.sum(axis=1), 1.0)


def test_agrees_with_a_naive_loop():
    triangles = np.random.default_rng(1).random((12, 3, 2))
    found = set(zip(*(part.tolist() for part in all_texels(triangles, 16)[:3]), strict=True))
    expected = set()
    for face, (a, b, c) in enumerate(triangles):
        for column, row in np.ndindex(16, 16):
            p = (np.array([column, row]) + 0.5) / 16
            sides = [np.linalg.det([q - o, p - o]) > 0 for o, q in ((a, b), (b, c), (c, a))]
            if all(sides) or not any(sides):
                expected.add((face, column, row))
    assert found == expected


def test_batches_are_bounded_and_add_up(triangulation, monkeypatch):
    whole = all_texels(triangulation, 64)
    monkeypatch.setattr(uv_raster, "_BATCH_TEXELS", 200)
    batches = list(rasterize(triangulation, 64))
    assert len(batches) > 10
    for one, other in zip(whole, all_texels(triangulation, 64), strict=True):
        np.testing.assert_array_equal(one, other)


def test_degenerate_and_outside_triangles_cover_nothing():
    line = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]
    outside = [[1.1, 0.1], [1.5, 0.1], [1.1, 0.9]]
    assert not sum(len(batch.faces) for batch in rasterize(np.array([line, outside]), 32))
    assert not list(rasterize(np.zeros((0, 3, 2)), 32))


def test_ranges():
    owner, values = ranges(np.array([3, 5, 7]), np.array([5, 5, 10]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert values.tolist() == [3, 4, 7, 8, 9]
