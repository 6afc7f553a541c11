"""Reference views at a random resolution, and the crops of them that a model must reproduce.

Source: paper, appendix B: "we resize the reference novel views from 512 x 512 to a randomly chosen
resolution between 128 x 128 and 384 x 384 and only ask the model to reconstruct a randomly selected
128 x 128 region".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from lrm_core.structures.cameras import Cameras


@dataclass(frozen=True)
class TargetViews:
    """What V cameras see of one object.

    Attributes:
        cameras: V cameras of h x w pixels; principal points may lie outside the image.
        rgb: (V, h, w, 3) sRGB in [0, 1], composited on the background.
        alpha: (V, h, w) in [0, 1].
    """

    cameras: Cameras
    rgb: Float[Tensor, "V h w 3"]
    alpha: Float[Tensor, "V h w"]


def crop_targets(
    images: UInt8[np.ndarray, "V H W 4"],
    cameras: Cameras,
    *,
    resolution: int,
    crop: int,
    background: float,
    rng: np.random.Generator,
) -> TargetViews:
    """Resize square views and cut a random window out of each.

    Args:
        images: V views with straight alpha.
        cameras: cameras of the views.
        resolution: side of the resized views in pixels.
        crop: side of the windows; where it is not below `resolution`, whole views are used.
        background: gray level behind the object, [0, 1].
        rng: places the windows, each view's on its own.
    """
    size = min(crop, resolution)
    corners = rng.integers(resolution - size, size=(len(images), 2), endpoint=True)  # x, y
    windows = [
        resize_premultiplied(image, resolution)[y : y + size, x : x + size]
        for image, (x, y) in zip(images, corners.tolist(), strict=True)
    ]
    stacked = torch.from_numpy(np.stack(windows))
    alpha = stacked[..., 3:]
    return TargetViews(
        crop_cameras(cameras.resized(resolution, resolution), corners, size),
        stacked[..., :3] + background * (1.0 - alpha),
        alpha[..., 0],
    )


def resize_premultiplied(
    image: UInt8[np.ndarray, "H W 4"], size: int
) -> Float32[np.ndarray, "S S 4"]:
    """A view at another size, its colors multiplied by alpha, in [0, 1].

    Smaller, every pixel is the average of the area it covers, so that detail never turns into
    noise; larger, bilinear. Colors are weighted by alpha: hidden pixels leave no fringe.

    Args:
        image: straight alpha.
        size: side S of the result.
    """
    import cv2

    scaled = image.astype(np.float32) / np.float32(255.0)
    alpha = scaled[..., 3]
    # all four channels at once: three of four would take numpy four times as long
    scaled *= cv2.merge([alpha, alpha, alpha, np.ones_like(alpha)])
    if scaled.shape[:2] == (size, size):
        return scaled
    shrinks = size < min(scaled.shape[:2])
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: np.ndarray = cv2.resize(scaled, (size, size), interpolation=kernel)
    return resized.clip(0.0, 1.0)


def crop_cameras(cameras: Cameras, corners: np.ndarray, size: int) -> Cameras:
    """Cameras that see a window of their image each: only the principal point moves.

    Args:
        cameras: V cameras.
        corners: (V, 2) column and row of the first pixel of each window.
        size: side of the windows in pixels.
    """
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, 2:] -= torch.from_numpy(corners).to(intrinsics)
    return Cameras(cameras.c2w, intrinsics, size, size)
