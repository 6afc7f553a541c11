"""Volume rendering whose memory does not grow with the image: deferred back-propagation.

ARF renders the whole image without a graph, takes the gradient of the loss to its pixels, and
renders again patch by patch to carry that gradient to the field. Gradient checkpointing of chunks
of rays is the same computation in the terms of autograd: losses of whole images, hooks of
distributed training and several outputs need nothing special. Between forward and backward only
rays and pixels are kept.

Source: Zhang et al., ARF: Artistic Radiance Fields (2022), section 4.2; paper, section 4.2.
"""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint

from lrm_core.rendering.nerf_renderer import FieldFn, RenderedRays, RenderSettings, render_rays
from lrm_core.structures.rays import RayBundle


def render_chunks(
    field: FieldFn,
    rays: RayBundle,
    settings: RenderSettings,
    *,
    chunk_rays: int,
    seed: int | None,
    deferred: bool,
) -> RenderedRays:
    """Render rays of one field, a chunk at a time; differentiable to whatever the field depends on.

    The gradients are those of `render_rays`. The field may run under autocast; the integral is
    computed in the precision of the rays.

    Args:
        field: radiance field; with `midpoint_density` a `RawField`. It must give the same values
            when it is evaluated again.
        rays: R rays in the world frame.
        settings: how the field is integrated.
        chunk_rays: rays rendered at once.
        seed: seed of the jitter of samples along their ray; None for the middles of the intervals.
        deferred: keep nothing of a chunk but its outputs and render it again in the backward pass,
            at the price of one more forward pass; False keeps everything.
    """

    def render(part: RayBundle, index: int) -> RenderedRays:
        generator = None
        if seed is not None:  # made here, so that the second time draws the same samples
            generator = torch.Generator(rays.origins.device).manual_seed(seed + index)
        return render_rays(
            field,
            part,
            settings,
            jitter=seed is not None,
            generator=generator,
        )

    rendered: list[RenderedRays] = []
    for index, start in enumerate(range(0, len(rays), chunk_rays)):
        chosen = slice(start, start + chunk_rays)
        part = RayBundle(rays.origins[chosen], rays.directions[chosen])
        if deferred and torch.is_grad_enabled():
            # the global generators are not used: their state need not be kept
            chunk = checkpoint(render, part, index, use_reentrant=False, preserve_rng_state=False)
        else:
            chunk = render(part, index)
        rendered.append(chunk)
    return RenderedRays(
        torch.cat([chunk.rgb for chunk in rendered]),
        torch.cat([chunk.opacity for chunk in rendered]),
        torch.cat([chunk.distance for chunk in rendered]),
    )
