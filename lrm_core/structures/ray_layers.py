"""What each ray of the source photo meets: its first and its last surface, and their colors.

With planes in the source camera's perspective (`structures/triplane.py`, `Frustum`) every column of
the front plane is a ray of the photo. Two depths per ray and the photo's outline are then a closed
surface, without a grid or a threshold: layered depth images (Shade et al., 1998) with two layers.
They enter the radiance field as raw density and raw color to which the NeRF MLP adds; along every
axis of a regular grid they are as separable as the planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

FIRST, LAST, EDGE = 0, 1, 2
"""Maps of `RayLayers` that give the density."""

NUM_DENSITY_MAPS = 3
"""The first maps; the nine others are colors."""

NUM_MAPS = 12

LEAST_HALF = 0.012
"""Half of the least thickness, in world units: a sheet thinner than the grid would be lost."""

DEEPEST = 8.0
"""Raw density deep inside; little enough that an MLP can carve, and that exp does not overflow."""

# depth below a surface, in world units, at which its color is forgotten
_COLOR_REACH = 0.15
# keeps the logit of black and white finite
_DARKEST = 1.0 / 255.0


@dataclass(frozen=True)
class RayLayers:
    """Maps of B photos, aligned with the front plane: rows run upward along z.

    Attributes:
        maps: (B, 12, H, W): depth y of the first and of the last surface, distance to the outline
            (positive inside), all in world units; sRGB of the first surface, of the last one, and
            of what lies between.
        steepness: raw density per world unit from a surface inward.
    """

    maps: Float[Tensor, "B 12 H W"]
    steepness: float

    def __getitem__(self, index: int) -> RayLayers:
        return RayLayers(self.maps[index : index + 1], self.steepness)

    def sample(
        self, places: Float[Tensor, "B P 2"], num_maps: int | None = None
    ) -> Float[Tensor, "B P M"]:
        """Bilinear values at image positions; beyond the border its values continue.

        Args:
            places: (right, up) in [-1, 1].
            num_maps: only the first so many maps.
        """
        sampled = F.grid_sample(
            self.maps[:, :num_maps],
            places[:, None].to(self.maps.dtype),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return sampled[:, :, 0].transpose(1, 2)

    def density(self, maps: Float[Tensor, "*#N M"], y: Float[Tensor, "*#N"]) -> Float[Tensor, "*N"]:
        """Raw density at depths, zero on the surface.

        steepness * min(y - first, last - y, edge), bounded deep inside; where the layers are
        closer than the least thickness, or in the wrong order, that thickness about their middle.

        Args:
            maps: (..., 3 or more) values of the rays, as `sample` gives them.
            y: (...) depths in world units.
        """
        middle, half = middle_and_half(maps[..., FIRST], maps[..., LAST])
        inside = torch.minimum(half - (y - middle).abs(), maps[..., EDGE])
        return (self.steepness * inside).clamp(max=DEEPEST)

    def color(self, maps: Float[Tensor, "*N 12"], y: Float[Tensor, "*N"]) -> Float[Tensor, "*N 3"]:
        """Raw color at depths: that of the nearer surface, fading to what lies between.

        Walls that run along the rays would otherwise show the pixels of their ends as streaks.

        Args:
            maps: (..., 12) values of the rays.
            y: (...) depths in world units.
        """
        middle, half = middle_and_half(maps[..., FIRST], maps[..., LAST])
        offset = y - middle
        # from the first surface to the last one, all within the reach of both
        share = _smooth_step(offset / half.clamp(max=_COLOR_REACH) / 2.0 + 0.5)[..., None]
        surface = torch.lerp(maps[..., 3:6], maps[..., 6:9], share)
        inside = (half - offset.abs()) / _COLOR_REACH
        return torch.logit(
            torch.lerp(surface, maps[..., 9:], _smooth_step(inside)[..., None]), eps=_DARKEST
        )


def _smooth_step(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, and a cubic between."""
    x = x.clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def middle_and_half(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and half thickness of what lies between two depths, no less than the least."""
    return (first + last) / 2.0, ((last - first) / 2.0).clamp_min(LEAST_HALF)
