"""Captures of real objects: frames of a video with COLMAP poses and masks -> a view set.

The layout is MVImgNet's: `images/`, `sparse/0/` and, beside them or in a tree of their own, masks.

Source: paper, sections 4.1 and 4.2; X. Yu et al., MVImgNet: A Large-scale Dataset of Multi-view
Images, CVPR 2023.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrm_core.errors import ConfigError, InputError
from lrm_core.foreground.methods import BackgroundRemoval
from lrm_core.io.colmap_files import colmap_model_files, read_colmap_model
from lrm_core.io.colmap_model import ColmapImage
from lrm_core.io.file_hash import sha256_of
from lrm_core.io.image_formats import IMAGE_SUFFIXES
from lrm_core.sources.capture_frames import FrameView, crop_frame, cut_out_frame
from lrm_core.sources.object_placement import place_object
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectJob, ObjectSource, ViewSet, object_id_of

UNKNOWN_LICENCE = "see the capture's own terms"

_DEPTH = 3
"""Folders between the root and a capture, at most: MVImgNet has category/object."""
_LEAST_VIEWS = 3
"""Frames below which no object can be placed."""


@dataclass(frozen=True)
class CaptureResult:
    """What a capture gave.

    Attributes:
        views: the frames that could be used.
        dropped: the others and why, by their names.
    """

    views: ViewSet
    dropped: dict[str, str]


@dataclass(frozen=True)
class CaptureSource:
    """Captures as a `Source`.

    Attributes:
        root: the folder that was searched for captures.
        masks: root of a tree of masks with the same folders; None for `masks/` in each capture or,
            where there is none, background removal.
        size: side of the square views in pixels.
        num_views: frames to take, evenly spaced; None for all.
        min_views: frames that must be usable.
        foreground_ratio: longer side of the object's box over the side of a view, in [0.5, 1].
        background_removal: method where there are no masks.
        collection: name of the collection that the captures belong to.
        licence: licence of the captures.

    Raises:
        ConfigError: a value is out of range.
    """

    root: str | Path
    masks: str | Path | None = None
    size: int = 512
    num_views: int | None = None
    min_views: int = 5
    foreground_ratio: float = 0.85
    background_removal: BackgroundRemoval = "auto"
    collection: str = "video"
    licence: str = UNKNOWN_LICENCE

    def __post_init__(self) -> None:
        if not 0.5 <= self.foreground_ratio <= 1.0:
            raise ConfigError(
                f"the foreground ratio must lie in [0.5, 1], got {self.foreground_ratio}"
            )
        if self.min_views < _LEAST_VIEWS or (self.num_views or self.min_views) < self.min_views:
            raise ConfigError(
                f"{self.num_views or 'all'} views, at least {self.min_views} of them usable: "
                f"expected {_LEAST_VIEWS} or more, and no fewer views than must be usable"
            )
        if self.size < 8:
            raise ConfigError(f"the size of the views must be 8 or more, got {self.size}")

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of a capture; see `read`."""
        return self.read(job).views

    def jobs(self) -> list[ObjectJob]:
        """See `capture_jobs`."""
        return capture_jobs(self.root)

    def describe(self) -> dict[str, Any]:
        """See `Source`."""
        return {
            "source": self.collection,
            "licence": self.licence,
            "settings": {
                "num_views": self.num_views,
                "min_views": self.min_views,
                "size": self.size,
                "foreground_ratio": self.foreground_ratio,
                "background_removal": self.background_removal,
                "masks": "given" if self.masks is not None else "of each capture, or none",
            },
        }

    def read(self, job: ObjectJob) -> CaptureResult:
        """The views of a capture, and which frames were dropped.

        Every frame is cropped around its mask; then one similarity transform puts the object at the
        origin, upright, in the cube [-1, 1]^3. The bounds are an estimate; see `place_object`.

        Args:
            job: one of `jobs`.

        Raises:
            InputError: no COLMAP model or a damaged one, too few usable frames, or views from which
                the object cannot be placed.

        Source: paper, sections 4.1 and 4.2.
        """
        folder = Path(self.root, job.location)
        sparse = model_folder(folder)
        model_files = [file for file in colmap_model_files(sparse) if file.is_file()]
        model = read_colmap_model(sparse, points=len(model_files) == 3)
        masks = self._mask_folder(folder, job)
        unknown = _image_names(folder / "images") - {image.name for image in model.images}
        dropped = dict.fromkeys(sorted(unknown), "COLMAP found no pose for it")
        taken: dict[str, FrameView] = {}
        files = {f"sparse/{file.name}": file for file in model_files}
        for image in _evenly_spaced(model.images, self.num_views):
            path = folder / "images" / image.name
            try:
                mask = None if masks is None else mask_file(masks, image.name)
                frame = cut_out_frame(path, mask, self.background_removal)
                taken[image.name] = crop_frame(
                    frame,
                    model.cameras[image.camera_id],
                    image.c2w,
                    size=self.size,
                    foreground_ratio=self.foreground_ratio,
                )
            except InputError as error:
                dropped[image.name] = error.message
                continue
            files[f"images/{image.name}"] = path
            if mask is not None:
                files[f"masks/{image.name}"] = mask
        self._check_count(taken, dropped)

        views = list(taken.values())
        images = np.stack([view.rgba for view in views])
        c2w = np.stack([view.c2w for view in views])
        intrinsics = np.stack([view.intrinsics for view in views])
        points = None if model.points is None else model.points.xyz
        placement = place_object(images[..., 3], c2w, intrinsics, points)
        trusted = placement.trusted
        for name, agrees in zip(list(taken), trusted, strict=True):
            if not agrees:
                dropped[name] = "its mask or pose contradicts the other frames"
                del taken[name]
        self._check_count(taken, dropped)

        cameras = Cameras(
            torch.from_numpy(placement.apply(c2w)[trusted]).float(),
            torch.from_numpy(intrinsics[trusted]).float(),
            self.size,
            self.size,
        )
        bounds = placement.bounds.astype(np.float32)
        source = ObjectSource(self.collection, self.licence, _sha256(files), bounds)
        return CaptureResult(ViewSet(job.object_id, images[trusted], cameras, source), dropped)

    def _mask_folder(self, capture: Path, job: ObjectJob) -> Path | None:
        if self.masks is None:
            folder = capture / "masks"
            return folder if folder.is_dir() else None
        folder = Path(self.masks, job.location)
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder of masks",
                hint="--masks names the root of a tree that has the captures' own folders",
            )
        return folder

    def _check_count(self, taken: dict[str, FrameView], dropped: dict[str, str]) -> None:
        if len(taken) < self.min_views:
            name, why = next(iter(dropped.items()), ("", ""))
            raise InputError(
                f"{len(taken)} of {len(taken) + len(dropped)} frames can be used, expected at "
                f"least {self.min_views}" + (f"; {name}: {why}" if name else "")
            )


def capture_jobs(root: str | Path) -> list[ObjectJob]:
    """The captures in a folder, or the folder itself if it is one, sorted by id.

    A capture is a folder with a folder `images`; those that lack poses are listed too, so that
    their failure is.

    Args:
        root: a capture, or a folder of captures (at most three folders down).

    Raises:
        InputError: there is none.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder", hint="give a capture or a folder of captures")
    if (root / "images").is_dir():
        return [ObjectJob(object_id_of(root.resolve().name), ".")]
    locations = [capture.relative_to(root).as_posix() for capture in _captures_below(root, _DEPTH)]
    if not locations:
        raise InputError(
            f"{root}: no captures",
            hint="expected CAPTURE/images/ and CAPTURE/sparse/0/, at most three folders down",
        )
    jobs = [ObjectJob(object_id_of(location), location) for location in locations]
    return sorted(jobs, key=lambda job: job.object_id)


def _captures_below(folder: Path, depth: int) -> Iterable[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith("."):
            path = Path(entry.path)
            if (path / "images").is_dir():
                yield path
            elif depth > 1:
                yield from _captures_below(path, depth - 1)


def model_folder(capture: Path) -> Path:
    """`sparse/0`, or `sparse` where the model lies in it directly; nerfstudio's lie in `colmap`."""
    places = [capture / place for place in ("sparse", "colmap/sparse")]
    folders = [folder for place in places for folder in (place / "0", place)]
    return next((folder for folder in folders if folder.is_dir()), places[0])


def _image_names(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    }


def mask_file(folder: Path, name: str) -> Path:
    """The mask of a frame: NAME.jpg.png, as MVImgNet has it, NAME.png, or the frame's own name."""
    for candidate in (folder / f"{name}.png", (folder / name).with_suffix(".png"), folder / name):
        if candidate.is_file():
            return candidate
    raise InputError("it has no mask")


def _evenly_spaced(images: Sequence[ColmapImage], count: int | None) -> list[ColmapImage]:
    """As many images, in the order of the video: 2.jpg goes before 10.jpg."""
    ordered = sorted(
        images,
        key=lambda image: [
            (int(part), "") if part.isdecimal() else (-1, part)
            for part in re.split(r"(\d+)", image.name)
        ],
    )
    count = len(ordered) if count is None else min(count, len(ordered))
    return [ordered[index * len(ordered) // count] for index in range(count)]


def _sha256(files: dict[str, Path]) -> str:
    """SHA-256 of the hashes of files, in the order of their names."""
    digest = hashlib.sha256()
    for _, path in sorted(files.items()):
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()
