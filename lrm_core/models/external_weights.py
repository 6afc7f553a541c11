"""Models of other projects, OpenLRM 1.1 and 1.0 and TripoSR, as configurations of ours.

Sizes are read from the tensors; what tensors cannot say comes from the configuration beside them,
and what neither says (background, iso level, camera, licence) is the family's. Everything foreign
ends at this door: `external_layouts.py` renames and reorders the tensors, and the signed axes given
here place each family's planes in our world frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from lrm_core.config import (
    DecoderConfig,
    FieldConfig,
    ImageEncoderConfig,
    InputConfig,
    ModelConfig,
    RenderingConfig,
    SourceCameraConfig,
)
from lrm_core.errors import CheckpointError
from lrm_core.models.external_layouts import Family, Tensors, translate

# OpenLRM 1.1 stores no image size. Its models see 16, 24 and 32 patches a side at decoder widths
# 512, 768 and 1024: one for 32 channels; fewer than 8 would not show an object.
_OPENLRM_WIDTH_PER_PATCH = 32
_LEAST_PATCHES = 8

# Width of an attention head in every published ViT of the DINO families.
_VIT_HEAD_WIDTH = 64


def import_weights(
    family: Family,
    values: Mapping[str, Any],
    tensors: Tensors,
    *,
    name: str,
    origin: str,
) -> tuple[ModelConfig, Tensors]:
    """Our configuration and tensors from those of another project.

    Args:
        family: as `external_layouts.detect_family` says.
        values: the foreign configuration, nested plain values.
        tensors: the foreign state dict.
        name: name of the model in our configuration.
        origin: file or id for messages.

    Returns:
        The configuration and the state dict of `LRM(config)`. Names and shapes are not compared
        with the model here; that is the loader's.

    Raises:
        CheckpointError: a tensor that the layout does not know, a missing one that sizes are read
            from, or a setting that is missing, unsupported or at odds with the tensors.
    """
    converted = translate(family, tensors, origin=origin)
    settings, sizes = _Settings(values, origin), _Sizes(converted, origin)
    try:
        if family == "TripoSR":
            config = _triposr(settings, sizes)
        else:
            config = _openlrm(settings, sizes, family)
        return replace(config, name=name), converted
    except ValueError as error:  # sizes that do not fit together
        raise CheckpointError(f"{origin}: {error}") from error


def _openlrm(settings: _Settings, sizes: _Sizes, family: Family) -> ModelConfig:
    encoder = sizes.encoder()
    decoder = replace(
        sizes.decoder(),
        num_heads=settings.integer("transformer_heads"),
        norm_eps=1e-6,
    )
    settings.agree(
        {
            "transformer_dim": decoder.width,
            "transformer_layers": decoder.num_layers,
            "triplane_low_res": decoder.token_resolution,
            "triplane_high_res": decoder.plane_resolution,
            "triplane_dim": decoder.channels,
            "camera_embed_dim": decoder.camera_embedding_width,
            "encoder_feat_dim": encoder.width,
        }
    )
    num_patches = max(decoder.width // _OPENLRM_WIDTH_PER_PATCH, _LEAST_PATCHES)
    image_size = settings.integer("source_size", default=num_patches * encoder.patch_size)
    return ModelConfig(
        licence="CC-BY-NC-4.0",
        commercial_use=False,
        source="https://github.com/3DTopia/OpenLRM",
        encoder=replace(encoder, image_size=image_size),
        decoder=decoder,
        nerf=replace(
            sizes.nerf(),
            density_activation="softplus",
            density_bias=-1.0,
            rgb_padding=0.001,
            plane_axes=(("x", "y"), ("x", "z"), ("z", "y")),
            # lrm/inferrer.py of version 1.0, configs/infer-*.yaml of version 1.1
            iso_level=1.0 if family == "OpenLRM 1.0" else 3.0,
        ),
        rendering=RenderingConfig(
            num_samples=settings.integer("rendering_samples_per_ray"), midpoint_density=True
        ),
        source_camera=SourceCameraConfig(distance=2.0, focal=0.75),
        input=InputConfig(background=1.0, foreground_ratio=0.8, resize="bicubic"),
    )


def _triposr(settings: _Settings, sizes: _Sizes) -> ModelConfig:
    decoder = replace(
        sizes.decoder(),
        num_heads=settings.integer("backbone.num_attention_heads"),
        camera_feature="none",
        sublayer_order="self_cross_mlp",
        feed_forward="geglu",
        attention_output_bias=True,
        residual_projection=True,
        norm_eps=1e-5,
    )
    nerf = sizes.nerf()
    settings.agree(
        {
            "tokenizer.plane_size": decoder.token_resolution,
            "tokenizer.num_channels": decoder.width,
            "backbone.num_layers": decoder.num_layers,
            "post_processor.out_channels": decoder.channels,
            "decoder.n_neurons": nerf.width,
            "decoder.n_hidden_layers": nerf.num_layers - 1,
            "renderer.feature_reduction": "concat",
        }
    )
    return ModelConfig(
        licence="MIT",
        commercial_use=True,
        source="https://github.com/VAST-AI-Research/TripoSR",
        encoder=replace(sizes.encoder(), image_size=settings.integer("cond_image_size")),
        decoder=decoder,
        nerf=replace(
            nerf,
            activation=settings.choice("decoder.activation", {"silu": "silu", "relu": "relu"}),
            density_activation=settings.choice(
                "renderer.density_activation",
                {"exp": "exp", "trunc_exp": "exp", "softplus": "softplus"},
            ),
            density_bias=settings.number("renderer.density_bias"),
            extent=settings.number("renderer.radius"),
            # its own frame has the front at +x: (x, y, z) there is (y, -x, z) here
            plane_axes=(("-y", "x"), ("-y", "z"), ("x", "z")),
            iso_level=25.0,
        ),
        rendering=RenderingConfig(
            num_samples=settings.integer("renderer.num_samples_per_ray"), step="normalized"
        ),
        # no camera is an input; its renderer shows the input view from 1.9 away with a
        # vertical field of view of 40 degrees
        source_camera=SourceCameraConfig(distance=1.9, focal=0.5 / math.tan(math.radians(20.0))),
        input=InputConfig(background=0.5, foreground_ratio=0.85, resize="bilinear"),
    )


class _Settings:
    """A foreign configuration: values by dotted name, with clear errors."""

    def __init__(self, values: Mapping[str, Any], origin: str) -> None:
        self._values = values
        self._origin = origin

    def _get(self, key: str) -> Any:
        value: Any = self._values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def number(self, key: str) -> float:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CheckpointError(
                f"{self._origin}: the configuration must give a number for '{key}', got {value!r}",
                hint="put the model's own config.json or config.yaml beside the weights",
            )
        return float(value)

    def integer(self, key: str, *, default: int | None = None) -> int:
        if default is not None and self._get(key) is None:
            return default
        value = self.number(key)
        if value != int(value) or value < 1:
            raise CheckpointError(f"{self._origin}: '{key}' must be a count, got {value:g}")
        return int(value)

    def choice(self, key: str, choices: Mapping[str, Any]) -> Any:
        value = self._get(key)
        if value not in choices:
            raise CheckpointError(
                f"{self._origin}: '{key}' is {value!r}, supported: {', '.join(choices)}"
            )
        return choices[value]

    def agree(self, found: Mapping[str, int | str]) -> None:
        """Settings that are given must say what the tensors say."""
        for key, size in found.items():
            value = self._get(key)
            if value is not None and value != size:
                raise CheckpointError(
                    f"{self._origin}: the configuration says {key} {value!r}, the tensors {size!r}"
                )


class _Sizes:
    """Sizes of a model, read from its renamed tensors."""

    def __init__(self, tensors: Tensors, origin: str) -> None:
        self._tensors = tensors
        self._origin = origin

    def tensor(self, name: str, num_axes: int) -> Tensor:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise CheckpointError(
                f"{self._origin}: '{name}' (our name) is missing: the checkpoint is incomplete"
            )
        if tensor.ndim != num_axes:
            raise CheckpointError(
                f"{self._origin}: '{name}' (our name) has shape {tuple(tensor.shape)}, "
                f"expected {num_axes} axes"
            )
        return tensor

    def count(self, prefix: str) -> int:
        """How many numbered parts follow a prefix."""
        pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
        return len({m[1] for m in map(pattern.match, self._tensors) if m})

    def side(self, num_cells: int, what: str) -> int:
        side = math.isqrt(num_cells)
        if side * side != num_cells:
            raise CheckpointError(f"{self._origin}: {what} has {num_cells} cells, no square number")
        return side

    def encoder(self) -> ImageEncoderConfig:
        """DINOv2 where there is layer scale, else transformers' DINO; all but the image size."""
        vit = "image_encoder.vit."
        dinov2 = f"{vit}blocks.0.ls1.gamma" in self._tensors
        width = self.tensor(vit + "cls_token", 3).shape[2]
        positions = self.tensor(vit + "pos_embed", 3).shape[1] - (0 if dinov2 else 1)
        registers = self._tensors.get(vit + "reg_token")
        config = ImageEncoderConfig(
            kind="dinov2" if dinov2 else "dino",
            patch_size=self.tensor(vit + "patch_embed.proj.weight", 4).shape[3],
            width=width,
            num_layers=self.count(vit + "blocks."),
            num_heads=max(width // _VIT_HEAD_WIDTH, 1),
            num_register_tokens=0 if registers is None else registers.shape[1],
            position_grid=self.side(positions, "the position embedding"),
            position_interpolation="bicubic_antialias" if dinov2 else "bicubic",
            norm_eps=1e-6 if dinov2 else 1e-12,
        )
        if not dinov2:
            return config
        # OpenLRM feeds DINOv2 with [0, 1] as it is
        return replace(config, pixel_mean=(0.0, 0.0, 0.0), pixel_std=(1.0, 1.0, 1.0))

    def decoder(self) -> DecoderConfig:
        num_tokens, width = self.tensor("decoder.triplane_tokens", 2).shape
        _, channels, upsample, _ = self.tensor("decoder.upsample.weight", 4).shape
        sized = DecoderConfig(
            width=width,
            num_layers=self.count("decoder.blocks."),
            num_heads=1,
            camera_feature="camera16",
            token_resolution=self.side(num_tokens // 3, "a plane of tokens"),
            upsample=upsample,
            channels=channels,
        )
        if "camera_embedding.mlp.2.weight" not in self._tensors:
            return sized
        embedding = self.tensor("camera_embedding.mlp.2.weight", 2)
        return replace(sized, camera_embedding_width=embedding.shape[0])

    def nerf(self) -> FieldConfig:
        return FieldConfig(
            num_layers=self.count("nerf_mlp.linears."),
            width=self.tensor("nerf_mlp.linears.0.weight", 2).shape[0],
        )
