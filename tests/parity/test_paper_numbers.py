"""The presets of the paper's models against its numbers, written down here and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

import pytest
import torch

from lrm_core.config import load_preset
from lrm_core.models.decoder_block import DecoderBlock

FINAL_MODEL = {
    "encoder.kind": "dino",  # 3.1
    "encoder.image_size": 512,  # 4.2
    "encoder.patch_size": 16,  # 4.2: 1025 tokens
    "encoder.width": 768,  # 4.2
    "encoder.num_layers": 12,  # ViT-B/16
    "encoder.num_heads": 12,  # ViT-B/16
    "encoder.num_register_tokens": 0,
    "encoder.position_grid": 14,  # A.2: 224 px
    "encoder.position_interpolation": "bilinear",  # A.2
    "encoder.pixel_mean": (0.485, 0.456, 0.406),  # ImageNet's, as DINO was trained
    "encoder.pixel_std": (0.229, 0.224, 0.225),
    "encoder.norm_eps": 1e-6,  # DINO's
    "decoder.width": 1024,  # 4.2
    "decoder.num_layers": 16,  # 4.2
    "decoder.num_heads": 16,  # 64 channels per head
    "decoder.camera_feature": "camera20",  # 3.2: 16 + 4 numbers
    "decoder.camera_embedding_width": 1024,
    "decoder.modulation_layers": 2,  # equation 1
    "decoder.sublayer_order": "cross_self_mlp",  # equations 3 to 5
    "decoder.feed_forward": "gelu",  # A.2
    "decoder.attention_output_bias": False,  # A.2
    "decoder.residual_projection": False,
    "decoder.norm_eps": 1e-5,
    "decoder.token_resolution": 32,  # 3.2
    "decoder.upsample": 2,  # 3.2: 64 x 64
    "decoder.channels": 80,  # 4.2
    "decoder.ray_widths": (),
    "nerf.num_layers": 10,  # 4.2
    "nerf.width": 64,  # 4.2
    "nerf.activation": "relu",  # 3.3
    "nerf.density_activation": "softplus",
    "nerf.density_bias": -1.0,
    "nerf.rgb_padding": 0.0,
    "nerf.extent": 1.0,  # 3.2: [-1, 1]^3
    "nerf.resolution": 384,  # 4.2: marching cubes
    "nerf.plane_axes": (("x", "y"), ("x", "z"), ("y", "z")),  # 3.2
    "nerf.frustum": False,
    "nerf.iso_level": 10.0,  # ours
    "rendering.num_samples": 128,  # 4.2
    "rendering.step": "metric",  # equation 9
    "rendering.midpoint_density": False,
    "source_camera.distance": 2.0,  # 4.2: [0, -2, 0]
    "source_camera.focal": 0.75,  # OpenLRM's renders of the same data
    "input.background": 1.0,  # 4.1
    "input.foreground_ratio": 0.75,  # ours
    "input.resize": "bicubic",  # ours
    "input.detail_size": None,
}
ABLATION_BASELINE = FINAL_MODEL | {  # appendix D
    "encoder.image_size": 256,
    "decoder.num_layers": 12,
    "decoder.channels": 32,
    "nerf.resolution": 256,
    "rendering.num_samples": 96,
}


@pytest.mark.parametrize(
    ("preset", "table"), [("lrm-large", FINAL_MODEL), ("lrm-small", ABLATION_BASELINE)]
)
def test_presets_have_the_papers_numbers(preset: str, table: dict[str, object]) -> None:
    config = load_preset(preset)
    assert {key: attrgetter(key)(config) for key in table} == table


def test_no_setting_is_left_out_of_the_table() -> None:
    config = load_preset("lrm-large")
    of_other_models = {"encoder.backbone", "nerf.ray_steepness"}
    parts = {key.split(".")[0] for key in FINAL_MODEL}
    settings = {f"{part}.{name}" for part in parts for name in vars(getattr(config, part))}
    assert set(FINAL_MODEL) | of_other_models == settings
    words = {"name", "licence", "commercial_use", "source"}
    assert parts | words == set(vars(config))


def test_the_block_of_the_final_model_attends_to_the_image_first() -> None:
    """Equations 3 to 5, by the order in which a block calls its parts."""
    decoder = load_preset("lrm-large").decoder
    small = replace(decoder, width=32, num_heads=2, camera_embedding_width=8)
    block = DecoderBlock(small, 16)
    order: list[str] = []
    for name, module in block.named_children():
        if name in ("cross_attention", "self_attention", "mlp"):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    block(torch.rand(1, 3 * 4, 32), torch.rand(1, 5, 16), torch.rand(1, 8))
    assert order == ["cross_attention", "self_attention", "mlp"]
