"""Rotations as matrices."""

import numpy as np
from jaxtyping import Float


def least_rotation(
    start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """The rotation by the least angle that carries one unit vector onto another.

    Rodrigues' formula, with 1 + cos of the angle for its denominator.

    Args:
        start: (3,) unit vector.
        end: (3,) unit vector, not the opposite of the first.
    """
    x, y, z = np.cross(start, end)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: np.ndarray = np.eye(3) + cross + cross @ cross / (1.0 + start @ end)
    return rotation
