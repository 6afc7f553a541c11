"""What toy animals have in common: coats and legs."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.paints import Paint, clouds, gradient, plain, spots, stripes
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.skins import Body, balls, bones

IVORY = np.array([0.95, 0.92, 0.82])


def coat_paint(
    rng: np.random.Generator, palette: Palette, natural: tuple[Real, Real, Real]
) -> Paint:
    """The animal's own color or a toy's, lighter below or marked."""
    color = np.array(natural) * rng.uniform(0.8, 1.15) if rng.random() < 0.6 else palette[0]
    color = np.clip(color, 0, 1)
    kind = rng.integers(5)
    if kind == 0:
        return gradient([np.clip(color * 1.3 + 0.1, 0, 1), color, color], 2, 0.0, 1.2)
    if kind == 1:
        return spots(rng, plain(color), plain_among(rng, palette, 1, 3, 4), 0.22)
    if kind == 2:
        dark = plain(color * 0.35)
        return stripes(plain(color), dark, [0, 1, 0.25], 0.16, 0.35)
    return clouds(rng, [color * 0.85, color, np.clip(color * 1.1, 0, 1)], 0.2)


def four_legs(spread: Real, front: Real, back: Real, top: Real, radii: tuple[Real, Real]) -> Body:
    """Four legs with hooves or paws."""
    body: Body = []
    for y in (front, back):
        body += bones("coat", (spread, y, top), (spread, y + 0.02, radii[1]), radii)
        body += balls(
            "feet",
            (spread, y - radii[1] * 0.3, radii[1] * 0.5),
            (radii[1] * 1.15, radii[1] * 1.3, radii[1] * 0.6),
        )
    return body
