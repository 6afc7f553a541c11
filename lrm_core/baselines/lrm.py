"""Large Reconstruction Models as predictors: lrm-mini, OpenLRM, TripoSR, whatever can be loaded.

One rule brings each model's answer into the picture's frame:

- A model that is conditioned on a camera (`camera_feature`: the paper's, lrm-mini, OpenLRM) gets
  the whole picture and its camera. Its answer lies in the frame of that camera: nothing has
  to be undone.
- A model without one (TripoSR) assumes its own camera and its own foreground ratio. The object is
  cropped for it as for any photo, and `undo_crop` carries the answer back. So it is for all models
  where the picture's camera is not known (`framing="crop"`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import UInt8

from lrm_core.baselines.placement import PlacedField, Similarity, moved_scene, undo_crop
from lrm_core.baselines.predictor import (
    Alignment,
    Prediction,
    View,
    fingerprint_of,
    require_object,
    tensors_sha256,
)
from lrm_core.config import config_to_dict
from lrm_core.errors import EmptySurfaceError
from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.imaging.framing import crop_window
from lrm_core.reconstruction.fusion import FUSION_VERSION, fuse_photos
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.view_directions import Direction
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.framed_photo import FramedPhoto
from lrm_core.structures.photo import CutOut
from lrm_core.structures.photo_camera import PhotoCamera


@dataclass(frozen=True, eq=False)
class LrmPredictor:
    """A loaded model.

    Attributes:
        model: the model.
        name: as on the command line.
        mesh: how its field becomes a mesh.
        framing: `as_is` where pictures are known to be taken by the camera of all methods, `crop`
            where their camera is not known.
        num_views: pictures that it is given.
    """

    model: ReconstructionModel
    name: str
    mesh: MeshOptions
    framing: Literal["as_is", "crop"] = "as_is"
    num_views: int = 1

    alignment: ClassVar[Alignment] = "canonical"

    @property
    def licence(self) -> str:
        """See `Predictor`."""
        return self.model.config.licence

    @property
    def source(self) -> str:
        """See `Predictor`."""
        return self.model.config.source or self.name

    @cached_property
    def fingerprint(self) -> str:
        """See `Predictor`."""
        return fingerprint_of(
            "lrm",
            {
                "config": config_to_dict(self.model.config),
                "weights": tensors_sha256(self.model.state_dict()),
                "device": self._device.type,
                "mesh": asdict(self.mesh),
                "framing": self.framing,
            }
            | (
                {"fusion": FUSION_VERSION, "num_views": self.num_views}
                if self.num_views > 1
                else {}
            ),
        )

    @property
    def iso_level(self) -> float:
        """See `Predictor`."""
        level = self.mesh.iso_level
        return self.model.config.nerf.iso_level if level is None else level

    @property
    def photo_colors(self) -> bool:
        """See `Predictor`."""
        return self.mesh.photo_colors and self.model.config.input.detail_size is not None

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The model's mesh in the frame of the picture; see `Predictor.predict`."""
        return self.predict_views([(0.0, rgba)])

    def predict_views(self, views: Sequence[View]) -> Prediction:
        """The model's mesh in the frame of the first picture; see `SeveralViewsPredictor`."""
        start = time.perf_counter()
        told = self._is_told_the_camera
        directions = [Direction(azimuth) for azimuth, _ in views]
        for _, rgba in views:
            require_object(rgba)
        photos = self.model.frame_alike(
            [CutOut(rgba, "alpha") for _, rgba in views],
            directions,
            PhotoCamera(framing="as_is" if told else "crop"),
        )
        similarity = Similarity() if told else self._undo_crop(views[0][1], photos[0])
        reconstruction = fuse_photos(
            [self._reconstruct(photo) for photo in photos], directions, same_scale=told
        )
        field = PlacedField(reconstruction, similarity.matrix)
        try:
            mesh = reconstruction.extract_mesh(options=self.mesh)
        except EmptySurfaceError as error:  # an answer, and judged as one
            return Prediction(None, time.perf_counter() - start, (error.message,), field)
        scene = moved_scene(scene_from_mesh(mesh), similarity)
        return Prediction(scene, time.perf_counter() - start, field=field)

    @property
    def _is_told_the_camera(self) -> bool:
        conditioned = self.model.config.decoder.camera_feature != "none"
        return conditioned and self.framing == "as_is"

    def _reconstruct(self, photo: FramedPhoto) -> Reconstruction:
        """What the model makes of one picture, in the frame of the camera that it assumes."""
        if not self._is_told_the_camera:
            return self.model.reconstruct_framed(photo)
        return self.model.reconstruct_framed(photo, canonical_camera(photo.rgba.shape[-1]))

    @property
    def _device(self) -> torch.device:
        return self.model.decoder.triplane_tokens.device

    def _undo_crop(self, rgba: UInt8[np.ndarray, "H W 4"], photo: FramedPhoto) -> Similarity:
        """From the frame of the crop that the model saw to that of the picture."""
        config = self.model.config
        assert photo.camera is not None
        ratio = photo.camera.assumptions["foreground_ratio"].value
        assert isinstance(ratio, float)
        return undo_crop(
            crop_window(rgba[..., 3], ratio),
            len(rgba),
            distance=config.source_camera.distance,
            focal=config.source_camera.focal,
        )


def load_lrm_predictor(
    source: str | Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype | str = torch.float32,
    resolution: int | None = None,
    photo_colors: bool = True,
    framing: Literal["as_is", "crop"] = "as_is",
    num_views: int = 1,
) -> LrmPredictor:
    """A predictor of any model that `load_model` knows.

    Meshes get colors at their vertices: at 256 grid points these are as fine as the pictures of
    256 pixels that are compared, and neither unwrapping nor decimation stands between a field and
    its score.

    Args:
        source: name, folder, file or Hugging Face id.
        device: where it computes.
        dtype: number format of its weights, its name, or "auto".
        resolution: grid points per axis of the mesh; None for the model's own.
        photo_colors: whether meshes take colors from the picture, where the model can.
        framing: see `LrmPredictor`.
        num_views: see `LrmPredictor`.

    Raises:
        CheckpointError: no such weights, or they cannot be read.
    """
    model = _load_once(source, device, dtype)
    mesh = MeshOptions(
        resolution=resolution or model.config.nerf.resolution,
        appearance="vertex_colors",
        photo_colors=photo_colors,
    )
    return LrmPredictor(model, str(source), mesh, framing, num_views)


@lru_cache(maxsize=1)
def _load_once(source: str | Path, device: str, dtype: torch.dtype | str) -> ReconstructionModel:
    """Predictors that differ in what they make of a field share its model."""
    return load_model(source, device=device, dtype=dtype)
