"""The radiance field of one object: a triplane and the MLP that reads it.

This is what renderers and surface extraction call; they know no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.models.nerf_mlp import NerfMLP, points_per_pass
from lrm_core.structures.triplane import Triplane, raw_from_rays, sample_planes

RAW_DENSITY_OUTSIDE = -1e4
"""Raw density of points outside the planes' region: zero after any activation, and finite, so that
renderers may average it with a neighbor's (which then counts as outside too, as in OpenLRM)."""

# Points on the faces of the region belong to it, whatever rounding says.
FACE_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class TriplaneField:
    """Density and color at any point of the world.

    The planes are zero outside their region, but the MLP of zero features is not: such points get
    density 0 here. TripoSR never asks outside its cube, OpenLRM masks such samples likewise.

    Attributes:
        triplane: features of one object (B = 1).
        nerf_mlp: reads the features.
        is_fast: whether `fold` has nothing to make faster.
    """

    is_fast: ClassVar[bool] = False

    triplane: Triplane
    nerf_mlp: NerfMLP

    def __post_init__(self) -> None:
        if len(self.triplane) != 1:
            raise ValueError(f"a field has one object, the triplane has {len(self.triplane)}")

    def raw(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P 4"]:
        """Raw r, g, b, density at points (P, 3) of the world frame, before activation."""
        passes = torch.split(points, points_per_pass(points.device))
        return torch.cat([self._raw(part) for part in passes])

    def __call__(
        self, points: Float[Tensor, "P 3"]
    ) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """Density (P,) per world unit and rgb (P, 3) at points (P, 3) of the world frame."""
        return self.activate(self.raw(points))

    def activate(
        self, raw: Float[Tensor, "P 4"]
    ) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """Density (P,) and rgb (P, 3) of raw values (P, 4), which renderers may average first."""
        return self.nerf_mlp.activate(raw)

    def _raw(self, points: Tensor) -> Tensor:
        raw = self._mlp_output(points)
        coordinates = self.triplane.normalize(points)
        if self.triplane.rays is not None:
            raw = raw + raw_from_rays(self.triplane, coordinates[None])[0]
        inside = coordinates.abs().amax(dim=-1) <= 1.0 + FACE_TOLERANCE
        density = torch.where(inside, raw[:, 3], RAW_DENSITY_OUTSIDE)
        return torch.cat([raw[:, :3], density[:, None]], dim=-1)

    def _mlp_output(self, points: Tensor) -> Tensor:
        """(P, 3) -> (P, 4), whether inside the region or not."""
        features = sample_planes(self.triplane, points[None])[0]
        raw: Tensor = self.nerf_mlp(features.to(next(self.nerf_mlp.parameters()).dtype))
        return raw.float()
