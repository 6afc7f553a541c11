"""Training by point supervision: losses, step, loop, exact resume.

The first stage of lrm-mini. Three losses per photo, all in the coordinates of the triplane:
occupancy of points (binary cross-entropy on the raw density), colour at the surface (L1), and the
silhouette of source rays (a photo's pixel is covered exactly when some point along its ray is
solid), which keeps uncertain depth from opening holes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lrm_core.errors import TrainingError
from lrm_core.io.atomic_write import replacing
from lrm_core.io.checkpoint_files import read_tensors
from lrm_core.models.lrm import LRM
from lrm_core.models.nerf_mlp import DENSITY
from lrm_core.structures.triplane import Triplane, sample_planes
from lrm_core.training.point_dataset import BatchSampling, PointBatch, ViewSampling, draw_batch


@dataclass(frozen=True, kw_only=True)
class MeshFolder:
    """A folder of mesh files to train on."""

    folder: str
    """Path; environment variables are expanded."""
    up: Literal["y", "z"] = "y"
    """Up axis of the files."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What to train on."""

    meshes: tuple[MeshFolder, ...] = ()
    num_procedural: int = 0
    seed: int = 0
    views: ViewSampling = field(default_factory=ViewSampling)


@dataclass(frozen=True, kw_only=True)
class PointTrainingConfig:
    """One training run."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: str = "lrm-mini"
    """Model preset."""
    data: DataConfig = field(default_factory=DataConfig)
    batch: BatchSampling = field(default_factory=BatchSampling)
    batch_size: int = 16
    num_steps: int = 3000
    low_resolution: int = 64
    """Photo side during the first `low_resolution_steps`; MeshLRM's low-to-high schedule."""
    low_resolution_steps: int = 0
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    weight_decay: float = 0.05
    """Not on biases, norms and embeddings (paper, appendix B)."""
    gradient_clip: float = 1.0
    color_weight: float = 2.0
    silhouette_weight: float = 0.3
    ray_samples: int = 24
    """Depths per silhouette ray."""
    ray_reach: float = 0.8
    """Silhouette rays are sampled at depths within +- this: objects are centred, and matter at the
    near end would be an easy way to explain any silhouette."""
    ema_decay: float = 0.998
    """Decay of the weight average that is validated and released."""
    dtype: str = "bfloat16"
    """Autocast type of the forward pass."""
    seed: int = 0
    log_every: int = 20
    checkpoint_every: int = 200


@dataclass(frozen=True)
class PointLosses:
    """Scalar losses of one batch; `total` is what is minimised."""

    total: Tensor
    occupancy: Tensor
    color: Tensor
    silhouette: Tensor
    occupancy_iou: Tensor

    def as_floats(self) -> dict[str, float]:
        """Plain numbers for logs."""
        names = ("total", "occupancy", "color", "silhouette", "occupancy_iou")
        return {name: float(getattr(self, name).detach()) for name in names}


def point_losses(
    model: LRM, batch: PointBatch, config: PointTrainingConfig, generator: torch.Generator
) -> PointLosses:
    """Losses of one batch.

    Args:
        model: a model with `frustum` planes.
        batch: photos and their supervision.
        config: weights of the losses.
        generator: jitters the depths of silhouette rays.
    """
    planes = model(batch.images, batch.cameras)
    triplane = Triplane(planes, axes=model.config.nerf.plane_axes)  # batch is normalised already

    jitter = torch.rand((*batch.silhouette.shape, config.ray_samples), generator=generator)
    along = (torch.arange(config.ray_samples) + jitter) / config.ray_samples * 2.0 - 1.0
    along = (config.ray_reach * along).to(planes.device)  # (B, R, K)
    ends = batch.ray_ends[:, :, None].expand(*along.shape, 2)
    ray_points = torch.stack([ends[..., 0], along, ends[..., 1]], dim=-1).flatten(1, 2)

    points = torch.cat([batch.points, batch.surface, ray_points], dim=1)
    raw = model.nerf_mlp(sample_planes(triplane, points))  # (B, P + Q + R K, 4)
    num_points, num_surface = batch.points.shape[1], batch.surface.shape[1]
    occupied, colored, rays = raw.split([num_points, num_surface, ray_points.shape[1]], dim=1)
    logits = occupied[..., DENSITY].float()
    known = ~batch.solid.isnan()
    occupancy = F.binary_cross_entropy_with_logits(logits[known], batch.solid[known])
    _, rgb = model.nerf_mlp.activate(colored.float())
    color = (rgb - batch.colors).abs().mean()
    best = rays[..., DENSITY].float().unflatten(1, along.shape[1:]).amax(dim=-1)
    silhouette = F.binary_cross_entropy_with_logits(best, batch.silhouette)
    total = occupancy + config.color_weight * color + config.silhouette_weight * silhouette
    predicted, solid = logits > 0, batch.solid > 0.5
    iou = (predicted & solid).sum() / (predicted | solid).sum().clamp_min(1)
    return PointLosses(total, occupancy, color, silhouette, iou)


def learning_rate_at(step: int, config: PointTrainingConfig) -> float:
    """Linear warm-up, then cosine to zero (paper, section 4.2 and appendix B)."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.num_steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(model: torch.nn.Module, config: PointTrainingConfig) -> torch.optim.AdamW:
    """AdamW with beta2 0.95; weight decay on matrices only (paper, appendix B)."""
    matrices = [p for p in model.parameters() if p.ndim >= 2 and p.requires_grad]
    vectors = [p for p in model.parameters() if p.ndim < 2 and p.requires_grad]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95))


class PointTrainer:
    """The state of a run: model, averaged weights, optimiser, step and randomness.

    Args:
        model: the model to train, on its device.
        config: the run.
        objects: training data, as `prepare_object` makes it.
        folder: checkpoints and `metrics.jsonl` go here.
    """

    def __init__(
        self,
        model: LRM,
        config: PointTrainingConfig,
        objects: Sequence[dict[str, np.ndarray]],
        folder: Path,
    ) -> None:
        if not objects:
            raise TrainingError("no training object was found", hint="check the data section")
        self.model = model
        self.config = config
        self.objects = objects
        self.folder = folder
        self.optimizer = build_optimizer(model, config)
        self.average = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint_path(self) -> Path:
        """Where the state is kept."""
        return self.folder / "state.pt"

    def save(self) -> None:
        """Write the whole state atomically."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(self.checkpoint_path) as temporary:
            torch.save(state, temporary)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False when there is none."""
        if not self.checkpoint_path.exists():
            return False
        state: dict[str, Any] = read_tensors(self.checkpoint_path)
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            for name, value in self.average.items():
                value.copy_(state["average"][name])  # keeps its device
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{self.checkpoint_path} was written by another configuration "
                f"({str(error).splitlines()[0]})",
                hint="choose another output folder, or remove this one",
            ) from error
        self.step = int(state["step"])
        return True

    def averaged_model(self) -> LRM:
        """A copy of the model with the averaged weights."""
        copy = LRM(self.model.config)
        copy.load_state_dict(self.average)
        return copy.eval()

    def run_step(self) -> PointLosses:
        """One optimiser step; every random number follows from (seed, step)."""
        config = self.config
        rng = np.random.default_rng([config.seed, self.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        size = config.low_resolution if self.step < config.low_resolution_steps else None
        batch = draw_batch(self.objects, config.batch_size, config.batch, rng, size=size)
        rate = learning_rate_at(self.step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        device = next(self.model.parameters()).device
        batch = batch.to(device)
        with torch.autocast(
            device.type, dtype=getattr(torch, config.dtype), enabled=config.dtype != "float32"
        ):
            losses = point_losses(self.model, batch, config, generator)
        if not torch.isfinite(losses.total):
            raise TrainingError(
                f"the loss is {float(losses.total.detach())} at step {self.step}",
                hint=f"lower learning_rate; the last good state is {self.checkpoint_path}",
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        # the average follows quickly at first, so that early checkpoints are of use
        decay = min(config.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value.detach().to(self.average[name].dtype), 1.0 - decay)
        self.step += 1
        return losses

    def run(self, on_log: Callable[[dict[str, float]], None]) -> None:
        """Train to the end, logging and saving on the way.

        Args:
            on_log: receives step, samples per second and losses every `log_every` steps; the same
                goes to `metrics.jsonl`.
        """
        started, first = time.monotonic(), self.step
        while self.step < self.config.num_steps:
            losses = self.run_step()
            if self.step % self.config.log_every == 0:
                seconds = time.monotonic() - started
                entry = {
                    "step": float(self.step),
                    "samples_per_second": (self.step - first) * self.config.batch_size / seconds,
                    "learning_rate": learning_rate_at(self.step, self.config),
                    **losses.as_floats(),
                }
                with (self.folder / "metrics.jsonl").open("a") as file:
                    file.write(json.dumps(entry) + "\n")
                on_log(entry)
            if self.step % self.config.checkpoint_every == 0:
                self.save()
        self.save()


def load_objects(paths: Sequence[Path]) -> Iterator[dict[str, Float[np.ndarray, "..."]]]:
    """Read the `.npz` files of `prepare_objects`."""
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            yield {name: archive[name] for name in archive.files}
