"""The form shoes are made on, and what all have in common: upper, sole, laces, heel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.paints import Paint
from lrm_core.modeling.sections import side_plate, side_view, strip
from lrm_core.modeling.shapes import Shape, curve, loft, tube

# half width and middle of a right foot over t: 0 at the toe, 1 at the heel
_T = [0.0, 0.03, 0.1, 0.3, 0.5, 0.7, 0.88, 0.97, 1.0]
_HALF = [0.05, 0.15, 0.25, 0.35, 0.31, 0.265, 0.27, 0.19, 0.06]
_SIDE = [-0.08, -0.07, -0.04, 0.0, 0.03, 0.03, 0.0, 0.0, 0.0]


@dataclass(frozen=True)
class Last:
    """The form a low shoe is made on.

    Attributes:
        throat: where the opening begins, 0 toe to 1 heel.
        instep: height of the upper at the throat.
        topline: heights of the opening's edge at the throat, the ankle and the heel.
        sole: thickness of the sole.
        toe: height of the toe, above the sole.
        slim: factor on the width.
        rise: how far the heel is lifted.
        wall: thickness of the upper.
    """

    throat: float
    instep: float
    topline: tuple[float, float, float]
    sole: float
    toe: float
    slim: float = 1.0
    rise: float = 0.0
    wall: float = 0.05

    def half_width(self, t: np.ndarray) -> np.ndarray:
        """Half width of the foot at t (0 toe, 1 heel)."""
        half: np.ndarray = np.interp(t, _T, _HALF) * self.slim
        return half

    def across(self, t: Real) -> tuple[float, float]:
        """Half width and middle (x) of the foot at t."""
        return float(np.interp(t, _T, _HALF)) * self.slim, float(np.interp(t, _T, _SIDE))

    def lifted(self, shape: Shape) -> Shape:
        """The shape on its heel, the toe slightly off the ground."""

        def lift(points: np.ndarray) -> np.ndarray:
            t = np.clip((points[:, 1] + 1.0) / 2.0, 0.0, 1.0)
            ramp = np.clip((t - 0.28) / 0.5, 0.0, 1.0)
            rise = self.rise * ramp**2 * (3 - 2 * ramp)
            toe = 0.09 * np.clip(1.0 - t / 0.3, 0.0, 1.0) ** 2
            return points + np.stack([0 * t, 0 * t, rise + toe], axis=1)

        return shape.warped(lift)


def upper_shape(last: Last, *, grown: float, wall: float) -> Shape:
    """The foot's room from toe to heel; `grown` higher behind the throat, `wall` narrower."""
    t = np.sort(np.append(np.linspace(0, 1, 30) ** 1.2, [0.015, 0.985]))
    throat = last.throat
    height = np.interp(
        t,
        [0, 0.03, 0.1, 0.25, throat, throat + 0.12, 1.0],
        np.array([0.45, 0.7, 1.0, 1.12, 0, 0, 0]) * last.toe
        + np.array([0, 0, 0, 0, last.instep, last.instep + grown, max(last.topline) + grown]),
    )
    z = last.sole + height - wall
    half = np.maximum(last.half_width(t) - wall, 0.02)
    y = (t * 2 - 1) * (1.0 - wall)
    low = last.sole - 0.45 * height
    side = np.interp(t, _T, _SIDE)
    floor = last.sole + 0.03 if wall > 0 else 0.5 * last.sole
    narrowing = np.interp(t, [0, 0.3, throat, 1], [0.1, 0.15, 0.3, 0.3])
    return strip(side_view(y, z, low, half, side), exponent=2.5, narrowing=narrowing, floor=floor)


def sole_shape(last: Last, flare: Real) -> Shape:
    """A plate of the foot's outline."""
    t = (1 - np.cos(np.linspace(0, np.pi, 26))) / 2
    half = last.half_width(t) + flare
    side = np.interp(t, _T, _SIDE)
    y = (t * 2 - 1) * (1.0 + 0.6 * flare)
    right, left = np.stack([side + half, y], 1), np.stack([side - half, y], 1)
    outline = np.concatenate([right, left[::-1]])
    middle = outline.mean(axis=0)
    rings = [
        np.column_stack([middle + (outline - middle) * scale, np.full(len(outline), z)])
        for z, scale in (
            (0.0, 0.95), (0.03, 1.0), (last.sole * 0.6, 0.985), (last.sole, 1.0),
            (last.sole * 1.12, 0.97),
        )
    ]  # fmt: skip
    return loft(np.array(rings))


def low_shoe(
    last: Last, upper: Paint, lining: Paint, sole: Paint, *, flare: Real = 0.03
) -> list[Piece]:
    """Upper with its opening, and sole, not yet lifted."""
    high = last.sole + max(last.topline) + last.instep + 1.0
    start = last.throat * 2 - 1
    front, ankle, heel = (last.sole + z for z in last.topline)
    edge = curve([(start, front), ((start + 1.0) * 0.5, ankle), (1.0, heel)], 12)
    edge[:, 1] = np.maximum(edge[:, 1], last.sole * 0.5)
    above = np.concatenate([edge, [[1.3, heel], [1.3, high], [start + 0.2, high]]])
    room = upper_shape(last, grown=0.6, wall=last.wall)
    # only behind the throat: the toe box stays as it is
    room = room.warped(
        lambda p: np.column_stack([p[:, 0], np.maximum(p[:, 1], start + 0.04), p[:, 2]])
    )
    return [
        Piece(upper_shape(last, grown=0.35, wall=0.0), upper),
        Piece(side_plate(above, 2.0), lining, cut=True),
        Piece(room, lining, cut=True),
        Piece(sole_shape(last, flare), sole),
    ]


def lifted(last: Last, pieces: list[Piece]) -> list[Piece]:
    """The pieces on the heel of their last."""
    return [replace(piece, shape=last.lifted(piece.shape)) for piece in pieces]


def laces(last: Last, paint: Paint, rows: int, start: Real) -> list[Piece]:
    """Bars across the instep."""
    pieces = []
    for t in np.linspace(start, last.throat + 0.01, rows):
        y = t * 2 - 1
        top = last.sole + np.interp(
            t, [0.1, 0.25, last.throat], [last.toe, last.toe * 1.12, last.instep]
        )
        half, side = last.across(t)
        half *= 0.45
        drop = 0.1
        path = [
            (side - half, y, top - drop),
            (side, y - 0.02, top + 0.015),
            (side + half, y, top - drop),
        ]
        pieces.append(Piece(tube(path, 0.03, sides=8, samples=9), paint))
    return pieces


def with_heel(last: Last, pieces: list[Piece], paint: Paint) -> list[Piece]:
    """A wedge under a lifted heel."""
    if last.rise < 0.03:
        return pieces
    t = np.linspace(0.35, 0.985, 14)
    half = last.half_width(t) * 0.98
    y = t * 2 - 1
    ramp = np.clip((t - 0.28) / 0.5, 0.0, 1.0)
    top = last.rise * ramp**2 * (3 - 2 * ramp) + 0.03
    wedge = strip(side_view(y, top, 0.0, half, np.interp(t, _T, _SIDE)), exponent=12.0)
    return [*pieces, Piece(wedge, paint)]
