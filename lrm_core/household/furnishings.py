"""Things that stand in a home: flower pots, baskets, shelves, frames, clocks, mats, signs."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real, deformations
from lrm_core.modeling.artwork import package_front, photo, readable, write
from lrm_core.modeling.assembly import Piece, turned
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, leather, plastic, wicker
from lrm_core.modeling.paints import gradient, masked, picture, plain
from lrm_core.modeling.palettes import Palette, random_wood
from lrm_core.modeling.prints import canvas
from lrm_core.modeling.sections import arch, rounded_plate, stack, standing_box, vessel
from lrm_core.modeling.shapes import Shape, box, ellipsoid, lathe, ring, torus, tube

_CLAY = np.array([0.75, 0.4, 0.26])


def _flower_pot(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pot with earth: leaves, a cactus, blossoms on stalks, or nothing yet."""
    low, high = rng.uniform(0.3, 0.45), rng.uniform(0.5, 0.8)
    rim = low * rng.uniform(1.2, 1.5)
    side = np.array([[low, 0.0], [rim, high * 0.8], [rim * 1.1, high * 0.8], [rim * 1.1, high]])
    pot = plain(_CLAY * rng.uniform(0.85, 1.1)) if rng.random() < 0.5 else fabric(rng, palette)
    exponent = float(rng.choice([2.0, 2.0, 6.0]))
    pieces = [Piece(vessel(side, 0.06, segments=44, exponent=exponent), pot)]
    earth = lathe([[low * 0.9, 0.08], [rim * 1.0, high * 0.88]], segments=36, exponent=exponent)
    pieces.append(Piece(earth, plain((0.2, 0.13, 0.08))))
    kind = int(rng.integers(4))
    green = np.array([0.2, 0.5, 0.18]) * rng.uniform(0.7, 1.2)
    if kind == 0:
        ribs = masked(
            plain(green),
            plain(green * 0.6),
            lambda p, _: np.cos(10 * np.arctan2(p[:, 1], p[:, 0])) > 0.6,
        )
        column = ellipsoid([0.24, 0.24, rng.uniform(0.35, 0.7)]).moved(z=high + 0.25)
        pieces.append(Piece(column, ribs))
        arm = tube(
            [(0.15, 0, high + 0.3), (0.42, 0, high + 0.35), (0.45, 0, high + 0.7)], 0.1, samples=14
        )
        if rng.random() < 0.6:
            pieces.append(Piece(arm, ribs))
        return pieces
    for k in range(int(rng.integers(5, 13)) if kind < 3 else 0):
        yaw, lean = 137.5 * k, rng.uniform(10, 65)
        tall = rng.uniform(0.5, 1.0)
        if kind == 1:
            leaf = ellipsoid([0.12, 0.025, tall / 2], exponent=1.7, divisions=10).moved(z=tall / 2)
            leaf = leaf.warped(deformations.bend(0.6)).rotated("y", lean).rotated("z", yaw)
            pieces.append(
                Piece(leaf.moved(z=high * 0.8), gradient([green * 0.7, green * 1.2], 2, -0.5, 0.5))
            )
            continue
        angle = np.radians(yaw)
        end = (0.45 * np.cos(angle) * lean / 65, 0.45 * np.sin(angle) * lean / 65, high + tall)
        stalk = tube(
            [(0, 0, high * 0.8), (end[0] * 0.3, end[1] * 0.3, high + tall * 0.5), end],
            0.03,
            sides=6,
            samples=8,
        )
        bloom = ellipsoid([0.15, 0.15, 0.08], divisions=6).moved(*(float(v) for v in end))
        heart = ellipsoid([0.06, 0.06, 0.05], divisions=4).moved(
            float(end[0]), float(end[1]), float(end[2]) + 0.06
        )
        pieces += [
            Piece(stalk, plain(green)),
            Piece(bloom, plain(palette[k % 2 + 1])),
            Piece(heart, plain((0.95, 0.8, 0.2))),
        ]
    return pieces


def _basket(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A woven basket with a bow, a laundry tub or a bin."""
    kind = int(rng.integers(3))
    wide, deep, high = rng.uniform([0.65, 0.45, 0.5], [0.9, 0.7, 0.9]).tolist()
    if kind == 2:
        wide = deep = 0.5
        high = rng.uniform(1.1, 1.4)
    low = rng.uniform(0.7, 0.95)
    exponent = float(rng.choice([2.0, 4.0, 8.0]))
    rows = [
        (0, wide * low, deep * low), (high, wide, deep), (high, wide - 0.05, deep - 0.05),
        (0.06, wide * low - 0.05, deep * low - 0.05),
    ]  # fmt: skip
    body = stack(rows, exponent, segments=48)
    straw = np.array([0.75, 0.56, 0.32]) * rng.uniform(0.6, 1.15)
    weave = wicker(rng, straw if rng.random() < 0.6 else palette[0])
    if kind == 2 and rng.random() < 0.6:
        weave = plastic(rng, palette)
    rim = _rim(wide, deep, exponent, 0.045).moved(z=high)
    pieces = [Piece(body, weave), Piece(rim, weave)]
    if kind == 0:
        bow = arch(
            (-wide + 0.03, 0, high * 0.8), (0, 0, high * 1.9), (wide - 0.03, 0, high * 0.8), 0.05
        )
        pieces.append(Piece(bow, weave))
    elif kind == 1:
        for sign in (-1.0, 1.0):
            x = sign * (wide - 0.01)
            ear = arch(
                (x, -0.2, high - 0.02), (x * 1.1, 0, high + 0.25), (x, 0.2, high - 0.02), 0.04
            )
            pieces.append(Piece(ear, leather(rng, palette)))
    if rng.random() < 0.5 and kind < 2:
        cloth = stack(
            [(0.1, wide * low * 0.9, deep * low * 0.9), (high * 0.85, wide * 0.92, deep * 0.92)],
            exponent,
        )
        bumpy = cloth.warped(deformations.roughen(rng, 0.3, 0.04))
        pieces.append(Piece(bumpy, fabric(rng, palette)))
    return pieces


def _rim(wide: Real, deep: Real, exponent: Real, thickness: Real) -> Shape:
    """A bar along a superellipse in the xy-plane."""
    path = np.column_stack([ring(60, exponent) * [wide, deep], np.zeros(60)])
    return tube(path, thickness, sides=8, closed=True)


def _shelf(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An organizer: compartments open towards -y, some with drawers, books or boxes."""
    width, height, depth = rng.uniform([1.2, 0.9, 0.4], [1.8, 1.8, 0.8]).tolist()
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    wood = random_wood(rng, 0) if rng.random() < 0.5 else plastic(rng, palette)
    pieces = [Piece(standing_box([width, depth, height]), wood)]
    wide, tall, wall = width / columns, height / rows, 0.05
    fillers: list[Piece] = []
    for i in range(columns):
        for j in range(rows):
            x, z = (i + 0.5) * wide - width / 2, (j + 0.5) * tall
            if rng.random() < 0.3:
                front = box([wide - wall, 0.06, tall - wall], rounding=0.015).moved(
                    x, -depth / 2, z
                )
                knob = ellipsoid([0.05, 0.05, 0.04], divisions=6).moved(x, -depth / 2 - 0.05, z)
                fillers += [
                    Piece(front, plain(palette[int(rng.integers(4))])),
                    Piece(knob, plain(palette[4])),
                ]
                continue
            hole = box([wide - wall, depth, tall - wall]).moved(x, -0.05, z)
            pieces.append(Piece(hole, wood, cut=True))
            at = x - wide * 0.4
            while rng.random() < 0.85 and at < x + wide * 0.3:
                thick = rng.uniform(0.05, 0.2)
                high = (tall - wall) * rng.uniform(0.5, 0.95)
                item = box([thick, depth * 0.8, high]).moved(
                    at + thick / 2, 0, z - tall / 2 + wall / 2 + high / 2 - 0.005
                )
                fillers.append(Piece(item, plain(palette[rng.integers(5)] * rng.uniform(0.6, 1.0))))
                at += thick + 0.005
    return pieces + fillers


def _frame(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A picture in its frame, a wall clock, or a mirror, standing."""
    width, height = rng.uniform(1.0, 2.0), rng.uniform(1.0, 2.0)
    wood = random_wood(rng, 2) if rng.random() < 0.6 else plain(palette[0])
    if rng.random() < 0.4:
        size = 0.9
        face = canvas(160, 1.0, np.full(3, 0.96))
        for k in range(12):
            mark = np.array(
                [0.5 + 0.38 * np.sin(k * np.pi / 6), 0.5 - 0.38 * np.cos(k * np.pi / 6)]
            )
            write(
                rng,
                face,
                np.full(3, 0.1),
                (mark[0] - 0.06, mark[1] - 0.06, mark[0] + 0.06, mark[1] + 0.06),
                text=str(k or 12),
            )
        dial = lathe([[size, 0], [size, 0.12], [size * 0.95, 0.16]], segments=48).rotated("x", 90)
        dial = dial.settled()
        paint = picture(wood, face, (0, 0), (1.7, 1.7))
        hands = [
            box([0.05, 0.04, long]).moved(z=long * 0.4).rotated("y", turn).moved(0, -0.17, 0)
            for long, turn in zip((0.5, 0.75), rng.uniform(0, 360, 2).tolist(), strict=True)
        ]
        rim = torus(size, 0.07, 48, 10).rotated("x", 90).moved(0, -0.12, 0)
        return [
            Piece(dial, paint),
            Piece(rim, wood),
            *(Piece(hand, plain(palette[4])) for hand in hands),
        ]
    image = photo(rng, palette, width / height, 200)
    board = box([width, 0.08, height])
    paint = picture(plain(palette[3]), image, (0, 0), (width * 0.7, height * 0.7))
    pieces = [Piece(board, paint)]
    for sign in (-1.0, 1.0):
        bar = box([width + 0.12, 0.16, 0.13], rounding=0.03).moved(z=sign * height / 2)
        post = box([0.13, 0.16, height + 0.12], rounding=0.03).moved(sign * width / 2)
        pieces += [Piece(bar, wood), Piece(post, wood)]
    tilt = rng.uniform(0, 15)
    return turned(pieces, "x", -tilt)


def _sign(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A mat, a towel roll, a board game's board or a sign: flat with a print."""
    kind = int(rng.integers(3))
    if kind == 0:
        roll = lathe([[0.45, -0.8], [0.48, -0.78], [0.48, 0.78], [0.45, 0.8]], segments=40)
        hole = lathe([[0.16, -1.0], [0.16, 1.0]], segments=24)
        paper = fabric(rng, palette)
        pieces = [Piece(roll, paper), Piece(hole, plain((0.65, 0.5, 0.35)), cut=True)]
        if rng.random() < 0.5:
            return turned(pieces, "y", 90)
        return pieces
    width, height = rng.uniform(1.4, 2.0), rng.uniform(0.8, 1.4)
    if kind == 1:
        mat = box([width, height, 0.06], rounding=0.02)
        art = package_front(rng, palette, width / height)
        return [
            Piece(
                mat,
                picture(
                    fabric(rng, palette), art, (0, 0), (width * 0.9, height * 0.9), facing="+z"
                ),
            )
        ]
    plate = rounded_plate([width, 0.1, height], 0.15)
    sign = canvas(160, width / height, palette[0])
    write(rng, sign, readable(palette[0], palette[1]), (0.08, 0.15, 0.92, 0.6))
    write(rng, sign, readable(palette[0], palette[2]), (0.2, 0.65, 0.8, 0.85))
    foot = standing_box([width * 0.5, 0.5, 0.08]).moved(0, 0, -height / 2 - 0.03)
    return [
        Piece(plate, picture(plain(palette[3]), sign, (0, 0), (width * 0.95, height * 0.93))),
        Piece(foot, random_wood(rng)),
    ]


# Things that stand in a home.
furnishing = Family(
    {
        "flower_pot": (_flower_pot, 0.26),
        "basket": (_basket, 0.24),
        "shelf": (_shelf, 0.24),
        "frame": (_frame, 0.16),
        "sign": (_sign, 0.1),
    }
)
