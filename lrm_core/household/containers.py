"""Bottles, jars, tubes, dispensers, sprays, tins and packs of them, their labels in front."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.artwork import package_front, package_side
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import metal, plastic
from lrm_core.modeling.paints import Paint, banded, picture, plain, stripes, wrapped
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.sections import side_plate, stack, standing_box
from lrm_core.modeling.shapes import Shape, ellipsoid, lathe, tube


def _labeled(
    rng: np.random.Generator, palette: Palette, paint: Paint, low: Real, high: Real, radius: Real
) -> Paint:
    """A label all around or in front, between two heights."""
    turns = float(rng.choice([1.0, 0.8, 0.35]))
    image = package_front(rng, palette, 2 * np.pi * radius * 0.4 / (high - low))
    if turns > 0.5:
        side = package_side(rng, palette, 2 * np.pi * radius * 0.3 / (high - low))
        image = np.concatenate([side, image, side], axis=1)
    return wrapped(paint, image, low, high, turns)


def _cap(radius: Real, height: Real, z: Real) -> Shape:
    """A screw cap, grooved by its stripes."""
    outline = np.array([[radius, 0.0], [radius, height * 0.9], [radius * 0.92, height]])
    shape = lathe(outline, segments=32).moved(z=z)
    return shape.settled()


def _ribbed(color: np.ndarray) -> Paint:
    dark = plain(color * 0.75)
    return stripes(plain(color), dark, [1, 0.35, 0], 0.06, 0.4)


def _bottle(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Water, wine, sauce, shampoo, detergent: round or oval, long or short neck."""
    kind = rng.integers(4)
    if kind == 0:  # drink
        radius, neck, height = rng.uniform(0.25, 0.34), 0.11, rng.uniform(1.6, 2.0)
        shoulder, exponent, oval = rng.uniform(0.6, 0.72), 2.0, 1.0
    elif kind == 1:  # wine, oil
        radius, neck, height = rng.uniform(0.24, 0.3), 0.09, rng.uniform(1.9, 2.1)
        shoulder, exponent, oval = rng.uniform(0.58, 0.66), float(rng.choice([2.0, 6.0])), 1.0
    elif kind == 2:  # shampoo
        radius, neck, height = rng.uniform(0.36, 0.5), 0.16, rng.uniform(1.2, 1.6)
        shoulder, exponent, oval = rng.uniform(0.72, 0.9), rng.uniform(2.0, 3.5), 0.55
    else:  # pills, sauce
        radius, neck, height = rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.35), rng.uniform(1.0, 1.4)
        shoulder, exponent, oval = rng.uniform(0.75, 0.85), float(rng.choice([2.0, 5.0])), 1.0
    waist = rng.uniform(0.88, 1.0)
    low = shoulder * height
    rows = [
        (0.0, radius * 0.9, radius * 0.9 * oval), (0.03, radius, radius * oval),
        (low * 0.5, radius * waist, radius * oval * waist), (low, radius, radius * oval),
        (low + (height - low) * 0.5, (radius + neck) * 0.48, (radius * oval + neck) * 0.48),
        (height, neck, neck),
    ]  # fmt: skip
    powers = [exponent, exponent, exponent, exponent, (exponent + 2) / 2, 2.0]
    body = stack(rows, powers, samples=28, segments=44)
    base = plastic(rng, palette)
    if kind == 1 and rng.random() < 0.6:
        base = plain(np.array([0.08, 0.2, 0.1]) if rng.random() < 0.6 else palette[4])
    if rng.random() < 0.3:
        base = banded([plain(palette[1]), base], [low * rng.uniform(0.4, 0.9)])
    paint = _labeled(rng, palette, base, low * rng.uniform(0.12, 0.25), low * 0.88, radius)
    if oval < 1.0 or exponent > 3.0:
        image = package_front(rng, palette, 1.5 * radius / (low * 0.7))
        paint = picture(base, image, (0, low * 0.5), (1.5 * radius, low * 0.7))
        back = package_side(rng, palette, 1.5 * radius / (low * 0.7))
        paint = picture(paint, back, (0, low * 0.5), (1.5 * radius, low * 0.7), facing="+y")
    tall = rng.uniform(0.1, 0.25)
    color = palette[int(rng.integers(5))]
    pieces = [Piece(body, paint), Piece(_cap(neck * 1.2, tall, height - 0.03), _ribbed(color))]
    if kind == 1:
        sleeve = lathe([[neck * 1.1, height - 0.3], [neck * 1.1, height + 0.02]])
        pieces.append(Piece(sleeve, plain(color)))
    return pieces


def _jug(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Detergent or a milk can with a hole for the hand."""
    width, depth, height = rng.uniform(0.5, 0.65), rng.uniform(0.26, 0.36), rng.uniform(1.2, 1.6)
    rows = [
        (0.0, width * 0.95, depth * 0.9), (0.05, width, depth), (height * 0.6, width, depth),
        (height * 0.9, width * 0.7, depth * 0.85), (height, width * 0.3, depth * 0.5),
    ]  # fmt: skip
    body = stack(rows, [4.0, 4.0, 4.0, 3.5, 2.5], samples=24, segments=48)
    image = package_front(rng, palette, 1.3 * width / (height * 0.5))
    base = plain(palette[0])
    paint = picture(base, image, (-0.05, height * 0.35), (1.3 * width, height * 0.5))
    paint = picture(paint, image, (0.05, height * 0.35), (1.3 * width, height * 0.5), facing="+y")
    hole = ellipsoid([0.13, 1.0, height * 0.16], exponent=3.0).rotated("y", -18)
    neck = rng.uniform(0.13, 0.18)
    spot = -0.15 * width
    cap = _cap(neck, rng.uniform(0.15, 0.3), height - 0.08)
    return [
        Piece(body, paint),
        Piece(hole.moved(width * 0.55, 0, height * 0.68), base, cut=True),
        Piece(cap.moved(x=spot), _ribbed(palette[int(rng.choice([1, 2]))])),
    ]


def _dispenser(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pump bottle of soap or a bottle with a spray trigger."""
    radius, height = rng.uniform(0.3, 0.42), rng.uniform(0.9, 1.3)
    oval, exponent = rng.uniform(0.65, 1.0), rng.uniform(2.0, 5.0)
    rows = [
        (0.0, radius * 0.95, radius * oval * 0.95), (0.04, radius, radius * oval),
        (height * 0.75, radius * rng.uniform(0.8, 1.0), radius * oval),
        (height * 0.9, radius * 0.6, radius * oval * 0.6), (height, 0.12, 0.12),
    ]  # fmt: skip
    body = stack(rows, [exponent] * 3 + [2.5, 2.0], samples=24)
    image = package_front(rng, palette, 1.4 * radius / (height * 0.55))
    paint = picture(plain(palette[0]), image, (0, height * 0.42), (1.4 * radius, height * 0.55))
    top = plain_among(rng, palette, 1, 2, 3, 4)
    pieces = [Piece(body, paint), Piece(_cap(0.15, 0.14, height - 0.04), top)]
    if rng.random() < 0.5:
        stem = lathe([[0.05, height], [0.05, height + 0.28]])
        head = lathe([[0.12, height + 0.24], [0.13, height + 0.32], [0.08, height + 0.36]])
        nozzle = tube(
            [(0, 0, height + 0.31), (0, -0.25, height + 0.32), (0, -0.36, height + 0.24)],
            0.04,
            samples=12,
        )
        return [*pieces, Piece(stem, top), Piece(head, top), Piece(nozzle, top)]
    outline = [
        (0.25, 0.0), (0.22, 0.3), (-0.35, 0.36), (-0.42, 0.3), (-0.4, 0.2), (-0.12, 0.18),
        (-0.1, 0.0),
    ]  # fmt: skip
    head = side_plate(outline, 0.2).moved(z=height + 0.05)
    lever = [(0, -0.15, 0.25), (0, -0.3, 0.1), (0, -0.25, -0.12)]
    trigger = tube(lever, 0.045, exponent=3.0, samples=12).moved(z=height + 0.05)
    accent = plain(palette[2])
    return [*pieces, Piece(head, top), Piece(trigger, accent)]


def _jar(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A jar, a tub or a canister with a lid."""
    radius, height = rng.uniform(0.4, 0.65), rng.uniform(0.5, 1.2)
    exponent = float(rng.choice([2.0, 2.0, 4.0]))
    mouth = radius * rng.uniform(0.7, 1.0)
    taper = rng.uniform(0.8, 1.0)
    rows = [
        (0.0, radius * taper * 0.94, radius * taper * 0.94), (0.05, radius * taper, radius * taper),
        (height * 0.8, radius, radius), (height * 0.92, mouth, mouth), (height, mouth, mouth),
    ]  # fmt: skip
    base = plastic(rng, palette)
    paint = _labeled(rng, palette, base, height * 0.12, height * 0.78, radius)
    lid_paint = metal(rng) if rng.random() < 0.3 else _ribbed(palette[int(rng.integers(5))])
    tall = rng.uniform(0.1, 0.25)
    lid = stack(
        [
            (height - 0.03, mouth * 1.06, mouth * 1.06),
            (height + tall * 0.85, mouth * 1.06, mouth * 1.06),
            (height + tall, mouth * 0.98, mouth * 0.98),
        ],
        exponent,
    )
    pieces = [Piece(stack(rows, exponent, samples=22, segments=48), paint), Piece(lid, lid_paint)]
    if rng.random() < 0.2:
        pieces.append(Piece(ellipsoid([0.1] * 3).moved(z=height + tall + 0.05), lid_paint))
    return pieces


def _squeeze_tube(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Toothpaste or cream: round at the cap, flat at the far end; standing or lying."""
    radius, length = rng.uniform(0.2, 0.32), rng.uniform(1.1, 1.7)
    rows = [
        (0.0, radius * 0.5, radius * 0.5), (0.05, radius, radius),
        (length * 0.5, radius * 1.15, radius * 0.7), (length * 0.93, radius * 1.35, 0.05),
        (length, radius * 1.35, 0.025),
    ]  # fmt: skip
    body = stack(rows, [2.0, 2.0, 2.2, 3.0, 4.0], samples=26)
    image = package_front(rng, palette, 2.2 * radius / (length * 0.85))
    if rng.random() < 0.7:
        image = np.ascontiguousarray(np.rot90(package_front(rng, palette, length / radius / 2.4)))
    base = plain_among(rng, palette, 0, 3)
    paint = picture(base, image, (0, length * 0.5), (2.4 * radius, length * 0.85))
    back = package_side(rng, palette, 0.6)
    paint = picture(paint, back, (0, length * 0.5), (2 * radius, length * 0.7), facing="+y")
    cap = stack([(-0.25, radius * 0.75, radius * 0.75), (0.03, radius * 0.85, radius * 0.85)])
    pieces = [Piece(body, paint), Piece(cap, plain_among(rng, palette, 1, 2))]
    if rng.random() < 0.5:
        pieces = [replace(p, shape=p.shape.rotated("x", -90).rotated("z", 90)) for p in pieces]
    return pieces


def _spray_can(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An aerosol, a drink can or a tin."""
    kind = rng.integers(3)
    steel = metal(rng)
    if kind == 0:
        radius, height = rng.uniform(0.22, 0.3), rng.uniform(1.3, 1.7)
        tip = [[radius * 0.75, height], [radius * 0.5, height + 0.06]]
    elif kind == 1:
        radius, height = 0.33, rng.uniform(1.15, 1.4)
        tip = [[radius * 0.8, height], [radius * 0.8, height + 0.01]]
    else:
        radius, height = rng.uniform(0.42, 0.6), rng.uniform(0.6, 1.2)
        tip = [[radius * 1.01, height], [radius * 1.01, height + 0.03]]
    rim = radius * (0.85 if kind < 2 else 1.01)
    side = np.array([[rim, 0.0], [radius, 0.05], [radius, height * 0.5], [radius, height - 0.06]])
    body = lathe(np.concatenate([side, tip]), segments=44)
    image = package_front(rng, palette, 1.3)
    around = np.concatenate([image, package_side(rng, palette, 0.7)], axis=1)
    paint = wrapped(steel, around, 0.06, height - 0.07, 1.0)
    pieces = [Piece(body, paint)]
    if kind == 0:
        cap = lathe([[radius * 0.8, height - 0.02], [radius * 0.75, height + 0.3]])
        pieces.append(Piece(cap, plain(palette[int(rng.integers(5))])))
    elif kind == 1:
        tab = standing_box([0.1, 0.2, 0.02]).moved(0, -0.05, height + 0.005)
        pieces.append(Piece(tab, steel))
    return pieces


def _multipack(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """The same container several times over, side by side."""
    item = [_bottle, _spray_can, _jar][rng.integers(3)](rng, palette)
    corners = np.concatenate([piece.shape.vertices for piece in item])
    wide, deep = (float(np.ptp(corners[:, axis])) * 0.985 for axis in (0, 1))
    columns, rows = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    pieces = [
        replace(piece, shape=piece.shape.moved(i * wide, j * deep))
        for i in range(columns)
        for j in range(rows)
        for piece in item
    ]
    # a tray keeps the round ones together
    size = [columns * wide + 0.02, rows * deep + 0.02, rng.uniform(0.06, 0.35)]
    tray = standing_box(size).moved((columns - 1) * wide / 2, (rows - 1) * deep / 2, -0.02)
    image = package_front(rng, palette, size[0] / size[2], 64)
    paint = picture(plain(palette[1]), image, (0, size[2] / 2), (size[0], size[2]))
    return [*pieces, Piece(tray, paint)]


# Containers, their labels towards -y.
container = Family(
    {
        "bottle": (_bottle, 0.3),
        "jug": (_jug, 0.1),
        "dispenser": (_dispenser, 0.14),
        "jar": (_jar, 0.16),
        "squeeze_tube": (_squeeze_tube, 0.1),
        "spray_can": (_spray_can, 0.12),
        "multipack": (_multipack, 0.08),
    }
)
