"""Random assemblies in the spirit of LRM-Zero: primitives joined, bent, cut, framed in wire.

Idea: Xie et al., LRM-Zero (2024). The recipe here is our own.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Real, deformations
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.deformations import random_rotation
from lrm_core.modeling.paints import plain
from lrm_core.modeling.palettes import Palette, plain_among, random_paint
from lrm_core.modeling.shapes import (
    Shape,
    box,
    curve,
    ellipsoid,
    extrude,
    lathe,
    loft,
    star,
    torus,
    tube,
)

_COUNT_WEIGHTS = np.array([4, 5, 5, 4, 4, 3, 2, 1, 1]) / 29


def random_primitive(rng: np.random.Generator) -> Shape:
    """A primitive of about unit size, upright, sometimes bent, tapered, twisted or roughened."""
    size = rng.uniform(0.3, 1.0, size=3)
    kind = rng.integers(9)
    if kind == 0:
        shape = box(size, divisions=10)
    elif kind == 1:
        shape = box(size, rounding=float(size.min() * rng.uniform(0.1, 0.5)), divisions=10)
    elif kind == 2:
        shape = ellipsoid(size / 2, exponent=float(rng.choice([2.0, 2.0, 3.0, 6.0, 1.3])))
    elif kind == 3:
        shape = _cylinder(rng, size)
    elif kind == 4:
        shape = torus(size[0] / 2, size[0] * rng.uniform(0.08, 0.22))
    elif kind == 5:
        shape = _turned(rng, size)
    elif kind == 6:
        shape = extrude(_outline(rng) * size[0] / 2, size[1] * 0.5, divisions=4)
    elif kind == 7:
        path = rng.uniform(-0.5, 0.5, size=(4, 3)) * [1, 1, 1.4]
        radii = np.interp(np.linspace(0, 1, 24), [0, 0.5, 1], rng.uniform(0.05, 0.16, size=3))
        shape = tube(path, radii, samples=24)
    else:
        shape = _height_field(rng, size)
    if rng.random() < 0.2:
        shape = shape.warped(deformations.taper(-size[2] / 2, size[2] / 2, rng.uniform(0.2, 0.8)))
    if rng.random() < 0.15:
        shape = shape.warped(deformations.bend(rng.uniform(-1.2, 1.2)))
    if rng.random() < 0.15:
        shape = shape.warped(deformations.twist(rng.uniform(-120, 120)))
    if rng.random() < 0.12:
        shape = shape.warped(deformations.roughen(rng, 0.3, 0.06))
    return shape


def _cylinder(rng: np.random.Generator, size: np.ndarray) -> Shape:
    radius, half = size[0] / 2, size[2] / 2
    top = radius * rng.choice([1.0, 1.0, 0.6, 0.15])
    levels = np.linspace(-half, half, 8)
    return lathe(np.stack([np.interp(levels, [-half, half], [radius, top]), levels], axis=1))


def _turned(rng: np.random.Generator, size: np.ndarray) -> Shape:
    knots = np.stack([rng.uniform(0.15, 0.5, size=5) * size[0], np.linspace(-0.5, 0.5, 5)], axis=1)
    profile = curve(knots * [1.0, size[2] * 1.3], 24)
    profile[:, 0] = np.maximum(profile[:, 0], 0.03)
    return lathe(profile, exponent=float(rng.choice([2.0, 2.0, 4.0])))


def _outline(rng: np.random.Generator) -> np.ndarray:
    """Star, gear or smooth blob of radius about one."""
    count = int(rng.integers(3, 9))
    if rng.random() < 0.5:
        return star(count, 1.0, rng.uniform(0.4, 0.9))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = 1 + rng.uniform(0.05, 0.3) * np.sin(count * angles)
    radii = radii + 0.2 * np.sin(2 * angles + rng.uniform(0, 6))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]


def _height_field(rng: np.random.Generator, size: np.ndarray) -> Shape:
    """A slab with hills on top."""
    field = deformations.lattice_noise(rng, rng.uniform(0.15, 0.4))
    height = rng.uniform(0.2, 0.6)

    def lift(points: np.ndarray) -> np.ndarray:
        hills = field(points * [1, 1, 0]) * height * (points[:, 2] > 0)
        return np.concatenate([points[:, :2], points[:, 2:] + hills[:, None]], axis=1)

    return box([size[0] * 1.3, size[1] * 1.3, 0.16], divisions=22).warped(lift)


def wireframe(
    corners: Float[np.ndarray, "K 3"], edges: list[tuple[int, int]], thickness: Real
) -> list[Shape]:
    """Bars along edges and balls at corners."""
    bars = [tube(np.linspace(corners[a], corners[b], 2), thickness, sides=8) for a, b in edges]
    balls = [ellipsoid([thickness * 1.3] * 3, divisions=4).moved(*corner) for corner in corners]
    return [*bars, *balls]


def _frame(rng: np.random.Generator) -> list[Shape]:
    """The wire frame of a prism or a frustum."""
    sides = int(rng.integers(3, 7))
    angles = np.arange(sides) * 2 * np.pi / sides + np.pi / 4
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.4, 0.7)
    height = rng.uniform(0.4, 1.2)
    low = np.column_stack([circle, np.full(sides, -height / 2)])
    high = np.column_stack([circle * rng.uniform(0.4, 1.2), np.full(sides, height / 2)])
    around = [(k, (k + 1) % sides) for k in range(sides)]
    edges = around + [(a + sides, b + sides) for a, b in around]
    edges += [(k, k + sides) for k in range(sides)]
    return wireframe(np.concatenate([low, high]), edges, rng.uniform(0.02, 0.05))


def assembly(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """One to nine primitives, each growing out of an earlier one, some with bites taken out."""
    pieces: list[Piece] = []
    anchors: list[np.ndarray] = []
    symmetric = rng.random() < 0.5
    upright = rng.random() < 0.6
    count = 1 + int(rng.choice(9, p=_COUNT_WEIGHTS))
    for k in range(count):
        shape = random_primitive(rng)
        if not upright:
            shape = shape.turned(random_rotation(rng))
        elif rng.random() < 0.3:
            shape = shape.rotated("xy"[rng.integers(2)], 90)
        if k:
            grow = shape.scaled(rng.uniform(0.35, 0.9))
            host = anchors[rng.integers(len(anchors))]
            spot = host[rng.integers(len(host))]
            shape = grow.moved(*(spot - 0.8 * grow.vertices.mean(axis=0)))
        piece = Piece(shape, random_paint(rng, palette, int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))))
        # the mirror image of the first would stand in its own place
        pieces.extend(mirrored([piece]) if symmetric and k else [piece])
        anchors.append(shape.vertices)
    if symmetric:
        pieces[0:1] = mirrored(pieces[0:1])
    if rng.random() < 0.15:
        inside = plain(palette[1])
        pieces.extend(Piece(bar, inside) for bar in _frame(rng))
    for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.3, 0.15]))):
        bite = random_primitive(rng)
        bite = bite.scaled(rng.uniform(0.4, 0.8))
        spot = anchors[0][rng.integers(len(anchors[0]))]
        pieces.append(Piece(bite.moved(*spot), random_paint(rng, palette, 2), cut=True))
    return pieces


def cage(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A wire frame with solids in or on it."""
    wire = plain_among(rng, palette, 1, 4)
    pieces = [Piece(bar, wire) for bar in _frame(rng)]
    core = random_primitive(rng)
    pieces.append(Piece(core, random_paint(rng, palette, 0)))
    # struts from corners of the frame into the solid hold it
    ends = core.vertices[rng.integers(len(core.vertices), size=3)]
    corners = [pieces[-2 - k].shape.vertices.mean(axis=0) for k in range(3)]
    struts = [np.array([corner, end * 0.95]) for corner, end in zip(corners, ends, strict=True)]
    return pieces + [Piece(tube(strut, 0.035), wire) for strut in struts]


def tower_of_solids(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Solids of revolution and boxes stacked on one axis."""
    pieces: list[Piece] = []
    height = 0.0
    for k in range(int(rng.integers(2, 7))):
        shape = random_primitive(rng)
        shape = shape.scaled(rng.uniform(0.5, 1.0))
        low, high = shape.vertices[:, 2].min(), shape.vertices[:, 2].max()
        middle = (shape.vertices.max(axis=0) + shape.vertices.min(axis=0)) / 2
        shape = shape.moved(-middle[0], -middle[1], height - low)
        pieces.append(Piece(shape, random_paint(rng, palette, k % 3)))
        # a plate below each holds the hollow ones
        plate = lathe(np.array([[0.4, 0.0], [0.4, 0.05]]) * [np.ptp(shape.vertices[:, 0]), 1.0])
        pieces.append(Piece(plate.moved(z=height - 0.02), plain(palette[4])))
        height += (high - low) * 0.95
    rod = np.array([[0.0, 0.0, 0.02], [0.0, 0.0, height * 0.98]])
    pieces.append(Piece(tube(rod, 0.06), plain(palette[4])))
    return pieces


def ribbon(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A swept band or rope along a winding path, on a foot."""
    knots = rng.uniform(-0.8, 0.8, size=(6, 3))
    knots[:, 2] = np.linspace(0.05, 1.6, 6)
    samples = 70
    path = curve(knots, samples)
    angle = np.arange(samples)
    radius = 0.09 + 0.03 * np.sin(angle * rng.uniform(0.2, 1.0))
    flatness = float(rng.choice([1.0, 0.3]))
    body = tube(path, radius, sides=16, flatness=flatness)
    foot = lathe([[0.4, 0.0], [0.4, 0.06], [0.1, 0.12]]).moved(*(knots[0] * [1, 1, 0]))
    pieces = [Piece(body, random_paint(rng, palette, 0)), Piece(foot, plain(palette[1]))]
    for a, _ in pairwise(range(0, samples, 14)):
        ball = ellipsoid([rng.uniform(0.12, 0.22)] * 3).moved(*path[a + 7])
        pieces.append(Piece(ball, random_paint(rng, palette, 2)))
    return pieces


def prism(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """One lofted body between two different outlines."""
    levels = 12
    first, second = _outline(rng), _outline(rng)
    samples = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radii = []
    for outline in (first, second):
        angles = np.arctan2(outline[:, 1], outline[:, 0]) % (2 * np.pi)
        order = np.argsort(angles)
        norm = np.linalg.norm(outline, axis=1)[order]
        radii.append(np.interp(samples, angles[order], norm, period=2 * np.pi))
    t = np.linspace(0, 1, levels)[:, None]
    mixed = radii[0] * (1 - t) + radii[1] * rng.uniform(0.3, 1.2) * t
    rings = np.empty((levels, 48, 3))
    rings[..., 0], rings[..., 1] = mixed * np.cos(samples), mixed * np.sin(samples)
    rings[..., 2] = t * rng.uniform(0.5, 2.5)
    body = loft(rings).warped(deformations.twist(rng.uniform(-60, 60)))
    return [Piece(body, random_paint(rng, palette, 0))]
