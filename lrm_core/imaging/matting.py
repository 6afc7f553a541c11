"""Soft edges: from a hard mask to alpha, and edge colors without the old background in them.

A pixel at the edge mixes foreground and background, I = alpha F + (1 - alpha) B. F and B are taken
from the certain pixels nearby; alpha is where I lies between them. The unmixed F is what goes into
the cut-out: on another background no halo of the old one is left.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

_LEAST_CONTRAST = 0.1
"""Distance of F and B in RGB [0, 1] at which they are trusted by half."""


def cut_out(
    rgb: UInt8[np.ndarray, "H W 3"], mask: Bool[np.ndarray, "H W"], *, radius: float
) -> UInt8[np.ndarray, "H W 4"]:
    """Cut along a hard mask with a soft edge and clean edge colors.

    Alpha follows the colors within `radius` of the mask's edge, but never so far that a pixel
    deeper inside is lost: halfway in, it is at least one half.

    Args:
        rgb: (H, W, 3).
        mask: (H, W), True on the object.
        radius: how far off the mask's edge may be, in pixels.

    Returns:
        (H, W, 4) straight alpha.
    """
    inside, outside = (
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 5) for side in (mask, ~mask)
    )
    # signed distance to the edge between pixels, in radii: > 0 inside
    depth = np.where(mask, inside - 0.5, 0.5 - outside) / radius
    image = rgb.astype(np.float32) / 255.0
    front, back, trust = _nearby_colors(image, depth >= 1.0, depth <= -1.0, sigma=1.5 * radius)
    span = front - back
    along = np.sum((image - back) * span, axis=-1) / np.maximum(np.sum(span**2, axis=-1), 1e-6)
    # where the two colors are alike: one pixel of anti-aliasing
    plain = np.clip(0.5 + depth * radius, 0.0, 1.0)
    alpha = trust * np.clip(along, 0.0, 1.0) + (1.0 - trust) * plain
    alpha = np.clip(alpha, np.clip(depth, 0.0, 1.0), np.clip(1.0 + depth, 0.0, 1.0))
    return _with_clean_colors(image, alpha, front, back, trust)


def clean_edge_colors(
    rgb: UInt8[np.ndarray, "H W 3"], alpha: Float[np.ndarray, "H W"], *, radius: float
) -> UInt8[np.ndarray, "H W 4"]:
    """Cut along a given alpha, taking the old background out of the half-transparent pixels.

    Args:
        rgb: (H, W, 3).
        alpha: (H, W) in [0, 1].
        radius: width of the soft edge, in pixels.
    """
    image = rgb.astype(np.float32) / 255.0
    front, back, trust = _nearby_colors(image, alpha > 0.95, alpha < 0.05, sigma=1.5 * radius)
    return _with_clean_colors(image, alpha, front, back, trust)


def _nearby_colors(
    image: Float[np.ndarray, "H W 3"],
    certain_front: Bool[np.ndarray, "H W"],
    certain_back: Bool[np.ndarray, "H W"],
    *,
    sigma: float,
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Mean colors of certain pixels around every pixel, and in [0, 1] how far to trust them."""
    height, width = certain_front.shape
    # blurred this much, the sums lose nothing at a coarser size, where they cost little
    step = max(1, int(sigma / 3.0))
    coarse = (max(width // step, 1), max(height // step, 1))
    colors, weights = [], []
    for certain in (certain_front, certain_back):
        known = np.dstack([image * certain[..., None], certain.astype(np.float32)])
        known = cv2.resize(known, coarse, interpolation=cv2.INTER_AREA)
        known = cv2.GaussianBlur(known, (0, 0), sigma / step)
        known = cv2.resize(known, (width, height), interpolation=cv2.INTER_LINEAR)
        colors.append(known[..., :3] / np.maximum(known[..., 3:], 1e-6))
        weights.append(known[..., 3])
    front, back = colors
    contrast = np.sum((front - back) ** 2, axis=-1)
    near = np.clip(np.minimum(*weights) / 0.02, 0.0, 1.0)
    return front, back, near * contrast / (contrast + _LEAST_CONTRAST**2)


def _with_clean_colors(
    image: Float[np.ndarray, "H W 3"],
    alpha: Float[np.ndarray, "H W"],
    front: Float[np.ndarray, "H W 3"],
    back: Float[np.ndarray, "H W 3"],
    trust: Float[np.ndarray, "H W"],
) -> UInt8[np.ndarray, "H W 4"]:
    """Solve I = alpha F + (1 - alpha) B for F; the less alpha, the more F is the nearby color."""
    mix = alpha[..., None]
    solved = np.clip(back + (image - back) / np.maximum(mix, 0.05), 0.0, 1.0)
    solved = mix * solved + (1.0 - mix) * front
    edge = ((alpha > 0.0) & (alpha < 1.0))[..., None]
    color = np.where(edge, image + trust[..., None] * (solved - image), image)
    return (np.concatenate([color, mix], axis=-1) * 255.0 + 0.5).astype(np.uint8)
