"""Photos of one object with known cameras: a `transforms.json` or a COLMAP capture.

The object is found by its masks and brought into the cube [-1, 1]^3, as captures are for training
(`video_capture.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from lrm_core.errors import InputError
from lrm_core.foreground.methods import BackgroundRemoval
from lrm_core.io.camera_files import read_cameras, view_files
from lrm_core.io.colmap_files import read_colmap_model
from lrm_core.io.colmap_model import ColmapCamera
from lrm_core.sources.capture_frames import FrameView, crop_frame, cut_out_frame
from lrm_core.sources.object_placement import place_object
from lrm_core.sources.video_capture import mask_file, model_folder

TRANSFORMS = "transforms.json"

_LEAST_PHOTOS = 3
"""Below this the object cannot be placed."""
_CROP_SIZE, _CROP_RATIO = 1024, 0.85
_EQUALLY_FAR = 1e-3
"""Difference of two cosines that the rounding of poses in files can make."""


@dataclass(frozen=True, eq=False)
class PosedPhoto:
    """A cut-out photo and the camera that took it.

    Attributes:
        file: where it was read from.
        rgba: (S, S, 4) crop around the object, straight alpha.
        c2w: (4, 4) OpenGL axes, in a world with z up whose origin is the object's center.
        intrinsics: (4,) fx, fy, cx, cy in pixels of the crop.
    """

    file: Path
    rgba: UInt8[np.ndarray, "S S 4"]
    c2w: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "4"]


@dataclass(frozen=True, eq=False)
class _Frame:
    """A photo on disk, its mask if there is one, and its camera."""

    file: Path
    mask: Path | None
    camera: ColmapCamera
    c2w: Float[np.ndarray, "4 4"]


def read_posed_photos(
    folder: Path,
    *,
    first: Path | None = None,
    count: int = 8,
    background_removal: BackgroundRemoval = "auto",
) -> tuple[tuple[PosedPhoto, ...], dict[str, str]]:
    """Photos from all around an object.

    Args:
        folder: holds `transforms.json` and its images, or `images/`, `sparse/0/` and, if there are
            masks, `masks/`.
        first: the photo that comes first; None for the first of the folder.
        count: photos to take, as far apart as they can be.
        background_removal: how the object is found where there is no mask.

    Returns:
        the photos, and the names of those that could not be used with the reason.

    Raises:
        InputError: no such folder, none of these layouts, the first photo is not in it or cannot
            be used, or fewer than three can.
    """
    frames = _frames(folder)
    start = 0
    if first is not None:
        places = [os.path.realpath(frame.file) for frame in frames]
        if os.path.realpath(first) not in places:
            raise InputError(
                f"{first} is not among the {len(frames)} photos of {folder} that have a camera",
                hint=f"name one of them, for example {frames[0].file}",
            )
        start = places.index(os.path.realpath(first))
    chosen = [frames[index] for index in _far_apart([frame.c2w for frame in frames], start, count)]
    taken: list[tuple[_Frame, FrameView]] = []
    dropped: dict[str, str] = {}
    for frame in chosen:
        try:
            cut = cut_out_frame(frame.file, frame.mask, background_removal)
            view = crop_frame(
                cut, frame.camera, frame.c2w, size=_CROP_SIZE, foreground_ratio=_CROP_RATIO
            )
            taken.append((frame, view))
        except InputError as error:
            if frame is chosen[0]:
                raise InputError(f"{frame.file}: {error.message}") from error
            dropped[frame.file.name] = error.message
    _check_count(len(taken), dropped)
    return _placed(taken, dropped), dropped


def _placed(
    taken: Sequence[tuple[_Frame, FrameView]], dropped: dict[str, str]
) -> tuple[PosedPhoto, ...]:
    """The photos around the object's center; those that contradict the others are dropped."""
    views = [view for _, view in taken]
    c2w = np.stack([view.c2w for view in views]).astype(np.float64)
    placement = place_object(
        np.stack([view.rgba[..., 3] for view in views]),
        c2w,
        np.stack([view.intrinsics for view in views]),
    )
    photos = []
    for (frame, view), pose, agrees in zip(
        taken, placement.apply(c2w), placement.trusted, strict=True
    ):
        if agrees:
            photos.append(PosedPhoto(frame.file, view.rgba, pose, view.intrinsics))
        elif view is views[0]:
            raise InputError(f"{frame.file}: its mask or pose contradicts the other photos")
        else:
            dropped[frame.file.name] = "its mask or pose contradicts the other photos"
    _check_count(len(photos), dropped)
    return tuple(photos)


def _check_count(count: int, dropped: dict[str, str]) -> None:
    if count < _LEAST_PHOTOS:
        name, why = next(iter(dropped.items()), ("", ""))
        raise InputError(
            f"{count} posed photos can be used, expected at least {_LEAST_PHOTOS}"
            + (f"; {name}: {why}" if name else "")
        )


def _frames(folder: Path) -> list[_Frame]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint="give a folder of photos with cameras")
    if (folder / TRANSFORMS).is_file():
        return _frames_of_transforms(folder / TRANSFORMS)
    if not (folder / "images").is_dir():
        raise InputError(
            f"{folder}: neither {TRANSFORMS} nor images/ with COLMAP's sparse/0/",
            hint="see docs/conventions.md for the one, docs/data.md for the other",
        )
    model = read_colmap_model(model_folder(folder), points=False)
    masks = folder / "masks" if (folder / "masks").is_dir() else None
    return [
        _Frame(
            folder / "images" / image.name,
            None if masks is None else mask_file(masks, image.name),
            model.cameras[image.camera_id],
            image.c2w,
        )
        for image in sorted(model.images, key=lambda image: image.name)
    ]


def _frames_of_transforms(path: Path) -> list[_Frame]:
    cameras, files = read_cameras(path), view_files(path)
    return [
        _Frame(
            file,
            None,
            ColmapCamera(index, "PINHOLE", cameras.width, cameras.height, tuple(lens)),
            pose.double().numpy(),
        )
        for index, (file, lens, pose) in enumerate(
            zip(files, cameras.intrinsics.tolist(), cameras.c2w, strict=True)
        )
    ]


def _far_apart(c2w: Sequence[Float[np.ndarray, "4 4"]], start: int, count: int) -> list[int]:
    """Indices of cameras, each looking as differently as possible from all before it.

    Among equals the first is taken, whatever the last digits of the poses say.
    """
    directions = np.stack([pose[:3, 2] for pose in c2w])
    chosen = [start]
    alike = directions @ directions[start]
    while len(chosen) < min(count, len(directions)):
        alike[chosen] = np.inf
        chosen.append(int(np.argmax(alike <= alike.min() + _EQUALLY_FAR)))
        alike = np.maximum(alike, directions @ directions[chosen[-1]])
    return chosen
