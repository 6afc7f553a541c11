"""Read glTF 2.0 (GLB, glTF): triangles with their base colors.

Read here rather than by trimesh, which keeps linear base colors and vertex colors in 8 bits
(wrapping those stored in 16), and knows no texture transforms, second UV sets, sparse accessors
or skins. Source: Khronos glTF 2.0 specification; sections are cited below.
"""

from __future__ import annotations

import base64
import json
import struct
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.meshes.gltf_accessors import read_accessor
from lrm_core.meshes.gltf_materials import GltfMaterials
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.structures.scene import Material, ScenePart

_TRIANGLES, _TRIANGLE_STRIP, _TRIANGLE_FAN = 4, 5, 6
_READABLE_EXTENSIONS = {
    "EXT_mesh_gpu_instancing",
    "EXT_texture_avif",
    "EXT_texture_webp",
    "KHR_mesh_quantization",
    "KHR_node_visibility",
    "KHR_texture_transform",
}
# these change how a surface is lit or animated, neither of which matters here
_HARMLESS_PREFIXES = ("KHR_materials_", "KHR_lights_", "KHR_animation_", "KHR_xmp")
_COMPRESSED_VIEWS = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_MOST_INSTANCED = 20_000_000
_UNCOMPRESS = "re-export it without compression or extensions"


def read_gltf_parts(content: bytes, assets: MeshAssets) -> list[ScenePart]:
    """Every triangle primitive of the default scene, in the file's frame (y up, front +z).

    Raises:
        InputError: what the file needs is not supported, or its structure is broken.
    """
    document, chunk = _split_glb(content) if content[:4] == b"glTF" else (content, None)
    # padded with blanks by the standard, with zeros by some writers
    gltf = json.loads(document.rstrip(b"\0 \t\r\n").decode("utf-8-sig"))
    if not isinstance(gltf, dict) or not str(gltf.get("asset", {}).get("version")).startswith("2"):
        raise InputError("is not a glTF 2 document", hint="re-export it as glTF 2.0")
    for extension in gltf.get("extensionsRequired", []):
        if extension not in _READABLE_EXTENSIONS and not extension.startswith(_HARMLESS_PREFIXES):
            raise InputError(
                f"needs the glTF extension {extension}, which is not supported",
                hint=_UNCOMPRESS,
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
        if offset + 8 + size > len(content):
            raise InputError(f"is truncated: a chunk of {size} bytes begins at {offset}")
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
        self.materials = GltfMaterials(gltf, self._image_content)

    @cached_property
    def buffers(self) -> list[bytes]:
        """Buffer 0 of a GLB without URI is its binary chunk (section 4.4.3.3)."""
        buffers = []
        for index, buffer in enumerate(self.gltf.get("buffers", [])):
            in_chunk = index == 0 and self.chunk is not None
            content = self._load(buffer["uri"]) if "uri" in buffer else self.chunk or b""
            if len(content) < buffer["byteLength"] and ("uri" in buffer or in_chunk):
                raise InputError(
                    f"is truncated: buffer {index} has {len(content)} of "
                    f"{buffer['byteLength']} bytes"
                )
            buffers.append(content)
        return buffers

    def _load(self, uri: str) -> bytes:
        """Content of a data URI or of a file beside the document (section 2.8)."""
        if uri.startswith("data:"):
            header, _, data = uri.partition(",")
            if not header.endswith(";base64"):
                return urllib.parse.unquote_to_bytes(data)
            return base64.b64decode(urllib.parse.unquote(data) + "=" * (-len(data) % 4))
        if "://" in uri and not uri.startswith("file://"):
            raise InputError(f"names '{uri[:60]}'; nothing is read from the network")
        return self.assets.read(uri)

    def _image_content(self, image: dict[str, Any]) -> bytes:
        if "uri" in image:
            return self._load(image["uri"])
        view = self.gltf["bufferViews"][image["bufferView"]]
        start = int(view.get("byteOffset", 0))
        content: bytes = self.buffers[view["buffer"]]
        return content[start : start + int(view["byteLength"])]

    def accessor(self, index: int) -> np.ndarray:
        """(count, components) values; normalized integers as floats (section 3.6.2)."""
        view = self.gltf["accessors"][index].get("bufferView")
        if view is not None:
            used = self.gltf["bufferViews"][view].get("extensions", {})
            for extension in _COMPRESSED_VIEWS:
                if extension in used:
                    raise InputError(f"is compressed with {extension}", hint=_UNCOMPRESS)
        return read_accessor(self.gltf, self.buffers, index)

    def parts(self) -> Iterator[ScenePart]:
        """One part per primitive and node (and instance of a node) that shows it."""
        world = self._world_matrices()
        for index, matrix in world.items():
            node = self.gltf["nodes"][index]
            if "mesh" not in node:
                continue
            mesh = self.gltf["meshes"][node["mesh"]]
            skin = self.gltf["skins"][node["skin"]] if "skin" in node else None
            weights = node.get("weights") or mesh.get("weights", [])
            instances = self._instances(node)
            for primitive in mesh["primitives"]:
                part = self._part(primitive, weights)
                if part is None:
                    continue
                if skin is not None and "JOINTS_0" in primitive["attributes"]:
                    # the node's own transform does not move a skinned mesh (section 3.7.3.3)
                    vertices = self._skinned(part.vertices, primitive["attributes"], skin, world)
                    yield replace(part, vertices=vertices)
                    continue
                if len(part.faces) * len(instances) > _MOST_INSTANCED:
                    raise InputError(
                        f"shows {len(part.faces)} triangles {len(instances)} times, "
                        f"more than {_MOST_INSTANCED} in all"
                    )
                moved = [_moved(part, matrix @ instance) for instance in instances]
                # what is scaled to nothing is hidden
                moved = [part for part in moved if np.ptp(part.vertices, axis=0).any()]
                if moved:
                    yield _joined(moved)

    def _instances(self, node: dict[str, Any]) -> np.ndarray:
        """(N, 4, 4) transforms of EXT_mesh_gpu_instancing; one identity without it."""
        extension = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
        if extension is None:
            return np.eye(4)[None]
        read = {name: self.accessor(index) for name, index in extension["attributes"].items()}
        known = [read[key] for key in ("TRANSLATION", "ROTATION", "SCALE") if key in read]
        count = min((len(values) for values in known), default=1)
        rows = []
        for row in range(count):
            local = {
                key.lower(): read[key][row].astype(np.float64)
                for key in ("TRANSLATION", "ROTATION", "SCALE")
                if key in read
            }
            rows.append(_local_matrix(local))
        return np.stack(rows) if rows else np.zeros((0, 4, 4))

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
            if not _is_visible(nodes[index]):
                continue
            world[index] = parent @ _local_matrix(nodes[index])
            pending += [
                (child, world[index]) for child in reversed(nodes[index].get("children", []))
            ]
        if roots and not world:
            raise InputError("all of its nodes are hidden (KHR_node_visibility)")
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

    def _part(self, primitive: dict[str, Any], weights: list[float]) -> ScenePart | None:
        """A primitive before its node's transform; None for points and lines."""
        mode = primitive.get("mode", _TRIANGLES)
        attributes = primitive["attributes"]
        if mode not in (_TRIANGLES, _TRIANGLE_STRIP, _TRIANGLE_FAN) or "POSITION" not in attributes:
            return None
        if "KHR_draco_mesh_compression" in primitive.get("extensions", {}):
            accessor = self.gltf["accessors"][attributes["POSITION"]]
            if "bufferView" not in accessor and "sparse" not in accessor:  # no uncompressed copy
                raise InputError("is compressed with KHR_draco_mesh_compression", hint=_UNCOMPRESS)
        vertices = self._attribute(primitive, "POSITION", weights)
        if "indices" in primitive:
            indices = self.accessor(primitive["indices"])[:, 0].astype(np.int64)
        else:
            indices = np.arange(len(vertices))
        colors = None
        if "COLOR_0" in attributes:
            colors = self._attribute(primitive, "COLOR_0", weights).astype(np.float32)
            if colors.shape[1] == 3:
                colors = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=1)
        if "material" not in primitive:
            material = MID_GRAY if colors is None else Material(double_sided=False)
            return ScenePart(vertices, _triangles(indices, mode), material, None, colors)
        placed = self.materials.get(primitive["material"])
        uv = None
        if f"TEXCOORD_{placed.uv_set}" in attributes:
            uv = self._attribute(primitive, f"TEXCOORD_{placed.uv_set}", weights)
            uv = uv @ placed.uv_transform[:2, :2].T + placed.uv_transform[:2, 2]
            uv = uv * [1.0, -1.0] + [0.0, 1.0]  # our origin is at the bottom left
        return ScenePart(vertices, _triangles(indices, mode), placed.material, uv, colors)

    def _attribute(self, primitive: dict[str, Any], name: str, weights: list[float]) -> np.ndarray:
        """(V, C) values of an attribute, morphed by its targets (section 3.7.2.2)."""
        values = self.accessor(primitive["attributes"][name])
        if name == "COLOR_0" and values.dtype.kind == "u":  # not marked as normalized
            values = values / np.iinfo(values.dtype).max
        values = values.astype(np.float64)
        for target, weight in zip(primitive.get("targets", []), weights, strict=False):
            if weight and name in target:
                values = values + weight * self.accessor(target[name])
        return values


def _is_visible(node: dict[str, Any]) -> bool:
    """Whether KHR_node_visibility shows a node and what hangs below it."""
    return bool(node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True))


def _moved(part: ScenePart, matrix: np.ndarray) -> ScenePart:
    """The part after a transform; a mirrored one is wound the other way (section 3.7.4)."""
    mirrored = np.linalg.det(matrix[:3, :3]) < 0
    return replace(
        part,
        vertices=part.vertices @ matrix[:3, :3].T + matrix[:3, 3],
        faces=part.faces[:, ::-1] if mirrored else part.faces,
    )


def _joined(parts: list[ScenePart]) -> ScenePart:
    """Instances of one part as one part."""
    if len(parts) == 1:
        return parts[0]
    num_vertices = len(parts[0].vertices)
    times = (len(parts), 1)
    uv, colors = parts[0].uv, parts[0].vertex_colors
    return replace(
        parts[0],
        vertices=np.concatenate([part.vertices for part in parts]),
        faces=np.concatenate([part.faces + i * num_vertices for i, part in enumerate(parts)]),
        uv=None if uv is None else np.tile(uv, times),
        vertex_colors=None if colors is None else np.tile(colors, times),
    )


def _local_matrix(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) transform of a node to its parent: T R S, or a column-major matrix (section 3.5.3)."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    rotation = np.eye(3)
    if "rotation" in node:
        rotation = Rotation.from_quat(node["rotation"]).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
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
