"""Rotation matrices for the ways things stand and lie."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lrm_core.modeling import Real


def yaw(angle: Real) -> Float[np.ndarray, "3 3"]:
    """About the z axis, by radians, counter-clockwise seen from above."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def random_rotation(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """A proper rotation, uniform over all (Haar, by QR: Mezzadri, 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    rotation: np.ndarray = q * np.sign(np.linalg.det(q))
    return rotation
