"""The paper's training objective: rendered views of the reconstruction against the real ones.

For every input image, over its V views (equation 6):

    L = 1/V sum_v ( L_MSE(x_v, x_v^GT) + lambda L_LPIPS(x_v, x_v^GT) )

Source: paper, sections 3.4 and 4.2.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from lrm_core.io.image_writing import to_uint8
from lrm_core.metrics.psnr import psnr
from lrm_core.metrics.ssim import ssim
from lrm_core.models.lrm import LRM
from lrm_core.rendering.nerf_renderer import RenderSettings, render_field
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.rendering.view_output import channel_image
from lrm_core.structures.rays import RayBundle
from lrm_core.structures.render_output import RenderOutput
from lrm_core.training.config import RenderingLossConfig
from lrm_core.training.data.view_samples import ViewBatch
from lrm_core.training.objectives.deferred_backprop import render_chunks
from lrm_core.training.objectives.objective import ValidationResult
from lrm_core.training.objectives.perceptual_loss import PerceptualLoss


class RenderingObjective(nn.Module):
    """The model and what it is trained for; its parameters are the model's.

    Args:
        model: the model to train.
        config: losses and rendering.
        perceptual: of `build_perceptual_loss`, on the model's device; None for none. Its network is
            not part of this module: it is neither trained nor saved.
    """

    def __init__(
        self, model: LRM, config: RenderingLossConfig, perceptual: PerceptualLoss | None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.perceptual = perceptual

    def forward(self, batch: ViewBatch) -> dict[str, Float[Tensor, ""]]:
        """Losses of a batch, means over its objects and views.

        Under autocast the networks compute in its type; rays, integrals and losses stay float32.

        Args:
            batch: on the model's device.

        Returns:
            `total`, which is minimized; `mse`, `mask` and, where there is one, `perceptual` before
            weighting; `psnr` in dB, mean over views.
        """
        rgb, opacity = self._render(batch)
        with torch.autocast(rgb.device.type, enabled=False):
            mse = (rgb - batch.rgb).square().mean(dim=(2, 3, 4))  # (B, V)
            losses = {"mse": mse.mean(), "mask": F.mse_loss(opacity, batch.alpha)}
            total = self.config.mse_weight * losses["mse"]
            if self.config.mask_weight > 0.0:
                total = total + self.config.mask_weight * losses["mask"]
            if self.perceptual is not None and self.config.perceptual_weight > 0.0:
                distance = self.perceptual(_channels_first(rgb), _channels_first(batch.rgb))
                losses["perceptual"] = distance.mean()
                total = total + self.config.perceptual_weight * losses["perceptual"]
            decibels = -10.0 * mse.detach().clamp_min(1e-10).log10()
        return {"total": total, **losses, "psnr": decibels.mean()}

    @torch.no_grad()
    def validate(self, batch: ViewBatch) -> ValidationResult:
        """Scores and pictures of a batch, each object reconstructed as users would have it.

        Views are rendered without jitter and in float32. `psnr` (dB) and `ssim` are means over all
        views, `psnr_side` over those that the model has not seen.

        Args:
            batch: on the model's device, whole views of at least 11 pixels.
        """
        num_views = batch.rgb.shape[1]
        scores: dict[str, list[float]] = {}
        rows = []
        for index in range(len(batch)):
            photo, camera = batch.images[index : index + 1], batch.cameras[index]
            triplane = self.model.predict_triplane(photo, camera)
            with torch.autocast(photo.device.type, enabled=False):
                views = render_field(
                    self.model.field(triplane),
                    batch.target_cameras[index * num_views : (index + 1) * num_views],
                    self._settings(batch.background),
                    chunk_rays=self.config.chunk_rays,
                )
            rendered = _channels_first(views.rgb[None])
            target = _channels_first(batch.rgb[index : index + 1])
            decibels = psnr(rendered, target)
            values = {"psnr": decibels, "ssim": ssim(rendered, target)}
            if num_views > 1:
                values["psnr_side"] = decibels[1:]
            for name, value in values.items():
                scores.setdefault(name, []).append(float(value.mean()))
            shown = min(1, num_views - 1)  # a view that the model has not seen, where there is one
            rows.append(
                (
                    _picture(photo[0, :3] * photo[0, 3:] + batch.background * (1.0 - photo[0, 3:])),
                    _picture(target[shown]),
                    _picture(rendered[shown]),
                    channel_image(_view(views, shown), "depth"),
                )
            )
        means = {name: sum(values) / len(values) for name, values in scores.items()}
        return ValidationResult(len(batch), means, rows)

    def _render(
        self, batch: ViewBatch
    ) -> tuple[Float[Tensor, "B V h w 3"], Float[Tensor, "B V h w"]]:
        """Colors and opacity of all target views."""
        decoded = self.model(batch.images, batch.cameras)
        with torch.autocast(decoded.planes.device.type, enabled=False):  # directions need float32
            rays = generate_rays(batch.target_cameras)
        per_object = len(rays) // len(batch)
        rendered = [
            render_chunks(
                self.model.field(
                    self.model.triplane_of(
                        decoded[index], batch.images[index : index + 1], batch.cameras[index]
                    )
                ),
                RayBundle(
                    rays.origins[index * per_object : (index + 1) * per_object],
                    rays.directions[index * per_object : (index + 1) * per_object],
                ),
                self._settings(batch.background),
                chunk_rays=self.config.chunk_rays,
                seed=batch.seeds[index],
                deferred=self.config.deferred,
            )
            for index in range(len(batch))
        ]
        shape = batch.alpha.shape
        return (
            torch.cat([rays.rgb for rays in rendered]).reshape(*shape, 3),
            torch.cat([rays.opacity for rays in rendered]).reshape(shape),
        )

    def _settings(self, background: float) -> RenderSettings:
        """How the model's field is integrated."""
        rendering = self.model.config.rendering
        return RenderSettings(
            half_side=self.model.config.sampled_half_side,
            num_samples=self.config.num_samples or rendering.num_samples,
            background=background,
            step=rendering.step,
            midpoint_density=rendering.midpoint_density,
        )


def _channels_first(views: Float[Tensor, "B V h w 3"]) -> Float[Tensor, "N 3 h w"]:
    return views.flatten(0, 1).permute(0, 3, 1, 2)


def _picture(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    return to_uint8(image.permute(1, 2, 0).float().cpu().numpy())


def _view(views: RenderOutput, index: int) -> RenderOutput:
    part = slice(index, index + 1)
    return RenderOutput(views.rgb[part], views.opacity[part], views.depth[part])
