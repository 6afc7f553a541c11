"""From a photo to a reconstruction: the paper's figure 1 in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from lrm_core.errors import ConfigError, InputError
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.imaging.framing import frame_as_is, frame_for_model, object_box
from lrm_core.io.image_files import ImageSource
from lrm_core.models.loading import load_lrm
from lrm_core.models.lrm import LRM
from lrm_core.reconstruction.assumed_camera import assume_camera
from lrm_core.reconstruction.fusion import fuse_photos
from lrm_core.reconstruction.photo_reading import cut_out
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.reconstruction.stages import StageClock
from lrm_core.reconstruction.view_directions import (
    LEVEL_NAMES,
    Direction,
    foreground_ratios,
    from_first,
    parse_direction,
)
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.framed_photo import FramedPhoto
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import LEAST_RATIO, Assumed, Framing, PhotoCamera


class ReconstructionModel(LRM):
    """An LRM that takes photos as they come."""

    def reconstruct(
        self,
        photo: ImageSource | Mapping[str, ImageSource],
        *,
        background_removal: BackgroundRemoval = "auto",
        mask: Shaped[np.ndarray, "h w"] | Mapping[str, Shaped[np.ndarray, "h w"]] | None = None,
        keep: KeepObjects = "largest",
        camera: PhotoCamera | None = None,
        source_camera: Cameras | None = None,
        clock: StageClock | None = None,
    ) -> Reconstruction:
        """Reconstruct the object in a photo, or in several photos from different sides.

        Args:
            photo: path, PIL image, or array (H, W, 3 or 4), uint8 or [0, 1]. For several photos
                {"front": ..., "back": ...}: keys are front, right, back, left, top, bottom or
                "AZIMUTH,ELEVATION" in degrees, and the first one gives the frame.
            background_removal: how the object is separated from its background.
            mask: the object's own mask, uint8, bool or [0, 1], of the photo's shape. For several
                photos {"front": ...}: those without one are cut out by `background_removal`.
            keep: which of several objects, see `remove_background`.
            camera: what is known of the camera: field of view, elevation, framing. Of several
                photos it holds for all, its elevation for front, right, back and left.
            source_camera: the camera of the framed photo, in the world frame; None for the one that
                follows from `camera` and EXIF, or else the canonical one.
            clock: see `StageClock`.

        Raises:
            InputError: a photo cannot be read, or one mask is given for several photos.
            EmptyForegroundError: no object is left in it.
            ConfigError: a key that is not a direction, a mask of a photo that is not given, or a
                camera that the model cannot follow.
            StoppedError: the clock was stopped.
        """
        clock, camera = clock or StageClock(), camera or PhotoCamera()
        if isinstance(photo, Mapping):
            if isinstance(mask, np.ndarray):
                raise InputError(
                    "one mask cannot serve several photos", hint='name its photo: {"front": mask}'
                )
            return self._reconstruct_views(
                photo,
                mask or {},
                background_removal=background_removal,
                keep=keep,
                camera=camera,
                source_camera=source_camera,
                clock=clock,
            )
        if isinstance(mask, Mapping):
            raise InputError("masks are named, but the photo is not")
        cut = cut_out(
            photo, background_removal=background_removal, mask=mask, keep=keep, clock=clock
        )
        framed = self.frame(cut, camera, clock=clock)
        return self.reconstruct_framed(framed, source_camera, clock=clock)

    def frame(
        self, cut: CutOut, camera: PhotoCamera | None = None, *, clock: StageClock | None = None
    ) -> FramedPhoto:
        """The images of a cut-out object that the model and its mesh need, and their camera.

        Args:
            cut: the object of a photo.
            camera: see `reconstruct`.
            clock: see `StageClock`.

        Raises:
            EmptyForegroundError: alpha is zero everywhere.
            ConfigError: a camera that the model cannot follow.
        """
        camera = camera or PhotoCamera()
        with (clock or StageClock()).stage("framing"):
            cut, assumed = assume_camera(self.config, cut, camera)
            ratio = camera.foreground_ratio or self.config.input.foreground_ratio
            rgba = self._frame(cut.rgba, camera.framing, ratio, self.config.encoder.image_size)
            detail_size = self.config.input.detail_size
            detail: Tensor | None = None
            if detail_size is not None:
                detail = self._frame(cut.rgba, camera.framing, ratio, detail_size)
        warning = "; ".join(filter(None, [cut.warning, assumed.warning])) or None
        return FramedPhoto(rgba, detail, cut.method, warning, assumed)

    @torch.inference_mode()
    def reconstruct_framed(
        self,
        photo: FramedPhoto,
        source_camera: Cameras | None = None,
        *,
        clock: StageClock | None = None,
    ) -> Reconstruction:
        """Reconstruct the object of a framed photo.

        Args:
            photo: from `frame`.
            source_camera: see `reconstruct`.
            clock: see `StageClock`.
        """
        tell, assumed = True, photo.camera
        if source_camera is None and assumed is not None:
            source_camera, tell = (
                canonical_camera(
                    photo.rgba.shape[-1], distance=assumed.distance, focal=assumed.focal
                ),
                assumed.told,
            )
        with (clock or StageClock()).stage("encode and decode"):
            triplane = self.predict_triplane(
                photo.rgba, source_camera, detail=photo.detail, tell_camera=tell
            )
        return Reconstruction(
            field=self.field(triplane),
            config=self.config,
            source_camera=source_camera or self.canonical_camera(),
            photo=photo,
        )

    def _reconstruct_views(
        self,
        photos: Mapping[str, ImageSource],
        masks: Mapping[str, Shaped[np.ndarray, "h w"]],
        *,
        background_removal: BackgroundRemoval,
        keep: KeepObjects,
        camera: PhotoCamera,
        source_camera: Cameras | None,
        clock: StageClock,
    ) -> Reconstruction:
        if not photos:
            raise InputError("no photo is given")
        directions = [self._direction(name, camera) for name in photos]
        if strangers := masks.keys() - photos.keys():
            raise ConfigError(f"there is a mask, but no photo, of '{min(strangers)}'")
        cuts = []
        for name, photo in photos.items():
            try:
                cut = cut_out(
                    photo,
                    background_removal=background_removal,
                    mask=masks.get(name),
                    keep=keep,
                    clock=clock,
                )
            except InputError as error:
                if len(photos) > 1:
                    error.message = f"{name}: {error.message}"
                    error.args = (error.message,)
                raise
            if len(photos) > 1 and cut.warning:
                cut = replace(cut, warning=f"{name}: {cut.warning}")
            cuts.append(cut)
        single = [
            self.reconstruct_framed(framed, source_camera, clock=clock)
            for framed in self.frame_alike(cuts, directions, camera, clock=clock)
        ]
        with clock.stage("fusion"):
            return fuse_photos(single, directions, same_scale=camera.framing == "as_is")

    def frame_alike(
        self,
        cuts: Sequence[CutOut],
        directions: Sequence[Direction],
        camera: PhotoCamera,
        *,
        clock: StageClock | None = None,
    ) -> list[FramedPhoto]:
        """Photos of one object, framed so that it is of one size in all.

        Args:
            cuts: the object of each photo; none is empty.
            directions: from where each was taken; the first counts as the front.
            camera: see `reconstruct`.
            clock: see `StageClock`.

        Raises:
            ConfigError: a camera that the model cannot follow.
        """
        largest = camera.foreground_ratio or self.config.input.foreground_ratio
        if len(cuts) == 1 or camera.framing == "as_is":
            return [self.frame(cut, camera, clock=clock) for cut in cuts]
        boxes = []
        for cut in cuts:
            box = object_box(cut.rgba[..., 3])
            assert box is not None  # callers refuse a photo without an object
            left, top, right, bottom = box
            boxes.append((float(right - left), float(bottom - top)))
        framed = []
        for cut, ratio in zip(
            cuts, foreground_ratios(from_first(directions), boxes, largest), strict=True
        ):
            ratio = max(ratio, LEAST_RATIO)
            photo = self.frame(cut, replace(camera, foreground_ratio=ratio), clock=clock)
            assert photo.camera is not None
            said = {"foreground_ratio": Assumed(round(ratio, 4), "sizes in all photos")}
            assumed = replace(photo.camera, assumptions=photo.camera.assumptions | said)
            framed.append(replace(photo, camera=assumed))
        return framed

    @staticmethod
    def _direction(name: str, camera: PhotoCamera) -> Direction:
        direction = parse_direction(name)
        if camera.elevation is None or name not in LEVEL_NAMES:
            return direction
        return replace(direction, elevation=camera.elevation)

    def _frame(
        self, rgba: UInt8[np.ndarray, "H W 4"], framing: Framing, ratio: float, size: int
    ) -> Float[Tensor, "1 4 S S"]:
        demands = self.config.input
        background, resize = demands.background, demands.resize
        if framing == "as_is":
            return frame_as_is(rgba, size=size, background=background, resize=resize)
        return frame_for_model(
            rgba,
            size=size,
            foreground_ratio=ratio,
            background=background,
            resize=resize,
        )


def load_model(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str = torch.float32,
) -> ReconstructionModel:
    """Load a model.

    Args:
        source: bundled name (`"lrm-mini"`), folder, weight file or Hugging Face id.
        device: where it computes.
        dtype: number format of its weights, its name, or "auto": see `load_lrm`.

    Raises:
        CheckpointError: no such weights, or they cannot be read.
    """
    return load_lrm(source, device=device, dtype=dtype, model_class=ReconstructionModel).eval()
