"""The silhouette as a balloon: what the outline and the picture alone say, with nothing learned.

A yardstick that a trained model has to beat. Thick things are wide: at each pixel of the object the
balloon is as thick, to the front and to the back, as the pixel is far from the outline. Along the
rays of the picture's camera, so that the outline is kept exactly. Front and back are colored by
the picture itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import mcubes
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import distance_transform_edt

from lrm_core.baselines.predictor import (
    NO_WEIGHTS,
    Alignment,
    Prediction,
    fingerprint_of,
    require_object,
)
from lrm_core.structures.cameras import CANONICAL_DISTANCE, CANONICAL_FOCAL
from lrm_core.structures.scene import Material, Scene, ScenePart


@dataclass(frozen=True)
class BalloonPredictor:
    """Inflates the silhouette by its distance transform.

    Attributes:
        grid: pixels per side of the silhouette that is inflated.
    """

    grid: int = 256

    name: ClassVar[str] = "balloon"
    licence: ClassVar[str] = NO_WEIGHTS
    source: ClassVar[str] = "this package"
    alignment: ClassVar[Alignment] = "canonical"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    @property
    def fingerprint(self) -> str:
        """See `Predictor`."""
        return fingerprint_of("balloon", {"grid": self.grid})

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """A closed mesh around the silhouette; see `Predictor.predict`."""
        require_object(rgba)
        start = time.perf_counter()
        alpha = Image.fromarray(rgba[..., 3]).resize((self.grid, self.grid), Image.Resampling.BOX)
        inside = np.asarray(alpha) >= 128
        if not inside.any():
            note = f"no pixel of {self.grid} x {self.grid} is half covered by the object"
            return Prediction(None, time.perf_counter() - start, (note,))
        part = _inflated(signed_distance(inside), _filled(rgba))
        return Prediction(Scene((part,)), time.perf_counter() - start)


def signed_distance(inside: Bool[np.ndarray, "N N"]) -> Float[np.ndarray, "M M"]:
    """Distance of pixel centers to the outline, in pixels, positive inside.

    What lies beyond the image is outside: the result has a border of one pixel (M = N + 2). The
    outline runs half-way between pixels inside and outside.

    Args:
        inside: (N, N) whether a pixel belongs to the object.
    """
    padded = np.pad(inside, 1)
    to_outside, to_inside = distance_transform_edt(padded), distance_transform_edt(~padded)
    distance: Float[np.ndarray, "M M"] = np.where(padded, to_outside - 0.5, 0.5 - to_inside)
    return distance


def _inflated(distance: Float[np.ndarray, "M M"], picture: UInt8[np.ndarray, "H W 4"]) -> ScenePart:
    """The surface |y| = distance to the outline, in the frustum of the picture's camera."""
    grid = len(distance) - 2
    half = int(np.ceil(distance.max())) + 1
    offsets = np.arange(-half, half + 1)
    # axes x right, y away, z up; rows of the image run downward
    volume = distance[::-1].T[:, None, :] - np.abs(offsets)[None, :, None]
    vertices, faces = mcubes.marching_cubes(np.ascontiguousarray(volume), 0.0)
    # pixel centers of the padded image -> the picture's side as 1, origin at its lower left
    u, v = ((vertices[:, axis] - 0.5) / grid for axis in (0, 2))
    pixel = CANONICAL_DISTANCE / (CANONICAL_FOCAL * grid)  # in world units, at the object's center
    y = (vertices[:, 1] - half) * pixel
    scale = (y + CANONICAL_DISTANCE) / CANONICAL_FOCAL
    world = np.stack([(u - 0.5) * scale, y, (v - 0.5) * scale], axis=1)
    return ScenePart(
        world.astype(np.float32),
        faces.astype(np.int32),
        Material(texture=picture),
        uv=np.stack([u, v], axis=1).astype(np.float32),
    )


def _filled(rgba: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 4"]:
    """The picture, opaque, the colors of the object continued beyond its outline.

    Filtering at the outline would mix hidden colors in otherwise.
    """
    solid = rgba[..., 3] == 255
    if not solid.any():
        solid = rgba[..., 3] == rgba[..., 3].max()
    nearest = distance_transform_edt(~solid, return_distances=False, return_indices=True)
    filled: UInt8[np.ndarray, "H W 4"] = rgba[tuple(nearest)].copy()
    filled[..., 3] = 255
    return filled
