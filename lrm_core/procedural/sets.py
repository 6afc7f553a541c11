"""Flat, many-part objects for training: play sets laid out on the floor, boards with pieces, pans.

Scanned collections hold many things that are wide, low and made of loose parts; seen from the side
they are a thin strip, and how deep they reach has to be known from experience. `procedural_object`
makes compact things; this is the other kind, made of the same pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from lrm_core.geometry.scene_conversion import normalize_scene, transform_scene
from lrm_core.modeling.assembly import Piece, assemble
from lrm_core.modeling.deformations import yaw
from lrm_core.modeling.palettes import Palette, random_paint, random_palette
from lrm_core.modeling.sections import vessel
from lrm_core.modeling.shapes import Shape, box, ellipsoid, lathe, tube
from lrm_core.procedural.objects import procedural_object
from lrm_core.structures.scene import Scene, ScenePart

# pieces of layouts are taken from so many objects of the same seed
_POOL = 256
_POOL_START = 1_000_000
_TEXELS = 240_000


def procedural_set(seed: int, index: int) -> Scene:
    """One wide, low object of several parts.

    Args:
        seed: seed of the collection.
        index: position in it; the same pair gives the same object, in any order and process.

    Returns:
        A textured scene, z up, centered at the origin, longest side 2.

    Raises:
        MissingDependencyError: manifold3d (extra `data`) is not installed.
    """
    rng = np.random.default_rng([seed, index, 1])
    kind = rng.choice(["layout", "board", "pan"], p=[0.5, 0.35, 0.15])
    if kind == "layout":
        depth, largest = rng.uniform(0.4, 1.0), rng.uniform(0.25, 0.6)
        most = int(rng.integers(3, 13))
        layout = lay_out(partial(_pool_object, seed), rng, depth=depth, most=most, largest=largest)
        return normalize_scene(layout, 2.0)
    palette = random_palette(rng)
    pieces = _board(rng, palette) if kind == "board" else _pan(rng, palette)
    return assemble(pieces, yaw(rng.uniform(0, 2 * np.pi)), _TEXELS)


@lru_cache(maxsize=_POOL)
def _object_of_pool(seed: int, index: int) -> Scene:
    return procedural_object(seed, _POOL_START + index)


def _pool_object(seed: int, rng: np.random.Generator) -> Scene:
    return _object_of_pool(seed, int(rng.integers(_POOL)))


def lay_out(
    choose: Callable[[np.random.Generator], Scene],
    rng: np.random.Generator,
    *,
    depth: float,
    most: int,
    largest: float,
) -> Scene:
    """Up to `most` objects side by side on the floor, not overlapping, each turned as it may be.

    Args:
        choose: gives an object, z up, its longest side 2.
        rng: source of randomness.
        depth: half the depth of the floor, which is 2 wide.
        most: how many are tried to be placed.
        largest: half of the longest side of the largest.
    """
    placed: list[tuple[np.ndarray, float]] = []
    parts: list[ScenePart] = []
    for _ in range(most):
        scene = choose(rng)
        size = largest * rng.uniform(0.35, 1.0)  # half of the longest side
        lower, upper = scene.bounds
        radius = size * float(np.linalg.norm((upper - lower)[:2])) / 2.0 * 0.8
        for _ in range(12):
            spot = rng.uniform([-1.0, -depth], [1.0, depth])
            if all(np.linalg.norm(spot - other) > radius + reach for other, reach in placed):
                break
        else:
            continue
        placed.append((spot, radius))
        matrix = np.eye(4)
        matrix[:3, :3] = size * yaw(rng.uniform(0, 2 * np.pi))
        matrix[:3, 3] = [*spot, -size * lower[2]]
        parts.extend(transform_scene(scene, matrix).parts)
    return Scene(tuple(parts))


def _board(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A board, tray or disc with rows of pieces on it."""
    width, depth = 1.0, rng.uniform(0.35, 1.0)
    thick = rng.uniform(0.04, 0.2)
    top = random_paint(rng, palette, 0)
    round_board = rng.random() < 0.25
    if round_board:
        depth = width
        base = lathe([[width, 0.0], [width, thick]], segments=48)
    else:
        base = box([2 * width, 2 * depth, thick], rounding=0.4 * thick).moved(z=thick / 2)
    pieces = [Piece(base, top)]
    if not round_board and rng.random() < 0.35:  # a tray: walls around
        wall = thick + rng.uniform(0.05, 0.35)
        inner = box([2 * width - 0.12, 2 * depth - 0.12, wall]).moved(z=thick + wall / 2)
        outer = box([2 * width, 2 * depth, wall]).moved(z=wall / 2)
        pieces = [Piece(outer, top), Piece(inner, random_paint(rng, palette, 1), cut=True)]
    columns, rows = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    pitch = np.array([1.7 * width / columns, 1.7 * depth / rows])
    high = rng.uniform(0.05, 0.5)
    for i in range(columns):
        for j in range(rows):
            if rng.random() < 0.2:
                continue
            spot = (np.array([i, j]) - [(columns - 1) / 2, (rows - 1) / 2]) * pitch
            if round_board and np.linalg.norm(spot) > 0.8:
                continue
            height = high * rng.uniform(0.6, 1.3)
            piece = _peg(rng, 0.42 * float(pitch.min()) * rng.uniform(0.5, 1.0), height)
            piece = piece.moved(float(spot[0]), float(spot[1]), thick - 0.01)
            pieces.append(Piece(piece, random_paint(rng, palette, int(rng.integers(5)))))
    return pieces


def _peg(rng: np.random.Generator, radius: float, height: float) -> Shape:
    """A small solid standing on z = 0."""
    kind = int(rng.integers(4))
    if kind == 0:
        return box([2 * radius, 2 * radius, height]).moved(z=height / 2)
    if kind == 1:
        return ellipsoid([radius, radius, height / 2], divisions=8).moved(z=height / 2)
    segments = int(rng.choice([3, 4, 6, 24]))
    upper = radius * (1.0 if kind == 2 else rng.uniform(0.1, 0.8))
    return lathe([[radius, 0.0], [upper, height]], segments=segments)


def _pan(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A shallow pan or plate, mostly with a long handle."""
    depth = rng.uniform(0.08, 0.35)
    outline = [(0.5, 0.0), (0.8, 0.02), (0.95, depth)]
    pieces = [Piece(vessel(outline, 0.05, samples=10), random_paint(rng, palette, 0))]
    if rng.random() < 0.75:
        length, lift = rng.uniform(0.6, 1.6), rng.uniform(0.0, 0.3)
        path = [
            (0.9, 0, depth * 0.8),
            (0.9 + length / 2, 0, depth + lift),
            (0.9 + length, 0, depth),
        ]
        handle = tube(path, rng.uniform(0.04, 0.11), samples=12)
        pieces.append(Piece(handle, random_paint(rng, palette, 1)))
    return pieces
