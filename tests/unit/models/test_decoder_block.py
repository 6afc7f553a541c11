import pytest
import torch
from torch import Tensor, nn

from lrm_core.config import DecoderConfig
from lrm_core.models import decoder_block
from lrm_core.models.decoder_block import Attention, DecoderBlock, FeedForward


def torch_attention(ours: Attention, context_width: int) -> nn.MultiheadAttention:
    """PyTorch's own attention with the same weights."""
    width = ours.query.in_features
    theirs = nn.MultiheadAttention(
        width,
        ours.num_heads,
        bias=ours.output.bias is not None,
        kdim=context_width,
        vdim=context_width,
        batch_first=True,
    )
    with torch.no_grad():
        if theirs.in_proj_weight is None:
            theirs.q_proj_weight.copy_(ours.query.weight)
            theirs.k_proj_weight.copy_(ours.key.weight)
            theirs.v_proj_weight.copy_(ours.value.weight)
        else:
            packed = [ours.query.weight, ours.key.weight, ours.value.weight]
            theirs.in_proj_weight.copy_(torch.cat(packed))
        theirs.out_proj.weight.copy_(ours.output.weight)
        if ours.output.bias is not None:
            theirs.in_proj_bias.zero_()
            theirs.out_proj.bias.copy_(ours.output.bias)
    return theirs


@pytest.mark.parametrize(("context_width", "bias"), [(12, False), (20, False), (20, True)])
def test_attention_is_multi_head_attention(context_width: int, bias: bool) -> None:
    torch.manual_seed(0)
    ours = Attention(12, 3, context_width=context_width, output_bias=bias)
    tokens, context = torch.randn(2, 7, 12), torch.randn(2, 5, context_width)
    expected, _ = torch_attention(ours, context_width)(tokens, context, context)
    torch.testing.assert_close(ours(tokens, context), expected)


def test_attention_has_no_biases() -> None:
    names = {name for name, _ in Attention(8, 2, context_width=8).named_parameters()}
    assert names == {f"{part}.weight" for part in ("query", "key", "value", "output")}


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def test_feed_forward_gelu() -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(6, gated=False), torch.randn(3, 4, 6)
    assert layer.expand.out_features == 24
    torch.testing.assert_close(layer(x), layer.contract(gelu(layer.expand(x))))


def test_feed_forward_geglu() -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(6, gated=True), torch.randn(3, 4, 6)
    both = layer.expand(x)
    torch.testing.assert_close(layer(x), layer.contract(both[..., :24] * gelu(both[..., 24:])))


@pytest.mark.parametrize("gated", [False, True])
def test_feed_forward_in_parts_is_the_whole(monkeypatch: pytest.MonkeyPatch, gated: bool) -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(6, gated=gated), torch.randn(3, 11, 6)
    whole = layer(x)
    monkeypatch.setattr(decoder_block, "_TOKENS_AT_ONCE", 4)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), whole)


@pytest.mark.parametrize("order", ["cross_self_mlp", "self_cross_mlp"])
@pytest.mark.parametrize("camera_feature", ["camera20", "none"])
def test_block_follows_equations_3_to_5(order: str, camera_feature: str) -> None:
    torch.manual_seed(0)
    config = DecoderConfig(
        width=12,
        num_heads=3,
        camera_feature=camera_feature,
        camera_embedding_width=5,
        sublayer_order=order,
    )
    block = DecoderBlock(config, image_width=20)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    tokens, image = torch.randn(2, 7, 12), torch.randn(2, 9, 20)
    camera = torch.randn(2, 5) if camera_feature != "none" else None

    def norm(layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x) if camera is None else layer(x, camera)

    def cross(x: Tensor) -> Tensor:
        attend = torch_attention(block.cross_attention, 20)
        return x + attend(norm(block.cross_norm, x), image, image)[0]

    def to_self(x: Tensor) -> Tensor:
        attend = torch_attention(block.self_attention, 12)
        y = norm(block.self_norm, x)
        return x + attend(y, y, y)[0]

    expected = to_self(cross(tokens)) if order == "cross_self_mlp" else cross(to_self(tokens))
    expected = expected + block.mlp(norm(block.mlp_norm, expected))
    torch.testing.assert_close(block(tokens, image, camera), expected, rtol=1e-4, atol=1e-4)
