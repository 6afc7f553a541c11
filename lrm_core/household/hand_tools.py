"""Hand tools lying along x: hammers, wrenches, screwdrivers, brushes, saws, tape measures."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Numbers, Real, deformations
from lrm_core.modeling.artwork import package_front
from lrm_core.modeling.assembly import Piece, turned
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import metal
from lrm_core.modeling.paints import banded, gradient, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, random_wood
from lrm_core.modeling.sections import rounded_plate, stack
from lrm_core.modeling.shapes import Shape, box, extrude, lathe, tube

_ALONG = np.linspace(-1.0, 1.0, 24)


def _bar(x: np.ndarray, radius: np.ndarray, exponent: Real = 2.2) -> Shape:
    """A handle along x of varying thickness."""
    path = np.column_stack([x, 0 * x, 0 * x])
    return tube(path, radius, sides=16, exponent=exponent)


def _thickness(at: Numbers, radii: Numbers, scale: Real = 1.0) -> np.ndarray:
    """Radii of a handle between those given at places from -1 to 1."""
    values: np.ndarray = np.interp(_ALONG, at, radii) * scale
    return values


def _hammer(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A rubber or wooden handle with a steel head, claw or wedge behind."""
    radii = _thickness([-1, -0.3, 0.4, 1], [0.085, 0.09, 0.06, 0.055], rng.uniform(0.9, 1.2))
    bands = [plain(palette[0]), plain(palette[4]), random_wood(rng, 0)]
    face, tail = rng.uniform(0.1, 0.15), rng.uniform(0.3, 0.5)
    rows = [
        (-0.32, face, face), (-0.2, face, face), (-0.12, 0.09, 0.09), (0.12, 0.11, 0.1),
        (tail, 0.12, 0.02),
    ]  # fmt: skip
    head = stack(rows, [2, 2, 2.5, 3, 4]).rotated("x", 90).moved(0.85)
    paint = banded(bands, [-0.15, -0.1], axis=0)
    return [Piece(_bar(_ALONG * 0.85, radii), paint), Piece(head, metal(rng))]


def _wrench(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Open at one end, a ring at the other."""
    steel = metal(rng)
    pieces = [Piece(box([1.5, 0.2, 0.09], rounding=0.03), steel)]
    for sign in (-1.0, 1.0):
        end = lathe([[0.24, -0.06], [0.24, 0.06]], segments=28)
        pieces.append(Piece(end.moved(sign * 0.8), steel))
    jaw = box([0.4, 0.2, 0.4]).rotated("z", 15).moved(-0.95)
    eye = lathe([[0.13, -0.2], [0.13, 0.2]], segments=6).moved(0.8)
    return [*pieces, Piece(jaw, steel, cut=True), Piece(eye, steel, cut=True)]


def _screwdriver(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    radii = _thickness([-1, -0.8, 0.2, 0.6, 1], [0.1, 0.16, 0.15, 0.09, 0.12])
    grip = stripes(plain(palette[0]), plain(palette[4]), [0, 1, 1], 0.1, 0.3)
    rod = _bar(np.linspace(-0.2, rng.uniform(0.4, 1.0), 8), np.array([0.045] * 7 + [0.03]))
    return [Piece(_bar(_ALONG * 0.45 - 0.5, radii, 4.0), grip), Piece(rod, metal(rng))]


def _paint_brush(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A flat brush, its tip in paint."""
    radii = _thickness([-1, -0.4, 0.3, 1], [0.05, 0.1, 0.06, 0.12])
    wide = rng.uniform(0.3, 0.6)
    ferrule = box([0.25, wide, 0.14], rounding=0.02).moved(0.12)
    hair = box([0.5, wide * 0.94, 0.12], divisions=12)
    hair = hair.warped(deformations.roughen(rng, 0.05, 0.025)).moved(0.45)
    tip = gradient([(0.85, 0.75, 0.55), palette[2]], 0, 0.05, 0.15)
    wood = random_wood(rng, 0) if rng.random() < 0.5 else plain(palette[0])
    return [
        Piece(_bar(_ALONG * 0.5 - 0.45, radii), wood),
        Piece(ferrule, metal(rng)),
        Piece(hair, tip),
    ]


def _saw(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    teeth = np.linspace(-0.2, 1.2, 40)
    edge = np.column_stack([teeth, -0.12 + 0.03 * (np.arange(40) % 2)])
    blade = extrude(np.concatenate([edge, [[1.2, 0.02], [-0.2, 0.3]]]), 0.03)
    plate = rounded_plate([0.5, 0.12, 0.55], 0.15).rotated("y", 20).moved(-0.4, 0, 0.06)
    hole = rounded_plate([0.22, 0.5, 0.3], 0.1).rotated("y", 20).moved(-0.42, 0, 0.06)
    grip = random_wood(rng, 0) if rng.random() < 0.5 else plain(palette[0])
    pieces = [
        Piece(blade, plain(0.72)), Piece(plate, grip), Piece(hole, grip, cut=True)
    ]  # fmt: skip
    return turned(pieces, "x", 80)


def _tape_measure(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A round case standing, its tape a little out."""
    case = rounded_plate([1.0, 0.55, 1.0], 0.35)
    paint = picture(plain(palette[0]), package_front(rng, palette, 1.0), (0, 0), (0.6, 0.6))
    out = rng.uniform(0.4, 1.0)
    lip = box([out + 0.3, 0.3, 0.03]).moved(0.25 + out / 2, 0, -0.44)
    yellow = plain((0.98, 0.85, 0.1))
    scale = stripes(yellow, plain(0.05), [1, 0, 0], 0.05, 0.2)
    hook = box([0.03, 0.3, 0.12]).moved(0.39 + out, 0, -0.48)
    return [Piece(case, paint), Piece(lip, scale), Piece(hook, metal(rng))]


def _toothbrush(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A brush for teeth, hair or floors: bristles across the end."""
    scale = rng.uniform(0.9, 1.8)
    radii = _thickness([-1, -0.4, 0.2, 0.5, 1], [0.07, 0.09, 0.05, 0.045, 0.07], scale)
    hair = box([rng.uniform(0.35, 0.8), 0.12 * scale, 0.2], divisions=10)
    hair = hair.warped(deformations.roughen(rng, 0.04, 0.02)).moved(0.65, 0, 0.1 + 0.02 * scale)
    colors = [plain(palette[2]), plain(palette[3]), plain(palette[2])]
    grip = banded([plain(palette[0]), plain(palette[3])], [0.1], axis=0)
    return [Piece(_bar(_ALONG, radii), grip), Piece(hair, banded(colors, [-0.08, 0.08], axis=0))]


# Hand tools.
hand_tool = Family(
    {
        "hammer": (_hammer, 1.0),
        "wrench": (_wrench, 1.0),
        "screwdriver": (_screwdriver, 1.0),
        "paint_brush": (_paint_brush, 1.0),
        "saw": (_saw, 1.0),
        "tape_measure": (_tape_measure, 1.0),
        "toothbrush": (_toothbrush, 1.0),
    }
)
