"""Where the surface of a radiance field passes on a regular grid, and the densities there.

The grid is that of `grid_query`. Both ways return the same thing, the blocks of 2 x 2 x 2 cells
that the surface crosses. `dense_density` evaluates every point and is the reference.
`sparse_density` evaluates what is near the surface: it looks at every fourth point along each axis;
where points of different sign meet, and one such cell further, at every second; then at every point
of the blocks between those of different sign; and from there it grows along the surface until it
is closed.

Outside the grid lies one layer of minus infinity, so that objects are closed where they touch the
box. Values are raw densities (before the activation) above the level: the field is near linear
there, while exp or softplus of it would pull interpolated surfaces outwards.

Everything stays on the field's device. Positions and blocks are counted with the outer layer: the
first point of the grid is (1, 1, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from lrm_core.errors import EmptySurfaceError
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.grid_query import DensityQuery, grid_query, raw_density_level
from lrm_core.reconstruction.stages import StageClock

BLOCK_CELLS = 2
"""Cells along each side of a block."""

# Cells along each side of a brick of blocks, the stride of the coarse look.
_BRICK_CELLS = 4

# Planes of points per pass of the dense reference.
_DENSE_PLANES = 16


@dataclass(frozen=True)
class SurfaceBlocks:
    """The blocks of cells that the surface crosses, sorted by corner.

    Attributes:
        resolution: grid points per axis.
        corners: (M, 3) grid indices of the first point of each block; -1 is the layer before the
            grid.
        values: (M, 3, 3, 3) raw density minus its level, positive inside, minus infinity outside
            the grid. Blocks that share a point hold the same value.
        num_evaluated: grid points at which the field was evaluated.
    """

    resolution: int
    corners: Int64[Tensor, "M 3"]
    values: Float32[Tensor, "M 3 3 3"]
    num_evaluated: int


def dense_density(
    field: TriplaneField, resolution: int, iso_level: float, *, clock: StageClock | None = None
) -> SurfaceBlocks:
    """Evaluate every grid point, slab by slab: the reference of `sparse_density`.

    Args:
        field: one object.
        resolution: grid points per axis.
        iso_level: density of the surface.
        clock: receives progress, and can stop the work between passes.

    Raises:
        EmptySurfaceError: no grid point is denser than the level.
        ConfigError: the level is not a positive density.
        CheckpointError: the field has densities that are not finite.
    """
    level = raw_density_level(iso_level, field.nerf_mlp.config)
    query = grid_query(field, resolution)
    clock = clock or StageClock()
    size = -(-(resolution + 1) // BLOCK_CELLS) * BLOCK_CELLS + 1
    every = torch.arange(resolution, device=query.device)
    corners, values, highest = [], [], -math.inf
    shared = torch.full((1, size, size), -torch.inf, device=query.device)
    for first in range(0, size - 1, _DENSE_PLANES):  # the slab's first point, with the outer layer
        slab = shared.new_full((min(_DENSE_PLANES, size - 1 - first), size, size), -torch.inf)
        planes = every[first : first + len(slab)]  # one further than the slab's first
        clock.between_passes(first / size)
        raw = query.lattice(planes, every, every, clock=clock)
        highest = max(highest, float(raw.max())) if raw.numel() else highest
        slab[: len(planes), 1 : 1 + resolution, 1 : 1 + resolution] = raw - level
        slab = torch.cat([shared, slab])
        shared = slab[-1:]
        blocks = slab.unfold(0, 3, 2).unfold(1, 3, 2).unfold(2, 3, 2)  # (I, J, K, 3, 3, 3)
        crossed = _differ((slab > 0).unfold(0, 3, 2).unfold(1, 3, 2).unfold(2, 3, 2), dims=3)
        place = crossed.nonzero()
        corners.append(place * BLOCK_CELLS + place.new_tensor([first, 0, 0]) - 1)
        values.append(blocks[crossed])
    found = torch.cat(values)
    if not len(found):
        raise _empty_surface(field.nerf_mlp, highest, iso_level)
    return SurfaceBlocks(resolution, torch.cat(corners), found, num_evaluated=resolution**3)


@torch.inference_mode()
def sparse_density(
    field: TriplaneField, resolution: int, iso_level: float, *, clock: StageClock | None = None
) -> SurfaceBlocks:
    """Evaluate the grid only near the surface.

    A component of the surface is found if it separates two coarse points (every fourth along each
    axis), or two of every second point in or beside a place where another does; what is found is
    complete. An object so thin that it passes between all coarse points is looked for at every
    point.

    Args:
        field: one object.
        resolution: grid points per axis.
        iso_level: density of the surface.
        clock: receives progress, and can stop the work between passes.

    Raises:
        EmptySurfaceError: no grid point is denser than the level.
        ConfigError: the level is not a positive density.
        CheckpointError: the field has densities that are not finite.
    """
    clock = clock or StageClock()
    level = raw_density_level(iso_level, field.nerf_mlp.config)
    query = grid_query(field, resolution)
    num_bricks = -(-(resolution + 1) // _BRICK_CELLS)
    coarse = torch.arange(_BRICK_CELLS - 1, resolution, _BRICK_CELLS, device=query.device)
    raw = query.lattice(coarse, coarse, coarse, clock=clock)
    # the first coarse point is _BRICK_CELLS after the outer layer
    known = F.pad(raw - level, (1, num_bricks - len(coarse)) * 3, value=-torch.inf)
    if not (known > 0).any():
        return dense_density(field, resolution, iso_level, clock=clock)
    store = _PointStore(query, level, known, clock)

    bricks = _with_neighbors(_differ(_windows(known > 0, 2), dims=3)).nonzero()
    inside = store.cubes(bricks * _BRICK_CELLS, step=BLOCK_CELLS) > 0
    place = _differ(_windows(inside, 2, first=1), dims=3).nonzero()  # brick, and block in it
    found = bricks[place[:, 0]] * (_BRICK_CELLS // BLOCK_CELLS) + place[:, 1:]

    num_blocks = num_bricks * _BRICK_CELLS // BLOCK_CELLS
    seen = torch.zeros(num_blocks**3, dtype=torch.bool, device=query.device)
    blocks, values = [], []
    while len(found):
        clock.between_passes()
        seen[_flat(found, num_blocks)] = True
        blocks.append(found)
        values.append(store.cubes(found * BLOCK_CELLS, step=1))
        beyond = _flat(_across_crossed_faces(found, values[-1] > 0), num_blocks)
        found = _unflat(torch.unique(beyond[~seen[beyond]]), num_blocks)
    corners = torch.cat(blocks)
    order = _flat(corners, num_blocks).argsort()
    return SurfaceBlocks(
        resolution,
        corners[order] * BLOCK_CELLS - 1,
        torch.cat(values)[order],
        num_evaluated=raw.numel() + store.num_evaluated,
    )


class _PointStore:
    """Densities above the level, each evaluated once: bricks of 4 x 4 x 4 points, made as needed.

    Args:
        query: evaluates points.
        level: raw density subtracted from every value.
        coarse: (B + 1, B + 1, B + 1) values of the first point of every brick, already known.
        clock: stops the work between passes.
    """

    def __init__(
        self, query: DensityQuery, level: float, coarse: Tensor, clock: StageClock
    ) -> None:
        self._query = query
        self._clock = clock
        self._level = level
        self._coarse = coarse.flatten()
        self._side = len(coarse)
        self._slots = torch.full_like(self._coarse, -1, dtype=torch.int32)
        self._bricks = torch.empty(0, dtype=torch.int64, device=coarse.device)
        self._values = torch.empty(0, device=coarse.device)
        self.num_evaluated = 0

    def cubes(self, first: Int64[Tensor, "M 3"], *, step: int) -> Float32[Tensor, "M 3 3 3"]:
        """Values of 3 x 3 x 3 points, `step` apart, from the points `first` on."""
        along = first[:, :, None] + step * torch.arange(3, device=first.device)  # (M, 3, 3)
        brick, local = (along // _BRICK_CELLS).int(), (along % _BRICK_CELLS).int()
        places = _outer_sum(brick, self._side)
        touched = torch.zeros_like(self._coarse, dtype=torch.bool)
        touched[places] = True
        self._add(touched.logical_and_(self._slots < 0).nonzero()[:, 0])
        places = self._slots[places] * _BRICK_CELLS**3 + _outer_sum(local, _BRICK_CELLS)

        wanted = torch.zeros_like(self._values, dtype=torch.bool)
        wanted[places] = True
        wanted &= self._values.isnan()
        self._evaluate(wanted.nonzero()[:, 0])
        return self._values[places]

    def _add(self, bricks: Tensor) -> None:
        """Make room for the points of bricks."""
        self._slots[bricks] = torch.arange(
            len(self._bricks), len(self._bricks) + len(bricks), device=bricks.device
        ).int()
        self._bricks = torch.cat([self._bricks, bricks])
        unknown = self._values.new_full((len(bricks), _BRICK_CELLS**3), torch.nan)
        unknown[:, 0] = self._coarse[bricks]
        self._values = torch.cat([self._values, unknown.flatten()])

    def _evaluate(self, places: Tensor) -> None:
        """Fill in values."""
        brick = _unflat(self._bricks[places // _BRICK_CELLS**3], self._side)
        points = brick * _BRICK_CELLS + _unflat(places % _BRICK_CELLS**3, _BRICK_CELLS) - 1
        in_grid = ((points >= 0) & (points < self._query.resolution)).all(dim=1)
        self._values[places[~in_grid]] = -torch.inf
        points = points[in_grid]
        self._values[places[in_grid]] = self._query.points(points, clock=self._clock) - self._level
        self.num_evaluated += len(points)


def _flat(index: Tensor, side: int) -> Tensor:
    """Index (..., 3) into a cube -> into the same numbers in one row."""
    i, j, k = index.unbind(-1)
    return (i * side + j) * side + k


def _unflat(index: Tensor, side: int) -> Tensor:
    """Inverse of `_flat`: (...) -> (..., 3)."""
    return torch.stack([index // side**2, index // side % side, index % side], dim=-1)


def _outer_sum(index: Tensor, side: int) -> Tensor:
    """All combinations of indices (M, 3 axes, 3) as places in a cube's one row: (M, 3, 3, 3)."""
    i, j, k = (index * index.new_tensor([[side**2], [side], [1]])).unbind(1)
    return (i[:, :, None] + j[:, None])[..., None] + k[:, None, None]


def _windows(points: Bool[Tensor, "..."], size: int, *, first: int = 0) -> Tensor:
    """Windows along three dimensions from `first` on; their own dimensions come last."""
    for dim in range(first, first + 3):
        points = points.unfold(dim, size, 1)
    return points


def _differ(inside: Bool[Tensor, "..."], *, dims: int) -> Tensor:
    """Whether the last dimensions hold both true and false."""
    flat = inside.flatten(-dims)
    return flat.any(dim=-1) & ~flat.all(dim=-1)


def _with_neighbors(cells: Bool[Tensor, "I J K"]) -> Bool[Tensor, "I J K"]:
    """Cells and the cells that share a face with them."""
    grown = cells.clone()
    for axis in range(3):
        here, there = grown.movedim(axis, 0), cells.movedim(axis, 0)
        here[1:] |= there[:-1]
        here[:-1] |= there[1:]
    return grown


def _across_crossed_faces(
    blocks: Int64[Tensor, "M 3"], inside: Bool[Tensor, "M 3 3 3"]
) -> Int64[Tensor, "N 3"]:
    """The neighbors of blocks on the other side of every face that the surface crosses."""
    beyond = []
    for axis in range(3):
        for side, step in ((0, -1), (-1, 1)):
            # points outside the grid are outside the object: no face out there is crossed
            neighbors = blocks[_differ(inside.select(axis + 1, side), dims=2)]
            neighbors[:, axis] += step
            beyond.append(neighbors)
    return torch.cat(beyond)


def _empty_surface(nerf_mlp: NerfMLP, highest: float, iso_level: float) -> EmptySurfaceError:
    density, _ = nerf_mlp.activate(torch.full((1, 4), highest))
    return EmptySurfaceError(
        f"the radiance field has no surface at density {iso_level:g}: it reaches {density[0]:.3g}",
        hint="lower --iso-level, raise --resolution for thin objects, or try another photo",
    )
