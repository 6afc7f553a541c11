"""Overlap of the volumes that two closed meshes enclose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lrm_core.geometry.mesh_geometry import weld

_MOST_CANDIDATES = 2**21  # pairs of triangle and column looked at together: some 200 MB


@dataclass(frozen=True)
class VolumeIou:
    """Intersection over union of two volumes, or why there is none.

    Attributes:
        value: in [0, 1]; None where a mesh encloses no volume.
        reason: why there is no value; empty where there is one.
    """

    value: float | None
    reason: str = ""


def volume_iou(
    predicted: Float[np.ndarray, "P 3 3"],
    reference: Float[np.ndarray, "R 3 3"],
    *,
    num_columns: int = 256,
) -> VolumeIou:
    """Intersection over union of the volumes inside two closed meshes.

        IoU = |A and B| / |A or B|

    A point is inside where the winding number of the surface is not 0, so that overlapping closed
    parts count as their union and the winding direction of a whole mesh does not matter.

    Both volumes are cut into num_columns^2 columns parallel to z over their common bounding box.
    Along the axis of each column, lengths are exact; across, the axes sample the area at the
    centers of a regular grid. With 256 columns the error is below 2e-5 for two spheres and 7e-4
    for scans with thin walls, where 100,000 random points, as in other implementations, scatter by
    2e-3 and more.

    Args:
        predicted: (P, 3, 3) corners of the predicted triangles.
        reference: (R, 3, 3) corners of the reference triangles.
        num_columns: columns along x and along y.

    Returns:
        The value, or the reason why a mesh has no inside: corners are matched by exactly equal
        position, and each edge needs as many triangles on one side as on the other.

    Source: Mescheder et al., Occupancy Networks (2019), section 4.
    """
    for name, triangles in (("predicted", predicted), ("reference", reference)):
        reason = why_not_closed(triangles)
        if reason:
            return VolumeIou(None, f"the {name} mesh {reason}")
    corners = np.concatenate([predicted.reshape(-1, 3), reference.reshape(-1, 3)])
    low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    centers = (np.arange(num_columns) + 0.5) / num_columns
    axes = low[:, None] + (high - low)[:, None] * centers  # (2, N): x and y of the column axes
    crossings = [_cross_columns(triangles, axes) for triangles in (predicted, reference)]
    column, z, _ = (np.concatenate(parts) for parts in zip(*crossings, strict=True))
    turns = np.zeros((2, len(column)), dtype=np.int64)  # change of each mesh's winding number
    turns[0, : len(crossings[0][0])] = crossings[0][2]
    turns[1, len(crossings[0][0]) :] = crossings[1][2]
    order = np.lexsort((z, column))
    # they sum to 0 along each column: the winding numbers start anew in the next
    inside = turns[:, order].cumsum(axis=1)[:, :-1] != 0
    lengths = np.diff(z[order])
    union = lengths[inside.any(axis=0)].sum()
    if not union > 0.0:
        return VolumeIou(None, "neither mesh encloses a volume")
    return VolumeIou(float(lengths[inside.all(axis=0)].sum() / union))


def why_not_closed(triangles: Float[np.ndarray, "F 3 3"]) -> str:
    """What keeps triangles from being a closed surface with two sides; empty where nothing does."""
    if not len(triangles):
        return "has no triangles"
    if not np.isfinite(triangles).all():
        return "holds a coordinate that is not finite"
    _, welded = weld(triangles.reshape(-1, 3))
    corners = welded.reshape(-1, 3)
    start, end = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
    _, edge = np.unique(
        np.minimum(start, end) * (welded.max() + 1) + np.maximum(start, end), return_inverse=True
    )
    # +1 for each triangle on one side, -1 for each on the other
    balance = np.bincount(edge, weights=np.sign(end - start))
    num_open = int(np.count_nonzero(balance))
    if num_open:
        return f"is not closed: {num_open:,} of {len(balance):,} edges lack a face on one side"
    return ""


def _cross_columns(
    triangles: Float[np.ndarray, "F 3 3"], axes: Float[np.ndarray, "2 N"]
) -> tuple[Int[np.ndarray, "C"], Float[np.ndarray, "C"], Int[np.ndarray, "C"]]:
    """Where column axes meet triangles.

    Returns:
        (C,) column, (C,) height z and (C,) change of the winding number on the way up.
    """
    corners = triangles.astype(np.float64)
    first, last = (
        np.stack([np.searchsorted(axes[k], bound[:, k], side="left") for k in (0, 1)], axis=1)
        for bound in (corners.min(axis=1), corners.max(axis=1))
    )
    shape = last - first  # columns along x and y whose axes lie in the triangle's bounding box
    counts = shape.prod(axis=1)
    meeting = np.flatnonzero(counts)
    chunk = np.cumsum(counts[meeting]) // _MOST_CANDIDATES
    found = [
        _cross_candidates(corners[f], first[f], shape[f], axes)
        for f in np.split(meeting, np.flatnonzero(np.diff(chunk)) + 1)
    ]
    column, z, turn = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return column, z, turn


def _cross_candidates(
    corners: Float[np.ndarray, "F 3 3"],
    first: Int[np.ndarray, "F 2"],
    shape: Int[np.ndarray, "F 2"],
    axes: Float[np.ndarray, "2 N"],
) -> tuple[Int[np.ndarray, "C"], Float[np.ndarray, "C"], Int[np.ndarray, "C"]]:
    """`_cross_columns` for triangles with a rectangle of candidate columns each."""
    counts = shape.prod(axis=1)
    face = np.repeat(np.arange(len(corners)), counts)
    within = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    i = first[face, 0] + within // np.maximum(shape[face, 1], 1)
    j = first[face, 1] + within % np.maximum(shape[face, 1], 1)
    x, y = axes[0][i], axes[1][j]
    # +1 or -1 where the triangle, seen from above, goes around the axis
    turn = np.zeros(len(face), dtype=np.int64)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        turn += _half_line_crossings(corners[face, start], corners[face, end], x, y)
    hit = np.flatnonzero(turn)
    hit_corners, x, y = corners[face[hit]], x[hit], y[hit]
    origin, u, v = hit_corners[:, 0], *(hit_corners[:, k] - hit_corners[:, 0] for k in (1, 2))
    normal = np.cross(u, v)
    slope = normal[:, 0] * (x - origin[:, 0]) + normal[:, 1] * (y - origin[:, 1])
    # rounding lets axes meet triangles that are all but vertical: any height of theirs will do
    is_steep = normal[:, 2] == 0.0
    z = origin[:, 2] - np.where(is_steep, 0.0, slope) / np.where(is_steep, 1.0, normal[:, 2])
    z = z.clip(hit_corners[..., 2].min(axis=1), hit_corners[..., 2].max(axis=1))
    return i[hit] * axes.shape[1] + j[hit], z, turn[hit]


def _half_line_crossings(
    start: Float[np.ndarray, "C 3"],
    end: Float[np.ndarray, "C 3"],
    x: Float[np.ndarray, "C"],
    y: Float[np.ndarray, "C"],
) -> Int[np.ndarray, "C"]:
    """+1 where an edge, seen from above, crosses the half-line to the right of (x, y) upwards.

    -1 downwards, 0 elsewhere. The two triangles at an edge get exactly opposite answers, whatever
    the rounding: the edge is always walked from its lower end, and never left to either side.
    """
    upwards = (start[:, 1] <= y) & (y < end[:, 1])
    downwards = (end[:, 1] <= y) & (y < start[:, 1])
    low = np.where(upwards[:, None], start, end)
    high = np.where(upwards[:, None], end, start)
    rise = np.where(upwards | downwards, high[:, 1] - low[:, 1], 1.0)
    crossed = low[:, 0] + (y - low[:, 1]) / rise * (high[:, 0] - low[:, 0])
    leftmost, rightmost = np.minimum(low[:, 0], high[:, 0]), np.maximum(low[:, 0], high[:, 0])
    is_right = crossed.clip(leftmost, rightmost) > x
    crossings: np.ndarray = (upwards.astype(np.int64) - downwards) * is_right
    return crossings
