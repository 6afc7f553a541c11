"""A mesh file as another kind of file, in memory."""

from __future__ import annotations

from pathlib import Path

from lrm_core.geometry.scene_conversion import mesh_from_part
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.meshes.mesh_writing import encode_mesh
from lrm_core.meshes.zip_packages import pack


def convert_mesh(path: Path, name: str, *, size_mm: float | None = None) -> bytes:
    """A file of one part in the format that a name asks for.

    Args:
        path: a file in glTF's frame.
        name: its suffix chooses the format; .zip is an OBJ with its material and texture.
        size_mm: longest side in millimeters, for formats that have a unit of length.

    Raises:
        InputError: the file cannot be read.
        OutputError: see `encode_mesh`.
    """
    (part,) = read_scene(path).parts
    target = Path(name)
    packed = target.suffix == ".zip"
    files = encode_mesh(
        target.with_suffix(".obj") if packed else target, mesh_from_part(part), size_mm=size_mm
    )
    if packed:
        return pack({file.name: content for file, content in files.items()})
    (content,) = files.values()
    return content
