"""Textured solids for training without any download: one per (seed, index).

A third are random assemblies in the spirit of LRM-Zero (Xie et al., 2024); the others are built
like things: turned, mirrored, standing on the ground, of a few colors that go together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lrm_core.modeling.assembly import assemble, worn
from lrm_core.modeling.deformations import random_rotation, yaw
from lrm_core.modeling.families import Family
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

FAMILIES = Family(
    {
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
)

# texels of the atlas: about 130 per unit of length
_TEXELS = 240_000


def procedural_object(seed: int, index: int) -> Scene:
    """One textured solid: closed, of one piece, upright more often than not.

    Args:
        seed: seed of the collection.
        index: position in it; the same pair gives the same bytes, in any order and process.

    Returns:
        One part with a texture, z up, centered at the origin, longest side 2.

    Raises:
        MissingDependencyError: manifold3d (extra `data`) is not installed.
    """
    rng = np.random.default_rng([seed, index])
    return build(FAMILIES.draw(rng), rng)


def build(family: str, rng: np.random.Generator) -> Scene:
    """One solid of a family, with palette, wear and pose drawn from `rng`."""
    palette = random_palette(rng)
    pieces = FAMILIES(rng, palette, family)
    if rng.random() < 0.07:
        # a statue or a bare print: one material all over
        single = random_paint(rng, palette, int(rng.choice([0, 3])))
        pieces = [replace(piece, paint=single) for piece in pieces]
    pieces = worn(rng, pieces, 0.3 * rng.random() ** 2)
    return assemble(pieces, _pose(rng), _TEXELS)


def _pose(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Any yaw; one in ten tilted or fallen over."""
    standing = yaw(rng.uniform(0, 2 * np.pi))
    if rng.random() >= 0.1:
        return standing
    return random_rotation(rng) if rng.random() < 0.4 else standing[:, [0, 2, 1]] * [1, -1, 1]
