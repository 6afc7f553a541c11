from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from lrm_core.reconstruction import chart_packing
from lrm_core.reconstruction.chart_packing import pack_charts
from lrm_core.reconstruction.uv_raster import rasterize


def charts(*polygons):
    """Points, chart numbers and outline of polygons given by their corners in order."""
    points = np.concatenate(polygons).astype(float)
    chart = np.repeat(np.arange(len(polygons)), [len(p) for p in polygons])
    outline, start = [], 0
    for polygon in polygons:
        corners = start + np.arange(len(polygon))
        outline.append(np.stack([corners, np.roll(corners, -1)], axis=1))
        start += len(polygon)
    return points, chart, np.concatenate(outline)


def rectangle(width, height, x=0.0, y=0.0):
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def gaps(packed, chart, size):
    """Texels of every chart, as fans about its first corner, and the least distance of two."""
    owner = np.full((size, size), -1)
    for name in range(chart.max() + 1):
        corners = packed[chart == name]
        fan = np.stack([[corners[0], b, c] for b, c in pairwise(corners[1:])])
        for texels in rasterize(fan, size):
            owner[texels.rows, texels.columns] = name
    least = size
    for name in np.unique(owner[owner >= 0]):
        to_chart = distance_transform_cdt(owner != name, metric="chessboard")
        least = min(least, to_chart[(owner >= 0) & (owner != name)].min())
    return least


@pytest.fixture
def random_charts():
    rng = np.random.default_rng(0)
    polygons = []
    for _ in range(30):
        angles = np.sort(rng.random(7)) * 2 * np.pi
        radius = rng.uniform(0.05, 1.0, 2)
        polygons.append(np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + rng.random(2))
    return charts(*polygons)


def test_charts_keep_their_shape_at_one_scale(random_charts):
    points, chart, outline = random_charts
    packed = pack_charts(points, chart, outline, padding=0.01)
    assert packed.min() >= 0.009
    assert packed.max() <= 0.991
    before = np.linalg.norm(points[outline[:, 0]] - points[outline[:, 1]], axis=1)
    after = np.linalg.norm(packed[outline[:, 0]] - packed[outline[:, 1]], axis=1)
    np.testing.assert_allclose(after / before, (after / before)[0])
    a, b = (
        (p[1:-1] - p[:-2])[:, 0] * (p[2:] - p[:-2])[:, 1]
        - (p[1:-1] - p[:-2])[:, 1] * (p[2:] - p[:-2])[:, 0]
        for p in (points, packed)
    )
    one_chart = chart[:-2] == chart[2:]
    assert (np.sign(a) == np.sign(b))[one_chart].all()  # turned, never mirrored


def test_charts_stay_apart(random_charts):
    points, chart, outline = random_charts
    packed = pack_charts(points, chart, outline, padding=2 / 256)
    # two texels around each of two charts, less one for the rounding of both to texels
    assert gaps(packed, chart, 256) >= 4


def test_equal_squares_fill_most_of_the_square():
    points, chart, outline = charts(*[rectangle(1.0, 1.0)] * 16)
    packed = pack_charts(points, chart, outline, padding=0.0)
    side = np.ptp(packed[:4], axis=0).max()
    assert 16 * side**2 > 0.8


def test_charts_reach_into_bays():
    ell = [[0, 0], [10, 0], [10, 1], [1, 1], [1, 10], [0, 10]]
    boxes_only = 1 / (2 * 10 * 10)  # of the scale squared, had every ell its own box
    points, chart, outline = charts(*[ell] * 8)
    packed = pack_charts(points, chart, outline, padding=0.0)
    scale = np.linalg.norm(packed[1] - packed[0]) / 10
    assert scale**2 > 1.5 * boxes_only / 4


def test_long_charts_and_single_points_fit():
    points, chart, outline = charts(rectangle(100.0, 0.1), rectangle(0.1, 50.0), [[0, 0]] * 3)
    packed = pack_charts(points, chart, outline, padding=0.005)
    assert np.isfinite(packed).all()
    assert packed.min() >= 0
    assert packed.max() <= 1
    assert np.ptp(packed[:4], axis=0).max() > 0.9


def test_charts_without_outline_are_laid_out_too():
    points, chart, outline = charts(rectangle(1.0, 1.0), [[0, 0]] * 3, rectangle(3.0, 0.5))
    packed = pack_charts(points, chart, outline[:4], padding=0.01)
    assert np.isfinite(packed).all()
    assert gaps(packed, chart, 256) >= 4


def test_more_charts_than_are_fitted_go_into_rows(random_charts, monkeypatch):
    monkeypatch.setattr(chart_packing, "_MAX_FITTED", 7)
    points, chart, outline = random_charts
    packed = pack_charts(points, chart, outline, padding=2 / 256)
    assert packed.min() >= 0
    assert packed.max() <= 1
    assert gaps(packed, chart, 256) >= 4


def test_absurd_padding_still_gives_a_layout(random_charts):
    points, chart, outline = random_charts
    packed = pack_charts(points, chart, outline, padding=0.5)
    assert packed.min() >= 0
    assert packed.max() <= 1
    assert gaps(packed, chart, 512) >= 2


def test_triangles_nest_after_half_a_turn_without_overlap():
    points, chart, outline = charts(*[[[0, 0], [10, 0], [0, 10]]] * 8)
    packed = pack_charts(points, chart, outline, padding=2 / 256)
    assert gaps(packed, chart, 256) >= 4
    sides = packed[1::3] - packed[0::3]
    assert len(np.unique(np.sign(np.round(sides, 6)), axis=0)) > 1  # some are turned
