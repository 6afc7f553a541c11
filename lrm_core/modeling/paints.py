"""Solid textures: a paint gives every point of a surface its color.

A paint is a function of rest position and rest normal, both (P, 3), to sRGB (P, 3) in [0, 1]. As
nothing is unwrapped, patterns have neither seams nor stretch, and cut faces show the inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from lrm_core.modeling import Numbers, Real
from lrm_core.modeling.deformations import lattice_noise

Color = Float[np.ndarray, "3"]
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = first + (second - first) * weight[:, None]
    return mixed


def plain(color: Real | Numbers) -> Paint:
    """One color: sRGB in [0, 1], or a gray level."""
    value = np.asarray(color, dtype=np.float64)
    return lambda points, normals: np.broadcast_to(value, points.shape)


def gradient(colors: Sequence[Numbers], axis: int, low: Real, high: Real) -> Paint:
    """Colors blended evenly along an axis from `low` to `high`."""
    stops = np.stack(colors)
    at = np.linspace(low, high, len(stops))

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(points[:, axis], at, stops[:, c]) for c in range(3)], axis=1)

    return paint


def stripes(
    first: Paint, second: Paint, direction: Numbers, period: Real, duty: Real = 0.5
) -> Paint:
    """Parallel layers across `direction`; `second` takes the share `duty` of every period."""
    axis = np.asarray(direction, dtype=np.float64)
    axis = axis / np.linalg.norm(axis) / period
    return masked(first, second, lambda points, _: ((points @ axis) % 1.0) < duty)


def checks(first: Paint, second: Paint, period: Real) -> Paint:
    """A three-dimensional chess board; cell borders avoid the planes through the origin."""

    def inside(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        cells = np.floor(points / period + 0.37).astype(int)
        result: np.ndarray = cells.sum(axis=1) % 2 == 0
        return result

    return masked(first, second, inside)


def dots(first: Paint, second: Paint, period: Real, radius: Real) -> Paint:
    """Discs of `second` on a square grid seen along the dominant normal, radius in periods."""

    def inside(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        plane = facing_plane(points, normals) / period
        row = np.floor(plane[:, 1])
        offset = np.stack([plane[:, 0] + 0.5 * (row % 2), plane[:, 1]], axis=1) % 1.0 - 0.5
        result: np.ndarray = (offset**2).sum(axis=1) < radius**2
        return result

    return masked(first, second, inside)


def bricks(brick: Paint, mortar: Paint, width: Real, height: Real, gap: Real = 0.08) -> Paint:
    """Courses of bricks on upright faces, tiles on level ones; `gap` in brick heights."""

    def inside(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        plane = facing_plane(points, normals) / [width, height]
        row = np.floor(plane[:, 1])
        across = (plane[:, 0] + 0.5 * (row % 2)) % 1.0
        return (plane[:, 1] % 1.0 < gap) | (across < gap * height / width)

    return masked(brick, mortar, inside)


def facing_plane(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(P, 2) coordinates across the axis that each normal is closest to; z stays upright."""
    axis = np.abs(normals).argmax(axis=1)
    horizontal = np.where(axis == 0, points[:, 1], points[:, 0])
    vertical = np.where(axis == 2, points[:, 1], points[:, 2])
    return np.stack([horizontal, vertical], axis=1)


def clouds(
    rng: np.random.Generator, colors: Sequence[Numbers], scale: Real, octaves: int = 3
) -> Paint:
    """Fractal noise between colors."""
    fields = [lattice_noise(rng, scale / 2**k) for k in range(octaves)]
    weights = 0.5 ** np.arange(octaves)
    stops = np.stack(colors)
    at = np.linspace(0.2, 0.8, len(stops))

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        layers = zip(weights, fields, strict=True)
        value = sum(w * field(points) for w, field in layers) / weights.sum()
        return np.stack([np.interp(value, at, stops[:, c]) for c in range(3)], axis=1)

    return paint


def spots(rng: np.random.Generator, first: Paint, second: Paint, scale: Real) -> Paint:
    """Irregular patches of `second`, as on a cow."""
    field = lattice_noise(rng, scale)
    level = rng.uniform(0.52, 0.66)
    return masked(first, second, lambda points, _: field(points) > level)


def wood(rng: np.random.Generator, light: Color, dark: Color, grain: int = 0) -> Paint:
    """Year rings along an axis (`grain`: 0 x, 1 y, 2 z), slightly wavy."""
    wobble, fine = lattice_noise(rng, 0.5), lattice_noise(rng, 0.05)
    period, center = rng.uniform(0.05, 0.12), rng.uniform(0.3, 0.9, size=2)
    across = [axis for axis in range(3) if axis != grain]
    squeeze = np.ones(3)
    squeeze[grain] = 0.15

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        local = points * squeeze
        radius = np.linalg.norm(points[:, across] + center, axis=1) + 0.25 * wobble(local)
        rings = (radius / period) % 1.0
        weight = 0.75 * rings**2 + 0.25 * fine(local)
        return _mix(light, dark, weight)

    return paint


def marble(rng: np.random.Generator, base: Color, vein: Color) -> Paint:
    """Dark veins where smooth noise crosses its middle."""
    coarse, fine = lattice_noise(rng, 0.5), lattice_noise(rng, 0.15)

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        ridge = np.abs(coarse(points) + 0.4 * fine(points) - 0.7)
        return _mix(base, vein, np.clip(1.0 - ridge / 0.06, 0.0, 1.0) * 0.8)

    return paint


def masked(
    first: Paint, second: Paint, inside: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Paint:
    """`second` where `inside(points, normals)` (P,) is true, `first` elsewhere."""

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return np.where(
            inside(points, normals)[:, None], second(points, normals), first(points, normals)
        )

    return paint


def banded(paints: Sequence[Paint], limits: Numbers, axis: int = 2) -> Paint:
    """Paints one after another along an axis, changing at increasing `limits`."""

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        band = np.searchsorted(np.asarray(limits), points[:, axis])
        result = np.empty(points.shape)
        for index, layer in enumerate(paints):
            chosen = band == index
            result[chosen] = layer(points[chosen], normals[chosen])
        return result

    return paint


def weathered(rng: np.random.Generator, paint: Paint, amount: Real) -> Paint:
    """Brightness varied by up to `amount`, broad and fine, as real surfaces do."""
    broad, fine = lattice_noise(rng, 0.8), lattice_noise(rng, 0.07)

    def apply(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        factor = 1.0 + amount * (1.5 * broad(points) + 0.5 * fine(points) - 1.0)
        return np.clip(paint(points, normals) * factor[:, None], 0.0, 1.0)

    return apply


def picture(
    paint: Paint,
    image: UInt8[np.ndarray, "H W 4"],
    center: tuple[Real, Real],
    size: tuple[Real, Real],
    *,
    facing: str = "-y",
) -> Paint:
    """An image laid flat on the faces that look towards an axis.

    Args:
        paint: what lies under and around it.
        image: straight alpha, row 0 at the top.
        center: (across, up) of its middle in rest coordinates.
        size: (width, height) in rest units.
        facing: the side it is read from: "-y", "+y", "-x", "+x" or "+z", or several ("-x +x").
    """
    for side in facing.split():
        paint = _picture_on(paint, image, center, size, side)
    return paint


def _picture_on(
    paint: Paint, image: np.ndarray, center: tuple[Real, Real], size: tuple[Real, Real], facing: str
) -> Paint:
    axis, sign = "xyz".index(facing[1]), 1.0 if facing[0] == "+" else -1.0
    across, flip = {"-y": (0, 1.0), "+y": (0, -1.0), "-x": (1, -1.0), "+x": (1, 1.0)}.get(
        facing, (0, 1.0)
    )
    up = 1 if axis == 2 else 2

    def apply(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        u = flip * (points[:, across] - center[0]) / size[0] + 0.5
        v = (points[:, up] - center[1]) / size[1] + 0.5
        return _stamp(paint(points, normals), image, u, v, normals[:, axis] * sign > 0.4)

    return apply


def wrapped(
    paint: Paint, image: UInt8[np.ndarray, "H W 4"], low: Real, high: Real, turns: Real = 1.0
) -> Paint:
    """An image around the z axis, its middle at -y, between two heights; `turns` is its share."""

    def apply(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        angle = np.arctan2(points[:, 0], -points[:, 1]) / (2 * np.pi)
        outside = (normals[:, :2] * points[:, :2]).sum(axis=1) > 0
        v = (points[:, 2] - low) / (high - low)
        return _stamp(paint(points, normals), image, angle / turns + 0.5, v, outside)

    return apply


def _stamp(
    under: np.ndarray, image: np.ndarray, u: np.ndarray, v: np.ndarray, where: np.ndarray
) -> np.ndarray:
    """Texels of `image` at (u, v) in [0, 1] (v up) over `under`, where allowed."""
    height, width = image.shape[:2]
    hit = np.flatnonzero(where & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1))
    # colors weighted by alpha, so that transparent texels do not darken the rims of opaque ones
    layer = image / np.float32(255.0)
    layer[..., :3] *= layer[..., 3:]
    x = np.clip(u[hit] * width - 0.5, 0.0, width - 1.001)
    y = np.clip((1.0 - v[hit]) * height - 0.5, 0.0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    upper = layer[top, left] * (1 - fx) + layer[top, left + 1] * fx
    lower = layer[top + 1, left] * (1 - fx) + layer[top + 1, left + 1] * fx
    texels = upper * (1 - fy) + lower * fy
    result = np.array(under, dtype=np.float64)
    result[hit] = result[hit] * (1.0 - texels[:, 3:]) + texels[:, :3]
    return result
