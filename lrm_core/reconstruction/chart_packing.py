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
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from lrm_core.reconstruction.uv_raster import ranges

# Columns of the skyline; lengths below are in cells as wide as one column.
_COLUMNS = 512

# Outlines are rounded away from the chart to these parts of a cell: sums of them are exact, so that
# equally good places cost the same and the first is taken.
_STEPS = 256.0

# How much the mean height of the space lost below a chart counts against the height of its top.
_LOST_SPACE_WEIGHT = 0.5

# Charts that are fitted one by one; more than these (a very rough surface) go into plain rows.
_MAX_FITTED = 1000

# The width of the strip that comes out as high as wide is not known beforehand: tries.
_TRIES = 4

# Padding beyond this share of the square would leave no room for charts.
_MAX_PADDING = 0.1


class _Outlines(NamedTuple):
    """Lowest and highest points of charts and their padding, in every column that they touch.

    Attributes:
        starts: (C,) first of each chart's N columns.
        widths: (C,) columns of each chart.
        bottoms: (2, N) as the charts are, and after half a turn.
        tops: (2, N).
    """

    starts: Int[np.ndarray, "C"]
    widths: Int[np.ndarray, "C"]
    bottoms: Float[np.ndarray, "2 N"]
    tops: Float[np.ndarray, "2 N"]

    def columns(self, chart: int) -> slice:
        """Where a chart's columns are."""
        return slice(int(self.starts[chart]), int(self.starts[chart] + self.widths[chart]))


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
        turned = [_turned(points / cell, extents / cell, chart, turns) for turns in range(4)]
        outlines = [
            _outlines(turned[quarter], extents[:, axes] / cell, chart, outline, padding)
            for quarter, axes in enumerate(([0, 1], [1, 0]))
        ]
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
    points: Float[np.ndarray, "P 2"],
    extents: Float[np.ndarray, "C 2"],
    chart: Int[np.ndarray, "P"],
    turns: int,
) -> Float[np.ndarray, "P 2"]:
    """Points of charts with corner 0 after quarter turns, in the columns that they then touch."""
    (x, y), (width, height) = points.T, extents[chart].T
    if turns % 2:
        x, y, width, height = height - y, x, height, width
    if turns < 2:
        return np.stack([x, y], axis=1)
    # about the middle of whole columns: half a turn reverses their order
    return np.stack([np.floor(width) + 1.0 - x, height - y], axis=1)


def _outlines(
    points: Float[np.ndarray, "P 2"],
    extents: Float[np.ndarray, "C 2"],
    chart: Int[np.ndarray, "P"],
    outline: Int[np.ndarray, "E 2"],
    padding: float,
) -> _Outlines:
    """The outlines of all charts, with padding; points (P, 2) and extents (C, 2) in cells."""
    ends = points[outline]
    backwards = ends[:, 0, 0] > ends[:, 1, 0]
    left, right = np.where(backwards[:, None, None], ends[:, ::-1], ends).swapaxes(0, 1)
    margin = math.ceil(padding)
    widths = np.floor(extents[:, 0]).astype(np.int64) + 1 + 2 * margin
    starts = np.cumsum(widths) - widths

    # every edge in every column that it passes: its heights where it enters and leaves it
    first, last = (np.floor(end[:, 0]).astype(np.int64) for end in (left, right))
    edge, column = ranges(first, last + 1)
    run = right[:, 0] - left[:, 0]
    slope = (right[:, 1] - left[:, 1]) / np.where(run > 0, run, 1.0)
    low_x, low_y, high_x = left[edge, 0], left[edge, 1], right[edge, 0]
    enter = low_y + slope[edge] * (np.maximum(column, low_x) - low_x)
    leave = low_y + slope[edge] * (np.minimum(column + 1, high_x) - low_x)
    upright = run[edge] == 0
    leave[upright] = right[edge[upright], 1]
    cell = starts[chart[outline[edge, 0]]] + margin + column
    bottom, top = np.full(widths.sum(), np.inf), np.full(widths.sum(), -np.inf)
    np.minimum.at(bottom, cell, np.minimum(enter, leave))
    np.maximum.at(top, cell, np.maximum(enter, leave))

    # the margins between charts are as wide as the window: nothing spills into the next chart
    window = 2 * margin + 1
    bottom = minimum_filter1d(bottom, window, mode="nearest")
    top = maximum_filter1d(top, window, mode="nearest") + 2.0 * padding
    # columns that no edge passes (charts of degenerate faces have no outline) are taken whole
    passed = np.isfinite(bottom)
    whole = np.repeat(extents[:, 1], widths) + 2.0 * padding
    bottom, top = np.where(passed, bottom, 0.0), np.where(passed, top, whole)
    bottom, top, whole = np.floor(bottom * _STEPS), np.ceil(top * _STEPS), np.ceil(whole * _STEPS)
    bottom, top, whole = bottom / _STEPS, top / _STEPS, whole / _STEPS
    mirrored = np.repeat(2 * starts + widths - 1, widths) - np.arange(len(bottom))
    return _Outlines(
        starts,
        widths,
        np.stack([bottom, whole - top[mirrored]]),
        np.stack([top, whole - bottom[mirrored]]),
    )


def _drop(outlines: list[_Outlines], order: Int[np.ndarray, "N"]) -> tuple[list[_Place], float]:
    """Places of charts and the height of the skyline; outlines are given per quarter turn."""
    skyline = np.zeros(_COLUMNS)
    places: dict[int, _Place] = {}
    mean_bottoms = [np.add.reduceat(o.bottoms, o.starts, axis=1) / o.widths for o in outlines]
    summits = [np.maximum.reduceat(o.tops, o.starts, axis=1) for o in outlines]
    for chart in order[:_MAX_FITTED].tolist():
        best_cost, best = math.inf, None
        area = np.cumsum(skyline)
        for quarter, of_charts in enumerate(outlines):
            width = int(of_charts.widths[chart])
            if width > _COLUMNS:
                continue
            bottoms = of_charts.bottoms[:, of_charts.columns(chart), None]
            # (width, places), a view: the skyline below each of the chart's columns
            shape, strides = (width, _COLUMNS + 1 - width), 2 * skyline.strides
            below = np.ndarray(shape, skyline.dtype, buffer=skyline, strides=strides)
            height = (below - bottoms).max(axis=1)
            mean_below = area[width - 1 :].copy()
            mean_below[1:] -= area[:-width]
            mean_below /= width
            lost = height + mean_bottoms[quarter][:, chart, None] - mean_below
            cost = height + summits[quarter][:, chart, None] + _LOST_SPACE_WEIGHT * lost
            half, column = divmod(int(cost.argmin()), cost.shape[1])
            if cost[half, column] < best_cost:
                best_cost = float(cost[half, column])
                best = _Place(quarter + 2 * half, column, float(height[half, column]))
        assert best is not None, "the strip is wide enough for every chart's shorter side"
        places[chart] = best
        of_charts = outlines[best.turns % 2]
        top = of_charts.tops[best.turns // 2, of_charts.columns(chart)]
        skyline[best.column : best.column + len(top)] = best.height + top

    # rows of upright charts, the highest first
    height = float(skyline.max())
    rest = order[_MAX_FITTED:]
    upright = (outlines[1].widths[rest] < outlines[0].widths[rest]).astype(np.int64)
    widths = np.where(upright, outlines[1].widths[rest], outlines[0].widths[rest])
    heights = np.where(upright, summits[1][0, rest], summits[0][0, rest])
    waiting = np.argsort(-heights, kind="stable")
    while len(waiting):
        ends = np.cumsum(widths[waiting])
        row = waiting[: max(1, int(np.searchsorted(ends, _COLUMNS, side="right")))]
        for i, end in zip(row.tolist(), ends.tolist(), strict=False):
            places[int(rest[i])] = _Place(int(upright[i]), end - int(widths[i]), height)
        height += float(heights[row[0]])
        waiting = waiting[len(row) :]
    return [places[chart] for chart in range(len(places))], height
