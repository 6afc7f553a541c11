"""The image-to-triplane decoder: learned tokens -> layers -> de-convolution -> planes.

Source: paper, section 3.2 and appendix A.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lrm_core.config import DecoderConfig
from lrm_core.models.decoder_block import DecoderBlock


class ResidualProjection(nn.Module):
    """TripoSR's frame around the layers: x + Linear(layers(Linear(GroupNorm(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.before = nn.Linear(width, width)
        self.after = nn.Linear(width, width)

    def enter(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """What the first layer sees; groups of channels are normalized over all tokens."""
        projected: Tensor = self.before(self.norm(tokens.transpose(1, 2)).transpose(1, 2))
        return projected

    def leave(
        self, tokens: Float[Tensor, "B N D"], inner: Float[Tensor, "B N D"]
    ) -> Float[Tensor, "B N D"]:
        """Original tokens plus what the layers made of them."""
        projected: Tensor = self.after(inner)
        return tokens + projected


class TriplaneDecoder(nn.Module):
    """Image tokens and camera embedding -> three feature planes.

    Linear layers start as in DiT (Xavier uniform, zero biases); the learned tokens start as
    N(0, 1) / sqrt(D), as OpenLRM's.

    Args:
        config: sizes and kind of the layers.
        image_width: width of the image tokens.

    Attributes:
        activation_checkpointing: in training keep only what enters each layer, and compute the
            layer again in the backward pass (Chen et al., 2016): same gradients, less memory,
            a third more time.
    """

    def __init__(self, config: DecoderConfig, image_width: int) -> None:
        super().__init__()
        self.activation_checkpointing = False
        self.token_resolution = config.token_resolution
        # plane by plane, row by row
        self.triplane_tokens = nn.Parameter(
            torch.empty(3 * config.token_resolution**2, config.width)
        )
        nn.init.normal_(self.triplane_tokens, std=config.width**-0.5)
        self.blocks = nn.ModuleList(
            DecoderBlock(config, image_width) for _ in range(config.num_layers)
        )
        self.residual_projection: ResidualProjection | None = None
        self.output_norm: nn.LayerNorm | None = None
        if config.residual_projection:
            self.residual_projection = ResidualProjection(config.width)
        else:
            self.output_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.upsample = nn.ConvTranspose2d(
            config.width, config.channels, kernel_size=config.upsample, stride=config.upsample
        )
        self._initialize()

    def _initialize(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and ".modulation." not in name:
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(
        self,
        image_tokens: Float[Tensor, "B K E"],
        camera: Float[Tensor, "B M"] | None,
    ) -> Float[Tensor, "B 3 C H W"]:
        """Decode.

        Args:
            image_tokens: (B, K, E) from the image encoder.
            camera: (B, M) camera embedding; None for models without a camera feature.

        Returns:
            (B, 3, C, H, W) planes, H = W = token resolution x upsample.
        """
        return self.enlarge(self.decode(image_tokens, camera))

    def decode(
        self,
        image_tokens: Float[Tensor, "B K E"],
        camera: Float[Tensor, "B M"] | None,
    ) -> Float[Tensor, "B 3 D T T"]:
        """All layers, without the de-convolution: the tokens of three planes.

        Args:
            image_tokens: as in `forward`.
            camera: as in `forward`.
        """
        tokens = self.triplane_tokens.expand(len(image_tokens), -1, -1)
        x = tokens if self.residual_projection is None else self.residual_projection.enter(tokens)
        for block in self.blocks:
            if self.activation_checkpointing and torch.is_grad_enabled():
                # no layer draws random numbers
                x = checkpoint(
                    block, x, image_tokens, camera, use_reentrant=False, preserve_rng_state=False
                )
            else:
                x = block(x, image_tokens, camera)
        if self.residual_projection is not None:
            x = self.residual_projection.leave(tokens, x)
        elif self.output_norm is not None:
            x = self.output_norm(x)
        side = self.token_resolution
        return x.reshape(len(x), 3, side, side, -1).permute(0, 1, 4, 2, 3)

    def enlarge(self, tokens: Float[Tensor, "B 3 D T T"]) -> Float[Tensor, "B 3 C H W"]:
        """The de-convolution."""
        planes: Tensor = self.upsample(tokens.flatten(0, 1))
        return planes.view(-1, 3, *planes.shape[1:])
