"""Points of an object's surface, with normals and colors."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.geometry.mesh_geometry import area_normals
from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.structures.scene import Scene, ScenePart


def _part_colors(
    part: ScenePart, faces: np.ndarray, barycentric: np.ndarray
) -> Float[np.ndarray, "S 3"]:
    """sRGB albedo at points given by face index and barycentric weights."""
    corners = part.faces[faces]
    color = np.tile(np.array(part.material.base_color[:3]), (len(faces), 1))
    if part.vertex_colors is not None:
        color = color * np.einsum("nk,nkc->nc", barycentric, part.vertex_colors[corners][..., :3])
    if part.material.texture is not None and part.uv is not None:
        texture = part.material.texture
        height, width = texture.shape[:2]
        uv = np.einsum("nk,nkc->nc", barycentric, part.uv[corners]) % 1.0
        column = np.minimum((uv[:, 0] * width).astype(int), width - 1)
        row = np.minimum(((1.0 - uv[:, 1]) * height).astype(int), height - 1)
        color = color * srgb_to_linear(texture[row, column, :3] / 255.0)
    return linear_to_srgb(color).clip(0.0, 1.0)


def sample_surface(
    scene: Scene, num: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "S 3"], Float[np.ndarray, "S 3"], Float[np.ndarray, "S 3"]]:
    """Points uniform by area over all parts, with normals and sRGB colors.

    Args:
        scene: the object.
        num: how many points.
        rng: source of randomness.

    Returns:
        positions (num, 3), unit face normals (num, 3), colors (num, 3) in [0, 1].
    """
    corners = np.concatenate([part.vertices[part.faces] for part in scene.parts])
    owner = np.repeat(np.arange(len(scene.parts)), [len(part.faces) for part in scene.parts])
    local = np.concatenate([np.arange(len(part.faces)) for part in scene.parts])
    outward = area_normals(corners)
    area = np.linalg.norm(outward, axis=1)
    face = rng.choice(len(area), size=num, p=area / area.sum())
    root = np.sqrt(rng.random(num))
    second = rng.random(num)
    barycentric = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    positions = np.einsum("nk,nkc->nc", barycentric, corners[face])
    normals = outward[face] / np.maximum(area[face], 1e-20)[:, None]
    colors = np.zeros((num, 3))
    for index, part in enumerate(scene.parts):
        mine = np.flatnonzero(owner[face] == index)
        if len(mine):
            colors[mine] = _part_colors(part, local[face[mine]], barycentric[mine])
    return positions, normals, colors
