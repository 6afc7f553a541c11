"""The triplane: three feature planes and the map from world points to plane coordinates.

Source: paper, section 3.2 (after Chan et al., EG3D, 2022). Foreign models differ in the half side
of their cube and in which world axes span each plane; both are data here, so that every triplane is
queried in the one world frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.structures.ray_layers import RayLayers

# Per plane: the signed world axes along its width and its height.
PlaneAxes = tuple[tuple[str, str], tuple[str, str], tuple[str, str]]

LRM_PLANES: PlaneAxes = (("x", "y"), ("x", "z"), ("y", "z"))

_AXIS_INDEX = {"x": 0, "y": 1, "z": 2}


def signed_axis(axis: str) -> tuple[int, float]:
    """`"-y"` -> (1, -1.0): index and sign of a world axis."""
    return _AXIS_INDEX[axis[-1]], -1.0 if axis.startswith("-") else 1.0


@dataclass(frozen=True)
class Frustum:
    """A perspective warp of the cube: planes seen through the source camera.

    With it, the normalized coordinates of a world point (x, y, z) are its position in the source
    image (right and up, [-1, 1] over the image) and y: every column of the x-z plane is a ray of
    the source camera, so that image features lie on that plane without any resampling.

    Attributes:
        distance: from the source camera, at (0, -distance, 0), to the origin.
        focal: focal length divided by the image width.
    """

    distance: float
    focal: float

    def normalize(self, points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
        """World -> frustum coordinates."""
        x, y, z = points.unbind(-1)
        # behind the camera nothing is visible; the clamp keeps such points far outside the image
        scale = 2.0 * self.focal / (y + self.distance).clamp_min(1e-3)
        return torch.stack([x * scale, y, z * scale], dim=-1)

    def denormalize(self, points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
        """Frustum -> world coordinates."""
        u, y, v = points.unbind(-1)
        scale = (y + self.distance) / (2.0 * self.focal)
        return torch.stack([u * scale, y, v * scale], dim=-1)


@dataclass(frozen=True)
class Triplane:
    """Feature planes of B objects.

    Attributes:
        planes: (B, 3, C, H, W) features.
        extent: half side of the cube that the planes cover, in world units.
        axes: the signed world axes along (width, height) of each plane.
        frustum: perspective warp of the cube, or None for the axis-aligned cube itself.
        rays: what the columns of the second plane meet, which in a frustum are the rays of the
            source camera; or None.
    """

    planes: Float[Tensor, "B 3 C H W"]
    extent: float = 1.0
    axes: PlaneAxes = LRM_PLANES
    frustum: Frustum | None = None
    rays: RayLayers | None = None

    def __len__(self) -> int:
        return self.planes.shape[0]

    def __getitem__(self, index: int) -> Triplane:
        rays = None if self.rays is None else self.rays[index]
        planes = self.planes[index : index + 1]
        return Triplane(planes, self.extent, self.axes, self.frustum, rays)

    def normalize(self, points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
        """World points -> coordinates in which the planes cover [-1, 1]^3."""
        scaled = points / self.extent
        return scaled if self.frustum is None else self.frustum.normalize(scaled)

    def denormalize(self, points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
        """Inverse of `normalize`."""
        scaled = points if self.frustum is None else self.frustum.denormalize(points)
        return scaled * self.extent


def sample_planes(triplane: Triplane, points: Float[Tensor, "B P 3"]) -> Float[Tensor, "B P F"]:
    """Bilinear features of points, concatenated plane by plane (F = 3 C).

    Texels are areas (`align_corners=False`); outside the planes features fade to zero.
    Source: paper, section 3.3, equation 7 (f_theta).

    Args:
        triplane: B objects.
        points: (B, P, 3) in the world frame, one row of points per object.
    """
    coordinates = triplane.normalize(points)
    features = []
    for plane, pair in enumerate(triplane.axes):
        grid = torch.stack(
            [coordinates[..., i] * sign for i, sign in map(signed_axis, pair)], dim=-1
        )
        sampled = F.grid_sample(  # (B, C, 1, P)
            triplane.planes[:, plane],
            grid[:, None].to(triplane.planes.dtype),
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        features.append(sampled[:, :, 0].transpose(1, 2))
    return torch.cat(features, dim=-1)


def ray_places(triplane: Triplane, coordinates: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 2"]:
    """Where points lie on the second plane: positions for `RayLayers.sample`.

    Args:
        triplane: gives the axes.
        coordinates: normalized, as `Triplane.normalize` returns them.
    """
    return torch.stack(
        [coordinates[..., i] * sign for i, sign in map(signed_axis, triplane.axes[1])], dim=-1
    )


def raw_from_rays(
    triplane: Triplane, coordinates: Float[Tensor, "B P 3"]
) -> Float[Tensor, "B P 4"]:
    """What the rays' layers alone make of points: raw r, g, b and density; zero without layers.

    Args:
        triplane: B objects.
        coordinates: (B, P, 3) of points as `Triplane.normalize` gives them, one row per object.
    """
    rays = triplane.rays
    if rays is None:
        return coordinates.new_zeros((*coordinates.shape[:2], 4))
    maps = rays.sample(ray_places(triplane, coordinates))
    y = coordinates[..., 1] * triplane.extent
    return torch.cat([rays.color(maps, y), rays.density(maps, y)[..., None]], dim=-1)
