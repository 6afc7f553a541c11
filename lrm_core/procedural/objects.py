"""Textured solids for training without any download: one per (seed, index).

A third are random assemblies in the spirit of LRM-Zero (Xie et al., 2024); the others are built
like things: turned, mirrored, standing on the ground, of a few colours that go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lrm_core.modeling.assembly import Piece, bake, join, normalised
from lrm_core.modeling.paints import weathered
from lrm_core.modeling.palettes import random_paint, random_palette
from lrm_core.procedural import (
    buildings,
    creatures,
    furniture,
    goods,
    plants,
    solids,
    toys,
    vehicles,
    vessels,
)
from lrm_core.structures.scene import Scene

Family = Callable[[np.random.Generator, np.ndarray], list[Piece]]

# name -> how to make one, and how often
FAMILIES: dict[str, tuple[Family, float]] = {
    "assembly": (solids.assembly, 26.0),
    "cage": (solids.cage, 4.0),
    "stack": (solids.tower_of_solids, 7.0),
    "ribbon": (solids.ribbon, 3.0),
    "prism": (solids.prism, 4.0),
    "figure": (creatures.figure, 11.0),
    "quadruped": (creatures.quadruped, 9.0),
    "bird": (creatures.bird, 4.0),
    "fish": (creatures.fish, 2.0),
    "robot": (toys.robot, 3.0),
    "vase": (vessels.vase, 3.0),
    "bottle": (vessels.bottle, 3.0),
    "cup": (vessels.cup, 2.0),
    "bowl": (vessels.bowl, 2.0),
    "teapot": (vessels.teapot, 2.0),
    "lamp": (vessels.lamp, 2.0),
    "can": (vessels.can, 2.0),
    "table": (furniture.table, 2.5),
    "chair": (furniture.chair, 4.0),
    "shelf": (furniture.shelf, 2.0),
    "sofa": (furniture.sofa, 2.0),
    "car": (vehicles.car, 4.0),
    "truck": (vehicles.truck, 3.0),
    "train": (vehicles.train, 1.5),
    "boat": (vehicles.boat, 1.5),
    "plane": (vehicles.plane, 2.0),
    "house": (buildings.house, 4.0),
    "tower": (buildings.tower, 2.0),
    "temple": (buildings.temple, 1.0),
    "hydrant": (buildings.hydrant, 1.5),
    "street_sign": (buildings.street_sign, 1.5),
    "machine": (buildings.machine, 1.5),
    "potted_plant": (plants.potted_plant, 4.0),
    "tree": (plants.tree, 2.0),
    "mushroom": (plants.mushroom, 1.0),
    "fruit": (plants.fruit, 3.0),
    "cake": (plants.cake, 1.5),
    "sandwich": (plants.sandwich, 1.5),
    "package": (goods.package, 4.0),
    "bag": (goods.bag, 2.0),
    "book": (goods.book, 1.5),
    "device": (goods.device, 3.0),
    "shoe": (goods.shoe, 2.5),
    "tool": (goods.tool, 2.5),
    "block_toy": (toys.block_toy, 2.5),
    "chest": (toys.chest, 1.5),
}

# of the texture: about 130 per unit of length
_TEXELS = 240_000


def procedural_object(seed: int, index: int) -> Scene:
    """One textured solid: closed, of one piece, upright more often than not.

    Args:
        seed: of the collection.
        index: within it; the same pair gives the same bytes, in any order and process.

    Returns:
        One part with a texture, z up, centred at the origin, longest side 2.

    Raises:
        MissingDependencyError: manifold3d (extra `data`) is not installed.
    """
    rng = np.random.default_rng([seed, index])
    return build(pick_family(rng), rng)


def pick_family(rng: np.random.Generator) -> str:
    """A family's name, drawn by weight."""
    weights = np.array([weight for _, weight in FAMILIES.values()])
    return list(FAMILIES)[rng.choice(len(FAMILIES), p=weights / weights.sum())]


def build(family: str, rng: np.random.Generator) -> Scene:
    """One solid of a family, with palette, wear and pose drawn from `rng`."""
    palette = random_palette(rng)
    make, _ = FAMILIES[family]
    pieces = make(rng, palette)
    if rng.random() < 0.07:
        # a statue or a bare print: one material all over
        single = random_paint(rng, palette, int(rng.choice([0, 3])))
        pieces = [replace(piece, paint=single) for piece in pieces]
    wear = 0.3 * rng.random() ** 2
    worn = {paint: weathered(rng, paint, wear) for paint in dict.fromkeys(p.paint for p in pieces)}
    surface = normalised(join(pieces), _pose(rng))
    return bake(surface, [worn[piece.paint] for piece in pieces], _TEXELS)


def _pose(rng: np.random.Generator) -> np.ndarray:
    """Any yaw; one in ten tilted or fallen over."""
    yaw = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(yaw), np.sin(yaw)
    rotation = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    if rng.random() < 0.1:
        rotation = (
            solids.random_rotation(rng)
            if rng.random() < 0.4
            else rotation[:, [0, 2, 1]] * [1, -1, 1]
        )
    return rotation
