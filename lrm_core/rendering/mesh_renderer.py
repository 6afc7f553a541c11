"""Views of a textured mesh on the CPU: ray casting and own shading, no graphics system needed.

One ray through each pixel center gives depth, normal, color and opacity; where the pixel lies on
an edge, 4 x 4 rays share it. Rays continue behind holes (MASK), culled back
faces and translucent surfaces (BLEND). Surfaces and the rays of one pixel are mixed in linear
light; the result is encoded as sRGB and laid over the background as image programs do, in sRGB, so
that `rgb` and `opacity` together give back the straight-alpha image.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from lrm_core.imaging.color import linear_to_srgb
from lrm_core.rendering.mesh_raycasting import RayCaster, build_ray_caster
from lrm_core.rendering.mesh_shading import (
    UNLIT,
    SceneSurface,
    Shading,
    build_surface,
    normals_towards,
    shade,
)
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.render_output import RenderOutput
from lrm_core.structures.scene import Scene

Channel = Literal["rgb", "depth", "normal", "alpha"]
CHANNELS: tuple[Channel, ...] = ("rgb", "depth", "normal", "alpha")

_MAX_LAYERS = 64  # surfaces that one ray may pass
_OPAQUE = 1.0 - 1.0 / 512.0  # what an 8-bit image shows as opaque
_RAYS_AT_ONCE = 2**18  # bounds the memory of a view of any size
_SUBPIXELS = 4  # per side, on edges
_EDGE_CONTRAST = 1.0 / 128.0
_FAR = 64.0  # diagonals of a scene
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

    @property
    def origin(self) -> Float[np.ndarray, "3"]:
        """Where all rays begin, float32."""
        position: Float[np.ndarray, "3"] = self.c2w[:3, 3].astype(np.float32)
        return position

    def directions(self, pixels: Float[np.ndarray, "R 2"]) -> Float[np.ndarray, "R 3"]:
        """(R, 3) rays through image positions, float32; distances along them are depths."""
        right = (pixels[:, 0] - self.cx) / self.fx
        up = (self.cy - pixels[:, 1]) / self.fy
        directions = np.empty((len(pixels), 3), dtype=np.float32)
        # no matrix product: BLAS would keep all cores spinning for three columns
        for axis, (x, y, z) in enumerate(self.c2w[:3, :3]):
            directions[:, axis] = right * x + up * y - z
        return directions

    def window(
        self, bounds: Float[np.ndarray, "2 3"], size: tuple[int, int]
    ) -> tuple[slice, slice]:
        """Rows and columns of the image, all others of which see nothing of a box.

        Two pixels are left on every side: for rounding, and because edges lie between neighbors.
        """
        width, height = size
        corners = np.stack(np.meshgrid(*bounds.T.astype(np.float64)), axis=-1).reshape(-1, 3)
        x, y, z = ((corners - self.c2w[:3, 3]) @ self.c2w[:3, :3]).T
        if not (z < 0.0).all():  # the box reaches behind the camera
            return slice(0, height), slice(0, width)
        ends = []
        for place, side in (
            (self.cy + self.fy * y / z, height),
            (self.cx - self.fx * x / z, width),
        ):
            first, last = np.clip([place.min() - 2.0, place.max() + 3.0], 0.0, side).astype(int)
            ends.append(slice(first, last))
        return ends[0], ends[1]


@dataclass(frozen=True)
class _Samples:
    """What R rays saw.

    Premultiplied linear color and opacity are those of all surfaces together; depth and face (-1
    for none) those of the nearest one that is not wholly transparent.
    """

    rgb: Float[np.ndarray, "R 3"]
    opacity: Float[np.ndarray, "R"]
    depth: Float[np.ndarray, "R"]
    faces: Int[np.ndarray, "R"]


@dataclass(frozen=True)
class SceneTracer:
    """A scene made ready for rendering on first use: keep it to render more views of the scene.

    Attributes:
        scene: parts in the world frame.
    """

    scene: Scene

    @cached_property
    def origin(self) -> Float[np.ndarray, "3"]:
        """The point of the world that `surface`, `bounds` and rays are relative to, float64.

        The world's own, unless the scene is so far from it that single precision, in which rays
        are cast, would lose digits of its shape.
        """
        low, high = self.scene.bounds.astype(np.float64)
        center: Float[np.ndarray, "3"] = (low + high) / 2.0
        is_far = np.abs(center).max() > _FAR * np.linalg.norm(high - low)
        return center if is_far else np.zeros(3)

    @cached_property
    def surface(self) -> SceneSurface:
        """Joined geometry and materials."""
        if not self.origin.any():
            return build_surface(self.scene)
        parts = (replace(part, vertices=part.vertices - self.origin) for part in self.scene.parts)
        return build_surface(Scene(tuple(parts)))

    @cached_property
    def caster(self) -> RayCaster:
        """Acceleration structure over the faces of `surface`."""
        return build_ray_caster(self.surface.vertices, self.surface.faces)

    @cached_property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest coordinates."""
        bounds: Float[np.ndarray, "2 3"] = self.scene.bounds - self.origin
        return bounds

    @cached_property
    def diagonal(self) -> float:
        """Length of the scene's bounding box."""
        low, high = self.bounds
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
    """Render N views of a scene, as many at a time as torch has threads.

    Args:
        scene: parts in the world frame; a `SceneTracer` where many calls render one scene.
        cameras: N views.
        channels: what is wanted; normals are None unless "normal" is named, the rest is always
            there.
        antialias: 4 x 4 rays in pixels on an edge: silhouettes, borders between parts, jumps in
            depth and creases, where they show as a contrast. Depth and normals are never mixed:
            they belong to the ray through the pixel center or, where it passes the object, to the
            nearest of the sixteen.
        background: gray level (sRGB) behind the object, [0, 1].
        shading: light; unlit by default.

    Returns:
        N views on the CPU. Normals are those of the faces, turned towards the viewer.
    """
    tracer = scene if isinstance(scene, SceneTracer) else SceneTracer(scene)
    matrices = cameras.c2w.detach().cpu().numpy().astype(np.float64)
    matrices[:, :3, 3] -= tracer.origin
    intrinsics = cameras.intrinsics.detach().cpu().numpy().astype(np.float64)
    views = [_View(c2w, *row.tolist()) for c2w, row in zip(matrices, intrinsics, strict=True)]
    size = (cameras.width, cameras.height)
    with_normals = "normal" in channels

    def render(view: _View) -> tuple[np.ndarray, ...]:
        return _render_view(tracer, view, size, antialias, shading, with_normals)

    threads = min(torch.get_num_threads(), len(views))
    if threads > 1:
        _ = tracer.caster  # once, before all threads ask for it
        with ThreadPoolExecutor(threads) as pool:
            rendered = list(pool.map(render, views))
    else:
        rendered = [render(view) for view in views]
    rgb, opacity, depth = (
        torch.from_numpy(np.stack([view[channel] for view in rendered])) for channel in range(3)
    )
    rgb = rgb * opacity[..., None] + background * (1.0 - opacity[..., None])
    normals = torch.from_numpy(np.stack([view[3] for view in rendered])) if with_normals else None
    return RenderOutput(rgb, opacity, depth, normals)


def _render_view(
    tracer: SceneTracer,
    view: _View,
    size: tuple[int, int],
    antialias: bool,
    shading: Shading,
    with_normals: bool,
) -> tuple[
    Float[np.ndarray, "H W 3"],
    Float[np.ndarray, "H W"],
    Float[np.ndarray, "H W"],
    Float[np.ndarray, "H W 3"],
]:
    """Straight sRGB, opacity, depth and, where they are wanted, normals."""
    width, height = size
    image = (
        np.zeros((height, width, 3), dtype=np.float32),
        np.zeros((height, width), dtype=np.float32),
        np.full((height, width), np.inf, dtype=np.float32),
        np.zeros((height, width, 3), dtype=np.float32),
    )
    window = view.window(tracer.bounds, size)
    rows, columns = np.mgrid[window]
    if not rows.size:
        return image
    pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5
    centers = _trace(tracer, view, pixels, 1.0, shading)
    rgb, opacity = _straight_srgb(centers.rgb, centers.opacity), centers.opacity.copy()
    depth, faces, seen_at = centers.depth.copy(), centers.faces.copy(), pixels.copy()
    if antialias:
        edges = _edge_pixels(tracer.surface, view, centers, pixels, rgb, rows.shape)
        offsets = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
        grid = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        inside = (pixels[edges, None] + grid).reshape(-1, 2)
        samples = _trace(tracer, view, inside, 1.0 / _SUBPIXELS, shading)
        opacity[edges] = samples.opacity.reshape(-1, len(grid)).mean(axis=1)
        # as rows, over which numpy takes the mean much faster than over the middle axis
        by_place = samples.rgb.reshape(-1, len(grid), 3).swapaxes(0, 1)
        rgb[edges] = _straight_srgb(np.ascontiguousarray(by_place).mean(axis=0), opacity[edges])
        # a partly covered pixel has a depth, an empty one has none
        unsure = np.flatnonzero(np.isinf(depth[edges]) | (opacity[edges] == 0.0))
        nearest = unsure * len(grid) + samples.depth.reshape(-1, len(grid))[unsure].argmin(axis=1)
        depth[edges[unsure]] = samples.depth[nearest]
        faces[edges[unsure]], seen_at[edges[unsure]] = samples.faces[nearest], inside[nearest]
    for channel, values in zip(image, (rgb, opacity, depth), strict=False):
        channel[window] = values.reshape(channel[window].shape)
    if with_normals:
        seen = np.flatnonzero(faces >= 0)
        normals = np.zeros((len(faces), 3), dtype=np.float32)
        normals[seen] = normals_towards(tracer.surface, faces[seen], view.directions(seen_at[seen]))
        image[3][window] = normals.reshape(*rows.shape, 3)
    return image


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
        fraction: the share of a pixel's width that each ray stands for.
        shading: the light.
    """
    samples = _Samples(
        rgb=np.zeros((len(pixels), 3), dtype=np.float32),
        opacity=np.zeros(len(pixels), dtype=np.float32),
        depth=np.full(len(pixels), np.inf, dtype=np.float32),
        faces=np.full(len(pixels), -1, dtype=np.int64),
    )
    for start in range(0, len(pixels), _RAYS_AT_ONCE):
        rays = np.arange(start, min(start + _RAYS_AT_ONCE, len(pixels)))
        _follow(tracer, view, rays, pixels[rays], fraction, shading, samples)
    return samples


def _follow(
    tracer: SceneTracer,
    view: _View,
    rays: Int[np.ndarray, "R"],
    pixels: Float[np.ndarray, "R 2"],
    fraction: float,
    shading: Shading,
    samples: _Samples,
) -> None:
    """Follow rays until they are stopped or leave the scene; fills the rows `rays` of `samples`."""
    pixel_angle = np.float32(view.pixel_angle * fraction)
    directions = view.directions(pixels)
    starts = np.broadcast_to(view.origin, directions.shape)
    depth = np.zeros(len(rays), dtype=np.float32)
    last_face = np.full(len(rays), -1)
    for _ in range(_MAX_LAYERS):
        hits = tracer.caster.first_hits(starts, directions)
        hit = np.flatnonzero(hits.faces >= 0)
        if len(hit) == 0:
            return
        hits, rays, directions = hits.of(hit), rays[hit], directions.take(hit, axis=0)
        depth = depth[hit] + hits.distances
        shaded = shade(tracer.surface, hits, directions, depth * pixel_angle, shading)
        if tracer.surface.is_opaque:
            samples.rgb[rays], samples.opacity[rays] = shaded.rgb, 1.0
            samples.depth[rays], samples.faces[rays] = depth, hits.faces
            return
        # a ray meets a triangle once; a second time is rounding
        alpha = np.where(hits.faces == last_face[hit], np.float32(0.0), shaded.alpha)

        first = (alpha > 0.0) & (samples.faces[rays] < 0)
        samples.depth[rays[first]] = depth[first]
        samples.faces[rays[first]] = hits.faces[first]
        weight = (1.0 - samples.opacity[rays]) * alpha
        samples.rgb[rays] += weight[:, None] * shaded.rgb
        samples.opacity[rays] += weight

        on = np.flatnonzero(samples.opacity[rays] < _OPAQUE)
        if len(on) == 0:
            return
        rays, directions, last_face = rays[on], directions[on], hits.faces[on]
        # past the surface: more than rounding errors, less than the thickness of any wall
        depth = depth[on] * np.float32(1.0 + 1e-6) + np.float32(1e-5 * tracer.diagonal)
        starts = view.origin + depth[:, None] * directions


def _straight_srgb(
    premultiplied: Float[np.ndarray, "R 3"], opacity: Float[np.ndarray, "R"]
) -> Float[np.ndarray, "R 3"]:
    """Encoded color without its opacity, in [0, 1]; zero where nothing was seen."""
    straight = np.zeros_like(premultiplied)
    seen = np.flatnonzero(opacity > 0.0)
    linear = premultiplied[seen] / opacity[seen, None]
    straight[seen] = linear_to_srgb(np.clip(linear, 0.0, 1.0))
    return straight


def _edge_pixels(
    surface: SceneSurface,
    view: _View,
    samples: _Samples,
    pixels: Float[np.ndarray, "R 2"],
    rgb: Float[np.ndarray, "R 3"],
    shape: tuple[int, ...],
) -> Int[np.ndarray, "E"]:
    """Flat indices of pixels that an edge runs through.

    An edge lies between two neighbors that look different and belong to different parts (or one
    to none), or whose surfaces are creased, or not one surface: the neighbor is off the tangent
    plane by more than a pixel's width.
    """
    seen = np.stack([*rgb.T, samples.opacity]).reshape(4, *shape)
    index = np.arange(len(pixels)).reshape(shape)
    parts = np.where(samples.faces < 0, -1, surface.parts[samples.faces])
    edge = np.zeros(len(pixels), dtype=bool)
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        contrast = np.zeros(index[first].shape, dtype=bool)
        for channel in seen:
            contrast |= np.abs(channel[first] - channel[second]) > _EDGE_CONTRAST
        a, b = index[first][contrast], index[second][contrast]
        found = parts[a] != parts[b]
        same = np.flatnonzero(~found & (parts[a] >= 0))
        found[same] = _is_broken(surface, view, samples, pixels, a[same], b[same])
        edge[a[found]] = edge[b[found]] = True
    return np.flatnonzero(edge)


def _is_broken(
    surface: SceneSurface,
    view: _View,
    samples: _Samples,
    pixels: Float[np.ndarray, "R 2"],
    a: Int[np.ndarray, "E"],
    b: Int[np.ndarray, "E"],
) -> Bool[np.ndarray, "E"]:
    """Whether the surface is creased or torn between pixels a and b, both on the surface."""
    towards_a, towards_b = (view.directions(pixels[pixel]) for pixel in (a, b))
    normals = normals_towards(surface, samples.faces[a], towards_a)
    beyond = normals_towards(surface, samples.faces[b], towards_b)
    creased = np.einsum("ei,ei->e", normals, beyond) < _EDGE_COSINE
    step = samples.depth[b, None] * towards_b - samples.depth[a, None] * towards_a
    off_plane = np.abs(np.einsum("ei,ei->e", normals, step))
    result: Bool[np.ndarray, "E"] = creased | (off_plane > samples.depth[a] * view.pixel_angle)
    return result
