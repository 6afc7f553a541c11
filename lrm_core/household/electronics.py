"""Electronics: controllers, keyboards, screens, headphones, cameras, speakers, routers."""

from __future__ import annotations

import cv2
import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.artwork import logo, package_front, photo, readable, write
from lrm_core.modeling.assembly import Piece, mirrored, turned
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, patched
from lrm_core.modeling.paints import Paint, picture, plain, stripes
from lrm_core.modeling.palettes import Palette
from lrm_core.modeling.prints import Image, canvas, texel
from lrm_core.modeling.sections import rounded_plate, stack, standing_box
from lrm_core.modeling.shapes import box, ellipsoid, lathe, torus, tube
from lrm_core.modeling.skins import balls, bone, bones, skin


def _shell(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """A color of cases: black, white, gray, or the palette's."""
    neutral = rng.choice([0.08, 0.14, 0.5, 0.75, 0.93])
    return np.full(3, float(neutral)) if rng.random() < 0.55 else palette[0]


def key_caps(
    rng: np.random.Generator, columns: int, rows: int, aspect: Real, ground: np.ndarray
) -> Image:
    """Rows of key caps with a mark each."""
    image = canvas(int(32 * rows), aspect, ground)
    high, wide = image.shape[0] / rows, image.shape[1] / columns
    cap = np.clip(ground + rng.choice([-0.3, 0.12, 0.3, 0.8]), 0.03, 1)
    ink = readable(cap, np.full(3, 0.9))
    for row in range(rows):
        for column in range(columns):
            left, top = int(column * wide + 2), int(row * high + 2)
            corner = (int((column + 1) * wide - 2), int((row + 1) * high - 2))
            cv2.rectangle(image, (left, top), corner, texel(cap), -1)
            middle = ((left + corner[0]) // 2, (top + corner[1]) // 2)
            cv2.circle(image, middle, 2, texel(ink), -1)
    return image


def _screen(rng: np.random.Generator, palette: Palette, aspect: Real) -> np.ndarray:
    """A display that is on: a picture with a bar and tiles, or off."""
    if rng.random() < 0.3:
        return canvas(96, aspect, np.full(3, 0.05))
    image = photo(rng, palette, aspect, 144)
    columns = image.shape[1]
    cv2.rectangle(image, (0, 0), (columns, 14), texel(palette[4]), -1)
    for _ in range(int(rng.integers(0, 9))):
        x, y = int(rng.uniform(0.05, 0.85) * columns), int(rng.uniform(20, 115))
        cv2.rectangle(image, (x, y), (x + 16, y + 16), texel(palette[rng.integers(5)]), -1)
    return image


def _controller(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A game pad lying flat: two grips, sticks, a cross and four buttons."""
    body = bone("case", (-0.5, 0.1, 0.2), (0.5, 0.1, 0.2), (0.34, 0.34), (1, 1, 0.5))
    reach = rng.uniform(0.4, 0.65)
    body += bones("grip", (0.68, 0.0, 0.18), (0.82, -reach, 0.08), (0.29, 0.2), (1, 1, 0.75))
    body += balls("grip", (0.55, 0.42, 0.2), (0.25, 0.08, 0.09))
    color = _shell(rng, palette)
    grip = plain(color) if rng.random() < 0.6 else plain(palette[1])
    pieces = [skin(body, {"case": plain(color), "grip": grip}, 0.08, 44)]
    dark = plain(np.full(3, 0.08) if color.sum() > 0.5 else palette[3])
    high = 0.36
    for x, y in ((-0.28, -0.15), (0.28, -0.15)):
        stick = stack([(0, 0.07, 0.07), (0.1, 0.06, 0.06), (0.12, 0.12, 0.12), (0.17, 0.11, 0.11)])
        pieces.append(Piece(stick.moved(x, y, high - 0.05), dark))
    for size in ((0.26, 0.09), (0.09, 0.26)):
        pieces.append(Piece(box([*size, 0.08]).moved(-0.6, 0.15, high), dark))
    for k, (x, y) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        button = ellipsoid([0.055, 0.055, 0.04]).moved(0.6 + 0.12 * x, 0.15 + 0.12 * y, high + 0.01)
        pieces.append(Piece(button, plain(palette[k])))
    pad = box([0.4, 0.2, 0.05], rounding=0.02).moved(0, 0.2, high)
    return [*pieces, Piece(pad, dark)]


def _keyboard(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A computer or piano keyboard, or a calculator, slightly tilted."""
    kind = rng.integers(3)
    color = _shell(rng, palette)
    if kind == 2:
        width, depth, columns, rows = 1.0, rng.uniform(1.4, 1.8), 4, 5
    else:
        width, depth, columns, rows = 2.0, rng.uniform(0.6, 0.8), int(rng.integers(13, 19)), 5
    body = box([width, depth, 0.09], rounding=0.03)
    if kind == 1:
        image = canvas(64, 5.0, np.full(3, 0.96))
        wide = image.shape[1] / 21
        for k in range(1, 21):
            x = int(k * wide)
            cv2.line(image, (x, 0), (x, 63), (90, 90, 90, 255), 1)
            if k % 7 not in (0, 3):
                cv2.rectangle(image, (x - 4, 0), (x + 4, 38), (15, 15, 15, 255), -1)
        depth *= 1.2
        body = box([width, depth, 0.14], rounding=0.03)
        paint = picture(plain(color), image, (0, -depth * 0.2), (1.85, depth * 0.5), facing="+z")
        panel = key_caps(rng, 12, 1, 8.0, color)
        paint = picture(paint, panel, (0, depth * 0.28), (1.4, 0.14), facing="+z")
    elif kind == 2:
        keys = key_caps(rng, columns, rows, 0.85, color)
        paint = picture(plain(color), keys, (0, -depth * 0.14), (0.88, depth * 0.6), facing="+z")
        glass = _screen(rng, palette, 2.5)
        paint = picture(paint, glass, (0, depth * 0.34), (0.8, depth * 0.18), facing="+z")
    else:
        keys = key_caps(rng, columns, rows, columns / rows, color)
        paint = picture(plain(color), keys, (0, 0), (width * 0.95, depth * 0.88), facing="+z")
    return [Piece(body.rotated("x", rng.uniform(3, 10)), paint)]


def _slab(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A phone, a tablet, a remote, an open laptop, a screen on a foot."""
    kind = int(rng.integers(5))
    color = _shell(rng, palette)
    case = plain(color)
    if kind <= 1:
        width, height = (0.95, 1.95) if kind == 0 else (1.5, 2.0)
        shape = rounded_plate([width, 0.1, height], 0.12)
        glass = _screen(rng, palette, width / height)
        paint = picture(case, glass, (0, 0), (width * 0.94, height * 0.92))
        lens = logo(rng, readable(color, palette[1]), 1.0)
        paint = picture(paint, lens, (0, height * 0.25), (0.4, 0.4), facing="+y")
        bump = rounded_plate([0.3, 0.05, 0.4], 0.08).moved(-width * 0.27, 0.06, height * 0.33)
        pieces = [Piece(shape, paint), Piece(bump, plain(palette[4]))]
        # a draw per piece: the bump may lean otherwise than its slab
        angles = [-float(rng.choice([0.0, 20.0, 90.0])) for _ in pieces]
        return [piece for p, a in zip(pieces, angles, strict=True) for piece in turned([p], "x", a)]
    if kind == 2:
        shape = standing_box([0.42, 2.0, 0.16], 0.06, 10)
        keys = key_caps(rng, 3, 9, 0.35, color)
        return [Piece(shape, picture(case, keys, (0, 0.1), (0.34, 1.5), facing="+z"))]
    width, height = 2.0, rng.uniform(1.15, 1.35)
    glass = _screen(rng, palette, width / height)
    lid = box([width, 0.06, height], rounding=0.02)
    paint = picture(case, glass, (0, 0), (width * 0.93, height * 0.9))
    paint = picture(paint, logo(rng, readable(color, palette[2])), (0, 0), (0.4, 0.25), facing="+y")
    if kind == 3:
        deck = box([width, 1.3, 0.07], rounding=0.02)
        keys = key_caps(rng, 14, 5, 2.8, color)
        top = picture(case, keys, (0, 0.18), (1.75, 0.62), facing="+z")
        top = picture(top, canvas(32, 1.6, color * 0.85), (0, -0.4), (0.5, 0.3), facing="+z")
        raised = lid.moved(z=height / 2).rotated("x", -rng.uniform(5, 35)).moved(0, 0.6, 0.0)
        return [Piece(deck, top), Piece(raised, paint)]
    foot = standing_box([0.7, 0.5, 0.05], 0.02).moved(0, 0.1, 0)
    neck = standing_box([0.16, 0.07, 0.7]).moved(0, 0.12, 0.02)
    return [
        Piece(lid.moved(0, 0.06, height / 2 + 0.35), paint),
        Piece(foot, case),
        Piece(neck, case),
    ]


def _headphones(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bow with two cups, ear cushions inside."""
    reach, tall = 0.75, rng.uniform(0.75, 0.95)
    angles = np.linspace(0, np.pi, 30)
    path = np.stack([reach * np.cos(angles), 0 * angles, 0.3 + tall * np.sin(angles)], axis=1)
    band = tube(path, rng.uniform(0.1, 0.14), sides=14, exponent=3.0, flatness=0.35)
    pad = tube(path[8:22] - [0, 0, 0.04], 0.1, sides=12, flatness=0.6)
    color, dark = _shell(rng, palette), plain(palette[4])
    size = rng.uniform(0.3, 0.4)
    cup = stack([(0, size, size * 1.15), (0.12, size, size * 1.15), (0.2, size * 0.75, size * 0.9)])
    mark = logo(rng, readable(color, palette[2]), 1.0)
    paint: Paint = plain(color)
    cup = cup.rotated("y", 90).settled()
    paint = picture(paint, mark, (0, 0), (size, size), facing="+x")
    soft = lathe([[size * 0.95, -0.16], [size * 1.05, -0.08], [size, 0.02]], segments=36)
    soft = soft.rotated("y", 90).warped(lambda p: p * [1, 1.15, 1])
    hollow = ellipsoid([0.1, size * 0.6, size * 0.6]).moved(-0.2, 0, 0)
    ear = [
        Piece(cup.moved(reach, 0, 0.2), paint), Piece(soft.moved(reach, 0, 0.2), dark),
        Piece(hollow.moved(reach, 0, 0.2), dark, cut=True),
    ]  # fmt: skip
    return [Piece(band, plain(color)), Piece(pad, dark), *mirrored(ear)]


def _camera(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A photo camera with its lens towards -y."""
    body = standing_box([1.5, 0.5, 0.95], 0.08, 10)
    silver = plain(np.full(3, 0.78) if rng.random() < 0.5 else palette[0])
    dark = plain(0.09)
    paint = patched(silver, dark, 2, 0.2, 0.7)
    brand = canvas(40, 4.0)
    write(rng, brand, np.full(3, 0.5), (0, 0, 1, 1))
    paint = picture(paint, brand, (0.35, 0.82), (0.5, 0.12))
    paint = picture(paint, _screen(rng, palette, 1.4), (0, 0.45), (0.8, 0.55), facing="+y")
    size, long = rng.uniform(0.3, 0.38), rng.uniform(0.25, 0.7)
    outline = np.array(
        [
            [size, 0],
            [size, long * 0.5],
            [size * 0.92, long * 0.55],
            [size * 0.95, long],
            [size * 0.75, long],
            [size * 0.6, long - 0.1],
        ]
    )
    lens = lathe(outline, segments=40).rotated("x", 90).moved(0.05, -0.23, 0.45)
    glass = ellipsoid([size * 0.72, 0.06, size * 0.72]).moved(0.05, -0.18 - long, 0.45)
    hump = standing_box([0.4, 0.4, 0.2], 0.05).moved(0.05, 0, 0.88)
    button = lathe([[0.08, 0.9], [0.08, 1.03]], segments=20).moved(-0.55, 0, 0)
    return [
        Piece(body, paint),
        Piece(lens, stripes(dark, plain(0.25), [0, 0, 1], 0.12)),
        Piece(glass, plain((0.2, 0.25, 0.45))),
        Piece(hump, silver),
        Piece(button, silver),
    ]


def _speaker(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A loudspeaker, a router with antennas, a printer, a hard disk or a graphics card's box."""
    kind = int(rng.integers(3))
    color = _shell(rng, palette)
    if kind == 0:
        height = rng.uniform(1.05, 1.5)
        body = standing_box([0.8, 0.7, height], 0.08, 10)
        pieces = [Piece(body, fabric(rng, palette) if rng.random() < 0.4 else plain(color))]
        for z, size in ((0.32, 0.27), (height - 0.24, 0.16)):
            ring = torus(size, 0.035, 32, 8).rotated("x", 90).moved(0, -0.35, z)
            cone = ellipsoid([size, 0.05, size]).moved(0, -0.34, z)
            pieces += [Piece(cone, plain(0.1)), Piece(ring, plain(palette[1]))]
        return pieces
    if kind == 1:
        body = standing_box([1.5, 1.0, 0.22], 0.08, 10)
        paint = picture(plain(color), logo(rng, palette[2]), (0, 0), (0.5, 0.3), facing="+z")
        lights = canvas(16, 10.0)
        for x in range(8, lights.shape[1], 18):
            cv2.circle(lights, (x, 8), 4, (90, 230, 90, 255), -1)
        paint = picture(paint, lights, (0, 0.11), (0.9, 0.09))
        pieces = [Piece(body, paint)]
        for x in np.linspace(-0.65, 0.65, int(rng.integers(2, 5))):
            rod = tube([[x, 0.45, 0.1], [x * 1.05, 0.5, 1.0]], 0.05, exponent=3.0)
            pieces.append(Piece(rod, plain(0.08)))
        return pieces
    body = standing_box([1.7, 1.2, 0.75], 0.08, 10)
    sheet = box([0.9, 0.05, 0.6]).rotated("x", -20).moved(0, 0.4, 0.95)
    tray = standing_box([1.0, 0.5, 0.05], 0.02).moved(0, -0.75, 0.12)
    slot = box([1.1, 0.5, 0.25]).moved(0, -0.55, 0.27)
    paint = picture(plain(color), _screen(rng, palette, 1.6), (0.55, 0.55), (0.35, 0.22))
    return [
        Piece(body, paint), Piece(slot, plain(0.07), cut=True),
        Piece(tray, plain(color * 0.8)), Piece(sheet, plain(0.97)),
    ]  # fmt: skip


def _boxed_card(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A drive, a power supply or a game cartridge: a slab with a printed plate."""
    size = rng.uniform([1.0, 0.2, 1.0], [1.6, 0.5, 1.6]).tolist()
    front = package_front(rng, palette, size[0] / size[2])
    body = box(size, rounding=0.04)
    paint = picture(plain(_shell(rng, palette)), front, (0, 0), (size[0] * 0.8, size[2] * 0.7))
    teeth = box([size[0] * 0.7, size[1] * 0.5, 0.1]).moved(z=-size[2] / 2)
    gold = stripes(plain((0.8, 0.65, 0.25)), plain(0.1), [1, 0, 0], 0.06)
    return [Piece(body, paint), Piece(teeth, gold)]


# Things with keys, a screen or a lens.
device = Family(
    {
        "controller": (_controller, 1.0),
        "keyboard": (_keyboard, 1.0),
        "slab": (_slab, 1.0),
        "headphones": (_headphones, 1.0),
        "camera": (_camera, 1.0),
        "speaker": (_speaker, 1.0),
        "card": (_boxed_card, 1.0),
    }
)
