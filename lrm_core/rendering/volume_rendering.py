"""The volume rendering integral as pure, differentiable functions.

Source: paper, appendix A.1. With the density sigma_i and color u_i of sample i and the length
delta_i of its interval, the color of ray r is

    u(r) = sum_i T_i (1 - exp(-sigma_i delta_i)) u_i            (equation 8)
    T_i  = exp(-sum_{j < i} sigma_j delta_j)                    (equation 9)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def render_weights(
    density: Float[Tensor, "R S"], deltas: Float[Tensor, "R S"]
) -> Float[Tensor, "R S"]:
    """Share of each sample in the color of its ray: T_i (1 - exp(-sigma_i delta_i)).

    Args:
        density: (R, S) sigma_i >= 0, front to back.
        deltas: (R, S) delta_i >= 0, in the unit that density is the inverse of.

    Returns:
        (R, S) in [0, 1]; a row adds up to the opacity of the ray.
    """
    optical_depth = density * deltas
    in_front = optical_depth.cumsum(dim=-1)[:, :-1]
    transmittance = torch.exp(-F.pad(in_front, (1, 0)))
    return transmittance * -torch.expm1(-optical_depth)


def composite(
    weights: Float[Tensor, "R S"],
    rgb: Float[Tensor, "R S 3"],
    t: Float[Tensor, "R S"],
    background: float | Float[Tensor, "3"] = 1.0,
) -> tuple[Float[Tensor, "R 3"], Float[Tensor, "R"], Float[Tensor, "R"]]:
    """Color, opacity and depth of rays from the weights of their samples.

    Args:
        weights: (R, S) from `render_weights`.
        rgb: (R, S, 3) colors of the samples, [0, 1].
        t: (R, S) distances of the samples along their ray, in world units.
        background: gray level or color behind everything, [0, 1].

    Returns:
        (R, 3) color over the background, (R,) opacity in [0, 1], and (R,) mean distance of what is
        seen (the weights, scaled to add up to 1, are its distribution); 0 where nothing is.
    """
    opacity = weights.sum(dim=-1)
    color = (weights[..., None] * rgb).sum(dim=-2) + (1.0 - opacity)[:, None] * background
    depth = (weights * t).sum(dim=-1) / opacity.clamp_min(torch.finfo(opacity.dtype).eps)
    return color, opacity, depth
