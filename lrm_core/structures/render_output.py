"""What a renderer returns, whether it rendered a radiance field or a mesh."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class RenderOutput:
    """N views of H x W pixels.

    Attributes:
        rgb: (N, H, W, 3) sRGB in [0, 1], composited on the background.
        opacity: (N, H, W) in [0, 1].
        depth: (N, H, W) distance along the camera's viewing axis in world units; infinity where
            nothing was hit.
        normals: (N, H, W, 3) unit normals in the world frame, zero where nothing was hit; None
            where they were not requested.
    """

    rgb: Float[Tensor, "N H W 3"]
    opacity: Float[Tensor, "N H W"]
    depth: Float[Tensor, "N H W"]
    normals: Float[Tensor, "N H W 3"] | None = None
