"""Read meshes with every material as it was meant, in our world frame.

OBJ, PLY, STL and COLLADA are parsed by trimesh; glTF by gltf_reading. The formats other than glTF
know no linear colours: Kd, diffuse and vertex colours are taken as sRGB, as most programs that
write and show such files do. A texture takes the place of Kd instead of being multiplied by it
(as in Blender), because many exporters write a meaningless Kd, such as 0.4 or 0.8, beside it.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lrm_core.errors import InputError, LrmError
from lrm_core.geometry.scene_conversion import MID_GREY
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.io.gltf_reading import read_gltf_parts
from lrm_core.io.mesh_assets import MeshAssets, decode_texture
from lrm_core.optional import require
from lrm_core.structures.frames import WORLD_TO_FILE
from lrm_core.structures.scene import Material, Scene, ScenePart

SCENE_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".dae")


def read_scene(path: Path, *, up: Literal["y", "z"] = "y") -> Scene:
    """Read a mesh file with all parts, node transforms, textures and colours.

    Parts that have neither material nor colours become mid grey.

    Args:
        path: ends in .glb, .gltf, .obj, .ply, .stl or .dae.
        up: the file's up axis: y (front +z) or z (front -y, our world; Google Scanned Objects).

    Raises:
        InputError: no such file, unknown suffix, damaged, no faces, vertices that are not finite,
            face indices out of range, or a material or texture that it names is missing.
        MissingDependencyError: COLLADA without pycollada.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SCENE_SUFFIXES:
        raise InputError(
            f"{path.name}: cannot read meshes from '{path.suffix}'",
            hint=f"use one of {', '.join(SCENE_SUFFIXES)}",
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if suffix == ".dae":
        require("collada", extra="collada", purpose="reading COLLADA files")
    assets = MeshAssets(path)
    read_parts = read_gltf_parts if suffix in (".glb", ".gltf") else _read_trimesh_parts
    try:
        with np.errstate(all="ignore"):  # numbers out of range are found by _checked
            parts = [
                _checked(part)
                for part in read_parts(path.read_bytes(), suffix, assets)
                if len(part.faces) > 0
            ]
    except LrmError as error:
        raise InputError(f"{path.name}: {error.message}", hint=error.hint) from error
    # parsers meet hostile bytes here and raise whatever they raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path.name}: not a readable {suffix[1:].upper()} file ({reason[:120]})"
        ) from error
    if assets.problems:
        raise InputError(
            f"{path.name}: {assets.problems[0]}",
            hint="put the file beside the mesh, or remove the line that names it",
        )
    if not parts:
        raise InputError(f"{path.name}: holds no triangles")
    to_world = WORLD_TO_FILE[up]  # rows: v_file = R v_world, so v_world = v_file R
    return Scene(
        tuple(
            replace(part, vertices=(part.vertices @ to_world).astype(np.float32)) for part in parts
        )
    )


def _checked(part: ScenePart) -> ScenePart:
    """The part without unused vertices, every number within its range.

    Raises:
        InputError: indices out of range or used vertices that are not finite.
    """
    faces, num_vertices = part.faces, len(part.vertices)
    if faces.min() < 0 or faces.max() >= num_vertices:
        raise InputError(
            f"faces name vertices {faces.min()} to {faces.max()}, there are {num_vertices}"
        )
    used = np.zeros(num_vertices, dtype=bool)
    used[faces] = True
    vertices = np.asarray(part.vertices[used], dtype=np.float64)
    if not np.isfinite(vertices.astype(np.float32)).all():
        raise InputError("has vertices that are not finite numbers")
    material, uv, colors = part.material, part.uv, part.vertex_colors
    if uv is None and material.texture is not None:
        material = replace(material, texture=None)
    if uv is not None:
        uv = np.nan_to_num(uv[used].astype(np.float32), posinf=0.0, neginf=0.0)
    if colors is not None:
        colors = np.clip(np.nan_to_num(colors[used].astype(np.float32)), 0.0, 1.0)
    faces = (np.cumsum(used) - 1)[faces].astype(np.int32)
    return ScenePart(vertices, faces, material, uv, colors)


def _read_trimesh_parts(content: bytes, suffix: str, assets: MeshAssets) -> list[ScenePart]:
    """One part per node of the file's scene graph, in the file's frame."""
    import trimesh  # half a second, which writing meshes does not need

    resolver: Any = assets  # the interface of trimesh's Resolver, without its base class
    scene = trimesh.load_scene(
        io.BytesIO(content), file_type=suffix[1:], resolver=resolver, process=False
    )
    parts = []
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces) > 0:
            parts.append(_part_from_trimesh(geometry, transform))
    return parts


def _part_from_trimesh(geometry: Any, transform: np.ndarray) -> ScenePart:
    import trimesh

    vertices = trimesh.transform_points(np.asarray(geometry.vertices), transform)
    faces = np.asarray(geometry.faces)
    if np.linalg.det(transform[:3, :3]) < 0:
        faces = faces[:, ::-1]
    visual: Any = geometry.visual
    kind = visual.kind
    if kind == "texture":
        uv = None if visual.uv is None or len(visual.uv) != len(vertices) else visual.uv[:, :2]
        return ScenePart(vertices, faces, _material_from_trimesh(visual.material, uv), uv)
    if kind == "vertex":
        colors = _linear_rgba(visual.vertex_colors)
        return ScenePart(vertices, faces, Material(), vertex_colors=colors)
    if kind == "face":  # every face gets corners of its own
        colors = np.repeat(_linear_rgba(visual.face_colors), 3, axis=0)
        corners = np.arange(3 * len(faces)).reshape(-1, 3)
        return ScenePart(vertices[faces].reshape(-1, 3), corners, Material(), vertex_colors=colors)
    return ScenePart(vertices, faces, MID_GREY)


def _material_from_trimesh(material: Any, uv: np.ndarray | None) -> Material:
    """A material of an OBJ, PLY or COLLADA file; opaque unless MTL's `d` or `map_d` says else."""
    from trimesh.visual.material import PBRMaterial

    if isinstance(material, PBRMaterial):
        image, diffuse, more = material.baseColorTexture, material.baseColorFactor, {}
    else:
        image, diffuse, more = material.image, material.diffuse, material.kwargs
    # `d 0` is a common mistake of exporters; nobody stores an invisible object
    opacity = float(more.get("d", ["1"])[0]) or 1.0
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "BLEND" if opacity < 1 else "OPAQUE"
    if image is not None and uv is not None:
        if "map_d" in more and alpha_mode == "OPAQUE":
            alpha_mode = "MASK"
        return Material((1.0, 1.0, 1.0, opacity), decode_texture(image), alpha_mode)
    if diffuse is None:
        return MID_GREY
    red, green, blue = _linear_rgba(np.asarray(diffuse)[None])[0, :3].tolist()
    return Material((red, green, blue, opacity), alpha_mode=alpha_mode)


def _linear_rgba(srgb: np.ndarray) -> np.ndarray:
    """(N, 4) 8-bit sRGB with linear alpha -> linear RGBA in [0, 1]."""
    values = np.asarray(srgb, dtype=np.float32) / 255.0
    return np.concatenate([srgb_to_linear(values[:, :3]), values[:, 3:]], axis=1)
