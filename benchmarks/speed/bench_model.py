"""Image -> triplane: encoder, decoder and both, for one image and for several."""

from collections.abc import Callable

import pytest
import torch
from conftest import Measure
from torch import nn

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
    """Patch tokens and camera embedding -> planes."""
    tokens = model.image_encoder(images(model, batch, device).to(dtype)).tokens
    camera = None
    if model.camera_embedding is not None:
        camera = model.camera_embedding(model.canonical_camera().to(device)).expand(batch, -1)
    measure_network(measure, lambda: model.decoder(tokens, camera), model.decoder, dtype)


@batches
@torch.inference_mode()
def bench_image_to_triplane(
    batch: int, model: ReconstructionModel, dtype: torch.dtype, device: str, measure: Measure
) -> None:
    """Images -> triplanes, all that a model computes."""
    pixels = images(model, batch, device)
    measure_network(measure, lambda: model.predict_triplane(pixels), model, dtype)
