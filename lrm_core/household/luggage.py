"""Things to carry things in: handbags, totes, backpacks, pouches, suitcases, duffels, sacks."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real, deformations
from lrm_core.modeling.artwork import logo, package_front
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import fabric, leather, metal, patched, plastic
from lrm_core.modeling.paints import Paint, masked, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.sections import arch, rounded_plate, stack, standing_box
from lrm_core.modeling.shapes import ellipsoid, lathe, torus, tube


def _cover(rng: np.random.Generator, palette: Palette) -> Paint:
    return fabric(rng, palette) if rng.random() < 0.55 else leather(rng, palette)


def _branded(
    rng: np.random.Generator, palette: Palette, paint: Paint, z: Real, size: Real
) -> Paint:
    """A logo on the front now and then."""
    if rng.random() < 0.4:
        return paint
    mark = logo(rng, palette[int(rng.choice([2, 3, 4]))])
    return picture(paint, mark, (0.0, z), (size, size / 1.6))


def _handbag(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A handbag: trapezoid body, two handles, flap or pocket with a clasp."""
    width, height = rng.uniform(0.6, 0.85), rng.uniform(0.7, 1.2)
    depth = rng.uniform(0.2, 0.4)
    top_width, top_depth = width * rng.uniform(0.75, 1.1), depth * rng.uniform(0.2, 0.7)
    levels = [
        (0.0, width * 0.94, depth * 0.9),
        (0.04, width, depth),
        (height * 0.5, (width + top_width) / 2 + 0.03, (depth + top_depth) / 2 + 0.03),
        (height * 0.95, top_width, top_depth),
        (height, top_width * 0.97, top_depth * 0.85),
    ]
    cover, trim = _cover(rng, palette), leather(rng, palette, 1)
    if rng.random() < 0.5:
        cover = patched(cover, trim, 2, -1.0, height * rng.uniform(0.15, 0.3))
    cover = _branded(rng, palette, cover, height * 0.45, 0.35)
    pieces = [Piece(stack(levels, 4.5, samples=20, segments=56), cover)]
    gold = metal(rng)
    reach, lift = top_width * rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.8)
    for y in (-top_depth * 0.8, top_depth * 0.8):
        handle = arch(
            (-reach, y, height * 0.9), (0, y * 0.6, height + lift), (reach, y, height * 0.9), 0.04
        )
        pieces.append(Piece(handle, trim))
        ring = torus(0.06, 0.02, 16, 6).rotated("x", 90).moved(reach, y * 1.05, height * 0.9)
        pieces += mirrored([Piece(ring, gold)])
    if rng.random() < 0.55:
        lean = float(np.degrees(np.arctan2(depth - top_depth, height)))
        tall = height * rng.uniform(0.4, 0.6)
        flap = rounded_plate([top_width * 1.7, 0.06, tall], 0.15).rotated("x", -lean * 0.9)
        front = -(depth + (top_depth - depth) * (1 - tall / 2 / height)) - 0.02
        pieces.append(Piece(flap.moved(0, front, height - tall / 2), trim))
        clasp = ellipsoid([0.09, 0.05, 0.06], exponent=3.0)
        pieces.append(Piece(clasp.moved(0, front - 0.05, height - tall * 0.9), gold))
        lid = standing_box([top_width * 1.7, top_depth + 0.1, 0.05], 0.02)
        pieces.append(Piece(lid.moved(0, -top_depth / 2, height - 0.02), trim))
    return pieces


def _tote(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """An open bag of cloth or paper with two handles."""
    width, height = rng.uniform(0.55, 0.75), rng.uniform(0.9, 1.4)
    depth = rng.uniform(0.14, 0.35)
    paper = rng.random() < 0.5
    flare = 1.0 if paper else rng.uniform(1.0, 1.2)
    levels = [
        (0.0, width, depth), (height * 0.4, width * 1.01, depth * 1.02),
        (height, width * flare, depth * 0.9), (height, width * flare - 0.03, depth * 0.9 - 0.03),
        (height * 0.4, width * 1.01 - 0.03, depth * 1.02 - 0.03),
        (0.05, width - 0.03, depth - 0.03),
    ]  # fmt: skip
    cover = plain(palette[0]) if paper else fabric(rng, palette)
    if paper and rng.random() < 0.5:
        front = package_front(rng, palette, width / (height / 2))
        cover = picture(cover, front, (0, height / 2), (2 * width, height), facing="-y +y")
    else:
        cover = _branded(rng, palette, cover, height * 0.5, width * 1.1)
    pieces = [Piece(stack(levels, 14.0 if paper else 5.0, segments=64), cover)]
    strap, reach = plain_among(rng, palette, 1, 2, 3), width * rng.uniform(0.35, 0.5)
    lift = rng.uniform(0.3, 0.6)
    for sign in (-1, 1):
        y = sign * (depth * 0.9 - 0.01)
        handle = arch(
            (-reach, y, height * 0.88),
            (0, y * 0.7, height + lift),
            (reach, y, height * 0.88),
            0.035,
        )
        pieces.append(Piece(handle, strap))
    return pieces


def _backpack(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Rounded body, front and side pockets, straps behind, a loop on top."""
    width, height, depth = rng.uniform(0.5, 0.62), rng.uniform(1.3, 1.7), rng.uniform(0.24, 0.36)
    levels = [
        (0.0, width * 0.85, depth * 0.8), (0.08, width, depth), (height * 0.6, width, depth),
        (height * 0.85, width * 0.9, depth * 0.85), (height, width * 0.5, depth * 0.5),
    ]  # fmt: skip
    cover, second = fabric(rng, palette), plain_among(rng, palette, 1, 2, 4)
    dark = plain(palette[4])
    zipped = patched(cover, dark, 1, -depth * 0.5, -depth * 0.5 + 0.05)
    zipped = _branded(rng, palette, zipped, height * 0.78, 0.35)
    pieces = [Piece(stack(levels, 3.6, samples=24, segments=48), zipped)]
    low, tall = rng.uniform(0.08, 0.16), height * rng.uniform(0.35, 0.5)
    pocket = ellipsoid([width * 0.82, 0.2, tall / 2], exponent=4.0, divisions=16)
    paint = second if rng.random() < 0.5 else cover
    seam = tall * 0.25
    paint = patched(paint, dark, 2, seam, seam + 0.035)
    paint = _branded(rng, palette, paint, -0.05, 0.3)
    pieces.append(Piece(pocket.moved(0, -depth, low + tall / 2), paint))
    if rng.random() < 0.6:
        side = ellipsoid([0.1, depth * 0.7, height * 0.18], exponent=3.5)
        pieces += mirrored([Piece(side.moved(width, 0, height * 0.22), second)])
    top = arch(
        (-0.13, 0.05, height * 0.94), (0, 0.05, height + 0.18), (0.13, 0.05, height * 0.94), 0.035
    )
    pieces.append(Piece(top, second))
    path = [
        (0.2, depth * 0.6, height * 0.88),
        (0.25, depth + 0.12, height * 0.85),
        (0.32, depth + 0.2, height * 0.55),
        (0.36, depth + 0.12, height * 0.2),
        (0.38, depth * 0.6, 0.1),
    ]
    strap = tube(path, 0.09, sides=12, exponent=3.0, flatness=0.35, samples=26)
    pieces += mirrored([Piece(strap, second if rng.random() < 0.5 else dark)])
    return pieces


def _pouch(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A flat zipped purse or pencil case, with a loop."""
    width, height, depth = rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.08, 0.25)
    body = ellipsoid([width, depth, height], exponent=rng.uniform(3.0, 5.5), divisions=18)
    body = body.warped(deformations.roughen(rng, 0.4, 0.03)).moved(z=height)
    paint = patched(_cover(rng, palette), plain(palette[4]), 2, height * 0.72, height * 0.78)
    paint = _branded(rng, palette, paint, -height * 0.1, 0.5)
    pieces = [Piece(body, paint)]
    loop = [
        (width * 0.9, 0, height * 1.7),
        (width * 1.2, -0.05, height * 1.6),
        (width * 1.25, -0.1, height * 0.8),
        (width * 1.1, -0.08, height * 1.0),
        (width * 0.9, 0, height * 1.66),
    ]
    pieces.append(Piece(tube(loop, 0.035, sides=8, samples=24), leather(rng, palette, 1)))
    pull = ellipsoid([0.05, 0.03, 0.1], exponent=3.0)
    pieces.append(Piece(pull.moved(width * 0.5, -depth * 0.8, height * 1.62), metal(rng)))
    return pieces


def _suitcase(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A suitcase on wheels, or a briefcase with a handle on top."""
    trolley = rng.random() < 0.65
    width, height = (0.95, 1.4) if trolley else (1.4, 1.0)
    depth, width = rng.uniform(0.35, 0.6), width * rng.uniform(0.9, 1.1)
    shell = plastic(rng, palette) if rng.random() < 0.6 else leather(rng, palette)
    if rng.random() < 0.6:
        groove = plain(palette[0] * 0.6)
        across = np.array([1, 0, 0]) if trolley else np.array([0, 0, 1])
        shell = stripes(shell, groove, across, 0.14, 0.2)
    if rng.random() < 0.5:
        shell = picture(shell, package_front(rng, palette, 1.0), (0.1, 0.1), (0.5, 0.5))
    shell = patched(shell, plain(palette[4]), 1, -0.02, 0.02)
    low = 0.12 if trolley else 0.0
    body = standing_box([width, depth, height], 0.1, 12)
    pieces = [Piece(body.moved(z=low), shell)]
    dark = plain(palette[4])
    if trolley:
        wheel = lathe([[0.08, -0.04], [0.08, 0.04]], segments=18).rotated("y", 90)
        for y in (-depth * 0.36, depth * 0.36):
            pieces += mirrored([Piece(wheel.moved(width * 0.4, y, 0.08), dark)])
        lift, y = rng.uniform(0.1, 0.8), depth * 0.3
        handle = arch((-0.25, y, height), (0, y, height + low + lift), (0.25, y, height), 0.03)
        pieces.append(Piece(handle, metal(rng)))
    else:
        pieces.append(
            Piece(
                arch(
                    (-0.25, 0, height - 0.05), (0, 0, height + 0.2), (0.25, 0, height - 0.05), 0.045
                ),
                dark,
            )
        )
        lock = standing_box([0.14, 0.05, 0.1]).moved(width * 0.33, -depth / 2, height - 0.2)
        pieces += mirrored([Piece(lock, metal(rng))])
    return pieces


def _duffel(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A gym bag: a lying roll with two straps and dark ends."""
    length, radius = rng.uniform(0.8, 1.0), rng.uniform(0.36, 0.5)
    outline = [
        (-length, radius * 0.85, radius * 0.85), (-length * 0.97, radius, radius),
        (0, radius * 1.02, radius * 1.06), (length * 0.97, radius, radius),
        (length, radius * 0.85, radius * 0.85),
    ]  # fmt: skip
    ends = plain_among(rng, palette, 1, 4)
    cover = masked(fabric(rng, palette), ends, lambda p, _: np.abs(p[:, 2]) > length * 0.72)
    body = stack(outline, 2.8, samples=20).rotated("y", 90)
    pieces = [Piece(body.moved(z=radius), cover)]
    strap = plain_among(rng, palette, 2, 3, 4)
    lift, span = rng.uniform(0.15, 0.5), length * 0.42
    for y in (-radius * 0.8, radius * 0.8):
        low = (span, y * 1.27, radius * 0.9)
        top = (0, y * 0.4, 2 * radius + lift)
        handle = arch((-low[0], low[1], low[2]), top, low, 0.045)
        pieces.append(Piece(handle, strap))
    pocket = standing_box([length * 0.75, 0.12, radius * 0.9], 0.05)
    mark = _branded(rng, palette, ends, radius * 0.45, 0.3)
    pieces.append(Piece(pocket.moved(0, -radius - 0.01, radius * 0.4), mark))
    return pieces


def _sack(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A soft bag tied at its neck."""
    width, height = rng.uniform(0.45, 0.65), rng.uniform(0.9, 1.3)
    neck = rng.uniform(0.12, 0.2)
    levels = [
        (0.0, width * 0.8, width * 0.7), (0.1, width, width * 0.85),
        (height * 0.4, width * 0.97, width * 0.85), (height * 0.72, neck * 1.5, neck * 1.5),
        (height * 0.78, neck, neck), (height * 0.85, neck * 1.6, neck * 1.4),
        (height, width * 0.6, width * 0.4),
    ]  # fmt: skip
    body = stack(levels, 2.6, samples=30).warped(deformations.roughen(rng, 0.25, 0.05))
    cover = _branded(rng, palette, fabric(rng, palette), height * 0.35, 0.5)
    cord = torus(neck * 1.15, 0.04, 24, 8).moved(z=height * 0.78)
    bow = torus(0.14, 0.03, 20, 8).rotated("x", 75).moved(0.13, -neck * 1.2, height * 0.78)
    string = plain_among(rng, palette, 1, 2)
    return [Piece(body, cover), Piece(cord, string), *mirrored([Piece(bow, string)])]


# Bags, their fronts towards -y.
bag = Family(
    {
        "handbag": (_handbag, 0.28),
        "tote": (_tote, 0.16),
        "backpack": (_backpack, 0.2),
        "pouch": (_pouch, 0.12),
        "suitcase": (_suitcase, 0.1),
        "duffel": (_duffel, 0.08),
        "sack": (_sack, 0.06),
    }
)
