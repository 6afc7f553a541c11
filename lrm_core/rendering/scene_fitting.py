"""Bring foreign meshes to the size and place that the default cameras look at."""

import numpy as np

from lrm_core.geometry.scene_conversion import normalise_scene
from lrm_core.structures.scene import Scene

# the unit cube with a tenth to spare, and the size below which an object would be a speck
_OUTERMOST = 1.1
_SMALLEST_SIDE = 0.2


def needs_fitting(scene: Scene) -> bool:
    """Whether the scene leaves the cube [-1.1, 1.1]^3 or is smaller than a tenth of it."""
    lower, upper = scene.bounds
    too_large = max(-lower.min(), upper.max()) > _OUTERMOST
    return bool(too_large or (upper - lower).max() < _SMALLEST_SIDE)


def fit_scene(scene: Scene) -> Scene:
    """The scene centred, the corners of its bounding box on the unit sphere.

    At the default camera (distance 2, focal length 0.75) it is whole from every direction.

    Raises:
        InputError: the scene has no extent.
    """
    sides = np.ptp(scene.bounds.astype(np.float64), axis=0)
    diagonal = float(np.linalg.norm(sides))
    return normalise_scene(scene, 2.0 * float(sides.max()) / diagonal if diagonal else 2.0)
