"""Which texels lie in which triangles of a UV layout: a scanline rasteriser in numpy.

Triangles that share an edge share no texel and leave none out, as on a graphics card: a texel
belongs to a triangle if its centre lies inside, and centres on an edge go to one side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# Texels per batch, roughly: bounds memory at any texture size.
_BATCH_TEXELS = 2**19


@dataclass(frozen=True)
class CoveredTexels:
    """Texels whose centres lie in triangles.

    Attributes:
        faces: (T,) index of the triangle.
        columns: (T,) texel index along u.
        rows: (T,) texel index along v, counted from v = 0.
        barycentric: (T, 3) weights of the triangle's corners at the texel's centre.
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
    # rows whose centres lie between the lowest and the highest corner
    first_row, last_row = _centres(corners[..., 1].min(axis=1), corners[..., 1].max(axis=1), size)
    face, row = ranges(first_row, last_row)
    # where the edges cross the row; written from the lower end, so that the two triangles of an
    # edge agree to the last bit
    start, end = corners, np.roll(corners, -1, axis=1)
    upwards = (start[..., 1] < end[..., 1])[..., None]
    low, high = np.where(upwards, start, end)[face], np.where(upwards, end, start)[face]
    y = row[:, None] + 0.5
    crossed = (low[..., 1] <= y) & (y < high[..., 1])
    height = np.where(crossed, high[..., 1] - low[..., 1], 1.0)
    x = low[..., 0] + (y - low[..., 1]) * ((high[..., 0] - low[..., 0]) / height)
    first_column, last_column = _centres(
        np.where(crossed, x, np.inf).min(axis=1), np.where(crossed, x, -np.inf).max(axis=1), size
    )
    span, column = ranges(first_column, last_column)
    face, row = face[span], row[span]
    centre = np.stack([column, row], axis=-1) + 0.5
    a, b, c = (corners[face, corner] for corner in range(3))
    weight_b = _cross(centre - a, c - a) / area[face]
    weight_c = _cross(b - a, centre - a) / area[face]
    barycentric = np.stack([1.0 - weight_b - weight_c, weight_b, weight_c], axis=-1)
    return CoveredTexels(names[face], column, row, barycentric)


def _centres(
    low: Float[np.ndarray, "N"], high: Float[np.ndarray, "N"], size: int
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """First texel with its centre in [low, high), and the one after the last."""
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
