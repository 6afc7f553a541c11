"""Making the field agree with what the photo shows for certain: its silhouette (lrm-mini).

A pixel of the object is covered exactly when some point along its ray is solid. Where the network
is unsure how deep a thin part lies, no point may pass the threshold, and the part is lost; outside
the silhouette nothing may pass it. With planes in the camera's perspective (`Frustum`) every ray is
a column, so one offset for a whole column mends both without moving the place where the network
thinks the surface is. Nothing is learned here: the offset is zero where the field agrees.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.models.nerf_mlp import DENSITY, NerfMLP

_DEPTHS = 60
# matter at the ends of the cube explains any silhouette: objects are centred (as in training)
_REACH = 0.8
_ROWS_AT_ONCE = 32  # of the photo; one on a CPU, whose cache holds that much


@torch.no_grad()
def ray_offsets(
    planes: Float[Tensor, "B 3 D S S"],
    alpha: Float[Tensor, "B 1 H W"],
    nerf_mlp: NerfMLP,
    *,
    level: float,
    margin: float,
) -> Float[Tensor, "B S S"]:
    """What to add to the raw density along each ray of the photo.

    Args:
        planes: planes in the camera's perspective, spanned by (x, y), (x, z), (y, z).
        alpha: the photo's coverage in [0, 1]; at least one half is the object.
        nerf_mlp: reads the planes.
        level: raw density of the surface.
        margin: by how much the densest point of a ray must exceed the level inside the silhouette,
            and stay below it outside.

    Returns:
        (B, S, S) for the second plane, rows upward like its own; zero where the field agrees.
    """
    size = planes.shape[-1]
    steps = (torch.arange(_DEPTHS, device=planes.device) + 0.5) / _DEPTHS * 2.0 - 1.0
    raw = _along_rays(planes, nerf_mlp) - level
    lift = (margin - raw[..., steps.abs() < _REACH].amax(dim=-1)).clamp_min(0.0)
    carve = (-margin - raw.amax(dim=-1)).clamp_max(0.0)
    covered = F.interpolate(alpha.float(), size=(size, size), mode="area")[:, 0].flip(-2) >= 0.5
    return torch.where(covered, lift, carve)


def _along_rays(planes: Float[Tensor, "B 3 D S S"], nerf_mlp: NerfMLP) -> Float[Tensor, "B S S K"]:
    """Raw density at K depths along the ray through each texel (row, column) of the second plane.

    The points form a lattice that meets that plane in its texels, so that the first layer of the
    MLP is a sum of three small tables, and nothing has to be gathered.
    """
    first, *rest = (layer for layer in nerf_mlp.linears if isinstance(layer, nn.Linear))
    size = planes.shape[-1]
    weights = torch.split(first.weight.float(), planes.shape[2], dim=1)
    xy, xz, yz = (
        torch.einsum("fd,bdhw->bhwf", weight, planes[:, plane].float())
        for plane, weight in enumerate(weights)
    )
    xy = _resized(xy, (_DEPTHS, size)) + first.bias.float()  # rows of x-y are y
    yz = _resized(yz, (size, _DEPTHS))  # columns of y-z are y
    # features side by side, or every layer below would copy its input into that order
    xy, xz, yz = xy.transpose(1, 2).contiguous(), xz.contiguous(), yz.contiguous()
    activation = F.relu if nerf_mlp.config.activation == "relu" else F.silu
    layers = [(linear.weight.float(), linear.bias.float()) for linear in rest]
    last_weight, last_bias = layers.pop()
    density = (last_weight[DENSITY:], last_bias[DENSITY:])
    rows = 1 if planes.device.type == "cpu" else math.gcd(size, _ROWS_AT_ONCE)
    # two buffers for all activations: fresh memory costs more than what is computed in it
    hidden = xz.new_empty(len(xz), rows, size, _DEPTHS, len(first.weight))
    spare = torch.empty_like(hidden)
    raw = []
    for z in range(0, size, rows):
        part = slice(z, z + rows)
        torch.add(xz[:, part, :, None], xy[:, None], out=hidden).add_(yz[:, part, None])
        for weight, bias in layers:
            points = activation(hidden, inplace=True).flatten(0, -2)
            torch.addmm(bias, points, weight.t(), out=spare.flatten(0, -2))
            hidden, spare = spare, hidden
        raw.append(F.linear(activation(hidden, inplace=True), *density)[..., 0])
    return torch.cat(raw, dim=1)


def _resized(table: Float[Tensor, "B H W F"], size: tuple[int, int]) -> Float[Tensor, "B h w F"]:
    """Bilinear samples at equally spaced positions."""
    channels_first = table.permute(0, 3, 1, 2)
    sampled = F.interpolate(channels_first, size=size, mode="bilinear", align_corners=False)
    return sampled.permute(0, 2, 3, 1)
