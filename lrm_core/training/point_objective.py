"""Point supervision: density and colour at points, far cheaper than rendering.

How lrm-mini is trained. Losses per photo, all in the coordinates of the triplane: occupancy of
points (binary cross-entropy on the raw density), colour at the surface (Huber), and the silhouettes
of rays of the photo and of another one (a pixel is covered exactly when some point along its ray is
solid), which keeps uncertain depth from opening holes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

from lrm_core.errors import TrainingError
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.point_dataset import (
    BatchSampling,
    PointBatch,
    collate_samples,
    draw_sample,
)
from lrm_core.training.rendering_objective import ValidationResult
from lrm_core.training.training_photos import ViewSampling

_STRICT: Any = {"extra": "forbid"}

# colour errors below this count squared: the best guess at an unseen colour is the mean
_COLOR_KNEE = 0.25
# raw density outside the planes, where nothing is reconstructed
_RAW_OUTSIDE = -8.0


@dataclass(frozen=True, kw_only=True)
class MeshFolder:
    """A folder of mesh files to train on."""

    __pydantic_config__ = _STRICT

    folder: str
    """Path; environment variables are expanded."""
    up: Literal["y", "z"] = "y"
    """Up axis of the files."""


@dataclass(frozen=True, kw_only=True)
class PointDataConfig:
    """What point supervision is made from."""

    __pydantic_config__ = _STRICT

    meshes: tuple[MeshFolder, ...] = ()
    num_procedural: int = 0
    num_sets: int = 0
    """Wide, low objects of many parts (`preprocessing/procedural_sets.py`)."""
    seed: int = 0
    views: ViewSampling = field(default_factory=ViewSampling)


@dataclass(frozen=True, kw_only=True)
class PointConfig:
    """Data and losses of point supervision."""

    __pydantic_config__ = _STRICT

    data: PointDataConfig = field(default_factory=PointDataConfig)
    batch: BatchSampling = field(default_factory=BatchSampling)
    low_resolution: int = 64
    """Photo side during the first `low_resolution_steps`; MeshLRM's low-to-high schedule."""
    low_resolution_steps: int = 0
    color_weight: float = 2.0
    silhouette_weight: float = 0.3
    side_weight: float = 0.0
    """Of the silhouette of another photo of the object, where the source photo does not see."""
    ray_samples: int = 24
    """Depths per silhouette ray."""
    ray_reach: float = 0.8
    """Silhouette rays are sampled at depths within +- this: objects are centred, and matter at the
    near end would be an easy way to explain any silhouette."""


@dataclass(frozen=True)
class PointSample:
    """One photo with its points, and where its silhouette rays are sampled.

    Attributes:
        arrays: of `draw_sample`.
        ray_depths: (R, K) in [-reach, reach].
        size: photo side in pixels; None for the prepared one.
    """

    arrays: tuple[np.ndarray, ...]
    ray_depths: Float[np.ndarray, "R K"]
    size: int | None


@dataclass(frozen=True)
class PointTask:
    """B samples.

    Attributes:
        points: photos and their supervision.
        ray_depths: (B, R, K) normalised depths along the silhouette rays.
        damaged: always empty; training reads only what was prepared whole.
    """

    points: PointBatch
    ray_depths: Float[Tensor, "B R K"]
    damaged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.points.images)

    def to(self, device: torch.device | str) -> PointTask:
        """The same batch on another device."""
        return replace(self, points=self.points.to(device), ray_depths=self.ray_depths.to(device))


def collate_points(samples: Sequence[PointSample]) -> PointTask:
    """Samples of one optimiser step, and so of one photo side, as a batch."""
    points = collate_samples([sample.arrays for sample in samples], size=samples[0].size)
    depths = np.stack([sample.ray_depths for sample in samples])
    return PointTask(points, torch.from_numpy(depths.astype(np.float32)))


class PointSamples(Dataset[PointSample]):
    """Samples by index, without end; each is a pure function of (seed, index).

    Objects are drawn at random, so that an epoch is only a count.

    Args:
        objects: as `prepare_object` makes them.
        config: points per photo and the schedule of photo sizes.
        seed: of the run.
        global_batch: samples per optimiser step, in which `low_resolution_steps` are counted.
        fixed: for validation: each object once, at full size and without augmentation.

    Raises:
        TrainingError: there is no object.
    """

    collate = staticmethod(collate_points)

    def __init__(
        self,
        objects: Sequence[dict[str, np.ndarray]],
        config: PointConfig,
        *,
        seed: int,
        global_batch: int,
        fixed: bool = False,
    ) -> None:
        if not objects:
            raise TrainingError("no training object was found", hint="check points.data")
        self.objects = objects
        self.config = config
        self.seed = seed
        self.num_low = 0 if fixed else config.low_resolution_steps * global_batch
        self.fixed = fixed

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> PointSample:
        """The sample of a global index >= 0."""
        rng = np.random.default_rng([self.seed, index])
        chosen = index % len(self) if self.fixed else int(rng.integers(len(self)))
        sampling = replace(self.config.batch, augment=self.config.batch.augment and not self.fixed)
        arrays = draw_sample(self.objects[chosen], sampling, rng)
        num_depths = self.config.ray_samples
        # one depth somewhere in each of K equal intervals
        jitter = rng.random((sampling.num_rays, num_depths))
        depths = (np.arange(num_depths) + jitter) / num_depths * 2.0 - 1.0
        size = self.config.low_resolution if index < self.num_low else None
        return PointSample(arrays, self.config.ray_reach * depths, size)


class PointObjective(nn.Module):
    """The model and its losses at points; its parameters are the model's.

    Args:
        model: a model with `frustum` planes.
        config: weights of the losses.
    """

    def __init__(self, model: LRM, config: PointConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, task: PointTask) -> dict[str, Float[Tensor, ""]]:
        """Losses of a batch.

        Each is the mean over photos of the photo's own mean, so that a batch counts the same in one
        piece and in several.

        Args:
            task: on the model's device.

        Returns:
            `total`, which is minimised; `occupancy`, `color`, `silhouette` and, where it has a
            weight, `side` before weighting; `occupancy_iou`, intersection over union of solid
            points.
        """
        batch, model = task.points, self.model
        planes = model(batch.images, batch.cameras)
        triplane = Triplane(planes, axes=model.config.nerf.plane_axes)  # normalised already
        ends = batch.ray_ends[:, :, None].expand(*task.ray_depths.shape, 2)
        along = torch.stack([ends[..., 0], task.ray_depths, ends[..., 1]], dim=-1)  # (B, R, K, 3)
        parts = [batch.points, batch.surface, along.flatten(1, 2)]
        raw = model.nerf_mlp(sample_planes(triplane, torch.cat(parts, dim=1)))
        occupied, colored, rays = raw.float().split([part.shape[1] for part in parts], dim=1)

        logits = occupied[..., DENSITY]
        known = ~batch.solid.isnan()
        solid = batch.solid.nan_to_num()
        entropy = F.binary_cross_entropy_with_logits(logits, solid, reduction="none")
        occupancy = ((entropy * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)).mean()
        _, rgb = model.nerf_mlp.activate(colored)
        color = F.smooth_l1_loss(rgb, batch.colors, beta=_COLOR_KNEE)
        densest = rays[..., DENSITY].unflatten(1, task.ray_depths.shape[1:]).amax(dim=-1)
        silhouette = F.binary_cross_entropy_with_logits(densest, batch.silhouette)
        config = self.config
        total = occupancy + config.color_weight * color + config.silhouette_weight * silhouette
        losses = {"occupancy": occupancy, "color": color, "silhouette": silhouette}
        if config.side_weight > 0.0:
            losses["side"] = self._side_loss(triplane, batch)
            total = total + config.side_weight * losses["side"]
        inside, truth = (logits > 0) & known, solid > 0.5
        union = (inside | truth).sum(dim=1).clamp_min(1)
        return {
            "total": total,
            **losses,
            "occupancy_iou": ((inside & truth).sum(dim=1) / union).mean(),
        }

    def _side_loss(self, triplane: Triplane, batch: PointBatch) -> Float[Tensor, ""]:
        raw = self.model.nerf_mlp(sample_planes(triplane, batch.side_points.flatten(1, 2)))
        along = raw[..., DENSITY].float().unflatten(1, batch.side_points.shape[1:3])
        outside = batch.side_points.abs().amax(dim=-1) > 1.0
        densest = along.masked_fill(outside, _RAW_OUTSIDE).amax(dim=-1)
        return F.binary_cross_entropy_with_logits(densest, batch.side_silhouette)

    @torch.no_grad()
    def validate(self, task: PointTask) -> ValidationResult:
        """The losses as scores; there are no pictures."""
        scores = {name: float(value) for name, value in self(task).items()}
        return ValidationResult(len(task), scores, [])


def load_objects(paths: Sequence[Path]) -> Iterator[dict[str, np.ndarray]]:
    """Read the `.npz` files of `prepare_objects`."""
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            yield {name: archive[name] for name in archive.files}
