"""Colors of a radiance field on a mesh: at its vertices, or in a texture."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor

from lrm_core.geometry.mesh_geometry import vertex_normals
from lrm_core.models.folded_field import fold
from lrm_core.models.nerf_mlp import points_per_pass
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.photo_colors import LaidPhotos
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.uv_raster import rasterize


def field_colors(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    *,
    clock: StageClock | None = None,
) -> Float32[np.ndarray, "V 3"]:
    """The field's color (V, 3), sRGB in [0, 1], at vertices (V, 3) of the world frame.

    Args:
        field: evaluated in passes.
        vertices: (V, 3).
        clock: receives progress, and can stop the work between passes.
    """
    clock, folded = clock or StageClock(), fold(field)
    points = torch.as_tensor(vertices, dtype=torch.float32, device=field.triplane.planes.device)
    colors = torch.empty_like(points)
    size = points_per_pass(points.device)
    for start in range(0, len(points), size):
        clock.between_passes(start / len(points))
        part = slice(start, start + size)
        colors[part] = _colors(folded, points[part])
    return colors.cpu().numpy()


def vertex_colors(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    *,
    photo: LaidPhotos | None = None,
    clock: StageClock | None = None,
) -> Float32[np.ndarray, "V 3"]:
    """Colors (V, 3), sRGB in [0, 1], at the vertices of a mesh.

    Args:
        field: gives the colors.
        vertices: (V, 3) in the world frame.
        faces: (F, 3).
        photo: its colors are taken where it shows the surface.
        clock: receives progress, and can stop the work between passes.
    """
    colors = field_colors(field, vertices, clock=clock)
    if photo is None:
        return colors
    return photo.blend(vertices, vertex_normals(vertices, faces), colors)


@torch.inference_mode()
def bake_texture(
    field: TriplaneField,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "V 2"],
    *,
    size: int = 1024,
    photo: LaidPhotos | None = None,
    clock: StageClock | None = None,
) -> UInt8[np.ndarray, "S S 3"]:
    """Texture whose every texel has the field's color at its point on the surface.

    Texels outside all charts take the color of one inside that is as near as any but for 4%, so
    that no look-up near a seam sees the background.

    Args:
        field: gives the colors, in batches.
        vertices: (V, 3) in the world frame.
        faces: (F, 3).
        uv: (V, 2) in [0, 1], origin at the bottom left.
        size: texels per side.
        photo: its colors are taken where it shows the surface.
        clock: receives progress, and can stop the work between batches.

    Returns:
        (size, size, 3) sRGB, row 0 at the top.
    """
    clock, folded = clock or StageClock(), fold(field)
    device = field.triplane.planes.device
    normals = None if photo is None else vertex_normals(vertices, faces)
    known = vertices if normals is None else np.concatenate([vertices, normals], axis=1)
    at_vertices = torch.as_tensor(known, dtype=torch.float32, device=device)
    corners = torch.as_tensor(faces, device=device)
    texture = np.zeros((size, size, 3), dtype=np.uint8)
    empty = np.ones((size, size), dtype=bool)
    for texels in rasterize(uv[faces], size):
        clock.between_passes(int(texels.faces[0]) / len(faces) if len(texels.faces) else None)
        on_surface = F.embedding_bag(  # means of what is known at the corners
            corners[torch.as_tensor(texels.faces, device=device)],
            at_vertices,
            mode="sum",
            per_sample_weights=torch.as_tensor(texels.barycentric, device=device).float(),
        )
        colors = _colors(folded, on_surface[:, :3])
        if photo is not None:
            points, smooth = on_surface.cpu().numpy().reshape(-1, 2, 3).swapaxes(0, 1)
            blended = photo.blend(points, _unit(smooth), colors.cpu().numpy())
            rounded = np.rint(blended * 255.0).astype(np.uint8)
        else:
            rounded = colors.mul_(255.0).round_().byte().cpu().numpy()
        place = size - 1 - texels.rows, texels.columns
        texture[place] = rounded
        empty[place] = False
    return _filled(texture, empty)


def _colors(field: TriplaneField, points: Tensor) -> Tensor:
    return field(points)[1].clamp_(0.0, 1.0)


def _filled(
    texture: UInt8[np.ndarray, "S S 3"], empty: Bool[np.ndarray, "S S"]
) -> UInt8[np.ndarray, "S S 3"]:
    """Empty texels take the color of the nearest full one (of those less than 4% farther)."""
    full, gaps = np.flatnonzero(~empty), np.flatnonzero(empty)
    if not len(full):
        return texture
    _, labels = cv2.distanceTransformWithLabels(
        empty.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    full_texel = np.empty(len(full) + 1, dtype=np.int64)
    full_texel[labels.ravel()[full]] = full  # each has a label of its own, from 1
    flat = texture.reshape(-1, 3)
    flat[gaps] = flat[full_texel[labels.ravel()[gaps]]]
    return texture


def _unit(vectors: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3"]:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
