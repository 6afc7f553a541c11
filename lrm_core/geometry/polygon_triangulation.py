"""Polygons of any number of corners cut into triangles.

Convex polygons are fanned from their first corner. Others lose one ear after the other: Meisters,
"Polygons have ears", American Mathematical Monthly 82 (1975).
"""

import numpy as np
from jaxtyping import Bool, Float, Int

# turns to the other side below this share of the longest edges' product are rounding
_STRAIGHT = 1e-9


def triangulate(
    corners: Float[np.ndarray, "C 3"], sizes: Int[np.ndarray, "P"]
) -> tuple[Int[np.ndarray, "T 3"], Int[np.ndarray, "T"]]:
    """Cut P polygons into T triangles with the same corners, winding and area.

    Args:
        corners: positions of the corners of all polygons, one polygon after the other.
        sizes: number of corners of each polygon; those of fewer than three give no triangle.

    Returns:
        (T, 3) indices into `corners` and (T,) the polygon of each triangle, ascending.
    """
    starts = np.cumsum(sizes) - sizes
    triangles = [np.zeros((0, 3), dtype=np.int64)]
    owners = [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[sizes >= 3]).tolist():
        polygons = np.flatnonzero(sizes == size)
        indices = starts[polygons, None] + np.arange(size)
        convex = np.ones(len(polygons), dtype=bool) if size == 3 else _is_convex(corners[indices])
        fan = np.stack(
            [np.zeros(size - 2, dtype=np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1
        )
        triangles.append(indices[convex][:, fan].reshape(-1, 3))
        owners.append(np.repeat(polygons[convex], size - 2))
        for polygon, row in zip(polygons[~convex], indices[~convex], strict=True):
            triangles.append(row[_clip_ears(_flatten(corners[row]))])
            owners.append(np.full(size - 2, polygon))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(triangles)[order], owner[order]


def _normals(polygons: Float[np.ndarray, "P N 3"]) -> Float[np.ndarray, "P 3"]:
    """Twice the vector area of each polygon (Newell's formula), about its first corner."""
    around = polygons - polygons[:, :1]
    normals: np.ndarray = np.cross(around, np.roll(around, -1, axis=1)).sum(axis=1)
    return normals


def _is_convex(polygons: Float[np.ndarray, "P N 3"]) -> Bool[np.ndarray, "P"]:
    """Whether every corner turns to the side of the whole polygon; so where there is no area."""
    edges = np.roll(polygons, -1, axis=1) - polygons
    turns = np.cross(np.roll(edges, 1, axis=1), edges)
    along = np.einsum("pni,pi->pn", turns, _normals(polygons))
    longest = np.abs(along).max(axis=1, keepdims=True, initial=0.0)
    convex: np.ndarray = ~(along < -_STRAIGHT * longest).any(axis=1)
    return convex


def _flatten(polygon: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 2"]:
    """The polygon seen along the axis that its normal is closest to, counter-clockwise."""
    normal = _normals(polygon[None])[0]
    axis = int(np.abs(normal).argmax())
    flat: np.ndarray = (polygon - polygon[0])[:, [(axis + 1) % 3, (axis + 2) % 3]]
    return flat if normal[axis] >= 0 else flat * np.array([1.0, -1.0])


def _clip_ears(points: Float[np.ndarray, "N 2"]) -> Int[np.ndarray, "M 3"]:
    """(N - 2, 3) corners of the ears of a counter-clockwise polygon, in the order of their cutting.

    What is left without an ear (of a polygon that crosses itself) is fanned.
    """
    left = list(range(len(points)))
    ears = []
    at = fruitless = 0
    while len(left) > 3 and fruitless < len(left):
        at %= len(left)
        a, b, c = left[at - 1], left[at], left[(at + 1) % len(left)]
        if _is_ear(points, np.array(left), a, b, c):
            ears.append((a, b, c))
            del left[at]
            fruitless = 0
        else:
            at += 1
            fruitless += 1
    ears += [(left[0], left[k], left[k + 1]) for k in range(1, len(left) - 1)]
    return np.array(ears)


def _is_ear(
    points: Float[np.ndarray, "N 2"], left: Int[np.ndarray, "M"], a: int, b: int, c: int
) -> bool:
    """Whether the triangle of three neighboring corners lies inside the rest of the polygon."""
    corners = points[[a, b, c]]
    if _turns(corners[0], corners[1], corners[2:])[0] <= 0:
        return False
    others = points[left[(left != a) & (left != b) & (left != c)]]
    # a bridge to a hole visits corners twice; they do not lie in their own ears
    others = others[~(others[:, None] == corners).all(axis=-1).any(axis=1)]
    inside = np.ones(len(others), dtype=bool)
    for k in range(3):
        inside &= _turns(corners[k], corners[(k + 1) % 3], others) >= 0
    return not inside.any()


def _turns(
    a: Float[np.ndarray, "2"], b: Float[np.ndarray, "2"], points: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N"]:
    """Twice the signed area of the triangles a, b, point; positive if counter-clockwise."""
    (x, y), (along_x, along_y) = (points - a).T, b - a
    turns: np.ndarray = along_x * y - along_y * x
    return turns
