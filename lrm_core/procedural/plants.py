"""Plants and food: potted plants, trees, cactuses, mushrooms, fruit, cakes, sandwiches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrm_core.modeling import Real, deformations
from lrm_core.modeling.assembly import Piece, placed
from lrm_core.modeling.paints import Paint, clouds, dots, gradient, plain, stripes
from lrm_core.modeling.palettes import Palette, random_paint, random_wood
from lrm_core.modeling.sections import vessel
from lrm_core.modeling.shapes import Shape, curve, ellipsoid, lathe, tube


def _foliage(rng: np.random.Generator) -> Paint:
    """Greens, sometimes autumn or blossom."""
    kinds = np.array([[0.25, 0.5, 0.15], [0.45, 0.6, 0.2], [0.15, 0.4, 0.25], [0.75, 0.45, 0.15]])
    color = kinds[rng.choice(4, p=[0.4, 0.25, 0.25, 0.1])] * rng.uniform(0.75, 1.2)
    return clouds(rng, [color * 0.55, color, np.clip(color * 1.35, 0, 1)], rng.uniform(0.08, 0.3))


def _pot(rng: np.random.Generator, palette: Palette) -> tuple[list[Piece], float]:
    """A flower pot with soil, and the height of the soil."""
    height, low, high = rng.uniform(0.35, 0.7), rng.uniform(0.2, 0.38), rng.uniform(0.32, 0.45)
    outline = np.array([[low, 0.0], [(low + high) / 2, height / 2], [high, height]])
    if rng.random() < 0.5:
        rim = np.array([[high + 0.05, height], [high + 0.05, height + 0.1]])
        outline = np.concatenate([outline, rim])
        height += 0.1
    elif rng.random() < 0.5:
        outline = curve([(low, 0), (high * 1.1, height * 0.55), (high, height)], 14)
    exponent = float(rng.choice([2.0, 2.0, 4.5]))
    clay = plain(np.array([0.78, 0.42, 0.27]) * rng.uniform(0.7, 1.1))
    paint = clay if rng.random() < 0.4 else random_paint(rng, palette, 0)
    soil_level = height * 0.85
    soil = lathe([[low * 0.8, 0.08], [high - 0.03, soil_level]], exponent=exponent)
    earth = clouds(rng, [(0.2, 0.13, 0.08), (0.35, 0.24, 0.15)], 0.06)
    pot = vessel(outline, 0.05, segments=44, exponent=exponent)
    return [Piece(pot, paint), Piece(soil, earth)], soil_level


def _leaf(length: Real, width: Real, droop: Real) -> Shape:
    """A blade along +x from the origin that rises and droops."""
    t = np.linspace(0, 1, 10)
    path = np.stack([length * t, 0 * t, length * (0.9 * t - droop * t**2)], axis=1)
    radii = width * np.sqrt(np.clip(t, 0.05, 1)) * np.clip(1.05 - t, 0.06, 1) * 1.6
    return tube(path, radii, sides=8, flatness=0.22)


def potted_plant(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A pot with blades, a bush, a cactus or flowers."""
    pieces, soil = _pot(rng, palette)
    green = _foliage(rng)
    kind = rng.integers(4)
    if kind == 0:
        count = int(rng.integers(6, 15))
        for k in range(count):
            size = rng.uniform(0.5, 1.1)
            leaf = _leaf(size, rng.uniform(0.06, 0.14), rng.uniform(0.1, 1.1))
            leaf = leaf.rotated("y", -rng.uniform(-10, 40)).rotated("z", k * 137.5)
            pieces.append(Piece(leaf.moved(z=soil - 0.05), green))
        core = ellipsoid([0.12, 0.12, 0.14], divisions=6).moved(z=soil)
        pieces.append(Piece(core, green))
    elif kind == 1:
        stem = tube([[0, 0, soil - 0.1], [0, 0, soil + 0.4]], 0.06)
        pieces.append(Piece(stem, random_wood(rng, 2)))
        pieces += _crown(rng, soil + rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.5), green)
    elif kind == 2:
        pieces += _cactus_body(rng, soil)
    else:
        for k in range(int(rng.integers(2, 6))):
            lean = rng.uniform(0.1, 0.4)
            top = np.array(
                [lean * np.cos(2.4 * k), lean * np.sin(2.4 * k), soil + rng.uniform(0.6, 1.1)]
            )
            path = [(0, 0, soil - 0.05), tuple(top * [0.3, 0.3, 0.6]), tuple(top)]
            pieces.append(Piece(tube(path, 0.03, sides=8, samples=12), green))
            pieces += placed(_blossom(rng, palette), *top)
            leaf = _leaf(rng.uniform(0.3, 0.6), 0.08, 0.3).rotated("y", -30)
            pieces.append(Piece(leaf.rotated("z", 137.5 * k).moved(z=soil - 0.04), green))
    return pieces


def _blossom(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cup-shaped or petalled flower about the origin."""
    petal_paint = gradient([palette[1], palette[0]], 2, -0.1, 0.2)
    if rng.random() < 0.4:
        cup = lathe(
            [(0.04, -0.08), (0.15, 0.05), (0.13, 0.2), (0.05, 0.26)], segments=20, samples=12
        )
        return [Piece(cup, petal_paint)]
    count = int(rng.integers(5, 10))
    petals = []
    for k in range(count):
        petal = ellipsoid([0.14, 0.08, 0.03], divisions=6).moved(x=0.13)
        petal = petal.rotated("y", -20).rotated("z", 360 * k / count)
        petals.append(Piece(petal, plain(palette[0])))
    return [*petals, Piece(ellipsoid([0.08, 0.08, 0.06], divisions=8), plain(palette[2]))]


def _crown(rng: np.random.Generator, height: Real, radius: Real, paint: Paint) -> list[Piece]:
    """Overlapping rough balls around the axis."""
    crown = []
    for k in range(int(rng.integers(3, 8))):
        size = radius * rng.uniform(0.6, 1.0)
        angle, away = 2.4 * k, 0.0 if k == 0 else radius * rng.uniform(0.3, 0.7)
        ball = ellipsoid([size, size, size * 0.85], divisions=10)
        ball = ball.warped(deformations.lump(rng, 0.15, 0.3))
        lift = height + rng.uniform(-0.1, 0.5) * radius * (k > 0)
        crown.append(Piece(ball.moved(away * np.cos(angle), away * np.sin(angle), lift), paint))
    return crown


def _cactus_body(rng: np.random.Generator, soil: Real) -> list[Piece]:
    """A ribbed column or ball with arms and a flower."""
    height, radius = rng.uniform(0.35, 1.1), rng.uniform(0.16, 0.28)
    ribs = int(rng.integers(8, 15))
    green = np.array([0.25, 0.5, 0.28]) * rng.uniform(0.7, 1.2)
    skin = dots(plain(green), plain((0.9, 0.88, 0.7)), 0.09, 0.16)
    profile = [
        (radius * 0.8, 0),
        (radius, height * 0.5),
        (radius * 0.8, height * 0.9),
        (0.03, height),
    ]
    flutes = deformations.fluted(lambda angle: 1.0 + 0.1 * np.cos(ribs * angle))
    column = lathe(profile, segments=ribs * 6, samples=18).warped(flutes).moved(z=soil - 0.03)
    pieces = [Piece(column, skin)]
    for side in (-1, 1):
        if height > 0.6 and rng.random() < 0.6:
            z = soil + height * rng.uniform(0.3, 0.55)
            reach = radius + rng.uniform(0.15, 0.3)
            path = [(0, 0, z), (side * reach, 0, z + 0.05), (side * reach, 0, z + 0.35)]
            radii = np.interp(np.linspace(0, 1, 16), [0, 0.9, 1], [0.09, 0.1, 0.04])
            pieces.append(Piece(tube(path, radii, samples=16), skin))
    if rng.random() < 0.4:
        bud = ellipsoid([0.09, 0.09, 0.08], divisions=8).moved(z=soil + height)
        pieces.append(Piece(bud, plain((0.95, 0.35, 0.5))))
    return pieces


def tree(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A trunk with a round crown, a stack of cones, or palm leaves; on a patch of ground."""
    trunk = rng.uniform(0.4, 1.1)
    thickness = rng.uniform(0.07, 0.16)
    lean = rng.uniform(-0.12, 0.12)
    path = [(0, 0, 0), (lean, 0, trunk * 0.5), (lean, 0, trunk + 0.1)]
    radii = np.linspace(thickness * 1.5, thickness, 14)
    pieces = [Piece(tube(path, radii, samples=14), random_wood(rng, 2))]
    green = _foliage(rng)
    kind = rng.integers(3)
    if kind == 0:
        crown = _crown(rng, trunk + 0.3, rng.uniform(0.4, 0.6), green)
        pieces += placed(crown, lean)
    elif kind == 1:
        layers, width = int(rng.integers(1, 5)), rng.uniform(0.45, 0.75)
        for k in range(layers):
            radius = width * (1 - 0.65 * k / layers)
            cone = lathe([[radius * 0.3, 0.04], [radius, 0], [0.03, 1.3 * width]], segments=24)
            cone = cone.warped(deformations.roughen(rng, 0.2, 0.03))
            pieces.append(Piece(cone.moved(lean, 0, trunk * 0.5 + k * width * 0.62), green))
    else:
        count = int(rng.integers(6, 11))
        for k in range(count):
            leaf = _leaf(rng.uniform(0.5, 0.8), 0.09, rng.uniform(0.9, 1.5)).rotated(
                "z", 360 * k / count
            )
            pieces.append(Piece(leaf.moved(lean, 0, trunk + 0.05), green))
        pieces.append(Piece(ellipsoid([0.14, 0.14, 0.12]).moved(lean, 0, trunk + 0.08), green))
    if rng.random() < 0.5:
        mound = ellipsoid([rng.uniform(0.4, 0.7)] * 2 + [0.12], divisions=12)
        mound = mound.warped(deformations.lump(rng, 0.25, 0.2))
        pieces.append(Piece(mound, _foliage(rng) if rng.random() < 0.6 else plain(palette[3])))
    return pieces


def mushroom(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """One to three stems with spotted caps."""
    pieces: list[Piece] = []
    cap_paint = dots(
        plain(palette[0]), plain(palette[3]), rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.4)
    )
    for k in range(int(rng.integers(1, 4))):
        scale = 1.0 if k == 0 else rng.uniform(0.4, 0.7)
        height, cap = rng.uniform(0.6, 1.1), rng.uniform(0.4, 0.75)
        stem = lathe([(0.2, 0), (0.13, height * 0.6), (0.14, height)], segments=24, samples=14)
        dome = lathe(
            [(0.1, 0.04), (cap, 0), (cap * 0.85, cap * 0.45), (0.03, cap * 0.8)],
            segments=36,
            samples=22,
        )
        x = 0.0 if k == 0 else (0.28 if k == 1 else -0.28)
        for shape, paint in (
            (stem, gradient([palette[3], palette[1]], 2, 0, 2)),
            (dome.moved(z=height - 0.06), cap_paint),
        ):
            small = shape.scaled(scale)
            pieces.append(Piece(small.moved(x, -0.1 * k), paint))
    mound = ellipsoid([0.55, 0.45, 0.1], divisions=10)
    return [*pieces, Piece(mound, _foliage(rng))]


def fruit(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Apples, pears, pumpkins, bananas, carrots; sometimes two."""
    ripe = np.array(
        [[0.8, 0.12, 0.1], [0.95, 0.75, 0.15], [0.55, 0.7, 0.2], [0.95, 0.5, 0.1], [0.5, 0.15, 0.4]]
    )
    first, second = ripe[rng.choice(5, size=2)]
    skin = gradient([second, first, first], 2, -0.1, 1.0)
    if rng.random() < 0.4:
        skin = clouds(rng, [first, first * 0.8, second], rng.uniform(0.2, 0.6))
    brown = plain((0.35, 0.22, 0.1))
    kind = rng.integers(4)
    if kind == 3:
        path = curve([(-0.7, 0, 0.3), (-0.3, 0, 0.0), (0.3, 0, 0.0), (0.75, 0, 0.4)], 30)
        radii = np.interp(
            np.linspace(0, 1, 30), [0, 0.15, 0.5, 0.85, 1], [0.05, 0.17, 0.2, 0.15, 0.05]
        )
        exponent = float(rng.choice([2.0, 3.0]))
        body = tube(path, radii, sides=16, exponent=exponent)
        return [
            Piece(body, skin),
            Piece(ellipsoid([0.07] * 3, divisions=6).moved(*path[-1]), brown),
        ]
    neck = rng.uniform(0.1, 0.75) if kind == 1 else 0.45
    top = rng.uniform(1.0, 1.5) if kind == 1 else rng.uniform(0.75, 1.0)
    outline = curve(
        [
            (0.05, 0.04),
            (0.35, 0.0),
            (0.58, 0.4),
            (neck * 0.8, top * 0.85),
            (0.16, top),
            (0.03, top * 0.9),
        ],
        30,
    )
    outline[:, 0] = np.maximum(outline[:, 0], 0.02)
    body = lathe(outline, segments=56)
    if kind == 2:
        ribs = int(rng.integers(7, 12))
        flutes = deformations.fluted(lambda a: 0.93 + 0.12 * np.abs(np.cos(ribs * a / 2)))
        body, top = body.warped(flutes).scaled([1.0, 1.0, 0.8]), top * 0.8
    stem = tube(
        [(0, 0, top * 0.8), (0.02, 0, top + 0.05), (0.09, 0, top + 0.22)], 0.035, samples=10
    )
    pieces = [Piece(body, skin), Piece(stem, brown)]
    if rng.random() < 0.5:
        leaf = _leaf(0.4, 0.1, 0.5).rotated("z", rng.uniform(0, 360)).moved(z=top * 0.97)
        pieces.append(Piece(leaf, _foliage(rng)))
    if rng.random() < 0.2:
        # one half eaten: flesh shows where the cutter went
        bite = ellipsoid([0.4, 0.4, 0.4]).moved(0.5, -0.4, 0.6)
        pieces.insert(1, Piece(bite, plain((0.97, 0.93, 0.75)), cut=True))
    return pieces


def cake(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Layers on a plate with icing, decorations, perhaps a slice cut out."""
    plate = lathe([[0.5, 0.0], [0.95, 0.06], [0.95, 0.1], [0.4, 0.08]], segments=48)
    pieces: list[Piece] = []
    level, radius = 0.05, rng.uniform(0.6, 0.8)
    sponge = stripes(plain(palette[3]), plain(palette[1]), [0, 0, 1], rng.uniform(0.15, 0.3))
    for tier in range(int(rng.integers(1, 4))):
        height = rng.uniform(0.25, 0.5)
        body = lathe([[radius, 0], [radius, height - 0.04], [radius - 0.04, height]], segments=48)
        icing = random_paint(rng, palette, tier % 2)
        pieces.append(Piece(body.moved(z=level), sponge if rng.random() < 0.4 else icing))
        drips = lathe(
            [[radius + 0.03, height - 0.12], [radius + 0.03, height], [radius * 0.9, height + 0.03]]
        )

        def wavy(points: np.ndarray, height: Real = height) -> np.ndarray:
            angle = np.arctan2(points[:, 1], points[:, 0])
            drop = 0.07 * np.sin(11 * angle) * (points[:, 2] < height - 0.02)
            lowered: np.ndarray = points - np.stack([0 * drop, 0 * drop, drop], axis=1)
            return lowered

        pieces.append(Piece(drips.warped(wavy).moved(z=level), plain(palette[2])))
        level += height
        top_radius, radius = radius, radius * rng.uniform(0.55, 0.8)
    count = int(rng.integers(5, 10))
    topping = plain(palette[0])
    for k in range(count):
        angle = 2 * np.pi * k / count
        berry = ellipsoid([0.08, 0.08, 0.09], divisions=8)
        x, y = 0.75 * top_radius * np.cos(angle), 0.75 * top_radius * np.sin(angle)
        pieces.append(Piece(berry.moved(x, y, level + 0.06), topping))
    if rng.random() < 0.4:
        wedge = tube([[0, 0, 0.08], [0, 0, level + 0.5]], 2.0, sides=3).moved(2.0, 0, 0)
        pieces.append(Piece(wedge.rotated("z", -90), sponge, cut=True))
    return [*pieces, Piece(plate, plain(palette[3]))]


def sandwich(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A burger: bun, layers of different outline, bun."""
    bread = gradient([(0.93, 0.8, 0.55), (0.75, 0.45, 0.18)], 2, -0.3, 0.25)
    fillings = [
        np.array([0.35, 0.2, 0.12]), np.array([0.98, 0.75, 0.2]), np.array([0.4, 0.65, 0.2]),
        np.array([0.85, 0.2, 0.12]), np.array([0.95, 0.93, 0.85]),
    ]  # fmt: skip
    oval = rng.uniform(0.5, 1.0) if rng.random() < 0.3 else 1.0
    base = lathe([[0.6, -0.1], [0.7, 0.0], [0.68, 0.12]], segments=40)
    pieces = [Piece(base, bread)]
    level = 0.1
    for _ in range(int(rng.integers(2, 6))):
        thickness, radius = rng.uniform(0.06, 0.2), rng.uniform(0.66, 0.8)
        outline = np.array(
            [[radius * 0.97, 0], [radius, thickness / 2], [radius * 0.97, thickness]]
        )
        layer = lathe(outline, segments=48)
        if rng.random() < 0.5:
            layer = layer.warped(deformations.roughen(rng, 0.2, 0.05))
        color = fillings[rng.integers(5)] * rng.uniform(0.8, 1.1)
        pieces.append(Piece(layer.moved(z=level - 0.03), clouds(rng, [color * 0.8, color], 0.1)))
        level += thickness - 0.03
    dome = lathe([(0.68, -0.05), (0.72, 0.08), (0.5, 0.33), (0.03, 0.42)], segments=40, samples=18)
    top: Paint = bread
    if rng.random() < 0.6:
        top = dots(bread, plain((0.98, 0.94, 0.8)), 0.13, 0.15)
    pieces.append(Piece(dome.moved(z=level), top))
    return [replace(piece, shape=piece.shape.scaled([1.0, oval, 1.0])) for piece in pieces]
