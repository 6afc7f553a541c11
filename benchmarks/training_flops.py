"""Floating point operations of one training sample, and the device's rate for matrix products.

Counted are the multiplications and additions of matrix products, convolutions and attention of one
forward and one backward pass, once each: what deferred back-propagation and activation
checkpointing compute again is their cost, not the model's. So the share of the device's ceiling
that a step reaches (MFU, Chowdhery et al., PaLM (2022), appendix B) falls where they are on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lrm_core.config import ModelConfig
from lrm_core.models.lrm import LRM
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.rendering.ray_sampling import intersect_box
from lrm_core.training.data.layer_samples import LayerBatch
from lrm_core.training.data.view_samples import ViewBatch
from lrm_core.training.objectives.layer_objective import LayerObjective

_POINTS = 4096  # their number does not change what one costs
_MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
_ROUNDS = 7


def _counted(forward: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter:
        forward().sum().backward()
    return int(counter.get_total_flops())


def rendering_flops(config: ModelConfig, batch: ViewBatch, num_samples: int) -> float:
    """Of one sample of a rendering objective; perceptual networks are left out.

    The transformers are counted on the meta device, which computes nothing; the field on some
    points, times the points that the batch's rays have inside the cube.

    Args:
        config: of the model.
        batch: views of its samples.
        num_samples: points per ray.
    """
    with torch.device("meta"):
        model = LRM(config)
    image, camera = batch.images[:1].to("meta"), batch.cameras[:1].to("meta")
    transformers = _counted(lambda: model(image, camera).planes)

    with torch.device("meta"):
        nerf_mlp = model.nerf_mlp
    nerf_mlp = nerf_mlp.to_empty(device="cpu")
    decoder = config.decoder
    shape = (1, 3, decoder.channels, 8, 8)  # the size of planes does not change what a point costs
    planes = torch.zeros(shape, requires_grad=True)
    field = TriplaneField(model.triplane(planes, batch.cameras[:1].to("cpu")), nerf_mlp)
    per_point = _counted(lambda: field.raw(torch.zeros(_POINTS, 3))) / _POINTS

    rays = generate_rays(batch.target_cameras.to("cpu"))
    _, _, hit = intersect_box(rays, config.sampled_half_side)
    return transformers + per_point * num_samples * int(hit.sum()) / len(batch)


def layer_flops(objective: LayerObjective, batch: LayerBatch) -> float:
    """Of one of a batch's samples of a layer objective, by a step on this device."""
    with FlopCounterMode(display=False) as counter:
        objective(batch)["total"].backward()
    objective.zero_grad()
    return counter.get_total_flops() / len(batch)


def matmul_ceiling(device: str, dtype: torch.dtype) -> float:
    """Operations per second of large square matrix products, with the threads that torch has.

    On a CPU of the seconds that its cores spent, as steps are measured; on a GPU of wall time.
    """
    side = _MATRIX_SIDE[device]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    clock = time.perf_counter if device == "cuda" else time.process_time
    seconds = []
    for _ in range(_ROUNDS):
        if device == "cuda":
            torch.cuda.synchronize()
        started = clock()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - started)
    return 2.0 * side**3 / statistics.median(seconds[1:])
