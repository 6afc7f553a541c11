"""Names and orders of tensors in other projects' checkpoints, translated to ours.

Rows of the last NeRF layer are put in our order (r, g, b, density), packed attention weights are
split or packed as our layers want them, and learned tokens become one row per token.
Source: the public code of OpenLRM 1.0 and 1.1, TripoSR, DINOv2 and transformers.
"""

from __future__ import annotations

import re
from typing import Literal

import torch
from torch import Tensor

from lrm_core.errors import CheckpointError, first_line

Tensors = dict[str, Tensor]
Family = Literal["OpenLRM 1.1", "OpenLRM 1.0", "TripoSR"]

# A tensor that tells a family.
_FAMILY_MARK: dict[str, Family] = {
    "transformer.deconv.weight": "OpenLRM 1.0",
    "upsampler.weight": "OpenLRM 1.1",
    "tokenizer.embeddings": "TripoSR",
}

# (pattern of a foreign name, our name); the whole name must match.
Rules = tuple[tuple[str, str], ...]

# DINO as transformers names it, before version 5 and since.
_HF_VIT_RULES: Rules = (
    (r"embeddings\.cls_token", r"cls_token"),
    (r"embeddings\.position_embeddings", r"pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.(\w+)", r"patch_embed.proj.\1"),
    (r"LAYER\.attention\.(?:attention\.query|q_proj)\.(\w+)", r"blocks.\1.attn.query.\2"),
    (r"LAYER\.attention\.(?:attention\.key|k_proj)\.(\w+)", r"blocks.\1.attn.key.\2"),
    (r"LAYER\.attention\.(?:attention\.value|v_proj)\.(\w+)", r"blocks.\1.attn.value.\2"),
    (r"LAYER\.attention\.(?:output\.dense|o_proj)\.(\w+)", r"blocks.\1.attn.proj.\2"),
    (r"LAYER\.(?:intermediate\.dense|mlp\.fc1)\.(\w+)", r"blocks.\1.mlp.fc1.\2"),
    (r"LAYER\.(?:output\.dense|mlp\.fc2)\.(\w+)", r"blocks.\1.mlp.fc2.\2"),
    (r"LAYER\.layernorm_before\.(\w+)", r"blocks.\1.norm1.\2"),
    (r"LAYER\.layernorm_after\.(\w+)", r"blocks.\1.norm2.\2"),
    (r"layernorm\.(\w+)", r"norm.\1"),
)
_HF_LAYER = r"(?:encoder\.)?layers?\.(\d+)"

# The original code of DINO and DINOv2; timm kept its names.
_DINOV2_RULES: Rules = (
    (r"register_tokens", r"reg_token"),
    (r"(cls_token|pos_embed|(?:patch_embed|blocks|norm)\..+)", r"\1"),
)

_OPENLRM_RULES: Rules = (
    (r"(?:transformer\.)?pos_embed", r"decoder.triplane_tokens"),
    (r"camera_embedder\.mlp\.(\d)\.(\w+)", r"camera_embedding.mlp.\1.\2"),
    (r"LAYER\.norm1\.norm\.(\w+)", r"decoder.blocks.\1.cross_norm.norm.\2"),
    (r"LAYER\.norm1\.mlp\.1\.(\w+)", r"decoder.blocks.\1.cross_norm.modulation.1.\2"),
    (r"LAYER\.norm2\.norm\.(\w+)", r"decoder.blocks.\1.self_norm.norm.\2"),
    (r"LAYER\.norm2\.mlp\.1\.(\w+)", r"decoder.blocks.\1.self_norm.modulation.1.\2"),
    (r"LAYER\.norm3\.norm\.(\w+)", r"decoder.blocks.\1.mlp_norm.norm.\2"),
    (r"LAYER\.norm3\.mlp\.1\.(\w+)", r"decoder.blocks.\1.mlp_norm.modulation.1.\2"),
    (r"LAYER\.(cross|self)_attn\.in_proj_weight", r"decoder.blocks.\1.\2_attention.packed"),
    (r"LAYER\.cross_attn\.q_proj_weight", r"decoder.blocks.\1.cross_attention.query.weight"),
    (r"LAYER\.cross_attn\.k_proj_weight", r"decoder.blocks.\1.cross_attention.key.weight"),
    (r"LAYER\.cross_attn\.v_proj_weight", r"decoder.blocks.\1.cross_attention.value.weight"),
    (
        r"LAYER\.(cross|self)_attn\.out_proj\.weight",
        r"decoder.blocks.\1.\2_attention.output.weight",
    ),
    (r"LAYER\.mlp\.0\.(\w+)", r"decoder.blocks.\1.mlp.expand.\2"),
    (r"LAYER\.mlp\.3\.(\w+)", r"decoder.blocks.\1.mlp.contract.\2"),
    (r"transformer\.norm\.(\w+)", r"decoder.output_norm.\1"),
    (r"(?:upsampler|transformer\.deconv)\.(\w+)", r"decoder.upsample.\1"),
    (r"synthesizer\.decoder\.net\.(\d+)\.(\w+)", r"nerf_mlp.linears.\1.\2"),
)
_OPENLRM_LAYER = r"transformer\.layers\.(\d+)"

_TRIPOSR_RULES: Rules = (
    (r"tokenizer\.embeddings", r"decoder.triplane_tokens"),
    (r"backbone\.norm\.(\w+)", r"decoder.residual_projection.norm.\1"),
    (r"backbone\.proj_in\.(\w+)", r"decoder.residual_projection.before.\1"),
    (r"backbone\.proj_out\.(\w+)", r"decoder.residual_projection.after.\1"),
    (r"LAYER\.norm1\.(\w+)", r"decoder.blocks.\1.self_norm.\2"),
    (r"LAYER\.norm2\.(\w+)", r"decoder.blocks.\1.cross_norm.\2"),
    (r"LAYER\.norm3\.(\w+)", r"decoder.blocks.\1.mlp_norm.\2"),
    (r"LAYER\.attn1\.to_q\.(\w+)", r"decoder.blocks.\1.self_attention.query.\2"),
    (r"LAYER\.attn1\.to_k\.(\w+)", r"decoder.blocks.\1.self_attention.key.\2"),
    (r"LAYER\.attn1\.to_v\.(\w+)", r"decoder.blocks.\1.self_attention.value.\2"),
    (r"LAYER\.attn1\.to_out\.0\.(\w+)", r"decoder.blocks.\1.self_attention.output.\2"),
    (r"LAYER\.attn2\.to_q\.(\w+)", r"decoder.blocks.\1.cross_attention.query.\2"),
    (r"LAYER\.attn2\.to_k\.(\w+)", r"decoder.blocks.\1.cross_attention.key.\2"),
    (r"LAYER\.attn2\.to_v\.(\w+)", r"decoder.blocks.\1.cross_attention.value.\2"),
    (r"LAYER\.attn2\.to_out\.0\.(\w+)", r"decoder.blocks.\1.cross_attention.output.\2"),
    (r"LAYER\.ff\.net\.0\.proj\.(\w+)", r"decoder.blocks.\1.mlp.expand.\2"),
    (r"LAYER\.ff\.net\.2\.(\w+)", r"decoder.blocks.\1.mlp.contract.\2"),
    (r"post_processor\.upsample\.(\w+)", r"decoder.upsample.\1"),
    (r"decoder\.layers\.(\d+)\.(\w+)", r"nerf_mlp.linears.\1.\2"),
)
_TRIPOSR_LAYER = r"backbone\.transformer_blocks\.(\d+)"

_NERF = "nerf_mlp.linears."

# In the checkpoint, never in the forward pass: the head of a ViT that is used for its tokens.
_IGNORED = re.compile(r"(image_tokenizer\.model\.)?pooler\.dense\.(weight|bias)")


def detect_family(tensors: Tensors) -> Family | None:
    """Which family a state dict is of, by its tensor names; None for an unknown one."""
    for mark, family in _FAMILY_MARK.items():
        if mark in tensors:
            return family
    return None


def translate(family: Family, tensors: Tensors, *, origin: str) -> Tensors:
    """A foreign state dict in our names and orders.

    Args:
        family: as `detect_family` says.
        tensors: the foreign state dict.
        origin: file or id for messages.

    Returns:
        The state dict of an `LRM`, but for tensors that the checkpoint lacks.

    Raises:
        CheckpointError: a tensor that the layout does not know, twice the same, or tensors that
            cannot be reordered because one is missing or has a wrong shape.
    """
    if family == "TripoSR":
        encoder = _with_prefix("image_tokenizer.model.", _HF_VIT_RULES, _HF_LAYER)
        rules = (*encoder, *_with_layer(_TRIPOSR_RULES, _TRIPOSR_LAYER))
    else:
        dino_v1 = "encoder.model.embeddings.cls_token" in tensors
        vit_rules = _HF_VIT_RULES if dino_v1 else _DINOV2_RULES
        encoder = _with_prefix("encoder.model.", vit_rules, _HF_LAYER)
        rules = (*encoder, *_with_layer(_OPENLRM_RULES, _OPENLRM_LAYER))
    return _translated(tensors, rules, family, origin)


def translate_dino(tensors: Tensors, *, origin: str) -> Tensors:
    """The state dict of a DINO ViT alone, in our names and orders.

    Args:
        tensors: named as in transformers (`facebook/dino-vitb16`), or as in the original code and
            timm.
        origin: file or id for messages.

    Returns:
        The state dict of a `VitEncoder`, but for tensors that the checkpoint lacks.

    Raises:
        CheckpointError: as `translate`.
    """
    in_transformers = "embeddings.cls_token" in tensors
    vit_rules = _HF_VIT_RULES if in_transformers else _DINOV2_RULES
    named = _translated(tensors, _with_prefix("", vit_rules, _HF_LAYER), "DINO", origin)
    return {name.removeprefix("image_encoder."): tensor for name, tensor in named.items()}


def _translated(tensors: Tensors, rules: Rules, family: str, origin: str) -> Tensors:
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        if _IGNORED.fullmatch(name):
            continue
        ours = _rename(name, rules, origin)
        if ours in renamed:
            raise CheckpointError(f"{origin}: tensor '{name}' is there twice, under two names")
        renamed[ours] = tensor
    try:
        return _reorder(renamed)
    except (RuntimeError, IndexError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{origin}: a tensor of {family} is missing or has a wrong shape ({first_line(error)})"
        ) from error


def _with_layer(rules: Rules, layer: str) -> Rules:
    return tuple((pattern.replace("LAYER", layer), ours) for pattern, ours in rules)


def _with_prefix(prefix: str, rules: Rules, layer: str) -> Rules:
    return tuple(
        (re.escape(prefix) + pattern, "image_encoder.vit." + ours)
        for pattern, ours in _with_layer(rules, layer)
    )


def _rename(name: str, rules: Rules, origin: str) -> str:
    for pattern, ours in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    raise CheckpointError(f"{origin}: tensor '{name}' belongs to no known layout")


def _reorder(renamed: Tensors) -> Tensors:
    """Values where names alone are not enough."""
    result: Tensors = {}
    for name, tensor in renamed.items():
        if name.endswith("_attention.packed"):  # query, key and value in one (3 D, D)
            stem = name.removesuffix("packed")
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                result[f"{stem}{part}.weight"] = rows
        elif ".attn.query." in name:  # timm has them in one
            parts = [renamed[name.replace(".query.", f".{p}.")] for p in ("query", "key", "value")]
            result[name.replace(".attn.query.", ".attn.qkv.")] = torch.cat(parts)
        elif ".attn.key." in name or ".attn.value." in name:
            continue
        elif name == "decoder.triplane_tokens":
            # TripoSR: (plane, channel, row, column); OpenLRM: (1, token, channel)
            four = tensor.ndim == 4
            result[name] = tensor.permute(0, 2, 3, 1).flatten(0, 2) if four else tensor.squeeze(0)
        else:
            result[name] = tensor
    _number_linears(result)
    if "image_encoder.vit.blocks.0.ls1.gamma" in result:
        # DINOv2 gives the class token a position; timm has one tensor that is their sum
        token, position = (result[f"image_encoder.vit.{n}"] for n in ("cls_token", "pos_embed"))
        if token.shape != position[:, :1].shape:
            raise ValueError(f"class token {tuple(token.shape)}")
        result["image_encoder.vit.cls_token"] = token + position[:, :1]
        result["image_encoder.vit.pos_embed"] = position[:, 1:]
    return result


def _number_linears(tensors: Tensors) -> None:
    """Count NeRF layers without the activations between, and put density last."""
    numbers = sorted({int(name.split(".")[2]) for name in tensors if name.startswith(_NERF)})
    for layer, number in enumerate(numbers):
        if number != 2 * layer:
            raise ValueError(f"NeRF layer {number} among {numbers}")
        for part in ("weight", "bias"):
            tensor = tensors.pop(f"{_NERF}{number}.{part}")
            if layer == len(numbers) - 1:
                tensor = torch.cat([tensor[1:], tensor[:1]])  # density, r, g, b there
            tensors[f"{_NERF}{layer}.{part}"] = tensor
