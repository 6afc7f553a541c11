"""Toy animals with the proportions of their kind, looking towards -y: horses, elephants, whales."""

from __future__ import annotations

import numpy as np

from lrm_core.household.animal_parts import IVORY, coat_paint, four_legs
from lrm_core.household.toy_wildlife import bird, crawler, dinosaur, swimmer
from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.creature_parts import eyes
from lrm_core.modeling.families import Family
from lrm_core.modeling.paints import clouds, plain, spots
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.shapes import curve, tube
from lrm_core.modeling.skins import Body, Point, ball, balls, bone, bones, chain, skin


def _horse(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A horse, donkey, zebra or giraffe: long legs, arched neck, mane."""
    giraffe = rng.random() < 0.25
    leg, neck = rng.uniform(0.75, 0.95), 1.05 if giraffe else rng.uniform(0.5, 0.62)
    back = leg + 0.22
    body = bone("coat", (0, -0.5, back), (0, 0.52, back), (0.27, 0.27), (0.9, 1, 1))
    skull = (0.0, -0.78 - 0.05 * neck, back + neck + 0.1)
    body += bone(
        "coat", (0, -0.52, back + 0.05), (0, skull[1] + 0.06, skull[2]), (0.22, 0.12), (0.8, 1, 1)
    )
    nose = (0.0, skull[1] - 0.36, skull[2] - 0.2)
    body += bone("coat", skull, nose, (0.14, 0.09), (0.85, 1, 1))
    body += ball("muzzle", nose, (0.09, 0.1, 0.1))
    body += four_legs(0.16, -0.52, 0.55, back - 0.08, (0.13, 0.065))
    body += bones(
        "coat",
        (0.06, skull[1] + 0.06, skull[2] + 0.1),
        (0.09, skull[1] + 0.06, skull[2] + 0.24),
        (0.05, 0.02),
    )
    tail = [(0, 0.72, back + 0.12), (0, 0.9, back - 0.1), (0, 0.92, back - 0.5)]
    body += chain("mane", tail, [0.06, 0.08, 0.05])
    if not giraffe:
        mane = [
            (0, -0.42, back + 0.3),
            (0, skull[1] + 0.22, skull[2] - 0.02),
            (0, skull[1] + 0.06, skull[2] + 0.14),
        ]
        body += chain("mane", mane, [0.06, 0.07, 0.06])
    coat = coat_paint(rng, palette, (0.5, 0.32, 0.18))
    if giraffe:
        coat = spots(rng, plain((0.92, 0.78, 0.5)), plain((0.6, 0.36, 0.15)), 0.14)
    paints = {
        "coat": coat,
        "mane": plain_among(rng, palette, 3, 4),
        "feet": plain(palette[4]),
        "muzzle": plain(palette[4] + 0.15),
    }
    eye = (0.11, skull[1] - 0.1, skull[2] + 0.03)
    return [skin(body, paints, 0.05, 48), *eyes(palette, eye, 0.035, white=False)]


def _elephant(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Barrel body, pillars, flap ears, trunk, tusks."""
    back = rng.uniform(0.75, 0.9)
    body = bone("coat", (0, -0.3, back), (0, 0.42, back - 0.02), (0.42, 0.42), (0.95, 1, 1))
    body += ball("coat", (0, -0.78, back + 0.2), (0.3, 0.3, 0.33))
    tip = (0, -1.3, rng.uniform(0.15, 1.3))
    trunk = curve([(0, -0.95, back + 0.2), (0, -1.2, back - 0.1), (0, -1.22, back * 0.5), tip], 6)
    points = [(float(x), float(y), float(z)) for x, y, z in trunk]
    body += chain("coat", points, [0.16, 0.14, 0.12, 0.1, 0.085, 0.07])
    body += balls("ears", (0.5, -0.66, back + 0.2), (0.34, 0.06, 0.4))
    body += four_legs(0.24, -0.35, 0.48, back - 0.15, (0.19, 0.15))
    body += chain("coat", [(0, 0.82, back), (0, 0.95, back - 0.35)], [0.05, 0.03])
    color = np.array([0.52, 0.53, 0.56]) if rng.random() < 0.6 else palette[0]
    coat = clouds(rng, [color * 0.88, color], 0.15)
    paints = {"coat": coat, "ears": plain(np.clip(color * 0.9, 0, 1)), "feet": plain(color * 0.7)}
    tusk = tube(
        [(0.14, -0.95, back + 0.05), (0.2, -1.15, back - 0.1), (0.2, -1.35, back - 0.02)],
        np.linspace(0.05, 0.02, 12),
        sides=8,
        samples=12,
    )
    pieces = [skin(body, paints, 0.07, 44), *mirrored([Piece(tusk, plain(IVORY))])]
    return [*pieces, *eyes(palette, (0.2, -0.99, back + 0.3), 0.045, white=False)]


def _ears(kind: str, root: Point, head: Real) -> Body:
    """Pricked for cat and pig, hanging for a dog, level for cow and lion."""
    _, y, z = root
    if kind in ("cat", "pig"):
        return bones(
            "ears", root, (head * 0.75, y, z + head * 0.65), (head * 0.3, 0.02), (1, 0.5, 1)
        )
    if kind == "dog":
        tip, radii = (head * 1.05, y, z - head * 1.1), (head * 0.22, head * 0.28)
        return bones("ears", root, tip, radii, (0.5, 1, 1))
    return bones("ears", root, (head * 1.3, y, z + 0.02), (head * 0.25, head * 0.18))


def _dog(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A dog, cat, fox, pig, cow or lion on four legs."""
    kind = str(rng.choice(["dog", "cat", "pig", "cow", "lion"]))
    leg = {"dog": 0.5, "cat": 0.42, "pig": 0.25, "cow": 0.55, "lion": 0.5}[kind]
    girth = {"dog": 0.22, "cat": 0.19, "pig": 0.33, "cow": 0.33, "lion": 0.26}[kind]
    thick = girth * 0.34
    back = leg + girth * 0.7
    skull = (0.0, -0.85, back + rng.uniform(0.12, 0.35))
    head = 0.22 if kind != "lion" else 0.25
    body = bone("coat", (0, -0.5, back), (0, 0.52, back), (girth * 1.05, girth * 0.95))
    body += bone("coat", (0, -0.55, back + 0.06), (0, -0.8, skull[2]), (girth * 0.75, head * 0.75))
    body += ball("coat", skull, (head * 0.9, head, head * 0.9))
    snout = {"dog": 0.26, "cat": 0.1, "pig": 0.2, "cow": 0.28, "lion": 0.18}[kind]
    nose = (0.0, skull[1] - head * 0.7 - snout, skull[2] - head * 0.3)
    body += bone("muzzle", (0, skull[1] - head * 0.5, nose[2]), nose, (head * 0.55, head * 0.42))
    body += four_legs(girth * 0.62, -0.52, 0.55, back - 0.05, (thick * 1.4, thick))
    up = rng.uniform(-0.4, 0.5)
    tail = [
        (0, 0.7, back + 0.05),
        (0, 0.95, back + up * 0.6),
        (0, 1.0 + 0.1 * rng.random(), back + up),
    ]
    body += chain("coat", tail, [0.07, 0.05, 0.045 if kind != "lion" else 0.09])
    root = (head * 0.6, skull[1] + 0.05, skull[2] + head * 0.6)
    body += _ears(kind, root, head)
    if kind == "lion":
        body += ball("mane", (0, skull[1] + 0.16, skull[2]), (head * 1.6, head * 0.8, head * 1.6))
    natural = {
        "dog": (0.6, 0.42, 0.25),
        "cat": (0.55, 0.5, 0.45),
        "pig": (0.95, 0.65, 0.65),
        "cow": (0.92, 0.9, 0.87),
        "lion": (0.82, 0.6, 0.3),
    }[kind]
    coat = coat_paint(rng, palette, natural)
    if kind == "cow":
        coat = spots(rng, plain(palette[3]), plain(palette[4]), 0.3)
    pale = plain(np.clip(np.array(natural) * 0.5 + 0.45, 0, 1))
    paints = {
        "coat": coat,
        "muzzle": pale,
        "feet": plain_among(rng, palette, 3, 4),
        "ears": coat,
        "mane": plain((0.45, 0.25, 0.1)),
    }
    black = skin(
        ball("nose", (0, nose[1] - head * 0.35, nose[2] + 0.05), (0.06, 0.05, 0.045)),
        {"nose": plain(palette[4])},
        0.01,
        10,
    )
    eye = (head * 0.45, skull[1] - head * 0.78, skull[2] + head * 0.25)
    return [
        skin(body, paints, 0.06, 46),
        black,
        *eyes(palette, eye, 0.045, white=rng.random() < 0.4),
    ]


# Figurines of animals.
toy_animal = Family(
    {
        "horse": (_horse, 0.17),
        "elephant": (_elephant, 0.11),
        "dog": (_dog, 0.2),
        "dinosaur": (dinosaur, 0.2),
        "swimmer": (swimmer, 0.13),
        "bird": (bird, 0.1),
        "crawler": (crawler, 0.09),
    }
)
