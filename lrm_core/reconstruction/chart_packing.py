"""Packing charts of a UV atlas into a square.

Charts are dropped on to a skyline one by one, longest first, each in the best of four rotations
and where it raises the skyline least and loses least space below it. What counts is their outline,
not their box, so that charts reach into one another's bays.

Source: the "Tetris" packing of Levy et al., Least squares conformal maps, 2002, section 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from lrm_core.reconstruction.uv_raster import ranges

# Columns of the skyline; lengths below are in cells as wide as one column.
_COLUMNS = 512

# How much the mean height of the space lost below a chart counts against the height of its top.
_LOST_SPACE_WEIGHT = 0.5

# Charts that are fitted one by one; more than these (a very rough surface) go into plain rows.
_MAX_FITTED = 400

# The width of the strip that comes out as high as wide is not known beforehand: tries.
_TRIES = 3

# Padding beyond this share of the square would leave no room for charts.
_MAX_PADDING = 0.1


class _Outline(NamedTuple):
    """Lowest and highest points of a chart and its padding in every column that it touches."""

    bottom: Float[np.ndarray, "W"]
    top: Float[np.ndarray, "W"]


class _Place(NamedTuple):
    """Quarter turns of a chart, its first column and how far it is raised."""

    turns: int
    column: int
    height: float


def pack_charts(
    points: Float[np.ndarray, "P 2"],
    chart: Int[np.ndarray, "P"],
    outline: Int[np.ndarray, "E 2"],
    *,
    padding: float,
) -> Float[np.ndarray, "P 2"]:
    """Turn and move charts so that they fill the unit square without overlap, all at one scale.

    Args:
        points: (P, 2) positions in charts, of any scale.
        chart: (P,) the chart of each point, sorted, every number from 0.
        outline: (E, 2) pairs of points of one chart: the edges around it, any order.
        padding: free space around each chart as a share of the square's side; up to a tenth less
            of it where the charts come out higher than wide.

    Returns:
        (P, 2) in [0, 1].
    """
    first = np.flatnonzero(np.diff(chart, prepend=-1))
    points = points - np.minimum.reduceat(points, first)[chart]
    extents = np.maximum.reduceat(points, first)
    order = np.argsort(-extents.max(axis=1), kind="stable")
    padding = min(padding, _MAX_PADDING) * _COLUMNS
    margin = math.ceil(padding)

    room = 1.0 - (2 * margin + 2) / _COLUMNS
    strip = max(math.sqrt(extents.prod(axis=1).sum()), extents.min(axis=1).max() / room)
    best_side, packed = math.inf, points
    for _ in range(_TRIES):
        cell = strip / _COLUMNS
        turned = [_turned(points / cell, extents[chart] / cell, turns) for turns in range(4)]
        outlines = [_outlines(t, chart, outline, padding) for t in turned]
        places, height = _drop(outlines, order)
        side = max(float(_COLUMNS), height)
        if side * cell < best_side:
            best_side = side * cell
            turns, columns, heights = map(np.array, zip(*places, strict=True))
            moved = np.stack(turned)[turns[chart], np.arange(len(points))]
            corner = np.stack([columns + margin, heights + padding], axis=1)
            packed = (moved + corner[chart]) / side
        strip = max(math.sqrt(strip * height * cell), extents.min(axis=1).max() / room)
    return packed


def _turned(
    points: Float[np.ndarray, "P 2"], extents: Float[np.ndarray, "P 2"], turns: int
) -> Float[np.ndarray, "P 2"]:
    """Points of charts with corner 0 after quarter turns, again with corner 0."""
    (x, y), (width, height) = points.T, extents.T
    corners = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))
    return np.stack(corners[turns], axis=1)


def _outlines(
    points: Float[np.ndarray, "P 2"],
    chart: Int[np.ndarray, "P"],
    outline: Int[np.ndarray, "E 2"],
    padding: float,
) -> list[_Outline]:
    """The outlines of all charts, with padding; points (P, 2) in cells."""
    ends = points[outline]
    ends = np.take_along_axis(ends, ends[..., :1].argsort(axis=1), axis=1)  # left to right
    left, right = np.moveaxis(ends, 1, 0)
    columns = np.floor(ends[..., 0]).astype(np.int64)
    margin = math.ceil(padding)
    extents = np.zeros((int(chart[-1]) + 1, 2))
    np.maximum.at(extents, chart, points)
    widths = np.floor(extents[:, 0]).astype(np.int64) + 1 + 2 * margin
    starts = np.cumsum(widths) - widths

    # every edge in every column that it passes: its heights where it enters and leaves it
    edge, column = ranges(columns[:, 0], columns[:, 1] + 1)
    a, b = left[edge], right[edge]
    run = b[:, 0] - a[:, 0]
    enter, leave = (
        np.where(run > 0, (x - a[:, 0]) / np.where(run > 0, run, 1.0), end)
        for x, end in (
            (np.maximum(column, a[:, 0]), 0.0),
            (np.minimum(column + 1, b[:, 0]), 1.0),
        )
    )
    heights = a[:, 1] + np.stack([enter, leave]) * (b[:, 1] - a[:, 1])
    cell = starts[chart[outline[edge, 0]]] + margin + column
    bottom, top = np.full(widths.sum(), np.inf), np.full(widths.sum(), -np.inf)
    np.minimum.at(bottom, cell, heights.min(axis=0))
    np.maximum.at(top, cell, heights.max(axis=0))

    # the margins between charts are as wide as the window: nothing spills into the next chart
    window = 2 * margin + 1
    bottom = minimum_filter1d(bottom, window, mode="nearest")
    top = maximum_filter1d(top, window, mode="nearest") + 2.0 * padding
    # columns that no edge passes (charts of degenerate faces have no outline) are taken whole
    passed = np.isfinite(bottom)
    bottom = np.where(passed, bottom, 0.0)
    top = np.where(passed, top, np.repeat(extents[:, 1], widths) + 2.0 * padding)
    pieces = (np.split(heights, starts[1:]) for heights in (bottom, top))
    return [_Outline(*both) for both in zip(*pieces, strict=True)]


def _drop(
    outlines: list[list[_Outline]], order: Int[np.ndarray, "N"]
) -> tuple[list[_Place], float]:
    """Places of charts and the height of the skyline; outlines are given per turn and chart."""
    skyline = np.zeros(_COLUMNS)
    places: dict[int, _Place] = {}
    for chart in order[:_MAX_FITTED].tolist():
        best_cost, best = math.inf, None
        for turns, of_charts in enumerate(outlines):
            bottom, top = of_charts[chart]
            if len(bottom) > _COLUMNS:
                continue
            below = sliding_window_view(skyline, len(bottom))
            height = (below - bottom).max(axis=1)
            lost = height + bottom.mean() - below.mean(axis=1)
            cost = height + top.max() + _LOST_SPACE_WEIGHT * lost
            column = int(cost.argmin())
            if cost[column] < best_cost:
                best_cost = float(cost[column])
                best = _Place(turns, column, float(height[column]))
        assert best is not None, "the strip is wide enough for every chart's shorter side"
        places[chart] = best
        top = outlines[best.turns][chart].top
        skyline[best.column : best.column + len(top)] = best.height + top

    # rows of upright charts, the highest first
    height = float(skyline.max())
    rest = order[_MAX_FITTED:].tolist()
    upright = [min((0, 1), key=lambda turns: len(outlines[turns][c].top)) for c in rest]
    widths = np.array([len(outlines[t][c].top) for c, t in zip(rest, upright, strict=True)])
    heights = np.array([outlines[t][c].top.max() for c, t in zip(rest, upright, strict=True)])
    waiting = np.argsort(-heights, kind="stable")
    while len(waiting):
        ends = np.cumsum(widths[waiting])
        row = waiting[: max(1, int(np.searchsorted(ends, _COLUMNS, side="right")))]
        for i, end in zip(row.tolist(), ends.tolist(), strict=False):
            places[rest[i]] = _Place(upright[i], end - int(widths[i]), height)
        height += float(heights[row[0]])
        waiting = waiting[len(row) :]
    return [places[chart] for chart in range(len(places))], height
