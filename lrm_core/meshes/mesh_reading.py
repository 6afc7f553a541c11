"""Read meshes with every material as it was meant, in our world frame.

| format     | read                         | written (`mesh_writing.py`)                    |
|------------|------------------------------|------------------------------------------------|
| .glb .gltf | every material of glTF 2.0   | GLB: texture inside, or linear vertex colors   |
| .obj       | MTL, textures, vertex colors | MTL and PNG beside it, or `v x y z r g b`      |
| .ply       | vertex, face colors, textures| vertex colors                                  |
| .stl       | geometry, face colors        | geometry only, in millimeters                  |
| .dae       | materials, textures, up axis | -                                              |
| .zip       | one mesh of those above      | -                                              |
| .3mf       | -                            | texture or vertex colors, in millimeters       |
| .usdz      | -                            | texture or vertex colors, in meters            |

Each format has a reader of its own (`*_reading.py`), because what a general library reads of them
silently loses color or shape: vertex colors beside an MTL, faces without texture coordinates,
concave polygons, digits of coordinates far from the origin. The formats other than glTF know no
linear colors: Kd, diffuse and vertex colors are taken as sRGB, as most programs that write and
show such files do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from lrm_core.errors import InputError, LrmError, first_line
from lrm_core.io.foreign_content import foreign_content
from lrm_core.meshes.collada_reading import read_collada_parts
from lrm_core.meshes.gltf_reading import read_gltf_parts
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.meshes.obj_reading import read_obj_parts
from lrm_core.meshes.ply_reading import read_ply_parts
from lrm_core.meshes.stl_reading import read_stl_parts
from lrm_core.meshes.zipped_meshes import ARCHIVE_SUFFIX, unpacked_mesh
from lrm_core.structures.frames import WORLD_TO_FILE
from lrm_core.structures.scene import Scene, ScenePart

UpAxis = Literal["y", "z"]
Reader = Callable[[bytes, MeshAssets], tuple[list[ScenePart], UpAxis | None]]

_READERS: dict[str, Reader] = {
    ".glb": lambda content, assets: (read_gltf_parts(content, assets), None),
    ".gltf": lambda content, assets: (read_gltf_parts(content, assets), None),
    ".obj": lambda content, assets: (read_obj_parts(content, assets), None),
    ".ply": lambda content, assets: (read_ply_parts(content, assets), None),
    ".stl": lambda content, assets: (read_stl_parts(content), None),
    ".dae": read_collada_parts,
}
SCENE_SUFFIXES = tuple(_READERS)
"""What is taken for a mesh in a folder; archives are read where they are named themselves."""

# how files begin, what they are, and suffixes that fit
_MAGIC = (
    (b"glTF", "a GLB", (".glb", ".gltf")),
    (b"ply\n", "a PLY", (".ply",)),
    (b"ply\r", "a PLY", (".ply",)),
    (b"PK\x03\x04", "a zip archive", (ARCHIVE_SUFFIX,)),
)
_ALWAYS_Y_UP = (".glb", ".gltf")


def read_scene(path: Path, *, up: UpAxis = "y", read_files: set[Path] | None = None) -> Scene:
    """Read a mesh file with all parts, node transforms, textures and colors.

    Parts that have neither material nor colors become mid gray. Vertices are in double precision:
    coordinates far from the origin (UTM) keep their digits until the scene is centered.

    Args:
        path: ends in .glb, .gltf, .obj, .ply, .stl or .dae; or a .zip that holds one such file.
        up: the file's up axis: y (front +z) or z (front -y, our world; Google Scanned Objects).
            A COLLADA file that names its own is read by that, and glTF in an archive is y-up.
        read_files: where given, it gets the files that the mesh names (textures, buffers, ...).

    Raises:
        InputError: no such file, unknown suffix, damaged, no faces, vertices that are not finite,
            face indices out of range, or a material or texture that it names is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ARCHIVE_SUFFIX:
        return _read_archive(path, up)
    if suffix not in SCENE_SUFFIXES:
        raise InputError(
            f"{path.name}: cannot read meshes from '{path.suffix}'",
            hint=f"use one of {', '.join((*SCENE_SUFFIXES, ARCHIVE_SUFFIX))}",
        )
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path.name}: is not a regular file (a pipe or a device)")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from error
    if not content:
        raise InputError(f"{path.name}: is empty (0 bytes)")
    foreign = foreign_content(content) or _another_format(content, suffix)
    if foreign is not None:
        raise InputError(f"{path.name}: {foreign[0]}", hint=foreign[1])
    try:
        with np.errstate(all="ignore"):  # numbers out of range are found by _checked
            assets = MeshAssets(path)
            read, own_up = _READERS[suffix](content, assets)
            parts = [_checked(part) for part in read if len(part.faces) > 0]
    except LrmError as error:
        raise InputError(f"{path.name}: {error.message}", hint=error.hint) from error
    except MemoryError:
        raise
    # parsers meet hostile bytes here and raise whatever they raise
    except Exception as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else first_line(error)
        raise InputError(
            f"{path.name}: not a readable {suffix[1:].upper()} file ({reason})"
        ) from error
    if not parts:
        raise InputError(f"{path.name}: holds no triangles")
    if read_files is not None:
        read_files |= assets.found
    to_world = WORLD_TO_FILE[own_up or up]  # rows: v_file = R v_world, so v_world = v_file R
    return Scene(tuple(replace(part, vertices=part.vertices @ to_world) for part in parts))


def _another_format(content: bytes, suffix: str) -> tuple[str, str] | None:
    """What a mesh is that has the suffix of another format, and what to do."""
    for magic, name, suffixes in _MAGIC:
        if content.startswith(magic) and suffix not in suffixes:
            return f"holds {name}, not {suffix[1:].upper()}", f"end its name with {suffixes[0]}"
    return None


def _read_archive(path: Path, up: UpAxis) -> Scene:
    with unpacked_mesh(path, SCENE_SUFFIXES) as mesh:
        is_gltf = mesh.suffix.lower() in _ALWAYS_Y_UP
        try:
            return read_scene(mesh, up="y" if is_gltf else up)
        except InputError as error:
            raise InputError(f"{path.name}: {error.message}", hint=error.hint) from error


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
