"""Making the field agree with what the photo shows for certain: its silhouette (lrm-mini).

A pixel of the object is covered exactly when some point along its ray is solid. Where the network
is unsure how deep a thin part lies, no point may pass the threshold, and the part is lost; outside
the silhouette nothing may pass it. With planes in the camera's perspective (`Frustum`) every ray is
a column, so one offset for a whole column mends both without moving the place where the network
thinks the surface is. Nothing is learned here: the offset is zero where the field agrees.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.structures.triplane import LRM_PLANES, PlaneAxes, Triplane, sample_planes

DENSITY = 3  # position of the density in the NeRF MLP's output

_DEPTHS = 60
# matter at the ends of the cube explains any silhouette: objects are centred (as in training)
_REACH = 0.8
_POINTS_AT_ONCE = 2**16


@torch.no_grad()
def ray_offsets(
    planes: Float[Tensor, "B 3 D S S"],
    alpha: Float[Tensor, "B 1 H W"],
    nerf_mlp: NerfMLP,
    *,
    level: float,
    margin: float,
    axes: PlaneAxes = LRM_PLANES,
) -> Float[Tensor, "B S S"]:
    """What to add to the raw density along each ray of the photo.

    Args:
        planes: planes in the camera's perspective, rows of the second upward along z.
        alpha: the photo's coverage in [0, 1]; at least one half is the object.
        nerf_mlp: reads the planes.
        level: raw density of the surface.
        margin: by how much the densest point of a ray must exceed the level inside the silhouette,
            and stay below it outside.
        axes: of the planes.

    Returns:
        (B, S, S) for the second plane, rows upward like its own; zero where the field agrees.
    """
    size = planes.shape[-1]
    line = (torch.arange(size, device=planes.device) + 0.5) / size * 2.0 - 1.0
    steps = (torch.arange(_DEPTHS, device=planes.device) + 0.5) / _DEPTHS * 2.0 - 1.0
    z, x, y = torch.meshgrid(line, line, steps, indexing="ij")
    points = torch.stack([x, y, z], dim=-1).view(-1, 3)
    triplane = Triplane(planes, axes=axes)  # points are in the planes' own coordinates
    dtype = next(nerf_mlp.parameters()).dtype
    raw = torch.cat(
        [
            nerf_mlp(sample_planes(triplane, part.expand(len(planes), -1, -1)).to(dtype))[
                ..., DENSITY
            ].float()
            for part in torch.split(points, _POINTS_AT_ONCE)
        ],
        dim=1,
    )
    raw = raw.view(len(planes), size, size, _DEPTHS) - level
    covered = F.interpolate(alpha.float(), size=(size, size), mode="area")[:, 0].flip(-2) >= 0.5
    lift = (margin - raw[..., steps.abs() < _REACH].amax(dim=-1)).clamp_min(0.0)
    carve = (-margin - raw.amax(dim=-1)).clamp_max(0.0)
    return torch.where(covered, lift, carve)
