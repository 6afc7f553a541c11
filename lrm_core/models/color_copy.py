"""Colors of unseen surfaces as weighted means of the photo's own (lrm-mini).

What lies behind mostly shows the colors of the front, if not at the same pixel: the back of a head
is hair, not face. A network that regresses such colors turns gray, because it is trained with color
channels in every order; one that points at the pixels to take them from cannot invent a hue (Zhou
et al., View Synthesis by Appearance Flow, 2016; the weights are scaled dot-product attention,
Vaswani et al., 2017, equation 1).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# the photo is averaged over cells this many pixels of the features wide
_CELL = 4
# a cell counts where the object covers at least this share of it
_COVERED = 0.3


class ColorCopy(nn.Module):
    """Attention from every pixel of the features to the cells of the photo.

    Args:
        channels: of the features.
        width: of queries and keys.
    """

    def __init__(self, channels: int, width: int = 24) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.to_query = nn.Conv2d(channels, width, 1)
        self.to_key = nn.Conv2d(channels, width, 1, bias=False)

    def forward(
        self, features: Float[Tensor, "B C H W"], photo: Float[Tensor, "B 4 S S"]
    ) -> Float[Tensor, "B 3 H W"]:
        """Colors in [0, 1], each a mean of colors of the object.

        Args:
            features: of every pixel, at any resolution; H and W multiples of 4.
            photo: premultiplied RGBA in [0, 1].
        """
        size = (features.shape[-2], features.shape[-1])
        cells = (size[0] // _CELL, size[1] // _CELL)
        normed = self.norm(features)
        queries = self.to_query(normed).flatten(2).transpose(1, 2)
        keys = self.to_key(F.adaptive_avg_pool2d(normed, cells)).flatten(2).transpose(1, 2)
        pooled = F.adaptive_avg_pool2d(photo, cells)
        coverage = pooled[:, 3:].flatten(1)
        colors = (pooled[:, :3] / pooled[:, 3:].clamp_min(1e-6)).flatten(2).transpose(1, 2)
        # a photo of thin parts alone has cells too: those that are covered most
        enough = coverage.amax(dim=1, keepdim=True).clamp_max(_COVERED)
        bias = torch.where(coverage >= enough, 0.0, -math.inf)[:, None].to(queries.dtype)
        # written out: with a mask PyTorch's kernels for CPUs take twice as long
        bias = bias.expand(-1, queries.shape[1], -1)
        scores = torch.baddbmm(bias, queries * queries.shape[-1] ** -0.5, keys.transpose(1, 2))
        copied = scores.softmax(dim=-1) @ colors.to(scores)
        return copied.transpose(1, 2).reshape(len(photo), 3, *size)
