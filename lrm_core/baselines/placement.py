"""Carrying what a method made into the frame of the evaluation's picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.structures.cameras import CANONICAL_DISTANCE, CANONICAL_FOCAL
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class Similarity:
    """v -> scale * v + translation."""

    scale: float = 1.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)


def moved_scene(
    scene: Scene, similarity: Similarity, rotation: Float[np.ndarray, "3 3"] | None = None
) -> Scene:
    """The scene with every vertex v replaced by scale * rotation @ v + translation.

    Args:
        scene: any scene.
        similarity: scale and translation.
        rotation: comes first; None for none.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = similarity.scale * (np.eye(3) if rotation is None else rotation)
    matrix[:3, 3] = similarity.translation
    return transform_scene(scene, matrix)


def undo_crop(
    window: tuple[float, float, float], picture_size: int, *, distance: float, focal: float
) -> Similarity:
    """From the frame that a method answers in to the frame of the picture that was cropped for it.

    A crop is a longer lens, and a method that does not know takes what it sees for a larger object.
    No similarity makes both projections agree at every depth; this one does at the object's centre:
    there, lengths and places across the picture come out as the picture shows them.

    Args:
        window: left, top and side of the crop in pixels of the picture.
        picture_size: side of the picture in pixels.
        distance: of the camera that the method assumes for the crop.
        focal: its focal length over the crop's side.
    """
    left, top, side = window
    unit = CANONICAL_DISTANCE / CANONICAL_FOCAL  # what the picture's side measures at the origin
    right = (left + side / 2) / picture_size - 0.5
    up = 0.5 - (top + side / 2) / picture_size
    scale = side / picture_size * unit * focal / distance
    return Similarity(scale, (right * unit, 0.0, up * unit))
