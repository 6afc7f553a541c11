"""Views of a textured mesh on the CPU: ray casting and own shading, no graphics system needed.

One ray through each pixel centre gives depth, normal, colour and opacity; where the pixel lies on
an edge, 4 x 4 rays share it. Rays go on behind holes (MASK), culled back
faces and translucent surfaces (BLEND). Surfaces and the rays of one pixel are mixed in linear
light; the result is encoded as sRGB and laid over the background as image programs do, in sRGB, so
that `rgb` and `opacity` together give back the straight-alpha image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from lrm_core.rendering.mesh_raycasting import Hits, RayCaster, build_ray_caster
from lrm_core.rendering.mesh_shading import (
    UNLIT,
    SceneSurface,
    Shading,
    build_surface,
    shade,
)
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.color import linear_to_srgb
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.scene import Scene

Channel = Literal["rgb", "depth", "normal", "alpha"]
CHANNELS: tuple[Channel, ...] = ("rgb", "depth", "normal", "alpha")

_MAX_LAYERS = 64  # surfaces that one ray may pass
_OPAQUE = 1.0 - 1.0 / 512.0  # what an 8-bit image shows as opaque
_RAYS_AT_ONCE = 2**18  # bounds the memory of a view of any size
_SUBPIXELS = 4  # per side, on edges
_EDGE_CONTRAST = 1.0 / 128.0
_EDGE_COSINE = float(np.cos(np.radians(20.0)))


@dataclass(frozen=True)
class _View:
    """One camera as numpy: c2w (4, 4) float64, fx, fy, cx, cy in pixels."""

    c2w: Float[np.ndarray, "4 4"]
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def pixel_angle(self) -> float:
        """Width of a pixel in world units at depth 1."""
        return float((self.fx * self.fy) ** -0.5)

    def rays(
        self, pixels: Float[np.ndarray, "R 2"]
    ) -> tuple[Float[np.ndarray, "R 3"], Float[np.ndarray, "R 3"]]:
        """Origins, and directions as long as makes distances along them depths."""
        local = np.empty((len(pixels), 3))
        local[:, 0] = (pixels[:, 0] - self.cx) / self.fx
        local[:, 1] = (self.cy - pixels[:, 1]) / self.fy
        local[:, 2] = -1.0
        directions = (local @ self.c2w[:3, :3].T).astype(np.float32)
        origins = np.broadcast_to(self.c2w[:3, 3].astype(np.float32), directions.shape)
        return origins, directions


@dataclass(frozen=True)
class _Samples:
    """What R rays saw.

    Premultiplied linear colour and opacity are those of all surfaces together; depth, normal and
    part (-1 for none) those of the nearest one that is not wholly transparent.
    """

    rgb: Float[np.ndarray, "R 3"]
    opacity: Float[np.ndarray, "R"]
    depth: Float[np.ndarray, "R"]
    normals: Float[np.ndarray, "R 3"]
    parts: Int[np.ndarray, "R"]


@dataclass(frozen=True)
class SceneTracer:
    """A scene made ready for rendering on first use: keep it to render more views of the scene.

    Attributes:
        scene: parts in the world frame.
    """

    scene: Scene

    @cached_property
    def surface(self) -> SceneSurface:
        """Joined geometry and materials."""
        return build_surface(self.scene)

    @cached_property
    def caster(self) -> RayCaster:
        """Acceleration structure over the faces of `surface`."""
        return build_ray_caster(self.surface.vertices, self.surface.faces)

    @cached_property
    def diagonal(self) -> float:
        """Length of the scene's bounding box."""
        low, high = self.scene.bounds
        return float(np.linalg.norm(high - low))


def render_scene(
    scene: Scene | SceneTracer,
    cameras: Cameras,
    *,
    channels: Sequence[Channel] = CHANNELS,
    antialias: bool = True,
    background: float = 1.0,
    shading: Shading = UNLIT,
) -> RenderOutput:
    """Render N views of a scene.

    Args:
        scene: parts in the world frame; a `SceneTracer` where many calls render one scene.
        cameras: N views.
        channels: what is wanted; normals are None unless "normal" is named, the rest is always
            there.
        antialias: 4 x 4 rays in pixels on an edge: silhouettes, borders between parts, jumps in
            depth and creases, where they show as a contrast. Depth and normals are never mixed:
            they belong to the ray through the pixel centre or, where it passes the object, to the
            nearest of the sixteen.
        background: grey level (sRGB) behind the object, [0, 1].
        shading: light; unlit by default.

    Returns:
        N views on the CPU. Normals are those of the faces, turned towards the viewer.
    """
    tracer = scene if isinstance(scene, SceneTracer) else SceneTracer(scene)
    matrices = cameras.c2w.detach().cpu().numpy().astype(np.float64)
    intrinsics = cameras.intrinsics.detach().cpu().numpy().astype(np.float64)
    views = [_View(c2w, *row.tolist()) for c2w, row in zip(matrices, intrinsics, strict=True)]
    size = (cameras.width, cameras.height)
    rendered = [_render_view(tracer, view, size, antialias, shading) for view in views]
    rgb, opacity, depth, normals = (
        torch.from_numpy(np.stack(channel)) for channel in zip(*rendered, strict=True)
    )
    rgb = rgb * opacity[..., None] + background * (1.0 - opacity[..., None])
    return RenderOutput(rgb, opacity, depth, normals if "normal" in channels else None)


def _render_view(
    tracer: SceneTracer, view: _View, size: tuple[int, int], antialias: bool, shading: Shading
) -> tuple[
    Float[np.ndarray, "H W 3"],
    Float[np.ndarray, "H W"],
    Float[np.ndarray, "H W"],
    Float[np.ndarray, "H W 3"],
]:
    """Straight sRGB, opacity, depth and normals."""
    width, height = size
    rows, columns = np.divmod(np.arange(width * height), width)
    pixels = np.stack([columns, rows], axis=-1) + 0.5
    centres = _trace(tracer, view, pixels, 1.0, shading)
    rgb, opacity = _straight_srgb(centres.rgb, centres.opacity), centres.opacity.copy()
    depth, normals = centres.depth.copy(), centres.normals.copy()
    if antialias:
        seen = np.concatenate([rgb, opacity[:, None]], axis=-1).reshape(height, width, 4)
        edges = _edge_pixels(view, centres, pixels, seen)
        offsets = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
        grid = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        inside = (pixels[edges, None] + grid).reshape(-1, 2)
        samples = _trace(tracer, view, inside, 1.0 / _SUBPIXELS, shading)
        opacity[edges] = samples.opacity.reshape(-1, len(grid)).mean(axis=1)
        mean_rgb = samples.rgb.reshape(-1, len(grid), 3).mean(axis=1)
        rgb[edges] = _straight_srgb(mean_rgb, opacity[edges])
        # a partly covered pixel has a depth, an empty one has none
        unsure = np.flatnonzero(np.isinf(depth[edges]) | (opacity[edges] == 0.0))
        nearest = unsure * len(grid) + samples.depth.reshape(-1, len(grid))[unsure].argmin(axis=1)
        depth[edges[unsure]] = samples.depth[nearest]
        normals[edges[unsure]] = samples.normals[nearest]
    shape = (height, width)
    return (
        rgb.reshape(*shape, 3),
        opacity.reshape(shape),
        depth.reshape(shape),
        normals.reshape(*shape, 3),
    )


def _trace(
    tracer: SceneTracer,
    view: _View,
    pixels: Float[np.ndarray, "R 2"],
    fraction: float,
    shading: Shading,
) -> _Samples:
    """What is seen at positions in the image.

    Args:
        tracer: the scene.
        view: the camera.
        pixels: (R, 2) positions.
        fraction: of a pixel's width that each ray stands for.
        shading: the light.
    """
    samples = _Samples(
        rgb=np.zeros((len(pixels), 3), dtype=np.float32),
        opacity=np.zeros(len(pixels), dtype=np.float32),
        depth=np.full(len(pixels), np.inf, dtype=np.float32),
        normals=np.zeros((len(pixels), 3), dtype=np.float32),
        parts=np.full(len(pixels), -1, dtype=np.int64),
    )
    for start in range(0, len(pixels), _RAYS_AT_ONCE):
        rays = np.arange(start, min(start + _RAYS_AT_ONCE, len(pixels)))
        origins, directions = view.rays(pixels[rays])
        pixel_angle = view.pixel_angle * fraction
        _follow(tracer, rays, origins, directions, pixel_angle, shading, samples)
    return samples


def _follow(
    tracer: SceneTracer,
    rays: Int[np.ndarray, "R"],
    origins: Float[np.ndarray, "R 3"],
    directions: Float[np.ndarray, "R 3"],
    pixel_angle: float,
    shading: Shading,
    samples: _Samples,
) -> None:
    """Follow rays until they are stopped or leave the scene; fills the rows `rays` of `samples`."""
    depth = np.zeros(len(rays), dtype=np.float32)
    last_face = np.full(len(rays), -1)
    starts = origins
    for _ in range(_MAX_LAYERS):
        hits = tracer.caster.first_hits(starts, directions)
        hit = np.flatnonzero(hits.faces >= 0)
        if len(hit) == 0:
            return
        hits = Hits(hits.faces[hit], hits.weights[hit], hits.distances[hit])
        rays, origins, directions = rays[hit], origins[hit], directions[hit]
        depth = depth[hit] + hits.distances
        shaded = shade(tracer.surface, hits, directions, depth * np.float32(pixel_angle), shading)
        # a ray meets a triangle once; a second time is rounding
        alpha = np.where(hits.faces == last_face[hit], np.float32(0.0), shaded.alpha)

        first = (alpha > 0.0) & (samples.parts[rays] < 0)
        samples.depth[rays[first]] = depth[first]
        samples.normals[rays[first]] = shaded.normals[first]
        samples.parts[rays[first]] = tracer.surface.parts[hits.faces[first]]
        weight = (1.0 - samples.opacity[rays]) * alpha
        samples.rgb[rays] += weight[:, None] * shaded.rgb
        samples.opacity[rays] += weight

        on = np.flatnonzero(samples.opacity[rays] < _OPAQUE)
        if len(on) == 0:
            return
        rays, origins, directions = rays[on], origins[on], directions[on]
        last_face = hits.faces[on]
        # past the surface: more than rounding errors, less than the thickness of any wall
        depth = depth[on] * np.float32(1.0 + 1e-6) + np.float32(1e-5 * tracer.diagonal)
        starts = origins + depth[:, None] * directions


def _straight_srgb(
    premultiplied: Float[np.ndarray, "R 3"], opacity: Float[np.ndarray, "R"]
) -> Float[np.ndarray, "R 3"]:
    """Encoded colour without its opacity, in [0, 1]; zero where nothing was seen."""
    straight = np.zeros_like(premultiplied)
    seen = np.flatnonzero(opacity > 0.0)
    linear = premultiplied[seen] / opacity[seen, None]
    straight[seen] = linear_to_srgb(np.clip(linear, 0.0, 1.0))
    return straight


def _edge_pixels(
    view: _View,
    samples: _Samples,
    pixels: Float[np.ndarray, "R 2"],
    seen: Float[np.ndarray, "H W 4"],
) -> Int[np.ndarray, "E"]:
    """Flat indices of pixels that an edge runs through.

    An edge lies between two neighbours that look different and belong to different parts (or one
    to none), or whose surfaces are creased, or not one surface: the neighbour is off the tangent
    plane by more than a pixel's width.
    """
    height, width = seen.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    edge = np.zeros(height * width, dtype=bool)
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        contrast = np.zeros(index[first].shape, dtype=bool)
        for channel in range(seen.shape[-1]):
            values = seen[..., channel]
            contrast |= np.abs(values[first] - values[second]) > _EDGE_CONTRAST
        a, b = index[first][contrast], index[second][contrast]
        found = samples.parts[a] != samples.parts[b]
        same = np.flatnonzero(~found & (samples.parts[a] >= 0))
        found[same] = _is_broken(view, samples, pixels, a[same], b[same])
        edge[a[found]] = edge[b[found]] = True
    return np.flatnonzero(edge)


def _is_broken(
    view: _View,
    samples: _Samples,
    pixels: Float[np.ndarray, "R 2"],
    a: Int[np.ndarray, "E"],
    b: Int[np.ndarray, "E"],
) -> Bool[np.ndarray, "E"]:
    """Whether the surface is creased or torn between pixels a and b, both on the surface."""
    normals = samples.normals[a]
    creased = np.einsum("ei,ei->e", normals, samples.normals[b]) < _EDGE_COSINE
    from_a, from_b = (samples.depth[pixel, None] * view.rays(pixels[pixel])[1] for pixel in (a, b))
    off_plane = np.abs(np.einsum("ei,ei->e", normals, from_b - from_a))
    result: Bool[np.ndarray, "E"] = creased | (off_plane > samples.depth[a] * view.pixel_angle)
    return result
