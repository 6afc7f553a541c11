"""A photo as the same camera would have taken it with the object in the middle.

Away from the middle of a picture a lens stretches what it shows, and a crop is then no picture of
any centered camera. A camera that only turns sees the same rays: its picture is a homography of the
other (Hartley and Zisserman, Multiple View Geometry, section 8.4.2).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from lrm_core.imaging.framing import object_box
from lrm_core.structures.rotations import least_rotation

# Turned by less than this the picture is left alone: sampling it again would cost more sharpness
# than the stretch costs shape (1.5 % across an object of 30 degrees).
LEAST_TURN_DEGREES = 2.0
# beyond this the object is at the edge of a fisheye's picture, and the homography grows without end
_MOST_TURN_DEGREES = 60.0
# the middle of the box moves a little when perspective changes: turned once more, it is there
_ROUNDS = 3


def turned_to_object(
    rgba: UInt8[np.ndarray, "H W 4"], focal: float
) -> tuple[UInt8[np.ndarray, "H W 4"], float]:
    """The photo of a camera turned towards the middle of the object's box, and the turn.

    Args:
        rgba: (H, W, 4) straight alpha, of a camera whose axis meets the middle of the picture.
        focal: focal length in pixels.

    Returns:
        a picture of the same size, with the object in its middle; the photo itself where there is
        nothing to turn; and the angle in degrees.
    """
    height, width = rgba.shape[:2]
    middle = np.array([width / 2.0, height / 2.0])
    box = object_box(rgba[..., 3])
    if box is None:
        return rgba, 0.0
    outline = _outline(rgba[..., 3] > 0)
    turn = np.eye(3)
    for _ in range(_ROUNDS):
        seen = _project(outline, turn, focal, middle)
        x, y = (seen.min(axis=0) + seen.max(axis=0)) / 2.0 - middle
        ray = np.array([x, y, focal])
        turn = least_rotation(ray / np.linalg.norm(ray), np.array([0.0, 0.0, 1.0])) @ turn
    angle = math.degrees(math.acos(min(1.0, float(turn[2, 2]))))
    if not LEAST_TURN_DEGREES <= angle <= _MOST_TURN_DEGREES:
        return rgba, 0.0
    lens = np.array([[focal, 0.0, middle[0] - 0.5], [0.0, focal, middle[1] - 0.5], [0.0, 0.0, 1.0]])
    homography = lens @ turn @ np.linalg.inv(lens)
    return warp(rgba, homography, (width, height)), angle


def warp(
    rgba: UInt8[np.ndarray, "H W 4"], homography: Float[np.ndarray, "3 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 4"]:
    """A picture under a homography, at about the same scale: nothing is averaged.

    Args:
        rgba: (H, W, 4) straight alpha; colors are weighted by it, and nothing lies beyond.
        homography: from its pixels to those of the result, centers at whole numbers.
        size: width and height of the result.
    """
    premultiplied = rgba.astype(np.float32) / 255.0
    premultiplied[..., :3] *= premultiplied[..., 3:]
    warped = cv2.warpPerspective(
        premultiplied, homography, size, flags=cv2.INTER_CUBIC, borderValue=(0, 0, 0, 0)
    ).clip(0.0, 1.0)
    alpha = warped[..., 3:]
    straight = np.concatenate([warped[..., :3] / np.maximum(alpha, 1e-4), alpha], axis=-1)
    return np.rint(straight.clip(0.0, 1.0) * 255.0).astype(np.uint8)


def _outline(mask: np.ndarray) -> Float[np.ndarray, "P 2"]:
    """Corners of the convex hull of a mask: x and y in pixels, centers at +0.5."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows], axis=-1).astype(np.float32)
    return cv2.convexHull(points)[:, 0].astype(np.float64) + 0.5


def _project(
    pixels: Float[np.ndarray, "P 2"],
    turn: Float[np.ndarray, "3 3"],
    focal: float,
    middle: Float[np.ndarray, "2"],
) -> Float[np.ndarray, "P 2"]:
    """Where a turned camera sees what is seen at pixels."""
    rays = np.concatenate([(pixels - middle) / focal, np.ones((len(pixels), 1))], axis=1) @ turn.T
    seen: np.ndarray = rays[:, :2] / np.maximum(rays[:, 2:], 1e-3) * focal + middle
    return seen
