"""Image -> tokens: the ViT encoders, through timm.

Source: paper, section 3.1 and appendix A.2 (DINO ViT-B/16, Caron et al., 2021); DINOv2 with
registers (Oquab et al., 2023; Darcet et al., 2024) for OpenLRM 1.1.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lrm_core.config import ImageEncoderConfig
from lrm_core.models.image_features import ImageFeatures


def build_image_encoder(config: ImageEncoderConfig) -> nn.Module:
    """The image encoder of a configuration; `forward(image (B, C, H, W)) -> ImageFeatures`."""
    if config.kind == "rgba":
        from lrm_core.models.rgba_encoder import RgbaEncoder

        return RgbaEncoder(config)
    return VitEncoder(config)


def resize_position_embedding(
    embedding: Float[Tensor, "1 N E"], side: int, interpolation: str
) -> Float[Tensor, "1 M E"]:
    """Resample the position embedding of a square grid of patches.

    Source: paper, appendix A.2 (bilinear); the code of DINO and DINOv2.

    Args:
        embedding: (1, N, E), N a square number, row by row; patches only.
        side: side of the new grid, M = side^2.
        interpolation: "bilinear"; "bicubic", DINO's own, which samples on a grid of
            side + 0.1 cells (TripoSR's weights were trained with that); or "bicubic_antialias",
            DINOv2's with registers.
    """
    stored = math.isqrt(embedding.shape[1])
    if stored == side:
        return embedding
    # (1, E, stored, stored), float32: half precision lacks kernels for some modes
    grid = embedding.view(1, stored, stored, -1).permute(0, 3, 1, 2).float()
    if interpolation == "bilinear":
        resized = F.interpolate(grid, size=(side, side), mode="bilinear")
    elif interpolation == "bicubic":
        resized = F.interpolate(grid, scale_factor=(side + 0.1) / stored, mode="bicubic")
    else:
        resized = F.interpolate(grid, size=(side, side), mode="bicubic", antialias=True)
    return resized.permute(0, 2, 3, 1).flatten(1, 2).to(embedding.dtype)


class VitEncoder(nn.Module):
    """DINO or DINOv2 vision transformer.

    The weights are timm's, under `vit.`, so that its pre-trained DINO checkpoints fit as they are.
    The position embedding stays as stored and is resized to the token grid on every call, so that
    it can be trained at any image size.

    Args:
        config: `kind` dino (class token with a position of its own) or dinov2 (registers, layer
            scale, no position for the class token) and sizes.

    Attributes:
        activation_checkpointing: as `TriplaneDecoder`'s.
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.activation_checkpointing = False
        # takes a second, and models with the rgba encoder need none of it
        from timm.models.vision_transformer import VisionTransformer

        self.config = config
        v2 = config.kind == "dinov2"
        self.vit: Any = VisionTransformer(
            img_size=config.position_grid * config.patch_size,
            patch_size=config.patch_size,
            embed_dim=config.width,
            depth=config.num_layers,
            num_heads=config.num_heads,
            num_classes=0,
            reg_tokens=config.num_register_tokens,
            no_embed_class=v2,
            init_values=1.0 if v2 else None,
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=config.norm_eps),
        )

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> ImageFeatures:
        """Encode.

        Args:
            image: (B, 3, H, W) in [0, 1], H = W a multiple of the patch size.

        Returns:
            Tokens (B, 1 + (H / patch)^2, E) after the final norm: [CLS], then the patches row by
            row; registers are dropped.
        """
        mean = image.new_tensor(self.config.pixel_mean)[:, None, None]
        std = image.new_tensor(self.config.pixel_std)[:, None, None]
        patches = self.vit.patch_embed((image - mean) / std)  # (B, side, side, E)
        side = patches.shape[1]
        interpolation = self.config.position_interpolation
        position, class_token = self.vit.pos_embed, self.vit.cls_token
        if not self.vit.no_embed_class:
            class_token = class_token + position[:, :1]
            position = position[:, 1:]
        tokens = patches.flatten(1, 2) + resize_position_embedding(position, side, interpolation)
        prefix = [class_token] if self.vit.reg_token is None else [class_token, self.vit.reg_token]
        prefix = [token.expand(len(image), -1, -1) for token in prefix]
        tokens = torch.cat([*prefix, tokens], dim=1)
        for block in self.vit.blocks:
            if self.activation_checkpointing and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, use_reentrant=False, preserve_rng_state=False)
            else:
                tokens = block(tokens)
        tokens = self.vit.norm(tokens)
        first_patch = 1 + self.config.num_register_tokens
        return ImageFeatures(torch.cat([tokens[:, :1], tokens[:, first_patch:]], dim=1))
