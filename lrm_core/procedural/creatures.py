"""Creatures: smooth skins over limbs, mirrored in x, looking towards -y."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.creature_parts import eyes, horns, ridge, wings
from lrm_core.modeling.paints import Paint, plain
from lrm_core.modeling.palettes import random_paint
from lrm_core.modeling.shapes import (
    Limb,
    blend,
    ellipsoid,
    lathe,
)

Palette = Float[np.ndarray, "5 3"]
# limbs of one creature: name of the region -> members
Body = list[tuple[str, Limb]]


def _both(name: str, limb: Limb) -> Body:
    return [(name, limb), (name, limb.mirrored())]


def _ball(centre: tuple[Real, Real, Real], radii: tuple[Real, Real, Real]) -> Limb:
    return Limb(centre, centre, (1.0, 1.0), radii)


def _skin(body: Body, paints: dict[str, Paint], smoothness: Real) -> Piece:
    """One blended skin, each point coloured by the nearest limb."""
    limbs = [limb for _, limb in body]
    names = [name for name, _ in body]

    def paint(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        nearest = np.argmin([limb.distance(points) for limb in limbs], axis=0)
        result = np.empty(points.shape)
        for name in dict.fromkeys(names):
            members = [k for k, other in enumerate(names) if other == name]
            chosen = np.isin(nearest, members)
            result[chosen] = paints[name](points[chosen], normals[chosen])
        return result

    return Piece(blend(limbs, smoothness), paint)


def quadruped(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Four legs, a neck, a head with snout and ears, a tail."""
    length, leg = rng.uniform(0.45, 0.8), rng.uniform(0.3, 0.85)
    girth, foot = rng.uniform(0.22, 0.36), rng.uniform(0.07, 0.13)
    neck, head = rng.uniform(0.15, 0.55), rng.uniform(0.19, 0.32)
    back = leg + girth * 0.8
    skull = (0.0, -length - neck * 0.55, back + neck)
    body: Body = [("body", Limb((0, -length * 0.8, back), (0, length * 0.8, back), (girth, girth)))]
    body += [("body", Limb((0, -length * 0.85, back), skull, (girth * 0.75, head * 0.7)))]
    body += [("head", _ball(skull, (head * 0.9, head, head * 0.9)))]
    snout = rng.uniform(0.7, 1.6) * head
    nose = (0.0, skull[1] - snout, skull[2] - head * 0.25)
    body += [
        (
            "snout",
            Limb(
                (0, skull[1] - head * 0.4, skull[2] - head * 0.2), nose, (head * 0.5, head * 0.35)
            ),
        )
    ]
    spread = girth * 0.65
    for y in (-length * 0.75, length * 0.75):
        body += _both(
            "body", Limb((spread, y, back - 0.1), (spread, y * 1.05, foot), (foot * 1.5, foot))
        )
        body += _both(
            "feet",
            _ball((spread, y * 1.05 - 0.04, foot * 0.8), (foot * 1.1, foot * 1.4, foot * 0.8)),
        )
    tip = (0.0, length + rng.uniform(0.25, 0.5), back + rng.uniform(-0.4, 0.6))
    body += [("tail", Limb((0, length * 0.9, back + 0.08), tip, (0.08, rng.uniform(0.03, 0.12))))]
    ear = rng.uniform(0.08, 0.4)
    root = (head * 0.55, skull[1] + head * 0.1, skull[2] + head * 0.6)
    body += _both(
        "ears",
        Limb(
            root,
            (head * rng.uniform(0.6, 1.2), root[1] + 0.03, root[2] + ear),
            (head * 0.3, head * 0.12),
        ),
    )
    coat = random_paint(rng, palette, 0)
    paints = {
        "body": coat,
        "head": coat,
        "snout": plain(palette[int(rng.choice([0, 1, 3]))]),
        "feet": plain(palette[int(rng.choice([1, 3, 4]))]),
        "tail": coat if rng.random() < 0.6 else plain(palette[1]),
        "ears": plain(palette[int(rng.choice([0, 1]))]),
    }
    eye = (head * 0.48, skull[1] - head * 0.72, skull[2] + head * 0.25)
    pieces = [
        _skin(body, paints, 0.1),
        *eyes(palette, eye, head * rng.uniform(0.16, 0.3), white=rng.random() < 0.5),
    ]
    muzzle = ellipsoid([head * 0.2] * 3, divisions=6)
    muzzle = muzzle.moved(0, nose[1] - head * 0.25, nose[2] + head * 0.1)
    pieces.append(Piece(muzzle, plain(palette[4])))
    if rng.random() < 0.3:
        pieces += horns(rng, palette, (head * 0.4, root[1], root[2]), head * rng.uniform(0.6, 1.6))
    if rng.random() < 0.2:
        pieces += wings(rng, palette, (girth * 0.6, 0.0, back + girth * 0.6), rng.uniform(0.6, 1.0))
    if rng.random() < 0.35:
        spine = np.linspace([0, -length * 0.8, back + girth], [0, length * 0.8, back + girth], 7)
        neck_line = np.linspace(spine[0], [0, skull[1] + head * 0.6, skull[2] + head * 0.6], 5)
        path = np.concatenate([neck_line[1:], spine]) if rng.random() < 0.5 else neck_line
        pieces += ridge(palette, path, rng.uniform(0.12, 0.2), int(rng.choice([1, 2, 4])))
    return pieces


def figure(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A doll or plush animal on two legs or sitting, big head, ears or hair."""
    head = rng.uniform(0.28, 0.48)
    torso, width = rng.uniform(0.3, 0.55), rng.uniform(0.22, 0.38)
    leg, limb = rng.uniform(0.25, 0.7), rng.uniform(0.08, 0.15)
    sitting = rng.random() < 0.35
    hip = limb * 1.2 if sitting else leg + 0.05
    crown = hip + torso * 1.3 + head * 0.75
    body: Body = [("torso", Limb((0, 0, hip + 0.1), (0, 0, hip + torso), (width, width * 0.8)))]
    body += [("head", _ball((0, -0.03, crown), (head, head * 0.9, head * rng.uniform(0.85, 1.15))))]
    if sitting:
        body += _both(
            "legs",
            Limb((width * 0.7, 0, hip), (width * 1.1, -leg - 0.15, limb), (limb * 1.2, limb)),
        )
        body += _both(
            "feet", _ball((width * 1.1, -leg - 0.2, limb * 1.4), (limb * 1.2, limb, limb * 1.5))
        )
    else:
        body += _both(
            "legs", Limb((width * 0.55, 0, hip + 0.1), (width * 0.6, 0, limb), (limb * 1.2, limb))
        )
        body += _both(
            "feet",
            _ball((width * 0.6, -limb * 0.7, limb * 0.7), (limb * 1.1, limb * 1.8, limb * 0.8)),
        )
    hand = (
        width + rng.uniform(0.1, 0.45),
        -rng.uniform(0.0, 0.3),
        hip + torso + rng.uniform(-0.5, 0.3),
    )
    body += _both(
        "arms", Limb((width * 0.7, 0, hip + torso * 0.95), hand, (limb * 1.0, limb * 0.8))
    )
    body += _both("hands", _ball(hand, (limb * 1.05,) * 3))
    body += [
        (
            "belly",
            _ball((0, -width * 0.55, hip + torso * 0.45), (width * 0.65, width * 0.6, torso * 0.5)),
        )
    ]
    animal = rng.random() < 0.65
    fur = random_paint(rng, palette, 0)
    skin = fur if animal else plain(np.array([0.95, 0.78, 0.65]) * rng.uniform(0.45, 1.03))
    clothes = fur if animal and rng.random() < 0.6 else random_paint(rng, palette, 1)
    paints = {
        "torso": clothes,
        "belly": plain(palette[3]) if animal else clothes,
        "head": skin,
        "legs": random_paint(rng, palette, 2) if rng.random() < 0.5 else clothes,
        "feet": plain(palette[int(rng.choice([0, 2, 4]))]),
        "arms": clothes,
        "hands": skin,
        "muzzle": plain(palette[3]),
        "ears": fur,
        "hair": plain(palette[int(rng.choice([2, 4]))]),
    }
    front = -0.03 - head * 0.9
    if animal:
        body += [
            (
                "muzzle",
                _ball(
                    (0, front + 0.04, crown - head * 0.25), (head * 0.42, head * 0.35, head * 0.3)
                ),
            )
        ]
        if rng.random() < 0.5:
            body += _both(
                "ears",
                _ball(
                    (head * 0.72, 0, crown + head * 0.75), (head * 0.32, head * 0.16, head * 0.32)
                ),
            )
        else:
            tip = (head * rng.uniform(0.4, 1.0), 0.05, crown + head * rng.uniform(1.2, 1.9))
            body += _both(
                "ears", Limb((head * 0.55, 0, crown + head * 0.6), tip, (head * 0.25, head * 0.12))
            )
    else:
        body += [
            (
                "hair",
                _ball((0, head * 0.2, crown + head * 0.22), (head * 1.06, head * 0.95, head * 1.0)),
            )
        ]
    pieces = [_skin(body, paints, 0.07)]
    eye = (head * rng.uniform(0.32, 0.45), front + head * 0.1, crown + head * 0.12)
    pieces += eyes(palette, eye, head * rng.uniform(0.12, 0.24), white=rng.random() < 0.6)
    if animal:
        nose = ellipsoid([head * 0.13, head * 0.1, head * 0.09], divisions=6)
        pieces.append(
            Piece(nose.moved(0, front - head * 0.27, crown - head * 0.12), plain(palette[4]))
        )
    if animal and rng.random() < 0.15:
        pieces += horns(rng, palette, (head * 0.5, 0.0, crown + head * 0.7), head * 0.7)
    if rng.random() < 0.15:
        pieces += wings(rng, palette, (0.06, width * 0.5, hip + torso * 0.8), rng.uniform(0.5, 0.9))
    if not sitting and rng.random() < 0.25:
        hem = hip + 0.1 - rng.uniform(0.2, 0.8) * leg
        skirt = lathe(
            np.array([[width * 1.5, hem], [width * 1.05, hip + torso * 0.6]]), segments=32
        )
        pieces.append(Piece(skirt, random_paint(rng, palette, int(rng.integers(3)))))
    crowned = rng.random()
    if crowned < 0.1:
        tines = 8 * np.pi * np.arange(48) / 48
        band = lathe(np.array([[head * 0.6, 0.0], [head * 0.66, 0.2]]), segments=48)
        raised = np.repeat([0.0, 1.0], 48) * 0.06 * np.tile(np.cos(2 * tines), 2)
        band.vertices[:96, 2] += raised
        pieces.append(
            Piece(band.moved(0, 0, crown + head * 0.7), plain(np.array([0.95, 0.75, 0.2])))
        )
    elif crowned < 0.35:
        hat = lathe(
            np.array(
                [
                    [head * 1.1, 0],
                    [head * 1.1, 0.05],
                    [head * 0.65, 0.08],
                    [head * 0.6, 0.4],
                    [head * 0.5, 0.43],
                ]
            )
        )
        pieces.append(Piece(hat.moved(0, 0, crown + head * 0.55), random_paint(rng, palette, 2)))
    return pieces


def bird(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bird on two legs: egg body, beak, wings, tail."""
    girth, leg = rng.uniform(0.28, 0.42), rng.uniform(0.12, 0.7)
    neck, head = rng.uniform(0.0, 0.7), rng.uniform(0.17, 0.3)
    back = leg + girth
    skull = (0.0, -girth * 0.9 - neck * 0.2, back + girth * 0.7 + neck)
    body: Body = [
        ("body", Limb((0, -girth * 0.4, back + 0.05), (0, girth, back), (girth, girth * 0.7)))
    ]
    body += [("neck", Limb((0, -girth * 0.5, back + 0.1), skull, (girth * 0.6, head * 0.7)))]
    body += [("head", _ball(skull, (head, head, head)))]
    body += [
        (
            "tail",
            Limb(
                (0, girth * 1.2, back),
                (0, girth * 2.6, back + rng.uniform(-0.2, 0.4)),
                (0.16, 0.12),
                (1, 1, 0.4),
            ),
        )
    ]
    wing = rng.uniform(0.0, 0.5)
    body += _both(
        "wings",
        Limb(
            (girth * 0.85, -0.1, back + 0.1),
            (girth + wing, girth * 1.4, back + wing * 0.6),
            (0.2, 0.09),
            (0.5, 1.2, 1),
        ),
    )
    body += _both(
        "legs", Limb((girth * 0.4, 0, back - girth * 0.5), (girth * 0.4, 0, 0.05), (0.05, 0.045))
    )
    body += _both("legs", _ball((girth * 0.4, -0.08, 0.04), (0.09, 0.17, 0.04)))
    coat = random_paint(rng, palette, 0)
    paints = {
        "body": coat,
        "neck": plain(palette[int(rng.choice([0, 1, 3]))]),
        "head": plain(palette[int(rng.choice([0, 1]))]),
        "tail": plain(palette[int(rng.choice([0, 2, 4]))]),
        "wings": random_paint(rng, palette, 1),
        "legs": plain(np.array([0.9, 0.55, 0.15])),
    }
    beak = lathe(
        np.array([[head * 0.4, 0], [head * 0.3, head * 0.5], [0.015, rng.uniform(0.7, 1.6) * head]])
    )
    beak = beak.rotated("x", 90).moved(0, skull[1] - head * 0.75, skull[2] - head * 0.05)
    eye = (head * 0.62, skull[1] - head * 0.6, skull[2] + head * 0.3)
    return [
        _skin(body, paints, 0.08),
        Piece(beak, plain(np.array([0.95, 0.6, 0.1]) * rng.uniform(0.3, 1.0))),
        *eyes(palette, eye, head * 0.24, white=rng.random() < 0.6),
    ]


def fish(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A fish or whale, swimming towards -y."""
    length, tall, wide = rng.uniform(0.7, 1.0), rng.uniform(0.28, 0.55), rng.uniform(0.18, 0.4)
    body: Body = [("body", _ball((0, 0, 0), (wide, length, tall)))]
    body += [
        (
            "body",
            Limb(
                (0, length * 0.6, 0), (0, length * 1.1, 0), (tall * 0.45, tall * 0.2), (0.5, 1, 1)
            ),
        )
    ]
    fork = rng.uniform(0.2, 0.5)
    for sign in (1.0, -1.0):
        body += [
            (
                "fins",
                Limb(
                    (0, length * 1.1, 0), (0, length * 1.4, sign * fork), (0.13, 0.09), (0.4, 1, 1)
                ),
            )
        ]
    body += [
        (
            "fins",
            Limb(
                (0, -length * 0.2, tall * 0.9),
                (0, length * 0.5, tall * 0.85),
                (0.22, 0.12),
                (0.3, 1, 1),
            ),
        )
    ]
    body += _both(
        "fins",
        Limb(
            (wide * 0.8, -length * 0.2, -tall * 0.3),
            (wide + 0.25, length * 0.15, -tall * 0.6),
            (0.12, 0.1),
            (1, 1, 0.4),
        ),
    )
    paints = {"body": random_paint(rng, palette, 0), "fins": random_paint(rng, palette, 1)}
    eye = (wide * 0.75, -length * 0.62, tall * 0.22)
    return [_skin(body, paints, 0.06), *eyes(palette, eye, 0.09, white=True)]
