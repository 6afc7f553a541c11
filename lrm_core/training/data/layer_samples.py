"""Photos with what their rays meet, as training samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.training.data.object_stream import ObjectStream
from lrm_core.training.data.photo_look import Look, draw_look, with_faults
from lrm_core.training.data.training_photos import LayeredPhotos, TrainingView
from lrm_core.training.layer_config import LayerConfig

# what lies behind is lit from behind as the front is from the front
_TURNED = np.array([1.0, -1.0, 1.0], dtype=np.float32)


@dataclass(frozen=True)
class LayerSample:
    """One photo.

    Attributes:
        image: straight-alpha RGBA in [0, 1].
        lens: distance and focal length of the camera that the model is given.
        depths: y of the first and the last surface of every ray; NaN where there is none.
        behind: sRGB of the last surface.
        points: at the surface, in the triplane's coordinates.
        colors: sRGB there.
        damaged: objects that were passed over for this sample, one line, or empty.
    """

    image: Float[np.ndarray, "4 S S"]
    lens: Float[np.ndarray, "2"]
    depths: Float[np.ndarray, "2 S S"]
    behind: Float[np.ndarray, "3 S S"]
    points: Float[np.ndarray, "Q 3"]
    colors: Float[np.ndarray, "Q 3"]
    damaged: str = ""

    def mirrored(self) -> LayerSample:
        """Right and left exchanged."""
        flipped = [
            np.ascontiguousarray(maps[..., ::-1]) for maps in (self.image, self.depths, self.behind)
        ]
        points = self.points * np.array([-1.0, 1.0, 1.0], dtype=np.float32)
        return replace(self, image=flipped[0], depths=flipped[1], behind=flipped[2], points=points)


@dataclass(frozen=True)
class LayerBatch:
    """B samples.

    Attributes:
        images: (B, 4, S, S).
        cameras: the B cameras that the model is given.
        depths: (B, 2, S, S).
        behind: (B, 3, S, S).
        points: (B, Q, 3).
        colors: (B, Q, 3).
        damaged: why objects were passed over.
    """

    images: Float[Tensor, "B 4 S S"]
    cameras: Cameras
    depths: Float[Tensor, "B 2 S S"]
    behind: Float[Tensor, "B 3 S S"]
    points: Float[Tensor, "B Q 3"]
    colors: Float[Tensor, "B Q 3"]
    damaged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> LayerBatch:
        """The first samples."""
        return self._with_each(lambda value: value[:count])

    def to(self, device: torch.device | str) -> LayerBatch:
        """The same batch on another device."""
        return self._with_each(lambda value: value.to(device))

    def _with_each(self, change: Callable[[Any], Any]) -> LayerBatch:
        """The batch with all tensors and cameras changed."""
        changed: dict[str, Any] = {
            name: change(value)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Cameras)
        }
        return replace(self, **changed)


def draw_sample(
    photos: LayeredPhotos,
    config: LayerConfig,
    rng: np.random.Generator,
    *,
    index: int | None = None,
) -> LayerSample:
    """One photo of an object, lit and spoiled.

    Args:
        photos: photos of the object.
        config: what is drawn.
        rng: source of randomness; the sample follows from its state alone.
        index: which photo; None for any.
    """
    chosen = int(rng.integers(len(photos.views))) if index is None else index
    view = TrainingView.from_array(photos.views[chosen])
    look = Look()
    if config.augment:
        shares = {"lit_share": config.lit_share, "shadowed_share": config.shadowed_share}
        look = draw_look(rng, **shares)
    albedo = photos.albedo[chosen].astype(np.float32) / 255.0
    normals = photos.normals[chosen].astype(np.float32) / 127.0
    rgb = look.of(albedo[..., :3], normals, photos.reached[chosen])
    photo = np.concatenate([rgb, albedo[..., 3:]], axis=-1)
    if config.augment:
        photo = with_faults(photo, rng)
    # highlights and the viewer's side belong to what is seen
    matt = replace(look, gloss=0.0)
    behind = matt.of(
        photos.behind[chosen].astype(np.float32) / 255.0,
        photos.behind_normals[chosen].astype(np.float32) / 127.0 * _TURNED,
    )
    points, colors = _points(photos, view, matt, config, rng)
    sample = LayerSample(
        np.ascontiguousarray(photo.transpose(2, 0, 1), dtype=np.float32),
        np.array([view.told_distance, view.told_focal], dtype=np.float32),
        photos.depths[chosen].astype(np.float32),
        np.ascontiguousarray(behind.transpose(2, 0, 1)),
        points,
        colors,
    )
    return sample.mirrored() if config.augment and rng.random() < 0.5 else sample


def _points(
    photos: LayeredPhotos,
    view: TrainingView,
    look: Look,
    config: LayerConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Points about the surface in the triplane's coordinates, and their colors."""
    chosen = rng.integers(len(photos.surface), size=config.num_points)
    normals = photos.surface_normals[chosen].astype(np.float32) / 127.0
    noise = np.where(rng.random((len(chosen), 1)) < 0.5, *config.surface_noise)
    # the noise is meant in world units, the points are the object's
    offset = rng.normal(size=(len(chosen), 1)) * noise / view.scale
    points = view.place(photos.surface[chosen].astype(np.float32) + offset * normals)
    turned = normals @ view.rotation.T
    away = turned[:, 1:2] > 0.0
    lit = look.of(
        photos.surface_colors[chosen].astype(np.float32) / 255.0,
        np.where(away, turned * _TURNED, turned),
    )
    return points.astype(np.float32), lit.astype(np.float32)


def collate_layers(samples: Sequence[LayerSample]) -> LayerBatch:
    """Samples as a batch."""
    size = samples[0].image.shape[-1]
    lenses = torch.from_numpy(np.stack([sample.lens for sample in samples]))
    zeros = torch.zeros(len(samples))
    c2w = look_at(torch.stack([zeros, -lenses[:, 0], zeros], dim=1))
    focal = lenses[:, 1] * size
    center = torch.full_like(focal, size / 2.0)
    intrinsics = torch.stack([focal, focal, center, center], dim=1)
    images, depths, behind, points, colors = (
        torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
        for name in ("image", "depths", "behind", "points", "colors")
    )
    cameras = Cameras(c2w.float(), intrinsics.float(), size, size)
    damaged = tuple(sample.damaged for sample in samples if sample.damaged)
    return LayerBatch(images, cameras, depths, behind, points, colors, damaged)


class LayerSamples(Dataset[LayerSample]):
    """Samples by index, without end; each is a pure function of (seed, index).

    Args:
        stream: the objects.
        config: what is drawn.
        seed: seed of the run.
        fixed: for validation: each photo of the first objects in turn, without augmentation; the
            number of objects.
    """

    collate = staticmethod(collate_layers)

    def __init__(
        self, stream: ObjectStream, config: LayerConfig, *, seed: int, fixed: int | None = None
    ) -> None:
        self.stream = stream
        self.config = replace(config, augment=False) if fixed is not None else config
        self.seed = seed
        self.fixed = fixed

    def __len__(self) -> int:
        """Validation: the photos; training: the samples in which every object comes once."""
        if self.fixed is not None:
            return self.fixed * self.config.data.views.num_views
        return self.stream.round_length * self.config.data.uses

    def contents(self) -> list[tuple[str, str]]:
        """Names of the objects, and the sizes of those that are files."""
        return [(item.name, item.content) for item in self.stream.objects]

    def __getitem__(self, index: int) -> LayerSample:
        """The sample of a global index >= 0."""
        rng = np.random.default_rng([self.seed, index])
        data = self.config.data
        if self.fixed is not None:
            # photo by photo, so that the first few samples are as many objects
            position, chosen = index % self.fixed, index // self.fixed
            photos, damaged = self.stream.photos(position)
            return replace(draw_sample(photos, self.config, rng, index=chosen), damaged=damaged)
        newest = index // data.uses
        photos, damaged = self.stream.photos(newest + int(rng.integers(data.window)))
        return replace(draw_sample(photos, self.config, rng), damaged=damaged)
