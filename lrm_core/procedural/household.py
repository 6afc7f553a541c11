"""Everyday things for training, as people photograph them: shoes, bags, packages, toys.

`procedural_object` makes solids of every kind, mostly invented; this makes things that a stranger
would name, in the proportions and colours of goods. Its draws are its own: neither changes the
other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from lrm_core.household import (
    appliances,
    cartons,
    containers,
    electronics,
    footwear,
    furnishings,
    hand_tools,
    hats,
    kitchen,
    luggage,
    plush,
    toy_animals,
    toy_vehicles,
)
from lrm_core.modeling.assembly import Piece, bake, join, normalised
from lrm_core.modeling.materials import product_palette
from lrm_core.modeling.paints import weathered
from lrm_core.procedural.solids import random_rotation
from lrm_core.structures.scene import Scene

Family = Callable[[np.random.Generator, np.ndarray], list[Piece]]

# name -> how to make one, and how often
FAMILIES: dict[str, tuple[Family, float]] = {
    "shoe": (footwear.shoe, 20.0),
    "bag": (luggage.bag, 10.0),
    "carton": (cartons.carton, 16.0),
    "container": (containers.container, 11.0),
    "plush": (plush.plush, 8.0),
    "toy_animal": (toy_animals.toy_animal, 8.0),
    "toy_vehicle": (toy_vehicles.toy_vehicle, 6.0),
    "kitchenware": (kitchen.kitchenware, 8.0),
    "electronics": (electronics.device, 6.0),
    "appliance": (appliances.appliance, 5.0),
    "furnishing": (furnishings.furnishing, 7.0),
    "hat": (hats.hat, 3.0),
    "hand_tool": (hand_tools.hand_tool, 3.0),
}

# of the texture: about 150 per unit of length
_TEXELS = 300_000
# keeps the draws apart from those of procedural_object and procedural_set
_STREAM = 2


def procedural_household(seed: int, index: int) -> Scene:
    """One everyday thing: closed, of one piece, standing, most often with its front towards -y.

    Args:
        seed: of the collection.
        index: within it; the same pair gives the same bytes, in any order and process.

    Returns:
        One part with a texture, z up, centred at the origin, longest side 2.

    Raises:
        MissingDependencyError: manifold3d (extra `data`) is not installed.
    """
    rng = np.random.default_rng([seed, index, _STREAM])
    return build(pick_family(rng), rng)


def pick_family(rng: np.random.Generator) -> str:
    """A family's name, drawn by weight."""
    weights = np.array([weight for _, weight in FAMILIES.values()])
    return list(FAMILIES)[rng.choice(len(FAMILIES), p=weights / weights.sum())]


def build(family: str, rng: np.random.Generator) -> Scene:
    """One thing of a family, with palette, wear and pose drawn from `rng`."""
    make, _ = FAMILIES[family]
    pieces = make(rng, product_palette(rng))
    wear = 0.2 * rng.random() ** 2
    worn = {paint: weathered(rng, paint, wear) for paint in dict.fromkeys(p.paint for p in pieces)}
    surface = normalised(join(pieces), _pose(rng))
    return bake(surface, [worn[piece.paint] for piece in pieces], _TEXELS)


def _pose(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Facing -y or turned by any yaw; one in twenty lies as it fell."""
    if rng.random() < 0.05:
        return random_rotation(rng)
    yaw = 0.0 if rng.random() < 0.4 else rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
