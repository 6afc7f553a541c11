"""The object of a photo as a PNG with alpha, for a look before the mesh is made; no torch here."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.foreground.removal import remove_background
from lrm_core.io.image_files import read_image, read_mask


@dataclass(frozen=True)
class CutoutImage:
    """An object without its background.

    Attributes:
        png: RGBA, straight alpha, of the photo's shape.
        method: how the background was removed, in words.
        warning: what to look at, or None.
    """

    png: bytes
    method: str
    warning: str | None


def make_cutout(
    photo: bytes,
    mask: bytes | None,
    background_removal: BackgroundRemoval,
    keep: KeepObjects,
    max_side: int,
) -> CutoutImage:
    """Remove the background of a photo.

    Args:
        photo: the file as it came.
        mask: image of the object's mask, or None.
        background_removal: how the background is removed where there is no mask.
        keep: which of several objects.
        max_side: longer side of the answer in pixels; larger ones are scaled down.

    Raises:
        InputError: a file cannot be read, or the mask does not fit.
        EmptyForegroundError: no object is left.
        MissingDependencyError: the method is not installed.
    """
    found = remove_background(
        read_image(photo),
        method=background_removal,
        keep=keep,
        mask=None if mask is None else read_mask(mask),
    )
    image = Image.fromarray(found.rgba)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    image.save(target, format="PNG", compress_level=1)
    return CutoutImage(target.getvalue(), found.method, found.warning)
