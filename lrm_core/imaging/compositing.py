"""Straight-alpha images over a plain background."""

from __future__ import annotations

from jaxtyping import Float
from PIL import Image
from torch import Tensor


def over_white(picture: Image.Image) -> Image.Image:
    """An RGBA picture as RGB over white."""
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def over_gray(rgba: Float[Tensor, "B 4 H W"], gray: float) -> Float[Tensor, "B 3 H W"]:
    """Images over a gray level; sRGB values are mixed as they are.

    Args:
        rgba: (B, 4, H, W) straight alpha, [0, 1].
        gray: level of the background, [0, 1].
    """
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + gray * (1.0 - alpha)
