"""How different two images look, as a loss: LPIPS as in the paper, or one that needs no network.

Source: paper, section 3.4 (equation 6), and appendix D.6 for what it does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import MetricUnavailableError, TrainingError
from lrm_core.metrics.lpips import load_lpips
from lrm_core.metrics.metric_weights import FOLDER_VARIABLE, WEIGHTS, locate_weights
from lrm_core.training.config import Perceptual

# predicted and reference (N, 3, H, W) in [0, 1] -> (N,), 0 where they are equal
PerceptualLoss = Callable[[Float[Tensor, "N 3 H W"], Float[Tensor, "N 3 H W"]], Float[Tensor, "N"]]

_GRADIENT_SCALES = 4

# Wang et al. 2003, from full resolution downward
_MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2

# a factor of MS-SSIM may be negative; at 0 the product would lose the gradients of all scales
_LEAST_FACTOR = 1e-2


def build_perceptual_loss(kind: Perceptual, *, device: str = "cpu") -> PerceptualLoss | None:
    """The perceptual loss of a name; None for `none`.

    Args:
        kind: `lpips` with the VGG backbone (the paper), `ms-ssim`, `gradient` or `none`.
        device: where its network computes, if it has one.

    Raises:
        TrainingError: the weights of LPIPS are missing and cannot be fetched. No other loss takes
            its place by itself.
        MissingDependencyError: without the package lpips.
    """
    if kind == "none":
        return None
    if kind == "gradient":
        return gradient_difference
    if kind == "ms-ssim":
        return ms_ssim_loss
    return _lpips(device)


def gradient_difference(
    predicted: Float[Tensor, "N 3 H W"], reference: Float[Tensor, "N 3 H W"]
) -> Float[Tensor, "N"]:
    """Mean absolute difference of image gradients, summed over up to four scales.

    Each scale halves the size by averaging; gradients are forward differences between pixels, both
    directions. A constant offset of brightness costs nothing: that is left to the squared error.

    Args:
        predicted: (N, 3, H, W).
        reference: (N, 3, H, W).

    Returns:
        (N,), 0 for equal images.

    Source: Mathieu, Couprie, LeCun, Deep multi-scale video prediction beyond mean square error
    (2016), equation 6 with alpha = 1.
    """
    difference = predicted - reference  # taking gradients is linear
    total = difference.new_zeros(len(difference))
    for _ in range(_GRADIENT_SCALES):
        if min(difference.shape[-2:]) < 2:
            break
        for axis in (-1, -2):
            total = total + difference.diff(dim=axis).abs().mean(dim=(1, 2, 3))
        difference = F.avg_pool2d(difference, 2)
    return total


def ms_ssim_loss(
    predicted: Float[Tensor, "N 3 H W"], reference: Float[Tensor, "N 3 H W"]
) -> Float[Tensor, "N"]:
    """1 - MS-SSIM.

    MS-SSIM is the product over scales of contrast and structure, at the coarsest scale also of
    luminance, each to its published exponent. Five scales need 176 pixels; smaller images get as
    many as have room for the 11 x 11 window, their exponents scaled to add up to 1.

    Factors are averaged over pixels and channels before they are raised, and bounded below by 0.01:
    one that is zero or negative, as early in training, must not silence the other scales.

    Args:
        predicted: (N, 3, H, W) in [0, 1], at least 11 pixels wide and high.
        reference: (N, 3, H, W) in [0, 1].

    Returns:
        (N,) in [0, 1), 0 for equal images.

    Raises:
        TrainingError: an image is smaller than the window.

    Source: Wang, Simoncelli, Bovik, Multi-scale structural similarity for image quality assessment
    (2003).
    """
    side = min(predicted.shape[-2:])
    if side < _WINDOW:
        raise TrainingError(
            f"ms-ssim needs images of {_WINDOW} pixels or more, got {side}",
            hint="choose rendering.perceptual: gradient, or a larger crop",
        )
    exponents = _MS_SSIM_EXPONENTS[: (side // _WINDOW).bit_length()]
    product = predicted.new_ones(len(predicted))
    for scale, exponent in enumerate(exponents):
        luminance, structure = _ssim_terms(predicted, reference)
        coarsest = scale == len(exponents) - 1
        factor = (luminance * structure if coarsest else structure).mean(dim=(1, 2, 3))
        product = product * factor.clamp_min(_LEAST_FACTOR) ** (exponent / sum(exponents))
        predicted, reference = F.avg_pool2d(predicted, 2), F.avg_pool2d(reference, 2)
    return 1.0 - product


def _ssim_terms(
    first: Float[Tensor, "N 3 H W"], second: Float[Tensor, "N 3 H W"]
) -> tuple[Float[Tensor, "N 3 h w"], Float[Tensor, "N 3 h w"]]:
    """Luminance, and contrast times structure, where the window lies inside the image."""
    places = torch.arange(_WINDOW, dtype=first.dtype, device=first.device) - _WINDOW // 2
    kernel = torch.exp(-places.square() / (2.0 * _SIGMA**2))
    kernel = kernel / kernel.sum()

    def blurred(images: Tensor) -> Tensor:
        down = F.conv2d(images, kernel[:, None].expand(3, 1, -1, 1), groups=3)
        return F.conv2d(down, kernel.expand(3, 1, 1, -1), groups=3)

    mean_a, mean_b = blurred(first), blurred(second)
    variance_a = blurred(first.square()) - mean_a.square()
    variance_b = blurred(second.square()) - mean_b.square()
    covariance = blurred(first * second) - mean_a * mean_b
    luminance = (2.0 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
    structure = (2.0 * covariance + _C2) / (variance_a + variance_b + _C2)
    return luminance, structure


def _lpips(device: str) -> PerceptualLoss:
    name = "lpips/vgg"
    file = WEIGHTS[name]
    try:
        network: Any = load_lpips("vgg", locate_weights(name), device=device).network
    except MetricUnavailableError as error:
        raise TrainingError(
            f"rendering.perceptual is lpips, whose VGG-16 weights are unavailable: {error.message}",
            hint=f"save {file.url} ({file.num_bytes / 1e6:.0f} MB) as {file.filename} in the "
            f"folder that {FOLDER_VARIABLE} names, or choose what to train with instead: "
            "rendering.perceptual=gradient, ms-ssim or none",
        ) from error

    def loss(predicted: Tensor, reference: Tensor) -> Tensor:
        values: Tensor = network(predicted, reference, normalize=True)  # [0, 1] -> [-1, 1]
        return values.flatten()

    return loss
