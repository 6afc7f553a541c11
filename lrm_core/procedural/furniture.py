"""Furniture: tables, chairs, stools, shelves, sofas."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.paints import Paint, dots, plain, stripes
from lrm_core.modeling.palettes import Palette, random_paint, random_wood
from lrm_core.modeling.shapes import Shape, box, ellipsoid, lathe, tube


def _frame_paint(rng: np.random.Generator, palette: Palette, grain: int) -> Paint:
    return random_wood(rng, grain) if rng.random() < 0.6 else plain(palette[int(rng.integers(5))])


def _cloth(rng: np.random.Generator, palette: Palette) -> Paint:
    main, other = plain(palette[0]), plain(palette[1])
    kind = rng.integers(4)
    if kind == 0:
        return stripes(main, other, [1, 0, 0], rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.5))
    if kind == 1:
        return dots(main, other, rng.uniform(0.12, 0.3), rng.uniform(0.2, 0.35))
    return random_paint(rng, palette, 0)


def _legs(rng: np.random.Generator, width: Real, depth: Real, height: Real) -> list[Shape]:
    """Four legs under a seat: square, round, turned or splayed."""
    thickness = rng.uniform(0.06, 0.13)
    x, y = width / 2 - thickness, depth / 2 - thickness
    kind = rng.integers(4)
    splay = rng.uniform(0.0, 0.2) if kind in (1, 2) else 0.0
    knots = np.stack([rng.uniform(0.5, 1.1, size=5) * thickness, np.linspace(0, height, 5)], axis=1)
    legs = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            if kind == 0:
                leg = box([thickness, thickness, height]).moved(sx * x, sy * y, height / 2)
            elif kind == 3:
                leg = lathe(knots, segments=16, samples=20).moved(sx * x, sy * y)
            else:
                foot = [sx * (x + splay), sy * (y + splay), 0.0]
                path = np.array([foot, [sx * x, sy * y, height]])
                radii = np.array([thickness * 0.4, thickness * 0.65])
                leg = tube(path, radii, sides=12, exponent=float(rng.choice([2.0, 4.0])))
            legs.append(leg)
    return legs


def table(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A top on four legs or a pedestal, sometimes with drawers or a shelf."""
    width, depth, height = rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.2), rng.uniform(0.5, 1.1)
    thickness = rng.uniform(0.06, 0.14)
    frame = _frame_paint(rng, palette, 2)
    top_paint = (
        _frame_paint(rng, palette, 0) if rng.random() < 0.7 else random_paint(rng, palette, 0)
    )
    if rng.random() < 0.3:
        radius = depth * 0.8
        top = lathe([[radius, 0], [radius, thickness]], segments=48).moved(z=height)
        knots = np.stack([rng.uniform(0.06, 0.2, size=5), np.linspace(0, height + 0.02, 5)], 1)
        knots[0, 0] = radius * 0.6
        pieces = [Piece(lathe(knots, segments=28, samples=24), frame), Piece(top, top_paint)]
    else:
        top = box([width, depth, thickness], rounding=rng.choice([0.0, 0.04]))
        pieces = [Piece(top.moved(z=height + thickness / 2 - 0.01), top_paint)]
        pieces += [Piece(leg, frame) for leg in _legs(rng, width, depth, height)]
        if rng.random() < 0.4:
            apron = box([width * 0.9, depth * 0.86, 0.22]).moved(z=height - 0.1)
            pieces.append(Piece(apron, frame))
            for x in (-0.22 * width, 0.22 * width):
                knob = ellipsoid([0.04] * 3, divisions=6).moved(x, -depth * 0.45, height - 0.1)
                pieces.append(Piece(knob, plain(palette[4])))
    if rng.random() < 0.35:
        pot = lathe([[0.12, 0], [0.2, 0.15], [0.13, 0.35]]).moved(
            rng.uniform(-0.25, 0.25), 0, height + thickness - 0.03
        )
        pieces.append(Piece(pot, random_paint(rng, palette, 2)))
    return pieces


def chair(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Seat, legs and a back: a panel, slats or rungs; sometimes arms."""
    width, depth = rng.uniform(0.7, 1.0), rng.uniform(0.7, 0.95)
    seat, back = rng.uniform(0.5, 0.8), rng.uniform(0.6, 1.1)
    frame, cloth = _frame_paint(rng, palette, 2), _cloth(rng, palette)
    cushion = box([width, depth, rng.uniform(0.07, 0.2)], rounding=0.05, divisions=10)
    pieces = [Piece(cushion.moved(z=seat), cloth)]
    pieces += [Piece(leg, frame) for leg in _legs(rng, width, depth, seat)]
    lean = rng.uniform(0.0, 12.0)
    rear: list[Piece] = []
    kind = rng.integers(3)
    if kind == 0:
        panel = box([width * rng.uniform(0.8, 1.0), 0.12, back], rounding=0.05, divisions=10)
        rear.append(Piece(panel.moved(z=back / 2), cloth))
    else:
        post = box([0.07, 0.07, back])
        rear += [Piece(post.moved(s * (width / 2 - 0.05), 0, back / 2), frame) for s in (-1, 1)]
        bars = int(rng.integers(2, 6))
        if kind == 1:
            for k in range(bars):
                rung = box([width - 0.06, 0.05, 0.4 * back / bars])
                rear.append(Piece(rung.moved(z=back * (k + 0.9) / bars - 0.06), frame))
        else:
            rail = box([width, 0.08, 0.14], rounding=0.03)
            rear.append(Piece(rail.moved(z=back - 0.05), frame))
            for x in np.linspace(-width / 2 + 0.15, width / 2 - 0.15, bars):
                rear.append(Piece(box([0.05, 0.05, back]).moved(x, 0, back / 2), frame))
    for piece in rear:
        shape = piece.shape.rotated("x", -lean).moved(0, depth / 2 - 0.06, seat - 0.02)
        pieces.append(Piece(shape, piece.paint))
    if rng.random() < 0.35:
        for s in (-1, 1):
            x = s * (width / 2 - 0.02)
            arm = box([0.09, depth * 0.95, 0.06], rounding=0.02).moved(x, 0.02, seat + 0.32)
            post = box([0.06, 0.06, 0.36]).moved(x, -depth * 0.36, seat + 0.15)
            pieces += [Piece(arm, frame), Piece(post, frame)]
    return pieces


def shelf(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cabinet: open compartments with things, drawers or doors."""
    width, depth, height = rng.uniform(0.7, 1.6), rng.uniform(0.35, 0.6), rng.uniform(0.8, 2.0)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    frame = _frame_paint(rng, palette, int(rng.choice([0, 2])))
    pieces = [Piece(box([width, depth, height]).moved(z=height / 2), frame)]
    front_paint = random_paint(rng, palette, 1)
    wall = 0.05
    cell_w, cell_h = (width - wall) / columns - wall, (height - wall) / rows - wall
    openings, contents = [], []
    for row in range(rows):
        for column in range(columns):
            x = -width / 2 + wall + cell_w / 2 + column * (cell_w + wall)
            z = wall + cell_h / 2 + row * (cell_h + wall)
            if rng.random() < 0.55:
                hole = box([cell_w, depth, cell_h]).moved(x, -wall, z)
                openings.append(Piece(hole, plain(palette[3] * 0.9), cut=True))
                left = x - cell_w / 2
                while left < x + cell_w / 2 - 0.12 and rng.random() < 0.85:
                    thick, tall = rng.uniform(0.05, 0.14), rng.uniform(0.5, 0.92) * cell_h
                    book = box([thick, depth * 0.75, tall])
                    book = book.moved(left + thick / 2, 0.03, z - cell_h / 2 + tall / 2 - 0.01)
                    contents.append(Piece(book, plain(palette[int(rng.integers(5))])))
                    left += thick * 0.99
            else:
                door = box([cell_w, 0.06, cell_h]).moved(x, -depth / 2, z)
                knob = ellipsoid([0.035] * 3, divisions=6)
                contents.append(Piece(door, front_paint))
                knob = knob.moved(x + 0.3 * cell_w, -depth / 2 - 0.05, z)
                contents.append(Piece(knob, plain(palette[4])))
    pieces += [*openings, *contents]
    if rng.random() < 0.5:
        pieces += [Piece(leg.moved(z=-0.2), frame) for leg in _legs(rng, width, depth, 0.25)]
    return pieces


def sofa(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An upholstered seat with arms, back, cushions and short feet."""
    width, depth = rng.uniform(0.9, 2.0), rng.uniform(0.75, 0.95)
    seat, arm, back = rng.uniform(0.3, 0.45), rng.uniform(0.5, 0.7), rng.uniform(0.75, 1.05)
    cloth = _cloth(rng, palette)
    rounding = rng.uniform(0.04, 0.12)

    def block(size: list[Real], x: Real, y: Real, z: Real) -> Shape:
        return box(size, rounding=rounding, divisions=10).moved(x, y, z)

    pieces = [
        Piece(block([width, depth, seat], 0, 0, seat / 2 + 0.1), cloth),
        Piece(block([width, 0.24, back], 0, depth / 2 - 0.1, back / 2 + 0.1), cloth),
    ]
    for s in (-1, 1):
        side = block([0.2, depth, arm], s * (width / 2), 0, arm / 2 + 0.1)
        pieces.append(Piece(side, cloth))
    count = max(1, round(width / 0.7))
    pillow = random_paint(rng, palette, int(rng.integers(3)))
    for k in range(count):
        x = (k - (count - 1) / 2) * (width - 0.2) / count
        cushion = block([(width - 0.22) / count, depth * 0.8, 0.16], x, -0.06, seat + 0.14)
        pieces.append(Piece(cushion, cloth if rng.random() < 0.7 else pillow))
    if rng.random() < 0.5:
        throw = ellipsoid([0.22, 0.08, 0.22], exponent=3.5).rotated("x", -20)
        pieces.append(Piece(throw.moved(width * 0.25, depth * 0.2, seat + 0.36), pillow))
    feet = [Piece(leg, plain(palette[4])) for leg in _legs(rng, width, depth * 0.9, 0.14)]
    return pieces + feet
