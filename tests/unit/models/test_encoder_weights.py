import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from lrm_core.config import ImageEncoderConfig, load_preset
from lrm_core.errors import CheckpointError
from lrm_core.models import encoder_weights
from lrm_core.models.encoder_weights import load_encoder_weights
from lrm_core.models.image_encoder import VitEncoder

MakeTensors = Callable[[dict[str, tuple[int, ...]]], dict[str, Tensor]]

CONFIG = ImageEncoderConfig(
    image_size=48, patch_size=8, width=32, num_layers=2, num_heads=2, position_grid=3
)


@pytest.fixture
def tensors(layouts: SimpleNamespace, random_tensors: MakeTensors) -> dict[str, Tensor]:
    return random_tensors(layouts.hf_vit(32, 2, patch=8, grid=3))


@pytest.fixture
def encoder() -> VitEncoder:
    torch.manual_seed(0)
    return VitEncoder(CONFIG)


def test_forward_is_that_of_transformers(encoder: VitEncoder, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        image_size=24,
        patch_size=8,
        layer_norm_eps=1e-6,
    )
    torch.manual_seed(1)
    theirs = transformers.ViTModel(config, add_pooling_layer=True).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    theirs.save_pretrained(tmp_path)
    load_encoder_weights(encoder, tmp_path)
    image = torch.rand(2, 3, 24, 24)
    mean, std = torch.tensor(CONFIG.pixel_mean), torch.tensor(CONFIG.pixel_std)
    with torch.no_grad():
        expected = theirs((image - mean[:, None, None]) / std[:, None, None]).last_hidden_state
        torch.testing.assert_close(encoder(image).tokens, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_file_of_the_hub_layout(
    encoder: VitEncoder, tensors: dict[str, Tensor], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"dino{suffix}"
    if suffix == ".bin":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    load_encoder_weights(encoder, path)
    vit = encoder.vit
    # as stored, although the encoder's own grid is 6 x 6
    torch.testing.assert_close(vit.pos_embed, tensors["embeddings.position_embeddings"])
    query = tensors["encoder.layer.1.attention.attention.query.weight"]
    torch.testing.assert_close(vit.blocks[1].attn.qkv.weight[:32], query)
    torch.testing.assert_close(vit.norm.bias, tensors["layernorm.bias"])


def test_names_of_timm(encoder: VitEncoder, tmp_path: Path) -> None:
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=24, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    load_encoder_weights(encoder, str(tmp_path))
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(encoder.vit.state_dict()[name], tensor)


def test_the_papers_encoder_takes_dino_vitb16(layouts: SimpleNamespace) -> None:
    """The published shapes; 85.8 million parameters without the pooler."""
    shapes = layouts.hf_vit(768, 12)
    assert sum(math.prod(shape) for shape in shapes.values()) == 85_798_656
    with torch.device("meta"):
        encoder = VitEncoder(load_preset("lrm-large").encoder)
        found = {name: torch.empty(shape) for name, shape in shapes.items()}
    renamed = encoder_weights.translate_dino(found, origin="hub")
    expected = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    assert {name: tensor.shape for name, tensor in renamed.items()} == expected


def test_hugging_face_id(
    encoder: VitEncoder,
    tensors: dict[str, Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def download(source: str, files: tuple[str, ...]) -> Path:
        asked.append(source)
        save_file(tensors, tmp_path / files[0])
        return tmp_path

    monkeypatch.setattr(encoder_weights, "download", download)
    load_encoder_weights(encoder, "facebook/dino-vitb16")
    assert asked == ["facebook/dino-vitb16"]
    torch.testing.assert_close(encoder.vit.norm.weight, tensors["layernorm.weight"])


def _without_one(tensors: dict[str, Tensor]) -> None:
    del tensors["layernorm.bias"]


def _of_another_patch_size(tensors: dict[str, Tensor]) -> None:
    tensors["embeddings.patch_embeddings.projection.weight"] = torch.zeros(32, 3, 16, 16)


def _foreign(tensors: dict[str, Tensor]) -> None:
    tensors["classifier.weight"] = torch.zeros(2, 32)


def _not_finite(tensors: dict[str, Tensor]) -> None:
    tensors["layernorm.bias"] = torch.full((32,), torch.nan)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_one, r"1 tensors do not fit .*'vit\.norm\.bias' is missing, expected \(32,\)"),
        (_of_another_patch_size, r"'vit\.patch_embed\.proj\.weight' is \(32, 3, 16, 16\)"),
        (_foreign, "'classifier.weight' belongs to no known layout"),
        (_not_finite, "NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit(
    encoder: VitEncoder, tensors: dict[str, Tensor], tmp_path: Path, spoil: Any, message: str
) -> None:
    spoil(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_encoder_weights(encoder, tmp_path)
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(tensor, before[name])


def test_nothing_there(encoder: VitEncoder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected one file of weights, found none"):
        load_encoder_weights(encoder, tmp_path)
    with pytest.raises(CheckpointError, match="no file or folder, no Hugging Face id"):
        load_encoder_weights(encoder, tmp_path / "missing")


def test_another_kind_of_encoder() -> None:
    with torch.device("meta"):
        dinov2 = VitEncoder(replace(CONFIG, kind="dinov2"))
    for encoder, kind in ((dinov2, "dinov2"), (torch.nn.Identity(), "Identity")):
        with pytest.raises(CheckpointError, match=f"of kind dino and rgba, not {kind}"):
            load_encoder_weights(encoder, "facebook/dino-vitb16")
