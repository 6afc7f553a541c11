"""Read COLLADA: the polygons of the default scene with their materials, in the file's frame.

Source: COLLADA 1.4.1 specification, chapters "Core elements" and "Geometry".
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from scipy.spatial.transform import Rotation

from lrm_core.errors import InputError
from lrm_core.geometry.polygon_triangulation import triangulate
from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.meshes.collada_materials import BoundMaterial, ColladaMaterials
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.structures.scene import Material, ScenePart

_MOST_NESTED = 256
_POLYGONS = ("triangles", "polylist", "polygons", "tristrips", "trifans")
_UNSUPPORTED = ("spline", "convex_mesh", "brep")
# x up, -y right: to y up, x right
_X_UP_TO_Y_UP = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

Inputs = dict[str, list[tuple[int, int, np.ndarray]]]
"""Semantic -> offset, set and rows of each input of a primitive."""


def read_collada_parts(
    content: bytes, assets: MeshAssets
) -> tuple[list[ScenePart], Literal["y", "z"] | None]:
    """One part per primitive and node that shows it, and the up axis that the file names.

    Vertex colors take the place of a diffuse color, unless they are all white; a texture takes that
    of both.

    Raises:
        InputError: what the file holds is not supported, or a texture is missing.
        ValueError, KeyError: its structure is broken.
    """
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.strip(b"\0 \t\r\n")
    root = ElementTree.fromstring(content)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "COLLADA":
        raise InputError(f"is a document of '{root.tag[:40]}', expected COLLADA")
    document = _Collada(root, assets)
    axis = (root.findtext("asset/up_axis") or "").strip().upper()
    parts = list(document.parts())
    if axis == "X_UP":
        return [_moved(part, _affine(_X_UP_TO_Y_UP)) for part in parts], "y"
    up: dict[str, Literal["y", "z"]] = {"Y_UP": "y", "Z_UP": "z"}
    return parts, up.get(axis)


class _Collada:
    """One document; geometries and materials are read once."""

    def __init__(self, root: Element, assets: MeshAssets) -> None:
        self.root = root
        self.by_id = {e.get("id", ""): e for e in root.iter() if e.get("id")}
        self.materials = ColladaMaterials(self.by_id, assets)
        self.arrays: dict[int, np.ndarray] = {}

    def target(self, url: str) -> Element:
        """The element that a URL such as `#mesh` names.

        Raises:
            InputError: there is none in this file.
        """
        element = self.by_id.get(url.partition("#")[2]) if url.startswith("#") else None
        if element is None:
            raise InputError(f"names '{url[:80]}', which it does not hold")
        return element

    def parts(self) -> Iterator[ScenePart]:
        """What the default scene shows."""
        instance = self.root.find("scene/instance_visual_scene")
        if instance is not None:
            scene = self.target(instance.get("url", ""))
        else:
            scene = next(self.root.iter("visual_scene"), Element("visual_scene"))
        pending = [(node, np.eye(4), 0) for node in reversed(scene.findall("node"))]
        while pending:
            node, parent, depth = pending.pop()
            if depth > _MOST_NESTED:
                raise InputError(f"its nodes are nested deeper than {_MOST_NESTED}")
            matrix = parent @ _local_matrix(node)
            if node.find("instance_controller") is not None:
                raise InputError(
                    "holds a skinned or morphed mesh, which is not supported in COLLADA",
                    hint="export it with its pose applied, or as glTF",
                )
            for shown in node.findall("instance_geometry"):
                yield from self._geometry(shown, matrix)
            children = node.findall("node")
            children += [self.target(n.get("url", "")) for n in node.findall("instance_node")]
            pending += [(child, matrix, depth + 1) for child in reversed(children)]

    def _geometry(self, shown: Element, matrix: np.ndarray) -> Iterator[ScenePart]:
        geometry = self.target(shown.get("url", ""))
        mesh = geometry.find("mesh")
        if mesh is None:
            kinds = [kind for kind in _UNSUPPORTED if geometry.find(kind) is not None]
            kind = kinds[0] if kinds else "no mesh"
            raise InputError(f"holds a geometry of a kind that is not supported ({kind})")
        bound = {e.get("symbol", ""): e for e in shown.iter("instance_material")}
        for primitive in mesh:
            if primitive.tag not in _POLYGONS:
                continue
            symbol = primitive.get("material", "")
            binding = bound.get(symbol, Element("none"))
            material = self.materials.get(binding.get("target", symbol).lstrip("#"))
            part = self._part(mesh, primitive, material, binding)
            if part is not None:
                yield _moved(part, matrix)

    def _part(
        self, mesh: Element, primitive: Element, bound: BoundMaterial | None, binding: Element
    ) -> ScenePart | None:
        inputs, stride = self._inputs(mesh, primitive)
        corners, sizes = _corners(primitive, stride)
        if not len(corners) or "POSITION" not in inputs:
            return None
        offset, _, positions = inputs["POSITION"][0]
        vertex_of = corners[:, offset]
        if vertex_of.min() < 0 or vertex_of.max() >= len(positions):
            raise InputError(
                f"faces name vertices {vertex_of.min()} to {vertex_of.max()}, "
                f"there are {len(positions)}"
            )
        faces, _ = triangulate(positions[vertex_of, :3], sizes)
        material = MID_GRAY if bound is None else bound.material
        vertices, uv, colors = positions[vertex_of, :3], None, None
        if bound is not None and material.texture is not None:
            source = _texcoord(inputs, bound.texcoord, binding)
            uv = None if source is None else _rows_at(source, corners)
        elif "COLOR" in inputs:
            srgb = np.clip(_rows_at(inputs["COLOR"][0], corners), 0.0, 1.0)
            if (srgb[:, :3] < 1.0).any():
                alpha = srgb[:, 3:4] if srgb.shape[1] > 3 else np.ones((len(srgb), 1))
                colors = np.concatenate([srgb_to_linear(srgb[:, :3]), alpha], axis=1)
                white = (1.0, 1.0, 1.0, material.base_color[3])
                material = Material(white, alpha_mode=material.alpha_mode)
        if material.texture is not None and uv is None:
            material = MID_GRAY
        return ScenePart(vertices, faces, material, None if uv is None else uv[:, :2], colors)

    def _inputs(self, mesh: Element, primitive: Element) -> tuple[Inputs, int]:
        """Inputs of a primitive, those of its vertices among them, and the indices per corner."""
        inputs: Inputs = {}
        stride = 1
        for element in primitive.findall("input"):
            offset, number = int(element.get("offset", 0)), int(element.get("set") or 0)
            stride = max(stride, offset + 1)
            source = self.target(element.get("source", ""))
            sources = [(element.get("semantic", ""), source)]
            if source.tag == "vertices":
                sources = [
                    (inner.get("semantic", ""), self.target(inner.get("source", "")))
                    for inner in source.findall("input")
                ]
            for semantic, array in sources:
                if semantic in ("POSITION", "TEXCOORD", "COLOR"):
                    rows = (offset, number, self._array(array))
                    inputs.setdefault(semantic, []).append(rows)
        return inputs, stride

    def _array(self, source: Element) -> np.ndarray:
        """(N, K) rows of a source of floats, in double precision."""
        if id(source) not in self.arrays:
            accessor = source.find("technique_common/accessor")
            if accessor is None:
                raise ValueError(f"source '{source.get('id')}' has no accessor")
            values = self.target(accessor.get("source", ""))
            numbers = np.array(list(map(float, (values.text or "").split())))
            start, stride = int(accessor.get("offset", 0)), int(accessor.get("stride", 1))
            count, width = int(accessor.get("count", 0)), len(accessor.findall("param"))
            if min(start, count) < 0 or stride < max(width, 1):
                raise ValueError(f"source '{source.get('id')}' has a broken accessor")
            if start + count * stride > len(numbers):
                raise InputError(f"is truncated: '{source.get('id')}' holds {len(numbers)} numbers")
            rows = numbers[start : start + count * stride].reshape(count, stride)
            self.arrays[id(source)] = rows[:, : width or stride]
        return self.arrays[id(source)]


def _rows_at(source: tuple[int, int, np.ndarray], corners: np.ndarray) -> np.ndarray:
    """Rows of an input at every corner."""
    offset, _, rows = source
    index = corners[:, offset]
    if index.min() < 0 or index.max() >= len(rows):
        raise InputError(f"faces name row {index.max()} of {len(rows)}")
    at_corners: np.ndarray = np.nan_to_num(rows[index])
    return at_corners


def _texcoord(inputs: Inputs, name: str, binding: Element) -> tuple[int, int, np.ndarray] | None:
    """The texture coordinates that a binding gives to the effect's name for them."""
    sources = [source for source in inputs.get("TEXCOORD", []) if source[2].shape[1] >= 2]
    for bind in binding.findall("bind_vertex_input"):
        if bind.get("semantic") == name:
            wanted = int(bind.get("input_set") or 0)
            sources = [source for source in sources if source[1] == wanted] or sources
    return sources[0] if sources else None


def _corners(primitive: Element, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """(C, stride) indices of every corner and (F,) sizes of the polygons."""
    if primitive.find("ph") is not None:
        raise InputError(
            "holds polygons with holes, which are not supported", hint="triangulate it on export"
        )
    runs = [_integers(p.text).reshape(-1, stride) for p in primitive.findall("p")]
    if not runs:
        return np.zeros((0, stride), dtype=np.int64), np.zeros(0, dtype=np.int64)
    if primitive.tag == "polygons":
        return np.concatenate(runs), np.array([len(run) for run in runs])
    if primitive.tag == "polylist":
        sizes = _integers(primitive.findtext("vcount"))
        corners = np.concatenate(runs)
        if sizes.min(initial=0) < 0 or sizes.sum() != len(corners):
            raise InputError(
                f"is truncated: its polygons have {sizes.sum()} corners, it holds {len(corners)}"
            )
        return corners, sizes
    if primitive.tag in ("tristrips", "trifans"):
        runs = [run[_run_of_triangles(len(run), primitive.tag)].reshape(-1, stride) for run in runs]
    corners = np.concatenate(runs)
    corners = corners[: len(corners) // 3 * 3]
    return corners, np.full(len(corners) // 3, 3)


def _run_of_triangles(length: int, kind: str) -> np.ndarray:
    """(F, 3) corners of the triangles of a strip or fan of `length` corners."""
    first = np.arange(max(length - 2, 0))
    if kind == "trifans":
        return np.stack([np.zeros_like(first), first + 1, first + 2], axis=1)
    strip = np.stack([first, first + 1, first + 2], axis=1)
    strip[1::2] = strip[1::2][:, [1, 0, 2]]  # every other triangle is wound the other way
    return strip


def _integers(text: str | None) -> np.ndarray:
    return np.array(list(map(int, (text or "").split())), dtype=np.int64)


def _local_matrix(node: Element) -> np.ndarray:
    """(4, 4) product of a node's transforms, in their order."""
    matrix = np.eye(4)
    for element in node:
        if element.tag not in ("matrix", "translate", "rotate", "scale", "lookat", "skew"):
            continue
        numbers = np.array(list(map(float, (element.text or "").split())))
        match element.tag:
            case "matrix":
                step = numbers.reshape(4, 4)
            case "translate":
                step = _affine(np.eye(3), numbers[:3])
            case "scale":
                step = _affine(np.diag(numbers[:3]))
            case "rotate":
                length = float(np.linalg.norm(numbers[:3])) or 1.0
                turn = np.radians(numbers[3]) * numbers[:3] / length
                step = _affine(Rotation.from_rotvec(turn).as_matrix())
            case _:
                raise InputError(f"moves a node by <{element.tag}>, which is not supported")
        matrix = matrix @ step
    return matrix


def _affine(linear: np.ndarray, translation: np.ndarray | None = None) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    if translation is not None:
        matrix[:3, 3] = translation
    return matrix


def _moved(part: ScenePart, matrix: np.ndarray) -> ScenePart:
    """The part after a transform; a mirrored one is wound the other way round."""
    vertices = part.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    mirrored = np.linalg.det(matrix[:3, :3]) < 0
    faces = part.faces[:, ::-1] if mirrored else part.faces
    return ScenePart(vertices, faces, part.material, part.uv, part.vertex_colors)
