"""Structural similarity."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import InputError

_WINDOW = 11


def ssim(
    predicted: Float[Tensor, "B 3 H W"], reference: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B"]:
    """Structural similarity of each image.

    With local means m, variances v and the covariance c under a Gaussian window:

        SSIM = (2 m_x m_y + C1) (2 c_xy + C2) / ((m_x^2 + m_y^2 + C1) (v_x + v_y + C2))

    averaged over the pixels whose window lies inside the image, and over the channels. The variant
    of the original paper: window 11 x 11, sigma 1.5, weighted (biased) variances, C1 = 0.01^2,
    C2 = 0.03^2 at data range 1; on each of R, G and B instead of on gray levels, as the papers on
    novel views do. Computed by scikit-image in float64.

    Args:
        predicted: (B, 3, H, W) in [0, 1], at least 11 pixels wide and high.
        reference: (B, 3, H, W) in [0, 1].

    Returns:
        (B,) float64 in [-1, 1].

    Raises:
        InputError: an image is smaller than the window.

    Source: Wang, Bovik, Sheikh, Simoncelli, Image Quality Assessment: From Error Visibility to
    Structural Similarity (2004).
    """
    from skimage.metrics import structural_similarity

    height, width = predicted.shape[-2:]
    if min(height, width) < _WINDOW:
        raise InputError(f"SSIM needs images of {_WINDOW} pixels or more, got {width} x {height}")
    values = [
        structural_similarity(  # type: ignore[no-untyped-call]
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,  # truncated at 3.5 sigma by scikit-image: 11 x 11
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=0,
        )
        for a, b in zip(
            predicted.double().cpu().numpy(), reference.double().cpu().numpy(), strict=True
        )
    ]
    return torch.tensor(values, dtype=torch.float64)
