"""Small appliances and lamps: toasters, mixers, coffee machines, irons, dryers, drills, fans."""

from __future__ import annotations

import cv2
import numpy as np

from lrm_core.household.electronics import key_caps
from lrm_core.modeling.artwork import logo
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import metal, patched, plastic
from lrm_core.modeling.paints import Paint, masked, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.prints import canvas
from lrm_core.modeling.sections import arch, rounded_plate, side_view, stack, standing_box, strip
from lrm_core.modeling.shapes import Shape, box, curve, ellipsoid, lathe, torus, tube


def _toaster(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Two slots with bread in them, a lever and a dial; or a microwave oven."""
    paint = metal(rng) if rng.random() < 0.5 else plastic(rng, palette)
    dark = plain(0.09)
    if rng.random() < 0.35:
        body = standing_box([1.8, 1.1, 1.0], 0.05, 10)
        door = canvas(96, 1.3, np.full(3, 0.07))
        cv2.rectangle(door, (14, 14), (door.shape[1] - 14, 82), (60, 60, 66, 255), -1)
        paint = picture(paint, door, (-0.25, 0.5), (1.2, 0.85))
        paint = picture(paint, key_caps(rng, 3, 5, 0.5, palette[4]), (0.65, 0.4), (0.35, 0.6))
        grip = arch((0.3, -0.53, 0.15), (0.3, -0.68, 0.5), (0.3, -0.53, 0.85), 0.04)
        return [Piece(body, paint), Piece(grip, metal(rng))]
    body = standing_box([1.5, 0.85, 0.95], rng.uniform(0.12, 0.3), 12).moved(z=0.06)
    base = standing_box([1.4, 0.8, 0.14], 0.04)
    pieces = [Piece(body, paint), Piece(base, dark)]
    for y in (-0.18, 0.18):
        slot = box([1.1, 0.16, 0.6]).moved(0, y, 1.0)
        pieces.append(Piece(slot, dark, cut=True))
    if rng.random() < 0.6:
        for y in (-0.18, 0.18):
            bread = rounded_plate([0.9, 0.12, 0.8], 0.2).moved(0, y, 0.75)
            pieces.append(Piece(bread, plain((0.72, 0.45, 0.2))))
    lever = box([0.12, 0.2, 0.08], rounding=0.02).moved(0.78, 0, rng.uniform(0.4, 0.8))
    dial = lathe([[0.12, 0], [0.1, 0.07]], segments=24).rotated("x", 90).moved(0.45, -0.41, 0.3)
    return [*pieces, Piece(lever, dark), Piece(dial, plain(palette[2]))]


def _stand_mixer(palette: Palette, steel: Paint) -> list[Piece]:
    """The head reaches over the bowl towards -x."""
    color, dark = plain(palette[0]), plain(0.1)
    base = standing_box([1.5, 0.7, 0.16], 0.07, 10)
    post = stack([(0.1, 0.25, 0.26), (0.6, 0.2, 0.2), (1.1, 0.22, 0.2)], 3.0, samples=10).moved(
        x=0.5
    )
    head = stack(
        [(-0.75, 0.16, 0.16), (-0.6, 0.25, 0.26), (0.3, 0.29, 0.29), (0.55, 0.16, 0.18)],
        2.6,
        samples=16,
    )
    head = head.rotated("y", 90).moved(0, 0, 1.2)
    bowl = curve([(0.2, 0.14), (0.36, 0.25), (0.46, 0.62)], 10)
    hook = tube([[-0.32, 0, 1.05], [-0.32, 0, 0.4]], 0.06)
    vessel = lathe(np.concatenate([bowl, bowl[::-1] - [0.03, -0.03]]), segments=40).moved(x=-0.32)
    knob = ellipsoid([0.06, 0.06, 0.06]).moved(0.3, -0.3, 1.15)
    return [Piece(base, color), Piece(post, color), Piece(head, color), Piece(vessel, steel),
            Piece(hook, steel), Piece(knob, dark)]  # fmt: skip


def _blender(rng: np.random.Generator, palette: Palette, steel: Paint) -> list[Piece]:
    """A glass jug, partly full, on a foot with a dial."""
    color, dark = plain(palette[0]), plain(0.1)
    base = stack([(0, 0.45, 0.45), (0.1, 0.45, 0.45), (0.5, 0.32, 0.32)], 3.0, samples=8)
    jug = stack([(0.45, 0.3, 0.3), (0.6, 0.3, 0.3), (1.6, 0.42, 0.42)], 2.5, samples=10)
    lid = stack(
        [(1.58, 0.43, 0.43), (1.68, 0.42, 0.42), (1.72, 0.15, 0.15), (1.8, 0.14, 0.14)], 2.5
    )
    drink = patched(plain((0.8, 0.85, 0.88)), plain(palette[2]), 2, 0.6, rng.uniform(0.9, 1.4))
    ear = arch((0.36, 0, 0.75), (0.66, 0, 1.1), (0.4, 0, 1.45), 0.05)
    dial = lathe([[0.12, 0], [0.1, 0.06]], segments=24).rotated("x", 90).moved(0, -0.4, 0.25)
    return [
        Piece(base, color),
        Piece(jug, drink),
        Piece(lid, dark),
        Piece(ear, dark),
        Piece(dial, steel),
    ]


def _coffee_machine(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A column with a jug of coffee in front."""
    color, dark = plain(palette[0]), plain(0.1)
    back = standing_box([0.85, 0.4, 1.5], 0.06, 10).moved(0, 0.3, 0)
    top = standing_box([0.85, 0.95, 0.45], 0.08, 10).moved(0, 0.0, 1.08)
    foot = standing_box([0.85, 0.95, 0.14], 0.05, 10)
    glass = lathe(
        [(0.24, 0.13), (0.33, 0.3), (0.24, 0.75), (0.25, 0.82)], segments=36, samples=12
    ).moved(0, -0.12, 0)
    brew = patched(plain((0.75, 0.78, 0.8)), plain((0.2, 0.1, 0.05)), 2, 0.0, 0.5)
    ear = arch((0, -0.38, 0.3), (0, -0.62, 0.5), (0, -0.36, 0.72), 0.04)
    brand = picture(color, logo(rng, palette[3]), (0, 1.3), (0.4, 0.25))
    return [
        Piece(back, color),
        Piece(top, brand),
        Piece(foot, color),
        Piece(glass, brew),
        Piece(ear, dark),
    ]


def _mixer(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A stand mixer with its bowl, a blender, or a coffee machine with its jug."""
    kind, steel = int(rng.integers(3)), metal(rng)
    if kind == 0:
        return _stand_mixer(palette, steel)
    return _blender(rng, palette, steel) if kind == 1 else _coffee_machine(rng, palette)


def _iron(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A flat iron, point towards -y, its handle above."""
    t = np.linspace(0, 1, 24)
    half = 0.02 + 0.42 * np.sin(np.minimum(t * 1.25, 1.0) * np.pi / 2) ** 0.9
    y = t * 2 - 1
    top = np.interp(t, [0, 0.1, 0.6, 1], [0.12, 0.25, 0.5, 0.5])
    outline = side_view(y, top, -0.3 * top, half * 0.95)
    body = strip(outline, exponent=2.6, narrowing=0.4, floor=0.05)
    plate = strip(side_view(y, 0.09, 0.0, half), exponent=14.0)
    grip = arch((0, -0.45, 0.25), (0, 0.15, 0.95), (0, 0.9, 0.4), 0.09)
    dial = lathe([[0.13, 0.0], [0.11, 0.1]], segments=24).moved(0, -0.05, 0.42)
    accent = plain_among(rng, palette, 1, 2)
    color = masked(plain(palette[0]), plain(palette[3]), lambda p, _: p[:, 2] < 0.18)
    return [
        Piece(body, color),
        Piece(plate, plain(0.75)),
        Piece(grip, accent),
        Piece(dial, plain(palette[4])),
    ]


def _dryer(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A hair dryer, a drill or a flashlight: a barrel along -y, a grip below."""
    kind = int(rng.integers(3))
    dark = plain(0.1)
    if kind == 2:
        rows = [(-0.9, 0.16, 0.16), (0.3, 0.17, 0.17), (0.5, 0.28, 0.28), (0.75, 0.3, 0.3)]
        body = stack(rows, samples=16).rotated("x", 90)
        glass = ellipsoid([0.26, 0.05, 0.26]).moved(0, -0.74, 0)
        ribs = stripes(plain(palette[0]), dark, [0, 0, 1], 0.1, 0.35)
        button = box([0.1, 0.2, 0.1], rounding=0.03).moved(0, 0.0, 0.17)
        return [
            Piece(body, ribs),
            Piece(glass, plain((0.95, 0.95, 0.8))),
            Piece(button, plain(palette[2])),
        ]
    drill = kind == 1
    rows = [(-0.45, 0.2, 0.22), (-0.2, 0.27, 0.28), (0.35, 0.24, 0.24), (0.6, 0.18, 0.18)]
    barrel = stack(rows, 2.4, samples=18).rotated("x", 90).moved(z=1.0)
    mark = logo(rng, palette[3])
    color = picture(plain(palette[0]), mark, (0, 0), (0.2, 0.12))
    grip = stack([(0, 0.12, 0.17), (0.5, 0.11, 0.15), (0.9, 0.13, 0.2)], 2.8, samples=10)
    grip = grip.warped(
        lambda p: p + np.column_stack([0 * p[:, 0], 0.22 - 0.2 * p[:, 2], 0 * p[:, 0]])
    )
    pieces = [Piece(barrel, color), Piece(grip, dark if drill else color)]
    trigger = box([0.1, 0.12, 0.2], rounding=0.03).moved(0, -0.1, 0.72)
    pieces.append(Piece(trigger, plain(palette[2])))
    if drill:
        chuck = stack([(0.55, 0.17, 0.17), (0.8, 0.15, 0.15), (0.95, 0.07, 0.07)]).rotated("x", 90)
        bit = tube([[0, -0.9, 1.0], [0, -1.5, 1.0]], 0.035, sides=8)
        pack = standing_box([0.42, 0.62, 0.24], 0.05).moved(0, 0.2, -0.15)
        return [
            *pieces,
            Piece(chuck.moved(z=1.0), metal(rng)),
            Piece(bit, metal(rng)),
            Piece(pack, dark),
        ]
    nozzle = stack([(0.55, 0.17, 0.17), (0.95, 0.24, 0.08)], 2.5).rotated("x", 90).moved(z=1.0)
    return [*pieces, Piece(nozzle, dark)]


def _desk_lamp(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A jointed or curved lamp with a bell shade, a lantern or a fan on a foot."""
    color, steel = plain(palette[0]), metal(rng)
    foot = lathe([[0.42, 0.0], [0.42, 0.05], [0.1, 0.1]], segments=40)
    if rng.random() < 0.3:
        post = tube([[0, 0.12, 0.05], [0, 0.12, 1.2]], 0.06)
        ring = torus(0.55, 0.05, 40, 8).rotated("x", 90)
        pieces = [Piece(foot, color), Piece(post, color), Piece(ring.moved(z=1.25), color)]
        for k in range(6):
            spoke = box([1.1, 0.04, 0.03]).rotated("y", 30.0 * k).moved(0, -0.03, 1.25)
            pieces.append(Piece(spoke, steel))
        for k in range(3):
            blade = (
                ellipsoid([0.16, 0.03, 0.24]).rotated("z", 25).moved(z=0.26).rotated("y", 120.0 * k)
            )
            pieces.append(Piece(blade.moved(0, 0.03, 1.25), plain(palette[2])))
        motor = ellipsoid([0.17, 0.22, 0.17]).moved(0, 0.1, 1.25)
        return [*pieces, Piece(motor, color)]
    elbow = (rng.uniform(0.25, 0.5), 0.0, rng.uniform(0.7, 1.0))
    head = (-0.2, 0.0, rng.uniform(1.25, 1.6))
    if rng.random() < 0.5:
        arm = tube(np.linspace((0, 0, 0.05), elbow, 4), 0.04)
        fore = tube(np.linspace(elbow, head, 4), 0.04)
        bars: list[Shape] = [arm, fore, ellipsoid([0.08] * 3).moved(*elbow)]
    else:
        bars = [tube([(0, 0, 0.05), (0.05, 0, 0.7), (0.0, 0, 1.3), head], 0.04, samples=24)]
    outline = curve([(0.38, -0.42), (0.27, -0.15), (0.12, 0.02), (0.06, 0.06)], 12)
    wall = np.concatenate([[[0.05, 0.0]], (outline - [0.03, 0.0])[::-1][2:], outline])
    shade = lathe(wall, segments=40).rotated("y", rng.uniform(0, 40)).moved(*head)
    bulb = ellipsoid([0.11, 0.11, 0.15]).rotated("y", 20).moved(head[0] - 0.05, 0, head[2] - 0.12)
    glow = plain((1.0, 0.96, 0.8))
    return [
        Piece(foot, color),
        *(Piece(bar, steel) for bar in bars),
        Piece(shade, color),
        Piece(bulb, glow),
    ]


# Small appliances and lamps.
appliance = Family(
    {
        "toaster": (_toaster, 1.0),
        "mixer": (_mixer, 1.0),
        "iron": (_iron, 1.0),
        "dryer": (_dryer, 1.0),
        "lamp": (_desk_lamp, 1.0),
    }
)
