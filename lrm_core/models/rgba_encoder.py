"""The small RGBA encoder of lrm-mini: a convolution stem, then a ViT on its coarsest map.

No pre-trained backbone is involved. The stem keeps every resolution, so that pixel-aligned features
reach the front plane of the triplane (`front_plane_skip.py`); alpha is an input, since the
silhouette is known when a photo is reconstructed. Patch tokens without a separate backbone follow
MeshLRM (Wei et al., 2024); the stem is an ordinary residual network (He et al., 2016) in pre-norm
form.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import ImageEncoderConfig
from lrm_core.models.image_features import ImageFeatures
from lrm_core.models.silhouette_distance import distance_inside

PHOTO_CHANNELS = 5


def prepared_photo(image: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 5 H W"]:
    """Premultiplied colour and alpha in [-1, 1], and the distance to the silhouette.

    Colour under alpha 0 means nothing: premultiplied, it cannot be seen.
    """
    alpha = image[:, 3:]
    colour = torch.cat([image[:, :3] * alpha, alpha], dim=1) * 2.0 - 1.0
    return torch.cat([colour, distance_inside(alpha)], dim=1)


class ResidualConvolution(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), channels and size unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = channels // 8
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """One pre-norm residual block."""
        inner = self.conv1(F.silu(self.norm1(x)))
        residual: Tensor = self.conv2(F.silu(self.norm2(inner)))
        return x + residual


class RgbaEncoder(nn.Module):
    """RGBA image -> tokens and a pyramid of pixel-aligned features.

    Args:
        config: `kind: rgba`; `stem_widths` are the channels at full, half, ... resolution, and
            `patch_size` must be 2 ** len(stem_widths).

    Raises:
        ValueError: patch_size does not follow from stem_widths.
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        if config.patch_size != 2 ** len(config.stem_widths):
            raise ValueError(
                f"patch_size must be 2 ** len(stem_widths) = {2 ** len(config.stem_widths)}, "
                f"got {config.patch_size}"
            )
        widths = (PHOTO_CHANNELS, *config.stem_widths)
        self.stem = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=1 if level == 0 else 2, padding=1),
                ResidualConvolution(after),
            )
            for level, (before, after) in enumerate(pairwise(widths))
        )
        self.patch_embedding = nn.Conv2d(widths[-1], config.width, 3, stride=2, padding=1)
        side = config.image_size // config.patch_size
        self.position_embedding = nn.Parameter(torch.empty(1, config.width, side, side))
        nn.init.normal_(self.position_embedding, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                config.num_heads,
                dim_feedforward=4 * config.width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, image: Float[Tensor, "B 4 H W"]) -> ImageFeatures:
        """Encode.

        Args:
            image: straight-alpha RGBA in [0, 1].

        Returns:
            tokens (B, N, E), N = (H / patch)^2, row-major from the top left; as pyramid
            `prepared_photo`, then the stem's maps from full resolution down. Any multiple of the
            patch size will do as H: the position embedding is resized, so that training can begin
            at low resolution.
        """
        photo = prepared_photo(image)
        x, pyramid = photo, [photo]
        for level in self.stem:
            x = level(x)
            pyramid.append(x)
        x = self.patch_embedding(x)
        position = F.interpolate(
            self.position_embedding, size=x.shape[-2:], mode="bilinear", align_corners=False
        )
        x = x + position
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, E)
        for block in self.blocks:
            tokens = block(tokens)
        return ImageFeatures(tokens=self.norm(tokens), pyramid=tuple(pyramid))
