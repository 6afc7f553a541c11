import math
from dataclasses import replace

import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer

from lrm_core.config import ImageEncoderConfig, load_preset
from lrm_core.models.image_encoder import (
    VitEncoder,
    build_image_encoder,
    resize_position_embedding,
)

DINO = ImageEncoderConfig(
    image_size=64, patch_size=16, width=32, num_layers=2, num_heads=2, position_grid=4
)
DINOV2 = replace(
    DINO, kind="dinov2", num_register_tokens=3, position_interpolation="bicubic_antialias"
)


@pytest.mark.parametrize(("preset", "count"), [("lrm-large", 1025), ("lrm-small", 257)])
def test_token_count_of_the_paper(preset: str, count: int) -> None:
    config = replace(load_preset(preset).encoder, num_layers=1)
    with torch.device("meta"):
        encoder = build_image_encoder(config)
        features = encoder(torch.zeros(1, 3, config.image_size, config.image_size))
    assert features.tokens.shape == (1, count, 768)
    assert features.pyramid == ()


@pytest.mark.parametrize(("size", "count"), [(224, 257), (336, 577), (448, 1025)])
def test_registers_are_dropped(size: int, count: int) -> None:
    config = replace(DINOV2, image_size=size, patch_size=14, position_grid=37)
    with torch.device("meta"):
        tokens = VitEncoder(config)(torch.zeros(2, 3, size, size)).tokens
    assert tokens.shape == (2, count, 32)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (load_preset("lrm-large").encoder, "vit_base_patch16_224.dino"),
        (
            replace(
                load_preset("lrm-large").encoder,
                kind="dinov2",
                patch_size=14,
                position_grid=37,
                num_register_tokens=4,
            ),
            "vit_base_patch14_reg4_dinov2.lvd142m",
        ),
    ],
)
def test_weights_are_those_of_timms_pretrained_models(
    config: ImageEncoderConfig, name: str
) -> None:
    with torch.device("meta"):
        ours = VitEncoder(config).vit.state_dict()
        theirs = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_dino_at_its_own_size_is_timms_forward() -> None:
    torch.manual_seed(0)
    encoder = VitEncoder(DINO)
    reference = VisionTransformer(
        img_size=64, patch_size=16, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )
    reference.load_state_dict(encoder.vit.state_dict())
    image = torch.rand(2, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalized = (image - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(encoder(image).tokens, reference.forward_features(normalized))


def test_dinov2_is_timms_forward_without_registers() -> None:
    torch.manual_seed(0)
    encoder = VitEncoder(replace(DINOV2, pixel_mean=(0.0,) * 3, pixel_std=(1.0,) * 3))
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    reference = VisionTransformer(
        img_size=64,
        patch_size=16,
        embed_dim=32,
        depth=2,
        num_heads=2,
        num_classes=0,
        reg_tokens=3,
        no_embed_class=True,
        init_values=1.0,
        dynamic_img_size=True,
    )
    reference.load_state_dict(encoder.vit.state_dict())
    image = torch.rand(2, 3, 96, 96)  # 6 x 6 patches from a 4 x 4 embedding
    expected = reference.forward_features(image)
    expected = torch.cat([expected[:, :1], expected[:, 4:]], dim=1)
    torch.testing.assert_close(encoder(image).tokens, expected)


def test_bilinear_position_embedding() -> None:
    """A ramp stays a ramp: cell centers of the new grid, clamped at the border."""
    rows = torch.arange(4.0)[:, None].expand(4, 4)
    resized = resize_position_embedding(rows.reshape(1, 16, 1), 8, "bilinear").view(8, 8)
    centers = ((torch.arange(8) + 0.5) / 2 - 0.5).clamp(0, 3)
    torch.testing.assert_close(resized, centers[:, None].expand(8, 8))


def keys_kernel(distance: float, a: float = -0.75) -> float:
    """Cubic convolution (Keys, 1981) with the parameter that image libraries use."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def test_bicubic_position_embedding_keeps_dinos_offset() -> None:
    """DINO samples at (i + 0.5) * stored / (side + 0.1) - 0.5."""
    values = torch.randn(14, generator=torch.Generator().manual_seed(0))
    columns = values.expand(14, 14).reshape(1, 196, 1)
    resized = resize_position_embedding(columns, 32, "bicubic").view(32, 32)
    for i in range(32):
        place = (i + 0.5) * 14 / 32.1 - 0.5
        near = range(math.floor(place) - 1, math.floor(place) + 3)
        expected = sum(values[min(max(j, 0), 13)] * keys_kernel(place - j) for j in near)
        torch.testing.assert_close(resized[5, i], expected, rtol=0, atol=1e-4)


def test_antialiased_position_embedding_is_timms() -> None:
    torch.manual_seed(0)
    embedding = torch.randn(1, 37 * 37, 8)
    expected = resample_abs_pos_embed(embedding, [16, 16], num_prefix_tokens=0)
    actual = resize_position_embedding(embedding, 16, "bicubic_antialias")
    torch.testing.assert_close(actual, expected)


def test_position_embedding_of_the_same_side_is_untouched() -> None:
    embedding = torch.randn(1, 16, 8)
    assert resize_position_embedding(embedding, 4, "bicubic") is embedding


def test_position_embedding_learns_at_another_size() -> None:
    encoder = VitEncoder(replace(DINO, position_grid=2))
    encoder(torch.rand(1, 3, 64, 64)).tokens.sum().backward()
    gradient = encoder.vit.pos_embed.grad
    assert gradient.shape == (1, 5, 32)
    assert (gradient.abs().sum(dim=-1) > 0).all()


def test_activation_checkpointing_keeps_gradients() -> None:
    torch.manual_seed(0)
    encoder = VitEncoder(DINO)
    image = torch.rand(2, 3, 64, 64)
    gradients, nodes = {}, {}
    for on in (False, True):
        encoder.activation_checkpointing = on
        saved = []

        def pack(tensor: torch.Tensor, saved: list[int] = saved) -> torch.Tensor:
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            tokens = encoder(image).tokens
        nodes[on] = len(saved)
        gradients[on] = torch.autograd.grad(tokens.square().sum(), list(encoder.parameters()))
    assert nodes[True] < nodes[False] / 2
    for plain, checkpointed in zip(gradients[False], gradients[True], strict=True):
        torch.testing.assert_close(checkpointed, plain)
