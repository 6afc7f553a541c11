"""The photos of point training: cameras, lights, and what a pixel says about the object.

The world of each photo is the one that a model reconstructs in: the source camera sits at
(0, -d, 0) (paper, section 4.2), and the object is turned, scaled and shifted in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.color import linear_to_srgb, srgb_to_linear

# a right angle about x, and about y: the bounding box stays centred
_TIPPED = (
    np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
)


@dataclass(frozen=True, kw_only=True)
class ViewSampling:
    """The cameras and lights of training photos; ranges are uniform.

    Attributes:
        num_views: photos per object.
        size: photo side in pixels.
        elevation_degrees: of the camera above the object.
        half_side: half of the object's longest side in the world.
        distance: of the camera from the world origin; the focal length follows, so that the object
            keeps its size in the photo.
        focal_at_2: focal length over image width for distance 2.
        shift: largest offset of the object from the world origin, per axis.
        lit_share: share of photos with directional light; the others show plain albedo.
        canonical_share: share of photos from the canonical camera (distance 2, focal length 0.75)
            of the object at `canonical_half_side`, centred; half of these from elevation 0. There
            the size of an object in the photo tells how deep it may be.
        canonical_half_side: half of the object's longest side in such photos.
        lying_share: share of photos of the object tipped over by a right angle.
    """

    num_views: int = 6
    size: int = 128
    elevation_degrees: tuple[float, float] = (-10.0, 40.0)
    half_side: tuple[float, float] = (0.65, 0.95)
    distance: tuple[float, float] = (1.8, 3.2)
    focal_at_2: tuple[float, float] = (0.7, 0.8)
    shift: float = 0.04
    lit_share: float = 0.5
    canonical_share: float = 0.0
    canonical_half_side: float = 0.9
    lying_share: float = 0.0


@dataclass(frozen=True)
class TrainingView:
    """One photo's geometry: world = scale * rotation @ object + shift."""

    rotation: np.ndarray
    scale: float
    shift: np.ndarray
    distance: float
    focal: float
    ambient: float
    light: np.ndarray

    def to_array(self) -> Float[np.ndarray, "19"]:
        """All numbers in one row."""
        lens = [self.distance, self.focal, self.ambient]
        row = [*self.rotation.ravel(), self.scale, *self.shift, *lens, *self.light]
        return np.array(row, dtype=np.float32)

    @staticmethod
    def from_array(row: Float[np.ndarray, "19"]) -> TrainingView:
        """Inverse of `to_array`."""
        return TrainingView(
            rotation=row[:9].reshape(3, 3),
            scale=float(row[9]),
            shift=row[10:13],
            distance=float(row[13]),
            focal=float(row[14]),
            ambient=float(row[15]),
            light=row[16:19],
        )

    def lit(
        self, albedo: Float[np.ndarray, "*N 3"], normals: Float[np.ndarray, "*N 3"]
    ) -> Float[np.ndarray, "*N 3"]:
        """sRGB colours under the view's ambient and directional light (Lambert, no shadows).

        Args:
            albedo: sRGB in [0, 1].
            normals: unit normals in the world frame; zero where there is no surface.
        """
        diffuse = np.clip(normals @ self.light, 0.0, 1.0)[..., None]
        shade = self.ambient + (1.0 - self.ambient) * 1.5 * diffuse
        return linear_to_srgb(srgb_to_linear(albedo.clip(0.0, 1.0)) * shade).clip(0.0, 1.0)


def draw_view(sampling: ViewSampling, rng: np.random.Generator) -> TrainingView:
    """A random view."""
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    elevation = np.radians(rng.uniform(*sampling.elevation_degrees))
    canonical = rng.random() < sampling.canonical_share
    if canonical and rng.random() < 0.5:
        elevation = 0.0
    about_z = np.array(
        [
            [np.cos(azimuth), -np.sin(azimuth), 0.0],
            [np.sin(azimuth), np.cos(azimuth), 0.0],
            [0.0, 0.0, 1.0],
        ]
    )
    # a camera raised by `elevation` sees the object tipped towards it
    about_x = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(elevation), -np.sin(elevation)],
            [0.0, np.sin(elevation), np.cos(elevation)],
        ]
    )
    rotation = about_x @ about_z
    if rng.random() < sampling.lying_share:
        rotation = rotation @ _TIPPED[int(rng.integers(2))]
    distance = 2.0 if canonical else rng.uniform(*sampling.distance)
    light = rng.normal(size=3) + np.array([0.0, -0.8, 1.0])
    shift = rng.uniform(-sampling.shift, sampling.shift, size=3)
    focal_at_2 = 0.75 if canonical else rng.uniform(*sampling.focal_at_2)
    return TrainingView(
        rotation=rotation,
        scale=sampling.canonical_half_side if canonical else rng.uniform(*sampling.half_side),
        shift=0.0 * shift if canonical else shift,
        distance=distance,
        focal=focal_at_2 * distance / 2.0,
        ambient=rng.uniform(0.45, 0.85) if rng.random() < sampling.lit_share else 1.0,
        light=light / np.linalg.norm(light),
    )


def view_camera(view: TrainingView, size: int) -> Cameras:
    """The view's camera (N = 1) in the object's own frame, where the surface is.

    Args:
        view: of the photo.
        size: photo side in pixels.
    """
    c2w = look_at(torch.tensor([[0.0, -view.distance, 0.0]], dtype=torch.float64))[0].numpy()
    c2w[:3, 3] = view.rotation.T @ (c2w[:3, 3] - view.shift) / view.scale
    c2w[:3, :3] = view.rotation.T @ c2w[:3, :3]
    intrinsics = torch.tensor([[view.focal, view.focal, 0.5, 0.5]]) * size
    return Cameras(torch.from_numpy(c2w)[None].float(), intrinsics, size, size)


def silhouette_rays(
    photo: UInt8[np.ndarray, "H W 4"],
    view: TrainingView,
    num: int,
    num_samples: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "R K 3"], Float[np.ndarray, "R"]]:
    """Rays of a photo near its object.

    Pixels come from the silhouette's box and a margin of a tenth. Points are spread over the part
    of each ray inside the object's cube, at random within equal intervals.

    Args:
        photo: (S, S, 4) straight alpha.
        view: of the photo.
        num: rays R.
        num_samples: points K per ray.
        rng: source of randomness.

    Returns:
        (R, K, 3) points in the object's frame, front to back, and (R,) the photo's alpha.
    """
    size = len(photo)
    rows, columns = np.nonzero(photo[..., 3])
    pixels = np.empty((num, 2))
    for axis, found in enumerate((columns, rows)):
        lower, upper = (found.min(), found.max() + 1) if len(found) else (0, size)
        margin = 0.1 * (upper - lower) + 1.0
        pixels[:, axis] = rng.uniform(lower - margin, upper + margin, num).clip(0, size - 1e-3)
    alpha = photo[pixels[:, 1].astype(int), pixels[:, 0].astype(int), 3]
    image = (pixels / size - 0.5) / view.focal
    direction = np.stack([image[:, 0], np.ones(num), -image[:, 1]], axis=1)
    # the photo's world -> the object's frame
    origin = (np.array([0.0, -view.distance, 0.0]) - view.shift) @ view.rotation / view.scale
    direction = direction @ view.rotation / view.scale
    direction = np.where(np.abs(direction) < 1e-6, 1e-6, direction)
    ends = np.stack([(-1.0 - origin) / direction, (1.0 - origin) / direction])
    near = ends.min(axis=0).max(axis=1, keepdims=True)
    far = np.maximum(ends.max(axis=0).min(axis=1, keepdims=True), near)  # a miss: one point
    places = (np.arange(num_samples) + rng.random((num, num_samples))) / num_samples
    along = near + (far - near) * places
    points: np.ndarray = origin + along[..., None] * direction[:, None]
    return points, alpha.astype(np.float32) / 255.0
