"""Read glTF 2.0 (GLB, glTF): triangles with their base colours.

Read here rather than by trimesh, which keeps linear base colours and vertex colours in 8 bits
(wrapping those stored in 16), and knows no texture transforms, second UV sets, sparse accessors
or skins. Source: Khronos glTF 2.0 specification; sections are cited below.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import MID_GREY
from lrm_core.io.gltf_accessors import read_accessor
from lrm_core.io.image_files import IMAGE_FORMATS
from lrm_core.io.mesh_assets import MeshAssets, decode_texture
from lrm_core.structures.scene import Material, ScenePart

_TRIANGLES, _TRIANGLE_STRIP, _TRIANGLE_FAN = 4, 5, 6
_READABLE_EXTENSIONS = {
    "EXT_texture_webp",
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
}
# these change how a surface is lit or animated, neither of which matters here
_HARMLESS_PREFIXES = ("KHR_materials_", "KHR_lights_", "KHR_animation_", "KHR_xmp")


def read_gltf_parts(content: bytes, suffix: str, assets: MeshAssets) -> list[ScenePart]:
    """Every triangle primitive of the default scene, in the file's frame (y up, front +z).

    Raises:
        InputError: what the file needs is not supported, or its structure is broken.
    """
    document, chunk = _split_glb(content) if content[:4] == b"glTF" else (content, None)
    gltf = json.loads(document.decode("utf-8-sig"))
    if not isinstance(gltf, dict) or not str(gltf.get("asset", {}).get("version")).startswith("2"):
        raise InputError("is no glTF 2 document", hint="re-export it as glTF 2.0")
    for extension in gltf.get("extensionsRequired", []):
        if extension not in _READABLE_EXTENSIONS and not extension.startswith(_HARMLESS_PREFIXES):
            raise InputError(
                f"needs the glTF extension {extension}, which is not supported",
                hint="re-export it without compression or extensions",
            )
    return list(_Gltf(gltf, chunk, assets).parts())


def _split_glb(content: bytes) -> tuple[bytes, bytes | None]:
    """The JSON and binary chunks of a GLB file (section 4.4)."""
    version, length = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise InputError(f"is GLB version {version}, expected 2")
    if length > len(content):
        raise InputError(f"is truncated: {len(content)} of {length} bytes")
    chunks: dict[bytes, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<I4s", content, offset)
        chunks.setdefault(kind, content[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if b"JSON" not in chunks or offset > length:
        raise InputError("has broken GLB chunks")
    return chunks[b"JSON"], chunks.get(b"BIN\0")


class _Gltf:
    """One document with its buffers; materials and textures are decoded once."""

    def __init__(self, gltf: dict[str, Any], chunk: bytes | None, assets: MeshAssets) -> None:
        self.gltf = gltf
        self.chunk = chunk
        self.assets = assets
        self.textures: dict[int, np.ndarray] = {}

    @cached_property
    def buffers(self) -> list[bytes]:
        """Buffer 0 of a GLB without URI is its binary chunk (section 4.4.3.3)."""
        return [
            self._load(buffer["uri"]) if "uri" in buffer else self.chunk or b""
            for buffer in self.gltf.get("buffers", [])
        ]

    def _load(self, uri: str) -> bytes:
        """Content of a data URI or of a file beside the document (section 2.8)."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        if "://" in uri:
            raise InputError(f"names '{uri[:60]}'; nothing is read from the network")
        return self.assets.get(urllib.parse.unquote(uri))

    def accessor(self, index: int) -> np.ndarray:
        """(count, components) values; normalised integers as floats (section 3.6.2)."""
        return read_accessor(self.gltf, self.buffers, index)

    def parts(self) -> Iterator[ScenePart]:
        """One part per primitive and node that shows it."""
        world = self._world_matrices()
        for index, matrix in world.items():
            node = self.gltf["nodes"][index]
            if "mesh" not in node:
                continue
            skin = self.gltf["skins"][node["skin"]] if "skin" in node else None
            for primitive in self.gltf["meshes"][node["mesh"]]["primitives"]:
                part = self._part(primitive)
                if part is None:
                    continue
                if skin is not None and "JOINTS_0" in primitive["attributes"]:
                    # the node's own transform does not move a skinned mesh (section 3.7.3.3)
                    vertices = self._skinned(part.vertices, primitive["attributes"], skin, world)
                    yield replace(part, vertices=vertices)
                    continue
                mirrored = np.linalg.det(matrix[:3, :3]) < 0  # turns faces round (section 3.7.4)
                yield replace(
                    part,
                    vertices=part.vertices @ matrix[:3, :3].T + matrix[:3, 3],
                    faces=part.faces[:, ::-1] if mirrored else part.faces,
                )

    def _world_matrices(self) -> dict[int, np.ndarray]:
        """Node index -> (4, 4) transform to the scene, for the nodes of the default scene."""
        nodes = self.gltf.get("nodes", [])
        scenes = self.gltf.get("scenes", [])
        if scenes:
            roots = scenes[self.gltf.get("scene", 0)].get("nodes", [])
        else:
            children = {child for node in nodes for child in node.get("children", [])}
            roots = [index for index in range(len(nodes)) if index not in children]
        world: dict[int, np.ndarray] = {}
        pending = [(index, np.eye(4)) for index in reversed(roots)]
        while pending:
            index, parent = pending.pop()
            if index in world:  # a cycle, or a child of two parents: both forbidden (section 3.5.1)
                raise InputError(f"node {index} hangs in the scene twice")
            world[index] = parent @ _local_matrix(nodes[index])
            pending += [
                (child, world[index]) for child in reversed(nodes[index].get("children", []))
            ]
        return world

    def _skinned(
        self,
        vertices: np.ndarray,
        attributes: dict[str, int],
        skin: dict[str, Any],
        world: dict[int, np.ndarray],
    ) -> np.ndarray:
        """Vertices in the pose of the joints' own transforms (section 3.7.3)."""
        joints = np.stack([world[joint] for joint in skin["joints"]])
        if "inverseBindMatrices" in skin:
            inverse_bind = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4)
            joints = joints @ inverse_bind[: len(joints)].transpose(0, 2, 1)
        moved = np.zeros_like(vertices)
        total = np.zeros((len(vertices), 1))
        for influence in range(2 if "JOINTS_1" in attributes else 1):
            indices = self.accessor(attributes[f"JOINTS_{influence}"]).astype(np.int64)
            weights = self.accessor(attributes[f"WEIGHTS_{influence}"])
            for joint, weight in zip(indices.T, weights.T, strict=True):
                matrices = joints[joint]
                posed = np.einsum("vij,vj->vi", matrices[:, :3, :3], vertices)
                moved += weight[:, None] * (posed + matrices[:, :3, 3])
                total += weight[:, None]
        return moved / np.where(total > 0, total, 1.0)

    def _part(self, primitive: dict[str, Any]) -> ScenePart | None:
        """A primitive before its node's transform; None for points and lines."""
        mode = primitive.get("mode", _TRIANGLES)
        attributes = primitive["attributes"]
        if mode not in (_TRIANGLES, _TRIANGLE_STRIP, _TRIANGLE_FAN) or "POSITION" not in attributes:
            return None
        vertices = self.accessor(attributes["POSITION"]).astype(np.float64)
        if "indices" in primitive:
            indices = self.accessor(primitive["indices"])[:, 0].astype(np.int64)
        else:
            indices = np.arange(len(vertices))
        colors = None
        if "COLOR_0" in attributes:
            colors = self.accessor(attributes["COLOR_0"]).astype(np.float32)
            if colors.shape[1] == 3:
                colors = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=1)
        if "material" not in primitive:
            material = MID_GREY if colors is None else Material(double_sided=False)
            return ScenePart(vertices, _triangles(indices, mode), material, None, colors)
        material, uv_set, uv_transform = self._material(primitive["material"])
        uv = None
        if f"TEXCOORD_{uv_set}" in attributes:
            uv = self.accessor(attributes[f"TEXCOORD_{uv_set}"]).astype(np.float64)
            uv = uv @ uv_transform[:2, :2].T + uv_transform[:2, 2]
            uv = uv * [1.0, -1.0] + [0.0, 1.0]  # our origin is at the bottom left
        return ScenePart(vertices, _triangles(indices, mode), material, uv, colors)

    def _material(self, index: int) -> tuple[Material, int, np.ndarray]:
        """A material (section 3.9) with its texture's UV set and (3, 3) UV transform."""
        source = self.gltf["materials"][index]
        glossy = source.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if glossy is not None:
            factor, info = glossy.get("diffuseFactor"), glossy.get("diffuseTexture")
        else:
            pbr = source.get("pbrMetallicRoughness", {})
            factor, info = pbr.get("baseColorFactor"), pbr.get("baseColorTexture")
        red, green, blue, alpha = np.clip(factor or [1.0] * 4, 0.0, 1.0).tolist()
        modes: dict[str, Literal["OPAQUE", "MASK", "BLEND"]]
        modes = {"MASK": "MASK", "BLEND": "BLEND"}
        material = Material(
            base_color=(red, green, blue, alpha),
            texture=None if info is None else self._texture(info["index"]),
            alpha_mode=modes.get(source.get("alphaMode", "OPAQUE"), "OPAQUE"),
            alpha_cutoff=float(source.get("alphaCutoff", 0.5)),
            double_sided=bool(source.get("doubleSided", False)),
        )
        info = info or {}
        transform = info.get("extensions", {}).get("KHR_texture_transform", {})
        uv_set = int(transform.get("texCoord", info.get("texCoord", 0)))
        return material, uv_set, _uv_matrix(transform)

    def _texture(self, index: int) -> np.ndarray:
        """(H, W, 4) texels of a texture's image (sections 3.8.2 and 3.8.3)."""
        texture = self.gltf["textures"][index]
        webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
        source = webp.get("source", texture.get("source"))
        if source is None:
            raise InputError(
                f"texture {index} is in a format that is not supported",
                hint="re-export it with PNG, JPEG or WebP textures",
            )
        if source not in self.textures:
            image = self.gltf["images"][source]
            if "uri" in image:
                content = self._load(image["uri"])
            else:
                view = self.gltf["bufferViews"][image["bufferView"]]
                start = view.get("byteOffset", 0)
                content = self.buffers[view["buffer"]][start : start + view["byteLength"]]
            opened = Image.open(io.BytesIO(content), formats=IMAGE_FORMATS)
            self.textures[source] = decode_texture(opened)
        return self.textures[source]


def _local_matrix(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) transform of a node to its parent: T R S, or a column-major matrix (section 3.5.3)."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _uv_matrix(transform: dict[str, Any]) -> np.ndarray:
    """(3, 3) translation * rotation * scale of KHR_texture_transform."""
    cosine, sine = np.cos(transform.get("rotation", 0.0)), np.sin(transform.get("rotation", 0.0))
    matrix = np.eye(3)
    matrix[:2, :2] = np.array([[cosine, sine], [-sine, cosine]]) * transform.get("scale", (1, 1))
    matrix[:2, 2] = transform.get("offset", (0.0, 0.0))
    return matrix


def _triangles(indices: np.ndarray, mode: int) -> np.ndarray:
    """(F, 3) faces of a triangle list, strip or fan (section 3.7.2.1)."""
    if mode == _TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if mode == _TRIANGLE_FAN:
        rim = np.stack([indices[1:-1], indices[2:]], axis=1)
        return np.concatenate([rim, np.full_like(rim[:, :1], indices[0])], axis=1)
    strip = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    strip[1::2] = strip[1::2][:, [0, 2, 1]]  # every other triangle is wound the other way
    return strip
