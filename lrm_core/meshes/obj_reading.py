"""Read Wavefront OBJ: polygons with the materials of their libraries, or with vertex colors.

Source: the OBJ format of Wavefront's Advanced Visualizer, version 4.0; vertex colors after the
position are an extension that most scanners write.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from lrm_core.errors import InputError
from lrm_core.geometry.polygon_triangulation import triangulate
from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.meshes.mesh_assets import MeshAssets, without_comment
from lrm_core.meshes.mtl_reading import Fields, material_of, read_mtl, statements, without_texture
from lrm_core.structures.scene import Material, ScenePart

_FREE_FORM = {"surf", "curv", "curv2", "bzp", "bsp", "cdc", "cdp", "res"}


@dataclass
class _Faces:
    """Faces of one material, and how many vertices and texture coordinates stood before each."""

    lines: list[str] = field(default_factory=list)
    before: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _Document:
    """Lines of an OBJ file by kind."""

    vertices: list[str] = field(default_factory=list)
    uv: list[str] = field(default_factory=list)
    faces: dict[str | None, _Faces] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)


def read_obj_parts(content: bytes, assets: MeshAssets) -> list[ScenePart]:
    """One part per material, in the file's frame.

    Vertex colors take the place of Kd, unless they are all white; a texture takes that of both.

    Raises:
        InputError: indices out of range, free-form surfaces, a library or texture is missing.
        ValueError: not numbers where numbers are expected.
    """
    document = _split(content)
    if not document.faces:
        return []
    positions, colors = _vertices(document.vertices)
    uv = _rows(document.uv)[:, :2] if document.uv else np.zeros((0, 2))
    if uv.shape[1] == 1:
        uv = np.concatenate([uv, np.zeros_like(uv)], axis=1)
    uv = np.nan_to_num(uv)
    materials: dict[str, Fields] = {}
    for library in document.libraries:
        materials |= read_mtl(library_content(library, assets))
    in_any_case = {name.casefold(): fields for name, fields in materials.items()}
    parts = []
    for name, faces in document.faces.items():
        fields = _fields(name or "", materials, in_any_case)
        vertex_of, uv_of, sizes = _corners(faces)
        if len(vertex_of) == 0:
            continue
        if vertex_of.min() < 0 or vertex_of.max() >= len(positions):
            raise InputError(
                f"faces name vertices {vertex_of.min()} to {vertex_of.max()}, "
                f"there are {len(positions)}"
            )
        triangles, _ = triangulate(positions[vertex_of], sizes)
        plain, textured = vertex_of[triangles], uv_of[triangles]
        material, lies = (MID_GRAY, None) if fields is None else material_of(fields, assets)
        if lies is not None and fields is not None:
            on_texture = (textured >= 0).all(axis=1)
            if textured.max(initial=-1) >= len(uv):
                raise InputError(
                    f"faces name texture coordinates up to {textured.max() + 1}, "
                    f"there are {len(uv)}"
                )
            corners = np.stack([plain[on_texture], textured[on_texture]], axis=-1)
            if len(corners):
                parts.append(_textured_part(positions, lies.place(uv), corners, material))
            plain, material = plain[~on_texture], without_texture(fields)
        if len(plain):
            parts.append(_plain_part(positions, colors, plain, material))
    return parts


def _fields(
    name: str, materials: dict[str, Fields], in_any_case: dict[str, Fields]
) -> Fields | None:
    """The material of a `usemtl` line: as it stands, then in another case, without a comment."""
    spellings = (name, without_comment(name))
    found = [materials.get(name) for name in spellings]
    found += [in_any_case.get(name.casefold()) for name in spellings]
    return next((fields for fields in found if fields is not None), None)


def library_content(name: str, assets: MeshAssets) -> bytes:
    """Content of a `mtllib` line: one name that may hold blanks, or several without."""
    names = [name] if assets.find(name) is not None else name.split()
    if not all(assets.find(each) is not None for each in names):
        names = [name]  # to be told as it stands
    return b"\n".join(assets.read(each) for each in names)


def _split(content: bytes) -> _Document:
    document = _Document()
    vertices, uv = document.vertices, document.uv
    faces, material = document.faces, None
    for keyword, rest in statements(content):
        if keyword == "v":
            vertices.append(rest)
        elif keyword == "vt":
            uv.append(rest)
        elif keyword in ("f", "fo"):
            chosen = faces.get(material) or faces.setdefault(material, _Faces())
            chosen.lines.append(rest)
            chosen.before.append((len(vertices), len(uv)))
        elif keyword == "usemtl":
            material = rest
        elif keyword == "mtllib" and rest:
            document.libraries.append(rest)
        elif keyword in _FREE_FORM:
            raise InputError(
                f"holds free-form surfaces ('{keyword}'), which are not supported",
                hint="export it as polygons",
            )
    return document


def _rows(lines: list[str]) -> np.ndarray:
    """(N, K) numbers of lines; K is the longest line's count, what is missing is NaN."""
    rows = [line.partition("#")[0].split() for line in lines]
    longest = max(map(len, rows))
    if min(map(len, rows)) < longest:
        rows = [row + ["nan"] * (longest - len(row)) for row in rows]
    return np.array(list(map(float, chain.from_iterable(rows)))).reshape(len(lines), longest)


def _vertices(lines: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """(V, 3) positions and (V, 4) linear RGBA of `x y z [w] [r g b [a]]`."""
    if not lines:
        return np.zeros((0, 3)), None
    rows = _rows(lines)
    width = rows.shape[1]
    if width < 3:
        raise ValueError(f"vertices of {width} coordinates")
    positions = rows[:, :3]
    if width < 6:
        return positions, None
    has_weight = width >= 7 and bool((np.isnan(rows[:, 6]) | (rows[:, 3] == 1.0)).all())
    srgb = rows[:, 3:6]
    if has_weight:
        srgb = np.where(np.isnan(rows[:, 6:7]), rows[:, 3:6], rows[:, 4:7])
    if np.nanmax(srgb, initial=0.0) > 1.0:
        srgb = srgb / 255.0
    srgb = np.clip(np.where(np.isnan(srgb), 1.0, srgb), 0.0, 1.0)
    if (srgb == 1.0).all():
        return positions, None
    return positions, np.concatenate([srgb_to_linear(srgb), np.ones((len(srgb), 1))], axis=1)


def _corners(faces: _Faces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(C,) vertex and (C,) texture coordinate of every corner, from 0, and (F,) sizes of faces.

    A texture coordinate that is missing is -1.
    """
    rows = [line.partition("#")[0].split() for line in faces.lines]
    sizes = np.array([len(row) for row in rows])
    words = list(chain.from_iterable(rows))
    indices = _indices(words)
    before = np.repeat(np.array(faces.before).reshape(-1, 2), sizes, axis=0)
    # negative ones count back from where the face stands
    indices = np.where(indices > 0, indices - 1, np.where(indices < 0, before + indices, -1))
    return indices[:, 0], indices[:, 1], sizes


def _indices(words: list[str]) -> np.ndarray:
    """(C, 2) numbers of vertex and texture coordinate of `v`, `v/vt`, `v//vn` or `v/vt/vn`.

    0 stands for what is missing.
    """
    num_slashes = {word.count("/") for word in words}
    text = " ".join(words)
    if len(num_slashes) == 1 and "//" not in text and "/ " not in text and text[-1:] != "/":
        per_corner = num_slashes.pop() + 1
        numbers = np.array(list(map(int, text.replace("/", " ").split())))
        indices = numbers.reshape(-1, per_corner)[:, :2]
        return indices if per_corner > 1 else np.pad(indices, ((0, 0), (0, 1)))
    split = [word.split("/") for word in words]
    return np.array(
        [(int(word[0]), int(word[1]) if len(word) > 1 and word[1] else 0) for word in split]
    ).reshape(-1, 2)


def _textured_part(
    positions: np.ndarray, uv: np.ndarray, corners: np.ndarray, material: Material
) -> ScenePart:
    """A part from (F, 3, 2) pairs of vertex and texture coordinate."""
    pairs, faces = np.unique(corners[..., 0] * len(uv) + corners[..., 1], return_inverse=True)
    vertex, coordinate = np.divmod(pairs, len(uv))
    return ScenePart(positions[vertex], faces.reshape(-1, 3), material, uv[coordinate])


def _plain_part(
    positions: np.ndarray, colors: np.ndarray | None, faces: np.ndarray, material: Material
) -> ScenePart:
    """A part from (F, 3) vertices, with their colors where there are any."""
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    if colors is None:
        return ScenePart(positions[used], faces, material)
    white = Material((1.0, 1.0, 1.0, material.base_color[3]), alpha_mode=material.alpha_mode)
    return ScenePart(positions[used], faces, white, vertex_colors=colors[used])
