"""Colours of a radiance field on a mesh: at its vertices, or in a texture."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from scipy.ndimage import distance_transform_edt

from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.uv_raster import rasterize


@torch.inference_mode()
def vertex_colors(
    field: TriplaneField, vertices: Float[np.ndarray, "V 3"]
) -> Float32[np.ndarray, "V 3"]:
    """The field's colour (V, 3), sRGB in [0, 1], at vertices (V, 3) of the world frame."""
    planes = field.triplane.planes
    points = torch.as_tensor(vertices, dtype=torch.float32, device=planes.device)
    colors: Float32[np.ndarray, "V 3"] = field(points)[1].float().clamp(0.0, 1.0).cpu().numpy()
    return colors


def bake_texture(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "V 2"],
    *,
    size: int = 1024,
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

    Returns:
        (size, size, 3) sRGB, row 0 at the top.
    """
    texture = np.zeros((size, size, 3), dtype=np.uint8)
    empty = np.ones((size, size), dtype=bool)
    for texels in rasterize(uv[faces], size):
        corners = vertices[faces[texels.faces]]
        points = np.einsum("tc,tcd->td", texels.barycentric, corners)
        place = size - 1 - texels.rows, texels.columns
        texture[place] = np.rint(vertex_colors(field, points) * 255.0)
        empty[place] = False
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled: UInt8[np.ndarray, "S S 3"] = texture[tuple(nearest)]
    return filled
