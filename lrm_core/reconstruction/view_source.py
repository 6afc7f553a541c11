"""What `lrm render` can look at: mesh files and reconstructed scenes, as one kind of thing."""

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
from lrm_core.io.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.rendering.mesh_renderer import SceneTracer, render_scene
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS, UNLIT
from lrm_core.rendering.scene_fitting import fit_scene, needs_fitting
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.render_output import RenderOutput

SCENE_FILE_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ViewSource:
    """Something to render.

    Attributes:
        kind: "mesh", ray cast, or "scene", volume rendered.
        render: cameras to views on white, normals included if they were asked for.
        bounds: (2, 3) corners of the box that holds it, in the world frame.
        fitted: whether a mesh was centred and scaled into view.
    """

    kind: Literal["mesh", "scene"]
    render: Callable[[Cameras], RenderOutput]
    bounds: Float[np.ndarray, "2 3"]
    fitted: bool = False


def open_view_source(
    path: Path,
    *,
    up: Literal["y", "z"] = "y",
    fit: bool | None = None,
    lit: bool = False,
    want_normals: bool = False,
    device: str | torch.device = "cpu",
) -> ViewSource:
    """Open a mesh or scene file for rendering.

    Args:
        path: a mesh (see `read_scene`) or a scene that `lrm reconstruct --save-scene` wrote.
        up: the mesh file's up axis.
        fit: centre a mesh and scale it into view; None does so only where it would not fit.
        lit: light a mesh instead of showing its colours as they are.
        want_normals: render normals too.
        device: where a scene is rendered; meshes are rendered on the CPU.

    Raises:
        InputError: no such file, another kind of file, or a damaged mesh.
        CheckpointError: a damaged scene.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if suffix == SCENE_FILE_SUFFIX:
        from lrm_core.reconstruction.scene import load_scene  # models: a mesh needs none of them

        reconstruction = load_scene(path, device=device)
        corner = np.full(3, reconstruction.triplane.extent)
        return ViewSource(
            kind="scene",
            render=partial(reconstruction.render, want_normals=want_normals),
            bounds=np.stack([-corner, corner]),
        )
    if suffix not in SCENE_SUFFIXES:
        raise InputError(
            f"{path.name}: cannot render '{path.suffix}' files",
            hint=f"use one of {', '.join((*SCENE_SUFFIXES, SCENE_FILE_SUFFIX))}",
        )
    scene = read_scene(path, up=up)
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
    )
