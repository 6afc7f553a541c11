"""Everyday things for training, as people photograph them: shoes, bags, packages, toys.

`procedural_object` makes solids of every kind, mostly invented; this makes things that a stranger
would name, in the proportions and colors of goods. Each draws from a random stream of its own.
"""

from __future__ import annotations

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
from lrm_core.modeling.assembly import assemble, worn
from lrm_core.modeling.deformations import random_rotation, yaw
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import product_palette
from lrm_core.structures.scene import Scene

FAMILIES = Family(
    {
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
)

# texels of the atlas: about 150 per unit of length
_TEXELS = 300_000
# keeps the draws apart from those of procedural_object and procedural_set
_STREAM = 2


def procedural_household(seed: int, index: int) -> Scene:
    """One everyday thing: closed, of one piece, standing, most often with its front towards -y.

    Args:
        seed: seed of the collection.
        index: position in it; the same pair gives the same bytes, in any order and process.

    Returns:
        One part with a texture, z up, centered at the origin, longest side 2.

    Raises:
        MissingDependencyError: manifold3d (extra `data`) is not installed.
    """
    rng = np.random.default_rng([seed, index, _STREAM])
    return build(FAMILIES.draw(rng), rng)


def build(family: str, rng: np.random.Generator) -> Scene:
    """One thing of a family, with palette, wear and pose drawn from `rng`."""
    pieces = FAMILIES(rng, product_palette(rng), family)
    pieces = worn(rng, pieces, 0.2 * rng.random() ** 2)
    return assemble(pieces, _pose(rng), _TEXELS)


def _pose(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Facing -y or turned by any yaw; one in twenty lies as it fell."""
    if rng.random() < 0.05:
        return random_rotation(rng)
    return yaw(0.0 if rng.random() < 0.4 else rng.uniform(0, 2 * np.pi))
