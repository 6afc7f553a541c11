"""Stored radiance fields: planes, the MLP that reads them, the source camera, the licence.

A file is self-contained: it is rendered and meshed without the model that made it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from lrm_core.config import FieldConfig, ModelConfig, config_to_dict, parse_config
from lrm_core.errors import CheckpointError, ConfigError, first_line
from lrm_core.io.checkpoint_files import (
    read_metadata,
    read_tensors,
    require_finite,
    require_tensors,
    write_safetensors,
)
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.framed_photo import FramedPhoto
from lrm_core.structures.ray_layers import NUM_MAPS, RayLayers
from lrm_core.structures.triplane import Frustum, Triplane

# what these files were called first; old ones stay readable
FIELD_FORMAT = "lrm-scene"
FIELD_VERSION = 1


def save_field(path: Path, reconstruction: Reconstruction) -> None:
    """Write a radiance field as one safetensors file; an older file is replaced whole.

    Raises:
        OutputError: the file cannot be written.
    """
    triplane, camera = reconstruction.triplane, reconstruction.source_camera
    tensors = {
        "planes": triplane.planes,
        "source_camera.c2w": camera.c2w,
        "source_camera.intrinsics": camera.intrinsics,
    }
    for name, value in reconstruction.field.nerf_mlp.state_dict().items():
        tensors[f"nerf_mlp.{name}"] = value
    photo = reconstruction.photo
    if photo is not None:
        tensors["foreground"] = photo.rgba
        if photo.detail is not None:
            tensors["detail"] = (photo.detail * 255.0).round().to(torch.uint8)
    if triplane.rays is not None:
        tensors["rays"] = triplane.rays.maps
    frustum = triplane.frustum
    metadata = {
        "format": FIELD_FORMAT,
        "format_version": str(FIELD_VERSION),
        "model": json.dumps(config_to_dict(reconstruction.config)),
        "frustum": json.dumps(frustum and [frustum.distance, frustum.focal]),
        "size": json.dumps([camera.width, camera.height]),
        "background_removal": photo.background_removal if photo else "",
    }
    write_safetensors(path, tensors, metadata=metadata)


def load_field(path: str | Path, *, device: str | torch.device = "cpu") -> Reconstruction:
    """Read a file of `save_field`.

    Raises:
        CheckpointError: no such file, not a stored field, truncated, or written by a newer version.
    """
    path = Path(path)
    metadata = read_metadata(path)
    if metadata.get("format") != FIELD_FORMAT:
        raise CheckpointError(
            f"{path}: not a stored radiance field",
            hint="lrm reconstruct --save-field writes them",
        )
    if metadata.get("format_version") != str(FIELD_VERSION):
        raise CheckpointError(
            f"{path}: field version {metadata.get('format_version')}, expected {FIELD_VERSION}",
            hint="update lrm-toolkit",
        )
    tensors = require_tensors(read_tensors(path), origin=str(path))
    require_finite(tensors, origin=str(path))
    try:
        config = parse_config(ModelConfig, json.loads(metadata["model"]), origin=str(path))
        frustum = json.loads(metadata["frustum"])
        width, height = json.loads(metadata["size"])
        planes = tensors["planes"].float().to(device)
        mlp = _read_mlp(tensors, config.nerf, 3 * planes.shape[2]).to(device)
        maps = tensors.get("rays")
        if maps is not None and (maps.ndim != 4 or maps.shape[:2] != (1, NUM_MAPS)):
            raise ValueError(f"rays have shape {tuple(maps.shape)}")
        triplane = Triplane(
            planes,
            config.nerf.extent,
            config.nerf.plane_axes,
            frustum and Frustum(*frustum),
            None if maps is None else RayLayers(maps.float().to(device), config.nerf.ray_steepness),
        )
        camera = Cameras(
            tensors["source_camera.c2w"], tensors["source_camera.intrinsics"], width, height
        )
    except (KeyError, ValueError, TypeError, RuntimeError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged field ({first_line(error)})") from error
    rgba, detail = tensors.get("foreground"), tensors.get("detail")
    photo: FramedPhoto | None = None
    if rgba is not None:
        photo = FramedPhoto(
            rgba,
            None if detail is None else detail.float() / 255.0,
            metadata.get("background_removal", ""),
        )
    return Reconstruction(
        field=TriplaneField(triplane, mlp),
        config=config,
        source_camera=camera,
        photo=photo,
    )


def _read_mlp(tensors: dict[str, torch.Tensor], config: FieldConfig, in_features: int) -> NerfMLP:
    prefix = "nerf_mlp."
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    mlp = NerfMLP(in_features, config)
    mlp.load_state_dict(state)
    return mlp.to(next(iter(state.values())).dtype).eval()
