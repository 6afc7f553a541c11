"""Pixel-aligned features for the front plane (lrm-mini).

With planes in the source camera's perspective (`structures/triplane.py`, `Frustum`) the x-z plane
*is* the image: a decoder from the encoder's tokens and pyramid to that plane (a U-Net's way up,
Ronneberger et al., 2015) gives every ray of the photo its own features, which the paper's
cross-attention would have to learn. The transformer keeps the other two planes, and helps here.

Features of a ray say nothing about depth by themselves, so the x-y plane carries a fixed Fourier
code of y (Mildenhall et al., 2020, section 5.1): "solid between these two depths" is then a few
hidden units of the NeRF MLP.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import ModelConfig
from lrm_core.models.image_features import ImageFeatures
from lrm_core.models.rgba_encoder import PHOTO_CHANNELS, ResidualConvolution

FRONT_PLANE = 1  # (x, z)
DEPTH_FREQUENCIES = (0.5, 1.0, 2.0, 4.0)
DEPTH_CHANNELS = 1 + 2 * len(DEPTH_FREQUENCIES)


def depth_code(size: int, like: Tensor) -> Float[Tensor, "D S S"]:
    """(DEPTH_CHANNELS, size, size) Fourier code of the row coordinate of a plane, in [-1, 1].

    Args:
        size: side of the plane.
        like: gives device and number format.
    """
    y = (torch.arange(size, device=like.device, dtype=torch.float32) + 0.5) / size * 2.0 - 1.0
    waves = [wave(torch.pi * f * y) for f in DEPTH_FREQUENCIES for wave in (torch.sin, torch.cos)]
    return torch.stack([y, *waves])[:, :, None].expand(-1, -1, size).to(like.dtype)


class FrontPlaneSkip(nn.Module):
    """Planes at image resolution, the front one from the image's own features.

    The last five channels of the front plane are the prepared photo itself, so that colours of
    visible points need not pass a bottleneck; the last nine of the x-y plane are `depth_code`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = config.encoder.stem_widths
        channels = config.decoder.channels
        self.patch_size = config.encoder.patch_size
        above = (*widths[1:], config.encoder.width)
        self.lift = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for coarse, fine in zip(above, widths, strict=True)
        )
        self.merge = nn.ModuleList(ResidualConvolution(width) for width in widths)
        self.from_plane = nn.Conv2d(channels, widths[0], 1)
        self.to_plane = nn.Conv2d(widths[0], channels - PHOTO_CHANNELS, 1)

    def forward(
        self,
        planes: Float[Tensor, "B 3 C H W"],
        features: ImageFeatures,
    ) -> Float[Tensor, "B 3 C S S"]:
        """Resize all planes to the image and rebuild the front one.

        Args:
            planes: the decoder's planes, any resolution.
            features: tokens and pyramid of `RgbaEncoder` for S x S images.
        """
        batch, _, channels, _, _ = planes.shape
        photo, *pyramid = features.pyramid
        size = photo.shape[-1]
        resized = F.interpolate(
            planes.flatten(0, 1), size=(size, size), mode="bilinear", align_corners=False
        ).view(batch, 3, channels, size, size)
        # image rows run downward, plane rows upward along z
        from_decoder = resized[:, FRONT_PLANE].flip(-2)
        grid = size // self.patch_size
        batch_tokens = features.tokens.transpose(1, 2)  # (B, E, N)
        x = batch_tokens.reshape(batch, -1, grid, grid)
        for level in reversed(range(len(self.lift))):
            skip = pyramid[level]
            x = F.interpolate(
                self.lift[level](x), size=skip.shape[-2:], mode="bilinear", align_corners=False
            )
            x = x + skip
            if level == 0:
                x = x + self.from_plane(from_decoder)
            x = self.merge[level](x)
        front = torch.cat([self.to_plane(x), photo.to(x.dtype)], dim=1).flip(-2)
        code = depth_code(size, resized).expand(batch, -1, -1, -1)
        top = torch.cat([resized[:, 0, :-DEPTH_CHANNELS], code], dim=1)
        return torch.stack([top, front, resized[:, 2]], dim=1)
