"""Cut-out object -> the square image that a model was trained on.

Source: paper, appendix E: "cropping out the target object, rescaling the target to a suitable size
and centering the target on a square white figure".

Models resize their input each in their own way (TripoSR: bilinear with antialiasing; OpenLRM:
bicubic with aligned corners and without it, from a picture that its app resized before). Here the
crop is resampled once, from the photo's own pixels to the model's size, with an antialiased kernel
of the kind the model was trained with: resampling twice blurs, and a kernel that does not widen
when it shrinks a picture turns detail into noise.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from lrm_core.errors import EmptyForegroundError

Resize = Literal["bilinear", "bicubic"]

BOX_THRESHOLD = 25
"""Alpha (of 255) above which a pixel counts for the object's box: faint halos do not."""

_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def frame_for_model(
    rgba: UInt8[np.ndarray, "H W 4"],
    *,
    size: int,
    foreground_ratio: float,
    background: float,
    resize: Resize,
) -> Float[torch.Tensor, "1 4 S S"]:
    """Crop the object, center it on a square and scale it to the model's size.

    The center of the object's box becomes the center of the image, and its longer side becomes
    `foreground_ratio` of the image side; both hold to a fraction of a pixel.

    Args:
        rgba: (H, W, 4) straight alpha.
        size: side S of the result in pixels.
        foreground_ratio: longer side of the box over the image side, in (0, 1].
        background: gray level behind the object, [0, 1].
        resize: kernel.

    Returns:
        (1, 4, S, S) in [0, 1], straight alpha; the background's gray level where alpha is 0.

    Raises:
        EmptyForegroundError: alpha is zero everywhere.

    Source: paper, appendix E.
    """
    window = crop_window(rgba[..., 3], foreground_ratio)
    side = window[2]
    # what the widest kernel reaches (bicubic: two pixels of the coarser grid)
    margin = math.ceil(2.0 * max(1.0, side / size))
    return _sample(rgba, window, margin, size, background, resize)


def crop_window(
    alpha: UInt8[np.ndarray, "H W"], foreground_ratio: float
) -> tuple[float, float, float]:
    """The square that `frame_for_model` cuts out: left, top and side in pixels.

    It may reach outside the image.

    Args:
        alpha: (H, W) of the object.
        foreground_ratio: longer side of its box over the side of the square, in (0, 1].

    Raises:
        EmptyForegroundError: alpha is zero everywhere.
    """
    box = object_box(alpha)
    if box is None:
        raise EmptyForegroundError(
            "the image is fully transparent, expected an object",
            hint="give a mask of the object with --mask",
        )
    left, top, right, bottom = box
    side = max(right - left, bottom - top) / foreground_ratio
    return (left + right - side) / 2, (top + bottom - side) / 2, side


def frame_as_is(
    rgba: UInt8[np.ndarray, "H W 4"], *, size: int, background: float, resize: Resize
) -> Float[torch.Tensor, "1 4 S S"]:
    """Scale an already framed image to the model's size; a non-square one is padded, not cropped.

    Args:
        rgba: (H, W, 4) straight alpha.
        size: side S of the result in pixels.
        background: gray level behind the object, [0, 1].
        resize: kernel.

    Returns:
        as `frame_for_model`.
    """
    height, width = rgba.shape[:2]
    side = float(max(height, width))
    window = ((width - side) / 2, (height - side) / 2, side)
    return _sample(rgba, window, 0, size, background, resize)


def object_box(alpha: UInt8[np.ndarray, "H W"]) -> tuple[int, int, int, int] | None:
    """The box of an object: left, top, right, bottom in pixels, right and bottom exclusive.

    Args:
        alpha: (H, W); faint pixels count only where there are no others.

    Returns:
        None where alpha is zero everywhere.
    """
    return mask_box(alpha > BOX_THRESHOLD) or mask_box(alpha > 0)


def mask_box(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int] | None:
    """The box of what is True, as `object_box`; None for nothing."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _sample(
    rgba: UInt8[np.ndarray, "H W 4"],
    window: tuple[float, float, float],
    margin: int,
    size: int,
    background: float,
    resize: Resize,
) -> Float[torch.Tensor, "1 4 S S"]:
    """Resample the square `window` (left, top, side in pixels; may reach outside) to size x size.

    Beyond the image all is transparent as far as `margin` pixels around the window; where the
    margin ends, the last pixel is repeated, so that without one an opaque image stays opaque.
    Colors are weighted by alpha while they are averaged: hidden pixels leave no fringe.
    """
    left, top, side = window
    height, width = rgba.shape[:2]
    # what lies in the window, then transparent pixels where it reaches outside the image
    x0, y0 = math.floor(left) - margin, math.floor(top) - margin
    x1, y1 = math.ceil(left + side) + margin, math.ceil(top + side) + margin
    crop = rgba[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)].astype(np.float32) / 255.0
    pad_y = (max(-y0, 0), max(y1 - height, 0))
    pad_x = (max(-x0, 0), max(x1 - width, 0))
    box = (left - x0, top - y0, left - x0 + side, top - y0 + side)
    channels = []
    for channel in (*(crop[..., i] * crop[..., 3] for i in range(3)), crop[..., 3]):
        padded = Image.fromarray(np.pad(channel, (pad_y, pad_x)))
        channels.append(np.asarray(padded.resize((size, size), _KERNELS[resize], box=box)))
    resampled = torch.from_numpy(np.stack(channels)[None])
    alpha = resampled[:, 3:].clamp(0.0, 1.0)
    premultiplied = torch.minimum(resampled[:, :3].clamp_min(0.0), alpha)
    # below half a gray level nothing is visible, and the division would amplify rounding
    visible = alpha > 0.5 / 255.0
    straight = torch.where(
        visible, premultiplied / alpha.clamp_min(1e-6), torch.full_like(premultiplied, background)
    )
    alpha = torch.where(visible, alpha, torch.zeros_like(alpha))
    return torch.cat([straight, alpha], dim=1)
