"""Read PLY meshes: polygons or strips, with vertex colors, face colors or textures.

Colors are sRGB. Where a file has several kinds, a texture comes first, then the colors of vertices,
then those of faces, then those of the materials that faces name.
"""

from __future__ import annotations

import numpy as np

from lrm_core.errors import InputError
from lrm_core.geometry.polygon_triangulation import triangulate
from lrm_core.geometry.scene_conversion import MID_GRAY
from lrm_core.imaging.color import srgb_to_linear
from lrm_core.meshes.mesh_assets import MeshAssets
from lrm_core.meshes.ply_format import Element, read_ply
from lrm_core.structures.scene import Material, ScenePart

# names that programs give to the same thing
_CORNERS = ("vertex_indices", "vertex_index", "vertex_indexes")
_UV = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"), ("texture_s", "texture_t"))
_COLORS = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
)


def read_ply_parts(content: bytes, assets: MeshAssets) -> list[ScenePart]:
    """One part, or one per texture, in the file's frame.

    Raises:
        InputError: truncated, holds only points, indices out of range, a texture is missing.
        ValueError: a header or values that are not understood.
    """
    elements, comments = read_ply(content)
    vertex = elements.get("vertex", Element("vertex", 0))
    if vertex.count == 0 or not {"x", "y", "z"} <= vertex.values.keys():
        return []
    positions = np.stack([vertex.values[axis].astype(np.float64) for axis in "xyz"], axis=1)
    face = elements.get("face", Element("face", 0))
    corner_name = next((name for name in _CORNERS if name in face.sizes), None)
    if corner_name is None or face.count == 0:
        strips = elements.get("tristrips", Element("tristrips", 0))
        faces = _faces_of_strips(strips)
        if len(faces) == 0 and face.count == 0:
            kind = "Gaussian splats" if "f_dc_0" in vertex.values else "points"
            raise InputError(
                f"holds {vertex.count} {kind} and no triangles",
                hint="reconstruct a surface from them first",
            )
        corners = np.arange(faces.size).reshape(-1, 3)
        vertex_of, owner = faces.reshape(-1), np.arange(len(faces))
    else:
        vertex_of = face.values[corner_name].astype(np.int64)
        _check_range(vertex_of, len(positions))
        corners, owner = triangulate(positions[vertex_of], face.sizes[corner_name])
    _check_range(vertex_of, len(positions))
    textures = [line.split(None, 1)[1] for line in comments if _names_texture(line)]
    corner_uv = _corner_uv(vertex, face, vertex_of)
    if textures and corner_uv is not None:
        faces, vertices, uv = _welded(positions, vertex_of, corner_uv, corners)
        numbers = _texture_numbers(face, owner, len(textures))
        return [
            ScenePart(vertices, faces[numbers == index], Material(texture=assets.texture(name)), uv)
            for index, name in enumerate(textures)
            if (numbers == index).any()
        ]
    colors, face_colors = _colors(vertex), _colors(face)
    if face_colors is None:
        face_colors = _material_colors(face, elements.get("material"))
    faces = vertex_of[corners]
    if colors is not None:
        return [ScenePart(positions, faces, Material(), vertex_colors=colors)]
    if face_colors is not None and len(face_colors):  # every face gets corners of its own
        own = np.arange(3 * len(faces)).reshape(-1, 3)
        repeated = np.repeat(face_colors[owner], 3, axis=0)
        vertices = positions[faces].reshape(-1, 3)
        return [ScenePart(vertices, own, Material(), vertex_colors=repeated)]
    return [ScenePart(positions, faces, MID_GRAY)]


def _check_range(vertex_of: np.ndarray, num_vertices: int) -> None:
    if len(vertex_of) and (vertex_of.min() < 0 or vertex_of.max() >= num_vertices):
        raise InputError(
            f"faces name vertices {vertex_of.min()} to {vertex_of.max()}, there are {num_vertices}"
        )


def _names_texture(comment: str) -> bool:
    words = comment.split(None, 1)
    return len(words) == 2 and words[0].lower() == "texturefile"


def _faces_of_strips(strips: Element) -> np.ndarray:
    """(F, 3) faces of triangle strips; -1 begins a new one, as in Stanford's scans."""
    name = next((name for name in _CORNERS if name in strips.values), None)
    if name is None:
        return np.zeros((0, 3), dtype=np.int64)
    faces = [np.zeros((0, 3), dtype=np.int64)]
    row_ends = np.cumsum(strips.sizes.get(name, [len(strips.values[name])]))[:-1]
    for row in np.split(strips.values[name].astype(np.int64), row_ends):
        for strip in np.split(row, np.flatnonzero(row < 0)):
            strip = strip[strip >= 0]
            triangles = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=1)
            triangles[1::2] = triangles[1::2][:, [1, 0, 2]]
            faces.append(triangles)
    joined = np.concatenate(faces)
    a, b, c = joined.T  # repeated vertices only join strips
    return np.asarray(joined[(a != b) & (b != c) & (a != c)])


def _corner_uv(vertex: Element, face: Element, vertex_of: np.ndarray) -> np.ndarray | None:
    """(C, 2) texture coordinates of every corner, of the faces or of the vertices; or None."""
    per_face = face.values.get("texcoord")
    if per_face is not None and len(per_face) == 2 * len(vertex_of):
        return np.asarray(per_face.reshape(-1, 2), dtype=np.float64)
    for names in _UV:
        if all(name in vertex.values and name not in vertex.sizes for name in names):
            uv = np.stack([vertex.values[name] for name in names], axis=1)
            return np.asarray(uv[vertex_of], dtype=np.float64)
    return None


def _welded(
    positions: np.ndarray, vertex_of: np.ndarray, corner_uv: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces, vertices and uv in which corners of equal position and uv are one vertex."""
    rows = np.column_stack([vertex_of, np.nan_to_num(corner_uv)])
    unique, welded = np.unique(rows, axis=0, return_inverse=True)
    vertices = positions[unique[:, 0].astype(np.int64)]
    return welded.reshape(-1)[corners], vertices, unique[:, 1:]


def _texture_numbers(face: Element, owner: np.ndarray, num_textures: int) -> np.ndarray:
    """(T,) which texture each triangle shows: `texnumber` of its face."""
    numbers = face.values.get("texnumber")
    if numbers is None or "texnumber" in face.sizes or len(numbers) != face.count:
        return np.zeros(len(owner), dtype=np.int64)
    of_faces = np.clip(numbers.astype(np.int64), 0, num_textures - 1)
    return np.asarray(of_faces[owner])


def _colors(element: Element) -> np.ndarray | None:
    """(N, 4) linear RGBA of the rows of an element, or None."""
    for names in _COLORS:
        if all(name in element.values and name not in element.sizes for name in names):
            break
    else:
        return None
    alphas = [name for name in ("alpha", "diffuse_alpha", "a") if name in element.values]
    dtypes = {prop.name: prop.dtype for prop in element.properties}
    channels = [_unit_range(element.values[name], dtypes[name]) for name in names]
    alpha = np.ones(element.count)
    if alphas and alphas[0] not in element.sizes:
        alpha = _unit_range(element.values[alphas[0]], dtypes[alphas[0]])
    srgb = np.stack(channels, axis=1)
    if srgb.max(initial=0.0) > 1.0:  # floats in [0, 255]
        srgb = srgb / 255.0
    linear = srgb_to_linear(np.clip(np.nan_to_num(srgb), 0.0, 1.0))
    return np.concatenate([linear, alpha[:, None]], axis=1)


def _material_colors(face: Element, material: Element | None) -> np.ndarray | None:
    """(F, 4) linear RGBA of the material that each face names by its number, or None."""
    numbers = face.values.get("material_index")
    colors = None if material is None else _colors(material)
    if colors is None or not len(colors) or numbers is None or "material_index" in face.sizes:
        return None
    return np.asarray(colors[np.clip(numbers.astype(np.int64), 0, len(colors) - 1)])


def _unit_range(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Integers divided by the largest of 8 or 16 bits, floats as they are."""
    largest = 1.0 if dtype.kind == "f" else 65535.0 if dtype.itemsize == 2 else 255.0
    return np.asarray(values / largest, dtype=np.float64)
