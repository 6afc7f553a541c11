"""Toy aircraft, nose towards -y or up: airliners, propeller planes, helicopters, rockets."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.household.vehicle_parts import GLASS, TIRE, side_windows
from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.materials import patched
from lrm_core.modeling.paints import masked, plain
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.sections import side_plate, side_view, stack, strip
from lrm_core.modeling.shapes import Shape, box, ellipsoid, extrude, lathe, torus, tube


def _rocket(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A rocket on three fins with a porthole."""
    color, second = plain(palette[0]), plain_among(rng, palette, 1, 2)
    fat = rng.uniform(0.26, 0.36)
    rows = [
        (0.25, fat * 0.65, fat * 0.65), (0.8, fat, fat), (1.4, fat * 0.85, fat * 0.85),
        (1.9, 0.08, 0.08), (2.0, 0.02, 0.02),
    ]  # fmt: skip
    hull = stack(rows, samples=24)
    paint = patched(patched(color, second, 2, 1.5, 9.0), second, 2, 0.0, 0.45)
    fin = side_plate([(-0.2, 0.8), (-0.65, 0.0), (-0.55, -0.02), (-0.15, 0.3)], 0.07)
    port = torus(0.13, 0.03, 24, 8).rotated("x", 90).moved(0, -fat * 0.96, 1.15)
    glass = ellipsoid([0.13, 0.04, 0.13]).moved(0, -fat * 0.94, 1.15)
    pieces = [Piece(hull, paint), Piece(port, second), Piece(glass, GLASS)]
    return pieces + [Piece(fin.rotated("z", 45 + 120.0 * k), second) for k in range(3)]


def _fuselage(palette: Palette, fat: Real, end: Real) -> Piece:
    """A drop-shaped hull from y = -0.95 to `end`, glazed in front, with small windows."""
    share = np.linspace(0, 1, 22)
    y = -0.95 + (end + 0.95) * share
    size = fat * np.interp(share, [0, 0.08, 0.3, 0.7, 1], [0.15, 0.6, 1, 1, 0.25])
    hull = strip(side_view(y, size, -size * 0.9, size * 0.95), exponent=2.2)
    panes = [(a, a + 0.05) for a in np.arange(-0.55, 0.45, 0.1).tolist()]
    paint = side_windows(plain(palette[0]), panes, 0.02, 0.09)

    def cockpit(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        level = (points[:, 2] > fat * 0.1) & (points[:, 2] < fat * 0.8)
        inside: np.ndarray = level & (points[:, 1] < -0.66)
        return inside

    return Piece(hull, masked(paint, GLASS, cockpit))


def _helicopter(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cabin with a boom, a rotor above and skids below."""
    fat = rng.uniform(0.24, 0.34)
    color, second = plain(palette[0]), plain_among(rng, palette, 1, 2)
    dark = plain(palette[4])
    fin = side_plate([(0.68, 0.08), (0.85, 0.48), (1.0, 0.48), (0.98, 0.08)], 0.05)
    boom = tube([[0, 0.0, 0.05], [0, 0.95, 0.12]], np.array([0.14, 0.05]))
    mast = tube([[0, -0.35, 0.1], [0, -0.35, fat + 0.16]], 0.05)
    skid = tube([[0.22, -0.8, -fat - 0.16], [0.22, 0.1, -fat - 0.16]], 0.03)
    leg = tube([[0.1, -0.35, -fat * 0.5], [0.22, -0.35, -fat - 0.16]], 0.035)
    pieces = [_fuselage(palette, fat, 0.3), Piece(boom, color), Piece(mast, dark)]
    pieces.append(Piece(fin, second))
    for k in range(2):
        blade = box([0.12, 1.8, 0.025]).rotated("z", 25 + 90.0 * k)
        pieces.append(Piece(blade.moved(0, -0.35, fat + 0.14), dark))
    return pieces + mirrored([Piece(skid, dark), Piece(leg, dark)])


def _plane(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An airliner with engines, or a propeller plane, with two decks of wings now and then."""
    airliner = rng.random() < 0.5
    color, second = plain(palette[0]), plain_among(rng, palette, 1, 2)
    swept = 0.35 if airliner else 0.05
    outline = np.array([(0.0, -0.2), (0.95, -0.05 + swept), (0.95, 0.12 + swept), (0.0, 0.25)])
    wing = _flat(outline, 0.05)
    tail = _flat(outline * [0.38, 0.5] + [0, 0.8], 0.04)
    fin = side_plate([(0.62, 0.0), (0.85, 0.4), (1.0, 0.4), (0.95, 0.0)], 0.05)
    pieces = [_fuselage(palette, rng.uniform(0.13, 0.2), 0.95), Piece(fin, second)]
    pieces += mirrored([Piece(wing.moved(z=-0.03), color), Piece(tail.moved(z=0.03), second)])
    if airliner:
        engine = lathe([[0.06, -0.15], [0.09, 0.0], [0.085, 0.16]], segments=20)
        return pieces + mirrored([Piece(engine.rotated("x", 90).moved(0.42, 0.0, -0.11), second)])
    blade = box([0.6, 0.03, 0.07]).moved(0, -0.96, 0)
    cone = ellipsoid([0.06, 0.12, 0.06]).moved(0, -0.95, 0)
    pieces += [Piece(blade, plain(palette[4])), Piece(cone, second)]
    if rng.random() < 0.4:
        strut = tube([[0.5, 0.05, -0.05], [0.5, 0.05, 0.38]], 0.03)
        pieces += mirrored([Piece(wing.moved(z=0.36), color), Piece(strut, plain(palette[4]))])
    return pieces + _under_wheels(palette)


def _under_wheels(palette: Palette) -> list[Piece]:
    leg = tube([[0.06, -0.3, 0.0], [0.22, -0.35, -0.3]], 0.03)
    disc = lathe([[0.1, -0.04], [0.1, 0.04]], segments=18).rotated("y", 90)
    return mirrored(
        [Piece(leg, plain(palette[4])), Piece(disc.moved(0.24, -0.35, -0.3), plain(TIRE))]
    )


def _flat(outline: Float[np.ndarray, "K 2"], thickness: Real) -> Shape:
    """A level plate by its plan (x, y)."""
    return extrude(outline * [1.0, -1.0], thickness).rotated("x", 90)


def aircraft(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An airliner, a propeller plane, a helicopter or a rocket."""
    return [_rocket, _helicopter, _plane, _plane][rng.integers(4)](rng, palette)
