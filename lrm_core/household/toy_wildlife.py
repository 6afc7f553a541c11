"""Toy dinosaurs, fish, whales, birds and reptiles, looking towards -y."""

from __future__ import annotations

import numpy as np

from lrm_core.household.animal_parts import IVORY, coat_paint, four_legs
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.creature_parts import eyes, ridge
from lrm_core.modeling.paints import masked, plain, spots
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.shapes import extrude, lathe
from lrm_core.modeling.skins import Body, ball, balls, bone, bones, chain, skin


def dinosaur(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Upright hunter, long-necked giant, plated or horned grazer."""
    kind = int(rng.integers(4))
    if kind == 0:  # tyrannosaur
        body = bone("coat", (0, -0.25, 1.0), (0, 0.2, 0.85), (0.3, 0.32))
        body += chain(
            "coat",
            [(0, 0.3, 0.85), (0, 0.8, 0.7), (0, 1.3, 0.55), (0, 1.7, 0.6)],
            [0.28, 0.19, 0.1, 0.03],
        )
        body += chain("coat", [(0, -0.3, 1.05), (0, -0.5, 1.4)], [0.24, 0.19])
        body += bone("coat", (0, -0.5, 1.45), (0, -0.9, 1.42), (0.22, 0.15))
        body += bone("belly", (0, -0.5, 1.28), (0, -0.85, 1.24), (0.13, 0.09))
        body += bones("coat", (0.22, 0.12, 0.75), (0.27, -0.1, 0.4), (0.22, 0.13))
        body += bones("coat", (0.27, -0.1, 0.4), (0.27, 0.05, 0.1), (0.11, 0.09))
        body += balls("belly", (0.27, -0.06, 0.07), (0.12, 0.22, 0.07))
        body += bones("coat", (0.24, -0.4, 1.02), (0.22, -0.62, 0.92), (0.07, 0.045))
        eye, spine = (0.17, -0.68, 1.58), [(0, 0.15, 1.15), (0, 0.9, 0.87)]
    elif kind == 1:  # brachiosaur
        body = bone("coat", (0, -0.3, 0.72), (0, 0.35, 0.68), (0.33, 0.32))
        body += chain(
            "coat", [(0, -0.45, 0.8), (0, -0.85, 1.2), (0, -1.05, 1.7)], [0.24, 0.15, 0.11]
        )
        body += bone("coat", (0, -1.05, 1.75), (0, -1.28, 1.7), (0.14, 0.1))
        body += chain("coat", [(0, 0.55, 0.68), (0, 1.1, 0.45), (0, 1.6, 0.35)], [0.24, 0.12, 0.03])
        body += four_legs(0.22, -0.35, 0.4, 0.6, (0.16, 0.12))
        eye, spine = (0.11, -1.12, 1.82), [(0, -0.3, 1.05), (0, 0.6, 0.95)]
    else:  # stegosaur, triceratops
        body = bone("coat", (0, -0.3, 0.62), (0, 0.35, 0.66), (0.32, 0.36), (0.9, 1, 1))
        body += chain("coat", [(0, 0.6, 0.62), (0, 1.05, 0.45), (0, 1.45, 0.4)], [0.25, 0.13, 0.04])
        body += four_legs(0.24, -0.35, 0.42, 0.5, (0.16, 0.11))
        low = 0.5 if kind == 2 else 0.62
        body += bone("coat", (0, -0.55, low + 0.05), (0, -0.85, low), (0.2, 0.17))
        body += bone("belly", (0, -0.9, low - 0.04), (0, -1.1, low - 0.1), (0.13, 0.08))
        if kind == 3:
            body += ball("belly", (0, -0.68, low + 0.28), (0.42, 0.09, 0.36))
        eye, spine = (0.16, -0.9, low + 0.1), [(0, -0.4, 0.98), (0, 0.9, 0.72)]
    coat = coat_paint(rng, palette, (0.35, 0.5, 0.25))
    color = palette[int(rng.choice([1, 2, 3]))]
    paints = {"coat": coat, "belly": plain(color), "feet": plain(palette[4])}
    pieces = [skin(body, paints, 0.08, 52), *eyes(palette, eye, 0.045, white=True)]
    if kind == 2 or rng.random() < 0.3:
        line = np.linspace(spine[0], spine[1], 8)
        pieces += ridge(palette, line, 0.22 if kind == 2 else 0.1, int(rng.choice([1, 2])))
    if kind == 3:
        for x, y, z, length in ((0.16, -0.9, 0.78, 0.4), (0.0, -1.1, 0.62, 0.18)):
            horn = lathe([[0.05, 0.0], [0.012, length]], segments=10)
            pieces += mirrored([Piece(horn.rotated("x", 40).moved(x, y, z - 0.03), plain(IVORY))])
    return pieces


def swimmer(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A shark, dolphin, whale or bright fish: a long body with its fins."""
    whale = rng.random() < 0.5
    long, tall = rng.uniform(0.85, 1.0), rng.uniform(0.24, 0.36)
    wide = tall * (1.0 if whale else rng.uniform(0.4, 0.75))
    middle = tall + 0.15
    stretch = (wide / tall, 1, 1)
    spine = [
        (0, -long, middle),
        (0, -long * 0.5, middle),
        (0, 0.0, middle),
        (0, long * 0.6, middle + 0.03),
        (0, long, middle + 0.06),
    ]
    sizes = [tall * 0.45, tall * 0.95, tall, tall * 0.5, tall * 0.18]
    body: Body = []
    for k in range(4):
        body += bone("coat", spine[k], spine[k + 1], (sizes[k], sizes[k + 1]), stretch)
    fork = rng.uniform(0.25, 0.4)
    end = (0, long, middle + 0.06)
    if whale:
        body += bones("fins", end, (fork, long + 0.3, middle + 0.1), (0.1, 0.05), (1, 1, 0.4))
    else:
        for sign in (1.0, -1.0):
            body += bone(
                "fins", end, (0, long + 0.3, middle + 0.06 + sign * fork), (0.1, 0.05), (0.35, 1, 1)
            )
    body += bone(
        "fins",
        (0, -0.1, middle + tall * 0.8),
        (0, 0.18, middle + tall + rng.uniform(0.1, 0.3)),
        (0.14, 0.05),
        (0.3, 1, 1),
    )
    body += bones(
        "fins",
        (wide * 0.8, -0.4, middle - tall * 0.4),
        (wide + 0.32, -0.1, middle - tall * 0.75),
        (0.12, 0.05),
        (1, 1, 0.4),
    )
    color = np.array([0.3, 0.38, 0.48]) if rng.random() < 0.4 else palette[0]
    back = coat_paint(rng, palette, (float(color[0]), float(color[1]), float(color[2])))
    light = plain(palette[3])
    coat = masked(back, light, lambda p, _: p[:, 2] < middle - 0.15 * tall)
    paints = {"coat": coat, "fins": back if rng.random() < 0.6 else plain(palette[1])}
    eye = (wide * 0.72, -long * 0.72, middle + tall * 0.12)
    return [skin(body, paints, 0.06, 52), *eyes(palette, eye, 0.05, white=rng.random() < 0.5)]


def bird(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A duck, parrot, hen or flamingo."""
    leg, neck = float(rng.choice([0.12, 0.25, 0.7])), rng.uniform(0.25, 0.6)
    back = leg + 0.36
    body = bone("coat", (0, -0.2, back), (0, 0.35, back + 0.05), (0.34, 0.22))
    body += bone(
        "coat",
        (0, 0.4, back + 0.06),
        (0, 0.85, back + rng.uniform(-0.1, 0.35)),
        (0.16, 0.08),
        (1.4, 1, 0.6),
    )
    skull = (0.0, -0.42, back + 0.25 + neck)
    body += bone("coat", (0, -0.32, back + 0.15), skull, (0.2, 0.13))
    body += ball("head", skull, (0.19, 0.2, 0.19))
    body += bones(
        "wings", (0.3, -0.15, back + 0.06), (0.3, 0.5, back + 0.1), (0.2, 0.07), (0.35, 1, 1)
    )
    body += bones("beak", (0.13, 0.05, back - 0.2), (0.13, 0.02, 0.05), (0.05, 0.04))
    body += balls("beak", (0.14, -0.08, 0.035), (0.11, 0.18, 0.035))
    orange = plain((0.95, 0.6, 0.1))
    main = plain(palette[0]) if rng.random() < 0.6 else plain((0.98, 0.85, 0.2))
    paints = {
        "coat": main,
        "head": main if rng.random() < 0.5 else plain(palette[1]),
        "wings": plain_among(rng, palette, 0, 1, 2),
        "beak": orange,
    }
    wide = 1.6 if leg < 0.2 else 0.8
    outline = [(0.09, 0.0), (0.075, 0.12), (0.02, 0.26)]
    beak = (
        lathe(outline, segments=14, samples=8).rotated("x", 96).warped(lambda p: p * [wide, 1, 0.7])
    )
    beak = beak.moved(0, skull[1] - 0.15, skull[2] - 0.02)
    pieces = [skin(body, paints, 0.07, 44), Piece(beak, orange)]
    pieces += eyes(palette, (0.14, skull[1] - 0.12, skull[2] + 0.07), 0.04, white=False)
    if rng.random() < 0.3:
        comb = extrude(
            [(-0.12, 0), (-0.08, 0.12), (-0.02, 0.05), (0.03, 0.14), (0.08, 0.04), (0.12, 0)], 0.06
        )
        comb = comb.rotated("z", 90).moved(0, skull[1], skull[2] + 0.16)
        pieces.append(Piece(comb, plain((0.85, 0.1, 0.1))))
    return pieces


def crawler(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A turtle, frog or crocodile, close to the ground."""
    kind = int(rng.integers(3))
    green = coat_paint(rng, palette, (0.3, 0.55, 0.25))
    paints = {
        "coat": green,
        "feet": green,
        "shell": spots(rng, plain(palette[1]), plain(palette[4]), 0.15),
        "belly": plain(palette[3]),
    }
    if kind == 0:
        body = ball("shell", (0, 0.05, 0.36), (0.62, 0.72, 0.36))
        body += ball("belly", (0, 0.05, 0.25), (0.58, 0.68, 0.14))
        body += bone("coat", (0, -0.6, 0.3), (0, -0.98, 0.42), (0.14, 0.19))
        for y in (-0.4, 0.5):
            body += bones("coat", (0.4, y, 0.25), (0.75, y * 1.3, 0.1), (0.16, 0.12))
        eye = (0.12, -1.12, 0.5)
    elif kind == 1:
        body = ball("coat", (0, 0.1, 0.42), (0.5, 0.55, 0.4))
        body += ball("coat", (0, -0.3, 0.58), (0.46, 0.36, 0.28))
        body += balls("coat", (0.26, -0.38, 0.85), (0.15, 0.15, 0.15))
        body += bones("coat", (0.42, 0.25, 0.3), (0.75, -0.15, 0.12), (0.22, 0.12))
        body += bones("coat", (0.36, -0.3, 0.35), (0.5, -0.6, 0.08), (0.12, 0.09))
        body += ball("belly", (0, -0.36, 0.36), (0.36, 0.24, 0.22))
        eye = (0.27, -0.5, 0.9)
    else:
        body = bone("coat", (0, -0.3, 0.3), (0, 0.35, 0.3), (0.27, 0.25), (1.2, 1, 0.8))
        body += chain(
            "coat", [(0, 0.4, 0.28), (0, 1.0, 0.2), (0.15, 1.6, 0.12)], [0.22, 0.13, 0.04]
        )
        body += bone("coat", (0, -0.5, 0.32), (0, -1.25, 0.26), (0.2, 0.12), (1, 1, 0.7))
        body += balls("coat", (0.12, -0.66, 0.47), (0.09, 0.1, 0.09))
        for y in (-0.3, 0.4):
            body += bones("coat", (0.25, y, 0.25), (0.48, y - 0.1, 0.07), (0.11, 0.08))
        eye = (0.15, -0.74, 0.5)
    pieces = [skin(body, paints, 0.05, 46), *eyes(palette, eye, 0.06, white=True)]
    if kind == 2:
        pieces += ridge(palette, np.linspace([0, -0.3, 0.52], [0, 0.75, 0.38], 10), 0.07, 4)
    return pieces
