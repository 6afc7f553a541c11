"""Printed and flat-sided things: cartons, open boxes, cases, books, pouches, multipacks."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import deformations
from lrm_core.modeling.artwork import (
    package_front,
    package_side,
    photo,
    printed_box,
    readable,
    small_print,
    write,
)
from lrm_core.modeling.assembly import Piece, placed, turned
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, leather, plastic
from lrm_core.modeling.paints import Paint, picture, plain, stripes
from lrm_core.modeling.palettes import Palette
from lrm_core.modeling.prints import canvas
from lrm_core.modeling.sections import standing_box
from lrm_core.modeling.shapes import Shape, box, ellipsoid

_BOARD = np.array([0.72, 0.56, 0.38])
_PAPER = (np.array([0.95, 0.93, 0.86]), np.array([0.8, 0.77, 0.7]))


def _carton(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A closed package: tall like cereal, long like toothpaste, cubic, flat like a game."""
    low, high = [
        ((0.9, 0.2, 1.2), (1.3, 0.45, 1.8)),
        ((1.5, 0.25, 0.25), (2.0, 0.5, 0.5)),
        ((0.8, 0.6, 0.7), (1.2, 1.1, 1.2)),
        ((1.3, 1.0, 0.2), (1.6, 1.6, 0.5)),
        ((0.4, 0.3, 1.1), (0.7, 0.6, 1.7)),
    ][rng.choice(5, p=[0.32, 0.16, 0.2, 0.17, 0.15])]
    width, depth, height = (float(value) for value in rng.uniform(low, high))
    size = (width, depth, height)
    paint = printed_box(rng, palette, size)
    kind = rng.random()
    if kind < 0.25:
        paint = stripes(paint, plain(palette[1]), [0, 0, 1], 40.0, 0.01)
    pieces = [Piece(box(size, rounding=float(rng.choice([0.0, 0.0, 0.02]))), paint)]
    if kind > 0.85:
        lid = box([width + 0.03, depth + 0.03, height * rng.uniform(0.15, 0.4)])
        rise = height / 2 - np.ptp(lid.vertices[:, 2]) / 2 + 0.01
        pieces.append(Piece(lid.moved(z=rise), _lid(rng, palette, size)))
    return pieces


def _lid(rng: np.random.Generator, palette: Palette, size: tuple[float, float, float]) -> Paint:
    top = package_front(rng, palette, size[0] / size[1])
    return picture(plain(palette[1]), top, (0, 0), (size[0], size[1]), facing="+z")


def _open_box(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A box without its lid, flaps folded out, sometimes full of things."""
    width, depth, height = rng.uniform([1.0, 0.7, 0.4], [1.6, 1.2, 1.0]).tolist()
    board = plain(_BOARD * rng.uniform(0.85, 1.1)) if rng.random() < 0.5 else plain(palette[0])
    paint = board
    if rng.random() < 0.7:
        paint = printed_box(rng, palette, (width, depth, height), board)
    inside = plain(_BOARD if rng.random() < 0.5 else palette[3])
    hollow = box([width - 0.06, depth - 0.06, height]).moved(z=0.05)
    pieces = [Piece(box([width, depth, height]), paint), Piece(hollow, inside, cut=True)]
    if rng.random() < 0.6:
        reach = rng.uniform(0.25, 0.45) * depth
        for sign in (-1.0, 1.0):
            tilt = rng.uniform(-20, 75)
            flap = box([width, reach, 0.03]).moved(y=reach / 2 - 0.015).rotated("x", tilt)
            flap = flap if sign > 0 else flap.rotated("z", 180)
            pieces.append(Piece(flap.moved(0, sign * depth / 2, height / 2 - 0.015), board))
            side = box([reach, depth, 0.03]).moved(x=reach / 2 - 0.015)
            side = side.rotated("y", -rng.uniform(-20, 70))
            side = side if sign > 0 else side.rotated("z", 180)
            pieces.append(Piece(side.moved(sign * width / 2, 0, height / 2 - 0.015), board))
    for _ in range(int(rng.choice([0, 0, 2, 5]))):
        radius = rng.uniform(0.2, 0.35)
        spot = rng.uniform([-width / 3, -depth / 3], [width / 3, depth / 3])
        ball = ellipsoid([radius, radius, height / 2], exponent=float(rng.choice([2.0, 5.0])))
        ball = ball.moved(float(spot[0]), float(spot[1]), 0.1)
        pieces.append(Piece(ball, plain(palette[rng.integers(5)])))
    return pieces


def _cover(rng: np.random.Generator, palette: Palette, aspect: float) -> np.ndarray:
    """A book's or game's front: a picture all over with a title."""
    if rng.random() < 0.45:
        return package_front(rng, palette, aspect)
    image = photo(rng, palette, aspect, 200)
    band = palette[rng.integers(5)]
    top = int(rng.uniform(0.05, 0.6) * 200)
    if rng.random() < 0.6:
        image[top : top + 60] = canvas(60, image.shape[1] / 60, band)[:, :1]
    ink = readable(band, palette[rng.integers(5)])
    write(rng, image, ink, (0.06, top / 200 + 0.02, 0.94, top / 200 + 0.28))
    small_print(rng, image, ink, (0.3, 0.9, 0.7, 0.97))
    return image


def _case(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A jewel case of a disc or a game: thin, standing or lying, with a printed spine."""
    width, height = (1.4, 1.25) if rng.random() < 0.5 else (1.35, 1.9)
    thick = rng.uniform(0.1, 0.16)
    frame = plain(np.array([0.12, 0.13, 0.14]) if rng.random() < 0.6 else palette[0])
    cover = _cover(rng, palette, width / height)
    paint = picture(frame, cover, (0.03, 0), (width * 0.9, height * 0.96))
    back = package_side(rng, palette, width / height)
    paint = picture(paint, back, (0, 0), (width * 0.94, height * 0.96), facing="+y")
    spine = package_side(rng, palette, 0.2)
    paint = picture(paint, spine, (0, 0), (thick * 0.8, height * 0.95), facing="-x")
    shape = box([width, thick, height], rounding=0.015)
    if rng.random() < 0.3:
        shape = shape.rotated("x", -90)
    return [Piece(shape, paint)]


def _volume(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """One book lying, spine towards -y, its middle at the origin."""
    width, length = rng.uniform(1.2, 1.7), rng.uniform(0.9, 1.25)
    thick = rng.uniform(0.1, 0.4)
    paper = stripes(plain(_PAPER[0]), plain(_PAPER[1]), [0, 0, 1], 0.03, 0.35)
    ink = palette[rng.integers(3)]
    binding = plain(ink)
    face = picture(
        binding, _cover(rng, palette, width / length), (0, 0), (width, length), facing="+z"
    )
    title = canvas(48, width / thick, ink)
    write(rng, title, readable(ink, palette[rng.integers(5)]), (0.1, 0.12, 0.7, 0.88))
    spine = picture(binding, title, (0, 0), (width, thick))
    return [
        Piece(box([width * 0.97, length * 0.97, thick * 0.96]), paper),
        Piece(box([width, length, 0.025]).moved(z=thick / 2), face),
        Piece(box([width, length, 0.025]).moved(z=-thick / 2), face),
        Piece(box([width, 0.03, thick]).moved(y=-length / 2 + 0.01), spine),
    ]


def _books(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pile of books, spines in front, or one standing."""
    count = int(rng.choice([1, 2, 3, 4, 6]))
    pieces: list[Piece] = []
    level = 0.0
    for _ in range(count):
        book = _volume(rng, rng.permutation(palette))
        half = max(piece.shape.vertices[:, 2].max() for piece in book)
        yaw = rng.uniform(-14, 14) + (180 if rng.random() < 0.15 else 0)
        x, y = rng.uniform(-0.06, 0.06, size=2)
        pieces += placed(book, float(x), float(y), level + float(half), yaw=yaw)
        level += 2 * float(half) - 0.005
    if count == 1:
        return turned(pieces, "x", 90)
    return pieces


def _pack(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A row or block of the same small package, as they stand in a shop."""
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    size = tuple(rng.uniform([0.35, 0.3, 0.5], [0.7, 0.6, 1.2]).tolist())
    paint = printed_box(rng, palette, (size[0], size[1], size[2]))
    round_item = rng.random() < 0.3
    pieces = []
    for i in range(columns):
        for j in range(rows):
            item: Shape = box(size, rounding=0.02)
            if round_item:
                item = ellipsoid(np.array(size) / 2, exponent=6.0, divisions=12)
            jitter = 0.0 if rng.random() < 0.7 else rng.uniform(-0.06, 0.06)
            pieces.append(
                Piece(
                    item.moved(i * size[0] * 0.99, j * size[1] * 0.99 + jitter, size[2] / 2), paint
                )
            )
    if rng.random() < 0.6:
        wide, deep = columns * size[0], rows * size[1]
        tray = standing_box([wide + 0.04, deep + 0.14, size[2] * rng.uniform(0.1, 0.4)])
        spot = ((columns - 1) * size[0] / 2, (rows - 1) * size[1] / 2, -0.02)
        front = package_front(rng, palette, wide / 0.3, 64)
        tall = float(np.ptp(tray.vertices[:, 2]))
        base = picture(plain(palette[1]), front, (0, tall / 2), (wide, tall))
        pieces.append(Piece(tray.moved(*spot), base))
    return pieces


def _packet(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pillow of foil or a stand-up pouch, crimped above and below."""
    width, height, depth = rng.uniform([0.6, 0.8, 0.14], [0.8, 1.1, 0.32]).tolist()
    front = package_front(rng, palette, width / height)
    back = package_side(rng, palette, width / height)
    paint = picture(plain(palette[0]), front, (0, 0), (2 * width, 2 * height))
    paint = picture(paint, back, (0, 0), (2 * width, 2 * height), facing="+y")
    body = ellipsoid([width, depth, height], exponent=9.0, divisions=20)
    standing = rng.random() < 0.5

    def squeeze(points: np.ndarray) -> np.ndarray:
        up = points[:, 2] / height
        flat = np.where(up > 0, 1 - up**2, 1.0 if standing else 1 - up**2)
        wrinkle = 0.02 * np.sin(9 * points[:, 0] + 5 * points[:, 2]) * (1 - np.abs(up))
        side = points[:, 1] * (0.07 + 0.93 * flat) + wrinkle
        return np.column_stack([points[:, 0], side, points[:, 2]])

    body = body.warped(squeeze)
    return [Piece(body.moved(z=height), paint)]


def _tissue_box(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A box with a slot and a tissue coming out, or a caddy with a knob."""
    width, depth, height = rng.uniform([1.0, 0.6, 0.4], [1.5, 1.0, 1.0]).tolist()
    paint = fabric(rng, palette) if rng.random() < 0.6 else leather(rng, palette)
    pieces = [Piece(box([width, depth, height], rounding=0.03), paint)]
    slot = ellipsoid([width * 0.3, depth * 0.12, 0.1]).moved(z=height / 2)
    pieces.append(Piece(slot, plain(palette[4]), cut=True))
    sheet = ellipsoid([0.28, 0.06, 0.35], exponent=1.5, divisions=20)

    def wave(points: np.ndarray) -> np.ndarray:
        bend = 0.12 * np.sin(7 * points[:, 0] + 3 * points[:, 2]) * (points[:, 2] + 0.35)
        return np.column_stack([points[:, 0], points[:, 1] + bend, points[:, 2]])

    pieces.append(Piece(sheet.warped(wave).moved(z=height / 2 + 0.15), plain(palette[3])))
    return pieces


def _crate(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A plastic or wooden storage box with a lid that grips."""
    width, depth, height = rng.uniform([1.2, 0.8, 0.5], [1.7, 1.2, 1.0]).tolist()
    body = standing_box([width, depth, height], 0.06, 10)
    flare = rng.uniform(1.05, 1.2)
    grown = body.warped(deformations.taper(0.0, height, flare))
    flare += 0.05
    lid = standing_box([width * flare, depth * flare, 0.12], 0.04, 10).moved(z=height * 0.94)
    front = package_front(rng, palette, 1.4)
    paint = plastic(rng, palette)
    if rng.random() < 0.5:
        paint = picture(paint, front, (0, height / 2), (width * 0.4, width * 0.3))
    grip = box([0.25, 0.08, 0.14], rounding=0.03)
    pieces = [Piece(grown, paint), Piece(lid, plastic(rng, palette, 1))]
    for sign in (-1.0, 1.0):
        clip = grip.rotated("z", 90).moved(sign * width * flare * 0.5, 0, height * 0.92)
        pieces.append(Piece(clip, plain(palette[2])))
    return pieces


# Packages and other flat-sided things, their fronts towards -y.
carton = Family(
    {
        "carton": (_carton, 0.36),
        "open_box": (_open_box, 0.12),
        "case": (_case, 0.12),
        "books": (_books, 0.12),
        "pack": (_pack, 0.08),
        "packet": (_packet, 0.1),
        "tissue_box": (_tissue_box, 0.04),
        "crate": (_crate, 0.06),
    }
)
