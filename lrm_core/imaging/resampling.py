"""Windows of images at another size, colors weighted by alpha: hidden pixels leave no fringe."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def resample(
    rgba: UInt8[np.ndarray, "H W 4"], box: Box, size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 4"]:
    """The part of an image inside a box, with an antialiased bicubic kernel.

    Args:
        rgba: (H, W, 4) straight alpha.
        box: may reach outside the image, where all is transparent.
        size: width and height of the result.
    """
    seen = pixels_seen(box, size)
    return resample_premultiplied(Image.fromarray(rgba).convert("RGBa").crop(seen), box, size)


def pixels_seen(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels that the kernel sees where a box is resampled: left, top, right and bottom.

    Args:
        box: what is resampled.
        size: width and height of the result.
    """
    left, top, right, bottom = box
    reach = max((right - left) / size[0], (bottom - top) / size[1], 1.0)
    margin = math.ceil(2.0 * reach)
    x0, y0 = math.floor(left) - margin, math.floor(top) - margin
    return x0, y0, math.ceil(right) + margin, math.ceil(bottom) + margin


def resample_premultiplied(
    image: Image.Image, box: Box, size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 4"]:
    """As `resample`, of an image that holds only `pixels_seen`.

    Args:
        image: premultiplied (Pillow's mode RGBa).
        box: in the pixels of the whole image.
        size: width and height of the result.
    """
    left, top, right, bottom = box
    x0, y0, _, _ = pixels_seen(box, size)
    resized = image.resize(
        size, Image.Resampling.BICUBIC, box=(left - x0, top - y0, right - x0, bottom - y0)
    )
    return np.asarray(resized.convert("RGBA"))
