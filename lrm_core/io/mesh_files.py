"""Mesh files: `read_scene` and `write_mesh`, the names that the rest of the project uses.

| format     | written with                                   | read with                        |
|------------|------------------------------------------------|----------------------------------|
| .glb .gltf | GLB: texture inside, or linear vertex colors   | every material of glTF 2.0       |
| .obj       | MTL and PNG beside it, or `v x y z r g b`      | MTL, textures, vertex colors     |
| .ply       | vertex colors                                  | vertex, face colors, textures    |
| .stl       | geometry only, in millimeters                  | geometry, face colors            |
| .3mf       | texture or vertex colors, in millimeters       | -                                |
| .usdz      | texture or vertex colors, in meters            | -                                |
| .dae       | -                                              | materials, textures, up axis     |
"""

from lrm_core.geometry.scene_conversion import (
    mesh_from_scene,
    normalise_scene,
    scene_from_mesh,
)
from lrm_core.io.mesh_reading import SCENE_SUFFIXES, read_scene
from lrm_core.io.mesh_writing import MESH_WRITERS, write_mesh

__all__ = [
    "MESH_WRITERS",
    "SCENE_SUFFIXES",
    "mesh_from_scene",
    "normalise_scene",
    "read_scene",
    "scene_from_mesh",
    "write_mesh",
]
