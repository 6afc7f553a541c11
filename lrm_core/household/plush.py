"""Soft toys looking towards -y: bears, rabbits, cats, dogs, penguins, octopuses, dolls."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.artwork import logo
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.creature_parts import eyes
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, fur
from lrm_core.modeling.paints import Paint, picture, plain, spots
from lrm_core.modeling.palettes import Palette
from lrm_core.modeling.sections import stack
from lrm_core.modeling.shapes import Shape, ellipsoid, torus, tube
from lrm_core.modeling.skins import Body, ball, balls, bone, bones, skin

_SKINS = [(0.96, 0.8, 0.68), (0.88, 0.66, 0.5), (0.6, 0.4, 0.27), (0.38, 0.24, 0.16)]
_FURS = [
    (0.62, 0.42, 0.24),
    (0.85, 0.7, 0.5),
    (0.93, 0.9, 0.85),
    (0.4, 0.28, 0.2),
    (0.5, 0.5, 0.52),
]
_EARS = ("round", "long", "pointed", "floppy")


def _pelt(rng: np.random.Generator, palette: Palette) -> tuple[Paint, Paint]:
    """Fur of the body and of belly, muzzle and soles."""
    natural = rng.random() < 0.55
    color = np.array(_FURS[rng.integers(len(_FURS))]) if natural else palette[0]
    coat = fur(rng, color)
    if rng.random() < 0.15:
        coat = spots(rng, coat, fur(rng, palette[int(rng.choice([1, 4]))]), 0.3)
    pale = np.clip(color * 0.3 + 0.66, 0, 1) if rng.random() < 0.7 else palette[3]
    return coat, fur(rng, pale)


def _limbs(rng: np.random.Generator, head: Real, *, sitting: bool) -> tuple[Body, float]:
    """Trunk, legs and arms of a plush toy, and the height of its head's middle."""
    girth, trunk = rng.uniform(0.3, 0.4), rng.uniform(0.5, 0.75)
    thick = rng.uniform(0.12, 0.17)
    leg = rng.uniform(0.3, 0.5)
    hip = 0.28 if sitting else leg + 0.18
    body = ball("coat", (0, 0.02, hip + trunk * 0.42), (girth, girth * 0.85, trunk * 0.6))
    body += ball(
        "pale", (0, -girth * 0.42, hip + trunk * 0.38), (girth * 0.62, 0.5 * girth, trunk * 0.42)
    )
    if sitting:
        foot = (girth * 1.25, -leg - 0.25, thick * 1.1)
        body += bones("coat", (girth * 0.7, -0.05, thick * 1.3), foot, (thick * 1.4, thick))
        body += balls(
            "coat", (foot[0], foot[1], thick * 1.5), (thick * 1.15, thick * 0.75, thick * 1.55)
        )
        body += balls(
            "pale",
            (foot[0], foot[1] - thick * 0.6, thick * 1.5),
            (thick * 0.75, thick * 0.3, thick),
        )
    else:
        body += bones(
            "coat", (girth * 0.55, 0, hip), (girth * 0.62, 0, thick), (thick * 1.25, thick)
        )
        body += balls(
            "pale",
            (girth * 0.62, -thick * 0.7, thick * 0.8),
            (thick * 1.1, thick * 1.6, thick * 0.8),
        )
    shoulder = hip + trunk * 0.82
    hand = (
        girth + rng.uniform(0.12, 0.4),
        -rng.uniform(0.0, 0.35),
        shoulder - rng.uniform(-0.15, 0.4),
    )
    body += bones("coat", (girth * 0.6, 0, shoulder), hand, (thick * 0.95, thick * 0.9))
    body += balls("pale", hand, (thick, thick, thick))
    return body, hip + trunk * 0.95 + head * 0.72


def _head(rng: np.random.Generator, head: Real, z: Real, ears: str) -> Body:
    """Skull, muzzle and ears."""
    body = ball("coat", (0, -0.04, z), (head * 1.05, head * 0.92, head * 0.95))
    snout = rng.uniform(0.25, 0.55) if ears != "floppy" else rng.uniform(0.45, 0.7)
    body += ball(
        "pale", (0, -0.04 - head * 0.75, z - head * 0.28), (head * 0.42, head * snout, head * 0.33)
    )
    if ears == "round":
        body += balls(
            "coat", (head * 0.75, 0, z + head * 0.75), (head * 0.36, head * 0.16, head * 0.36)
        )
        body += balls(
            "pale",
            (head * 0.75, -head * 0.12, z + head * 0.75),
            (head * 0.22, head * 0.09, head * 0.22),
        )
    elif ears == "long":
        tip = (head * rng.uniform(0.4, 0.9), 0.05, z + head * rng.uniform(1.6, 2.2))
        body += bones(
            "coat", (head * 0.4, 0, z + head * 0.7), tip, (head * 0.22, head * 0.2), (1, 0.6, 1)
        )
    elif ears == "pointed":
        tip = (head * 0.78, 0.02, z + head * 1.2)
        body += bones(
            "coat", (head * 0.55, 0, z + head * 0.6), tip, (head * 0.36, head * 0.06), (1, 0.5, 1)
        )
    else:
        tip = (head * 1.15, -0.02, z - head * 0.45)
        body += bones(
            "dark", (head * 0.75, 0, z + head * 0.6), tip, (head * 0.16, head * 0.27), (0.6, 1, 1)
        )
    return body


def _face(palette: Palette, head: Real, z: Real, size: Real) -> list[Piece]:
    """Eyes and a nose of buttons."""
    black = plain(0.05)
    nose = ellipsoid([head * 0.16, head * 0.1, head * 0.11], divisions=8)
    eye = (head * 0.4, -0.04 - head * 0.8, z + head * 0.16)
    look = eyes(palette, eye, head * size, white=False)
    shine = ellipsoid([head * size * 0.35] * 3, divisions=4)
    shine = shine.moved(
        eye[0] - head * 0.03, eye[1] - head * size * 0.8, eye[2] + head * size * 0.4
    )
    return [*look, *mirrored([Piece(shine, plain(np.ones(3)))]), Piece(nose, black)]


def _animal(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bear, rabbit, cat or dog, sitting or standing, sometimes dressed."""
    head = rng.uniform(0.34, 0.5)
    ears = str(rng.choice(_EARS))
    body, z = _limbs(rng, head, sitting=rng.random() < 0.65)
    body += _head(rng, head, z, ears)
    coat, pale = _pelt(rng, palette)
    paints = {"coat": coat, "pale": pale, "dark": fur(rng, palette[4] + 0.1)}
    if rng.random() < 0.5:
        paints["pale"] = coat
    face = _face(palette, head, z, rng.uniform(0.1, 0.2))
    nose = face.pop()
    muzzle = min(
        limb.start[1] - limb.stretch[1]
        for name, limb in body
        if name == "pale" and limb.start[2] > z - head
    )
    pieces = [skin(body, paints, 0.05), *face]
    pieces.append(Piece(nose.shape.moved(0, muzzle + 0.02, z - head * 0.14), nose.paint))
    neck = z - head * 0.8
    kind = rng.random()
    if kind < 0.25:
        bow = ellipsoid([0.14, 0.06, 0.1], exponent=1.4).moved(0.12, -0.3, neck)
        ribbon = fabric(rng, palette, 2)
        pieces += mirrored([Piece(bow, ribbon)])
        pieces.append(Piece(torus(0.27, 0.05, 30, 8).moved(z=neck), ribbon))
    elif kind < 0.4:
        scarf = torus(0.27, 0.1, 30, 10).moved(z=neck)
        end = tube(
            [(0.1, -0.3, neck), (0.14, -0.4, neck - 0.2), (0.16, -0.4, neck - 0.45)],
            0.1,
            flatness=0.4,
            samples=10,
        )
        wool = fabric(rng, palette, 2)
        pieces += [Piece(scarf, wool), Piece(end, wool)]
    return pieces


def _round_toy(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A penguin, owl, chick or monster: one egg with feet, wings and a face."""
    wide, tall = rng.uniform(0.5, 0.65), rng.uniform(0.6, 0.85)
    body = ball("coat", (0, 0, tall), (wide, wide * 0.9, tall))
    body += ball("pale", (0, -wide * 0.3, tall * 0.75), (wide * 0.75, wide * 0.7, tall * 0.65))
    body += bones(
        "coat",
        (wide * 0.8, 0, tall * 1.15),
        (wide * 1.3, -0.08, tall * 0.6),
        (0.14, 0.09),
        (0.7, 1, 1),
    )
    body += balls("beak", (wide * 0.4, -wide * 0.5, 0.07), (0.2, 0.3, 0.09))
    kind = rng.integers(3)
    if kind == 0:
        body += bones(
            "coat", (wide * 0.4, 0, tall * 1.7), (wide * 0.7, 0, tall * 2.15), (0.16, 0.04)
        )
    coat, pale = _pelt(rng, palette)
    orange = plain((0.95, 0.6, 0.12))
    paints = {"coat": coat, "pale": pale, "beak": orange if kind < 2 else plain(palette[2])}
    pieces = [skin(body, paints, 0.06)]
    big = rng.uniform(0.1, 0.2)
    eye = (wide * 0.36, -wide * 0.72, tall * 1.42)
    if kind == 2:
        single = ellipsoid([big * 1.3] * 3, divisions=8)
        pieces += [
            Piece(single.moved(0, eye[1] - 0.1, eye[2]), plain(palette[3])),
            Piece(
                ellipsoid([big * 0.7] * 3, divisions=8).moved(0, eye[1] - 0.25, eye[2]),
                plain(palette[4]),
            ),
        ]
        mouth = ellipsoid([wide * 0.4, 0.1, 0.08]).moved(0, -wide * 0.87, tall * 0.95)
        pieces.append(Piece(mouth, plain((0.5, 0.08, 0.1))))
    else:
        pieces += eyes(palette, eye, big, white=rng.random() < 0.7)
        beak = ellipsoid([0.1, 0.2, 0.08], exponent=1.4).moved(0, -wide * 0.86, tall * 1.25)
        pieces.append(Piece(beak, orange))
    return pieces


def _octopus(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A big head on a ring of arms."""
    head = rng.uniform(0.5, 0.65)
    body = ball("coat", (0, 0, head + 0.25), (head, head * 0.95, head * rng.uniform(0.9, 1.2)))
    arms = int(rng.integers(5, 9))
    for angle in np.arange(arms) * 2 * np.pi / arms + 0.2:
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        near, far = head * 0.7, head * rng.uniform(1.2, 1.7)
        body += bone(
            "coat", (cos * 0.3, sin * 0.3, 0.3), (cos * near, sin * near, 0.14), (0.2, 0.15)
        )
        body += bone(
            "coat", (cos * near, sin * near, 0.14), (cos * far, sin * far, 0.12), (0.15, 0.11)
        )
    coat, _ = _pelt(rng, palette)
    eye = (head * 0.4, -head * 0.8, head * 0.95)
    return [skin(body, {"coat": coat}, 0.08), *eyes(palette, eye, head * 0.18, white=True)]


def _skirt(rng: np.random.Generator, girth: Real, hip: Real, leg: Real) -> Shape:
    """From the waist down to the thigh or the calf."""
    flare, hem = girth * rng.uniform(1.5, 2.4), hip - leg * rng.uniform(0.2, 0.75)
    return stack(
        [
            (hem, flare, flare * 0.85),
            (hip, girth * 1.15, girth * 0.9),
            (hip + 0.2, girth * 0.8, girth * 0.6),
        ],
        samples=12,
    )


def _doll(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A rag doll or an action figure with hair, dress or pants, a printed front."""
    plump = rng.random() < 0.6
    head = rng.uniform(0.24, 0.34) if plump else 0.15
    leg, trunk, girth = (0.55, 0.5, 0.22) if plump else (0.85, 0.6, 0.19)
    thick = 0.11 if plump else 0.09
    hip, z = leg + 0.05, leg + trunk + head * 1.0 + 0.08
    shoulder = leg + trunk - 0.06
    body = ball("skin", (0, 0, z), (head, head * 0.95, head * 1.1))
    body += bone("skin", (0, 0, shoulder), (0, 0, z), (thick * 0.7, thick * 0.7))
    body += bone(
        "top", (0, 0, hip + 0.02), (0, 0, shoulder - 0.06), (girth * 0.8, girth), (1, 0.65, 1)
    )
    body += bones(
        "legs", (girth * 0.5, 0, hip), (girth * 0.6, 0, 0.12), (thick * 1.25, thick * 0.9)
    )
    body += balls("shoes", (girth * 0.62, -0.07, 0.07), (thick, thick * 1.9, 0.08))
    hand = (
        girth + rng.uniform(0.08, 0.45),
        -rng.uniform(0, 0.3),
        shoulder - rng.uniform(-0.2, 0.45),
    )
    body += bones("sleeves", (girth * 0.85, 0, shoulder - 0.03), hand, (thick, thick * 0.75))
    body += balls("skin", hand, (thick, thick, thick))
    body += ball("hair", (0, head * 0.22, z + head * 0.25), (head * 1.1, head * 0.98, head * 1.08))
    long_hair = rng.random() < 0.6
    if long_hair:
        end = (head * rng.uniform(0.7, 1.4), head * 0.4, z - head * rng.uniform(0.8, 2.2))
        body += bones(
            "hair", (head * 0.85, head * 0.2, z + head * 0.3), end, (head * 0.35, head * 0.25)
        )
    tone = np.array(_SKINS[rng.integers(len(_SKINS))])
    top = fabric(rng, palette)
    top = picture(top, logo(rng, palette[2]), (0, shoulder - 0.2), (0.28, 0.18))
    hair = np.array(
        [(0.12, 0.08, 0.06), (0.4, 0.22, 0.1), (0.85, 0.65, 0.3), (0.75, 0.3, 0.12)][
            rng.integers(4)
        ]
    )
    paints = {
        "skin": plain(tone), "top": top, "legs": fabric(rng, palette, 1),
        "shoes": plain(palette[2]),
        "sleeves": top if rng.random() < 0.6 else plain(tone), "hair": fur(rng, hair),
    }  # fmt: skip
    pieces = [skin(body, paints, 0.035, 56)]
    pieces += eyes(palette, (head * 0.36, -head * 0.86, z + head * 0.02), head * 0.13, white=False)
    mouth = ellipsoid([head * 0.2, head * 0.08, head * 0.06], divisions=6)
    pieces.append(Piece(mouth.moved(0, -head * 0.86, z - head * 0.42), plain((0.8, 0.2, 0.25))))
    if long_hair and rng.random() < 0.8:
        skirt = _skirt(rng, girth, hip, leg)
        pieces.append(Piece(skirt, top if rng.random() < 0.5 else fabric(rng, palette, 1)))
    return pieces


def _cushion(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pillow, square, round or lying like a bolster."""
    wide, tall = rng.uniform(0.8, 1.1), rng.uniform(0.6, 1.0)
    body = ellipsoid(
        [wide, rng.uniform(0.25, 0.4), tall], exponent=rng.uniform(4.0, 7.0), divisions=18
    )

    def pinch(points: np.ndarray) -> np.ndarray:
        reach = np.abs(points[:, 0] / wide * points[:, 2] / tall)
        wider, thinner = 1 + 0.08 * reach, 1 - 0.7 * reach
        scaled: np.ndarray = points * np.column_stack([wider, thinner, wider])
        return scaled

    paint = fabric(rng, palette)
    if rng.random() < 0.4:
        paint = picture(paint, logo(rng, palette[2], 1.2), (0, 0), (wide, tall))
    return [Piece(body.warped(pinch).rotated("x", rng.uniform(-30, 0)), paint)]


# Soft toys.
plush = Family(
    {
        "animal": (_animal, 0.48),
        "round_toy": (_round_toy, 0.16),
        "octopus": (_octopus, 0.06),
        "doll": (_doll, 0.24),
        "cushion": (_cushion, 0.06),
    }
)
