"""Maps of space: rotations, and smooth ones that bend, taper, twist and roughen shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

from lrm_core.modeling import Real

# (V, 3) points -> (V, 3)
Deformation = Callable[[np.ndarray], np.ndarray]


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


def lattice_noise(rng: np.random.Generator, scale: Real) -> Callable[[np.ndarray], np.ndarray]:
    """Smooth random field: (P, 3) points -> (P,) values in [0, 1], features about `scale` wide."""
    lattice = rng.random((12, 12, 12)).astype(np.float32)
    shift = rng.uniform(0, 12, size=3)

    def evaluate(points: np.ndarray) -> np.ndarray:
        position = points / scale + shift
        cell = np.floor(position)
        fraction = position - cell
        eased = cell + fraction * fraction * (3 - 2 * fraction)
        values: np.ndarray = map_coordinates(lattice, eased.T, order=1, mode="grid-wrap")
        return values

    return evaluate


def taper(low: Real, high: Real, amount: Real) -> Deformation:
    """Scales x and y linearly from 1 at z = low to `amount` at z = high."""

    def apply(points: np.ndarray) -> np.ndarray:
        t = np.clip((points[:, 2:] - low) / (high - low), 0.0, 1.0)
        scale = 1.0 + t * (amount - 1.0)
        return np.concatenate([points[:, :2] * scale, points[:, 2:]], axis=1)

    return apply


def twist(degrees_per_unit: Real) -> Deformation:
    """Turns about the z axis in proportion to z."""

    def apply(points: np.ndarray) -> np.ndarray:
        angle = np.radians(degrees_per_unit) * points[:, 2]
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = points[:, 0], points[:, 1]
        return np.stack([cos * x - sin * y, sin * x + cos * y, points[:, 2]], axis=1)

    return apply


def bend(curvature: Real) -> Deformation:
    """Bends the z axis into an arc towards +x with radius 1 / curvature."""

    def apply(points: np.ndarray) -> np.ndarray:
        if abs(curvature) < 1e-4:
            return points
        radius = 1.0 / curvature
        angle = points[:, 2] * curvature
        distance = radius - points[:, 0]
        x = radius - distance * np.cos(angle)
        return np.stack([x, points[:, 1], distance * np.sin(angle)], axis=1)

    return apply


def lump(rng: np.random.Generator, scale: Real, amount: Real) -> Deformation:
    """Pushes points out from or in towards the origin by up to `amount` of their distance."""
    field = lattice_noise(rng, scale)

    def apply(points: np.ndarray) -> np.ndarray:
        return points * (1.0 + amount * (2.0 * field(points) - 1.0))[:, None]

    return apply


def roughen(rng: np.random.Generator, scale: Real, amount: Real) -> Deformation:
    """Displaces points by up to `amount` along each axis, by smooth noise of width `scale`."""
    fields = [lattice_noise(rng, scale) for _ in range(3)]

    def apply(points: np.ndarray) -> np.ndarray:
        offsets = np.stack([field(points) for field in fields], axis=1)
        return points + amount * (2.0 * offsets - 1.0)

    return apply


def fluted(factor: Callable[[np.ndarray], np.ndarray]) -> Deformation:
    """Scales x and y by a factor of the angle about the z axis (radians, from +x): ribs, flutes."""

    def apply(points: np.ndarray) -> np.ndarray:
        scale = factor(np.arctan2(points[:, 1], points[:, 0]))
        return np.concatenate([points[:, :2] * scale[:, None], points[:, 2:]], axis=1)

    return apply
