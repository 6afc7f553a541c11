"""Between scenes of many parts and single meshes, and scenes brought to one size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lrm_core.errors import InputError
from lrm_core.imaging.color import linear_to_srgb, srgb_to_linear
from lrm_core.structures.mesh import Mesh, Texture
from lrm_core.structures.scene import Material, Scene, ScenePart

# sRGB 0.5: the color of surfaces that have none, visible on a white background
MID_GRAY = Material(base_color=(0.21404114, 0.21404114, 0.21404114, 1.0))

# the unit cube with a tenth to spare, and the size below which an object would be a speck
_OUTERMOST = 1.1
_SMALLEST_SIDE = 0.2


def scene_from_mesh(mesh: Mesh) -> Scene:
    """The mesh as a scene of one part.

    A texture comes before vertex colors; a mesh with neither becomes mid gray.
    """
    if mesh.texture is not None:
        image = mesh.texture.image
        if image.shape[2] == 3:
            opaque = np.full((*image.shape[:2], 1), 255, dtype=np.uint8)
            image = np.concatenate([image, opaque], axis=2)
        part = ScenePart(mesh.vertices, mesh.faces, Material(texture=image), uv=mesh.texture.uv)
    elif mesh.vertex_colors is not None:
        linear = srgb_to_linear(mesh.vertex_colors)
        opaque = np.ones((len(linear), 1), dtype=linear.dtype)
        colors = np.concatenate([linear, opaque], axis=1)
        part = ScenePart(mesh.vertices, mesh.faces, Material(), vertex_colors=colors)
    else:
        part = ScenePart(mesh.vertices, mesh.faces, MID_GRAY)
    return Scene((part,))


def mesh_from_scene(scene: Scene) -> Mesh:
    """The geometry of all parts in one mesh without colors, for metrics."""
    counts = [len(part.vertices) for part in scene.parts]
    offsets = np.cumsum([0, *counts[:-1]])
    faces = [part.faces + offset for part, offset in zip(scene.parts, offsets, strict=True)]
    return Mesh(
        np.concatenate([part.vertices for part in scene.parts]).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
    )


def mesh_from_part(part: ScenePart) -> Mesh:
    """One part with its texture or its vertex colors: undoes `scene_from_mesh`, alpha left out."""
    if part.material.texture is not None and part.uv is not None:
        texture = Texture(part.material.texture[..., :3], part.uv)
        return Mesh(part.vertices, part.faces, texture=texture)
    if part.vertex_colors is not None:
        colors = linear_to_srgb(np.clip(part.vertex_colors[:, :3], 0.0, 1.0))
        return Mesh(part.vertices, part.faces, vertex_colors=colors)
    return Mesh(part.vertices, part.faces)


def normalize_scene(scene: Scene, longest_side: float) -> Scene:
    """The scene centered on its bounding box and scaled so that the box's longest side fits.

    Args:
        scene: any units.
        longest_side: the bounding box's longest side afterwards, in world units (2 fills [-1, 1]).

    Raises:
        InputError: the scene has no extent.
    """
    lower, upper = scene.bounds.astype(np.float64)
    extent = float((upper - lower).max())
    if not extent > 0:
        raise InputError("the object has no extent: all its vertices lie in one point")
    center, scale = (lower + upper) / 2, longest_side / extent
    return Scene(
        tuple(
            replace(part, vertices=((part.vertices - center) * scale).astype(np.float32))
            for part in scene.parts
        )
    )


def needs_fitting(scene: Scene) -> bool:
    """Whether the scene leaves the cube [-1.1, 1.1]^3 or is smaller than a tenth of it."""
    lower, upper = scene.bounds
    too_large = max(-lower.min(), upper.max()) > _OUTERMOST
    return bool(too_large or (upper - lower).max() < _SMALLEST_SIDE)


def fit_scene(scene: Scene) -> Scene:
    """The scene centered, the corners of its bounding box on the unit sphere.

    At the default camera (distance 2, focal length 0.75) it is whole from every direction.

    Raises:
        InputError: the scene has no extent.
    """
    sides = np.ptp(scene.bounds.astype(np.float64), axis=0)
    diagonal = float(np.linalg.norm(sides))
    return normalize_scene(scene, 2.0 * float(sides.max()) / diagonal if diagonal else 2.0)


def transform_scene(scene: Scene, matrix: Float[np.ndarray, "4 4"]) -> Scene:
    """The scene with every vertex moved by an affine transform of positive determinant."""
    return Scene(
        tuple(
            replace(
                part,
                vertices=(part.vertices @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32),
            )
            for part in scene.parts
        )
    )
