"""Raw density at the points of a regular grid, without sampling the planes at every point.

The grid covers the normalized coordinates of the triplane, [-1, 1]^3, with `resolution` points per
axis. The first layer of the NeRF MLP is linear, and so is bilinear interpolation. Folded into the
planes and resampled once, the layer's output at grid point (i, j, k) is XY[i, j] + XZ[i, k] +
YZ[j, k]; the border's zero padding passes through a linear map as zero. This is exact but for
float rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from lrm_core.config import FieldConfig
from lrm_core.errors import CheckpointError, ConfigError
from lrm_core.models.fused_field import FusedField
from lrm_core.models.nerf_mlp import DENSITY, points_per_pass
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.stages import StageClock
from lrm_core.structures.ray_layers import NUM_DENSITY_MAPS, RayLayers
from lrm_core.structures.triplane import ray_places, signed_axis


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
class GridRays:
    """The density of ray layers at grid points.

    Attributes:
        layers: what defines it.
        maps: (N, N, 3) the maps of density over the axes (x, z).
        depths: (N,) y of the grid points in world units.
    """

    layers: RayLayers
    maps: Tensor
    depths: Tensor


@dataclass(frozen=True, eq=False)
class GridQuery:
    """Raw density at grid points, by way of the folded first layer.

    Attributes:
        tables: the first layer's output from the planes spanned by the axes (x, y), (x, z) and
            (y, z), each (N, N, width); the bias is in the first.
        layers: weight and bias of the other layers; of the last only the density's row. Empty where
            that row is zero: the MLP then adds nothing anywhere.
        activation: between layers.
        rays: density that the MLP's is added to; or None.
    """

    tables: tuple[Tensor, Tensor, Tensor]
    layers: tuple[tuple[Tensor, Tensor], ...]
    activation: Callable[..., Tensor]
    rays: GridRays | None = None

    @property
    def resolution(self) -> int:
        """Grid points per axis."""
        return self.tables[0].shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tables lie and densities are returned."""
        return self.tables[0].device

    @torch.inference_mode()
    def lattice(
        self,
        i: Int64[Tensor, "I"],
        j: Int64[Tensor, "J"],
        k: Int64[Tensor, "K"],
        *,
        clock: StageClock | None = None,
    ) -> Float32[Tensor, "I J K"]:
        """Raw density (I, J, K) at all combinations of grid indices.

        Args:
            i: (I,) along x.
            j: (J,) along y.
            k: (K,) along z.
            clock: stops the work between passes.

        Raises:
            CheckpointError: a density is not finite.
        """
        raw = torch.zeros(len(i), len(j), len(k), device=self.device)
        if self.layers:
            self._add_lattice(raw, i, j, k, clock or StageClock())
        if self.rays is not None:
            maps = self.rays.maps[i][:, k][:, None]  # (I, 1, K, 3)
            raw += self.rays.layers.density(maps, self.rays.depths[j][:, None])
        return _finite(raw)

    def _add_lattice(self, raw: Tensor, i: Tensor, j: Tensor, k: Tensor, clock: StageClock) -> None:
        """Add the MLP's density."""
        xy, xz, yz = self.tables
        xy, xz, yz = xy[i][:, j], xz[i][:, k], yz[j][:, k]
        columns = max(1, points_per_pass(self.device) // len(k)) if len(k) else 1
        # several i where a whole layer of j and k is less than a pass
        layers = max(1, columns // len(j)) if len(j) else 1
        for a in range(0, len(i), layers):
            slab = slice(a, a + layers)
            for b in range(0, len(j), columns):
                clock.between_passes()
                part = slice(b, b + columns)
                hidden = xz[slab, None] + yz[part]  # (layers, columns, K, width)
                hidden += xy[slab, part, None]
                raw[slab, part] = self._density(hidden.flatten(0, 2)).view(hidden.shape[:3])

    @torch.inference_mode()
    def points(
        self, indices: Int64[Tensor, "P 3"], *, clock: StageClock | None = None
    ) -> Float32[Tensor, "P"]:
        """Raw density (P,) at grid points (P, 3).

        Args:
            indices: (P, 3) along x, y and z.
            clock: stops the work between passes.

        Raises:
            CheckpointError: a density is not finite.
        """
        i, j, k = indices.unbind(-1)
        ij, ik, jk = (a * self.resolution + b for a, b in ((i, j), (i, k), (j, k)))
        raw = torch.zeros(len(indices), device=self.device)
        if self.layers:
            xy, xz, yz = (table.flatten(0, 1) for table in self.tables)
            size = points_per_pass(self.device)
            clock = clock or StageClock()
            for start in range(0, len(indices), size):
                clock.between_passes()
                part = slice(start, start + size)
                hidden = xy[ij[part]].add_(xz[ik[part]]).add_(yz[jk[part]])
                raw[part] = self._density(hidden)
        if self.rays is not None:
            raw += self.rays.layers.density(self.rays.maps.flatten(0, 1)[ik], self.rays.depths[j])
        return _finite(raw)

    def _density(self, hidden: Tensor) -> Tensor:
        """Output of the first layer (P, width), overwritten -> raw density (P,)."""
        for weight, bias in self.layers:
            hidden = F.linear(self.activation(hidden, inplace=True), weight, bias)
        return hidden[:, 0]


@runtime_checkable
class DensityQuery(Protocol):
    """Raw density at grid points; `GridQuery` says what its methods do."""

    @property
    def resolution(self) -> int: ...  # noqa: D102

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    def lattice(  # noqa: D102
        self,
        i: Int64[Tensor, "I"],
        j: Int64[Tensor, "J"],
        k: Int64[Tensor, "K"],
        *,
        clock: StageClock | None = None,
    ) -> Float32[Tensor, "I J K"]: ...

    def points(  # noqa: D102
        self, indices: Int64[Tensor, "P 3"], *, clock: StageClock | None = None
    ) -> Float32[Tensor, "P"]: ...


@dataclass(frozen=True, eq=False)
class FusedGridQuery:
    """Raw density of a fused field at grid points, asked one by one.

    Planes that are turned against the grid are not separable.

    Attributes:
        field: of several photos.
        resolution: grid points per axis.
    """

    field: FusedField
    resolution: int

    @property
    def device(self) -> torch.device:
        """Where densities are returned."""
        return self.field.triplane.planes.device

    def lattice(
        self,
        i: Int64[Tensor, "I"],
        j: Int64[Tensor, "J"],
        k: Int64[Tensor, "K"],
        *,
        clock: StageClock | None = None,
    ) -> Float32[Tensor, "I J K"]:
        """See `GridQuery.lattice`."""
        indices = torch.cartesian_prod(i, j, k).view(-1, 3)
        return self.points(indices, clock=clock).view(len(i), len(j), len(k))

    @torch.inference_mode()
    def points(
        self, indices: Int64[Tensor, "P 3"], *, clock: StageClock | None = None
    ) -> Float32[Tensor, "P"]:
        """See `GridQuery.points`."""
        clock = clock or StageClock()
        raw = torch.empty(len(indices), device=self.device)
        size = points_per_pass(self.device)
        for start in range(0, len(indices), size):
            clock.between_passes()
            part = slice(start, start + size)
            coordinates = indices[part] * (2.0 / (self.resolution - 1)) - 1.0
            raw[part] = self.field.raw_density(self.field.triplane.denormalize(coordinates))
        return _finite(raw)


@torch.inference_mode()
def grid_query(field: TriplaneField, resolution: int) -> DensityQuery:
    """Raw density at the points of a grid, in the fastest way that the field has.

    Args:
        field: one object.
        resolution: grid points per axis, N >= 2.
    """
    if isinstance(field, FusedField):
        return FusedGridQuery(field, resolution)
    return folded_query(field, resolution)


@torch.inference_mode()
def folded_query(field: TriplaneField, resolution: int) -> GridQuery:
    """Fold the first layer of the field's MLP into its planes and resample them to the grid.

    Args:
        field: of one photo.
        resolution: grid points per axis, N >= 2.
    """
    triplane, config = field.triplane, field.nerf_mlp.config
    (first_weight, first_bias), *rest = field.nerf_mlp.layers()
    planes = triplane.planes[0].float()
    line = torch.linspace(-1.0, 1.0, resolution, device=planes.device)
    tables: dict[tuple[int, int], Tensor] = {}
    weights = torch.split(first_weight, planes.shape[1], dim=1)  # per plane (width, C)
    for plane, weight, axes in zip(planes, weights, triplane.axes, strict=True):
        (wide, wide_sign), (high, high_sign) = map(signed_axis, axes)
        along_width = _linear_interpolation(line * wide_sign, plane.shape[2])
        along_height = _linear_interpolation(line * high_sign, plane.shape[1])
        texels = plane.permute(2, 1, 0)  # (W, H, C)
        if wide > high:
            along_width, along_height = along_height, along_width
            texels = texels.transpose(0, 1)
        rows = (along_width @ texels.flatten(1)).unflatten(1, texels.shape[1:])  # (N, H, C)
        table = (along_height @ rows) @ weight.T  # (N, N, width)
        pair = min(wide, high), max(wide, high)
        tables[pair] = table if pair not in tables else tables[pair] + table
    absent = torch.zeros(resolution, resolution, config.width, device=planes.device)
    xy, xz, yz = (tables.get(pair, absent) for pair in ((0, 1), (0, 2), (1, 2)))

    rays: GridRays | None = None
    if triplane.rays is not None:
        x, z = torch.meshgrid(line, line, indexing="ij")
        places = ray_places(triplane, torch.stack([x, torch.zeros_like(x), z], dim=-1))
        layers = triplane.rays
        maps = layers.sample(places.view(1, -1, 2), NUM_DENSITY_MAPS)
        maps = maps.view(resolution, resolution, -1)
        rays = GridRays(layers, maps, line * triplane.extent)

    last_weight, last_bias = rest.pop()
    density = (last_weight[DENSITY:], last_bias[DENSITY:])
    says_nothing = rays is not None and not any(tensor.any() for tensor in density)
    return GridQuery(
        (xy + first_bias, xz, yz),
        () if says_nothing else (*rest, density),
        field.nerf_mlp.activation,
        rays,
    )


def _linear_interpolation(
    coordinates: Float[Tensor, "N"], num_texels: int
) -> Float32[Tensor, "N S"]:
    """The matrix that resamples a row of texels: zero outside, texels are areas.

    Args:
        coordinates: (N,) in [-1, 1].
        num_texels: S, texels in the row.
    """
    place = ((coordinates + 1.0) * num_texels - 1.0) / 2.0
    texels = torch.arange(num_texels, device=coordinates.device)
    return (1.0 - (place[:, None] - texels).abs()).clamp_min(0.0)


def _finite(raw: Tensor) -> Tensor:
    if not raw.isfinite().all():
        raise CheckpointError(
            "the radiance field has densities that are not finite numbers",
            hint="the weights are damaged or overflow: try --dtype float32",
        )
    return raw
