"""Carrying what a method made into the frame of the evaluation's picture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from lrm_core.baselines.predictor import RadianceField
from lrm_core.geometry.scene_conversion import transform_scene
from lrm_core.structures.cameras import CANONICAL_DISTANCE, CANONICAL_FOCAL, Cameras
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.scene import Scene


@dataclass(frozen=True)
class Similarity:
    """v -> scale * v + translation."""

    scale: float = 1.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """The same as a matrix for homogeneous coordinates."""
        matrix = np.eye(4)
        matrix[:3, :3] *= self.scale
        matrix[:3, 3] = self.translation
        return matrix


@dataclass(frozen=True, eq=False)
class PlacedField:
    """A radiance field carried along by a similarity, as `transform_scene` carries its mesh.

    Nothing of the field changes: cameras go the other way. Lengths scale, and densities with them,
    so that every ray sees what it saw.

    Attributes:
        field: the field in its own frame.
        matrix: from its own frame to this one: rotation, uniform scale and translation.
    """

    field: RadianceField
    matrix: Float[np.ndarray, "4 4"]

    def render(self, cameras: Cameras) -> RenderOutput:
        """See `RadianceField`."""
        scale = float(np.cbrt(np.linalg.det(self.matrix[:3, :3])))
        inverse = torch.from_numpy(np.linalg.inv(self.matrix))
        c2w = inverse @ cameras.c2w.double().cpu()
        c2w[:, :3, :3] *= scale  # a camera's axes have unit length
        views = self.field.render(dataclasses.replace(cameras, c2w=c2w.to(cameras.c2w)))
        return dataclasses.replace(views, depth=views.depth * scale)


def moved_scene(
    scene: Scene, similarity: Similarity, rotation: Float[np.ndarray, "3 3"] | None = None
) -> Scene:
    """The scene with every vertex v replaced by scale * rotation @ v + translation.

    Args:
        scene: any scene.
        similarity: scale and translation.
        rotation: comes first; None for none.
    """
    matrix = similarity.matrix
    if rotation is not None:
        matrix[:3, :3] = matrix[:3, :3] @ rotation
    return transform_scene(scene, matrix)


def undo_crop(
    window: tuple[float, float, float], picture_size: int, *, distance: float, focal: float
) -> Similarity:
    """From the frame that a method answers in to the frame of the picture that was cropped for it.

    A crop is a longer lens, and a method that does not know takes what it sees for a larger object.
    No similarity makes both projections agree at every depth; this one does at the object's center:
    there, lengths and places across the picture come out as the picture shows them.

    Args:
        window: left, top and side of the crop in pixels of the picture.
        picture_size: side of the picture in pixels.
        distance: distance of the camera that the method assumes for the crop.
        focal: its focal length over the crop's side.
    """
    left, top, side = window
    unit = CANONICAL_DISTANCE / CANONICAL_FOCAL  # what the picture's side measures at the origin
    right = (left + side / 2) / picture_size - 0.5
    up = 0.5 - (top + side / 2) / picture_size
    scale = side / picture_size * unit * focal / distance
    return Similarity(scale, (right * unit, 0.0, up * unit))
