"""Colours of a radiance field on a mesh: at its vertices, or in a texture."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from scipy.ndimage import distance_transform_edt

from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.photo_colors import PhotoColors
from lrm_core.reconstruction.uv_raster import rasterize
from lrm_core.structures.mesh_geometry import vertex_normals


@torch.inference_mode()
def field_colors(
    field: TriplaneField, vertices: Float[np.ndarray, "V 3"]
) -> Float32[np.ndarray, "V 3"]:
    """The field's colour (V, 3), sRGB in [0, 1], at vertices (V, 3) of the world frame."""
    planes = field.triplane.planes
    points = torch.as_tensor(vertices, dtype=torch.float32, device=planes.device)
    colors: Float32[np.ndarray, "V 3"] = field(points)[1].float().clamp(0.0, 1.0).cpu().numpy()
    return colors


def vertex_colors(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    *,
    photo: PhotoColors | None = None,
) -> Float32[np.ndarray, "V 3"]:
    """Colours (V, 3), sRGB in [0, 1], at the vertices of a mesh.

    Args:
        field: asked for colours.
        vertices: (V, 3) in the world frame.
        faces: (F, 3).
        photo: its colours are taken where it shows the surface.
    """
    colors = field_colors(field, vertices)
    if photo is None:
        return colors
    return photo.blend(vertices, vertex_normals(vertices, faces), colors)


def bake_texture(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "V 2"],
    *,
    size: int = 1024,
    photo: PhotoColors | None = None,
) -> UInt8[np.ndarray, "S S 3"]:
    """Texture whose every texel has the field's colour at its point on the surface.

    Texels outside all charts take the colour of the nearest one inside, so that no look-up near
    a seam sees the background.

    Args:
        field: asked for colours, in batches.
        vertices: (V, 3) in the world frame.
        faces: (F, 3).
        uv: (V, 2) in [0, 1], origin at the bottom left.
        size: texels per side.
        photo: its colours are taken where it shows the surface.

    Returns:
        (size, size, 3) sRGB, row 0 at the top.
    """
    texture = np.zeros((size, size, 3), dtype=np.uint8)
    empty = np.ones((size, size), dtype=bool)
    normals = None if photo is None else vertex_normals(vertices, faces)
    for texels in rasterize(uv[faces], size):
        corners = vertices[faces[texels.faces]]
        points = np.einsum("tc,tcd->td", texels.barycentric, corners)
        colors = field_colors(field, points)
        if photo is not None and normals is not None:
            smooth = np.einsum("tc,tcd->td", texels.barycentric, normals[faces[texels.faces]])
            colors = photo.blend(points, _unit(smooth), colors)
        place = size - 1 - texels.rows, texels.columns
        texture[place] = np.rint(colors * 255.0)
        empty[place] = False
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled: UInt8[np.ndarray, "S S 3"] = texture[tuple(nearest)]
    return filled


def _unit(vectors: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3"]:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
