"""Smooth bodies of painted limbs: a part of a creature is a limb with the name of its paint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.paints import Paint
from lrm_core.modeling.shapes import Limb, blend

Point = tuple[Real, Real, Real]
Body = list[tuple[str, Limb]]


def bone(
    name: str, start: Point, end: Point, radii: tuple[Real, Real], stretch: Point = (1, 1, 1)
) -> Body:
    """A limb in the middle."""
    return [(name, Limb(start, end, radii, stretch))]


def bones(
    name: str, start: Point, end: Point, radii: tuple[Real, Real], stretch: Point = (1, 1, 1)
) -> Body:
    """A limb and its mirror image in x."""
    limb = Limb(start, end, radii, stretch)
    return [(name, limb), (name, limb.mirrored())]


def ball(name: str, center: Point, radii: Point) -> Body:
    """An ellipsoid in the middle."""
    return [(name, Limb(center, center, (1.0, 1.0), radii))]


def balls(name: str, center: Point, radii: Point) -> Body:
    """An ellipsoid and its mirror image in x."""
    limb = Limb(center, center, (1.0, 1.0), radii)
    return [(name, limb), (name, limb.mirrored())]


def chain(name: str, points: Sequence[Point], radii: Sequence[Real]) -> Body:
    """Limbs end to end."""
    return [
        (name, Limb(points[k], points[k + 1], (radii[k], radii[k + 1])))
        for k in range(len(points) - 1)
    ]


def skin(body: Body, paints: Mapping[str, Paint], smoothness: Real, resolution: int = 40) -> Piece:
    """One blended skin, each point in the paint of the nearest limb."""
    limbs = [limb for _, limb in body]
    names = list(dict.fromkeys(name for name, _ in body))
    owner = np.array([names.index(name) for name, _ in body])

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        nearest = owner[np.argmin([limb.distance(points) for limb in limbs], axis=0)]
        result = np.empty(points.shape)
        for index, name in enumerate(names):
            chosen = nearest == index
            result[chosen] = paints[name](points[chosen], normals[chosen])
        return result

    return Piece(blend(limbs, smoothness, resolution), paint)
