"""Bundles of rays."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class RayBundle:
    """R rays in the world frame.

    Attributes:
        origins: (R, 3).
        directions: (R, 3), unit length, so that distances along a ray are metric.
    """

    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]

    def __len__(self) -> int:
        return self.origins.shape[0]
