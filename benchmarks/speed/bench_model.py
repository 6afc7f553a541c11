"""Image -> triplane: encoder, decoder and both, for one image and for several."""

from collections.abc import Callable

import pytest
import torch
from conftest import Measure
from torch import nn

from lrm_core.models.ray_layer_decoder import FRONT_PLANE
from lrm_core.reconstruction.pipeline import ReconstructionModel

BATCHES = (1, 2, 4)

batches = pytest.mark.parametrize("batch", BATCHES)


def images(model: ReconstructionModel, batch: int, device: str) -> torch.Tensor:
    """Random images of the model's size; its work does not depend on what they show."""
    size = model.config.encoder.image_size
    channels = 4 if model.config.encoder.kind == "rgba" else 3
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, channels, size, size, generator=generator).to(device)


def weights_of(module: nn.Module) -> int:
    """Bytes of its parameters: what a small batch must read at least."""
    return sum(parameter.nbytes for parameter in module.parameters())


def measure_network(
    measure: Measure, work: Callable[[], object], module: nn.Module, dtype: torch.dtype
) -> None:
    """Measure a part of the network beside its floor."""
    measure(work, moved=weights_of(module), number_format=dtype, dtype=str(dtype))


@batches
@torch.inference_mode()
def bench_encode(
    batch: int, model: ReconstructionModel, dtype: torch.dtype, device: str, measure: Measure
) -> None:
    """Images -> patch tokens."""
    pixels = images(model, batch, device).to(dtype)
    measure_network(measure, lambda: model.image_encoder(pixels), model.image_encoder, dtype)


@batches
@torch.inference_mode()
def bench_decode(
    batch: int, model: ReconstructionModel, dtype: torch.dtype, device: str, measure: Measure
) -> None:
    """Image features and camera embedding -> planes, and what rays meet where a model says so."""
    features = model.image_encoder(images(model, batch, device).to(dtype))
    camera = None
    if model.camera_embedding is not None:
        camera = model.camera_embedding(model.canonical_camera().to(device)).expand(batch, -1)
    parts = nn.ModuleList([model.decoder])
    if model.ray_layer_decoder is not None:
        parts.append(model.ray_layer_decoder)

    def decode() -> object:
        tokens = model.decoder.decode(features.tokens, camera)
        planes = model.decoder.enlarge(tokens)
        if model.ray_layer_decoder is None:
            return planes
        return model.ray_layer_decoder(planes, tokens[:, FRONT_PLANE], features)

    measure_network(measure, decode, parts, dtype)


@batches
@torch.inference_mode()
def bench_image_to_triplane(
    batch: int, model: ReconstructionModel, dtype: torch.dtype, device: str, measure: Measure
) -> None:
    """Images -> triplanes, all that a model computes."""
    pixels, detail = images(model, batch, device), None
    if model.config.input.detail_size is not None:
        scale = model.config.input.detail_size / pixels.shape[-1]
        detail = nn.functional.interpolate(pixels, scale_factor=scale)
    measure_network(measure, lambda: model.predict_triplane(pixels, detail=detail), model, dtype)
