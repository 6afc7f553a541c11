"""The photo's own colors on the part of the surface that it shows.

A field's colors are as fine as its planes and the image that the encoder saw; the photo is finer.
Where the surface is visible from the source camera and faces it, the photo's pixel is the color;
towards the outline, where a pixel covers much surface, the field takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import binary_erosion, distance_transform_edt, map_coordinates
from torch import Tensor

from lrm_core.rendering.mesh_raycasting import build_ray_caster
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import Cameras

# below this coverage a pixel's color is partly a guess
_COVERED = 0.98
# a point this far behind the first hit is hidden, in world units
_HIDDEN_BEHIND = 0.03
# cosine between normal and view from which on the photo alone decides
_FULL_COSINE = 0.3
# of several photos the most frontal one wins by this power of the cosine
_SHARPNESS = 4.0


@dataclass(frozen=True)
class PhotoColors:
    """A photo laid on a surface.

    Attributes:
        image: (S, S, 3) sRGB in [0, 1]; beyond the object its nearest colors continue.
        distances: (S, S) from the camera to the surface, infinity where there is none.
        camera: the photo's, N = 1.
    """

    image: Float[np.ndarray, "S S 3"]
    distances: Float[np.ndarray, "S S"]
    camera: Cameras

    def blend(
        self,
        points: Float[np.ndarray, "P 3"],
        normals: Float[np.ndarray, "P 3"],
        colors: Float[np.ndarray, "P 3"],
    ) -> Float[np.ndarray, "P 3"]:
        """The photo's colors where it shows a point, those given elsewhere.

        Args:
            points: (P, 3) on the surface, in the world frame.
            normals: (P, 3) unit normals there.
            colors: (P, 3) of the field, sRGB in [0, 1].
        """
        facing, _, weight, seen = self.shown(points, normals)
        blended = colors.copy()
        blended[facing] += weight[:, None] * (seen - colors[facing])
        return blended

    def shown(
        self, points: Float[np.ndarray, "P 3"], normals: Float[np.ndarray, "P 3"]
    ) -> tuple[
        Int[np.ndarray, "Q"],
        Float[np.ndarray, "Q"],
        Float[np.ndarray, "Q"],
        Float[np.ndarray, "Q 3"],
    ]:
        """Which points face the camera, how far the photo's word counts there, and its colors.

        Args:
            points: (P, 3) on the surface, in the world frame.
            normals: (P, 3) unit normals there.

        Returns:
            indices (Q,) of points, cosines (Q,) between normal and direction to the camera, weights
            (Q,) in [0, 1], zero where hidden, and sRGB (Q, 3).
        """
        origin = self.camera.origins[0].numpy()
        towards = origin - points
        reach = np.linalg.norm(towards, axis=1)
        cosine = np.einsum("pc,pc->p", normals, towards) / np.maximum(reach, 1e-9)
        facing = np.flatnonzero(cosine > 0.0)
        pixels, _ = self.camera.project(torch.from_numpy(points[facing]).float())
        place = pixels[0].numpy().T[::-1] - 0.5  # rows, columns
        nearest = map_coordinates(self.distances, place, order=0, mode="nearest")
        visible = reach[facing] < nearest + _HIDDEN_BEHIND
        weight = np.clip(cosine[facing] / _FULL_COSINE, 0.0, 1.0) * visible
        channels = [
            map_coordinates(self.image[..., channel], place, order=1, mode="nearest")
            for channel in range(3)
        ]
        return facing, cosine[facing], weight, np.stack(channels, axis=1)


@dataclass(frozen=True)
class SeveralPhotoColors:
    """Several photos laid on one surface.

    Attributes:
        photos: each with its camera in the world.
    """

    photos: tuple[PhotoColors, ...]

    def blend(
        self,
        points: Float[np.ndarray, "P 3"],
        normals: Float[np.ndarray, "P 3"],
        colors: Float[np.ndarray, "P 3"],
    ) -> Float[np.ndarray, "P 3"]:
        """See `PhotoColors.blend`; where several photos show a point, the most frontal counts most.

        Args:
            points: see there.
            normals: see there.
            colors: see there.
        """
        total, shares = np.zeros_like(colors), np.zeros(len(points))
        most = np.zeros(len(points))
        for photo in self.photos:
            facing, cosine, weight, seen = photo.shown(points, normals)
            share = weight * cosine**_SHARPNESS
            total[facing] += share[:, None] * seen
            shares[facing] += share
            most[facing] = np.maximum(most[facing], weight)
        mean = total / np.maximum(shares, 1e-9)[:, None]
        blended: np.ndarray = (colors + most[:, None] * (mean - colors)).astype(colors.dtype)
        return blended


LaidPhotos = PhotoColors | SeveralPhotoColors
"""What gives colors of photos to points on a surface."""


def photo_colors(
    rgba: Float[Tensor, "1 4 S S"],
    camera: Cameras,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> PhotoColors:
    """Lay a photo on a surface.

    Args:
        rgba: the framed photo, straight alpha, [0, 1].
        camera: its camera, at any size.
        vertices: (V, 3) of the surface, in the world frame.
        faces: (F, 3).
    """
    size = rgba.shape[-1]
    camera = camera.resized(size, size).to("cpu")
    image = rgba[0, :3].permute(1, 2, 0).cpu().numpy()
    # the outermost pixels hold some background, whatever their alpha says
    inside = binary_erosion(rgba[0, 3].cpu().numpy() > _COVERED)
    if inside.any():
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        image = image[tuple(nearest)]
    rays = generate_rays(camera)
    hits = build_ray_caster(vertices, faces).first_hits(
        rays.origins.numpy(), rays.directions.numpy()
    )
    distances = np.where(hits.faces >= 0, hits.distances, np.inf).reshape(size, size)
    return PhotoColors(image, distances.astype(np.float32), camera)
