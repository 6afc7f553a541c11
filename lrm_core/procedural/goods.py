"""Household goods: packages, bags, books, devices, shoes, tools."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real, deformations
from lrm_core.modeling.assembly import Piece, mirrored, placed, turned
from lrm_core.modeling.paints import Paint, banded, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, plain_among, random_paint, random_wood
from lrm_core.modeling.prints import back_label, control_panel, label
from lrm_core.modeling.shapes import box, ellipsoid, extrude, lathe, loft, ring, torus, tube


def _printed(
    rng: np.random.Generator, palette: Palette, size: tuple[Real, Real, Real], base: Paint
) -> Paint:
    """Different prints on the front, the back and both sides of a box about the origin."""
    width, depth, height = size
    front = label(rng, palette, width / height)
    paint = picture(base, front, (0, 0), (width, height))
    paint = picture(
        paint, back_label(rng, palette, width / height), (0, 0), (width, height), facing="+y"
    )
    side = label(rng, palette, depth / height)
    return picture(paint, side, (0, 0), (depth, height), facing="-x +x")


def package(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A printed carton, flat or tall, milk-carton roof now and then."""
    width, height = rng.uniform(0.5, 1.4), rng.uniform(0.6, 1.6)
    depth = rng.uniform(0.12, 0.8) * width
    size = (width, depth, height)
    paint = _printed(rng, palette, size, plain(palette[0]))
    carton = box(size, rounding=float(rng.choice([0.0, 0.0, 0.03])))
    pieces = [Piece(carton, paint)]
    kind = rng.integers(4)
    if kind == 0:
        # the edges meet the carton slightly inside it, so that the join is a solid one
        roof = extrude(
            [(-depth / 2, 0), (depth / 2, 0), (0.02, depth * 0.5), (-0.02, depth * 0.5)], width
        )
        roof = roof.rotated("z", 90).moved(z=height / 2 - 0.005)
        fin = box([width, 0.03, depth * 0.3]).moved(z=height / 2 + depth * 0.55)
        pieces += [Piece(roof, plain(palette[1])), Piece(fin, plain(palette[1]))]
    elif kind == 1:
        ribbon = plain(palette[2])
        pieces.append(Piece(box([0.12, depth + 0.03, height + 0.03]), ribbon))
        pieces.append(Piece(box([width + 0.03, 0.12, height + 0.03]), ribbon))
        bow = torus(0.12, 0.04, 20, 8).rotated("x", 65)
        pieces += mirrored([Piece(bow.moved(0.13, 0, height / 2 + 0.1), ribbon)])
    return pieces


def bag(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pouch of chips, a tote or a cushion: soft, printed front and back."""
    width, height, depth = rng.uniform(0.7, 1.1), rng.uniform(0.9, 1.4), rng.uniform(0.2, 0.5)
    soft = ellipsoid(
        [width / 2, depth / 2, height / 2], exponent=rng.uniform(3.0, 5.0), divisions=20
    )
    paint = _printed(rng, palette, (width, depth, height), plain(palette[0]))
    shape = soft.warped(deformations.roughen(rng, 0.35, 0.04))
    if rng.random() < 0.4:
        shape = shape.warped(deformations.taper(-height / 2, height / 2, rng.uniform(0.6, 0.9)))
    pieces = [Piece(shape, paint)]
    if rng.random() < 0.5:
        path = [
            (-0.2, 0, height * 0.38),
            (-0.2, 0, height * 0.62),
            (0.2, 0, height * 0.62),
            (0.2, 0, height * 0.38),
        ]
        pieces.append(Piece(tube(path, 0.035, flatness=1.6, samples=24), plain(palette[2])))
    return pieces


def book(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """One book standing or a pile of books."""
    paper = stripes(plain((0.95, 0.93, 0.86)), plain((0.8, 0.77, 0.7)), [0, 0, 1], 0.03, 0.3)
    pieces: list[Piece] = []
    count = int(rng.choice([1, 2, 3, 5], p=[0.4, 0.2, 0.2, 0.2]))
    level = 0.0
    for k in range(count):
        width, length, thick = rng.uniform(0.8, 1.1), rng.uniform(1.1, 1.5), rng.uniform(0.1, 0.35)
        ink = plain(palette[k % 3])
        cover = picture(
            ink, label(rng, palette, width / length), (0, 0), (width, length), facing="+z"
        )
        block = [
            Piece(box([width * 0.95, length * 0.95, thick * 0.98]).moved(x=0.01), paper),
            Piece(box([width, length, 0.03]).moved(z=thick / 2), cover),
            Piece(box([width, length, 0.03]).moved(z=-thick / 2), cover),
            Piece(box([0.04, length, thick]).moved(x=-width / 2 + 0.01), cover),
        ]
        yaw = rng.uniform(-25, 25)
        level += thick / 2 + 0.01
        pieces += placed(block, z=level, yaw=yaw)
        level += thick / 2 + 0.01
    if count == 1:
        pieces = turned(pieces, "x", 90)
    return pieces


def device(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A radio, monitor, camera, speaker, phone or clock."""
    width, height = rng.uniform(0.8, 1.4), rng.uniform(0.5, 1.2)
    depth = rng.uniform(0.15, 0.7)
    case = (
        random_paint(rng, palette, 0)
        if rng.random() < 0.4
        else plain(palette[int(rng.integers(5))])
    )
    panel = control_panel(rng, palette, width / height)
    front = picture(case, panel, (0, 0), (width * 0.94, height * 0.9))
    body = box([width, depth, height], rounding=rng.uniform(0.02, 0.12), divisions=10)
    pieces = [Piece(body, front)]
    kind = rng.integers(5)
    dark, bright = plain(palette[4]), plain_among(rng, palette, 2, 3)
    if kind == 0:
        base = lathe([[0.35, 0], [0.3, 0.05]], exponent=3).moved(z=-height / 2 - 0.25)
        neck = box([0.15, 0.1, 0.35]).moved(0, 0, -height / 2 - 0.08)
        pieces += [Piece(base, dark), Piece(neck, dark)]
    elif kind == 1:
        x = rng.choice([0.0, 0.15 * width])
        lens_radius = 0.33 * height
        outline = np.array([[1.0, 0], [1.0, 0.25], [0.85, 0.3], [0.8, 0.22]]) * [lens_radius, 1]
        lens = lathe(outline, segments=36).rotated("x", 90).moved(x, -depth / 2 + 0.02, 0)
        glass = ellipsoid([lens_radius * 0.75, 0.06, lens_radius * 0.75]).moved(
            x, -depth / 2 - 0.2, 0
        )
        top = box([0.3 * width, depth * 0.7, 0.16], rounding=0.04).moved(x, 0, height / 2 + 0.05)
        button = lathe([[0.06, 0], [0.06, 0.08]]).moved(-0.35 * width, 0, height / 2 - 0.02)
        pieces += [
            Piece(lens, dark),
            Piece(glass, plain(palette[1] * 0.4)),
            Piece(top, case),
            Piece(button, bright),
        ]
    elif kind == 2:
        for z, size in ((-0.2 * height, 0.24), (0.24 * height, 0.14)):
            cone = torus(size * height, 0.05, 32, 8).rotated("x", 90).moved(0, -depth / 2, z)
            dome = ellipsoid([size * height * 0.9, 0.05, size * height * 0.9]).moved(
                0, -depth / 2, z
            )
            pieces += [Piece(dome, dark), Piece(cone, bright)]
    elif kind == 3:
        antenna = tube([[0.3 * width, 0, 0], [0.55 * width, 0.05, height]], 0.02)
        handle = [
            (-0.3 * width, 0, height * 0.4),
            (-0.25 * width, 0, height * 0.68),
            (0.25 * width, 0, height * 0.68),
            (0.3 * width, 0, height * 0.4),
        ]
        pieces += [Piece(antenna, bright), Piece(tube(handle, 0.04, samples=20), dark)]
    else:
        dial = lathe([[height * 0.42, 0], [height * 0.42, 0.05]], segments=44)
        face = dial.rotated("x", 90).moved(0, -depth / 2 + 0.01, 0)
        hand = box([0.035, 0.02, height * 0.34]).moved(z=height * 0.14)
        pieces.append(Piece(face, plain(palette[3])))
        for angle in rng.uniform(0, 360, size=2):
            pieces.append(Piece(hand.rotated("y", angle).moved(0, -depth / 2 - 0.045, 0), dark))
        feet = ellipsoid([0.09] * 3, divisions=8).moved(width * 0.35, 0, -height / 2)
        pieces += mirrored([Piece(feet, dark)])
    return pieces


def shoe(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A shoe or boot: lofted upper on a sole, open at the ankle, with laces."""
    length, shaft = rng.uniform(0.85, 1.0), rng.uniform(0.35, 1.0)
    t = np.linspace(0, 1, 26)
    half_width = np.interp(t, [0, 0.06, 0.3, 0.6, 0.85, 1], [0.1, 0.24, 0.33, 0.26, 0.27, 0.14])
    top = np.interp(
        t,
        [0, 0.1, 0.35, 0.55, 0.7, 1.0],
        [0.12, 0.24, 0.34, shaft * 0.8 + 0.1, shaft + 0.05, shaft + 0.12],
    )
    around = ring(24, 2.6)
    rings = np.empty((26, 24, 3))
    rings[..., 0] = half_width[:, None] * around[:, 0]
    rings[..., 1] = (t * 2 - 1)[:, None] * length
    rings[..., 2] = top[:, None] * (around[:, 1] + 1) / 2 + 0.08
    upper_paint = banded(
        [plain(palette[1]), random_paint(rng, palette, 0), plain(palette[int(rng.integers(3))])],
        [-0.55 * length, rng.uniform(0.3, 0.7) * length],
        axis=1,
    )
    mark = label(rng, palette, 1.6)
    upper_paint = picture(upper_paint, mark, (0.1, 0.28), (0.4, 0.2), facing="-x +x")
    sole_rings = rings[:, :, :].copy()
    sole_rings[..., 0] *= 1.08
    sole_rings[..., 1] *= 1.03
    sole_rings[..., 2] = 0.07 + 0.07 * around[:, 1] + 0.05 * (t[:, None] > 0.75)
    opening = ellipsoid([0.18, 0.3, shaft * 0.7], exponent=3.0).moved(
        0, length * 0.62, shaft + 0.15
    )
    pieces = [
        Piece(loft(rings), upper_paint),
        Piece(opening, plain(palette[4]), cut=True),
        Piece(loft(sole_rings), plain(palette[3])),
    ]
    for k in range(int(rng.integers(0, 5))):
        y = -0.32 + 0.13 * k
        height = float(np.interp((y / length + 1) / 2, t, top)) + 0.08
        lace = tube(
            [[-0.15, y, height - 0.05], [0, y, height], [0.15, y, height - 0.05]], 0.028, sides=8
        )
        pieces.append(Piece(lace, plain(palette[3])))
    return pieces


def tool(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A handle with a head: hammer, axe, brush, spade, screwdriver, spoon."""
    length = rng.uniform(1.0, 1.6)
    radii = rng.uniform(0.05, 0.09, size=5)
    profile = np.stack([radii, np.linspace(0, length, 5)], axis=1)
    handle_paint = random_wood(rng, 2) if rng.random() < 0.5 else random_paint(rng, palette, 0)
    if rng.random() < 0.3:
        handle_paint = banded([handle_paint, plain(palette[2])], [length * 0.35])
    pieces = [Piece(lathe(profile, segments=20, samples=20), handle_paint)]
    metal = plain(rng.uniform(0.35, 0.75)) if rng.random() < 0.6 else plain(palette[1])
    kind = rng.integers(5)
    if kind == 0:
        head = lathe([[0.16, -0.35], [0.16, -0.2], [0.11, -0.1], [0.12, 0.3]], segments=28)
        pieces.append(Piece(head.rotated("y", 90).moved(z=length), metal))
    elif kind == 1:
        outline = np.array(
            [
                (-0.12, -0.1),
                (0.15, -0.12),
                (0.45, -0.3),
                (0.5, 0.0),
                (0.45, 0.25),
                (0.15, 0.12),
                (-0.12, 0.1),
            ]
        )
        pieces.append(Piece(extrude(outline, 0.1).moved(z=length - 0.1), metal))
    elif kind == 2:
        block = box([0.5, 0.22, 0.16], rounding=0.04).moved(z=length)
        hair = box([0.46, 0.18, 0.3], divisions=12).warped(deformations.roughen(rng, 0.04, 0.03))
        pieces += [
            Piece(block, plain(palette[1])),
            Piece(hair.moved(z=length + 0.18), plain(palette[3])),
        ]
    elif kind == 3:
        blade = ellipsoid([0.26, 0.07, 0.38], exponent=2.6).moved(z=length + 0.28)
        hollow = ellipsoid([0.21, 0.08, 0.32], exponent=2.6).moved(0, -0.07, length + 0.28)
        pieces += [Piece(blade, metal), Piece(hollow, metal, cut=True)]
    else:
        grip = lathe([[0.13, 0], [0.15, 0.2], [0.1, 0.5]], exponent=3.0)
        pieces.append(Piece(grip, plain(palette[0])))
        tip = box([0.14, 0.04, 0.16]).moved(z=length + 0.05)
        pieces.append(Piece(tip, metal))
    if rng.random() < 0.5:
        pieces = turned(pieces, "y", 90)
    return pieces
