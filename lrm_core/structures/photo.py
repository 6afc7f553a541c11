"""Photos as read and cut out, before any model sees them: no torch here.

They are read while torch is still being imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Lens:
    """The lens that took a photo, as far as its file says.

    Attributes:
        focal: focal length over the longer side of the photo.
        origin: which entries of the file say so, in words.
    """

    focal: float
    origin: str


@dataclass(frozen=True)
class Photo:
    """An image as read: upright, sRGB, straight alpha.

    Attributes:
        rgba: (H, W, 4) sRGB and alpha in 0..255.
        has_alpha: whether the image came with an alpha channel that hides something; without one
            alpha is 255 everywhere.
        note: one line about what of the file was not read, or None.
        lens: what its EXIF data say of the lens, or None.
    """

    rgba: UInt8[np.ndarray, "H W 4"]
    has_alpha: bool
    note: str | None = None
    lens: Lens | None = None


@dataclass(frozen=True)
class CutOut:
    """The object of a photo, cut out of its background.

    Attributes:
        rgba: (H, W, 4) sRGB and straight alpha in 0..255.
        method: how it was cut out: mask, alpha, border, u2netp, rembg:<model>, grabcut or none.
        warning: one line for the user where the result should be looked at, or None.
        lens: that of the photo, whose size the cut-out has; None where it is not known.
    """

    rgba: UInt8[np.ndarray, "H W 4"]
    method: str
    warning: str | None = None
    lens: Lens | None = None
