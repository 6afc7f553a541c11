"""Every format is read again by trimesh or parsed by hand, never by our own reader."""

import json
import os
import shutil
import struct
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import ConfigError, OutputError
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.meshes.mesh_writing import MESH_WRITERS, sample_texture, write_mesh
from lrm_core.structures.mesh import Mesh, Texture

PALETTE = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [250, 200, 10], [10, 20, 30], [128, 128, 128]],
    dtype=np.uint8,
)


def cube(shift: float = 0.0) -> Mesh:
    """A closed textured cube: 24 vertices at 8 positions, side k in the color PALETTE[k]."""
    box = trimesh.creation.box(extents=(1, 2, 3))
    sides = [np.flatnonzero((box.face_normals == normal).all(axis=1)) for normal in SIDES]
    vertices, faces, uv = [], [], []
    for side, triangles in enumerate(sides):
        corners = np.unique(box.faces[triangles])
        faces.append(np.searchsorted(corners, box.faces[triangles]) + 4 * side)
        vertices.append(box.vertices[corners])
        # four corners inside texel (side % 3, side // 3), near its center
        center = np.array([(side % 3 + 0.5) / 3, 1 - (side // 3 + 0.5) / 2])
        uv.append(center + np.array([[0, 0], [0.01, 0], [0, 0.01], [0.01, 0.01]]))
    image = PALETTE.reshape(2, 3, 3)
    return Mesh(
        (np.concatenate(vertices) + shift).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        texture=Texture(image.repeat(8, axis=0).repeat(8, axis=1), np.concatenate(uv)),
    )


SIDES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
SIDE_OF_VERTEX = np.repeat(np.arange(6), 4)


def colored() -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    colors = np.random.default_rng(0).integers(0, 256, sphere.vertices.shape) / 255
    return Mesh(
        sphere.vertices.astype(np.float32),
        sphere.faces.astype(np.int32),
        vertex_colors=colors.astype(np.float32),
    )


def read_glb(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    document = json.loads(content[20 : 20 + size])
    binary_size, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert kind == b"BIN\0"
    assert 28 + size + binary_size == len(content)
    return document, content[28 + size :]


def read_array(document: dict, binary: bytes, accessor_index: int) -> np.ndarray:
    accessor = document["accessors"][accessor_index]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
    start = view["byteOffset"]
    values = np.frombuffer(binary[start : start + view["byteLength"]], dtype).reshape(-1, width)
    assert len(values) == accessor["count"]
    return values


def obj_rows(path: Path, keyword: str) -> list[list[str]]:
    lines = path.read_text().splitlines()
    return [line.split()[1:] for line in lines if line.split(" ", 1)[0] == keyword]


@pytest.mark.parametrize("suffix", [".obj", ".glb", ".ply"])
def test_y_up_files_have_front_plus_z_and_up_plus_y(tmp_path, suffix):
    # an arrow head: the front marker at world -y, the top marker at world +z
    vertices = np.array([[0, -2, 0], [0, 0, 3], [0.5, 0, 0], [-0.5, 0, 0]], dtype=np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], dtype=np.int32)
    path = tmp_path / f"arrow{suffix}"
    assert write_mesh(path, Mesh(vertices, faces)) == [path]
    loaded = trimesh.load_scene(path, process=False).to_geometry().vertices
    np.testing.assert_allclose(loaded[loaded[:, 2].argmax()], [0, 0, 2], atol=1e-6)
    np.testing.assert_allclose(loaded[loaded[:, 1].argmax()], [0, 3, 0], atol=1e-6)
    assert trimesh.load_scene(path).to_geometry().volume == pytest.approx(1.0)  # outward faces


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_z_up_files_keep_the_world_frame(tmp_path, suffix):
    mesh = colored()
    path = tmp_path / f"ball{suffix}"
    write_mesh(path, mesh, up="z")
    loaded = trimesh.load_mesh(path, process=False)
    np.testing.assert_array_equal(loaded.triangles.astype(np.float32), mesh.triangles)


def test_z_up_gltf_is_refused_because_the_standard_is_y_up(tmp_path):
    with pytest.raises(ConfigError, match="y up by their standard"):
        write_mesh(tmp_path / "a.glb", cube(), up="z")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_textured_files_show_the_same_texels_in_trimesh(tmp_path, suffix):
    mesh = cube()
    path = tmp_path / f"cube{suffix}"
    write_mesh(path, mesh)
    loaded = trimesh.load_scene(path, process=False).to_geometry()
    material = loaded.visual.material
    image = material.image if suffix == ".obj" else material.baseColorTexture
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), mesh.texture.image)
    colors = loaded.visual.to_color().vertex_colors[:, :3]
    frame = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    for face, normal in zip(loaded.faces, loaded.face_normals, strict=True):
        side = np.flatnonzero((np.rint(normal @ frame) == SIDES).all(axis=1))[0]
        np.testing.assert_array_equal(colors[face], PALETTE[[side] * 3])


def test_obj_keeps_texture_seams_out_of_the_geometry(tmp_path):
    path = tmp_path / "cube.obj"
    mesh = cube()
    write_mesh(path, mesh, up="z")
    vertices = np.array(obj_rows(path, "v"), dtype=float)
    corners = np.array([[c.split("/") for c in row] for row in obj_rows(path, "f")], dtype=int) - 1
    assert vertices.shape == (8, 3)
    np.testing.assert_array_equal(vertices[corners[..., 0]], mesh.triangles)
    uv = np.array(obj_rows(path, "vt"), dtype=float)
    np.testing.assert_allclose(uv[corners[..., 1]], mesh.texture.uv[mesh.faces], atol=1e-6)
    edges = Counter(
        tuple(sorted(pair))
        for a, b, c in corners[..., 0].tolist()
        for pair in ((a, b), (b, c), (c, a))
    )
    assert set(edges.values()) == {2}  # closed


def test_material_library_is_white_and_named_after_the_mesh(tmp_path):
    files = write_mesh(tmp_path / "my chair.v2.obj", cube())
    assert [file.name for file in files] == [
        "my chair.v2.obj",
        "my_chair.v2.mtl",
        "my_chair.v2.texture.png",
    ]
    mtl = dict(line.split(" ", 1) for line in files[1].read_text().splitlines())
    assert mtl["newmtl"] == "my_chair.v2"
    assert mtl["Kd"] == "1 1 1"
    assert mtl["Ka"] == mtl["Ks"] == "0 0 0"
    assert mtl["map_Kd"] == "my_chair.v2.texture.png"
    assert obj_rows(files[0], "usemtl") == [["my_chair.v2"]]
    loaded = trimesh.load_mesh(files[0], process=False)
    assert loaded.visual.material.image.size == (24, 16)


@pytest.mark.parametrize(
    "name", ["a b", " a", "a\tb", "a\nb", "a#b", "caf\u00e9", "caf\udce9", "\u5353", "a;b's", "-o"]
)
@pytest.mark.parametrize("suffix", [".obj", ".glb", ".3mf", ".usdz"])
def test_no_name_that_a_file_can_have_breaks_what_is_inside(tmp_path, name, suffix):
    """Programs split lines of OBJ and MTL at blanks, and names of files need not be UTF-8."""
    path = tmp_path / f"{name}{suffix}"
    files = write_mesh(path, cube())
    assert set(tmp_path.iterdir()) == set(files)
    assert path in files
    if suffix == ".obj":
        for file in files[:2]:
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.split()[0] in ("mtllib", "usemtl", "newmtl", "map_Kd"):
                    assert len(line.split()) == 2
                    assert not line.split()[1].startswith("-")  # would be an option of the map
        assert read_scene(path).parts[0].material.texture.shape == (16, 24, 4)
    elif suffix == ".glb":
        assert read_scene(path).num_faces == 12


def test_two_meshes_in_one_folder_keep_their_own_textures(tmp_path):
    red, blue = (
        replace(
            cube(), texture=Texture(np.full((4, 4, 3), color, dtype=np.uint8), cube().texture.uv)
        )
        for color in ([200, 0, 0], [0, 0, 200])
    )
    first = write_mesh(tmp_path / "red.obj", red)
    before = [file.read_bytes() for file in first]
    second = write_mesh(tmp_path / "blue.obj", blue)
    assert not set(first) & set(second)
    assert [file.read_bytes() for file in first] == before
    loaded = trimesh.load_mesh(tmp_path / "red.obj", process=False)
    assert loaded.visual.material.image.getpixel((0, 0))[:3] == (200, 0, 0)


def test_the_photo_of_the_same_name_is_never_touched(tmp_path):
    photo = tmp_path / "chair.png"
    photo.write_bytes(b"photo")
    write_mesh(tmp_path / "chair.obj", cube())
    assert photo.read_bytes() == b"photo"


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_vertex_colors_survive_in_order(tmp_path, suffix):
    mesh = colored()
    path = tmp_path / f"ball{suffix}"
    write_mesh(path, mesh, up="z")
    loaded = trimesh.load_mesh(path, process=False)
    np.testing.assert_array_equal(loaded.vertices.astype(np.float32), mesh.vertices)
    np.testing.assert_array_equal(loaded.faces, mesh.faces)
    np.testing.assert_array_equal(
        loaded.visual.vertex_colors[:, :3], np.rint(mesh.vertex_colors * 255)
    )


def test_glb_vertex_colors_are_linear_floats(tmp_path):
    mesh = colored()
    write_mesh(tmp_path / "ball.glb", mesh)
    document, binary = read_glb(tmp_path / "ball.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    linear = read_array(document, binary, attributes["COLOR_0"]).astype(np.float64)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(srgb, mesh.vertex_colors, atol=1e-5)
    (loaded,) = trimesh.load_scene(tmp_path / "ball.glb", process=False).geometry.values()
    np.testing.assert_array_equal(loaded.visual.vertex_attributes["color"], np.float32(linear))


def test_ply_of_a_textured_mesh_is_closed_and_colored(tmp_path):
    mesh = cube()
    flat = replace(mesh, texture=Texture(np.full((2, 2, 3), 77, np.uint8), mesh.texture.uv))
    write_mesh(tmp_path / "cube.ply", flat)
    loaded = trimesh.load_mesh(tmp_path / "cube.ply", process=False)
    assert len(loaded.vertices) == 8
    assert loaded.is_watertight
    assert (loaded.visual.vertex_colors[:, :3] == 77).all()
    # at a corner three sides meet: their mean
    write_mesh(tmp_path / "sides.ply", mesh, up="z")
    loaded = trimesh.load_mesh(tmp_path / "sides.ply", process=False)
    corner = np.flatnonzero((loaded.vertices > 0).all(axis=1))[0]
    expected = PALETTE[[0, 2, 4]].astype(float).mean(axis=0)
    np.testing.assert_allclose(loaded.visual.vertex_colors[corner, :3], expected, atol=0.51)


def test_stl_is_binary_and_closed(tmp_path):
    path = tmp_path / "cube.stl"
    write_mesh(path, cube())
    assert path.stat().st_size == 84 + 50 * 12
    assert trimesh.load_mesh(path).is_watertight


@pytest.mark.parametrize("make", [cube, colored])
def test_glb_document_keeps_the_standard(tmp_path, make):
    mesh = make()
    write_mesh(tmp_path / "a.glb", mesh)
    document, binary = read_glb(tmp_path / "a.glb")
    assert document["asset"]["version"] == "2.0"
    assert document["buffers"] == [{"byteLength": len(binary)}]
    pbr = document["materials"][0]["pbrMetallicRoughness"]
    assert (pbr["metallicFactor"], pbr["roughnessFactor"]) == (0.0, 1.0)
    assert "baseColorFactor" not in pbr  # white by default
    for index, accessor in enumerate(document["accessors"]):
        values = read_array(document, binary, index)
        np.testing.assert_array_equal(np.float32(accessor["min"]), np.float32(values.min(axis=0)))
        np.testing.assert_array_equal(np.float32(accessor["max"]), np.float32(values.max(axis=0)))
    primitive = document["meshes"][0]["primitives"][0]
    positions = read_array(document, binary, primitive["attributes"]["POSITION"])
    np.testing.assert_array_equal(positions[:, 1], mesh.vertices[:, 2])  # vertices in order
    np.testing.assert_array_equal(positions[:, 2], -mesh.vertices[:, 1])
    indices = read_array(document, binary, primitive["indices"])
    np.testing.assert_array_equal(indices.reshape(-1, 3), mesh.faces)
    normals = read_array(document, binary, primitive["attributes"]["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert ((normals * positions).sum(axis=1) > 0).all()  # outward on convex shapes round 0


def test_rgba_textures_keep_their_alpha(tmp_path):
    image = np.zeros((2, 2, 4), dtype=np.uint8)
    image[0, 1] = [10, 20, 30, 40]
    files = write_mesh(
        tmp_path / "a.obj", replace(cube(), texture=Texture(image, cube().texture.uv))
    )
    assert Image.open(files[2]).getpixel((1, 0)) == (10, 20, 30, 40)


@pytest.mark.parametrize("suffix", list(MESH_WRITERS))
def test_bytes_are_deterministic(tmp_path, suffix):
    first = write_mesh(tmp_path / f"a{suffix}", cube())
    before = [file.read_bytes() for file in first]
    second = write_mesh(tmp_path / f"a{suffix}", cube(), overwrite=True)
    assert [file.read_bytes() for file in second] == before


@pytest.mark.parametrize("blocker", ["a.obj", "a.mtl", "a.texture.png"])
def test_existing_files_are_kept_unless_told_otherwise(tmp_path, blocker):
    (tmp_path / blocker).write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"exists already"):
        write_mesh(tmp_path / "a.obj", cube())
    assert [file.name for file in tmp_path.iterdir()] == [blocker]
    assert (tmp_path / blocker).read_bytes() == b"precious"
    write_mesh(tmp_path / "a.obj", cube(), overwrite=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_unknown_suffix_lists_the_known(tmp_path):
    with pytest.raises(OutputError) as caught:
        write_mesh(tmp_path / "a.fbx", cube())
    assert all(suffix in caught.value.hint for suffix in MESH_WRITERS)


def test_empty_and_broken_meshes_are_refused(tmp_path):
    with pytest.raises(OutputError, match="no faces"):
        write_mesh(tmp_path / "a.glb", Mesh(np.zeros((3, 3), "f4"), np.zeros((0, 3), "i4")))
    broken = cube()
    broken.vertices[3, 1] = np.nan
    with pytest.raises(OutputError, match="not finite"):
        write_mesh(tmp_path / "a.glb", broken)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, at):
    calls = []
    write_bytes = Path.write_bytes

    def interrupted(self: Path, content: bytes) -> int:
        calls.append(self)
        if len(calls) == at:
            write_bytes(self, content[:10])
            raise KeyboardInterrupt
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_mesh(tmp_path / "a.obj", cube())
    assert list(tmp_path.iterdir()) == []


def test_a_failing_rename_takes_the_other_files_along(tmp_path):
    (tmp_path / "a.obj").mkdir()  # cannot be replaced by a file
    with pytest.raises(OutputError, match="cannot be written"):
        write_mesh(tmp_path / "a.obj", cube(), overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.obj"]


def test_sample_texture_is_bilinear_between_texel_centres():
    image = np.array([[[0, 0, 0], [100, 0, 0]], [[0, 200, 0], [100, 200, 0]]], dtype=np.uint8)
    # centers of the four texels (row 0 at the top, v = 1), then the middle, then outside corners
    uv = [[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.75, 0.25], [0.5, 0.5], [0, 1], [1, 0]]
    colors = sample_texture(Texture(image, np.array(uv))) * 255
    expected = [[0, 0], [100, 0], [0, 200], [100, 200], [50, 100], [0, 0], [100, 200]]
    np.testing.assert_allclose(colors[:, :2], expected, atol=1e-9)


@pytest.mark.parametrize("make", [cube, colored])
def test_khronos_validator_finds_no_fault(tmp_path, make):
    folder = os.environ.get("LRM_GLTF_VALIDATOR", "")
    if not (Path(folder) / "node_modules" / "gltf-validator").is_dir() or not shutil.which("node"):
        pytest.skip("LRM_GLTF_VALIDATOR names no folder with gltf-validator, or there is no node")
    write_mesh(tmp_path / "a.glb", make())
    script = (
        "const v = require('gltf-validator'), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)));"
    )
    done = subprocess.run(
        ["node", "-e", script, str(tmp_path / "a.glb")],
        cwd=folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
