"""Where a ray is sampled: its part inside the box, cut into equal intervals."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lrm_core.structures.rays import RayBundle


def intersect_box(
    rays: RayBundle, half_side: float
) -> tuple[Float[Tensor, "R"], Float[Tensor, "R"], Bool[Tensor, "R"]]:
    """Where rays enter and leave the cube [-half_side, half_side]^3 (slab method).

    Args:
        rays: R rays.
        half_side: half side of the cube in world units.

    Returns:
        (R,) distance to the entry (0 where a ray starts inside), (R,) distance to the exit, and
        (R,) whether the ray meets the cube at all; both distances are 0 where it does not.
    """
    # a ray parallel to a face would divide by zero
    parallel = rays.directions.abs() < 1e-9
    directions = torch.where(parallel, torch.full_like(rays.directions, 1e-9), rays.directions)
    to_lower = (-half_side - rays.origins) / directions
    to_upper = (half_side - rays.origins) / directions
    near = torch.minimum(to_lower, to_upper).amax(dim=-1).clamp_min(0.0)
    far = torch.maximum(to_lower, to_upper).amin(dim=-1)
    hit = far > near
    return near * hit, far * hit, hit


def sample_uniform(
    near: Float[Tensor, "R"],
    far: Float[Tensor, "R"],
    num_samples: int,
    *,
    jitter: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "R S"], Float[Tensor, "R S"]]:
    """One sample in each of `num_samples` equal intervals between near and far.

    The interval lengths add up to far - near, so that a homogeneous medium is integrated exactly.
    Source: paper, section 4.2 (128 uniform samples) and appendix A.1 (delta_i).

    Args:
        near: (R,) distance where sampling begins.
        far: (R,) distance where it ends.
        num_samples: S.
        jitter: sample anywhere in each interval instead of at its middle (for training).
        generator: source of the jitter, on the device of `near`.

    Returns:
        (R, S) distances of the samples and (R, S) interval lengths delta_i, in world units.
    """
    lengths = ((far - near) / num_samples)[:, None].expand(-1, num_samples)
    places = torch.arange(num_samples, dtype=near.dtype, device=near.device)
    if jitter:
        places = places + torch.rand(
            lengths.shape, dtype=near.dtype, device=near.device, generator=generator
        )
    else:
        places = places + 0.5
    return near[:, None] + places * lengths, lengths
