"""Ray outputs of the network and the photo itself -> the layers of the radiance field (lrm-mini).

The network sees a small picture; outline and colors are those of a finer copy of it. Depths are
smooth inside the object, so they are carried beyond its outline first, and then enlarged: the fine
outline never meets a depth that is half background. Nothing is learned here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lrm_core.models.silhouette_distance import outline_distance
from lrm_core.structures.ray_layers import EDGE, RayLayers

# per side of the photo, for the colors between the surfaces
_CELLS = 16
# a pixel with more coverage than this shows the object's own color
_COVERED = 0.98


def fine_ray_layers(
    rays: Float[Tensor, "B 6 S S"],
    photo: Float[Tensor, "B 4 H W"],
    *,
    steepness: float,
    pixel: float,
) -> RayLayers:
    """Layers at the resolution of a photo.

    Args:
        rays: outputs of `RayLayerDecoder`, in the order of the image.
        photo: straight-alpha RGBA in [0, 1], of the size the layers get; H = W a multiple of S.
        steepness: see `RayLayers`.
        pixel: width of one of its pixels at the world's origin, in world units.
    """
    maps = layer_maps(rays, photo)
    maps[:, EDGE] = outline_distance(photo[:, 3:])[:, 0].flip(-2) * pixel
    return RayLayers(maps, steepness)


def layer_maps(
    rays: Float[Tensor, "B 6 S S"], photo: Float[Tensor, "B 4 H W"]
) -> Float[Tensor, "B 12 H W"]:
    """The maps of `RayLayers` but for the distance to the outline, which is 1 everywhere.

    Args:
        rays: see `fine_ray_layers`.
        photo: likewise.
    """
    alpha = photo[:, 3:]
    known = F.interpolate(alpha, size=rays.shape[-2:], mode="area") >= 0.5
    # where nothing is covered at the network's resolution, it has said something all the same
    known = known | ~known.flatten(1).any(dim=1)[:, None, None, None]
    values = torch.cat([rays[:, :5], rays[:, 5:].sigmoid()], dim=1)
    size = (photo.shape[-2], photo.shape[-1])
    fine = F.interpolate(spread_outward(values, known), size=size, mode="bilinear")
    front = own_colors(photo)
    back = torch.lerp(fine[:, 2:5], front, fine[:, 5:])
    edge = torch.ones_like(alpha)
    between = _local_means((front + back) / 2.0, alpha)
    return torch.cat([fine[:, :2], edge, front, back, between], dim=1).flip(-2)


def _local_means(colors: Float[Tensor, "B 3 H W"], alpha: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Colors of the object averaged over cells of a coarse grid, smoothly interpolated."""
    size = (colors.shape[-2], colors.shape[-1])
    cells = (min(_CELLS, size[0]), min(_CELLS, size[1]))
    pooled = F.adaptive_avg_pool2d(torch.cat([colors * alpha, alpha], dim=1), cells)
    means = pooled[:, :3] / pooled[:, 3:].clamp_min(1e-6)
    return F.interpolate(spread_outward(means, pooled[:, 3:] > 1e-3), size=size, mode="bilinear")


def own_colors(photo: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Colors of the object, carried beyond the pixels that it covers wholly.

    Args:
        photo: straight-alpha RGBA in [0, 1].
    """
    # the outermost covered pixels hold some background, whatever their alpha says
    inside = -F.max_pool2d(-photo[:, 3:], 3, stride=1, padding=1) > _COVERED
    some = inside.flatten(1).any(dim=1)[:, None, None, None]
    return spread_outward(photo[:, :3], torch.where(some, inside, photo[:, 3:] >= 0.5))


def spread_outward(
    values: Float[Tensor, "B C H W"], known: Bool[Tensor, "B 1 H W"]
) -> Float[Tensor, "B C H W"]:
    """Known values as they are; elsewhere means of known ones nearby (push and pull).

    Source: Gortler et al., The Lumigraph (1996), section 3.4.

    Args:
        values: maps of B images.
        known: where they count; all zero there where nothing is known in the whole image.
    """
    weight = known.to(values.dtype)
    if max(values.shape[-2:]) == 1:
        return values * weight
    pooled = F.avg_pool2d(torch.cat([values * weight, weight], dim=1), 2, ceil_mode=True)
    mean = pooled[:, :-1] / pooled[:, -1:].clamp_min(1e-12)
    coarse = spread_outward(mean, pooled[:, -1:] > 0.0)
    around = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear")
    return torch.where(known, values, around)
