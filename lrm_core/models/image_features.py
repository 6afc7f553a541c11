"""What an image encoder hands to the rest of the model."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ImageFeatures:
    """Encoded images.

    Attributes:
        tokens: (B, N, E) patch tokens, [CLS] first where the encoder has one.
        pyramid: feature maps (B, C_l, H_l, W_l) from fine to coarse; empty for plain ViTs.
    """

    tokens: Float[Tensor, "B N E"]
    pyramid: tuple[Tensor, ...] = ()
