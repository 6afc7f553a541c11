"""Photos of one object by the direction that each was taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from lrm_core.errors import ConfigError

FRONT = "front"
"""The direction of the photo whose frame the mesh has."""

Photo = TypeVar("Photo")


def name_photos(
    front: Photo, sides: Mapping[str, Photo | None], views: Iterable[tuple[str, Photo]] = ()
) -> dict[str, Photo]:
    """Direction -> photo, the front first.

    Args:
        front: the photo that gives the frame.
        sides: photos by the name of their direction, see `DIRECTIONS`; None for those not given.
        views: further directions, see `parse_direction`, and photos.

    Raises:
        ConfigError: not a direction, or one that is given twice.
    """
    photos = {FRONT: front} | {name: side for name, side in sides.items() if side is not None}
    for direction, photo in views:
        # imported where it is needed: what it needs takes seconds
        from lrm_core.reconstruction.view_directions import parse_direction

        parse_direction(direction)
        if direction in photos:
            raise ConfigError(f"--view: there are two photos from {direction}")
        photos[direction] = photo
    return photos
