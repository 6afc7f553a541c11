"""Points with known occupancy and colour, the supervision of lrm-mini's first stage.

A point is empty when at least one of many directions leads from it to the outside without meeting
the surface, and solid when none does. Nothing needs to be watertight for that. Occupancy as a
training target goes back to Mescheder et al., Occupancy Networks (2019); here it replaces most of
the paper's rendering loss (section 3.4), because a label at a point costs some thousand times less
than a rendered pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from lrm_core.rendering.mesh_raycasting import build_ray_caster
from lrm_core.structures.color import linear_to_srgb, srgb_to_linear
from lrm_core.structures.scene import Scene, ScenePart


@dataclass(frozen=True)
class PointSamples:
    """Supervision of one object in its own frame.

    Attributes:
        points: (P, 3), the first half uniform in the bounding cube, the rest near the surface.
        solid: (P,) whether each lies inside.
        surface: (S, 3) points on the surface, uniform by area.
        normals: (S, 3) unit face normals there.
        colors: (S, 3) sRGB albedo there.
    """

    points: Float[np.ndarray, "P 3"]
    solid: Bool[np.ndarray, " P"]
    surface: Float[np.ndarray, "S 3"]
    normals: Float[np.ndarray, "S 3"]
    colors: UInt8[np.ndarray, "S 3"]


def sphere_directions(num: int) -> Float[np.ndarray, "N 3"]:
    """(N, 3) unit vectors spread evenly over the sphere (Fibonacci lattice)."""
    index = np.arange(num) + 0.5
    z = 1.0 - 2.0 * index / num
    angle = np.pi * (1.0 + 5.0**0.5) * index
    ring = np.sqrt(1.0 - z**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)


def solid_points(
    triangles: Float[np.ndarray, "F 3 3"],
    points: Float[np.ndarray, "P 3"],
    *,
    num_directions: int = 64,
) -> Bool[np.ndarray, " P"]:
    """Which points no direction connects with the outside.

    Args:
        triangles: corners of the surface; it need not be closed.
        points: query points.
        num_directions: directions tried per point; a gap smaller than their spacing may be missed.

    Returns:
        (P,) True where every ray from the point hits the surface.
    """
    corners = np.arange(3 * len(triangles)).reshape(-1, 3)
    caster = build_ray_caster(triangles.reshape(-1, 3), corners)
    solid = np.ones(len(points), dtype=bool)
    for direction in sphere_directions(num_directions):
        undecided = np.flatnonzero(solid)
        if not len(undecided):
            break
        origins = np.ascontiguousarray(points[undecided], dtype=np.float32)
        rays = np.tile(direction.astype(np.float32), (len(origins), 1))
        solid[undecided] = caster.first_hits(origins, rays).faces >= 0
    return solid


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
    """Points uniform by area over all parts, with normals and sRGB colours.

    Args:
        scene: the object.
        num: how many points.
        rng: source of randomness.

    Returns:
        positions (num, 3), unit face normals (num, 3), colours (num, 3) in [0, 1].
    """
    corners = np.concatenate([part.vertices[part.faces] for part in scene.parts])
    owner = np.repeat(np.arange(len(scene.parts)), [len(part.faces) for part in scene.parts])
    local = np.concatenate([np.arange(len(part.faces)) for part in scene.parts])
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    face = rng.choice(len(area), size=num, p=area / area.sum())
    root = np.sqrt(rng.random(num))
    second = rng.random(num)
    barycentric = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    positions = np.einsum("nk,nkc->nc", barycentric, corners[face])
    normals = cross[face] / np.maximum(area[face], 1e-20)[:, None]
    colors = np.zeros((num, 3))
    for index, part in enumerate(scene.parts):
        mine = np.flatnonzero(owner[face] == index)
        if len(mine):
            colors[mine] = _part_colors(part, local[face[mine]], barycentric[mine])
    return positions, normals, colors


def sample_points(
    scene: Scene,
    rng: np.random.Generator,
    *,
    num_points: int = 16384,
    num_surface: int = 8192,
    num_directions: int = 64,
) -> PointSamples:
    """All point supervision of one object.

    Args:
        scene: object centred at the origin with longest side 2.
        rng: source of randomness.
        num_points: occupancy points, half uniform in [-1.05, 1.05]^3, half at normal distance
            0.02 or 0.08 from the surface.
        num_surface: coloured surface points.
        num_directions: see `solid_points`.
    """
    surface, normals, colors = sample_surface(scene, max(num_surface, num_points // 2), rng)
    near = surface[: num_points // 2]
    spread = np.where(rng.random((len(near), 1)) < 0.5, 0.02, 0.08)
    points = np.concatenate(
        [
            rng.uniform(-1.05, 1.05, (num_points - len(near), 3)),
            near + rng.normal(size=near.shape) * spread,
        ]
    ).astype(np.float32)
    triangles = np.concatenate([part.vertices[part.faces] for part in scene.parts])
    solid = solid_points(triangles, points, num_directions=num_directions)
    return PointSamples(
        points=points,
        solid=solid,
        surface=surface[:num_surface].astype(np.float32),
        normals=normals[:num_surface].astype(np.float32),
        colors=(colors[:num_surface] * 255.0 + 0.5).astype(np.uint8),
    )
