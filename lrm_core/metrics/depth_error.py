"""Difference of two depth maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class DepthError:
    """Depth difference of each of B views, and over how much of the object it was taken.

    Attributes:
        mean_absolute: (B,) float64, mean |difference| where both see the object; nan where no
            pixel sees both.
        coverage: (B,) float64, share of the pixels that see the reference at which the prediction
            is seen too; nan where the reference is out of sight.
    """

    mean_absolute: Float[Tensor, "B"]
    coverage: Float[Tensor, "B"]


def depth_error(predicted: Float[Tensor, "B H W"], reference: Float[Tensor, "B H W"]) -> DepthError:
    """Mean absolute depth difference of each view.

        error = mean of |predicted - reference| over pixels where both are finite
        coverage = #(both finite) / #(reference finite)

    Unlike in monocular depth estimation nothing is scaled: camera and object size are given. Read
    the error with the coverage: a prediction that leaves out what it cannot guess has a small one.

    Args:
        predicted: (B, H, W) depth along the viewing axis, infinity where nothing is seen.
        reference: (B, H, W) the same of the reference.

    Source: the absolute error of Eigen, Puhrsch, Fergus (2014), without their scale.
    """
    seen = predicted.isfinite() & reference.isfinite()
    difference = torch.where(seen, predicted.double() - reference.double(), 0.0)
    count = seen.sum(dim=(1, 2)).double()
    return DepthError(
        mean_absolute=difference.abs().sum(dim=(1, 2)) / count,  # 0 / 0 is nan
        coverage=count / reference.isfinite().sum(dim=(1, 2)).double(),
    )
