"""Turned things: vases, bottles, cups, bowls, teapots, lamps, cans."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece
from lrm_core.modeling.paints import Paint, banded, gradient, plain, stripes, wrapped
from lrm_core.modeling.palettes import Palette, random_paint, random_wood
from lrm_core.modeling.prints import label
from lrm_core.modeling.sections import vessel
from lrm_core.modeling.shapes import Shape, box, curve, ellipsoid, lathe, loft, tube


def _glaze(rng: np.random.Generator, palette: Palette, height: Real) -> Paint:
    """Bands, a printed wrap, a dipped rim or any paint."""
    main = plain(palette[0])
    kind = rng.integers(6)
    if kind == 0:
        limits = np.sort(rng.uniform(0.05, 0.95, size=3)) * height
        return banded([main, plain(palette[1]), plain(palette[3]), main], list(limits))
    if kind == 1:
        image = label(rng, palette, aspect=3.0)
        return wrapped(main, image, 0.2 * height, 0.75 * height, turns=float(rng.choice([0.5, 1])))
    if kind == 2:
        return banded([random_paint(rng, palette, 0), plain(palette[1])], [0.7 * height])
    if kind == 3:
        return gradient([palette[0], palette[1], palette[3]], 2, 0.0, height)
    if kind == 4:
        return stripes(main, plain(palette[2]), [0, 0, 1], rng.uniform(0.08, 0.3))
    return random_paint(rng, palette, 0)


def _handle(top: Real, bottom: Real, radius: Real, reach: Real, thickness: Real) -> Shape:
    """A C-shaped handle on the +x side, its ends inside the wall."""
    middle = (top + bottom) / 2
    path = [
        (radius - 0.03, 0, top),
        (radius + reach * 0.7, 0, top),
        (radius + reach, 0, middle),
        (radius + reach * 0.6, 0, bottom + 0.05),
        (radius - 0.03, 0, bottom),
    ]
    return tube(path, thickness, flatness=1.4, samples=26)


def vase(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A hollow turned vase, sometimes with two handles."""
    height = rng.uniform(1.2, 2.0)
    radii = rng.uniform([0.25, 0.4, 0.25, 0.14, 0.18], [0.45, 0.75, 0.7, 0.35, 0.45])
    outline = np.stack([radii, np.array([0, 0.3, 0.6, 0.86, 1.0]) * height], 1)
    exponent = float(rng.choice([2.0, 2.0, 2.0, 3.5]))
    body = vessel(outline, 0.04, exponent=exponent, samples=30)
    pieces = [Piece(body, _glaze(rng, palette, height))]
    if rng.random() < 0.35:
        handle = _handle(0.85 * height, 0.5 * height, float(radii[3]), 0.3, 0.05)
        paint = plain(palette[int(rng.integers(3))])
        pieces.append(Piece(handle, paint))
        if rng.random() < 0.8:
            pieces.append(Piece(handle.mirrored(), paint))
    return pieces


def bottle(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A closed bottle with a label and a cap."""
    height, radius, neck = rng.uniform(1.0, 1.5), rng.uniform(0.25, 0.5), rng.uniform(0.09, 0.16)
    shoulder = rng.uniform(0.6, 0.85) * height
    outline = np.concatenate(
        [
            [[radius * 0.93, 0.0], [radius, 0.04], [radius, shoulder * 0.5], [radius, shoulder]],
            curve(
                [(radius, shoulder), (radius * 0.75, (shoulder + height) / 2), (neck, height)], 8
            ),
            [[neck, height + 0.2]],
        ]
    )
    exponent = float(rng.choice([2.0, 2.0, 4.0]))
    glass = random_paint(rng, palette, 0) if rng.random() < 0.3 else plain(palette[0])
    image = label(rng, palette, aspect=2.5)
    paint = wrapped(glass, image, 0.15 * height, shoulder * 0.9, turns=float(rng.choice([0.4, 1])))
    cap = lathe([[neck * 1.25, 0.0], [neck * 1.25, 0.16], [neck * 1.1, 0.19]])
    return [
        Piece(lathe(outline, segments=44, exponent=exponent), paint),
        Piece(cap.moved(z=height + 0.1), plain(palette[2])),
    ]


def cup(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A mug with a handle and something to drink in it."""
    height, radius = rng.uniform(0.8, 1.3), rng.uniform(0.4, 0.6)
    foot = radius * rng.uniform(0.6, 1.05)
    outline = curve([(foot, 0), ((foot + radius) / 2 + 0.03, height / 2), (radius, height)], 14)
    body = vessel(outline, 0.05)
    pieces = [Piece(body, _glaze(rng, palette, height))]
    if rng.random() < 0.85:
        handle = _handle(0.82 * height, 0.22 * height, min(foot, radius), 0.38, 0.06)
        pieces.append(Piece(handle, plain(palette[int(rng.integers(3))])))
    levels = np.linspace(0.04, rng.uniform(0.3, 0.85) * height, 8)
    filled = np.interp(levels, outline[:, 1], outline[:, 0]) - 0.025
    drink = lathe(np.stack([filled, levels], axis=1), segments=48)
    pieces.append(Piece(drink, plain(palette[4] + 0.1)))
    return pieces


def bowl(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bowl or plate, often with fruit-like balls in it."""
    depth = rng.uniform(0.12, 0.7)
    outline = np.concatenate(
        [[[0.3, 0.0], [0.3, 0.05]], curve([(0.32, 0.05), (0.75, depth * 0.45), (0.95, depth)], 14)]
    )
    outside, inside = _glaze(rng, palette, depth), random_paint(rng, palette, 3)
    pieces = [Piece(vessel(outline, 0.06, segments=56), outside)]
    if rng.random() < 0.6:
        for k in range(int(rng.integers(2, 8))):
            angle, distance = k * 2.4, 0.0 if k == 0 else rng.uniform(0.25, 0.5)
            radius = rng.uniform(0.18, 0.28)
            ball = ellipsoid([radius, radius, radius * rng.uniform(0.8, 1.2)])
            ball = ball.moved(distance * np.cos(angle), distance * np.sin(angle), depth * 0.5 + 0.1)
            pieces.append(Piece(ball, random_paint(rng, palette, k % 3)))
        fill = lathe([[0.35, 0.08], [0.72, 0.5 * depth + 0.06]])
        pieces.append(Piece(fill, inside))
    return pieces


def teapot(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A round body with a spout, a handle and a lid with a knob."""
    radius, height = rng.uniform(0.55, 0.75), rng.uniform(0.7, 1.1)
    belly = rng.uniform(0.35, 0.6) * height
    outline = [(radius * 0.6, 0), (radius, belly), (radius * 0.45, height)]
    paint = _glaze(rng, palette, height)
    spout_path = [
        (-radius * 0.7, 0, belly * 0.7),
        (-radius - 0.25, 0, belly),
        (-radius - 0.5, 0, height),
    ]
    spout = tube(spout_path, np.linspace(0.17, 0.07, 18), samples=18)
    handle = _handle(height * 0.85, belly * 0.6, radius * 0.8, 0.45, 0.07)
    lid = lathe(
        [(radius * 0.5, height - 0.04), (radius * 0.3, height + 0.1), (0.04, height + 0.14)],
        samples=8,
    )
    knob = ellipsoid([0.1, 0.1, 0.1]).moved(z=height + 0.2)
    accent = plain(palette[int(rng.integers(3))])
    return [
        Piece(lathe(outline, segments=48, samples=20), paint),
        Piece(spout, accent),
        Piece(handle, accent),
        Piece(lid, paint if rng.random() < 0.5 else accent),
        Piece(knob, plain(palette[2])),
    ]


def lamp(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A table lamp: turned foot, rod, open shade."""
    stem = rng.uniform(0.9, 1.4)
    radii = rng.uniform([0.25, 0.12, 0.06, 0.05], [0.45, 0.32, 0.3, 0.1])
    foot = lathe(np.stack([radii, np.array([0, 0.3, 0.6, 1]) * stem], 1), segments=36, samples=24)
    low, high = rng.uniform(0.5, 0.75), rng.uniform(0.25, 0.55)
    shade_outline = np.array([[low, 0.0], [(low + high) / 2, 0.3], [high, 0.6]])
    shade = _open_ring(shade_outline, 0.04)
    # two spokes reach from the rod into the wall of the shade
    reach = 2 * (np.interp(0.25, shade_outline[:, 1], shade_outline[:, 0]) - 0.02)
    bars = [
        box([reach, 0.04, 0.04]).moved(z=stem + 0.2),
        box([0.04, reach, 0.04]).moved(z=stem + 0.2),
        tube([[0, 0, stem - 0.1], [0, 0, stem + 0.3]], 0.05),
    ]
    wood = random_wood(rng, 2) if rng.random() < 0.3 else _glaze(rng, palette, stem)
    return [
        Piece(foot, wood),
        Piece(shade.moved(z=stem - 0.05), random_paint(rng, palette, 3)),
        *(Piece(bar, plain(palette[4])) for bar in bars),
    ]


def _open_ring(outline: Float[np.ndarray, "K 2"], wall: Real) -> Shape:
    """A tube-like wall turned about the z axis, open above and below."""
    section = np.concatenate([outline, outline[::-1] - [wall, 0.0]])
    angles = np.linspace(0, 2 * np.pi, 44, endpoint=False)
    rings = np.empty((44, len(section), 3))
    rings[..., 0] = np.cos(angles)[:, None] * section[:, 0]
    rings[..., 1] = np.sin(angles)[:, None] * section[:, 0]
    rings[..., 2] = section[:, 1]
    return loft(rings, closed=True)


def can(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A printed tin, jar or tub, all around."""
    height, radius = rng.uniform(0.7, 1.7), rng.uniform(0.35, 0.7)
    rim = radius * rng.uniform(0.86, 0.98)
    outline = np.array(
        [[rim, 0], [radius, 0.05], [radius, height / 2], [radius, height - 0.05], [rim, height]]
    )
    image = label(rng, palette, aspect=float(np.clip(6 * radius / height, 1.5, 3.0)))
    paint = wrapped(
        plain(palette[0]), image, 0.06, height - 0.06, turns=float(rng.choice([0.5, 1]))
    )
    pieces = [Piece(lathe(outline, segments=48), paint)]
    if rng.random() < 0.5:
        lid = lathe([[radius * 1.03, 0], [radius * 1.03, 0.14], [radius * 0.95, 0.18]])
        pieces.append(Piece(lid.moved(z=height - 0.06), random_paint(rng, palette, 1)))
    return pieces
