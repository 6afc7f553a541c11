"""Shoes from toe (-y) to heel (+y): sneakers, boots, pumps, slippers, sandals; single or pairs.

A shoe is 2 units long before it is scaled; 1 unit is about 15 cm of an adult's shoe.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrm_core.household.lasts import Last, laces, lifted, low_shoe, sole_shape, with_heel
from lrm_core.modeling.artwork import logo
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, fur, leather
from lrm_core.modeling.paints import Paint, banded, masked, picture, plain
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.sections import pair, strip
from lrm_core.modeling.shapes import Shape, curve, ellipsoid, tube


def _sneaker_paint(rng: np.random.Generator, palette: Palette, last: Last) -> Paint:
    """Toe cap, quarter, heel counter, eye stay in their colors, a mark on both sides."""
    base = fabric(rng, palette) if rng.random() < 0.5 else leather(rng, palette)
    second = plain_among(rng, palette, 0, 1, 1, 2)
    cap, counter = rng.uniform(-0.85, -0.6), rng.uniform(0.5, 0.75)
    slant = rng.uniform(-0.6, 0.6)
    upper = base
    if rng.random() < 0.6:
        upper = masked(upper, second, lambda p, _: p[:, 1] < cap + 0.1 * p[:, 2])
    if rng.random() < 0.8:
        accent = plain_among(rng, palette, 1, 2)
        upper = masked(upper, accent, lambda p, _: p[:, 1] > counter + slant * p[:, 2])
    if rng.random() < 0.5:
        rand = plain_among(rng, palette, 1, 3, 4)
        limit = last.sole + rng.uniform(0.08, 0.2)
        upper = masked(upper, rand, lambda p, _: p[:, 2] < limit + 0.08 * np.abs(p[:, 1]))
    throat = last.throat * 2 - 1
    upper = masked(
        upper, second, lambda p, n: (np.abs(p[:, 1] - throat + 0.25) < 0.36) & (n[:, 2] > 0.6)
    )
    mark = logo(rng, palette[int(rng.choice([1, 2, 3, 4]))], 1.7)
    size = rng.uniform(0.5, 0.9)
    spot = (rng.uniform(0.0, 0.25), last.sole + 0.24)
    upper = picture(upper, mark, spot, (size, size * 0.45), facing="-x")
    return picture(upper, mark, spot, (size, size * 0.45), facing="+x")


def _sole_paint(rng: np.random.Generator, palette: Palette, thickness: float) -> Paint:
    light = palette[3] if rng.random() < 0.6 else palette[int(rng.integers(5))]
    outsole = palette[int(rng.choice([1, 2, 4]))]
    if rng.random() < 0.2:
        outsole = np.array([0.65, 0.42, 0.2])
    layers = [plain(outsole), plain(light)]
    limits = [thickness * rng.uniform(0.15, 0.4)]
    if rng.random() < 0.5:
        layers += [plain(palette[2]), plain(light)]
        limits += [thickness * 0.6, thickness * 0.75]
    return banded(layers, limits)


def _sneaker(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    high = rng.random() < 0.25
    rim = rng.uniform(0.75, 0.95) if high else rng.uniform(0.42, 0.55)
    last = Last(
        throat=rng.uniform(0.5, 0.55),
        instep=rim + rng.uniform(0.0, 0.06) if high else rng.uniform(0.48, 0.56),
        topline=(rim, rim - rng.uniform(0.02, 0.14), rim + rng.uniform(-0.05, 0.06)),
        sole=rng.uniform(0.14, 0.28),
        toe=rng.uniform(0.25, 0.33),
        slim=rng.uniform(0.94, 1.06),
        rise=rng.uniform(0.0, 0.12),
    )
    lining = plain_among(rng, palette, 1, 3, 4)
    sole = _sole_paint(rng, palette, last.sole)
    flare = rng.uniform(0.02, 0.06)
    pieces = low_shoe(last, _sneaker_paint(rng, palette, last), lining, sole, flare=flare)
    cord = plain_among(rng, palette, 2, 3, 3, 4)
    if rng.random() < 0.85:
        pieces += laces(last, cord, int(rng.integers(4, 7)), rng.uniform(0.27, 0.33))
    else:
        pieces += laces(last, plain(palette[1]), 2, 0.36)
    y = last.throat * 2 - 1
    tongue = ellipsoid([0.17, 0.06, 0.25], exponent=3.0).rotated("x", -32)
    tongue = tongue.moved(0.03, y + 0.08, last.sole + last.instep - 0.02)
    pieces.append(Piece(tongue, plain_among(rng, palette, 0, 1, 2)))
    return with_heel(last, lifted(last, pieces), sole)


def _pump(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """High heels, or a flat ballerina."""
    flat = rng.random() < 0.3
    rise = rng.uniform(0.02, 0.08) if flat else rng.uniform(0.4, 0.85)
    last = Last(
        throat=rng.uniform(0.2, 0.34),
        instep=0.26,
        topline=(0.24, rng.uniform(0.18, 0.26), rng.uniform(0.36, 0.46)),
        sole=0.06 if flat or rng.random() < 0.7 else 0.25,
        toe=0.2,
        slim=rng.uniform(0.78, 0.88),
        rise=rise,
        wall=0.035,
    )
    upper = leather(rng, palette) if rng.random() < 0.6 else fabric(rng, palette)
    dark = plain_among(rng, palette, 0, 2, 4)
    lining = plain((0.85, 0.72, 0.55)) if rng.random() < 0.6 else plain(palette[2])
    pieces = lifted(last, low_shoe(last, upper, lining, dark, flare=0.01))
    if flat:
        pieces = with_heel(last, pieces, dark)
    else:
        foot = rng.choice([0.05, 0.07, 0.2])
        back = 0.85 if foot < 0.1 else 0.78
        steps = np.linspace(0, 1, 9)
        half = foot + (0.22 - foot) * steps ** (2.5 if foot < 0.1 else 1.0)
        y = back - 0.08 * steps
        z = steps * (last.rise + last.sole * 0.7)
        profile = np.column_stack([y - half, z, y + half, z, half, 0 * half])
        pieces.append(Piece(strip(profile, exponent=2.2), dark))
    if rng.random() < 0.3:
        bow = ellipsoid([0.11, 0.05, 0.06], exponent=1.6)
        spot = (0.0, last.throat * 2 - 1.02, last.sole + last.instep + 0.03)
        pieces.append(Piece(last.lifted(bow.moved(*spot)), plain(palette[2])))
    if rng.random() < 0.3:
        pieces.append(Piece(last.lifted(_ankle_strap(last)), upper))
    return pieces


def _ankle_strap(last: Last) -> Shape:
    half = last.across(0.62)[0] * 0.9
    low = last.sole + 0.15
    path = [
        (0.03 - half, 0.3, low),
        (0.03 - half * 0.7, 0.26, low + 0.28),
        (0.03 + half * 0.7, 0.26, low + 0.28),
        (0.03 + half, 0.3, low),
    ]
    return tube(path, 0.035, sides=8, flatness=1.0, samples=16)


def _loafer(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Leather slip-ons and laced dress shoes."""
    last = Last(
        throat=rng.uniform(0.42, 0.5),
        instep=rng.uniform(0.38, 0.46),
        topline=(rng.uniform(0.38, 0.44), rng.uniform(0.28, 0.36), rng.uniform(0.4, 0.48)),
        sole=rng.uniform(0.06, 0.14),
        toe=rng.uniform(0.23, 0.28),
        slim=rng.uniform(0.88, 0.98),
        rise=rng.uniform(0.1, 0.2),
    )
    upper = leather(rng, palette)
    dark = plain(palette[4] if rng.random() < 0.7 else np.array([0.45, 0.28, 0.15]))
    seam = rng.uniform(0.55, 0.7)
    upper = masked(upper, dark, lambda p, n: (np.abs(n[:, 2] - seam) < 0.06) & (p[:, 1] < -0.1))
    lining = plain((0.72, 0.55, 0.36))
    pieces = low_shoe(last, upper, lining, dark, flare=0.03)
    if rng.random() < 0.5:
        pieces += laces(last, dark, 4, last.throat - 0.14)
    else:
        strap = laces(last, upper, 3, last.throat - 0.08)
        pieces += strap
    return with_heel(last, lifted(last, pieces), dark)


def _slipper(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """House slippers, mules and clogs, mostly open behind."""
    kind = rng.integers(3)
    open_heel = kind != 2 or rng.random() < 0.4
    last = Last(
        throat=rng.uniform(0.44, 0.52),
        instep=rng.uniform(0.42, 0.52),
        topline=(0.42, -0.2 if open_heel else 0.25, -0.2 if open_heel else 0.34),
        sole=rng.uniform(0.12, 0.22),
        toe=rng.uniform(0.3, 0.36),
        slim=rng.uniform(1.0, 1.1),
        wall=0.06,
    )
    if kind == 0:
        upper, lining = fur(rng, palette[0]), fur(rng, palette[3])
    elif kind == 1:
        upper, lining = fabric(rng, palette), fur(rng, palette[3])
    else:
        holes = plain(palette[0] * 0.35)
        upper = masked(
            plain(palette[0]),
            holes,
            lambda p, n: (((p[:, :2] / 0.16 % 1.0 - 0.5) ** 2).sum(1) < 0.06) & (n[:, 2] > 0.5),
        )
        lining = plain(palette[0] * 0.9)
    sole = plain_among(rng, palette, 0, 1, 4)
    pieces = lifted(last, low_shoe(last, upper, lining, sole, flare=0.03))
    if kind == 1 and rng.random() < 0.5:
        ball = ellipsoid([0.13, 0.13, 0.12])
        spot = (0.0, last.throat * 2 - 1.2, last.sole + last.instep - 0.02)
        pieces.append(Piece(last.lifted(ball.moved(*spot)), fur(rng, palette[2])))
    return pieces


def _sandal(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A sole with straps over it: flip-flop, slide, trekking sandal."""
    last = Last(0.5, 0.4, (0.4, 0.3, 0.4), sole=rng.uniform(0.12, 0.26), toe=0.3)
    footbed = fabric(rng, palette) if rng.random() < 0.4 else plain(palette[0])
    base = banded([_sole_paint(rng, palette, last.sole), footbed], [last.sole * 1.05])
    pieces = [Piece(sole_shape(last, 0.03), base)]
    strap = leather(rng, palette, 1) if rng.random() < 0.5 else fabric(rng, palette, 1)
    kind = rng.integers(3)
    if kind == 0:
        root = (-0.06, -0.62, last.sole - 0.02)
        for sign in (1.0, -1.0):
            end = (0.02 + sign * 0.31, 0.05, last.sole - 0.02)
            top = (sign * 0.2, -0.25, last.sole + 0.26)
            path = curve([root, (-0.05, -0.58, last.sole + 0.12), top, end], 20)
            pieces.append(Piece(tube(path, 0.045, sides=8), strap))
    else:
        stations = [(-0.42, 0.24)] if kind == 1 else [(-0.62, 0.08), (-0.25, 0.07), (0.15, 0.09)]
        for y, wide in stations:
            half, side = last.across((y + 1) / 2)
            half += 0.01
            high = last.sole + (0.3 if y < 0.0 else 0.4)
            path = curve(
                [
                    (side - half, y, last.sole - 0.05),
                    (side - half * 0.8, y, high - 0.08),
                    (side, y, high),
                    (side + half * 0.8, y, high - 0.08),
                    (side + half, y, last.sole - 0.05),
                ],
                24,
            )
            # the first direction across the path is y
            pieces.append(Piece(tube(path, wide, sides=12, exponent=3.0, flatness=0.25), strap))
    return lifted(last, pieces)


def _boot(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Work boots, rain boots, riding boots: a shaft above the ankle."""
    top = rng.uniform(1.15, 2.3)
    sole = rng.uniform(0.1, 0.22)
    wide = rng.uniform(0.9, 1.15)
    knots = np.array([
        # upper outline, lower outline, half width, middle
        (-1.0, sole + 0.14, -1.0, sole - 0.05, 0.07, -0.08),
        (-0.95, sole + 0.24, -0.95, 0.0, 0.19, -0.06),
        (-0.75, sole + 0.33, -0.75, 0.0, 0.29, -0.03),
        (-0.4, sole + 0.4, -0.35, 0.0, 0.35, 0.0),
        (-0.12, sole + 0.58, 0.1, 0.0, 0.31, 0.02),
        (0.02, sole + 0.78, 0.6, 0.0, 0.28, 0.02),
        (0.08, sole + 0.9, 0.97, sole + 0.22, 0.28, 0.02),
        (0.1, sole + 1.0, 0.96, sole + 0.62, 0.27, 0.01),
        (0.08, sole + 1.1, 0.92, sole + 1.0, 0.28, 0.0),
        (0.06 - 0.06 * wide, sole + top, 0.92 + 0.08 * wide, sole + top, 0.3 * wide, 0.0),
    ])  # fmt: skip
    profile = curve(knots, 36)
    shaft = strip(profile, exponent=2.2, floor=0.5 * sole)
    inner = profile[-9:].copy()
    inner[:, 0] += 0.05
    inner[:, 2] -= 0.05
    inner[:, 4] -= 0.05
    cap = inner[-1:] + np.array([0, 0.2, 0, 0.2, 0, 0])
    room = strip(np.concatenate([inner, cap]), exponent=2.2)
    last = Last(0.5, 0.5, (0.5, 0.5, 0.5), sole=sole, toe=0.3, rise=rng.uniform(0.0, 0.25))
    rain = rng.random() < 0.35
    upper = plain(palette[0]) if rain else leather(rng, palette)
    if rain and rng.random() < 0.4:
        upper = fabric(rng, palette)
    if rng.random() < 0.6:
        trim = fur(rng, palette[3]) if not rain and rng.random() < 0.4 else plain(palette[1])
        upper = banded([upper, trim], [sole + top - rng.uniform(0.08, 0.3)])
    if rng.random() < 0.4:
        cap_paint = plain_among(rng, palette, 1, 4)
        upper = masked(upper, cap_paint, lambda p, _: (p[:, 1] < -0.65) & (p[:, 2] < 0.7))
    dark = plain(palette[4]) if rng.random() < 0.6 else plain((0.6, 0.42, 0.22))
    pieces = [
        Piece(shaft, upper),
        Piece(room, plain_among(rng, palette, 3, 4), cut=True),
        Piece(sole_shape(last, 0.04), dark),
    ]
    if not rain and rng.random() < 0.6:
        rows = np.linspace(14, 32 if top < 1.6 else 27, int(rng.integers(5, 9)))
        for row in profile[rows.astype(int)]:
            half = row[4] * 0.5
            y, z = row[0] - 0.015, row[1] + 0.01
            path = [(-half, y + 0.09, z - 0.02), (0, y, z), (half, y + 0.09, z - 0.02)]
            pieces.append(
                Piece(tube(path, 0.03, sides=8, samples=8), plain_among(rng, palette, 3, 4))
            )
    return with_heel(last, lifted(last, pieces), dark)


_SINGLE = Family(
    {
        "sneaker": (_sneaker, 0.42),
        "boot": (_boot, 0.17),
        "pump": (_pump, 0.13),
        "loafer": (_loafer, 0.1),
        "slipper": (_slipper, 0.1),
        "sandal": (_sandal, 0.08),
    }
)


def shoe(rng: np.random.Generator, palette: Palette, kind: str = "") -> list[Piece]:
    """A shoe of that kind (drawn if empty) or, one time in four, a pair side by side."""
    pieces = _SINGLE(rng, palette, kind)
    if rng.random() < 0.25:
        return pair(pieces)
    left = rng.random() < 0.5
    return [replace(piece, shape=piece.shape.mirrored()) for piece in pieces] if left else pieces
