"""Colors that go together, and paints drawn at random from them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from lrm_core.modeling.draws import draw
from lrm_core.modeling.paints import (
    Paint,
    bricks,
    checks,
    clouds,
    dots,
    gradient,
    marble,
    plain,
    spots,
    stripes,
    wood,
)

# sRGB colors of one object: main, second, accent, light, dark
Palette = Float[np.ndarray, "5 3"]

_EARTHS = np.array(
    [
        (0.55, 0.36, 0.2), (0.36, 0.22, 0.13), (0.82, 0.66, 0.45), (0.93, 0.87, 0.76),
        (0.78, 0.48, 0.22), (0.62, 0.3, 0.16), (0.45, 0.42, 0.38), (0.7, 0.67, 0.62),
        (0.2, 0.18, 0.17), (0.85, 0.55, 0.15), (0.4, 0.43, 0.25), (0.75, 0.6, 0.5),
    ]
)  # fmt: skip


def random_palette(rng: np.random.Generator) -> Palette:
    """Five sRGB colors that go together: main, second, accent, light, dark."""
    hue = rng.random()
    schemes = [(0.0, 0.0), (0.06, -0.06), (0.5, 0.06), (0.33, 0.66), (0.42, 0.58), (0.1, 0.5)]
    second, accent = schemes[rng.integers(len(schemes))]
    saturations = [(0.0, 0.15), (0.2, 0.5), (0.45, 0.8), (0.7, 1.0)]
    low, high = saturations[rng.choice(4, p=[0.15, 0.3, 0.3, 0.25])]
    rows = []
    for offset in (0.0, second, accent):
        saturation, value = rng.uniform(low, high), rng.uniform(0.35, 1.0)
        rows.append(colorsys.hsv_to_rgb((hue + offset) % 1.0, saturation, value))
    rows.append(colorsys.hsv_to_rgb(hue, rng.uniform(0.0, 0.15), rng.uniform(0.85, 1.0)))
    rows.append(colorsys.hsv_to_rgb(hue, rng.uniform(0.0, 0.5), rng.uniform(0.05, 0.25)))
    palette = np.array(rows)
    if rng.random() < 0.3:
        # the colors of fur, leather, clay, stone and bread
        palette[:3] = _EARTHS[rng.choice(len(_EARTHS), size=3, replace=False)]
        palette[:3] *= rng.uniform(0.8, 1.15, size=(3, 1))
    # neutrals are as common in things as colors
    for row in range(3):
        if rng.random() < 0.15:
            palette[row] = rng.choice([0.95, 0.8, 0.5, 0.15]) + rng.uniform(-0.04, 0.04, size=3)
    clipped: np.ndarray = np.clip(palette, 0.0, 1.0)
    return clipped


# light and dark of each: oak, walnut, pine, mahogany, gray driftwood
_WOODS = [
    ((0.80, 0.62, 0.40), (0.58, 0.40, 0.22)),
    ((0.48, 0.32, 0.20), (0.28, 0.17, 0.10)),
    ((0.92, 0.78, 0.56), (0.78, 0.58, 0.34)),
    ((0.55, 0.25, 0.15), (0.34, 0.13, 0.08)),
    ((0.66, 0.60, 0.54), (0.45, 0.40, 0.36)),
]


def random_wood(rng: np.random.Generator, grain: int = 0) -> Paint:
    """Wood of a random kind."""
    light, dark = _WOODS[rng.integers(len(_WOODS))]
    return wood(rng, np.array(light), np.array(dark), grain)


def random_paint(rng: np.random.Generator, palette: Palette, main: int) -> Paint:
    """A paint for one part: mostly plain or softly varied, sometimes patterned.

    Args:
        rng: source of the draws.
        palette: the colors of the object.
        main: the row of the palette that dominates.
    """
    color = palette[main]
    other = palette[(main + rng.integers(1, 5)) % 5]
    near = np.clip(color * rng.uniform(0.6, 1.25), 0.0, 1.0)
    scale = float(np.exp(rng.uniform(np.log(0.12), np.log(0.5))))
    direction = np.eye(3)[rng.choice(3, p=[0.3, 0.1, 0.6])]
    if rng.random() < 0.2:
        direction = rng.normal(size=3)
    choices: list[tuple[Callable[[], Paint], float]] = [
        (lambda: plain(color), 6.0),
        (lambda: clouds(rng, [color, near], scale), 3.0),
        (lambda: gradient([color, other], int(rng.choice([0, 2])), -0.7, 0.7), 2.0),
        (
            lambda: stripes(plain(color), plain(other), direction, scale, rng.uniform(0.15, 0.6)),
            2.0,
        ),
        (lambda: checks(plain(color), plain(other), scale), 0.8),
        (lambda: dots(plain(color), plain(other), scale, rng.uniform(0.2, 0.4)), 1.0),
        (lambda: spots(rng, plain(color), plain(other), scale), 1.0),
        (lambda: clouds(rng, [color, other, near], scale), 0.7),
        (lambda: marble(rng, color, other), 0.7),
        (lambda: random_wood(rng, int(rng.integers(3))), 1.0),
        (lambda: bricks(plain(color), plain(other), scale, scale / 2), 0.6),
    ]
    return draw(rng, choices)()


def plain_among(rng: np.random.Generator, palette: Palette, *rows: int) -> Paint:
    """One color, drawn from those rows of the palette; a row named twice is twice as likely."""
    return plain(palette[int(rng.choice(rows))])
