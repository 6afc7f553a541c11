"""What `lrm render` can look at: mesh files and stored radiance fields, as one kind of thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import fit_scene, needs_fitting
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.meshes.zipped_meshes import ARCHIVE_SUFFIX
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS, UNLIT
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.render_output import RenderOutput

FIELD_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ViewSource:
    """Something to render.

    Attributes:
        kind: "mesh", ray cast, or "field", volume rendered.
        render: cameras to views on white, with normals if requested.
        bounds: (2, 3) corners of the box that holds it, in the world frame.
        fitted: whether a mesh was centered and scaled into view.
        files: what was read: the file itself, and those that a mesh names.
    """

    kind: Literal["mesh", "field"]
    render: Callable[[Cameras], RenderOutput]
    bounds: Float[np.ndarray, "2 3"]
    fitted: bool = False
    files: tuple[Path, ...] = ()


def open_view_source(
    path: Path,
    *,
    up: Literal["y", "z"] = "y",
    fit: bool | None = None,
    lit: bool = False,
    want_normals: bool = False,
    device: str | torch.device = "cpu",
) -> ViewSource:
    """Open a mesh or a stored radiance field for rendering.

    Args:
        path: a mesh (see `read_scene`) or a file of `save_field`.
        up: the mesh file's up axis.
        fit: center a mesh and scale it into view; None does so only where it would not fit.
        lit: light a mesh instead of showing its colors as they are.
        want_normals: render normals too.
        device: where a field is rendered; meshes are rendered on the CPU.

    Raises:
        InputError: no such file, another kind of file, or a damaged mesh.
        CheckpointError: a damaged field.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if suffix == FIELD_SUFFIX:
        from lrm_core.reconstruction.stored_field import (
            load_field,
        )  # models: a mesh needs none of them

        reconstruction = load_field(path, device=device)
        corner = np.full(3, reconstruction.triplane.extent)
        return ViewSource(
            kind="field",
            render=lambda cameras: reconstruction.render(
                cameras.single_precision(), want_normals=want_normals
            ),
            bounds=np.stack([-corner, corner]),
        )
    if suffix not in (*SCENE_SUFFIXES, ARCHIVE_SUFFIX):
        raise InputError(
            f"{path.name}: cannot render '{path.suffix}' files",
            hint=f"use one of {', '.join((*SCENE_SUFFIXES, ARCHIVE_SUFFIX, FIELD_SUFFIX))}",
        )
    files = {path}
    scene = read_scene(path, up=up, read_files=files)
    fitted = needs_fitting(scene) if fit is None else fit
    if fitted:
        scene = fit_scene(scene)
    return ViewSource(
        kind="mesh",
        render=partial(
            render_scene,
            SceneTracer(scene),
            channels=("normal",) if want_normals else (),
            shading=STUDIO_LIGHTS if lit else UNLIT,
        ),
        bounds=scene.bounds,
        fitted=fitted,
        files=tuple(files),
    )
