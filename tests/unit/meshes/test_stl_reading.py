import numpy as np
import pytest
import trimesh

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("color", "<u2")])


def binary(colors=(0, 0), header=b"solid of nothing") -> bytes:
    facets = np.zeros(2, FACET)
    facets["corners"][:, 1, 0] = facets["corners"][:, 2, 1] = 1.0
    facets["color"] = colors
    return header.ljust(80, b"\0") + (2).to_bytes(4, "little") + facets.tobytes()


def read_part(path, content):
    path.write_bytes(content)
    (part,) = read_scene(path, up="z").parts
    return part


@pytest.mark.parametrize("encoding", ["binary", "ascii"])
def test_the_same_as_trimesh(tmp_path, encoding):
    ball = trimesh.creation.icosphere(subdivisions=2)
    content = ball.export(file_type="stl" if encoding == "binary" else "stl_ascii")
    content = content if isinstance(content, bytes) else content.encode()
    part = read_part(tmp_path / "a.stl", content)
    np.testing.assert_allclose(part.vertices[part.faces], ball.triangles, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "; exported by a program\n\n" + text,
    ],
)
def test_spelling_of_ascii_does_not_matter(tmp_path, change):
    text = trimesh.creation.box().export(file_type="stl_ascii")
    assert len(read_part(tmp_path / "a.stl", change(text).encode()).faces) == 12


def test_binary_files_may_begin_with_solid_and_end_in_padding(tmp_path):
    assert len(read_part(tmp_path / "a.stl", binary()).faces) == 2
    assert len(read_part(tmp_path / "b.stl", binary() + bytes(7)).faces) == 2


def test_truncated_files_are_called_truncated(tmp_path):
    (tmp_path / "a.stl").write_bytes(binary()[:-1])
    with pytest.raises(InputError, match="truncated: it promises 2 triangles and holds 1"):
        read_scene(tmp_path / "a.stl")
    text = trimesh.creation.box().export(file_type="stl_ascii")
    (tmp_path / "a.stl").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="truncated: its 'solid' has no 'endsolid'"):
        read_scene(tmp_path / "a.stl")


def test_face_colors_of_both_extensions(tmp_path):
    red_in_viscam, red_in_magics = 1 << 15 | 31 << 10, 31
    part = read_part(tmp_path / "a.stl", binary((red_in_viscam, 0)))
    np.testing.assert_allclose(part.vertex_colors[:3], [[1, 0, 0, 1]] * 3)
    whole = b"COLOR=" + bytes([0, 255, 0, 255])
    part = read_part(tmp_path / "b.stl", binary((red_in_magics, 1 << 15), header=whole))
    np.testing.assert_allclose(part.vertex_colors[:3], [[1, 0, 0, 1]] * 3)
    np.testing.assert_allclose(part.vertex_colors[3:], [[0, 1, 0, 1]] * 3)
    assert read_part(tmp_path / "c.stl", binary()).vertex_colors is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_text_of_any_encoding(tmp_path, encoding):
    text = trimesh.creation.box().export(file_type="stl_ascii")
    assert len(read_part(tmp_path / "a.stl", text.encode(encoding)).faces) == 12


def test_a_binary_header_may_say_solid_and_facet(tmp_path):
    content = binary(header=b"solid of every facet")
    assert len(read_part(tmp_path / "a.stl", content + bytes(7)).faces) == 2
    with pytest.raises(InputError, match="promises 2 triangles and holds 1"):
        read_part(tmp_path / "a.stl", content[:-1])
