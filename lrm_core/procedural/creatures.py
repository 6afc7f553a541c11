"""Creatures: smooth skins over limbs, mirrored in x, looking towards -y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.creature_parts import eyes, horns, ridge, wings
from lrm_core.modeling.paints import Paint, plain
from lrm_core.modeling.palettes import Palette, plain_among, random_paint
from lrm_core.modeling.shapes import ellipsoid, lathe
from lrm_core.modeling.skins import Body, ball, balls, bone, bones, skin

_RESOLUTION = 44


def quadruped(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Four legs, a neck, a head with snout and ears, a tail."""
    length, leg = rng.uniform(0.45, 0.8), rng.uniform(0.3, 0.85)
    girth, foot = rng.uniform(0.22, 0.36), rng.uniform(0.07, 0.13)
    neck, head = rng.uniform(0.15, 0.55), rng.uniform(0.19, 0.32)
    back = leg + girth * 0.8
    skull = (0.0, -length - neck * 0.55, back + neck)
    body = bone("body", (0, -length * 0.8, back), (0, length * 0.8, back), (girth, girth))
    body += bone("body", (0, -length * 0.85, back), skull, (girth * 0.75, head * 0.7))
    body += ball("head", skull, (head * 0.9, head, head * 0.9))
    snout = rng.uniform(0.7, 1.6) * head
    nose = (0.0, skull[1] - snout, skull[2] - head * 0.25)
    root = (0.0, skull[1] - head * 0.4, skull[2] - head * 0.2)
    body += bone("snout", root, nose, (head * 0.5, head * 0.35))
    spread = girth * 0.65
    for y in (-length * 0.75, length * 0.75):
        hip, paw = (spread, y, back - 0.1), (spread, y * 1.05 - 0.04, foot * 0.8)
        body += bones("body", hip, (spread, y * 1.05, foot), (foot * 1.5, foot))
        body += balls("feet", paw, (foot * 1.1, foot * 1.4, foot * 0.8))
    tip = (0.0, length + rng.uniform(0.25, 0.5), back + rng.uniform(-0.4, 0.6))
    body += bone("tail", (0, length * 0.9, back + 0.08), tip, (0.08, rng.uniform(0.03, 0.12)))
    ear = rng.uniform(0.08, 0.4)
    root = (head * 0.55, skull[1] + head * 0.1, skull[2] + head * 0.6)
    ear_tip = (head * rng.uniform(0.6, 1.2), root[1] + 0.03, root[2] + ear)
    body += bones("ears", root, ear_tip, (head * 0.3, head * 0.12))
    coat = random_paint(rng, palette, 0)
    paints = {
        "body": coat,
        "head": coat,
        "snout": plain_among(rng, palette, 0, 1, 3),
        "feet": plain_among(rng, palette, 1, 3, 4),
        "tail": coat if rng.random() < 0.6 else plain(palette[1]),
        "ears": plain_among(rng, palette, 0, 1),
    }
    eye = (head * 0.48, skull[1] - head * 0.72, skull[2] + head * 0.25)
    pieces = [
        skin(body, paints, 0.1, _RESOLUTION),
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


@dataclass(frozen=True)
class _Build:
    """The measures of a figure: radii of head and limbs, lengths of torso and legs, half width."""

    head: float
    torso: float
    width: float
    leg: float
    limb: float
    sitting: bool

    @property
    def hip(self) -> float:
        """Height of the hips."""
        return self.limb * 1.2 if self.sitting else self.leg + 0.05

    @property
    def crown(self) -> float:
        """Height of the middle of the head."""
        return self.hip + self.torso * 1.3 + self.head * 0.75

    @property
    def front(self) -> float:
        """Where the face is, in y."""
        return -0.03 - self.head * 0.9


def _trunk_and_limbs(rng: np.random.Generator, build: _Build) -> Body:
    head, torso, width, leg, limb = build.head, build.torso, build.width, build.leg, build.limb
    hip = build.hip
    body = bone("torso", (0, 0, hip + 0.1), (0, 0, hip + torso), (width, width * 0.8))
    body += ball(
        "head", (0, -0.03, build.crown), (head, head * 0.9, head * rng.uniform(0.85, 1.15))
    )
    thick = (limb * 1.2, limb)
    if build.sitting:
        sole = (width * 1.1, -leg - 0.2, limb * 1.4)
        body += bones("legs", (width * 0.7, 0, hip), (width * 1.1, -leg - 0.15, limb), thick)
        body += balls("feet", sole, (limb * 1.2, limb, limb * 1.5))
    else:
        sole = (width * 0.6, -limb * 0.7, limb * 0.7)
        body += bones("legs", (width * 0.55, 0, hip + 0.1), (width * 0.6, 0, limb), thick)
        body += balls("feet", sole, (limb * 1.1, limb * 1.8, limb * 0.8))
    reach, ahead = width + rng.uniform(0.1, 0.45), -rng.uniform(0.0, 0.3)
    hand = (reach, ahead, hip + torso + rng.uniform(-0.5, 0.3))
    body += bones("arms", (width * 0.7, 0, hip + torso * 0.95), hand, (limb * 1.0, limb * 0.8))
    body += balls("hands", hand, (limb * 1.05,) * 3)
    belly = (0, -width * 0.55, hip + torso * 0.45)
    return body + ball("belly", belly, (width * 0.65, width * 0.6, torso * 0.5))


def _figure_paints(rng: np.random.Generator, palette: Palette, *, animal: bool) -> dict[str, Paint]:
    fur = random_paint(rng, palette, 0)
    skin_paint = fur if animal else plain(np.array([0.95, 0.78, 0.65]) * rng.uniform(0.45, 1.03))
    clothes = fur if animal and rng.random() < 0.6 else random_paint(rng, palette, 1)
    return {
        "torso": clothes,
        "belly": plain(palette[3]) if animal else clothes,
        "head": skin_paint,
        "legs": random_paint(rng, palette, 2) if rng.random() < 0.5 else clothes,
        "feet": plain_among(rng, palette, 0, 2, 4),
        "arms": clothes,
        "hands": skin_paint,
        "muzzle": plain(palette[3]),
        "ears": fur,
        "hair": plain_among(rng, palette, 2, 4),
    }


def _muzzle_and_ears(rng: np.random.Generator, build: _Build) -> Body:
    """Muzzle and ears, round or long, of a plush animal."""
    head, crown = build.head, build.crown
    muzzle = (0, build.front + 0.04, crown - head * 0.25)
    body = ball("muzzle", muzzle, (head * 0.42, head * 0.35, head * 0.3))
    if rng.random() < 0.5:
        ear = (head * 0.72, 0, crown + head * 0.75)
        return body + balls("ears", ear, (head * 0.32, head * 0.16, head * 0.32))
    tip = (head * rng.uniform(0.4, 1.0), 0.05, crown + head * rng.uniform(1.2, 1.9))
    root = (head * 0.55, 0, crown + head * 0.6)
    return body + bones("ears", root, tip, (head * 0.25, head * 0.12))


def _headwear(rng: np.random.Generator, palette: Palette, build: _Build) -> list[Piece]:
    """A crown or a hat now and then."""
    head, crown = build.head, build.crown
    kind = rng.random()
    if kind < 0.1:
        tines = 8 * np.pi * np.arange(48) / 48
        band = lathe([[head * 0.6, 0.0], [head * 0.66, 0.2]], segments=48)
        raised = np.repeat([0.0, 1.0], 48) * 0.06 * np.tile(np.cos(2 * tines), 2)
        band.vertices[:96, 2] += raised
        return [Piece(band.moved(0, 0, crown + head * 0.7), plain((0.95, 0.75, 0.2)))]
    if kind < 0.35:
        brim, side = [[head * 1.1, 0], [head * 1.1, 0.05], [head * 0.65, 0.08]], head * 0.6
        hat = lathe([*brim, [side, 0.4], [head * 0.5, 0.43]])
        return [Piece(hat.moved(0, 0, crown + head * 0.55), random_paint(rng, palette, 2))]
    return []


def figure(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A doll or plush animal on two legs or sitting, big head, ears or hair."""
    build = _Build(
        head=rng.uniform(0.28, 0.48),
        torso=rng.uniform(0.3, 0.55),
        width=rng.uniform(0.22, 0.38),
        leg=rng.uniform(0.25, 0.7),
        limb=rng.uniform(0.08, 0.15),
        sitting=rng.random() < 0.35,
    )
    head, torso, width = build.head, build.torso, build.width
    hip, crown, front = build.hip, build.crown, build.front
    body = _trunk_and_limbs(rng, build)
    animal = rng.random() < 0.65
    paints = _figure_paints(rng, palette, animal=animal)
    if animal:
        body += _muzzle_and_ears(rng, build)
    else:
        hair = (0, head * 0.2, crown + head * 0.22)
        body += ball("hair", hair, (head * 1.06, head * 0.95, head * 1.0))
    pieces = [skin(body, paints, 0.07, _RESOLUTION)]
    eye = (head * rng.uniform(0.32, 0.45), front + head * 0.1, crown + head * 0.12)
    pieces += eyes(palette, eye, head * rng.uniform(0.12, 0.24), white=rng.random() < 0.6)
    if animal:
        nose = ellipsoid([head * 0.13, head * 0.1, head * 0.09], divisions=6)
        nose = nose.moved(0, front - head * 0.27, crown - head * 0.12)
        pieces.append(Piece(nose, plain(palette[4])))
        if rng.random() < 0.15:
            pieces += horns(rng, palette, (head * 0.5, 0.0, crown + head * 0.7), head * 0.7)
    if rng.random() < 0.15:
        pieces += wings(rng, palette, (0.06, width * 0.5, hip + torso * 0.8), rng.uniform(0.5, 0.9))
    if not build.sitting and rng.random() < 0.25:
        hem = hip + 0.1 - rng.uniform(0.2, 0.8) * build.leg
        skirt = lathe([[width * 1.5, hem], [width * 1.05, hip + torso * 0.6]], segments=32)
        pieces.append(Piece(skirt, random_paint(rng, palette, int(rng.integers(3)))))
    return pieces + _headwear(rng, palette, build)


def bird(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bird on two legs: egg body, beak, wings, tail."""
    girth, leg = rng.uniform(0.28, 0.42), rng.uniform(0.12, 0.7)
    neck, head = rng.uniform(0.0, 0.7), rng.uniform(0.17, 0.3)
    back = leg + girth
    skull = (0.0, -girth * 0.9 - neck * 0.2, back + girth * 0.7 + neck)
    body = bone("body", (0, -girth * 0.4, back + 0.05), (0, girth, back), (girth, girth * 0.7))
    body += bone("neck", (0, -girth * 0.5, back + 0.1), skull, (girth * 0.6, head * 0.7))
    body += ball("head", skull, (head, head, head))
    tip = (0.0, girth * 2.6, back + rng.uniform(-0.2, 0.4))
    body += bone("tail", (0, girth * 1.2, back), tip, (0.16, 0.12), (1, 1, 0.4))
    wing = rng.uniform(0.0, 0.5)
    root, tip = (girth * 0.85, -0.1, back + 0.1), (girth + wing, girth * 1.4, back + wing * 0.6)
    body += bones("wings", root, tip, (0.2, 0.09), (0.5, 1.2, 1))
    hip = (girth * 0.4, 0, back - girth * 0.5)
    body += bones("legs", hip, (girth * 0.4, 0, 0.05), (0.05, 0.045))
    body += balls("legs", (girth * 0.4, -0.08, 0.04), (0.09, 0.17, 0.04))
    paints = {
        "body": random_paint(rng, palette, 0),
        "neck": plain_among(rng, palette, 0, 1, 3),
        "head": plain_among(rng, palette, 0, 1),
        "tail": plain_among(rng, palette, 0, 2, 4),
        "wings": random_paint(rng, palette, 1),
        "legs": plain((0.9, 0.55, 0.15)),
    }
    beak = lathe([[head * 0.4, 0], [head * 0.3, head * 0.5], [0.015, rng.uniform(0.7, 1.6) * head]])
    beak = beak.rotated("x", 90).moved(0, skull[1] - head * 0.75, skull[2] - head * 0.05)
    eye = (head * 0.62, skull[1] - head * 0.6, skull[2] + head * 0.3)
    return [
        skin(body, paints, 0.08, _RESOLUTION),
        Piece(beak, plain(np.array([0.95, 0.6, 0.1]) * rng.uniform(0.3, 1.0))),
        *eyes(palette, eye, head * 0.24, white=rng.random() < 0.6),
    ]


def fish(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A fish or whale, swimming towards -y."""
    length, tall, wide = rng.uniform(0.7, 1.0), rng.uniform(0.28, 0.55), rng.uniform(0.18, 0.4)
    end = (0, length * 1.1, 0)
    body = ball("body", (0, 0, 0), (wide, length, tall))
    body += bone("body", (0, length * 0.6, 0), end, (tall * 0.45, tall * 0.2), (0.5, 1, 1))
    fork = rng.uniform(0.2, 0.5)
    for sign in (1.0, -1.0):
        body += bone("fins", end, (0, length * 1.4, sign * fork), (0.13, 0.09), (0.4, 1, 1))
    root, tip = (0.0, -length * 0.2, tall * 0.9), (0.0, length * 0.5, tall * 0.85)
    body += bone("fins", root, tip, (0.22, 0.12), (0.3, 1, 1))
    side = (wide * 0.8, -length * 0.2, -tall * 0.3)
    tip = (wide + 0.25, length * 0.15, -tall * 0.6)
    body += bones("fins", side, tip, (0.12, 0.1), (1, 1, 0.4))
    paints = {"body": random_paint(rng, palette, 0), "fins": random_paint(rng, palette, 1)}
    eye = (wide * 0.75, -length * 0.62, tall * 0.22)
    return [skin(body, paints, 0.06, _RESOLUTION), *eyes(palette, eye, 0.09, white=True)]
