"""Hats, hollow below, their fronts towards -y: baseball and woolen caps, brims, helmets."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import deformations
from lrm_core.modeling.artwork import logo
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, fur, wicker
from lrm_core.modeling.paints import Paint, masked, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.shapes import Shape, box, ellipsoid, lathe


def _hollow(dome: Shape, paint: Paint, lining: Paint) -> list[Piece]:
    """The upper half of a dome without the room for the head."""
    room = ellipsoid([0.72, 0.84, 0.62]).moved(z=-0.02)
    below = box([3.0, 3.0, 1.0]).moved(z=-0.5)
    return [Piece(dome, paint), Piece(below, lining, cut=True), Piece(room, lining, cut=True)]


def _visor(reach: float) -> Shape:
    """A peak, lower at its sides."""

    def droop(points: np.ndarray) -> np.ndarray:
        lowered: np.ndarray = points.copy()
        lowered[:, 2] -= 0.35 * points[:, 0] ** 2
        return lowered

    shape = ellipsoid([0.6, reach, 0.05], exponent=2.6).warped(droop)
    return shape.moved(0, -0.95, 0.09)


def _cap(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A baseball cap with a badge."""
    badge = picture(fabric(rng, palette), logo(rng, palette[2], 1.4), (0, 0.36), (0.6, 0.42))
    pieces = _hollow(ellipsoid([0.78, 0.9, 0.7]), badge, plain(palette[4]))
    button = ellipsoid([0.06, 0.06, 0.04], divisions=6).moved(z=0.7)
    peak = plain_among(rng, palette, 0, 1, 2)
    return [*pieces, Piece(_visor(rng.uniform(0.75, 0.95)), peak), Piece(button, plain(palette[1]))]


def _helmet(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A hard hat or a riding helmet, smooth, with stripes from front to back."""
    paint = picture(plain(palette[0]), logo(rng, palette[2], 1.4), (0, 0.36), (0.4, 0.3))
    if rng.random() < 0.7:
        at = rng.uniform(0.0, 0.4)
        second = plain(palette[1])
        paint = masked(paint, second, lambda p, _: np.abs(np.abs(p[:, 0]) - at) < 0.09)
    pieces = _hollow(ellipsoid([0.78, 0.9, 0.85]), paint, plain(palette[4]))
    return [*pieces, Piece(_visor(0.4), plain_among(rng, palette, 0, 1))]


def _brimmed(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A sun hat, cowboy hat or bowler with a ribbon."""
    crown, wide, up = rng.uniform(0.45, 0.8), rng.uniform(1.05, 1.5), rng.uniform(0.0, 0.35)
    straw = rng.random() < 0.5
    felt = wicker(rng, np.array([0.85, 0.7, 0.42])) if straw else fabric(rng, palette)

    def oval(points: np.ndarray) -> np.ndarray:
        stretched: np.ndarray = points * [0.92, 1.08, 1.0]
        return stretched

    def curl(points: np.ndarray) -> np.ndarray:
        rolled = oval(points)
        rolled[:, 2] += up * points[:, 0] ** 4 / wide**4
        return rolled

    outline = [(0.68, 0.0), (0.64, crown * 0.7), (0.5, crown), (0.05, crown * 0.94)]
    levels = np.linspace(0.6, wide, 8)
    under, over = np.full(8, -0.02), np.full(8, 0.03)
    rim = np.concatenate([np.stack([levels, under], 1), np.stack([levels, over], 1)[::-1]])
    band = lathe([[0.69, 0.03], [0.68, 0.2]], segments=48)
    return [
        Piece(lathe(rim, segments=52).warped(curl), felt),
        Piece(lathe(outline, segments=48, samples=16).warped(oval), felt),
        Piece(band.warped(oval), plain(palette[2])),
        Piece(ellipsoid([0.56, 0.66, crown * 0.8]), plain(palette[4]), cut=True),
    ]


def _beanie(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A woolen cap with a turned-up cuff and, mostly, a pompom."""
    pieces = _hollow(ellipsoid([0.74, 0.8, 0.95]), fabric(rng, palette), plain(palette[4]))
    section = np.array([[0.78, 0.0], [0.84, 0.05], [0.84, 0.28], [0.78, 0.33]])
    ribs = stripes(plain(palette[1]), plain(palette[1] * 0.8), [1, 0, 0], 0.07)
    # the cuff first, so that the room is cut out of it as well
    pieces.insert(0, Piece(lathe(section, segments=44), ribs))
    pompom = ellipsoid([0.24, 0.24, 0.22], divisions=12)
    pompom = pompom.warped(deformations.roughen(rng, 0.08, 0.05)).moved(z=1.0)
    if rng.random() < 0.75:
        pieces.append(Piece(pompom, fur(rng, palette[int(rng.choice([2, 3]))])))
    return pieces


# Hats.
hat = Family(
    {
        "cap": (_cap, 1.0),
        "helmet": (_helmet, 1.0),
        "brimmed": (_brimmed, 1.0),
        "beanie": (_beanie, 1.0),
    }
)
