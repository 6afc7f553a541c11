"""One layer of the image-to-triplane decoder: cross-attention, self-attention, MLP.

Source: paper, section 3.2, equations 3 to 5, and appendix A.2. TripoSR's layer is the same with
self-attention first, plain LayerNorm and GEGLU (Shazeer, 2020); `DecoderConfig` says which.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import DecoderConfig
from lrm_core.models.attention import attention
from lrm_core.models.modulation import ModLN

# On a CPU, so that the inner activations stay in its cache: a tenth of a bfloat16 layer's time.
_TOKENS_AT_ONCE = 512


class Attention(nn.Module):
    """Multi-head attention without biases (appendix A.2, equations 14 to 21).

    Args:
        width: width of the queries and of the output.
        num_heads: heads; must divide `width`.
        context_width: width of the tokens attended to; `width` for self-attention.
        output_bias: whether the output projection has a bias.
    """

    def __init__(
        self, width: int, num_heads: int, *, context_width: int, output_bias: bool = False
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(context_width, width, bias=False)
        self.value = nn.Linear(context_width, width, bias=False)
        self.output = nn.Linear(width, width, bias=output_bias)

    def forward(
        self, tokens: Float[Tensor, "B N D"], context: Float[Tensor, "B K E"]
    ) -> Float[Tensor, "B N D"]:
        """Attend from tokens (B, N, D) to context (B, K, E)."""
        query, key, value = (
            projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, N, D/heads)
            for projected in (self.query(tokens), self.key(context), self.value(context))
        )
        attended = attention(query, key, value)
        result: Tensor = self.output(attended.transpose(1, 2).flatten(-2))
        return result


class FeedForward(nn.Module):
    """Two linear layers, inner width 4x, with GELU or GEGLU between.

    Args:
        width: width of the tokens.
        gated: GEGLU, value * GELU(gate), instead of GELU.
    """

    def __init__(self, width: int, *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.expand = nn.Linear(width, (8 if gated else 4) * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Mix the channels of every token (B, N, D)."""
        if tokens.device.type != "cpu" or torch.is_grad_enabled():
            return self._mixed(tokens)
        # of all images in one row: parts across images would not be contiguous
        parts = torch.split(tokens.flatten(0, 1), _TOKENS_AT_ONCE)
        return torch.cat([self._mixed(part) for part in parts]).view_as(tokens)

    def _mixed(self, tokens: Tensor) -> Tensor:
        inner = self.expand(tokens)
        if self.gated:
            value, gate = inner.chunk(2, dim=-1)
            inner = value * F.gelu(gate)
        else:
            inner = F.gelu(inner)
        result: Tensor = self.contract(inner)
        return result


class DecoderBlock(nn.Module):
    """Pre-norm cross-attention to the image, self-attention and MLP, each with a residual.

    Args:
        config: width, heads, order of the sub-layers, kind of MLP and of normalization.
        image_width: width of the image tokens.
    """

    def __init__(self, config: DecoderConfig, image_width: int) -> None:
        super().__init__()
        width, heads, bias = config.width, config.num_heads, config.attention_output_bias
        self.self_attention_first = config.sublayer_order == "self_cross_mlp"
        self.cross_norm = _norm(config)
        self.cross_attention = Attention(width, heads, context_width=image_width, output_bias=bias)
        self.self_norm = _norm(config)
        self.self_attention = Attention(width, heads, context_width=width, output_bias=bias)
        self.mlp_norm = _norm(config)
        self.mlp = FeedForward(width, gated=config.feed_forward == "geglu")

    def forward(
        self,
        tokens: Float[Tensor, "B N D"],
        image_tokens: Float[Tensor, "B K E"],
        camera: Float[Tensor, "B M"] | None,
    ) -> Float[Tensor, "B N D"]:
        """Update triplane tokens.

        Args:
            tokens: (B, N, D) triplane tokens.
            image_tokens: (B, K, E) from the image encoder.
            camera: (B, M) camera embedding; None for models without a camera feature.
        """
        if self.self_attention_first:
            tokens = self._attend_to_self(tokens, camera)
            tokens = self._attend_to_image(tokens, image_tokens, camera)
        else:
            tokens = self._attend_to_image(tokens, image_tokens, camera)
            tokens = self._attend_to_self(tokens, camera)
        mixed: Tensor = self.mlp(_normalize(self.mlp_norm, tokens, camera))
        return tokens + mixed

    def _attend_to_image(
        self, tokens: Tensor, image_tokens: Tensor, camera: Tensor | None
    ) -> Tensor:
        attended: Tensor = self.cross_attention(
            _normalize(self.cross_norm, tokens, camera), image_tokens
        )
        return tokens + attended

    def _attend_to_self(self, tokens: Tensor, camera: Tensor | None) -> Tensor:
        normalized = _normalize(self.self_norm, tokens, camera)
        attended: Tensor = self.self_attention(normalized, normalized)
        return tokens + attended


def _norm(config: DecoderConfig) -> nn.Module:
    if config.camera_feature == "none":
        return nn.LayerNorm(config.width, eps=config.norm_eps)
    return ModLN(
        config.width,
        config.camera_embedding_width,
        config.norm_eps,
        num_layers=config.modulation_layers,
    )


def _normalize(norm: nn.Module, tokens: Tensor, camera: Tensor | None) -> Tensor:
    normalized: Tensor = norm(tokens) if camera is None else norm(tokens, camera)
    return normalized
