"""The lens that took a photo, from the EXIF data of its file.

Source: Exif 2.32 (CIPA DC-008-2019), section 4.6.5; for what "equivalent to 35 mm film" means, CIPA
DCG-001-2018: the same angle across the diagonal, which is 43.27 mm there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PIL import Image

from lrm_core.structures.photo import Lens

_EXIF_IFD = 0x8769
_FOCAL_LENGTH, _FOCAL_LENGTH_35MM = 0x920A, 0xA405
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_PLANE_X_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210

_FILM_DIAGONAL = math.hypot(36.0, 24.0)
# FocalPlaneResolutionUnit -> millimeters; 1 has no meaning, and cameras write it for inches
_MILLIMETERS = {1: 25.4, 2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# sides may be rounded to multiples of 16
_SAME_SHAPE = 0.02
# focal lengths over the longer side that no lens has, fisheyes and telescopes aside
_LEAST_FOCAL, _MOST_FOCAL = 0.2, 60.0


def read_lens(image: Image.Image, size: tuple[int, int]) -> Lens | None:
    """The lens of a photo.

    Args:
        image: as its file was opened, decoded or not.
        size: width and height that it had then.

    Returns:
        None where the file does not say, says what cannot be, or names another shape than the
        image has: then it was cropped, and nobody knows where.
    """
    try:
        exif = image.getexif()
        tags = {**exif, **exif.get_ifd(_EXIF_IFD)}
    except Exception:  # damaged EXIF data: the picture itself may be whole
        return None
    if _was_cropped(tags, size):
        return None
    film = _number(tags, _FOCAL_LENGTH_35MM)
    if film > 0.0:
        focal = film / _FILM_DIAGONAL * math.hypot(*size) / max(size)
        return _plausible(focal, f"EXIF: {film:g} mm on 35 mm film")
    length, resolution = _number(tags, _FOCAL_LENGTH), _number(tags, _PLANE_X_RESOLUTION)
    unit = _MILLIMETERS.get(int(_number(tags, _PLANE_UNIT) or 2), 0.0)
    longer = max(_number(tags, _PIXEL_WIDTH), _number(tags, _PIXEL_HEIGHT)) or max(size)
    if length > 0.0 and resolution > 0.0 and unit > 0.0:
        sensor = longer / resolution * unit
        return _plausible(length / sensor, f"EXIF: {length:g} mm, sensor of {sensor:.1f} mm")
    return None


def _was_cropped(tags: Mapping[int, Any], size: tuple[int, int]) -> bool:
    """Whether EXIF's own size has another shape than the image; a turned copy has the same."""
    width, height = _number(tags, _PIXEL_WIDTH), _number(tags, _PIXEL_HEIGHT)
    if not (width > 0.0 and height > 0.0):
        return False
    taken = max(width, height) / min(width, height)
    return abs(taken / (max(size) / min(size)) - 1.0) > _SAME_SHAPE


def _plausible(focal: float, origin: str) -> Lens | None:
    return Lens(focal, origin) if _LEAST_FOCAL <= focal <= _MOST_FOCAL else None


def _number(tags: Mapping[int, Any], tag: int) -> float:
    """A finite number, or 0 where there is none."""
    try:
        value = float(tags.get(tag, 0.0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if math.isfinite(value) else 0.0
