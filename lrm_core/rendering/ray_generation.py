"""Pixels to rays: the inverse of `Cameras.project` (docs/conventions.md, "Pixels and rays")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lrm_core.structures.cameras import Cameras
from lrm_core.structures.rays import RayBundle


def generate_rays(cameras: Cameras) -> RayBundle:
    """One ray through the center of every pixel of every camera.

    Args:
        cameras: N cameras of H x W pixels.

    Returns:
        N * H * W rays: view by view, each view row by row from the top left.
    """
    device = cameras.c2w.device
    rows, columns = torch.meshgrid(
        torch.arange(cameras.height, device=device),
        torch.arange(cameras.width, device=device),
        indexing="ij",
    )
    pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5
    view_indices = torch.arange(len(cameras), device=device).repeat_interleave(len(pixels))
    return generate_rays_at(
        cameras, view_indices, pixels.to(cameras.c2w.dtype).repeat(len(cameras), 1)
    )


def generate_rays_at(
    cameras: Cameras, view_indices: Int[Tensor, "R"], pixels: Float[Tensor, "R 2"]
) -> RayBundle:
    """Rays through given pixels; training renders random crops this way.

    Args:
        cameras: N cameras.
        view_indices: (R,) which camera each ray belongs to.
        pixels: (R, 2) x (right) and y (down) in pixels; centers at +0.5, as `project` returns them.

    Returns:
        R rays that start at the camera centers.
    """
    c2w = cameras.c2w[view_indices]
    fx, fy, cx, cy = cameras.intrinsics[view_indices].unbind(-1)
    x, y = pixels.unbind(-1)
    local = torch.stack([(x - cx) / fx, -(y - cy) / fy, -torch.ones_like(x)], dim=-1)
    directions = torch.einsum("rij,rj->ri", c2w[:, :3, :3], local)
    return RayBundle(c2w[:, :3, 3], F.normalize(directions, dim=-1))
