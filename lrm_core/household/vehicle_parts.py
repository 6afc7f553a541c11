"""What toy vehicles have in common: wheels, windows, lamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrm_core.modeling import Numbers, Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.paints import Paint, masked, plain
from lrm_core.modeling.shapes import ellipsoid, lathe

GLASS = plain((0.2, 0.28, 0.36))
TIRE = 0.07
HEADLIGHT, TAILLIGHT = (1.0, 0.97, 0.8), (0.85, 0.1, 0.1)


def wheels(
    x: Real, stations: Sequence[Real], radius: Real, width: Real, hub: Real | Numbers
) -> list[Piece]:
    """A pair of wheels at every y of `stations`, standing on z = 0, hub caps outside."""
    half = width / 2
    inner = radius * 0.9
    outline = [[inner, -half], [radius, -half * 0.6], [radius, half * 0.6], [inner, half]]
    tire = lathe(outline, segments=28).rotated("y", 90)
    cap = lathe([[radius * 0.55, 0], [radius * 0.3, 0.04]], segments=20).rotated("y", 90)
    pieces: list[Piece] = []
    for y in stations:
        side = Piece(tire.moved(x, y, radius), plain(TIRE))
        pieces += mirrored([side, Piece(cap.moved(x + half - 0.005, y, radius), plain(hub))])
    return pieces


def side_windows(paint: Paint, spans: Sequence[tuple[Real, Real]], low: Real, high: Real) -> Paint:
    """Glass on both sides between pairs of y, from one height to another."""
    edges = np.asarray(spans, dtype=np.float64)

    def inside(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        y = points[:, 1:2]
        within = ((y > edges[:, 0]) & (y < edges[:, 1])).any(axis=1)
        level = (points[:, 2] > low) & (points[:, 2] < high)
        result: np.ndarray = within & level & (np.abs(normals[:, 0]) > 0.5)
        return result

    return masked(paint, GLASS, inside)


def lamps(width: Real, y: Real, z: Real, color: Numbers) -> list[Piece]:
    """A pair of lamps on the nose or the tail of a body of that half width."""
    lamp = ellipsoid([0.08, 0.05, 0.07], exponent=2.5, divisions=8).moved(width * 0.72, y, z)
    return mirrored([Piece(lamp, plain(color))])
