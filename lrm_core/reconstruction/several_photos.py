"""Several photo files of one object -> one mesh file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrm_core.errors import ConfigError
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects
from lrm_core.io.file_hash import sha256_of
from lrm_core.reconstruction.batch import FileOptions, PhotoDone, finish_photo
from lrm_core.reconstruction.fusion import FusedReconstruction
from lrm_core.reconstruction.pipeline import ReconstructionModel
from lrm_core.reconstruction.posed_views import reconstruct_posed
from lrm_core.reconstruction.reconstruction import MeshOptions, Reconstruction
from lrm_core.reconstruction.stages import StageClock
from lrm_core.sources.posed_photos import read_posed_photos
from lrm_core.structures.photo_camera import PhotoCamera


def reconstruct_views(
    model: ReconstructionModel,
    photos: Mapping[str, Path],
    mesh_file: Path,
    options: MeshOptions,
    *,
    files: FileOptions,
    camera: PhotoCamera | None = None,
    background_removal: BackgroundRemoval = "auto",
    keep: KeepObjects = "largest",
) -> PhotoDone:
    """Reconstruct one object from several photos and write its mesh.

    Args:
        model: on its device.
        photos: direction (see `ReconstructionModel.reconstruct`) -> file; the first gives the
            frame, and its picture is written beside the mesh.
        mesh_file: the file to be.
        options: how the mesh is made.
        files: which files are written.
        camera: see `ReconstructionModel.reconstruct`.
        background_removal: how the object of every photo is found.
        keep: which of several objects, see `remove_background`.

    Raises:
        InputError: a photo cannot be read.
        EmptyForegroundError: no object is left in one.
        ConfigError: a stored field is asked for, which holds one photo.
    """
    if files.field is not None:
        raise _one_photo_only()
    clock = StageClock()
    reconstruction = model.reconstruct(
        photos, background_removal=background_removal, keep=keep, camera=camera, clock=clock
    )
    return finish_photo(
        reconstruction,
        next(iter(photos.values())),
        mesh_file,
        options,
        files,
        clock=clock,
        notes={"views": describe_views(reconstruction, photos)},
    )


def reconstruct_capture(
    model: ReconstructionModel,
    folder: Path,
    first: Path,
    mesh_file: Path,
    options: MeshOptions,
    *,
    files: FileOptions,
    count: int = 8,
    background_removal: BackgroundRemoval = "auto",
) -> PhotoDone:
    """Reconstruct one object from photos with known cameras and write its mesh.

    Args:
        model: on its device.
        folder: see `read_posed_photos`.
        first: the photo of the folder that gives the frame.
        mesh_file: the file to be.
        options: how the mesh is made.
        files: which files are written.
        count: photos to use.
        background_removal: how the object is found where there is no mask.

    Raises:
        InputError: see `read_posed_photos`.
        ConfigError: a stored field is asked for, or the model is not told cameras.
    """
    if files.field is not None:
        raise _one_photo_only()
    clock = StageClock()
    with clock.stage("background"):
        photos, dropped = read_posed_photos(
            folder, first=first, count=count, background_removal=background_removal
        )
    reconstruction = reconstruct_posed(model, photos, clock=clock)
    names = {f"{index}": photo.file for index, photo in enumerate(photos)}
    notes = {"views": describe_views(reconstruction, names), "left_out": dropped}
    return finish_photo(reconstruction, first, mesh_file, options, files, clock=clock, notes=notes)


def _one_photo_only() -> ConfigError:
    return ConfigError(
        "a stored field holds what was made of one photo, but there are several",
        hint="leave out --save-field",
    )


def describe_views(
    reconstruction: Reconstruction, photos: Mapping[str, Path | bytes]
) -> list[dict[str, Any]]:
    """What the record says of every photo of an object.

    Args:
        reconstruction: what was made of them.
        photos: direction -> file, which is named with its hash, or its bytes, in the order in
            which they were reconstructed.
    """
    if not isinstance(reconstruction, FusedReconstruction):
        return []
    entries = []
    for (name, file), view in zip(photos.items(), reconstruction.views, strict=True):
        framed = view.reconstruction.photo
        source = (
            {"photo": {"name": file.name, "sha256": sha256_of(file)}}
            if isinstance(file, Path)
            else {}
        )
        entries.append(
            {
                "direction": name,
                **source,
                "background_removal": framed.background_removal if framed else "",
                "azimuth": view.direction.azimuth,
                "elevation": view.direction.elevation,
                "relative_scale": round(view.scale, 4),
                "camera": framed.camera.as_record() if framed and framed.camera else {},
            }
        )
    return entries
