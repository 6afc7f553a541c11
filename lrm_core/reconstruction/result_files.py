"""What lies beside a mesh: the image that the model saw, and how the mesh came about."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrm_core.geometry.scene_conversion import scene_from_mesh
from lrm_core.geometry.standing import Standing
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.atomic_write import check_replaceable, write_together
from lrm_core.io.file_hash import sha256_of
from lrm_core.io.image_writing import encode_png, to_uint8
from lrm_core.meshes.mesh_placement import MeshPlacement, UpAxis, place_mesh
from lrm_core.meshes.mesh_writing import encode_mesh
from lrm_core.reconstruction.reconstruction import Reconstruction
from lrm_core.reconstruction.result_record import (
    files_of_record,
    input_image_path,
    record_path,
)
from lrm_core.reconstruction.stages import StageClock, peak_memory_mb
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.rendering.view_output import write_views
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.render_output import RenderOutput
from lrm_core.version import __version__

FRAME_WORDS = {"y": "y up, front +z (glTF)", "z": "z up, front -y (lrm world)"}


def source_camera_in_file(source_camera: Cameras, placement: MeshPlacement) -> dict[str, Any]:
    """The source camera as `mesh.json` holds it.

    Returns:
        `c2w` (4 x 4, OpenGL axes, in the frame of the mesh file) and `fx fy cx cy` divided by
        the image's width (x) and height (y).
    """
    camera = source_camera[0]
    c2w = camera.c2w[0].double().cpu().numpy()
    c2w[:3, 3:] = placement.apply(c2w[:3, 3:].T).T
    c2w[:3, :3] = placement.rotation @ c2w[:3, :3]
    intrinsics = camera.normalized_intrinsics[0].tolist()
    return {"c2w": c2w.tolist(), **dict(zip(("fx", "fy", "cx", "cy"), intrinsics, strict=True))}


def describe_result(
    reconstruction: Reconstruction,
    mesh: Mesh,
    placement: MeshPlacement,
    seconds: Mapping[str, float],
    standing: Standing | None = None,
) -> dict[str, Any]:
    """Everything `mesh.json` says about a result."""
    config, photo = reconstruction.config, reconstruction.photo
    assumed = None if photo is None else photo.camera
    camera = reconstruction.source_camera
    if standing is not None:
        camera = standing.move_cameras(camera)
    in_file = placement.apply(mesh.vertices.astype(np.float64))
    up, unit = placement.up, placement.unit
    return {
        "lrm_version": __version__,
        "model": config.name,
        "licence": config.licence,
        "commercial_use": config.commercial_use,
        "background_removal": photo.background_removal if photo else "",
        "frame": {"up": up, "words": FRAME_WORDS[up]} | ({"unit": unit} if unit else {}),
        "source_camera": source_camera_in_file(camera, placement),
        "camera": {} if assumed is None else assumed.as_record(),
        "turned_degrees": 0.0 if standing is None else round(standing.turned_degrees, 2),
        "num_vertices": len(mesh.vertices),
        "num_faces": len(mesh.faces),
        "bounds": (in_file.min(axis=0).tolist(), in_file.max(axis=0).tolist()),
        "seconds": {k: round(v, 3) for k, v in seconds.items()},
        "peak_memory_mb": round(peak_memory_mb()),
    }


def write_result(
    path: Path,
    reconstruction: Reconstruction,
    mesh: Mesh,
    *,
    photo: Path | None = None,
    up: UpAxis | None = None,
    size_mm: float | None = None,
    overwrite: bool = False,
    clock: StageClock | None = None,
    notes: Mapping[str, Any] | None = None,
    standing: Standing | None = None,
) -> tuple[list[Path], dict[str, Any]]:
    """Write a mesh with `NAME.input.png` and `NAME.json` beside it, all of them or none.

    Args:
        path: the mesh file; its suffix chooses the format.
        reconstruction: what the mesh came from.
        mesh: in the world frame, or moved from it.
        photo: the file that the mesh was made from; the record names it with its hash.
        up: up axis of the file; None for the format's own.
        size_mm: longest side in millimeters, for formats that have a unit of length.
        overwrite: replace older files, and remove those of an older result that are none of this.
        clock: the whole job's; the record holds its seconds.
        notes: further entries of the record.
        standing: how the mesh was moved; the source camera of the record moves along.

    Returns:
        every file written, and the content of `NAME.json`.

    Raises:
        OutputError: see `write_mesh`.
    """
    clock = clock or StageClock()
    image_path, json_path = input_image_path(path), record_path(path)
    stale = files_of_record(path)
    # without its mesh, which is written last, a result is what a killed run has left
    unfinished = set() if os.path.lexists(path) else stale
    with clock.stage("write"):
        files = encode_mesh(path, mesh, up=up, size_mm=size_mm)
        if reconstruction.photo is not None:
            rgba = reconstruction.photo.rgba[0].permute(1, 2, 0).cpu().numpy()
            files[image_path] = encode_png(to_uint8(rgba))
    placement = place_mesh(mesh, path.suffix.lower(), up=up, size_mm=size_mm)
    description = describe_result(reconstruction, mesh, placement, clock.seconds, standing)
    if photo is not None:
        description["photo"] = {"name": photo.name, "sha256": sha256_of(photo)}
    description |= notes or {}
    description["files"] = [file.name for file in files]
    files[json_path] = (json.dumps(description, indent=2) + "\n").encode()
    check_replaceable(*(files.keys() - unfinished), overwrite=overwrite)
    write_together(files)
    for file in stale - set(files):
        file.unlink(missing_ok=True)
    return list(files), description


def write_turntable(
    path: Path,
    mesh: Mesh,
    source_camera: Cameras,
    *,
    num_frames: int = 72,
    size: int = 512,
    overwrite: bool = False,
    clock: StageClock | None = None,
) -> None:
    """A video of the mesh turning once, seen as far away as the source camera was.

    Args:
        path: ends in .mp4 or .gif.
        mesh: in the world frame.
        source_camera: gives distance and focal length.
        num_frames: views per turn.
        size: side of the square video in pixels.
        overwrite: replace an older file.
        clock: see `StageClock`.

    Raises:
        OutputError: another suffix, or the file exists and may not be replaced.
    """
    cameras = orbit(
        num_frames,
        elevation_degrees=15.0,
        radius=float(source_camera.origins[0].norm()),
        size=size,
        focal=float(source_camera.normalized_intrinsics[0, 0]),
    )
    clock = clock or StageClock()
    tracer = SceneTracer(scene_from_mesh(mesh))

    def views() -> Iterator[RenderOutput]:
        for i in range(num_frames):
            clock.between_passes(i / num_frames)
            yield render_scene(tracer, cameras[i], channels=("rgb",))

    with clock.stage("video"):
        write_views(path, views(), cameras, overwrite=overwrite)
