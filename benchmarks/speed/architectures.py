"""The models whose speed is measured, and a real surface for those that have no weights here.

Weights of the paper's sizes, TripoSR and OpenLRM are random but for one thing: what lrm-mini says
of a photo is written into them, so that they turn any photo into that object. Every product and
every sum of the real model is computed, and extraction meets a true shape.

How: the output layers of the decoder's residual branches are zero, so that the learned tokens reach
the de-convolution as they are, and the tokens hold the planes. One plane holds the maps of
lrm-mini's rays (first and last depth, outline, color), another depth itself. The first layers of
the NeRF MLP compute the rays' density from them, which takes differences, sums and rectifiers;
layers beyond hand their input on.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrm_core.config import (
    DecoderConfig,
    FieldConfig,
    ImageEncoderConfig,
    InputConfig,
    ModelConfig,
    RenderingConfig,
    SourceCameraConfig,
    load_preset,
)
from lrm_core.models.loading import model_without_values, save_lrm
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY, NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.grid_query import raw_density_level
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.structures.ray_layers import DEEPEST, LEAST_HALF, NUM_DENSITY_MAPS
from lrm_core.structures.triplane import Triplane, signed_axis

PHOTO = Path(__file__).parents[2] / "examples" / "teapot.png"

_FRONT_COLORS = slice(NUM_DENSITY_MAPS, NUM_DENSITY_MAPS + 3)  # maps of `RayLayers`

# SiLU of 16 x is 16 times the rectifier of x but for 0.28, and far from float32's denormals.
_SILU_SCALE = 16.0

TRIPOSR = ModelConfig(
    name="triposr",
    encoder=ImageEncoderConfig(norm_eps=1e-12, position_interpolation="bicubic"),
    decoder=DecoderConfig(
        camera_feature="none",
        sublayer_order="self_cross_mlp",
        feed_forward="geglu",
        attention_output_bias=True,
        residual_projection=True,
        channels=40,
    ),
    nerf=FieldConfig(
        activation="silu",
        density_activation="exp",
        extent=0.87,
        plane_axes=(("-y", "x"), ("-y", "z"), ("x", "z")),
        iso_level=25.0,
    ),
    rendering=RenderingConfig(step="normalized"),
    source_camera=SourceCameraConfig(distance=1.9, focal=0.5 / math.tan(math.radians(20.0))),
    input=InputConfig(background=0.5, foreground_ratio=0.85, resize="bilinear"),
)

OPENLRM_LARGE = ModelConfig(
    name="openlrm-large",
    encoder=ImageEncoderConfig(
        kind="dinov2",
        image_size=448,
        patch_size=14,
        num_register_tokens=4,
        position_grid=37,
        position_interpolation="bicubic_antialias",
        pixel_mean=(0.0, 0.0, 0.0),
        pixel_std=(1.0, 1.0, 1.0),
    ),
    decoder=DecoderConfig(camera_feature="camera16", norm_eps=1e-6),
    nerf=FieldConfig(
        num_layers=4,
        rgb_padding=0.001,
        plane_axes=(("x", "y"), ("x", "z"), ("z", "y")),
        iso_level=3.0,
    ),
    rendering=RenderingConfig(num_samples=96, midpoint_density=True),
    input=InputConfig(foreground_ratio=0.8),
)

MODELS = ("lrm-mini", "lrm-small", "lrm-large", "triposr", "openlrm-large")


def architecture(name: str) -> ModelConfig:
    """The configuration of one of `MODELS`."""
    foreign = {config.name: config for config in (TRIPOSR, OPENLRM_LARGE)}
    return foreign.get(name) or load_preset(name)


def num_parameters(config: ModelConfig) -> int:
    """Parameters of a model, without making it."""
    return model_without_values(config).num_parameters


@cache
def teapot() -> Reconstruction:
    """What lrm-mini makes of `examples/teapot.png`, on the CPU."""
    return load_model("lrm-mini").reconstruct(PHOTO)


def reconstruction_of(name: str, device: str) -> Reconstruction:
    """The object as a field of this architecture, without its transformers."""
    source = teapot()
    if name == "lrm-mini":
        triplane, nerf_mlp, config = source.triplane, source.field.nerf_mlp, source.config
    else:
        config = architecture(name)
        planes, nerf_mlp = written_into(config, source.field)
        triplane = Triplane(planes[None], config.nerf.extent, config.nerf.plane_axes)
    rays = triplane.rays
    triplane = replace(
        triplane,
        planes=triplane.planes.to(device),
        rays=None if rays is None else replace(rays, maps=rays.maps.to(device)),
    )
    mlp = NerfMLP(3 * config.decoder.channels, config.nerf).requires_grad_(False)
    mlp.load_state_dict(nerf_mlp.state_dict())
    return Reconstruction(
        field=TriplaneField(triplane, mlp.to(device).eval()),
        config=config,
        source_camera=source.source_camera,
        photo=source.photo if name == "lrm-mini" else None,
    )


@torch.inference_mode()
def written_into(config: ModelConfig, source: TriplaneField) -> tuple[Tensor, NerfMLP]:
    """Planes and NeRF MLP of another architecture with the surface of `source` and front colors.

    Frustum coordinates become those of the axis-aligned cube, which bends the object a little; what
    the source's MLP adds is left out.

    Args:
        config: at least eight channels, four layers and sixteen hidden units.
        source: follows the rays of a photo; axes `LRM_PLANES`.

    Returns:
        planes (3, D, S, S) and the MLP, in float32.
    """
    rays, size = source.triplane.rays, config.decoder.plane_resolution
    assert rays is not None
    maps = F.interpolate(rays.maps, size=(size, size), mode="bilinear", antialias=True)[0]
    colors = torch.logit(maps[_FRONT_COLORS], eps=1.0 / 255.0)
    line = (torch.arange(size) + 0.5) / size * 2.0 - 1.0
    depth = line[:, None].expand(size, size)
    contents = {  # what lies on which pair of axes, height second
        ("x", "z"): torch.cat([maps[:NUM_DENSITY_MAPS], colors]),
        ("x", "y"): depth[None],
    }
    planes = torch.zeros(3, config.decoder.channels, size, size)
    columns: dict[tuple[str, str], int] = {}  # where the MLP reads them
    for axes, content in contents.items():
        plane, placed = _on_a_plane(config, axes, content)
        # channels of their own: the tokens need not tell planes apart
        first = sum(len(contents[other]) for other in columns)
        planes[plane, first : first + len(content)] = placed
        columns[axes] = plane * config.decoder.channels + first
    mlp = _mlp_of_rays(config, columns, rays.steepness)
    last = mlp.linears[-1]
    assert isinstance(last, nn.Linear)
    last.bias[DENSITY] += raw_density_level(config.nerf.iso_level, config.nerf)
    theirs = source.nerf_mlp.config
    last.bias[DENSITY] -= raw_density_level(theirs.iso_level, theirs)
    return planes, mlp


def _on_a_plane(config: ModelConfig, axes: tuple[str, str], content: Tensor) -> tuple[int, Tensor]:
    """Which plane is spanned by two axes of the world, and how a map (C, S, S) lies on it."""
    for plane, pair in enumerate(config.nerf.plane_axes):
        (wide, wide_sign), (high, high_sign) = map(signed_axis, pair)
        names = ("xyz"[wide], "xyz"[high])
        if set(names) == set(axes):
            placed = content if names == axes else content.transpose(1, 2)
            return plane, placed.flip(
                [axis for axis, sign in ((2, wide_sign), (1, high_sign)) if sign < 0]
            )
    raise ValueError(f"no plane is spanned by {axes}")


def _mlp_of_rays(
    config: ModelConfig, columns: dict[tuple[str, str], int], steepness: float
) -> NerfMLP:
    """An MLP whose raw density is that of `RayLayers`, and whose colors are the first surface's."""
    mlp = NerfMLP(3 * config.decoder.channels, config.nerf).requires_grad_(False).eval()
    first, second, third, *between, last = (
        layer for layer in mlp.linears if isinstance(layer, nn.Linear)
    )
    for layer in (first, second, third, last):
        layer.weight.zero_()
        layer.bias.zero_()
    scale = _SILU_SCALE if config.nerf.activation == "silu" else 1.0
    y = columns[("x", "y")]
    near, far, edge, *colors = range(columns[("x", "z")], columns[("x", "z")] + 6)
    # |y - middle| by its halves, half the thickness above the least, the outline by its halves
    for unit, sign in ((0, 1.0), (1, -1.0)):
        first.weight[unit, y] = sign
        first.weight[unit, [near, far]] = -0.5 * sign
        first.weight[3 + unit, edge] = sign
    first.weight[2, far], first.weight[2, near], first.bias[2] = 0.5, -0.5, -LEAST_HALF
    # (distance to both surfaces) by its halves, and how far the outline undercuts it
    second.weight[0, :3] = torch.tensor([-1.0, -1.0, 1.0])
    second.weight[1] = -second.weight[0]
    second.weight[2] = second.weight[0]
    second.weight[2, 3:5] = torch.tensor([-1.0, 1.0])
    second.bias[:3] = torch.tensor([1.0, -1.0, 1.0]) * LEAST_HALF
    # what is missing to the deepest
    third.weight[0, :3] = steepness * torch.tensor([-1.0, 1.0, 1.0])
    third.bias[0] = DEEPEST
    last.weight[DENSITY, 0], last.bias[DENSITY] = -1.0, DEEPEST
    for channel, column in enumerate(colors):  # by their halves, handed on
        for unit, sign in ((5 + 2 * channel, 1.0), (6 + 2 * channel, -1.0)):
            first.weight[unit, column] = sign
            second.weight[unit, unit] = third.weight[unit, unit] = 1.0
            last.weight[channel, unit] = sign
    for layer in between:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    first.weight.mul_(scale)
    for layer in (first, second, third):
        layer.bias.mul_(scale)
    last.weight.div_(scale)
    return mlp


@torch.inference_mode()
def save_weights(config: ModelConfig, folder: Path) -> None:
    """Write a model with random weights that turns every photo into the object.

    Args:
        config: of an axis-aligned model.
        folder: gets `config.json` and `model.safetensors`.
    """
    torch.manual_seed(0)
    model = LRM(config).requires_grad_(False)
    planes, mlp = written_into(config, teapot().field)
    model.nerf_mlp.load_state_dict(mlp.state_dict())
    _write_planes(model, planes)
    save_lrm(model, folder)


def _write_planes(model: LRM, planes: Tensor) -> None:
    """Make the decoder return these planes (3, D, S, S) for any image."""
    decoder, cell = model.decoder, model.config.decoder.upsample
    side, width = decoder.token_resolution, model.config.decoder.width
    used = int(planes.flatten(2).abs().amax(dim=(0, 2)).count_nonzero())  # the rest are zero
    tokens = planes[:, :used].unflatten(3, (side, cell)).unflatten(2, (side, cell))
    tokens = tokens.permute(0, 2, 4, 1, 3, 5).reshape(3 * side**2, -1)  # channel, row, column
    length = tokens.shape[1]

    decoder.triplane_tokens.zero_()
    decoder.triplane_tokens[:, :length] = tokens
    decoder.upsample.weight.zero_()
    decoder.upsample.bias.zero_()
    for number in range(length):
        channel, rest = divmod(number, cell**2)
        decoder.upsample.weight[number, channel, rest // cell, rest % cell] = 1.0

    if decoder.residual_projection is not None:
        nn.init.zeros_(decoder.residual_projection.after.weight)
        nn.init.zeros_(decoder.residual_projection.after.bias)
        return
    for block in decoder.blocks:
        for name in ("cross_attention.output", "self_attention.output", "mlp.contract"):
            for parameter in block.get_submodule(name).parameters():
                parameter.zero_()
    # the last LayerNorm: mean 0 by the negative of every value, and one norm for all tokens by a
    # pair of values that make up for the difference
    squares = 2.0 * tokens.square().sum(dim=1)
    missing = ((squares.max() - squares) / 2.0).sqrt()
    decoder.triplane_tokens[:, length : 2 * length] = -tokens
    decoder.triplane_tokens[:, 2 * length] = missing
    decoder.triplane_tokens[:, 2 * length + 1] = -missing
    norm = decoder.output_norm
    assert norm is not None
    norm.weight.fill_(float((squares.max() / width + norm.eps).sqrt()))
    norm.bias.zero_()
