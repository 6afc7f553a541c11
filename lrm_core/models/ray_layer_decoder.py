"""Image features -> the front plane and what every ray of the photo meets (lrm-mini).

With planes in the source camera's perspective (`structures/triplane.py`, `Frustum`) the x-z plane
*is* the image. A U-Net's way up (Ronneberger et al., 2015) from the encoder's tokens, the triplane
transformer's front plane and the backbone's maps gives every ray of the photo its own features, and
for each the depths of its first and last surface and the color of the last: quantities that can be
supervised at every pixel.

The color behind is the photo's own at the same pixel where object and texture are alike on both
sides, or one that is copied from elsewhere in the photo: the network says how much of each. At the
resolution of the photo that keeps the pattern of a shoe or a plush animal as crisp behind as in
front.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import ModelConfig
from lrm_core.models.color_copy import ColorCopy
from lrm_core.models.efficientnet_lite import pyramid_channels
from lrm_core.models.image_features import ImageFeatures
from lrm_core.models.rgba_encoder import (
    PHOTO_CHANNELS,
    SILHOUETTE_CHANNELS,
    TOKEN_STRIDE,
    silhouette_maps,
)

FRONT_PLANE = 1  # (x, z)
DEPTH_FREQUENCIES = (0.5, 1.0, 2.0, 4.0)
DEPTH_CHANNELS = 1 + 2 * len(DEPTH_FREQUENCIES)

RAY_OUTPUTS = 6
"""First depth, last depth, r, g, b copied from elsewhere, raw share of the pixel's own color."""

# where an object of the training data begins and ends on average
_TYPICAL_DEPTHS = (-0.4, 0.4)


def depth_code(size: int, like: Tensor) -> Float[Tensor, "D S S"]:
    """(DEPTH_CHANNELS, size, size) Fourier code of the row coordinate of a plane, in [-1, 1].

    Features of a ray say nothing about depth by themselves; with this code on the x-y plane
    (Mildenhall et al., 2020, section 5.1) a depth is a few hidden units of the NeRF MLP.

    Args:
        size: side of the plane.
        like: gives device and number format.
    """
    y = (torch.arange(size, device=like.device, dtype=torch.float32) + 0.5) / size * 2.0 - 1.0
    waves = [wave(torch.pi * f * y) for f in DEPTH_FREQUENCIES for wave in (torch.sin, torch.cos)]
    return torch.stack([y, *waves])[:, :, None].expand(-1, -1, size).to(like.dtype)


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


class RayLayerDecoder(nn.Module):
    """Planes at half the image's resolution, the front one from its own features; ray outputs.

    The last five channels of the front plane are the prepared photo itself; the last nine of the
    x-y plane are `depth_code`.

    Args:
        config: `decoder.ray_widths` are the channels at full, 1/2, 1/4, 1/8 and 1/16 resolution.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        finest, *widths = config.decoder.ray_widths
        channels = config.decoder.channels
        maps = pyramid_channels(config.encoder.backbone)[: len(widths) - 1]
        coarsest = widths[-1]
        self.from_tokens = nn.Conv2d(config.encoder.width, coarsest, 1)
        self.from_plane = nn.Conv2d(config.decoder.width, coarsest, 1)
        self.merge_coarsest = ResidualConvolution(coarsest)
        self.lift = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(widths)
        )
        self.skip = nn.ModuleList(
            nn.Conv2d(found + SILHOUETTE_CHANNELS, width, 1)
            for found, width in zip(maps, widths[:-1], strict=True)
        )
        self.merge = nn.ModuleList(ResidualConvolution(width) for width in widths[:-1])
        # each half-resolution pixel becomes 2 x 2: less work than convolutions of full width
        self.enlarge = nn.Conv2d(widths[0], 4 * finest, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(finest + PHOTO_CHANNELS, finest, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(finest, finest, 3, padding=1),
            nn.SiLU(),
        )
        self.to_plane = nn.Conv2d(widths[0], channels - PHOTO_CHANNELS, 1)
        self.color_copy = ColorCopy(widths[0])
        self.to_rays = nn.Conv2d(finest, RAY_OUTPUTS - 3, 1)
        nn.init.zeros_(self.to_rays.weight)
        self.to_rays.bias = nn.Parameter(torch.zeros(RAY_OUTPUTS - 3))
        with torch.no_grad():
            self.to_rays.bias[:2] = torch.tensor(_TYPICAL_DEPTHS)

    def forward(
        self,
        planes: Float[Tensor, "N 3 C H W"],
        plane_tokens: Float[Tensor, "B D T T"],
        features: ImageFeatures,
    ) -> tuple[Float[Tensor, "N 3 C h w"], Float[Tensor, "B 6 S S"]]:
        """Rebuild the front plane, and say what its rays meet.

        Args:
            planes: the triplane decoder's planes, of all images or of the first ones: colors are
                copied for those alone; resized where they are not half as wide as the image.
            plane_tokens: its last tokens of the front plane, rows upward.
            features: tokens and pyramid of `RgbaEncoder` for S x S images.

        Returns:
            planes, and `RAY_OUTPUTS` of every pixel in the order of the image, float32; copied
            colors are 0 where there are no planes.
        """
        photo, *maps = features.pyramid
        size = photo.shape[-1]
        grid = size // TOKEN_STRIDE
        tokens = features.tokens.transpose(1, 2).reshape(len(photo), -1, grid, grid)
        # image rows run downward, plane rows upward along z
        inner = F.interpolate(plane_tokens.flip(-2), size=(grid, grid), mode="bilinear")
        x = self.merge_coarsest(self.from_tokens(tokens) + self.from_plane(inner))
        for level in reversed(range(len(self.lift))):
            found = maps[level]
            place = (found.shape[-2], found.shape[-1])
            x = F.interpolate(self.lift[level](x), size=place, mode="bilinear")
            skip = torch.cat([found, silhouette_maps(photo, place).to(found.dtype)], dim=1)
            x = self.merge[level](x + self.skip[level](skip))
        if planes.shape[-1] != x.shape[-1]:
            resized = F.interpolate(planes.flatten(0, 1), size=x.shape[-2:], mode="bilinear")
            planes = resized.view(*planes.shape[:2], *resized.shape[1:])
        colored = len(planes)
        half_photo = F.avg_pool2d(photo[:colored], 2).to(planes.dtype)
        own = self.to_plane(x[:colored]).to(planes.dtype)
        front = torch.cat([own, half_photo], dim=1).flip(-2)
        code = depth_code(planes.shape[-1], planes).expand(colored, -1, -1, -1)
        top = torch.cat([planes[:, 0, :-DEPTH_CHANNELS], code], dim=1)
        planes = torch.stack([top, front, planes[:, 2]], dim=1)

        shown = photo[:colored, :4] * 0.5 + 0.5  # premultiplied
        copied = self.color_copy(x[:colored], shown)
        copied = F.interpolate(copied, scale_factor=2, mode="bilinear")
        if colored < len(photo):
            missing = copied.new_zeros(len(photo) - colored, *copied.shape[1:])
            copied = torch.cat([copied, missing])
        x = F.pixel_shuffle(self.enlarge(x), 2)
        x = self.refine(torch.cat([x, photo.to(x.dtype)], dim=1))
        with torch.autocast(x.device.type, enabled=False):  # depths need more than eight bits
            # a 1 x 1 convolution; as a product its gradient costs a tenth on a CPU
            kernel, bias = self.to_rays.weight.float().flatten(1), self.to_rays.bias
            assert bias is not None
            rays = (kernel @ x.float().flatten(2)).unflatten(2, x.shape[2:])
            rays = rays + bias.float()[:, None, None]
        return planes, torch.cat([rays[:, :2], copied.float(), rays[:, 2:]], dim=1)
