import json
import math
from collections.abc import Callable
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lrm_core.config import ModelConfig
from lrm_core.errors import CheckpointError
from lrm_core.models.external_layouts import detect_family
from lrm_core.models.external_weights import import_weights
from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM

MakeTensors = Callable[[dict[str, tuple[int, ...]]], dict[str, Tensor]]

OPENLRM_TINY = {
    "transformer_heads": 2,
    "rendering_samples_per_ray": 96,
    "transformer_dim": 64,
    "triplane_low_res": 4,
}
TRIPOSR_TINY: dict[str, Any] = {
    "cond_image_size": 64,
    "backbone": {"num_attention_heads": 2, "num_layers": 2},
    "decoder": {"activation": "silu"},
    "renderer": {
        "radius": 0.87,
        "feature_reduction": "concat",
        "density_activation": "exp",
        "density_bias": -1.0,
        "num_samples_per_ray": 128,
    },
}


def meta(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def imported(
    tensors: dict[str, Tensor], values: dict[str, Any]
) -> tuple[ModelConfig, dict[str, Tensor]]:
    family = detect_family(tensors)
    assert family is not None
    return import_weights(family, values, tensors, name="name", origin="file")


def assert_fits(config: ModelConfig, converted: dict[str, Tensor]) -> LRM:
    with torch.device("meta"):
        model = LRM(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert {name: tuple(tensor.shape) for name, tensor in converted.items()} == expected
    return model


@pytest.fixture
def openlrm_tiny(layouts: SimpleNamespace, random_tensors: MakeTensors) -> dict[str, Tensor]:
    encoder = layouts.dinov2(width=64, layers=1, grid=3)
    return random_tensors(
        layouts.openlrm(
            width=64,
            layers=2,
            channels=4,
            encoder_width=64,
            encoder=encoder,
            camera_width=8,
            side=4,
        )
    )


@pytest.fixture
def triposr_tiny(layouts: SimpleNamespace, random_tensors: MakeTensors) -> dict[str, Tensor]:
    return random_tensors(
        layouts.triposr(
            width=64,
            layers=2,
            channels=4,
            side=4,
            encoder_width=32,
            encoder=layouts.hf_vit(32, 2, grid=3),
        )
    )


@pytest.mark.parametrize(
    ("width", "heads", "layers", "channels", "encoder_width", "pixels", "count"),
    [
        (512, 8, 12, 32, 384, 224, 111_390_948),
        (768, 12, 12, 48, 768, 336, 260_201_972),
        (1024, 16, 16, 80, 768, 448, 452_138_004),
    ],
)
def test_openlrm_1_1_of_the_published_sizes(
    layouts: SimpleNamespace,
    width: int,
    heads: int,
    layers: int,
    channels: int,
    encoder_width: int,
    pixels: int,
    count: int,
) -> None:
    shapes = layouts.openlrm(
        width=width,
        layers=layers,
        channels=channels,
        encoder_width=encoder_width,
        encoder=layouts.dinov2(encoder_width),
    )
    assert sum(map(prod, shapes.values())) == count
    values = {
        "camera_embed_dim": 1024,
        "encoder_feat_dim": encoder_width,
        "encoder_type": "dinov2",
        "rendering_samples_per_ray": 96,
        "transformer_dim": width,
        "transformer_heads": heads,
        "transformer_layers": layers,
        "triplane_dim": channels,
        "triplane_high_res": 64,
        "triplane_low_res": 32,
    }
    config, converted = imported(meta(shapes), values)
    model = assert_fits(config, converted)
    # the class token's own position is added to the class token
    assert model.num_parameters == count - encoder_width
    assert config.encoder.image_size == pixels
    assert config.encoder.num_heads == encoder_width // 64
    assert config.encoder.num_register_tokens == 4
    assert config.licence == "CC-BY-NC-4.0"
    assert not config.commercial_use
    assert config.nerf.iso_level == 3.0
    assert config.rendering.midpoint_density


def test_triposr_of_the_published_size(layouts: SimpleNamespace) -> None:
    shapes = layouts.triposr(
        width=1024,
        layers=16,
        channels=40,
        side=32,
        encoder_width=768,
        encoder=layouts.hf_vit(768, 12),
    )
    assert sum(map(prod, shapes.values())) == 419_275_628
    values = {
        **TRIPOSR_TINY,
        "cond_image_size": 512,
        "backbone": {"num_attention_heads": 16, "num_layers": 16},
        "tokenizer": {"plane_size": 32, "num_channels": 1024},
        "post_processor": {"in_channels": 1024, "out_channels": 40},
        "decoder": {"n_neurons": 64, "n_hidden_layers": 9, "activation": "silu"},
    }
    config, converted = imported(meta(shapes), values)
    model = assert_fits(config, converted)
    assert model.num_parameters == 419_275_628 - (768 * 768 + 768)  # without the pooler
    assert (config.encoder.image_size, config.encoder.num_heads) == (512, 12)
    assert config.nerf.extent == 0.87
    assert (config.licence, config.commercial_use) == ("MIT", True)
    assert config.input.background == 0.5
    field_of_view = 2 * math.atan(0.5 / config.source_camera.focal)
    assert math.degrees(field_of_view) == pytest.approx(40.0)


def test_density_row_goes_last(openlrm_tiny: dict[str, Tensor]) -> None:
    _, converted = imported(openlrm_tiny, OPENLRM_TINY)
    theirs = openlrm_tiny["synthesizer.decoder.net.6.bias"]
    assert converted["nerf_mlp.linears.3.bias"].tolist() == theirs[[1, 2, 3, 0]].tolist()


def test_transformers_5_names_mean_the_same(
    layouts: SimpleNamespace, triposr_tiny: dict[str, Tensor]
) -> None:
    old = layouts.hf_vit(32, 2, grid=3)
    new = layouts.hf_vit(32, 2, grid=3, new_style=True)
    assert old.keys() != new.keys()
    prefix = "image_tokenizer.model."
    renamed = dict(triposr_tiny)
    for ours, theirs in zip(old, new, strict=True):
        renamed[prefix + theirs] = renamed.pop(prefix + ours)
    _, expected = imported(triposr_tiny, TRIPOSR_TINY)
    _, converted = imported(renamed, TRIPOSR_TINY)
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)


def test_openlrm_1_0(layouts: SimpleNamespace, random_tensors: MakeTensors) -> None:
    """The decoder of 1.0 is that of 1.1 under other names; the encoder is normalized DINO."""
    sizes = {
        "width": 64,
        "layers": 2,
        "channels": 4,
        "encoder_width": 64,
        "encoder": layouts.hf_vit(64, 1, grid=3),
        "camera_width": 8,
        "side": 4,
    }
    old = random_tensors(layouts.openlrm(**sizes, version="1.0"))
    renamed = {
        name.replace("transformer.deconv", "upsampler").replace(
            "transformer.pos_embed", "pos_embed"
        ): tensor
        for name, tensor in old.items()
    }
    assert detect_family(old) == "OpenLRM 1.0"
    assert detect_family(renamed) == "OpenLRM 1.1"
    config, converted = imported(old, {**OPENLRM_TINY, "source_size": 64})
    assert_fits(config, converted)
    assert config.encoder.image_size == 64
    assert config.encoder.kind == "dino"
    assert config.encoder.pixel_mean == (0.485, 0.456, 0.406)
    assert config.nerf.iso_level == 1.0
    _, of_1_1 = imported(renamed, {**OPENLRM_TINY, "source_size": 64})
    assert all(torch.equal(converted[name], of_1_1[name]) for name in converted)


def test_packed_attention_is_split_in_order(openlrm_tiny: dict[str, Tensor]) -> None:
    _, converted = imported(openlrm_tiny, OPENLRM_TINY)
    packed = openlrm_tiny["transformer.layers.1.self_attn.in_proj_weight"]
    for part, rows in zip(("query", "key", "value"), packed.split(64), strict=True):
        assert torch.equal(converted[f"decoder.blocks.1.self_attention.{part}.weight"], rows)


def test_unused_pooler_is_the_only_thing_ignored(triposr_tiny: dict[str, Tensor]) -> None:
    imported(triposr_tiny, TRIPOSR_TINY)
    with pytest.raises(CheckpointError, match=r"'optimizer\.step' belongs to no known layout"):
        imported({**triposr_tiny, "optimizer.step": torch.zeros(1)}, TRIPOSR_TINY)


def test_one_tensor_under_two_names(triposr_tiny: dict[str, Tensor]) -> None:
    name = "image_tokenizer.model.layers.0.layernorm_after.bias"
    with pytest.raises(CheckpointError, match="twice"):
        imported({**triposr_tiny, name: torch.zeros(32)}, TRIPOSR_TINY)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("pos_embed", None),
        ("pos_embed", (1, 50, 64)),
        ("pos_embed", (3,)),
        ("pos_embed", ()),
        ("camera_embedder.mlp.2.weight", (8,)),
        ("encoder.model.pos_embed", None),
        ("encoder.model.pos_embed", (1, 9, 64)),
        ("encoder.model.cls_token", (64,)),
        ("encoder.model.patch_embed.proj.weight", None),
        ("transformer.layers.0.self_attn.in_proj_weight", (64, 64)),
        ("transformer.layers.0.self_attn.in_proj_weight", ()),
        ("synthesizer.decoder.net.0.weight", None),
        ("synthesizer.decoder.net.6.bias", ()),
        ("upsampler.weight", (64, 4)),
        ("synthesizer.decoder.net.5.weight", (64, 64)),
    ],
)
def test_missing_and_misshapen_tensors(
    openlrm_tiny: dict[str, Tensor], tmp_path: Path, name: str, shape: tuple[int, ...] | None
) -> None:
    tensors = dict(openlrm_tiny)
    if shape is None:
        del tensors[name]
    else:
        tensors[name] = torch.zeros(shape)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(OPENLRM_TINY))
    with pytest.raises(CheckpointError) as caught:
        load_lrm(tmp_path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformer_heads": None}, "'transformer_heads', got None"),
        ({"transformer_heads": "2"}, "got '2'"),
        ({"transformer_heads": 2.5}, "must be a count"),
        ({"transformer_heads": 3}, "divisible"),
        ({"transformer_dim": 512}, "says transformer_dim 512, the tensors 64"),
        ({"source_size": 65}, "multiple of patch_size"),
    ],
)
def test_bad_settings(
    openlrm_tiny: dict[str, Tensor], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        imported(openlrm_tiny, {**OPENLRM_TINY, **change})


def test_unsupported_triposr_settings(triposr_tiny: dict[str, Tensor]) -> None:
    for key, value in (("density_activation", "relu"), ("feature_reduction", "mean")):
        renderer = {**TRIPOSR_TINY["renderer"], key: value}
        with pytest.raises(CheckpointError, match=key):
            imported(triposr_tiny, {**TRIPOSR_TINY, "renderer": renderer})


def test_unknown_tensors_are_of_no_family() -> None:
    assert detect_family({"model.layers.0.weight": torch.zeros(1)}) is None
