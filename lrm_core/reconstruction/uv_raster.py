"""Which texels lie in which triangles of a UV layout: a scanline rasteriser in numpy.

Triangles that share an edge share no texel and leave none out, as on a graphics card: a texel
belongs to a triangle if its center lies inside, and centers on an edge go to one side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# Texels per batch, roughly: bounds memory at any texture size.
_BATCH_TEXELS = 2**17


@dataclass(frozen=True)
class CoveredTexels:
    """Texels whose centers lie in triangles.

    Attributes:
        faces: (T,) index of the triangle.
        columns: (T,) texel index along u.
        rows: (T,) texel index along v, counted from v = 0.
        barycentric: (T, 3) weights of the triangle's corners at the texel's center.
    """

    faces: Int[np.ndarray, "T"]
    columns: Int[np.ndarray, "T"]
    rows: Int[np.ndarray, "T"]
    barycentric: Float[np.ndarray, "T 3"]


def rasterize(triangles: Float[np.ndarray, "F 3 2"], size: int) -> Iterator[CoveredTexels]:
    """All texels of all triangles, in batches of bounded size; overlaps appear repeatedly.

    Args:
        triangles: (F, 3, 2) corners in UV, [0, 1], either orientation.
        size: texels per side.
    """
    corners = triangles.astype(np.float64) * size
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    texels = np.ptp(corners, axis=1).prod(axis=1)  # at most, and twice too many on average
    batch = np.cumsum(texels) // (2 * _BATCH_TEXELS)
    for faces in np.split(np.arange(len(corners)), np.flatnonzero(np.diff(batch)) + 1):
        faces = faces[area[faces] != 0]
        if len(faces):
            yield _rasterize(corners[faces], area[faces], faces, size)


def _rasterize(
    corners: Float[np.ndarray, "F 3 2"],
    area: Float[np.ndarray, "F"],
    names: Int[np.ndarray, "F"],
    size: int,
) -> CoveredTexels:
    """The texels of some triangles (corners in texels, doubled signed areas)."""
    x, y = np.ascontiguousarray(corners.transpose(2, 1, 0))  # each (3, F)
    # rows whose centers lie between the lowest and the highest corner
    face, row = ranges(*_centers(y.min(axis=0), y.max(axis=0), size))
    middle = row + 0.5
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        # where the edge crosses the row; written from the lower end, so that the two triangles of
        # an edge agree to the last bit
        upwards = y[start] < y[end]
        low_x, high_x = np.where(upwards, (x[start], x[end]), (x[end], x[start]))
        low_y, high_y = np.where(upwards, (y[start], y[end]), (y[end], y[start]))
        slope = (high_x - low_x) / np.where(high_y > low_y, high_y - low_y, 1.0)
        bottom = low_y[face]
        crossed = (bottom <= middle) & (middle < high_y[face])
        at = low_x[face] + (middle - bottom) * slope[face]
        np.minimum(left, at, out=left, where=crossed)
        np.maximum(right, at, out=right, where=crossed)
    span, column = ranges(*_centers(left, right, size))

    # weights of the corners b and c: linear along a row
    a, to_b, to_c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    along_b, along_c = to_c[:, 1] / area, -to_b[:, 1] / area
    across_b, across_c = -to_c[:, 0] / area, to_b[:, 0] / area
    from_a = middle - a[face, 1]
    start_of_row = 0.5 - a[face, 0]
    barycentric = np.empty((len(span), 3))
    for corner, along, across in ((1, along_b, across_b), (2, along_c, across_c)):
        step = along[face]
        barycentric[:, corner] = (start_of_row * step + from_a * across[face])[span]
        barycentric[:, corner] += column * step[span]
    np.subtract(1.0 - barycentric[:, 1], barycentric[:, 2], out=barycentric[:, 0])
    return CoveredTexels(names[face][span], column, row[span], barycentric)


def _centers(
    low: Float[np.ndarray, "N"], high: Float[np.ndarray, "N"], size: int
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """First texel with its center in [low, high), and the one after the last."""
    first, last = (np.ceil(end - 0.5).clip(0, size).astype(np.int64) for end in (low, high))
    return first, last


def ranges(
    first: Int[np.ndarray, "N"], last: Int[np.ndarray, "N"]
) -> tuple[Int[np.ndarray, "M"], Int[np.ndarray, "M"]]:
    """All n in [first_i, last_i) for every i: the i and the n, one after the other."""
    counts = (last - first).clip(0)
    owner = np.repeat(np.arange(len(counts)), counts)
    values = np.arange(len(owner)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    return owner, values


def _cross(a: Float[np.ndarray, "*N 2"], b: Float[np.ndarray, "*N 2"]) -> Float[np.ndarray, "*N"]:
    cross: Float[np.ndarray, "*N"] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return cross
