"""One mesh as a binary glTF 2.0 file (GLB).

Written here rather than by trimesh, which stores vertex colors in 8 bits: too coarse for the
linear values that the standard demands (sRGB 10 of 255 would come back as 13).
Source: Khronos glTF 2.0 specification, sections 3.6 (accessors), 3.9 (materials), 4 (GLB).
"""

import json
import struct
from typing import Any

import numpy as np

from lrm_core.geometry.mesh_geometry import vertex_normals
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.structures.mesh import Mesh

_FLOAT, _UNSIGNED_INT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3"}


class _Buffer:
    """The binary chunk and the views and accessors that describe it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def add_bytes(self, content: bytes, target: int | None = None) -> int:
        """Append `content`, aligned to 4 bytes; returns the index of its view."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += content + bytes(-len(content) % 4)
        return len(self.views) - 1

    def add_array(self, values: np.ndarray, target: int) -> int:
        """Append (N,) uint32 or (N, 2 | 3) float32; returns the index of its accessor."""
        rows = values.reshape(len(values), -1)
        self.accessors.append(
            {
                "bufferView": self.add_bytes(np.ascontiguousarray(rows).tobytes(), target),
                "componentType": _FLOAT if rows.dtype == np.float32 else _UNSIGNED_INT,
                "count": len(rows),
                "type": _TYPES[rows.shape[1]],
                "min": rows.min(axis=0).tolist(),
                "max": rows.max(axis=0).tolist(),
            }
        )
        return len(self.accessors) - 1


def encode_glb(mesh: Mesh, name: str, texture_png: bytes | None) -> bytes:
    """The bytes of a GLB file with smooth normals and one rough, non-metallic material.

    Args:
        mesh: already in the frame of the file (y up, front +z).
        name: name of the node, mesh and material.
        texture_png: the encoded texture of a textured mesh, else None.
    """
    buffer = _Buffer()
    vertices = mesh.vertices.astype(np.float32)
    attributes = {
        "POSITION": buffer.add_array(vertices, _ARRAY_BUFFER),
        "NORMAL": buffer.add_array(vertex_normals(vertices, mesh.faces), _ARRAY_BUFFER),
    }
    material: dict[str, Any] = {
        "name": name,
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
        "doubleSided": True,
    }
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "lrm-toolkit"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "materials": [material],
    }
    if mesh.texture is not None and texture_png is not None:
        # glTF puts the origin of uv at the top left
        uv = mesh.texture.uv * [1.0, -1.0] + [0.0, 1.0]
        attributes["TEXCOORD_0"] = buffer.add_array(uv.astype(np.float32), _ARRAY_BUFFER)
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        image = {"bufferView": buffer.add_bytes(texture_png), "mimeType": "image/png"}
        sampler = {
            "magFilter": _LINEAR,
            "minFilter": _LINEAR_MIPMAP_LINEAR,
            "wrapS": _CLAMP_TO_EDGE,
            "wrapT": _CLAMP_TO_EDGE,
        }
        document |= {
            "images": [image],
            "samplers": [sampler],
            "textures": [{"sampler": 0, "source": 0}],
        }
    elif mesh.vertex_colors is not None:
        linear = srgb_to_linear(np.clip(mesh.vertex_colors, 0.0, 1.0)).astype(np.float32)
        attributes["COLOR_0"] = buffer.add_array(linear, _ARRAY_BUFFER)
    indices = buffer.add_array(mesh.faces.astype(np.uint32).ravel(), _ELEMENT_ARRAY_BUFFER)
    document |= {
        "meshes": [
            {
                "name": name,
                "primitives": [{"attributes": attributes, "indices": indices, "material": 0}],
            }
        ],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(buffer.data)),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(buffer.data), b"BIN\0"),
            bytes(buffer.data),
        ]
    )
