"""Where a radiance field holds matter: bounds of its density in the cells of a grid.

A renderer need not ask the field about samples in empty space, nor about samples behind opaque
matter. Bounds instead of bits serve fields that are empty nowhere too (density from softplus or
exp): each ray leaves out the samples that can be seen least, as many as together stay below one
tolerance.

The bounds come from the field's values on a lattice, so they are as good as the lattice is fine:
nothing is known of a structure that shows at no lattice point nearby. With two lattice steps per
texel of a triplane the bounds of interpolated features are exact (bilinear interpolation is
greatest and least at texel centers); only an MLP can make finer structures, between them.

Source: a coarse grid to skip empty space with is that of Mueller et al., Instant Neural Graphics
Primitives (2022), appendix E; its bounds and the tolerance are this project's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

# Points on the faces of the grid belong to it, whatever rounding says.
_FACE_TOLERANCE = 1e-5

# Halvings of the range (in logarithms) in which the least visible weight of a ray is searched: for
# 128 samples it is found to 8 percent.
_BISECTIONS = 6


@dataclass(frozen=True, eq=False)
class OccupancyGrid:
    """Bounds of the density of one field, which is empty outside the grid.

    Attributes:
        density_bounds: (2, Z, Y, X) least and greatest density, per world unit, in each of the
            cells into which [-1, 1]^3 of the normalized coordinates is cut.
        normalize: world points (..., 3) -> normalized coordinates x, y, z (..., 3).
    """

    density_bounds: Float[Tensor, "2 Z Y X"]
    normalize: Callable[[Tensor], Tensor]

    def bounds(
        self, points: Float[Tensor, "R S 3"]
    ) -> tuple[Float[Tensor, "R S"], Float[Tensor, "R S"]]:
        """Least and greatest density around points of the world frame; 0 outside the grid."""
        places = self.normalize(points)
        lower, upper = F.grid_sample(
            self.density_bounds[None],
            places[None, None].to(self.density_bounds.dtype),
            mode="nearest",
            padding_mode="border",
            align_corners=False,
        )[0, :, 0].to(points.dtype)
        inside = places.abs().amax(dim=-1) <= 1.0 + _FACE_TOLERANCE
        return lower * inside, upper * inside


def grid_from_lattice(
    density: Float[Tensor, "X Y Z"], normalize: Callable[[Tensor], Tensor], *, reach: int = 0
) -> OccupancyGrid:
    """Bounds of a field from its density at the corners of the cells.

    Args:
        density: (X + 1, Y + 1, Z + 1) at equal steps over [-1, 1]^3 of the normalized coordinates,
            both ends included, >= 0.
        normalize: world points -> normalized coordinates.
        reach: a cell's bounds are those of the corners of the cells up to so many steps away; 0
            suits fields that are smooth between corners.
    """
    corners = density.permute(2, 1, 0)[None].float()
    bounds = torch.cat([-corners, corners])
    for axis in range(3):  # the greatest of a box is that of its axes in turn
        window, padding = [1, 1, 1], [0, 0, 0]
        window[axis], padding[axis] = 2 + 2 * reach, reach
        bounds = F.max_pool3d(bounds, window, stride=1, padding=padding)
    return OccupancyGrid(torch.stack([-bounds[0], bounds[1]]), normalize)


def visible_samples(
    lower: Float[Tensor, "R S"],
    upper: Float[Tensor, "R S"],
    deltas: Float[Tensor, "R S"],
    *,
    tolerance: float,
) -> Bool[Tensor, "R S"]:
    """The samples of rays that matter: without the others no pixel changes by the tolerance.

    The weight of sample i in its pixel is at most T_i (1 - exp(-upper_i delta_i)), where T_i is the
    transmittance of the lower bounds in front of it. Taking a sample of weight w out of a ray
    replaces its color by that of what lies behind it, which changes the pixel by at most w; the
    samples of the least weights are taken out while their sum is within the tolerance.

    Args:
        lower: (R, S) lower bounds of density, front to back.
        upper: (R, S) upper bounds of density.
        deltas: (R, S) interval lengths.
        tolerance: change of color (of a range of 1) and opacity that is allowed, > 0.
    """
    least = lower * deltas
    weights = torch.exp(least - least.cumsum(dim=-1)) * -torch.expm1(-upper * deltas)
    # S samples of tolerance / S may always go, one of more than the tolerance never
    low = torch.full_like(weights[:, :1], tolerance / weights.shape[-1])
    high = torch.full_like(low, tolerance)
    for _ in range(_BISECTIONS):
        middle = (low * high).sqrt()
        missed = torch.where(weights <= middle, weights, 0.0).sum(dim=-1, keepdim=True)
        within = missed <= tolerance
        low, high = torch.where(within, middle, low), torch.where(within, high, middle)
    return weights > low
