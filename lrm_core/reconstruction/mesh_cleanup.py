"""What happens to a closed surface before it is textured: drop floaters, lower the face count."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lrm_core.geometry.mesh_geometry import area_normals

_DECIMATION_ROUNDS = 6
# a round that leaves more than this share of the faces was the last
_STANDSTILL = 0.98


def is_closed(faces: Int[np.ndarray, "F 3"]) -> bool:
    """Whether every edge is shared by exactly two faces that run along it in opposite directions.

    Args:
        faces: (F, 3) vertex indices, F >= 1.
    """
    start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    num_vertices = int(faces.max()) + 1
    forward = np.sort(start * num_vertices + end)
    backward = np.sort(end * num_vertices + start)
    return bool((forward == backward).all() and (np.diff(forward) > 0).all())


def remove_floaters(
    vertices: Float32[np.ndarray, "V 3"],
    faces: Int32[np.ndarray, "F 3"],
    *,
    min_area_share: float = 0.005,
) -> tuple[Float32[np.ndarray, "W 3"], Int32[np.ndarray, "G 3"]]:
    """Keep the visible parts of a closed mesh.

    Dropped are parts with less surface than a share of the largest part's, and the walls of
    cavities inside a part: nobody sees them, and a radiance field knows nothing about them.

    Args:
        vertices: (V, 3).
        faces: (F, 3) of a closed surface, outward.
        min_area_share: smallest area of a part over the area of the largest.
    """
    edges = coo_array(
        (np.ones(2 * len(faces), dtype=bool), (faces[:, :2].ravel(), faces[:, 1:].ravel())),
        shape=(len(vertices), len(vertices)),
    )
    num_parts, part_of_vertex = connected_components(edges, directed=False)
    part = part_of_vertex[faces[:, 0]]
    corners = vertices[faces].astype(np.float64)
    normals = area_normals(corners)
    area = np.bincount(part, np.linalg.norm(normals, axis=1), num_parts)
    # the walls of a cavity face inwards: their signed volume is negative
    volume = np.bincount(part, np.einsum("fi,fi->f", corners[:, 0], normals), num_parts)
    visible = volume > 0
    if not visible.any():
        return vertices, faces
    keep = visible & (area >= min_area_share * area[visible].max())
    return compact(vertices, faces[keep[part]])


def decimate(
    vertices: Float32[np.ndarray, "V 3"], faces: Int32[np.ndarray, "F 3"], target_faces: int
) -> tuple[Float32[np.ndarray, "W 3"], Int32[np.ndarray, "G 3"]]:
    """Lower the number of faces by quadric edge collapse; a closed mesh stays closed.

    Collapses can press two sheets of a thin part together: pairs of faces back to back are then
    dropped, and edges that four faces share are separated. A mesh that has few enough faces, or
    that would be opened or used up, is returned as it is.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        target_faces: faces to aim for; the result may have a few more.

    Source: Garland and Heckbert, 1997, as implemented by fast-simplification.
    """
    if len(faces) <= target_faces:
        return vertices, faces
    import fast_simplification

    fewer_vertices, fewer_faces = vertices, faces
    for _ in range(_DECIMATION_ROUNDS):  # it may stop early; the next round resumes there
        before = len(fewer_faces)
        fewer_vertices, fewer_faces = fast_simplification.simplify(
            fewer_vertices, fewer_faces, target_count=target_faces
        )
        if len(fewer_faces) <= target_faces or len(fewer_faces) > _STANDSTILL * before:
            break
    separated = _separate_sheets(fewer_vertices.astype(np.float32), fewer_faces.astype(np.int32))
    if len(separated[1]) == 0 or (not is_closed(separated[1]) and is_closed(faces)):
        return vertices, faces
    return compact(*separated)


def _separate_sheets(
    vertices: Float32[np.ndarray, "V 3"], faces: Int32[np.ndarray, "F 3"]
) -> tuple[Float32[np.ndarray, "W 3"], Int32[np.ndarray, "G 3"]]:
    """Drop pairs of faces back to back; give two faces of an edge of four a midpoint of their own.

    The shape stays what it was; afterwards no edge has more than two faces.
    """
    while True:
        # of two faces with the same corners one counts +1 and, facing the other way, the other -1
        low, middle, high = np.sort(faces, axis=1).T
        order = np.lexsort((high, low.astype(np.int64) * len(vertices) + middle))
        low, middle, high = low[order], middle[order], high[order]
        differs = (np.diff(low) != 0) | (np.diff(middle) != 0) | (np.diff(high) != 0)
        triple = np.empty(len(faces), dtype=np.int64)
        triple[order] = np.cumsum(np.concatenate([[False], differs]))
        cyclic = (np.roll(faces, -1, axis=1) > faces).sum(axis=1) == 2
        faces = faces[np.bincount(triple, np.where(cyclic, 1, -1))[triple] != 0]

        start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
        edge = (np.minimum(start, end) * len(vertices) + np.maximum(start, end)).ravel()
        order = np.argsort(edge, kind="stable")
        first = np.flatnonzero(np.diff(edge[order], prepend=-1))
        size = np.diff(first, append=len(order))
        groups = [order[i : i + n] for i, n in zip(first[size > 2], size[size > 2], strict=True)]
        forward = (start < end).ravel()
        faces, touched, midpoints = faces.copy(), set[int](), list[tuple[int, int]]()
        halves: list[list[int]] = []
        for uses in groups:
            free = [use for use in uses.tolist() if use // 3 not in touched]
            pair = [next((u for u in free if forward[u] == way), None) for way in (True, False)]
            if pair[0] is None or pair[1] is None:
                continue
            middle = len(vertices) + len(midpoints)
            for face, corner in (divmod(use, 3) for use in pair if use is not None):
                a, b, c = np.roll(faces[face], -corner).tolist()
                faces[face] = a, middle, c
                halves.append([middle, b, c])
                touched.add(face)
            midpoints.append((a, b))
        if not midpoints:
            return vertices, faces
        vertices = np.concatenate([vertices, vertices[np.array(midpoints)].mean(axis=1)])
        faces = np.concatenate([faces, np.array(halves, dtype=np.int32)])


def compact(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[Float[np.ndarray, "W 3"], Int32[np.ndarray, "F 3"]]:
    """The same mesh without vertices that no face uses."""
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    return vertices[used], (np.cumsum(used, dtype=np.int32) - 1)[faces]
