"""State dicts in the layouts of other projects, from the shapes of their public code."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from lrm_core.config import load_preset
from lrm_core.models.lrm import LRM

Shapes = dict[str, tuple[int, ...]]


def dinov2_shapes(width: int, layers: int = 12, grid: int = 37) -> Shapes:
    shapes: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, grid * grid + 1, width),
        "register_tokens": (1, 4, width),
        "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for i in range(layers):
        block = f"blocks.{i}."
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}{norm}.{part}": (width,) for part in ("weight", "bias")}
        for scale in ("ls1", "ls2"):
            shapes[f"{block}{scale}.gamma"] = (width,)
        for name, out, into in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            shapes[f"{block}{name}.weight"] = (out, into)
            shapes[f"{block}{name}.bias"] = (out,)
    return shapes


def hf_vit_shapes(
    width: int, layers: int, *, patch: int = 16, grid: int = 14, new_style: bool = False
) -> Shapes:
    shapes: Shapes = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.position_embeddings": (1, grid * grid + 1, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, patch, patch),
        "embeddings.patch_embeddings.projection.bias": (width,),
        "layernorm.weight": (width,),
        "layernorm.bias": (width,),
    }
    for i in range(layers):
        layer = f"layers.{i}." if new_style else f"encoder.layer.{i}."
        attention = (
            ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj")
            if new_style
            else (
                *(f"attention.attention.{part}" for part in ("query", "key", "value")),
                "attention.output.dense",
            )
        )
        mlp = ("mlp.fc1", "mlp.fc2") if new_style else ("intermediate.dense", "output.dense")
        for name, out, into in (
            *((part, width, width) for part in attention),
            (mlp[0], 4 * width, width),
            (mlp[1], width, 4 * width),
        ):
            shapes[f"{layer}{name}.weight"] = (out, into)
            shapes[f"{layer}{name}.bias"] = (out,)
        for norm in ("layernorm_before", "layernorm_after"):
            shapes |= {f"{layer}{norm}.{part}": (width,) for part in ("weight", "bias")}
    return shapes


def openlrm_shapes(
    *,
    width: int,
    layers: int,
    channels: int,
    encoder_width: int,
    encoder: Shapes,
    camera_width: int = 1024,
    side: int = 32,
    version: str = "1.1",
) -> Shapes:
    outer = "transformer." if version == "1.0" else ""
    upsampler = "transformer.deconv" if version == "1.0" else "upsampler"
    shapes: Shapes = {
        f"{outer}pos_embed": (1, 3 * side * side, width),
        "camera_embedder.mlp.0.weight": (camera_width, 16),
        "camera_embedder.mlp.0.bias": (camera_width,),
        "camera_embedder.mlp.2.weight": (camera_width, camera_width),
        "camera_embedder.mlp.2.bias": (camera_width,),
        "transformer.norm.weight": (width,),
        "transformer.norm.bias": (width,),
        f"{upsampler}.weight": (width, channels, 2, 2),
        f"{upsampler}.bias": (channels,),
        **{f"encoder.model.{name}": shape for name, shape in encoder.items()},
    }
    for i in range(layers):
        layer = f"transformer.layers.{i}."
        for norm in ("norm1", "norm2", "norm3"):
            shapes[f"{layer}{norm}.norm.weight"] = (width,)
            shapes[f"{layer}{norm}.norm.bias"] = (width,)
            shapes[f"{layer}{norm}.mlp.1.weight"] = (2 * width, camera_width)
            shapes[f"{layer}{norm}.mlp.1.bias"] = (2 * width,)
        if encoder_width == width:
            shapes[f"{layer}cross_attn.in_proj_weight"] = (3 * width, width)
        else:
            shapes[f"{layer}cross_attn.q_proj_weight"] = (width, width)
            shapes[f"{layer}cross_attn.k_proj_weight"] = (width, encoder_width)
            shapes[f"{layer}cross_attn.v_proj_weight"] = (width, encoder_width)
        shapes[f"{layer}cross_attn.out_proj.weight"] = (width, width)
        shapes[f"{layer}self_attn.in_proj_weight"] = (3 * width, width)
        shapes[f"{layer}self_attn.out_proj.weight"] = (width, width)
        shapes[f"{layer}mlp.0.weight"] = (4 * width, width)
        shapes[f"{layer}mlp.0.bias"] = (4 * width,)
        shapes[f"{layer}mlp.3.weight"] = (width, 4 * width)
        shapes[f"{layer}mlp.3.bias"] = (width,)
    sizes = [3 * channels, 64, 64, 64, 4]
    for i in range(4):
        shapes[f"synthesizer.decoder.net.{2 * i}.weight"] = (sizes[i + 1], sizes[i])
        shapes[f"synthesizer.decoder.net.{2 * i}.bias"] = (sizes[i + 1],)
    return shapes


def triposr_shapes(
    *, width: int, layers: int, channels: int, side: int, encoder_width: int, encoder: Shapes
) -> Shapes:
    shapes: Shapes = {
        **{f"image_tokenizer.model.{name}": shape for name, shape in encoder.items()},
        "image_tokenizer.model.pooler.dense.weight": (encoder_width, encoder_width),
        "image_tokenizer.model.pooler.dense.bias": (encoder_width,),
        "tokenizer.embeddings": (3, width, side, side),
        "post_processor.upsample.weight": (width, channels, 2, 2),
        "post_processor.upsample.bias": (channels,),
        "backbone.norm.weight": (width,),
        "backbone.norm.bias": (width,),
    }
    for part in ("proj_in", "proj_out"):
        shapes[f"backbone.{part}.weight"] = (width, width)
        shapes[f"backbone.{part}.bias"] = (width,)
    for i in range(layers):
        block = f"backbone.transformer_blocks.{i}."
        for norm in ("norm1", "norm2", "norm3"):
            shapes[f"{block}{norm}.weight"] = (width,)
            shapes[f"{block}{norm}.bias"] = (width,)
        for attention, context in (("attn1", width), ("attn2", encoder_width)):
            shapes[f"{block}{attention}.to_q.weight"] = (width, width)
            shapes[f"{block}{attention}.to_k.weight"] = (width, context)
            shapes[f"{block}{attention}.to_v.weight"] = (width, context)
            shapes[f"{block}{attention}.to_out.0.weight"] = (width, width)
            shapes[f"{block}{attention}.to_out.0.bias"] = (width,)
        shapes[f"{block}ff.net.0.proj.weight"] = (8 * width, width)
        shapes[f"{block}ff.net.0.proj.bias"] = (8 * width,)
        shapes[f"{block}ff.net.2.weight"] = (width, 4 * width)
        shapes[f"{block}ff.net.2.bias"] = (width,)
    sizes = [3 * channels, *[64] * 9, 4]
    for i in range(10):
        shapes[f"decoder.layers.{2 * i}.weight"] = (sizes[i + 1], sizes[i])
        shapes[f"decoder.layers.{2 * i}.bias"] = (sizes[i + 1],)
    return shapes


@pytest.fixture
def tiny_model() -> LRM:
    """lrm-tiny with every weight random, zero-initialized ones included."""
    torch.manual_seed(0)
    model = LRM(load_preset("lrm-tiny"))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.fixture(scope="session")
def layouts() -> SimpleNamespace:
    """The functions above, which tests cannot import from here."""
    return SimpleNamespace(
        dinov2=dinov2_shapes, hf_vit=hf_vit_shapes, openlrm=openlrm_shapes, triposr=triposr_shapes
    )


@pytest.fixture
def random_tensors() -> Callable[[Shapes], dict[str, Tensor]]:
    def make(shapes: Shapes) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return {
            name: torch.randn(shape, generator=generator) * 0.1
            for name, shape in sorted(shapes.items())
        }

    return make
