"""Overlap of two silhouettes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def silhouette_iou(
    predicted: Float[Tensor, "B H W"], reference: Float[Tensor, "B H W"]
) -> Float[Tensor, "B"]:
    """Intersection over union of each pair of silhouettes.

        IoU = #(both >= 0.5) / #(either >= 0.5), 1 where both are empty

    Args:
        predicted: (B, H, W) opacity in [0, 1].
        reference: (B, H, W) opacity in [0, 1].

    Returns:
        (B,) float64 in [0, 1].

    Source: Jaccard (1912), as in every segmentation benchmark.
    """
    a, b = predicted >= 0.5, reference >= 0.5
    union = (a | b).sum(dim=(1, 2)).double()
    intersection = (a & b).sum(dim=(1, 2)).double()
    return torch.where(union > 0, intersection / union.clamp(min=1.0), 1.0)
