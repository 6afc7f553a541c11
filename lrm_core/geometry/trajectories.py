"""Camera paths around the object: all cameras look at the origin with z up.

Azimuth 0 is the source view, (0, -radius, 0); azimuth grows counter-clockwise seen from above, so
that azimuth 90 degrees is (radius, 0, 0) (docs/conventions.md).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import ConfigError
from lrm_core.structures.cameras import Cameras, look_at

# more is a slip of the hand: a day of rendering, and memory for the cameras alone
_MOST_VIEWS = 100_000


def orbit(
    num_views: int,
    *,
    elevation_degrees: float = 0.0,
    radius: float = 2.0,
    size: int = 512,
    focal: float = 0.75,
) -> Cameras:
    """Views at equal steps on a horizontal circle, the first from the source camera's side.

    Args:
        num_views: number of cameras; the last is one step short of a full turn.
        elevation_degrees: angle above the horizon, in (-90, 90).
        radius: distance from the origin in world units.
        size: width and height of the images in pixels.
        focal: focal length divided by the image width.

    Raises:
        ConfigError: an argument is out of range.
    """
    azimuths = _equal_steps(num_views)
    elevations = torch.full_like(azimuths, _radians_of_elevation(elevation_degrees))
    return _looking_at_origin(on_sphere(azimuths, elevations, radius), size, focal)


def turntable(
    num_views: int,
    *,
    elevation_degrees: float = 20.0,
    radius: float = 2.0,
    size: int = 512,
    focal: float = 0.75,
) -> Cameras:
    """A full turn for a video: it starts at the source view itself and loops without a seam.

    The camera rises smoothly from the horizon to `elevation_degrees` behind the object and sinks
    again, so that the first frame is the photo's view and the turn shows the top as well.

    Args:
        num_views: number of frames; the last is one step short of a full turn.
        elevation_degrees: angle above the horizon behind the object, in (-90, 90).
        radius: distance from the origin in world units.
        size: width and height of the images in pixels.
        focal: focal length divided by the image width.

    Raises:
        ConfigError: an argument is out of range.
    """
    azimuths = _equal_steps(num_views)
    elevations = _radians_of_elevation(elevation_degrees) * (1.0 - torch.cos(azimuths)) / 2.0
    return _looking_at_origin(on_sphere(azimuths, elevations, radius), size, focal)


def random_on_shell(
    num_views: int,
    *,
    radius_range: tuple[float, float] = (1.5, 3.0),
    height_range: tuple[float, float] = (-0.75, 1.6),
    size: int = 512,
    focal: float = 0.75,
    generator: torch.Generator | None = None,
) -> Cameras:
    """The training views of the paper: random cameras on a thick shell between two heights.

    Radius is uniform in its range; the direction is uniform among those whose height is allowed.
    Source: paper, section 4.1.

    Args:
        num_views: number of cameras.
        radius_range: smallest and largest distance from the origin in world units.
        height_range: smallest and largest z in world units.
        size: width and height of the images in pixels.
        focal: focal length divided by the image width.
        generator: source of randomness.

    Raises:
        ConfigError: a range is empty, or no point of the smallest shell has an allowed height.
    """
    (nearest, farthest), (lowest, highest) = radius_range, height_range
    if not 0.0 < nearest <= farthest or not lowest <= highest:
        raise ConfigError(
            f"radius range {radius_range} and height range {height_range} must be ordered, "
            "the radius above 0"
        )
    if lowest > nearest or highest < -nearest:
        raise ConfigError(
            f"no camera at distance {nearest} has a height in {height_range}",
            hint="widen the height range or raise the smallest radius",
        )
    uniform = torch.rand(3, _checked_number(num_views), generator=generator)
    radius = nearest + (farthest - nearest) * uniform[0]
    # the height of a uniform direction is uniform (Archimedes), so it can be drawn directly
    bottom, top = radius.neg().clamp_min(lowest), radius.clamp_max(highest)
    height = bottom + (top - bottom) * uniform[1]
    horizontal = (radius.square() - height.square()).clamp_min(0.0).sqrt()
    azimuths = 2.0 * math.pi * uniform[2]
    origins = torch.stack(
        [horizontal * torch.sin(azimuths), -horizontal * torch.cos(azimuths), height], dim=-1
    )
    return _looking_at_origin(origins, size, focal)


def on_sphere(
    azimuths: Float[Tensor, "N"], elevations: Float[Tensor, "N"], radius: float
) -> Float[Tensor, "N 3"]:
    """Points on a sphere around the origin.

    Args:
        azimuths: (N,) in radians.
        elevations: (N,) in radians.
        radius: in world units, above 0.

    Raises:
        ConfigError: the radius is not positive and finite.
    """
    if not 0.0 < radius < math.inf:
        raise ConfigError(f"the radius must be above 0, got {radius}")
    horizontal = torch.cos(elevations)
    directions = [
        horizontal * torch.sin(azimuths),
        -horizontal * torch.cos(azimuths),
        torch.sin(elevations),
    ]
    return radius * torch.stack(directions, dim=-1)


def direction_degrees(origin: Float[Tensor, "3"]) -> tuple[int, int]:
    """Azimuth in [0, 360) and elevation of a camera seen from the origin, in whole degrees."""
    x, y, z = origin.tolist()
    azimuth = round(math.degrees(math.atan2(x, -y))) % 360
    return azimuth, round(math.degrees(math.atan2(z, math.hypot(x, y))))


def _checked_number(num_views: int) -> int:
    if num_views < 1:
        raise ConfigError(f"the number of views must be at least 1, got {num_views}")
    if num_views > _MOST_VIEWS:
        raise ConfigError(f"the number of views must be at most {_MOST_VIEWS:,}, got {num_views:,}")
    return num_views


def _equal_steps(num_views: int) -> Float[Tensor, "N"]:
    """(N,) azimuths in radians from 0 to one step short of a full turn."""
    return torch.arange(_checked_number(num_views)) * (2.0 * math.pi / num_views)


def _radians_of_elevation(degrees: float) -> float:
    if not -90.0 < degrees < 90.0:
        raise ConfigError(f"the elevation must lie between -90 and 90 degrees, got {degrees}")
    return math.radians(degrees)


def _looking_at_origin(origins: Float[Tensor, "N 3"], size: int, focal: float) -> Cameras:
    """Square pinhole cameras at `origins` with a centered principal point."""
    if size < 1 or not 0.0 < focal < math.inf:
        raise ConfigError(f"size and focal length must be above 0, got {size} and {focal}")
    intrinsics = size * origins.new_tensor([[focal, focal, 0.5, 0.5]]).repeat(len(origins), 1)
    return Cameras(look_at(origins), intrinsics, size, size)
