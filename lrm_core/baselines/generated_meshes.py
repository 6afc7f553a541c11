"""Meshes of generative models, which are upright but know no scale and no camera."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from lrm_core.baselines.predictor import OBJECT_SIDE
from lrm_core.errors import LrmError
from lrm_core.geometry.scene_conversion import normalize_scene
from lrm_core.structures.scene import Material, Scene, ScenePart


def generated_scene(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    linear_colors: Float[np.ndarray, "V 3"],
) -> Scene | None:
    """A mesh with z up, its box centered and as large as the evaluation's objects.

    Args:
        vertices: (V, 3) in any units.
        faces: (F, 3) of a closed surface, turned outward if they are not.
        linear_colors: (V, 3) linear RGB, clipped to [0, 1].

    Returns:
        the scene, or None for a mesh without faces.

    Raises:
        LrmError: vertices or colors are not finite numbers.
        InputError: all vertices lie in one point.
    """
    if len(faces) == 0:
        return None
    if not (np.isfinite(vertices).all() and np.isfinite(linear_colors).all()):
        raise LrmError("the method made a mesh with numbers that are not finite")
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    if np.einsum("fi,fi->", a, np.cross(b, c)) < 0:  # six times the volume
        faces = faces[:, ::-1]
    opaque = np.ones((len(vertices), 1))
    colors = np.concatenate([np.clip(linear_colors, 0.0, 1.0), opaque], axis=1)
    part = ScenePart(
        vertices.astype(np.float32),
        np.ascontiguousarray(faces, dtype=np.int32),
        Material(),
        vertex_colors=colors.astype(np.float32),
    )
    return normalize_scene(Scene((part,)), OBJECT_SIDE)
