"""Lenses that bend lines: from rays to the points of a bent image plane, and back.

Image planes lie at focal length 1: a pinhole sees the ray (u, v, 1) at (u, v). Lenses of normal
angle are OpenCV's. A fisheye lens first turns the length r = |(u, v)| into the angle
theta = atan(r), so that (u, v) becomes (x, y) = (u, v) theta / r, and bends that point by

    s = x^2 + y^2,  q = 1 + k1 s + k2 s^2 + k3 s^3 + k4 s^4
    x' = x q + 2 p1 x y + p2 (s + 2 x^2) + s1 s
    y' = y q + 2 p2 x y + p1 (s + 2 y^2) + s2 s

which without p1, p2, s1, s2 is also OpenCV's fisheye lens.

Source: COLMAP, https://colmap.github.io/cameras.html, model THIN_PRISM_FISHEYE.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "P 2"]

_STEPS = 50
_CONVERGED = 1e-12
_DERIVATIVE_STEP = 1e-6
_WIDEST = np.pi / 2 - 1e-3
"""Angle from the axis up to which rays meet the plane of a pinhole."""


@dataclass(frozen=True)
class LensDistortion:
    """How a lens bends the image of a pinhole.

    Attributes:
        terms: OpenCV's k1, k2, p1, p2, k3, k4, k5, k6; of a fisheye lens k1, k2, p1, p2, k3, k4,
            s1, s2.
        fisheye: whether the lens maps angles.
    """

    terms: tuple[float, ...]
    fisheye: bool = False

    def bend(self, points: Points) -> Points:
        """Where the lens shows what a pinhole would see at `points`."""
        if not self.fisheye:
            rays = np.concatenate([points, np.ones((len(points), 1))], axis=1)
            zero = np.zeros(3)
            bent, _ = cv2.projectPoints(rays, zero, zero, np.eye(3), np.array(self.terms))
            return np.asarray(bent[:, 0])
        length = np.linalg.norm(points, axis=1, keepdims=True)
        ratio = np.divide(np.arctan(length), length, out=np.ones_like(length), where=length > 0.0)
        return self._bend_angles(points * ratio)

    def straighten(self, points: Points) -> Points:
        """Where a pinhole would see what the lens shows at `points`.

        NaN, or far from the truth, where no ray leads there: bent again, a point must end where it
        began.
        """
        if not self.fisheye:
            terms = np.array(self.terms)
            return np.asarray(cv2.undistortPoints(points[:, None], np.eye(3), terms)[:, 0])
        angles = points.copy()
        with np.errstate(all="ignore"):  # what does not converge ends as NaN
            for _ in range(_STEPS):  # Newton's
                error = self._bend_angles(angles) - points
                if np.abs(error).max(initial=0.0) < _CONVERGED:
                    break
                (a, b), (c, d) = self._slopes(angles)
                step = np.stack(
                    [d * error[:, 0] - b * error[:, 1], a * error[:, 1] - c * error[:, 0]]
                )
                angles -= (step / (a * d - b * c)).T
            theta = np.linalg.norm(angles, axis=1, keepdims=True)
            ratio = np.divide(np.tan(theta), theta, out=np.ones_like(theta), where=theta > 0.0)
            return np.where(theta < _WIDEST, angles * ratio, np.nan)

    def _bend_angles(self, angles: Points) -> Points:
        k1, k2, p1, p2, k3, k4, s1, s2 = self.terms
        x, y = angles.T
        s = x * x + y * y
        q = 1.0 + s * (k1 + s * (k2 + s * (k3 + s * k4)))
        bent_x = x * q + 2.0 * p1 * x * y + p2 * (s + 2.0 * x * x) + s1 * s
        bent_y = y * q + 2.0 * p2 * x * y + p1 * (s + 2.0 * y * y) + s2 * s
        return np.stack([bent_x, bent_y], axis=-1)

    def _slopes(self, angles: Points) -> Float[np.ndarray, "2 2 P"]:
        """Derivatives of `_bend_angles`, by central differences: of x', then y', by x and y."""
        columns = [
            self._bend_angles(angles + step) - self._bend_angles(angles - step)
            for step in np.eye(2) * _DERIVATIVE_STEP
        ]
        return np.stack(columns, axis=-1).transpose(1, 2, 0) / (2.0 * _DERIVATIVE_STEP)
