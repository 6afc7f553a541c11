"""Scores of a trained model on views of held-out objects, as in the paper's section 4.1.

Each object is reconstructed from several of its views, one by one, and every reconstruction is
rendered from all reference views. Objects and views are drawn as `lrm evaluate --dataset views:...`
draws them; what that command does not have are the other frames of cameras that table 8 trains in.
Used by `ablations.py`.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import MetricUnavailableError, MissingDependencyError
from lrm_core.evaluation.held_out_views import draw_objects, spread
from lrm_core.evaluation.protocol import HeldOutViewsConfig
from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.imaging.framing import frame_as_is
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.metrics.clip_similarity import clip_similarity, load_clip
from lrm_core.metrics.lpips import load_lpips
from lrm_core.metrics.metric_weights import locate_weights
from lrm_core.metrics.psnr import psnr
from lrm_core.metrics.ssim import ssim
from lrm_core.models.lrm import LRM
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.structures.view_set import ViewSet
from lrm_core.training.data.target_crops import resize_premultiplied
from lrm_core.training.view_config import ViewDataConfig, ViewSource


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Held-out objects per source, and how each is scored (section 4.1)."""

    split: str
    num_objects: int
    num_inputs: int
    """Views that are given to the model, one by one."""
    num_views: int
    """Views that each reconstruction is compared with; the inputs are among them."""
    size: int
    """Their side in pixels."""
    seed: int = 0
    """Draws the objects."""

    @property
    def drawing(self) -> HeldOutViewsConfig:
        """Which objects and views."""
        return HeldOutViewsConfig(
            split=self.split,
            num_objects=self.num_objects,
            num_inputs=self.num_inputs,
            num_views=self.num_views,
            seed=self.seed,
        )


class ViewScores:
    """Scores of rendered views: PSNR and SSIM, and those whose networks are available.

    Args:
        device: where networks compute.
        download: whether their weights may be downloaded.

    Attributes:
        missing: why a metric is not available, by name.
    """

    def __init__(self, device: str, *, download: bool) -> None:
        self.missing: dict[str, str] = {}
        self._lpips: Any = None
        self._clip: Any = None
        try:
            weights = locate_weights("lpips/alex", download=download)
            self._lpips = load_lpips("alex", weights, device=device)
        except (MetricUnavailableError, MissingDependencyError) as error:
            self.missing["lpips"] = error.message
        try:
            weights = locate_weights("clip/ViT-B-32/openai", download=download)
            self._clip = load_clip("ViT-B-32/openai", weights, device=device)
        except (MetricUnavailableError, MissingDependencyError) as error:
            self.missing["clip_similarity"] = error.message

    def __call__(
        self, rendered: Float[Tensor, "V 3 H W"], reference: Float[Tensor, "V 3 H W"]
    ) -> dict[str, float]:
        """Means over views; PSNR in dB, the others times 100."""
        scores = {
            "psnr": float(psnr(rendered, reference).mean()),
            "ssim": 100.0 * float(ssim(rendered, reference).mean()),
        }
        if self._lpips is not None:
            scores["lpips"] = 100.0 * float(self._lpips(rendered, reference).mean())
        if self._clip is not None:
            pair = self._clip.embed(rendered), self._clip.embed(reference)
            scores["clip_similarity"] = 100.0 * float(clip_similarity(*pair).mean())
        return scores


@torch.inference_mode()
def evaluate(
    model: LRM, views: ViewDataConfig, settings: EvaluationSettings, scores: ViewScores
) -> dict[str, float]:
    """Mean scores over held-out objects, each the mean over its input and reference views.

    Objects with too few views are passed over, as `draw_objects` says.

    Args:
        model: trained, on its device.
        views: datasets, and the frame of cameras that the model was trained in.
        settings: how many of each.
        scores: computes those of rendered views.

    Raises:
        InputError: a dataset has no object with enough views.
    """
    by_object: list[dict[str, float]] = []
    for source in views.sources:
        dataset = open_view_dataset(os.path.expandvars(source.url))
        counts = dict(
            zip(dataset.manifest["object_id"], dataset.manifest["num_views"], strict=True)
        )
        for object_id in draw_objects(dataset, settings.drawing)[0]:
            references = spread(int(counts[object_id]), settings.num_views)
            view_set = read_view_set(dataset, object_id, references)
            by_object.append(
                _means(
                    [
                        _score_input(model, view_set, index, views, source, settings.size, scores)
                        for index in spread(settings.num_views, settings.num_inputs)
                    ]
                )
            )
    return _means(by_object)


def _means(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(values[name] for values in scores) for name in scores[0]}


def _score_input(
    model: LRM,
    view_set: ViewSet,
    index: int,
    views: ViewDataConfig,
    source: ViewSource,
    size: int,
    scores: ViewScores,
) -> dict[str, float]:
    """Reconstruct from one view, in the frame that the model was trained in; score all views."""
    device = next(model.parameters()).device
    cameras = normalize_cameras(
        view_set.cameras,
        index,
        mode=views.camera_poses,
        distance=source.distance,
        generator=torch.Generator().manual_seed(index),
    )
    side = model.config.encoder.image_size
    framing = model.config.input
    photo = frame_as_is(
        view_set.images[index], size=side, background=framing.background, resize=framing.resize
    )
    camera = cameras[index].resized(side, side).to(device)
    field = model.field(model.predict_triplane(photo.to(device), camera))
    rendered = Reconstruction(field, model.config, camera).render(cameras, size).rgb
    targets = torch.stack(
        [torch.from_numpy(resize_premultiplied(image, size)) for image in view_set.images]
    )
    reference = targets[..., :3] + views.background * (1.0 - targets[..., 3:])
    return scores(rendered.permute(0, 3, 1, 2), reference.permute(0, 3, 1, 2).to(device))
