"""Density of a radiance field on a regular grid: where the surface passes, and the values there.

The grid covers the normalised coordinates of the triplane, [-1, 1]^3, with `resolution` points per
axis. Two observations make this fast (they are exact but for float rounding):

* The first layer of the NeRF MLP is linear, and so is bilinear interpolation. Folded into the
  planes and resampled once, the layer's output at grid point (i, j, k) is XY[i, j] + XZ[i, k] +
  YZ[j, k]; the border's zero padding passes through a linear map as zero.
* Only points near the surface matter. `sparse_density` looks at every fourth point, refines the
  blocks between points of different sign and grows along the surface until it is closed;
  `dense_density` evaluates every point and is the reference.

Both return the same thing: the blocks of 4 x 4 x 4 cells that the surface crosses. Outside the
grid lies one layer of minus infinity, so that objects are closed where they touch the box.

Values are raw densities (before the activation) above the level: the field is near linear there,
while exp or softplus of it would pull interpolated surfaces outwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int
from torch import Tensor, nn

from lrm_core.config import FieldConfig
from lrm_core.errors import CheckpointError, ConfigError, EmptySurfaceError
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.triplane import Triplane, sample_ray_offsets, signed_axis

BLOCK_CELLS = 4
"""Cells along each side of a block; also the stride of the coarse look."""

# Points per pass through the MLP: the activations of a pass stay in the processor's cache.
_CHUNK = {"cpu": 2**13, "cuda": 2**20}

_CORNERS = tuple(product((0, 1), repeat=3))


@dataclass(frozen=True)
class SurfaceBlocks:
    """The blocks of cells that the surface crosses.

    Attributes:
        resolution: grid points per axis.
        corners: (M, 3) grid indices of the first point of each block; -1 is the layer before the
            grid.
        values: (M, 5, 5, 5) raw density minus its level, positive inside, minus infinity outside
            the grid. Blocks that share a point hold the same value.
        num_evaluated: grid points at which the field was evaluated.
    """

    resolution: int
    corners: Int[np.ndarray, "M 3"]
    values: Float32[np.ndarray, "M 5 5 5"]
    num_evaluated: int


def raw_density_level(iso_level: float, config: FieldConfig) -> float:
    """The raw density whose activated density is `iso_level`.

    Raises:
        ConfigError: the level is not positive and finite.
    """
    if not (iso_level > 0 and math.isfinite(iso_level)):
        raise ConfigError(f"the iso level must be a positive density, got {iso_level}")
    if config.density_activation == "exp":
        return math.log(iso_level) - config.density_bias
    # log(e^s - 1), written so that large s does not overflow
    return iso_level + math.log(-math.expm1(-iso_level)) - config.density_bias


@dataclass(frozen=True, eq=False)
class GridQuery:
    """Raw density at grid points, by way of the folded first layer.

    Attributes:
        tables: the first layer's output from the planes spanned by the axes (x, y), (x, z) and
            (y, z), each (N, N, width); the bias is in the first.
        layers: weight and bias of the other layers; of the last only the density's row.
        activation: between layers.
        offsets: (N, N) over the axes (x, z), added to the raw density; or None.
    """

    tables: tuple[Tensor, Tensor, Tensor]
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: Callable[..., Tensor]
    offsets: Tensor | None = None

    @property
    def resolution(self) -> int:
        """Grid points per axis."""
        return self.tables[0].shape[0]

    @torch.inference_mode()
    def lattice(
        self, i: Int[np.ndarray, "I"], j: Int[np.ndarray, "J"], k: Int[np.ndarray, "K"]
    ) -> Float32[np.ndarray, "I J K"]:
        """Raw density (I, J, K) at all combinations of grid indices."""
        xy, xz, yz = self.tables
        xy, xz, yz = xy[i][:, j], xz[i][:, k], yz[j][:, k]
        rows = max(1, self._chunk // len(k)) if len(k) else 1
        raw = torch.empty(len(i), len(j), len(k))
        for a in range(len(i)):
            for start in range(0, len(j), rows):
                part = slice(start, start + rows)
                hidden = xy[a, part, None] + xz[a] + yz[part]  # (rows, K, width)
                raw[a, part] = self._density(hidden.flatten(0, 1)).view(hidden.shape[:2])
        if self.offsets is not None:
            raw += self.offsets[i][:, k].to(raw.device)[:, None]
        return _finite(raw)

    @torch.inference_mode()
    def points(self, indices: Int[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P"]:
        """Raw density (P,) at grid points (P, 3)."""
        xy, xz, yz = (table.flatten(0, 1) for table in self.tables)
        i, j, k = torch.from_numpy(indices).to(xy.device).unbind(-1)
        ij, ik, jk = (a * self.resolution + b for a, b in ((i, j), (i, k), (j, k)))
        raw = torch.empty(len(indices))
        for start in range(0, len(indices), self._chunk):
            part = slice(start, start + self._chunk)
            hidden = xy[ij[part]].add_(xz[ik[part]]).add_(yz[jk[part]])
            raw[part] = self._density(hidden)
        if self.offsets is not None:
            raw += self.offsets.flatten()[ik].to(raw.device)
        return _finite(raw)

    def _density(self, hidden: Tensor) -> Tensor:
        """Output of the first layer (P, width), overwritten -> raw density (P,)."""
        for weight, bias in self.layers:
            hidden = F.linear(self.activation(hidden, inplace=True), weight, bias)
        return hidden[:, 0]

    @property
    def _chunk(self) -> int:
        return _CHUNK.get(self.tables[0].device.type, _CHUNK["cpu"])


@torch.inference_mode()
def grid_query(field: TriplaneField, resolution: int) -> GridQuery:
    """Fold the first layer of the field's MLP into its planes and resample them to the grid.

    Args:
        field: one object.
        resolution: grid points per axis, N >= 2.
    """
    triplane, config = field.triplane, field.nerf_mlp.config
    first, *rest = (
        (linear.weight.float(), linear.bias.float())
        for linear in field.nerf_mlp.linears
        if isinstance(linear, nn.Linear)
    )
    planes = triplane.planes[0].float()
    line = torch.linspace(-1.0, 1.0, resolution, device=planes.device)
    tables = {
        pair: torch.zeros(resolution, resolution, config.width, device=planes.device)
        for pair in ((0, 1), (0, 2), (1, 2))
    }
    tables[0, 1] += first[1]
    weights = torch.split(first[0], planes.shape[1], dim=1)  # per plane (width, C)
    for plane, weight, axes in zip(planes, weights, triplane.axes, strict=True):
        folded = torch.einsum("fc,chw->fhw", weight, plane)
        (a, sign_a), (b, sign_b) = map(signed_axis, axes)
        grid = torch.stack(torch.meshgrid(line * sign_a, line * sign_b, indexing="ij"), dim=-1)
        sampled = F.grid_sample(  # (width, a, b)
            folded[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=False
        )[0]
        if a > b:
            sampled = sampled.transpose(1, 2)
        tables[min(a, b), max(a, b)] += sampled.permute(1, 2, 0)

    offsets: Tensor | None = None
    if triplane.ray_offsets is not None:
        x, z = torch.meshgrid(line, line, indexing="ij")
        points = torch.stack([x, torch.zeros_like(x), z], dim=-1).view(1, -1, 3)
        in_cube = Triplane(triplane.planes, axes=triplane.axes, ray_offsets=triplane.ray_offsets)
        offsets = sample_ray_offsets(in_cube, points).view(resolution, resolution)

    last_weight, last_bias = rest.pop()
    density = (last_weight[3:], last_bias[3:])
    return GridQuery(
        (tables[0, 1], tables[0, 2], tables[1, 2]),
        (*rest, density),
        F.relu if config.activation == "relu" else F.silu,
        offsets,
    )


def dense_density(field: TriplaneField, resolution: int, iso_level: float) -> SurfaceBlocks:
    """Evaluate every grid point, slab by slab: the reference of `sparse_density`.

    Args:
        field: one object.
        resolution: grid points per axis.
        iso_level: density of the surface.

    Raises:
        EmptySurfaceError: no grid point is denser than the level.
        ConfigError: the level is not a positive density.
        CheckpointError: the field has densities that are not finite.
    """
    level = raw_density_level(iso_level, field.nerf_mlp.config)
    query = grid_query(field, resolution)
    num_blocks = _num_blocks(resolution)
    side = num_blocks * BLOCK_CELLS + 1
    grid = slice(1, 1 + resolution)
    every = np.arange(resolution)
    corners, values, highest = [], [], -math.inf
    slab = np.full((BLOCK_CELLS + 1, side, side), -np.inf, dtype=np.float32)
    for layer in range(num_blocks):
        # neighbouring slabs share a plane
        slab[0], slab[1:] = slab[-1].copy(), -np.inf
        planes = every[layer * BLOCK_CELLS : (layer + 1) * BLOCK_CELLS]
        raw = query.lattice(planes, every, every)
        highest = max(highest, float(raw.max(initial=-math.inf)))
        slab[1 : 1 + len(planes), grid, grid] = raw - np.float32(level)
        blocks = np.lib.stride_tricks.sliding_window_view(slab, slab.shape[:1] * 2, axis=(1, 2))
        blocks = np.moveaxis(blocks[:, ::BLOCK_CELLS, ::BLOCK_CELLS], 0, 2)  # (J, K, 5, 5, 5)
        j, k = np.nonzero(_crossed(blocks))
        corners.append(np.stack([np.full_like(j, layer), j, k], axis=-1))
        values.append(blocks[j, k])
    if not sum(map(len, corners)):
        raise _empty_surface(field.nerf_mlp, highest, iso_level)
    return SurfaceBlocks(
        resolution,
        np.concatenate(corners) * BLOCK_CELLS - 1,
        np.concatenate(values),
        num_evaluated=resolution**3,
    )


def sparse_density(field: TriplaneField, resolution: int, iso_level: float) -> SurfaceBlocks:
    """Evaluate the grid only near the surface.

    A component of the surface is found if it separates two coarse points (every fourth along each
    axis) or passes through a block next to such a place; what is found is complete.

    Args:
        field: one object.
        resolution: grid points per axis.
        iso_level: density of the surface.

    Raises:
        EmptySurfaceError: no coarse point is denser than the level.
        ConfigError: the level is not a positive density.
        CheckpointError: the field has densities that are not finite.
    """
    level = raw_density_level(iso_level, field.nerf_mlp.config)
    query = grid_query(field, resolution)
    num_blocks = _num_blocks(resolution)
    coarse = np.arange(BLOCK_CELLS - 1, resolution, BLOCK_CELLS)
    raw = query.lattice(coarse, coarse, coarse)
    inside = np.zeros((num_blocks + 1,) * 3, dtype=bool)
    inside[tuple(slice(1, 1 + n) for n in raw.shape)] = raw > level
    if not inside.any():
        raise _empty_surface(field.nerf_mlp, float(raw.max(initial=-math.inf)), iso_level)

    points = _PointStore(query, level, num_blocks)
    active = _with_neighbours(_mixed(inside))
    new = active.copy()
    while new.any():
        blocks = np.argwhere(new)
        points.evaluate(blocks)
        new = _across_open_faces(blocks, points.values(blocks), num_blocks) & ~active
        active |= new
    blocks = np.argwhere(active)
    values = points.values(blocks)
    crossed = _crossed(values)
    return SurfaceBlocks(
        resolution,
        blocks[crossed] * BLOCK_CELLS - 1,
        values[crossed],
        num_evaluated=raw.size + points.num_evaluated,
    )


class _PointStore:
    """Values of the grid points of some blocks, each evaluated once.

    A block owns its first 4 x 4 x 4 points and borrows the rest of its 5 x 5 x 5 from the blocks
    after it.

    Args:
        query: evaluates points.
        level: raw density subtracted from every value.
        num_blocks: blocks per axis.
    """

    def __init__(self, query: GridQuery, level: float, num_blocks: int) -> None:
        self._query = query
        self._level = np.float32(level)
        self._slots = np.full((num_blocks + 1,) * 3, -1, dtype=np.int32)
        self._owned = np.empty((0, BLOCK_CELLS, BLOCK_CELLS, BLOCK_CELLS), dtype=np.float32)
        self._owners = np.empty((0, 3), dtype=np.int64)
        self.num_evaluated = 0

    def evaluate(self, blocks: Int[np.ndarray, "M 3"]) -> None:
        """Evaluate the points of blocks (M, 3) that are not known yet."""
        touched = np.zeros(self._slots.shape, dtype=bool)
        for offset in _CORNERS:
            touched[tuple((blocks + offset).T)] = True
        added = np.argwhere(touched & (self._slots < 0))
        self._slots[tuple(added.T)] = np.arange(len(added)) + len(self._owned)
        self._owners = np.concatenate([self._owners, added])
        unknown = np.full((len(added), *self._owned.shape[1:]), np.nan, dtype=np.float32)
        self._owned = np.concatenate([self._owned, unknown])

        wanted = np.zeros(self._owned.shape, dtype=bool)
        for offset in _CORNERS:
            wanted[self._slots[tuple((blocks + offset).T)], *_borrowed(offset)] = True
        slots, *local = np.nonzero(wanted & np.isnan(self._owned))
        indices = self._owners[slots] * BLOCK_CELLS + np.stack(local, axis=-1) - 1
        in_grid = ((indices >= 0) & (indices < self._query.resolution)).all(axis=-1)
        values = np.full(len(indices), -np.inf, dtype=np.float32)
        values[in_grid] = self._query.points(indices[in_grid]) - self._level
        self._owned[slots, *local] = values
        self.num_evaluated += int(in_grid.sum())

    def values(self, blocks: Int[np.ndarray, "M 3"]) -> Float32[np.ndarray, "M 5 5 5"]:
        """All points of evaluated blocks (M, 3)."""
        values = np.empty((len(blocks), *(BLOCK_CELLS + 1,) * 3), dtype=np.float32)
        for offset in _CORNERS:
            target = tuple(slice(-1, None) if o else slice(0, BLOCK_CELLS) for o in offset)
            slots = self._slots[tuple((blocks + offset).T)]
            values[:, *target] = self._owned[slots, *_borrowed(offset)]
        return values


def _borrowed(offset: tuple[int, ...]) -> tuple[slice, ...]:
    """Which owned points of the block at `offset` a block needs."""
    return tuple(slice(0, 1) if o else slice(None) for o in offset)


def _num_blocks(resolution: int) -> int:
    """Blocks per axis that cover the grid and a layer outside on each side."""
    return -(-(resolution + 1) // BLOCK_CELLS)


def _crossed(values: Float32[np.ndarray, "*M 5 5 5"]) -> Bool[np.ndarray, "*M"]:
    """Whether blocks have points on both sides of the surface."""
    return _differ((values > 0).reshape(*values.shape[:-3], -1))


def _mixed(inside: Bool[np.ndarray, "I J K"]) -> Bool[np.ndarray, "I-1 J-1 K-1"]:
    """Whether the eight corners of each cell of a lattice differ."""
    corners = [inside[tuple(slice(o, o - 1 or None) for o in offset)] for offset in _CORNERS]
    return _differ(np.stack(corners, axis=-1))


def _differ(inside: Bool[np.ndarray, "*M N"]) -> Bool[np.ndarray, "*M"]:
    """Whether the last axis holds both true and false."""
    differ: Bool[np.ndarray, "*M"] = np.logical_or.reduce(inside, axis=-1)
    differ &= ~np.logical_and.reduce(inside, axis=-1)
    return differ


def _with_neighbours(blocks: Bool[np.ndarray, "I J K"]) -> Bool[np.ndarray, "I J K"]:
    """Blocks and the blocks that share a face with them."""
    grown = blocks.copy()
    for axis in range(3):
        here, there = np.moveaxis(grown, axis, 0), np.moveaxis(blocks, axis, 0)
        here[1:] |= there[:-1]
        here[:-1] |= there[1:]
    return grown


def _across_open_faces(
    blocks: Int[np.ndarray, "M 3"], values: Float32[np.ndarray, "M 5 5 5"], num_blocks: int
) -> Bool[np.ndarray, "I J K"]:
    """The neighbours of blocks (M, 3) on the other side of the faces that the surface crosses."""
    inside = values > 0
    found = np.zeros((num_blocks,) * 3, dtype=bool)
    for axis in range(3):
        for side, step in ((0, -1), (-1, 1)):
            face = inside.take(side, axis=axis + 1).reshape(len(blocks), -1)
            neighbours = blocks[_differ(face)]
            neighbours[:, axis] += step
            # points outside the grid are outside the object: no face out there is crossed
            found[tuple(neighbours.T)] = True
    return found


def _finite(raw: Tensor) -> Float32[np.ndarray, "*P"]:
    if not raw.isfinite().all():
        raise CheckpointError(
            "the radiance field has densities that are not finite numbers",
            hint="the weights are damaged or overflow: try --dtype float32",
        )
    return raw.numpy()


def _empty_surface(nerf_mlp: NerfMLP, highest: float, iso_level: float) -> EmptySurfaceError:
    density, _ = nerf_mlp.activate(torch.full((1, 4), highest))
    return EmptySurfaceError(
        f"the radiance field has no surface at density {iso_level:g}: it reaches {density[0]:.3g}",
        hint="lower --iso-level, look for thin parts with --exact, or try another photo",
    )
