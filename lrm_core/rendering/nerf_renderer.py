"""Views of a radiance field by volume rendering.

The field is a callable, so no model is known here. Source: paper, section 3.3 and appendix A.1;
`step` and `midpoint_density` reproduce how two relatives of the paper (TripoSR, OpenLRM) integrate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lrm_core.rendering.occupancy_grid import OccupancyGrid, visible_samples
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.rendering.ray_sampling import intersect_box, sample_uniform
from lrm_core.rendering.volume_rendering import composite, render_weights
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.rays import RayBundle
from lrm_core.structures.render_output import RenderOutput

# (P, 3) points in the world frame -> (P,) density >= 0 per world unit, (P, 3) rgb in [0, 1].
# Density is 0 outside the region that the field covers.
FieldFn = Callable[[Float[Tensor, "P 3"]], tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]]

# Central differences of density reach this far, as a fraction of the half side: about a third of a
# texel of a 64 x 64 plane, where bilinear features are smooth.
_NORMAL_STEP = 0.01

# A pixel shows the object where at least half of its light comes from it.
_SOLID_OPACITY = 0.5

# How far a pixel may change through the samples that an occupancy grid leaves out; the rest of 1e-3
# is for the grid's bounds, which come from samples themselves.
_TOLERANCE = 8e-4


@runtime_checkable
class RawField(Protocol):
    """A radiance field that also shows its values before activation."""

    def __call__(
        self, points: Float[Tensor, "P 3"]
    ) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """(P, 3) points -> (P,) density, (P, 3) rgb."""
        ...

    def raw(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P 4"]:
        """(P, 3) points -> (P, 4) red, green, blue, density before activation."""
        ...

    def activate(
        self, raw: Float[Tensor, "P 4"]
    ) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """(P, 4) raw values -> (P,) density, (P, 3) rgb."""
        ...


@dataclass(frozen=True)
class RenderSettings:
    """How a radiance field is integrated.

    Attributes:
        half_side: half side of the cube that is sampled, in world units.
        num_samples: samples per ray inside the cube.
        background: gray level or color behind the object, [0, 1].
        step: delta_i in world units (the paper), or as a fraction of the ray's way through the cube
            (TripoSR; density then has no unit).
        midpoint_density: average raw densities and colors of neighboring samples and integrate
            over the intervals between them (OpenLRM), instead of one sample per interval.
    """

    half_side: float
    num_samples: int = 128
    background: float | Float[Tensor, "3"] = 1.0
    step: Literal["metric", "normalized"] = "metric"
    midpoint_density: bool = False


@dataclass(frozen=True)
class RenderedRays:
    """What R rays see.

    Attributes:
        rgb: (R, 3) in [0, 1], composited on the background.
        opacity: (R,) in [0, 1].
        distance: (R,) mean distance of what is seen along the ray, in world units; 0 where
            nothing is.
        normals: (R, 3) unit normals of the density at that distance, zero where opacity is below
            0.5; None unless requested.
    """

    rgb: Float[Tensor, "R 3"]
    opacity: Float[Tensor, "R"]
    distance: Float[Tensor, "R"]
    normals: Float[Tensor, "R 3"] | None = None


def render_rays(
    field: FieldFn,
    rays: RayBundle,
    settings: RenderSettings,
    *,
    jitter: bool = False,
    generator: torch.Generator | None = None,
    want_normals: bool = False,
    grid: OccupancyGrid | None = None,
) -> RenderedRays:
    """Volume rendering of rays, all at once; differentiable to whatever the field depends on.

    Args:
        field: radiance field; with `midpoint_density` a `RawField`.
        rays: R rays in the world frame.
        settings: how the field is integrated.
        jitter: sample anywhere in each interval (training).
        generator: source of the jitter.
        want_normals: compute normals too (6 more field evaluations per solid ray, not
            differentiable).
        grid: bounds of the field's density, to evaluate only the samples that may be seen: color
            and opacity change by less than 1e-3 as far as the bounds hold. None for all samples.

    Raises:
        ValueError: `midpoint_density` with a field that has no raw values.
    """
    near, far, hit = intersect_box(rays, settings.half_side)
    rgb = torch.zeros_like(rays.origins) + settings.background
    opacity, distance = torch.zeros_like(near), torch.zeros_like(near)
    normals = torch.zeros_like(rays.origins) if want_normals else None
    if not hit.any():
        return RenderedRays(rgb, opacity, distance, normals)

    rays = RayBundle(rays.origins[hit], rays.directions[hit])
    near, far = near[hit], far[hit]
    t, deltas = sample_uniform(near, far, settings.num_samples, jitter=jitter, generator=generator)
    points = rays.origins[:, None] + t[..., None] * rays.directions[:, None]  # (R, S, 3)
    if settings.midpoint_density:
        t, deltas = (t[:, 1:] + t[:, :-1]) / 2, t.diff(dim=-1)
    if settings.step == "normalized":
        deltas = deltas / (far - near)[:, None]
    visible = None if grid is None else _visible(grid, points, deltas)
    evaluate = _average_neighbors if settings.midpoint_density else _evaluate
    density, colors = evaluate(field, points, visible)

    weights = render_weights(density, deltas)
    hit_rgb, hit_opacity, hit_distance = composite(weights, colors, t, settings.background)
    rgb[hit], opacity[hit], distance[hit] = hit_rgb, hit_opacity, hit_distance
    if normals is not None:
        surface = rays.origins + hit_distance[:, None] * rays.directions
        solid = hit_opacity >= _SOLID_OPACITY
        normals[hit.nonzero()[solid, 0]] = _normals(
            field, surface[solid].detach(), _NORMAL_STEP * settings.half_side
        )
    return RenderedRays(rgb, opacity, distance, normals)


def render_field(
    field: FieldFn,
    cameras: Cameras,
    settings: RenderSettings,
    *,
    chunk_rays: int | None = None,
    want_normals: bool = False,
    grid: OccupancyGrid | None = None,
) -> RenderOutput:
    """Whole views of a radiance field, a bounded number of rays at a time.

    The caller chooses the gradient mode: under `torch.no_grad` or `torch.inference_mode` memory
    stays bounded by `chunk_rays`; otherwise the graph of every chunk is kept.

    Args:
        field: radiance field; with `midpoint_density` a `RawField`.
        cameras: N views of H x W pixels.
        settings: how the field is integrated.
        chunk_rays: rays rendered at once, `num_samples` field evaluations each; None for what suits
            the device.
        want_normals: compute normals too.
        grid: bounds of the field's density, see `render_rays`.

    Returns:
        Depth is that of the mean distance of what is seen, infinite where opacity is below 0.5.

    Raises:
        ValueError: `midpoint_density` with a field that has no raw values.
    """
    if chunk_rays is None:  # on a CPU more than 1000 are slower, on a GPU they are faster
        chunk_rays = 8192 if cameras.c2w.device.type == "cuda" else 512
    rendered: list[RenderedRays] = []
    depths: list[Tensor] = []
    for view in range(len(cameras)):
        rays = generate_rays(cameras[view])
        viewing_axis = -cameras.c2w[view, :3, 2]
        for start in range(0, len(rays), chunk_rays):
            part = slice(start, start + chunk_rays)
            chunk = render_rays(
                field,
                RayBundle(rays.origins[part], rays.directions[part]),
                settings,
                want_normals=want_normals,
                grid=grid,
            )
            depth = chunk.distance * (rays.directions[part] @ viewing_axis)
            rendered.append(chunk)
            depths.append(depth.masked_fill(chunk.opacity < _SOLID_OPACITY, torch.inf))

    shape = (len(cameras), cameras.height, cameras.width)
    normals = [chunk.normals for chunk in rendered if chunk.normals is not None]
    return RenderOutput(
        rgb=torch.cat([chunk.rgb for chunk in rendered]).reshape(*shape, 3),
        opacity=torch.cat([chunk.opacity for chunk in rendered]).reshape(shape),
        depth=torch.cat(depths).reshape(shape),
        normals=torch.cat(normals).reshape(*shape, 3) if want_normals else None,
    )


def _visible(
    grid: OccupancyGrid, points: Float[Tensor, "R S 3"], deltas: Float[Tensor, "R I"]
) -> Bool[Tensor, "R I"]:
    """Which samples, or which of the S - 1 intervals between them, are to be evaluated."""
    lower, upper = grid.bounds(points)
    if deltas.shape != lower.shape:
        # raw values are averaged and activations of density grow: it lies between the two ends'
        lower = torch.minimum(lower[:, 1:], lower[:, :-1])
        upper = torch.maximum(upper[:, 1:], upper[:, :-1])
    return visible_samples(lower, upper, deltas, tolerance=_TOLERANCE)


def _evaluate(
    field: FieldFn, points: Float[Tensor, "R S 3"], visible: Bool[Tensor, "R S"] | None
) -> tuple[Float[Tensor, "R S"], Float[Tensor, "R S 3"]]:
    """Density and color of samples, in the precision of the points; zero where not visible."""
    if visible is not None:
        (chosen,) = visible.flatten().nonzero(as_tuple=True)
        flat = points.flatten(0, 1)
        density, rgb = field(flat.index_select(0, chosen))
        density = flat.new_zeros(len(flat)).index_copy(0, chosen, density.to(flat.dtype))
        rgb = torch.zeros_like(flat).index_copy(0, chosen, rgb.to(flat.dtype))
    else:
        density, rgb = field(points.reshape(-1, 3))
    return density.to(points.dtype).reshape(points.shape[:2]), rgb.to(points.dtype).reshape(
        points.shape
    )


def _average_neighbors(
    field: FieldFn, points: Float[Tensor, "R S 3"], visible: Bool[Tensor, "R I"] | None
) -> tuple[Float[Tensor, "R I"], Float[Tensor, "R I 3"]]:
    """Density and color of the S - 1 intervals between samples; zero where not visible.

    Density is activated after averaging, colors before, as OpenLRM does.
    """
    if not isinstance(field, RawField):
        raise ValueError(
            f"midpoint_density needs a field with raw() and activate(), got {type(field).__name__}"
        )
    num_rays, num_samples, _ = points.shape
    flat = points.reshape(-1, 3)
    if visible is None:
        raw = field.raw(flat).to(points.dtype)
    else:  # both ends of each interval
        ends = F.pad(visible, (0, 1)) | F.pad(visible, (1, 0))
        (chosen,) = ends.flatten().nonzero(as_tuple=True)
        values = field.raw(flat.index_select(0, chosen)).to(points.dtype)
        raw = flat.new_zeros(len(flat), 4).index_copy(0, chosen, values)
    _, rgb = field.activate(raw)
    raw, rgb = raw.reshape(num_rays, num_samples, 4), rgb.reshape(num_rays, num_samples, 3)
    density, _ = field.activate(((raw[:, 1:] + raw[:, :-1]) / 2).reshape(-1, 4))
    density = density.reshape(num_rays, num_samples - 1)
    return density if visible is None else density * visible, (rgb[:, 1:] + rgb[:, :-1]) / 2


@torch.no_grad()
def _normals(field: FieldFn, points: Float[Tensor, "P 3"], step: float) -> Float[Tensor, "P 3"]:
    """Unit vectors against the gradient of density, by central differences; zero where it is flat.

    Differences need no autograd graph, so they work under `torch.inference_mode` too.
    """
    if not len(points):
        return points
    offsets = step * torch.eye(3, dtype=points.dtype, device=points.device)
    ahead, _ = field((points[:, None] + offsets).reshape(-1, 3))
    behind, _ = field((points[:, None] - offsets).reshape(-1, 3))
    uphill = (ahead - behind).to(points.dtype).reshape(-1, 3)
    return -F.normalize(uphill, dim=-1)
