"""A texture atlas made of flat charts, padded so that mipmaps do not mix them.

A chart is a connected patch of triangles of one group that face the same way, of the six ways
along the axes; it is projected along that axis, so nothing is stretched by more than 1.7. (A chart
that winds over itself, like a spiral stair, would paint both turns alike; solids rarely do.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lrm_core.geometry.mesh_geometry import area_normals

_PADDING = 4  # texels around each chart: clean down to the second mipmap level
_SUBTEXEL_BITS = 6


@dataclass(frozen=True)
class Atlas:
    """Where triangles lie in a texture.

    Attributes:
        vertex: (U,) which vertex of the mesh each texture vertex is; one per chart that uses it.
        faces: (F, 3) triangles over texture vertices, in the order of the mesh.
        texels: (U, 2) texture coordinates in texels, x right and y down.
        width: width of the texture, in texels.
        height: height of the texture, in texels.
    """

    vertex: Int[np.ndarray, " U"]
    faces: Int[np.ndarray, "F 3"]
    texels: Float[np.ndarray, "U 2"]
    width: int
    height: int

    @property
    def uv(self) -> Float[np.ndarray, "U 2"]:
        """(U, 2) in [0, 1], origin at the bottom left."""
        uv = self.texels / [self.width, self.height]
        uv[:, 1] = 1.0 - uv[:, 1]
        return uv


def build_atlas(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    group: Int[np.ndarray, " F"],
    *,
    texels: int,
    width: int = 512,
) -> Atlas:
    """Cut a surface into charts and pack them.

    Args:
        vertices: positions.
        faces: triangles.
        group: (F,) triangles of different groups never share a chart.
        texels: approximate number of texels.
        width: width of the texture, in texels.
    """
    corners = vertices[faces]
    normals = area_normals(corners)
    axis = np.abs(normals).argmax(axis=1)
    facing = 2 * axis + (normals[np.arange(len(faces)), axis] > 0)
    chart = _components(faces, group * 6 + facing)

    # one texture vertex per chart and vertex
    keys, inverse = np.unique(chart[:, None] * len(vertices) + faces, return_inverse=True)
    vertex, owner = keys % len(vertices), keys // len(vertices)
    chart_axis = np.empty(int(chart.max()) + 1, dtype=np.int64)
    chart_axis[chart] = axis
    plane = np.array([[1, 2], [0, 2], [0, 1]])[chart_axis[owner]]
    flat = np.take_along_axis(vertices[vertex], plane, axis=1)

    low = np.full((len(chart_axis), 2), np.inf)
    high = np.full((len(chart_axis), 2), -np.inf)
    np.minimum.at(low, owner, flat)
    np.maximum.at(high, owner, flat)
    density = _density(high - low, texels, width)
    sizes = np.ceil((high - low) * density).astype(np.int64) + 2 * _PADDING + 1
    places, height = _pack(sizes, width)
    position = (flat - low[owner]) * density + places[owner] + _PADDING + 0.5
    return Atlas(vertex, inverse.reshape(faces.shape), position, width, height)


def _components(faces: Int[np.ndarray, "F 3"], label: Int[np.ndarray, " F"]) -> np.ndarray:
    """(F,) number of the edge-connected component of equal labels that each face is in."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    face = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, face = edges[order], face[order]
    same = (edges[1:] == edges[:-1]).all(axis=1) & (label[face[1:]] == label[face[:-1]])
    links = (np.ones(int(same.sum()), dtype=bool), (face[:-1][same], face[1:][same]))
    _, component = connected_components(coo_matrix(links, shape=(len(faces),) * 2), directed=False)
    result: np.ndarray = component.astype(np.int64)
    return result


def _density(extents: Float[np.ndarray, "C 2"], texels: int, width: int) -> float:
    """Texels per unit length at which all charts with their padding take up `texels`."""
    pad = 2 * _PADDING + 1
    # sum of (w d + pad) (h d + pad) = texels, a quadratic in d; a tenth is lost in packing
    a, b = extents.prod(axis=1).sum(), pad * extents.sum()
    c = len(extents) * pad**2 - 0.9 * texels
    density = 32.0 if c >= 0 else (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)
    return float(np.clip(density, 32.0, (width - pad - 1) / extents[:, 0].max()))


def _pack(sizes: Int[np.ndarray, "C 2"], width: int) -> tuple[Int[np.ndarray, "C 2"], int]:
    """Rectangles in shelves of falling height: their top left corners, and the height of all."""
    places = np.empty_like(sizes)
    x = y = shelf = 0
    for index in np.argsort(-sizes[:, 1], kind="stable"):
        columns, rows = sizes[index].tolist()
        if x + columns > width:
            x, y, shelf = 0, y + shelf, 0
        places[index] = x, y
        x, shelf = x + columns, max(shelf, rows)
    return places, -(-(y + shelf) // 16) * 16


def paint_atlas(
    atlas: Atlas, color: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> UInt8[np.ndarray, "H W 4"]:
    """Fill a texture.

    Args:
        atlas: charts.
        color: function of (P,) faces and (P, 3) barycentric coordinates -> (P, 3) sRGB in [0, 1].

    Returns:
        Texels; charts spread into their padding, the rest is transparent (no weight in mipmaps).
    """
    face = _rasterize(atlas)
    place = np.flatnonzero(face.ravel() >= 0)
    owner = face.ravel()[place]
    centers = np.stack([place % atlas.width, place // atlas.width], axis=1) + 0.5
    weights = _barycentric(atlas.texels[atlas.faces[owner]], centers)
    texture = np.zeros((atlas.height * atlas.width, 4), dtype=np.uint8)
    texture[place, :3] = np.clip(color(owner, weights) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    texture[place, 3] = 255
    return _spread(texture.reshape(atlas.height, atlas.width, 4))


def _rasterize(atlas: Atlas) -> Int[np.ndarray, "H W"]:
    """(H, W) face that covers each texel, -1 for none."""
    image = np.full((atlas.height, atlas.width), -1, dtype=np.int32)
    # OpenCV counts from pixel centers, in fixed point
    corners = np.rint((atlas.texels - 0.5) * 2**_SUBTEXEL_BITS).astype(np.int32)[atlas.faces]
    for index, triangle in enumerate(corners):
        cv2.fillConvexPoly(image, triangle, index, cv2.LINE_8, _SUBTEXEL_BITS)
    return image


def _barycentric(
    corners: Float[np.ndarray, "P 3 2"], points: Float[np.ndarray, "P 2"]
) -> Float[np.ndarray, "P 3"]:
    """(P, 3) coordinates of the points, those outside pulled to the triangle's rim."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, points - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    second = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
    third = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
    weights = np.clip(np.stack([1.0 - second - third, second, third], axis=1), 0.0, 1.0)
    result: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return result


def _spread(texture: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 4"]:
    """Copies colors outwards into transparent texels, by as many texels as charts are padded."""
    packed = texture.reshape(-1, 4).view(np.uint32).reshape(texture.shape[:2]).copy()
    for _ in range(_PADDING):
        grown = packed.copy()
        for source, target in (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:, 1:], np.s_[:, :-1]),
            (np.s_[:-1], np.s_[1:]),
            (np.s_[1:], np.s_[:-1]),
        ):
            view = grown[target]
            np.copyto(view, packed[source], where=view == 0)
        packed = grown
    return packed.view(np.uint8).reshape(texture.shape)
