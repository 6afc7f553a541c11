"""Cookware and tableware: pans, pots, kettles, mugs, plates, bowls, pitchers, boards."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.artwork import logo, photo
from lrm_core.modeling.assembly import Piece, turned
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, metal, patched, plastic
from lrm_core.modeling.paints import Paint, banded, gradient, masked, picture, plain, wrapped
from lrm_core.modeling.palettes import Palette, plain_among, random_wood
from lrm_core.modeling.sections import arch, pair, rounded_plate, vessel
from lrm_core.modeling.shapes import Shape, curve, ellipsoid, extrude, lathe, tube


def _ware(rng: np.random.Generator, palette: Palette, low: Real, high: Real) -> Paint:
    """Glazed or printed china: plain, banded, patterned, a picture or a logo in front."""
    kind = rng.integers(6)
    if kind == 0:
        limits = [low + (high - low) * share for share in (0.6, 0.8)]
        return banded([plain(palette[0]), plain(palette[1]), plain(palette[0])], limits)
    if kind == 1:
        return fabric(rng, palette)
    if kind == 2:
        return wrapped(plain(palette[3]), photo(rng, palette, 3.0), low, high)
    if kind == 3:
        mark, middle = logo(rng, palette[2], 1.2), (low + high) / 2
        size = 0.6 * (high - low)
        return picture(plain(palette[0]), mark, (0, middle), (size * 1.2, size))
    if kind == 4:
        return gradient([palette[0], palette[1]], 2, low, high)
    return plain_among(rng, palette, 0, 3)


def _ear(top: Real, bottom: Real, radius: Real, reach: Real, thickness: Real) -> Shape:
    """A handle on the +x side, its ends inside the wall."""
    return tube(
        [
            (radius - 0.03, 0, top),
            (radius + reach * 0.8, 0, top - 0.02),
            (radius + reach, 0, (top + bottom) / 2 + 0.03),
            (radius + reach * 0.6, 0, bottom + 0.03),
            (radius - 0.03, 0, bottom),
        ],
        thickness,
        sides=10,
        flatness=1.4,
        samples=26,
    )


def _pan(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A frying pan or a saucepan: one long handle towards +x."""
    depth = rng.uniform(0.16, 0.28) if rng.random() < 0.5 else rng.uniform(0.4, 0.8)
    flare = rng.uniform(0.78, 0.95)
    outline = [(0.62 * flare, 0), (0.66 * flare, 0.03), (0.66, depth)]
    body = vessel(outline, 0.035, segments=52, samples=10)
    outside = metal(rng) if rng.random() < 0.5 else plain_among(rng, palette, 0, 4)
    inside = plain(palette[4] * 1.2) if rng.random() < 0.6 else metal(rng)
    # the inside looks up or towards the axis
    paint = masked(
        outside,
        inside,
        lambda p, n: ((n[:, :2] * p[:, :2]).sum(1) < -1e-3) | ((n[:, 2] > 0.9) & (p[:, 2] < 0.1)),
    )
    length = rng.uniform(0.8, 1.25)
    path = [
        (0.62, 0, depth * 0.75),
        (0.85, 0, depth + 0.03),
        (0.66 + length * 0.6, 0, depth + 0.12),
        (0.66 + length, 0, depth + 0.1),
    ]
    grip = plain(palette[4]) if rng.random() < 0.6 else random_wood(rng, 0)
    root = patched(grip, metal(rng), 0, -9.0, 0.66 + 0.3 * length)
    thick = np.interp(np.linspace(0, 1, 18), [0, 0.3, 0.7, 1], [0.04, 0.05, 0.075, 0.06])
    pieces = [
        Piece(body, paint),
        Piece(tube(path, thick, flatness=0.6, exponent=2.6, samples=18), root),
    ]
    if rng.random() < 0.25:
        pieces += _lid(rng, palette, 0.66, depth)
    return pieces


def _lid(rng: np.random.Generator, palette: Palette, radius: Real, z: Real) -> list[Piece]:
    """A domed lid with a knob on a vessel of that rim."""
    rise = rng.uniform(0.08, 0.22)
    dome = curve([(radius * 1.02, z - 0.03), (radius * 0.9, z + rise * 0.5), (0.05, z + rise)], 12)
    dome = np.concatenate([[[radius * 1.03, z - 0.04]], dome])
    glass = plain((0.75, 0.8, 0.82)) if rng.random() < 0.4 else metal(rng)
    knob = [
        (0.05, z + rise - 0.03),
        (0.05, z + rise + 0.05),
        (0.11, z + rise + 0.1),
        (0.03, z + rise + 0.15),
    ]
    return [
        Piece(lathe(dome, segments=48), glass),
        Piece(lathe(knob, segments=20, samples=10), plain_among(rng, palette, 1, 4)),
    ]


def _pot(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A stock pot or casserole with two ears and, mostly, a lid."""
    depth, radius = rng.uniform(0.5, 1.0), rng.uniform(0.6, 0.75)
    outline = [(radius * 0.94, 0), (radius, 0.05), (radius, depth * 0.5), (radius, depth)]
    outside = metal(rng) if rng.random() < 0.4 else _ware(rng, palette, 0.0, depth)
    pieces = [Piece(vessel(outline, 0.04, segments=52, samples=12), outside)]
    grip = plain(palette[4]) if rng.random() < 0.6 else metal(rng)
    z = depth * 0.82
    for sign in (-1.0, 1.0):
        x = sign * (float(np.sqrt(radius**2 - 0.22**2)) - 0.02)
        path = [(x, -0.22, z), (x + sign * 0.16, -0.2, z + 0.03), (x + sign * 0.2, 0, z + 0.04),
             (x + sign * 0.16, 0.2, z + 0.03), (x, 0.22, z)]  # fmt: skip
        pieces.append(Piece(tube(path, 0.045, sides=10, samples=20), grip))
    if rng.random() < 0.7:
        pieces += _lid(rng, palette, radius, depth)
    return pieces


def _kettle(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A stove kettle with a bow over it, or an electric jug on its base."""
    paint = metal(rng) if rng.random() < 0.5 else plastic(rng, palette)
    dark = plain(palette[4])
    if rng.random() < 0.5:
        radius, height = rng.uniform(0.6, 0.75), rng.uniform(0.6, 0.85)
        outline = [(radius * 0.9, 0), (radius, 0.12), (radius * 0.8, height * 0.7), (0.28, height)]
        spout = [(-radius * 0.75, 0, height * 0.4), (-radius - 0.15, 0, height * 0.65),
             (-radius - 0.3, 0, height * 0.95)]  # fmt: skip
        bow = arch(
            (-radius * 0.6, 0, height * 0.75),
            (0, 0, height * 1.65),
            (radius * 0.6, 0, height * 0.75),
            0.05,
        )
        knob = ellipsoid([0.09, 0.09, 0.08]).moved(z=height + 0.08)
        lid = lathe([[0.3, height - 0.05], [0.3, height], [0.1, height + 0.04]])
        return [
            Piece(lathe(outline, segments=48, samples=20), paint),
            Piece(tube(spout, np.linspace(0.14, 0.07, 14), samples=14), paint),
            Piece(bow, dark), Piece(lid, paint), Piece(knob, dark),
        ]  # fmt: skip
    return _electric_kettle(rng, palette, paint)


def _electric_kettle(rng: np.random.Generator, palette: Palette, paint: Paint) -> list[Piece]:
    """A tall jug on its base, beak towards -x."""
    height = rng.uniform(1.2, 1.5)
    low, high = rng.uniform(0.48, 0.58), rng.uniform(0.34, 0.44)
    outline = [(low, 0.1), (low * 0.96, height * 0.4), (high, height)]
    lid = [(high, height - 0.02), (high * 0.8, height + 0.08), (0.04, height + 0.1)]
    base = lathe([[low * 1.05, 0.0], [low * 1.05, 0.07], [low * 0.9, 0.13]], segments=40)
    beak = ellipsoid([0.2, 0.13, 0.16], exponent=1.6).moved(-high * 0.95, 0, height * 0.93)
    handle = _ear(height * 0.95, height * 0.25, low * 0.8, 0.36, 0.065)
    accent = patched(paint, plain(palette[2]), 2, 0.2, 0.26)
    dark = plain(palette[4])
    return [
        Piece(lathe(outline, segments=48, samples=16), accent),
        Piece(lathe(lid, segments=40, samples=8), dark),
        *(Piece(base, dark), Piece(beak, paint), Piece(handle, dark)),
    ]


def _mug(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A mug; cups on a saucer; two mugs beside each other."""
    height, radius = rng.uniform(0.85, 1.1), rng.uniform(0.38, 0.48)
    foot = radius * rng.uniform(0.55, 1.0)
    outline = [
        (foot * 0.95, 0),
        (foot, 0.03),
        ((foot + radius) / 2 + 0.03, height / 2),
        (radius, height),
    ]
    ware = _ware(rng, palette, height * 0.1, height * 0.9)
    inside = plain_among(rng, palette, 1, 3, 3)
    paint = masked(ware, inside, lambda p, n: (n[:, :2] * p[:, :2]).sum(1) < -1e-3)
    ear = _ear(height * 0.82, height * 0.25, min(foot, radius) * 0.98, 0.34, 0.06)
    grip = plain_among(rng, palette, 0, 1, 3)
    pieces = [Piece(vessel(outline, 0.045, samples=16), paint), Piece(ear, grip)]
    if rng.random() < 0.25:
        dish = [(0.35, -0.06), (0.5, -0.03), (0.8, 0.07)]
        pieces.append(Piece(vessel(dish, 0.03, samples=10), ware))
        pieces.append(Piece(lathe([[foot, -0.05], [foot, 0.03]]), grip))
    elif rng.random() < 0.2:
        return pair(turned(pieces, "z", 180))
    return pieces


def _stacked(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Plates or bowls one in another, a cup on top now and then."""
    depth = rng.uniform(0.12, 0.2) if rng.random() < 0.5 else rng.uniform(0.35, 0.6)
    count = int(rng.choice([1, 2, 3, 4, 6]))
    pieces: list[Piece] = []
    radius, level = 0.95, 0.0
    step = max(0.09, depth * 0.28)
    for k in range(count):
        if rng.random() < 0.3:
            radius *= 0.85
        foot = radius * 0.5
        outline = np.concatenate(
            [
                [[foot, 0.0], [foot, 0.03]],
                curve([(foot * 1.05, 0.04), (radius * 0.8, depth * 0.45), (radius, depth)], 10),
            ]
        )
        shape = vessel(outline, 0.04)
        same = k > 0 and rng.random() < 0.5
        paint = pieces[-1].paint if same else _ware(rng, rng.permutation(palette), 0.0, depth)
        pieces.append(Piece(shape.moved(z=level), paint))
        if k:  # the foot of this one stands in the one below
            pieces.append(
                Piece(lathe([[foot * 0.9, level - step], [foot * 0.9, level + 0.02]]), paint)
            )
        level += step
    return pieces


def _pitcher(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A jug with a lip and an ear, or a coffee pot."""
    height = rng.uniform(1.2, 1.6)
    belly, neck, rim = rng.uniform(0.42, 0.58), rng.uniform(0.25, 0.36), rng.uniform(0.3, 0.42)
    outline = [(belly * 0.7, 0), (belly, height * 0.3), (neck, height * 0.75), (rim, height)]
    body = vessel(outline, 0.04, samples=26)

    def lip(points: np.ndarray) -> np.ndarray:
        ahead = np.clip(-points[:, 0] / rim, 0, 1) ** 6 * np.clip(
            points[:, 2] / height * 4 - 3, 0, 1
        )
        return points + np.column_stack([-0.22 * ahead, 0 * ahead, 0.06 * ahead])

    ear = _ear(height * 0.92, height * 0.35, neck, 0.4, 0.05)
    paint = _ware(rng, palette, height * 0.1, height * 0.7)
    return [Piece(body.warped(lip), paint), Piece(ear, plain_among(rng, palette, 0, 1))]


def _board(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A chopping board with a hole, sometimes with a knife and bread on it; or a tray."""
    width, depth = rng.uniform(1.3, 1.7), rng.uniform(0.7, 1.1)
    plate = rounded_plate([width, 0.09, depth], 0.12).rotated("x", 90)
    wood = random_wood(rng, 0) if rng.random() < 0.7 else plastic(rng, palette)
    hole = lathe([[0.08, -0.2], [0.08, 0.2]]).moved(width * 0.42)
    pieces = [Piece(plate, wood), Piece(hole, wood, cut=True)]
    if rng.random() < 0.6:
        loaf = ellipsoid([0.42, 0.2, 0.18], exponent=2.4).moved(-0.2, 0.1, 0.17)
        crust = gradient([(0.9, 0.72, 0.42), (0.6, 0.33, 0.13)], 2, -0.15, 0.18)
        pieces.append(Piece(loaf, crust))
    if rng.random() < 0.6:
        blade = np.array([(-0.5, -0.09), (0.3, -0.09), (0.3, 0.06), (-0.3, 0.05)])
        steel = extrude(blade, 0.03).rotated("x", 90).moved(0, -0.22, 0.05)
        grip = tube([[0.25, -0.23, 0.07], [0.75, -0.23, 0.07]], 0.05, flatness=1.3)
        pieces += [Piece(steel, plain(0.75)), Piece(grip, plain(palette[4]))]
    return pieces


# Things for cooking or eating.
kitchenware = Family(
    {
        "pan": (_pan, 0.2),
        "pot": (_pot, 0.16),
        "kettle": (_kettle, 0.12),
        "mug": (_mug, 0.18),
        "stacked": (_stacked, 0.16),
        "pitcher": (_pitcher, 0.1),
        "board": (_board, 0.08),
    }
)
