"""Lofts by cross-section: bodies standing on z = 0 and bodies drawn by their side view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Numbers, Points, Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.shapes import Shape, box, curve, extrude, lathe, loft, ring, tube


def stack(
    levels: Points, exponent: Real | Numbers = 2.0, *, samples: int = 0, segments: int = 40
) -> Shape:
    """A body of superelliptic cross-sections one above the other.

    Args:
        levels: rows (z, half extent in x, half extent in y), from one end to the other; down
            again inside for an open vessel.
        exponent: superellipse exponent (2 round, 4 a rounded square): one, or one per level.
        samples: levels of a smooth curve through the rows; 0 keeps the rows.
        segments: points around.
    """
    rows = np.asarray(levels, dtype=np.float64)
    exponents = np.broadcast_to(np.asarray(exponent, dtype=np.float64), (len(rows),))
    if samples:
        rows = curve(np.column_stack([rows, exponents]), samples)
        rows, exponents = rows[:, :3], rows[:, 3]
    half = np.maximum(rows[:, 1:], 1e-3)
    rings = np.empty((len(rows), segments, 3))
    for index, power in enumerate(exponents):
        rings[index, :, :2] = half[index] * ring(segments, float(max(power, 1.0)))
    rings[..., 2] = rows[:, :1]
    return loft(rings)


def vessel(
    outline: Points, wall: Real, *, segments: int = 48, exponent: Real = 2.0, samples: int = 0
) -> Shape:
    """An open vessel about the z axis: up the outline, over the rim, down inside.

    Args:
        outline: (K, 2) rows (radius, z) of the outside, from the foot to the rim.
        wall: thickness of wall and floor.
        segments: points around the axis.
        exponent: superellipse exponent of the cross-section; 2 is round.
        samples: points of a smooth curve through the outline; 0 keeps it.
    """
    outside = curve(outline, samples) if samples else np.asarray(outline, dtype=np.float64)
    inside = outside[::-1].copy()
    floor = outside[0, 1] + wall
    inside = inside[inside[:, 1] > floor]
    bottom = [np.interp(floor, outside[:, 1], outside[:, 0]), floor]
    inside = np.concatenate([inside, [bottom]])
    inside[:, 0] = np.maximum(inside[:, 0] - wall, 0.02)
    return lathe(np.concatenate([outside, inside]), segments, exponent)


def strip(
    profile: Float[np.ndarray, "K 6"],
    *,
    exponent: Real = 2.4,
    narrowing: Real | Float[np.ndarray, " K"] = 0.0,
    segments: int = 28,
    floor: Real | None = None,
) -> Shape:
    """A body drawn by its side view: each cross-section spans an upper and a lower outline.

    Args:
        profile: rows (upper y, upper z, lower y, lower z, half width, middle x).
        exponent: superellipse exponent of the cross-sections.
        narrowing: share of the width lost at the upper outline: one, or one per row.
        segments: points around.
        floor: no point lies below.
    """
    around = ring(segments, exponent)
    upper, lower = profile[:, None, 0:2], profile[:, None, 2:4]
    lost = np.broadcast_to(np.asarray(narrowing, dtype=np.float64), (len(profile),))[:, None]
    rings = np.empty((len(profile), segments, 3))
    width = profile[:, 4:5] * (1.0 - lost * (around[:, 1] + 1.0) / 2.0)
    rings[..., 0] = profile[:, 5:6] + width * around[:, 0]
    rings[..., 1:] = (upper + lower) / 2 + (upper - lower) / 2 * around[None, :, 1:]
    if floor is not None:
        rings[..., 2] = np.maximum(rings[..., 2], floor)
    return loft(rings)


def side_view(
    y: Float[np.ndarray, " K"],
    top: Real | Float[np.ndarray, " K"],
    bottom: Real | Float[np.ndarray, " K"],
    half_width: Real | Float[np.ndarray, " K"],
    middle: Real | Float[np.ndarray, " K"] = 0.0,
) -> Float[np.ndarray, "K 6"]:
    """The profile of a `strip` with upright cross-sections: two heights and a width for each y."""
    return np.column_stack(np.broadcast_arrays(y, top, y, bottom, half_width, middle))


def side_plate(outline: Points, width: Real) -> Shape:
    """A plate whose side view (y, z) is a polygon, from x = -width/2 to width/2."""
    corners = np.asarray(outline, dtype=np.float64) * [-1.0, 1.0]
    return extrude(corners, width).rotated("z", -90).settled()


def arch(
    left: Numbers, top: Numbers, right: Numbers, thickness: Real, *, flatness: Real = 1.0
) -> Shape:
    """A bar bent into a handle: from `left` up, along at the height of `top`, down to `right`."""
    a, b, c = (np.asarray(point, dtype=np.float64) for point in (left, top, right))
    first, second = a + (b - a) * [0.15, 0.8, 0.75], c + (b - c) * [0.15, 0.8, 0.75]
    return tube([a, first, b, second, c], thickness, sides=10, flatness=flatness, samples=24)


def rounded_plate(size: Numbers, corner: Real) -> Shape:
    """A plate with round corners in its front view (x, z), flat in front and behind."""
    width, depth, height = (float(value) for value in size)
    radius = min(float(corner), 0.49 * width, 0.49 * height)
    angles = np.linspace(0, np.pi / 2, 5)
    corners = [
        np.stack([np.cos(angles + turn), np.sin(angles + turn)], axis=1) * radius
        + [sx * (width / 2 - radius), sz * (height / 2 - radius)]
        for sx, sz, turn in ((1, 1, 0.0), (-1, 1, np.pi / 2), (-1, -1, np.pi), (1, -1, 1.5 * np.pi))
    ]
    return extrude(np.concatenate(corners), depth)


def standing_box(size: Numbers, rounding: Real = 0.0, divisions: int = 1) -> Shape:
    """A box on z = 0; rest positions too."""
    return box(size, rounding, divisions).moved(z=float(np.asarray(size)[2]) / 2).settled()


def pair(pieces: Sequence[Piece], overlap: Real = 0.01) -> list[Piece]:
    """The pieces and their mirror image beside them, touching."""
    reach = max(piece.shape.vertices[:, 0].max() for piece in pieces if not piece.cut)
    beside = [
        replace(piece, shape=piece.shape.moved(x=-float(reach) + overlap)) for piece in pieces
    ]
    return mirrored(beside)
