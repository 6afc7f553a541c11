"""Datasets of views -> training samples: an input view, side views, and cameras in one frame.

Every sample is a pure function of (seed, index): its object by a permutation of the epoch, its
views, resolution, crops and jitter by a generator of its own. There is no state to save, and any
number of processes and workers sees the same samples as one.

Source: paper, sections 3.4 and 4.2.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from lrm_core.config import ModelConfig
from lrm_core.errors import InputError, TrainingError
from lrm_core.geometry.camera_normalization import normalize_cameras
from lrm_core.imaging.framing import frame_as_is
from lrm_core.io.view_dataset_files import (
    ViewDataset,
    open_view_dataset,
    read_view_set,
    view_dataset_contents,
)
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ViewSet
from lrm_core.training.data.target_crops import TargetViews, crop_targets
from lrm_core.training.view_config import ViewDataConfig, ViewSource

_MOST_DAMAGED = 16
"""Objects in a row that may be damaged: more are not an accident."""
_ROTATION_TOLERANCE = 1e-2

# streams of random numbers that must not depend on one another
_ORDER, _SAMPLE = 0, 1


@dataclass(frozen=True)
class ViewSample:
    """One object: its input view, and V supervised views of which that view is the first.

    Attributes:
        object_id: id of the object.
        image: (4, S, S) input view in [0, 1], straight alpha, at the model's input size.
        camera: camera of the input view, S x S pixels.
        targets: the V supervised views.
        background: gray level that the targets lie on.
        seed: seed of the renderer's jitter.
        damaged: why objects that should have come here could not be used.
    """

    object_id: str
    image: Float[Tensor, "4 S S"]
    camera: Cameras
    targets: TargetViews
    background: float
    seed: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class ViewBatch:
    """B samples.

    Attributes:
        object_ids: ids of the B objects.
        images: (B, 4, S, S) input views in [0, 1], straight alpha; models without alpha put them on
            their own background.
        cameras: the B input cameras, S x S pixels.
        target_cameras: B * V cameras of h x w pixels, object by object; each object's first sees
            (a part of) the input view.
        rgb: (B, V, h, w, 3) what they see, in [0, 1], over the background.
        alpha: (B, V, h, w) in [0, 1].
        background: gray level in [0, 1].
        seeds: B seeds of the renderer's jitter.
        damaged: one line for each object that could not be used and was replaced.
    """

    object_ids: tuple[str, ...]
    images: Float[Tensor, "B 4 S S"]
    cameras: Cameras
    target_cameras: Cameras
    rgb: Float[Tensor, "B V h w 3"]
    alpha: Float[Tensor, "B V h w"]
    background: float
    seeds: tuple[int, ...]
    damaged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ViewBatch:
        """The same batch on another device."""
        moved: dict[str, Any] = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Cameras)
        }
        return replace(self, **moved)


def collate_views(samples: Sequence[ViewSample]) -> ViewBatch:
    """Samples of one image size as a batch."""
    return ViewBatch(
        object_ids=tuple(sample.object_id for sample in samples),
        images=torch.stack([sample.image for sample in samples]),
        cameras=_joined([sample.camera for sample in samples]),
        target_cameras=_joined([sample.targets.cameras for sample in samples]),
        rgb=torch.stack([sample.targets.rgb for sample in samples]),
        alpha=torch.stack([sample.targets.alpha for sample in samples]),
        background=samples[0].background,
        seeds=tuple(sample.seed for sample in samples),
        damaged=tuple(line for sample in samples for line in sample.damaged),
    )


@dataclass(frozen=True)
class _Part:
    """The objects of one source that are in the split."""

    source: ViewSource
    dataset: ViewDataset
    object_ids: list[str]
    num_views: list[int]


class ViewSamples(Dataset[ViewSample]):
    """Samples by index, without end: index // len is the epoch, and `len` counts repeats.

    An object that cannot be read (a damaged image, impossible cameras) must not end a run of days:
    the next one of the epoch's order takes its place, and the sample's `damaged` says so.

    Args:
        config: what to draw.
        model: size and resampling of the model's input.
        split: which objects; the configuration names one for training and one for validation.
        seed: seed of the run.
        fixed: for validation: every object once, whatever the seed; its first view as input and
            others spread evenly, whole images of at most `crop` pixels.

    Raises:
        TrainingError: a dataset cannot be opened, or has no object in the split.
    """

    collate = staticmethod(collate_views)

    def __init__(
        self,
        config: ViewDataConfig,
        model: ModelConfig,
        *,
        split: str,
        seed: int = 0,
        fixed: bool = False,
    ) -> None:
        if not config.sources:
            raise TrainingError(
                "views.sources is empty: there is nothing to train on",
                hint="name a dataset: views.sources='[{url: FOLDER}]'; `lrm preprocess` makes one",
            )
        self.config = config
        self.model = model
        self.seed = 0 if fixed else seed
        self.fixed = fixed
        self._parts = [_open_part(source, split) for source in config.sources]
        repeats = [1 if fixed else part.source.repeats for part in self._parts]
        sizes = [len(part.object_ids) for part in self._parts]
        self._ends = np.cumsum(np.multiply(sizes, repeats))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def contents(self) -> list[tuple[str, str]]:
        """Shards with their hash, and objects of all splits with that of what they were made of.

        Names begin with the number of their source, from 1. URLs do not count: a dataset may move.
        """
        return [
            (f"{number}/{name}", content)
            for number, part in enumerate(self._parts, start=1)
            for name, content in view_dataset_contents(part.dataset)
        ]

    def __getitem__(self, index: int) -> ViewSample:
        """The sample of a global index >= 0.

        Raises:
            TrainingError: 16 objects in a row cannot be used.
        """
        damaged: list[str] = []
        for attempt in range(_MOST_DAMAGED):
            epoch, position = divmod(index + attempt, len(self))
            order = _order_of_epoch(self.seed, 0 if self.fixed else epoch, len(self))
            entry = int(order[position])
            which = int(np.searchsorted(self._ends, entry, side="right"))
            part = self._parts[which]
            object_index = (entry - (self._ends[which - 1] if which else 0)) % len(part.object_ids)
            # the index, not the entry: copies within an epoch must differ
            rng = np.random.default_rng([self.seed, _SAMPLE, index, attempt])
            try:
                sample = self._draw(part, int(object_index), rng)
            except InputError as error:
                damaged.append(f"{part.source.url}: {error.message}")
                continue
            return replace(sample, damaged=tuple(damaged))
        raise TrainingError(
            f"{_MOST_DAMAGED} objects in a row cannot be used; the last: {damaged[-1]}",
            hint="check the dataset: lrm preprocess check DATASET",
        )

    def _draw(self, part: _Part, object_index: int, rng: np.random.Generator) -> ViewSample:
        config = self.config
        object_id = part.object_ids[object_index]
        views = self._choose_views(object_id, part.num_views[object_index], rng)
        view_set = read_view_set(part.dataset, object_id, views.tolist())
        _check_views(view_set)
        seed = int(rng.integers(2**62))
        cameras = normalize_cameras(
            view_set.cameras,
            mode=config.camera_poses,
            distance=part.source.distance,
            generator=torch.Generator().manual_seed(seed),
        )
        low, high = config.target_resolution
        resolution = min(config.crop, high) if self.fixed else int(rng.integers(low, high + 1))
        targets = crop_targets(
            view_set.images,
            cameras,
            resolution=resolution,
            crop=config.crop,
            background=config.background,
            rng=rng,
        )
        size = self.model.encoder.image_size
        image = frame_as_is(
            view_set.images[0],
            size=size,
            background=self.model.input.background,
            resize=self.model.input.resize,
        )
        return ViewSample(
            object_id,
            image[0],
            cameras[0].resized(size, size),
            targets,
            config.background,
            seed,
        )

    def _choose_views(self, object_id: str, num_views: int, rng: np.random.Generator) -> np.ndarray:
        """Indices of the input view and the side views; these repeat where there are too few."""
        num_side = self.config.num_side_views
        if self.fixed:
            return np.linspace(0, num_views, 1 + num_side, endpoint=False).astype(int)
        allowed = np.arange(num_views)
        if self.config.max_views is not None:  # the object's own subset, whatever the seed
            of_object = np.random.default_rng(zlib.crc32(object_id.encode()))
            allowed = of_object.permutation(num_views)[: self.config.max_views]
        order = rng.permutation(allowed)
        others = order[1:] if len(order) > 1 else order
        return np.concatenate([order[:1], np.resize(others, num_side)])


# the current epoch and, while damaged objects are replaced, the next
@lru_cache(maxsize=4)
def _order_of_epoch(seed: int, epoch: int, size: int) -> Int[np.ndarray, "N"]:
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(size)


def _open_part(source: ViewSource, split: str) -> _Part:
    url = os.path.expandvars(source.url)
    if "$" in url:
        raise TrainingError(
            f"views.sources: '{source.url}' names a variable that is not set",
            hint="set it to the folder or URL of a dataset that `lrm preprocess` wrote",
        )
    try:
        dataset = open_view_dataset(url)
    except InputError as error:
        raise TrainingError(f"views.sources: {error.message}", hint=error.hint) from error
    manifest = dataset.manifest
    chosen = manifest[(manifest["split"] == split) & (manifest["num_views"] > 0)]
    if chosen.empty:
        counts = manifest["split"].value_counts()
        others = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise TrainingError(
            f"{url}: no object is in the split '{split}' (found: {others or 'no objects'})",
            hint="choose another with views.split or views.validation_split, or prepare more",
        )
    return _Part(source, dataset, chosen["object_id"].tolist(), chosen["num_views"].tolist())


def _check_views(view_set: ViewSet) -> None:
    """Hold off what decodes well but would spoil a step: one NaN is enough."""
    cameras = view_set.cameras
    if cameras.width != cameras.height:
        raise InputError(
            f"{view_set.object_id}: views of {cameras.width} x {cameras.height} pixels, "
            "expected square ones"
        )
    usable = cameras.is_rigid(_ROTATION_TOLERANCE) & cameras.intrinsics.isfinite().all(dim=1)
    if not bool((usable & (cameras.intrinsics[:, :2] > 0.0).all(dim=1)).all()):
        raise InputError(f"{view_set.object_id}: its cameras are not rigid pinhole cameras")


def _joined(cameras: Sequence[Cameras]) -> Cameras:
    return Cameras(
        torch.cat([camera.c2w for camera in cameras]),
        torch.cat([camera.intrinsics for camera in cameras]),
        cameras[0].width,
        cameras[0].height,
    )
