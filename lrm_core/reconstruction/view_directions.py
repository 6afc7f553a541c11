"""From where a photo of an object was taken, and how large the object appears in it.

Photos of one object agree neither in distance nor in framing: each is cropped by itself. What they
have in common is the object's box. Seen from the front and from the back it has one width and one
height, from the sides one depth and that height.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import ConfigError, InputError
from lrm_core.imaging.framing import mask_box

# how little an assumption counts against what two photos show, where nothing else decides
_WEAK = 0.02


@dataclass(frozen=True)
class Direction:
    """Where a camera stands; the object's front is at azimuth 0.

    Attributes:
        azimuth: degrees, counter-clockwise seen from above: 90 is on the right of the front photo.
        elevation: degrees above the object's horizon, in [-90, 90].
    """

    azimuth: float
    elevation: float = 0.0

    @property
    def rotation(self) -> Float[Tensor, "3 3"]:
        """From the world (the front camera's frame) to the frame of a camera that stands here.

        A camera straight above is one that was carried around to its azimuth, then up: the azimuth
        says how its picture is turned.
        """
        turn, tilt = math.radians(-self.azimuth), math.radians(self.elevation)
        about_z = [
            [math.cos(turn), -math.sin(turn), 0],
            [math.sin(turn), math.cos(turn), 0],
            [0, 0, 1],
        ]
        about_x = [
            [1, 0, 0],
            [0, math.cos(tilt), -math.sin(tilt)],
            [0, math.sin(tilt), math.cos(tilt)],
        ]
        return torch.tensor(about_x, dtype=torch.float64) @ torch.tensor(
            about_z, dtype=torch.float64
        )


DIRECTIONS = {
    "front": Direction(0.0),
    "right": Direction(90.0),
    "back": Direction(180.0),
    "left": Direction(270.0),
    "top": Direction(0.0, 90.0),
    "bottom": Direction(0.0, -90.0),
}
"""Directions by name; left and right are those of the front photo."""

LEVEL_NAMES = ("front", "right", "back", "left")
"""Of photos from around the object, all from one height."""


def parse_direction(text: str) -> Direction:
    """A direction by name, or as "AZIMUTH,ELEVATION" in degrees.

    Raises:
        ConfigError: neither.
    """
    if text in DIRECTIONS:
        return DIRECTIONS[text]
    try:
        azimuth, elevation = map(float, text.split(","))
    except ValueError:
        azimuth, elevation = np.nan, np.nan
    if not (np.isfinite(azimuth) and -90.0 <= elevation <= 90.0):
        raise ConfigError(
            f"'{text}' is not a direction, expected AZIMUTH,ELEVATION in degrees",
            hint=f"for example 45,20, or one of {', '.join(DIRECTIONS)}; elevation -90 to 90",
        )
    return Direction(azimuth % 360.0, elevation)


def box_of(alpha: Float[Tensor, "1 1 H W"]) -> tuple[float, float]:
    """Width and height of the object in a square picture, as shares of its side.

    Args:
        alpha: coverage in [0, 1].

    Raises:
        InputError: nothing is covered.
    """
    box = mask_box(alpha[0, 0].cpu().numpy() >= 0.5)
    if box is None:
        raise InputError("the picture shows no object")
    left, top, right, bottom = box
    side = alpha.shape[-1]
    return (right - left) / side, (bottom - top) / side


def from_first(directions: Sequence[Direction]) -> list[Direction]:
    """Directions with azimuths that count from that of the first."""
    return [replace(d, azimuth=d.azimuth - directions[0].azimuth) for d in directions]


def relative_scales(
    directions: Sequence[Direction], boxes: Sequence[tuple[float, float]]
) -> list[float]:
    """How much larger the object appears in each photo than in the first one.

    The object is taken for an ellipsoid with the axes of the world, of any three lengths: along
    an axis its extent is that of its box, and between axes a mean that is right for round things.
    Lengths and scales that explain all boxes best are found by least squares of logarithms; what
    no two photos tell stays as it is.

    Args:
        directions: of every photo.
        boxes: width and height of the object in each, in one unit for all.

    Returns:
        scale of each photo's own frame over that of the first, which is 1.
    """
    from scipy.optimize import least_squares  # slow to import, and most have one photo

    rotations = np.stack([direction.rotation.numpy() for direction in directions])
    seen = np.log(np.asarray(boxes, dtype=np.float64))  # (N, 2)
    across = rotations[:, [0, 2]] ** 2  # (N, 2, 3): right and up of each photo, in the world

    def residuals(unknown: Float[np.ndarray, "U"]) -> Float[np.ndarray, "R"]:
        lengths, scales = unknown[:3], np.concatenate([[0.0], unknown[3:]])
        extents = 0.5 * np.log(across @ np.exp(2.0 * lengths))
        weak = _WEAK * np.concatenate([unknown[3:], lengths - lengths.mean()])
        return np.concatenate([(extents + scales[:, None] - seen).ravel(), weak])

    start = np.concatenate([np.full(3, seen.mean()), np.zeros(len(directions) - 1)])
    solution = least_squares(residuals, start).x
    return [1.0, *np.exp(solution[3:]).tolist()]


def foreground_ratios(
    directions: Sequence[Direction], boxes: Sequence[tuple[float, float]], largest: float
) -> list[float]:
    """How much of its crop the object takes in each photo, so that all show it at one scale.

    A long object that is framed as large from its narrow end as from the side would reach far out
    of the cube that a field knows.

    Args:
        directions: of every photo, the first at azimuth 0.
        boxes: width and height of the object in each, in any unit.
        largest: longer side of the object over that of the crop, where it appears longest.

    Returns:
        the same share for every photo; `largest` for at least one of them.
    """
    shapes = [(width / max(width, height), height / max(width, height)) for width, height in boxes]
    scales = relative_scales(directions, shapes)
    return [largest * min(scales) / scale for scale in scales]
