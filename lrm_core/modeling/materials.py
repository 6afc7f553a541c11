"""What made things are made of: product colors, cloth, leather, fur, metal, plastic, wicker."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8

from lrm_core.modeling import Real
from lrm_core.modeling.draws import draw
from lrm_core.modeling.paints import (
    Paint,
    clouds,
    facing_plane,
    gradient,
    masked,
    plain,
    spots,
    stripes,
    weathered,
)
from lrm_core.modeling.palettes import Palette, random_wood
from lrm_core.modeling.prints import texel

_LEATHERS = [(0.35, 0.2, 0.11), (0.55, 0.33, 0.17), (0.1, 0.09, 0.09), (0.72, 0.52, 0.33)]
_METALS = [(0.72, 0.73, 0.75), (0.5, 0.51, 0.53), (0.83, 0.66, 0.3), (0.72, 0.43, 0.29)]


def product_palette(rng: np.random.Generator) -> Palette:
    """Five sRGB colors as goods have them: main, second, accent, light, dark."""
    rows = [_product_color(rng) for _ in range(3)]
    if np.abs(rows[1] - rows[0]).sum() < 0.5:
        rows[1] = np.ones(3) * 0.95 if rows[0].sum() < 1.5 else np.ones(3) * 0.12
    if np.abs(rows[2] - rows[0]).sum() < 0.5:
        rows[2] = np.array(colorsys.hsv_to_rgb(rng.random(), 0.85, 0.85))
    rows.append(np.full(3, rng.uniform(0.88, 1.0)) * rng.uniform(0.96, 1.0, size=3))
    rows.append(np.full(3, rng.uniform(0.04, 0.2)) * rng.uniform(0.7, 1.3, size=3))
    clipped: np.ndarray = np.clip(np.array(rows), 0.0, 1.0)
    return clipped


def _product_color(rng: np.random.Generator) -> np.ndarray:
    kind = rng.choice(6, p=[0.14, 0.13, 0.1, 0.4, 0.1, 0.13])
    hue = float(rng.choice([0.0, 0.02, 0.08, 0.14, 0.3, 0.45, 0.55, 0.6, 0.65, 0.78, 0.92]))
    hue = (hue + rng.normal(0, 0.02)) % 1.0
    if kind == 0:
        return np.full(3, rng.uniform(0.86, 0.98))
    if kind == 1:
        return np.full(3, rng.uniform(0.05, 0.18))
    if kind == 2:
        return np.full(3, rng.uniform(0.3, 0.75))
    if kind == 3:
        return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.65, 1.0), rng.uniform(0.5, 0.98)))
    if kind == 4:
        return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.2, 0.45), rng.uniform(0.8, 1.0)))
    return np.array(colorsys.hsv_to_rgb(rng.uniform(0.05, 0.12), 0.5, rng.uniform(0.3, 0.8)))


def tiled(image: UInt8[np.ndarray, "H W 3"], period: Real) -> Paint:
    """An image repeated over the plane that each normal is closest to; z stays upright."""
    rows, columns = image.shape[:2]
    height = period * rows / columns

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        u, v = (facing_plane(points, normals) / [period, height]).T
        x, y = (u % 1.0 * columns).astype(int), ((-v) % 1.0 * rows).astype(int)
        texels: np.ndarray = image[np.minimum(y, rows - 1), np.minimum(x, columns - 1)] / 255.0
        return texels

    return paint


def _texels(colors: np.ndarray) -> UInt8[np.ndarray, "H W 3"]:
    texels: np.ndarray = (np.clip(colors, 0.0, 1.0) * 255).astype(np.uint8)
    return texels


def _plaid(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """Bands of color crossing each other at right angles."""
    band = np.zeros((64, 3)) + palette[0]
    for _ in range(int(rng.integers(2, 5))):
        start, width = int(rng.integers(60)), int(rng.integers(2, 16))
        band[start : start + width] = palette[rng.integers(1, 5)]
    return _texels((band[:, None] + band[None]) / 2)


def _motifs(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """Flowers, leaves, hearts or stars scattered over a ground; wraps around."""
    image = np.empty((96, 96, 3), dtype=np.uint8)
    image[:] = texel(palette[0])[:3]
    petals, size = int(rng.choice([1, 2, 3, 5, 6])), float(rng.uniform(5, 14))
    for _ in range(int(rng.integers(5, 14))):
        x, y = rng.integers(96, size=2)
        first, second = texel(palette[rng.integers(1, 5)]), texel(palette[rng.integers(1, 5)])
        turn = rng.uniform(0, 360)
        for dx in (-96, 0, 96):
            for dy in (-96, 0, 96):
                for petal in range(petals):
                    angle = turn + 360 * petal / petals
                    reach = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * size
                    spot = (int(x + dx + reach[0] * 0.6), int(y + dy + reach[1] * 0.6))
                    axes = (int(size * 0.55), int(size * 0.3))
                    cv2.ellipse(image, spot, axes, angle, 0, 360, first, -1, cv2.LINE_AA)
                cv2.circle(image, (int(x + dx), int(y + dy)), int(size * 0.3), second, -1)
    return image


def _weave(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """Threads over and under: canvas, herringbone, knit."""
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    kind = rng.integers(3)
    if kind == 0:
        wave = (x // 4 + y // 4) % 2 * 0.8 + 0.2 * ((x + y) % 4 > 1)
    elif kind == 1:
        wave = ((np.where(x < 16, x + y, 32 - x + y)) % 8 < 4).astype(float)
    else:
        wave = 0.5 + 0.5 * np.sin((y + np.abs(x % 16 - 8)) * np.pi / 4)
    near = np.clip(palette[0] * rng.uniform(0.55, 0.8), 0, 1)
    other = near if rng.random() < 0.7 else palette[rng.integers(1, 5)]
    image = palette[0] + (other - palette[0]) * wave[..., None]
    return _texels(image)


def _quilt(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """Padded diamonds, darker along their seams."""
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    seam = np.minimum(np.abs((x + y) % 64 - 32), np.abs((x - y) % 64 - 32)) / 32.0
    light = 0.55 + 0.45 * np.sqrt(1.0 - (1.0 - seam) ** 4)
    return _texels(palette[0] * light[..., None])


def fabric(rng: np.random.Generator, palette: Palette, main: int = 0) -> Paint:
    """Cloth: woven, plaid, printed, striped, quilted, camouflaged or simply dyed."""
    colors = np.roll(palette, -main, axis=0)
    first, second = plain(colors[0]), plain(colors[rng.integers(1, 5)])
    shade = colors[0] * 0.88
    choices: list[tuple[Callable[[], Paint], float]] = [
        (lambda: clouds(rng, [shade, colors[0]], 0.12), 2.0),
        (lambda: first, 2.0),
        (lambda: tiled(_weave(rng, colors), float(rng.uniform(0.1, 0.25))), 3.0),
        (lambda: tiled(_plaid(rng, colors), float(rng.uniform(0.25, 0.7))), 1.3),
        (lambda: tiled(_motifs(rng, colors), float(rng.uniform(0.4, 0.9))), 2.0),
        (lambda: tiled(_quilt(rng, colors), float(rng.uniform(0.2, 0.4))), 0.8),
        (
            lambda: stripes(
                first,
                second,
                np.eye(3)[rng.choice([0, 2])],
                float(rng.uniform(0.06, 0.3)),
                rng.uniform(0.2, 0.6),
            ),
            1.2,
        ),
        (lambda: spots(rng, spots(rng, first, second, 0.2), plain(colors[4]), 0.17), 0.6),
    ]
    return draw(rng, choices)()


def leather(rng: np.random.Generator, palette: Palette, main: int = 0) -> Paint:
    """Brown, black or dyed hide with a soft grain."""
    dyed = rng.random() < 0.5
    color = palette[main] if dyed else np.array(_LEATHERS[rng.integers(len(_LEATHERS))])
    return weathered(rng, clouds(rng, [color * 0.88, color, np.clip(color * 1.05, 0, 1)], 0.3), 0.1)


def metal(rng: np.random.Generator) -> Paint:
    """Steel, iron, brass or copper: lighter above, as if it mirrored the sky."""
    color = np.array(_METALS[rng.choice(len(_METALS), p=[0.5, 0.3, 0.1, 0.1])])
    base = plain(color)

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        sheen = 1.0 + 0.25 * normals[:, 2] + 0.12 * np.cos(5.0 * normals[:, 0])
        return np.clip(base(points, normals) * sheen[:, None], 0.0, 1.0)

    return paint


def fur(rng: np.random.Generator, color: np.ndarray) -> Paint:
    """Short plush of one color, light and dark by tufts."""
    light = np.clip(color * 1.12 + 0.02, 0, 1)
    return clouds(rng, [color * 0.86, color, light], float(rng.uniform(0.04, 0.08)), octaves=2)


def plastic(rng: np.random.Generator, palette: Palette, main: int = 0) -> Paint:
    """Smooth and even; now and then fading from color to color or like wood."""
    kind = rng.random()
    if kind < 0.8:
        return plain(palette[main])
    if kind < 0.92:
        return gradient([palette[main], palette[(main + 1) % 5]], 2, 0.0, 1.6)
    return random_wood(rng, 2)


def wicker(rng: np.random.Generator, color: np.ndarray) -> Paint:
    """Rods woven over and under each other."""
    x, y = np.meshgrid(np.arange(48), np.arange(24))
    over = (x // 24 + y // 12) % 2 == 0
    round_x, round_y = np.sin((x % 24) / 24 * np.pi), np.sin((y % 12) / 12 * np.pi)
    light = np.where(over, 0.45 + 0.55 * round_y, 0.35 + 0.4 * round_x)
    return tiled(_texels(color * light[..., None]), float(rng.uniform(0.12, 0.3)))


def patched(paint: Paint, other: Paint, axis: int, low: Real, high: Real) -> Paint:
    """`other` between two coordinates along an axis, `paint` elsewhere."""
    return masked(paint, other, lambda p, _: (p[:, axis] > low) & (p[:, axis] < high))
