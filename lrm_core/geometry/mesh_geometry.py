"""Operations on the geometry of triangle meshes that need nothing but arrays."""

import numpy as np
from jaxtyping import Float, Int


def weld(vertices: Float[np.ndarray, "V 3"]) -> tuple[Int[np.ndarray, "W"], Int[np.ndarray, "V"]]:
    """Find vertices at exactly the same position, such as the two sides of a UV seam.

    Args:
        vertices: (V, 3), finite.

    Returns:
        (W,) index of the first vertex at each position, ascending, so that the welded vertices
        keep their order, and (V,) the welded index of every vertex.
    """
    order = np.lexsort(vertices.T)  # stable: the first of equals stays first
    ordered = vertices[order]
    is_new = np.ones(len(vertices), dtype=bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = order[is_new]  # per position, in sorted order
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    welded = np.empty(len(vertices), dtype=np.int64)
    welded[order] = rank[np.cumsum(is_new) - 1]
    return np.sort(first), welded


def area_normals(corners: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, "F 3"]:
    """Normals of triangles, as long as twice their area; outward where corners run anticlockwise.

    Args:
        corners: (F, 3, 3) positions of the three corners.
    """
    a, b, c = corners.swapaxes(0, 1)
    normals: np.ndarray = np.cross(b - a, c - a)
    return normals


def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit normals, the area-weighted mean of the faces around each vertex.

    Vertices at the same position share one normal, so that UV seams stay invisible. Where faces
    cancel out or there are none, the normal is +z.
    """
    first, welded = weld(vertices)
    face_normals = area_normals(vertices.astype(np.float64)[faces])
    corner_of = welded[faces].ravel()
    summed = np.stack(
        [
            np.bincount(corner_of, weights=np.repeat(component, 3), minlength=len(first))
            for component in face_normals.T
        ],
        axis=1,
    )
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    unit = np.where(length > 0, summed / np.where(length > 0, length, 1.0), [0.0, 0.0, 1.0])
    normals: np.ndarray = unit[welded].astype(np.float32)
    return normals
