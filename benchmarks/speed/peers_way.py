"""How TripoSR and OpenLRM extract a surface: the reference that our way is measured against.

Every point of the grid is read from the three planes by `grid_sample` and goes through the whole
MLP, 8,192 points at a time; marching cubes runs once over the dense grid. It shares no code with
`lrm_core.reconstruction`, which makes it an independent check of the surface too.

Two things are kinder to the reference than the originals are: no activation is computed (the grid
holds raw densities, as ours does), and TripoSR's points are not copied from the CPU every time.
"""

from __future__ import annotations

import mcubes
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.ray_layers import DEEPEST, LEAST_HALF
from lrm_core.structures.triplane import Triplane

CHUNK = 8192
"""Points per pass: TripoSR's `chunk_size`."""

_AXES = {"x": 0, "y": 1, "z": 2}


@torch.inference_mode()
def query_grid(field: TriplaneField, resolution: int) -> Float[np.ndarray, "N N N"]:
    """Raw density at every point of the grid over the planes' region.

    Args:
        field: one object.
        resolution: grid points per axis.
    """
    triplane = field.triplane
    device = triplane.planes.device
    line = torch.linspace(-1.0, 1.0, resolution, device=device)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1).view(-1, 3)
    densities = [_raw_density(field, part) for part in grid.split(CHUNK)]
    return torch.cat(densities).view((resolution,) * 3).cpu().numpy()


def _raw_density(field: TriplaneField, points: Tensor) -> Tensor:
    """Raw density of points (P, 3) in [-1, 1]^3."""
    triplane = field.triplane
    pairs = torch.stack([_pick(points, axes) for axes in triplane.axes])  # (3, P, 2)
    sampled = F.grid_sample(
        triplane.planes[0], pairs[:, None], mode="bilinear", align_corners=False
    )  # (3, C, 1, P)
    features = sampled[:, :, 0].permute(2, 0, 1).flatten(1)
    density = field.nerf_mlp(features)[:, 3]
    if triplane.rays is not None:  # which the peers lack: see `RayLayers.density`
        maps = F.grid_sample(
            triplane.rays.maps[:, :3],
            _pick(points, triplane.axes[1])[None, None],
            padding_mode="border",
            align_corners=False,
        )
        first, last, edge = maps[0, :, 0]
        y = points[:, 1] * triplane.extent
        middle, half = (first + last) / 2, ((last - first) / 2).clamp(min=LEAST_HALF)
        distance = torch.minimum(half - (y - middle).abs(), edge)
        density = density + (triplane.rays.steepness * distance).clamp(max=DEEPEST)
    return density


def _pick(points: Tensor, axes: tuple[str, str]) -> Tensor:
    """Two signed coordinates of points (P, 3), such as ("-y", "x"): (P, 2)."""
    columns = [points[:, _AXES[axis[-1]]] * (-1.0 if axis[0] == "-" else 1.0) for axis in axes]
    return torch.stack(columns, dim=-1)


def march(
    density: Float[np.ndarray, "N N N"], level: float, triplane: Triplane
) -> tuple[Float[np.ndarray, "V 3"], np.ndarray]:
    """One marching cubes over the dense grid.

    Args:
        density: raw density at every grid point.
        level: raw density of the surface.
        triplane: maps grid coordinates to the world.

    Returns:
        vertices (V, 3) in the world frame and faces (F, 3).
    """
    vertices, faces = mcubes.marching_cubes(density, level)
    normalized = torch.from_numpy(vertices * (2.0 / (len(density) - 1)) - 1.0)
    return triplane.denormalize(normalized).numpy().astype(np.float32), faces.astype(np.int32)


def largest_gap(
    ours: Float[np.ndarray, "V 3"],
    theirs: Float[np.ndarray, "W 3"],
    triplane: Triplane,
    resolution: int,
) -> float:
    """The largest distance from a vertex of either surface to the other's nearest, in cells.

    Args:
        ours: (V, 3) in the world frame.
        theirs: (W, 3) in the world frame.
        triplane: both come from.
        resolution: grid points per axis.
    """
    cells = [
        triplane.normalize(torch.from_numpy(vertices).double()).numpy() * (resolution - 1) / 2.0
        for vertices in (ours, theirs)
    ]
    there = cKDTree(cells[1]).query(cells[0])[0].max()
    back = cKDTree(cells[0]).query(cells[1])[0].max()
    return float(max(there, back))
