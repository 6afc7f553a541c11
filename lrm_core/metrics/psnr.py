"""Peak signal-to-noise ratio."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def psnr(
    predicted: Float[Tensor, "B 3 H W"], reference: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B"]:
    """Peak signal-to-noise ratio of each image.

        PSNR = -10 log10( mean over pixels and channels of (predicted - reference)^2 )

    Args:
        predicted: (B, 3, H, W) in [0, 1].
        reference: (B, 3, H, W) in [0, 1].

    Returns:
        (B,) float64 in dB; infinity where two images are equal.

    Source: ITU-T J.340 with peak value 1. Several views of an object are averaged in dB, as the
    papers do, not by their squared errors.
    """
    squared_error = (predicted.double() - reference.double()).square().mean(dim=(1, 2, 3))
    return -10.0 * squared_error.log10()
