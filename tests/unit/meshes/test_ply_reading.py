"""PLY files of every spelling; the truth is written down here, or read by trimesh."""

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.structures.scene import ScenePart

L_SHAPE = [(1, 0), (1, 0.5), (0.5, 0.5), (0.5, 1), (0, 1), (0, 0)]
PRISM = [(x, y, z) for z in (0.0, 0.2) for x, y in L_SHAPE]
POLYGONS = [[5, 4, 3, 2, 1, 0], [6, 7, 8, 9, 10, 11]]
POLYGONS += [[k, (k + 1) % 6, (k + 1) % 6 + 6, k + 6] for k in range(6)]


def header(encoding: str, vertices: int, faces: int, *more: str, count: str = "uchar") -> bytes:
    lines = ["ply", f"format {encoding} 1.0", "comment made by hand", f"element vertex {vertices}"]
    lines += ["property float x", "property float y", "property float z", *more]
    lines += [f"element face {faces}", f"property list {count} int vertex_indices", "end_header"]
    return "\n".join(lines).encode() + b"\n"


def prism(order: str) -> bytes:
    """Two hexagons and six quads: lists of different lengths."""
    encoding = {"<": "binary_little_endian", ">": "binary_big_endian", "a": "ascii"}[order]
    head = header(encoding, 12, 8)
    if order == "a":
        rows = [" ".join(map(str, row)) for row in PRISM]
        rows += [" ".join(map(str, [len(p), *p])) for p in POLYGONS]
        return head + "\n".join(rows).encode()
    body = b"".join(struct.pack(f"{order}3f", *row) for row in PRISM)
    return head + body + b"".join(struct.pack(f"{order}B{len(p)}i", len(p), *p) for p in POLYGONS)


def read_part(folder: Path, content: bytes) -> ScenePart:
    (folder / "a.ply").write_bytes(content)
    (part,) = read_scene(folder / "a.ply", up="z").parts
    return part


def area(part: ScenePart) -> float:
    corners = part.vertices[part.faces]
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(crossed, axis=1).sum()) / 2


@pytest.mark.parametrize("order", ["<", ">", "a"])
def test_polygons_of_several_sizes(tmp_path, order):
    part = read_part(tmp_path, prism(order))
    assert area(part) == pytest.approx(2 * 0.75 + 4 * 0.2, abs=1e-6)
    assert len(part.faces) == 2 * 4 + 6 * 2


@pytest.mark.parametrize("order", ["<", ">", "a"])
@pytest.mark.parametrize("lost", [1, 9, 60, 150])
def test_a_truncated_file_is_called_truncated(tmp_path, order, lost):
    (tmp_path / "a.ply").write_bytes(prism(order)[:-lost])
    if order == "a" and lost == 1:
        return  # a digit less is another number
    with pytest.raises(InputError, match=r"a\.ply: is truncated: it promises"):
        read_scene(tmp_path / "a.ply")


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r", b"\n"])
def test_line_ends_of_the_header(tmp_path, line_end):
    for order in "<a":
        head, end, body = prism(order).partition(b"end_header\n")
        content = (head + end).replace(b"\n", line_end) + body
        assert area(read_part(tmp_path, content)) == pytest.approx(2.3, abs=1e-6)


def test_doubles_keep_their_digits(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=2)
    moved = ball.vertices + np.array([389512.0, 5819012.0, 34.0])
    head = header("binary_little_endian", 162, 320).replace(b"float", b"double")
    faces = b"".join(struct.pack("<B3i", 3, *face) for face in ball.faces)
    part = read_part(tmp_path, head + moved.astype("<f8").tobytes() + faces)
    assert area(part) == pytest.approx(ball.area, rel=1e-6)


@pytest.mark.parametrize(
    ("names", "kind", "values"),
    [
        ("red green blue", "uchar", (0, 255, 0)),
        ("diffuse_red diffuse_green diffuse_blue", "uchar", (0, 255, 0)),
        ("r g b", "uchar", (0, 255, 0)),
        ("red green blue", "float", (0, 1, 0)),
        ("red green blue", "float", (0, 255, 0)),
        ("red green blue", "ushort", (0, 65535, 0)),
        ("red green blue alpha", "uchar", (0, 255, 0, 255)),
    ],
)
def test_vertex_colors_by_any_name(tmp_path, names, kind, values):
    more = [f"property {kind} {name}" for name in names.split()]
    rows = [[*row, *values] for row in ([0, 0, 0], [1, 0, 0], [0, 1, 0])]
    body = "\n".join(" ".join(map(str, row)) for row in [*rows, [3, 0, 1, 2]])
    part = read_part(tmp_path, header("ascii", 3, 1, *more) + body.encode())
    np.testing.assert_allclose(part.vertex_colors, [[0, 1, 0, 1]] * 3)


@pytest.mark.parametrize("where", ["vertex", "face"])
def test_textures(tmp_path, where):
    texels = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    Image.fromarray(texels).save(tmp_path / "my wood.png")
    uv = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5)]
    more = ["property float s", "property float t"] if where == "vertex" else []
    head = header("ascii", 3, 1, *more).replace(b"made by hand", b"TextureFile my wood.png")
    if where == "face":
        head = head.replace(b"end_header", b"property list uchar float texcoord\nend_header")
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    rows = [[*row, *place] for row, place in zip(rows, uv, strict=True)] if more else rows
    face = [3, 0, 1, 2] if more else [3, 0, 1, 2, 6, *sum(uv, ())]
    body = "\n".join(" ".join(map(str, row)) for row in [*rows, face])
    part = read_part(tmp_path, head + body.encode())
    np.testing.assert_array_equal(part.material.texture[..., :3], texels)
    np.testing.assert_allclose(part.uv[part.faces[0]], uv)


def test_a_missing_texture_is_one_line_and_nothing_else(tmp_path, capfd, caplog):
    more = ["property float s", "property float t"]
    head = header("ascii", 3, 1, *more).replace(b"made by hand", b"TextureFile nope.png")
    (tmp_path / "a.ply").write_bytes(head + b"0 0 0 0 0\n1 0 0 1 0\n0 1 0 1 1\n3 0 1 2\n")
    with pytest.raises(InputError, match=r"a\.ply: 'nope\.png', which it names, is missing"):
        read_scene(tmp_path / "a.ply")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_triangle_strips(tmp_path):
    head = header("ascii", 5, 1).replace(b"element face", b"element tristrips")
    rows = b"0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 2 0\n9 0 1 2 3 4 -1 0 1 2\n"
    part = read_part(tmp_path, head + rows)
    corners = part.vertices[part.faces]
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose(crossed, [[0, 0, 1]] * 4)


@pytest.mark.parametrize(("prop", "kind"), [("nx", "points"), ("f_dc_0", "Gaussian splats")])
def test_points_are_not_a_mesh(tmp_path, prop, kind):
    head = header("ascii", 2, 0, f"property float {prop}")
    (tmp_path / "a.ply").write_bytes(head + b"0 0 0 0\n1 0 0 0\n")
    with pytest.raises(InputError, match=f"holds 2 {kind} and no triangles"):
        read_scene(tmp_path / "a.ply")


def test_the_same_as_trimesh(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=2)
    colors = np.random.default_rng(0).integers(0, 256, (162, 4)).astype(np.uint8)
    ball.visual.vertex_colors = colors
    ball.export(tmp_path / "a.ply")
    (part,) = read_scene(tmp_path / "a.ply", up="z").parts
    np.testing.assert_allclose(part.vertices[part.faces], ball.triangles, atol=1e-6)
    srgb = colors[:, :3] / 255
    expected = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(part.vertex_colors[:, :3], expected, atol=1e-6)


def test_colors_of_the_materials_that_faces_name(tmp_path):
    extra = (
        b"property int material_index\nelement material 2\nproperty uchar diffuse_red\n"
        b"property uchar diffuse_green\nproperty uchar diffuse_blue\nend_header"
    )
    head = header("ascii", 4, 2).replace(b"end_header", extra)
    body = b"0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2 1\n3 0 2 3 0\n255 0 0\n0 0 255\n"
    part = read_part(tmp_path, head + body)
    colors = part.vertex_colors[part.faces]
    np.testing.assert_allclose(colors[0], [[0, 0, 1, 1]] * 3)
    np.testing.assert_allclose(colors[1], [[1, 0, 0, 1]] * 3)


def test_text_may_end_in_padding(tmp_path):
    assert len(read_part(tmp_path, prism("a") + bytes(100)).faces) == 20
