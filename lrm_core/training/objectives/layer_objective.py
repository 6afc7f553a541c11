"""Layer supervision: what every ray of a photo meets first and last, far cheaper than rendering.

How lrm-mini is trained. For each pixel of the object a ray cast forward and one cast back give two
depths and a color: some ten thousand labels per photo in ten milliseconds. Losses per photo: L1 of
both depths; L1 of their differences between neighbors where the surface is smooth, and between
pixels further apart wherever they are; L1 of the color behind and of its differences; and the color
of the radiance field at points of the surface, which teaches the triplane and its MLP what lies
between.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lrm_core.errors import ConfigError
from lrm_core.models.fine_ray_layers import layer_maps
from lrm_core.models.lrm import LRM
from lrm_core.structures.ray_layers import RayLayers
from lrm_core.structures.triplane import Triplane, raw_from_rays, sample_planes
from lrm_core.training.data.layer_samples import LayerBatch
from lrm_core.training.layer_config import LayerConfig
from lrm_core.training.objectives.objective import ValidationResult

# color errors below this count squared: the best guess at an unseen color is the mean
_COLOR_KNEE = 0.1
_COARSE_STEPS = (2, 4, 8, 16)


class LayerObjective(nn.Module):
    """The model and its losses; its parameters are the model's.

    Args:
        model: a model with `decoder.ray_widths`.
        config: weights of the losses.

    Raises:
        ConfigError: another model.
    """

    def __init__(self, model: LRM, config: LayerConfig) -> None:
        super().__init__()
        if model.ray_layer_decoder is None:
            raise ConfigError(
                f"{model.config.name} does not say what rays meet, which objective 'layers' trains",
                hint="choose a model with decoder.ray_widths, such as lrm-mini",
            )
        self.model = model
        self.config = config

    def forward(self, batch: LayerBatch) -> dict[str, Float[Tensor, ""]]:
        """Losses of a batch.

        Each is the mean over photos of the photo's own mean, so that a batch counts the same in one
        piece and in several.

        Args:
            batch: on the model's device.

        Returns:
            `total`, which is minimized; `first`, `last`, `smooth`, `coarse`, `behind`, `detail`
            and `color` before weighting.
        """
        colored = batch
        if self.model.training:
            colored = batch.first(max(1, round(self.config.colored_share * len(batch))))
        decoded = self.model(batch.images, batch.cameras, num_colored=len(colored))
        assert decoded.rays is not None
        rays = decoded.rays.float()
        known = batch.depths[:, :1].isfinite()
        true = batch.depths.nan_to_num()
        error = (rays[:, :2] - true).abs()
        first, last = _mean(error[:, :1], known), _mean(error[:, 1:], known)
        smooth = _step_error(rays[:, :2], true, known, below=self.config.smooth_below)
        coarse = torch.stack(
            [_step_error(rays[:, :2], true, known, pixels=pixels) for pixels in _COARSE_STEPS]
        ).mean()

        rays, photos = rays[: len(colored)], colored.images
        behind = torch.lerp(rays[:, 2:5], photos[:, :3], rays[:, 5:].sigmoid())
        # elsewhere the photo's color is half another's
        shown = known[: len(colored)] & (photos[:, 3:] > 0.9)
        behind_error = _mean((behind - colored.behind).abs().mean(dim=1, keepdim=True), shown)
        detail = _step_error(behind, colored.behind, shown)
        color = self._color(decoded.planes, rays, colored)
        config = self.config
        total = (
            first
            + last
            + config.smooth_weight * smooth
            + config.coarse_weight * coarse
            + config.behind_weight * behind_error
            + config.detail_weight * detail
            + config.color_weight * color
        )
        return {
            "total": total,
            "first": first,
            "last": last,
            "smooth": smooth,
            "coarse": coarse,
            "behind": behind_error,
            "detail": detail,
            "color": color,
        }

    def _color(self, planes: Tensor, rays: Tensor, batch: LayerBatch) -> Float[Tensor, ""]:
        """Colors of the field at points, from the layers as they are and the MLP."""
        nerf = self.model.config.nerf
        with torch.no_grad():
            maps = layer_maps(rays.detach(), batch.images)
            layers = RayLayers(maps, nerf.ray_steepness)
        # the points are in the triplane's coordinates already
        triplane = Triplane(planes, axes=nerf.plane_axes, rays=layers)
        raw = self.model.nerf_mlp(sample_planes(triplane, batch.points)).float()
        _, rgb = self.model.nerf_mlp.activate(raw + raw_from_rays(triplane, batch.points))
        return F.smooth_l1_loss(rgb, batch.colors, beta=_COLOR_KNEE)

    @torch.no_grad()
    def validate(self, batch: LayerBatch) -> ValidationResult:
        """The losses as scores; there are no pictures."""
        scores = {name: float(value) for name, value in self(batch).items()}
        return ValidationResult(len(batch), scores, [])


def _mean(values: Float[Tensor, "B 1 S S"], where: Bool[Tensor, "B 1 S S"]) -> Float[Tensor, ""]:
    """Mean over photos of the mean over a photo's chosen pixels."""
    sums = (values * where).sum(dim=(1, 2, 3))
    return (sums / where.sum(dim=(1, 2, 3)).clamp_min(1)).mean()


def _step_error(
    values: Float[Tensor, "B C S S"],
    true: Float[Tensor, "B C S S"],
    where: Bool[Tensor, "B 1 S S"],
    *,
    pixels: int = 1,
    below: float = torch.inf,
) -> Float[Tensor, ""]:
    """L1 of the differences between pixels, right and below, where both are chosen.

    Args:
        values: maps of B photos.
        true: what they should be.
        where: chosen pixels.
        pixels: how far apart.
        below: only true differences smaller than this count.
    """
    sums, counts = values.new_zeros(len(values)), values.new_zeros(len(values))
    for dim in (2, 3):
        rest = where.shape[dim] - pixels
        step, found = (x.narrow(dim, pixels, rest) - x.narrow(dim, 0, rest) for x in (true, values))
        both = where.narrow(dim, pixels, rest) & where.narrow(dim, 0, rest)
        counted = both & (step.abs() < below)
        error = (found - step).abs() * counted
        sums = sums + error.sum(dim=(1, 2, 3))
        counts = counts + counted.sum(dim=(1, 2, 3))
    return (sums / counts.clamp_min(1.0)).mean()
