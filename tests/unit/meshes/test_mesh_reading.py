import csv
import gc
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def linear(srgb: float) -> float:
    return srgb / 12.92 if srgb <= 0.04045 else ((srgb + 0.055) / 1.055) ** 2.4


def save_texture(path: Path, texels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texels).save(path)
    return texels


@pytest.fixture
def texels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)


def test_obj_with_several_materials(tmp_path, texels):
    save_texture(tmp_path / "wood.png", texels)
    (tmp_path / "a.obj").write_text(
        f"mtllib a.mtl\n{SQUARE}"
        "usemtl wood\nf 1/1 2/2 3/3\nusemtl red\nf 1/1 3/3 4/4\nusemtl glass\nf 1/1 2/2 4/4\n"
    )
    (tmp_path / "a.mtl").write_text(
        "newmtl wood\nKd 0.4 0.4 0.4\nmap_Kd wood.png\n"
        "newmtl red\nKd 0.8 0.2 0\n"
        "newmtl glass\nKd 1 1 1\nd 0.25\n"
    )
    parts = {
        part.material.alpha_mode if part.material.texture is None else "wood": part
        for part in read_scene(tmp_path / "a.obj", up="z").parts
    }
    wood, red, glass = parts["wood"], parts["OPAQUE"], parts["BLEND"]
    # the texture takes the place of Kd
    assert wood.material.base_color == (1, 1, 1, 1)
    np.testing.assert_array_equal(wood.material.texture[..., :3], texels)
    assert (wood.material.texture[..., 3] == 255).all()
    np.testing.assert_allclose(wood.uv, wood.vertices[:, :2])
    # Kd is sRGB, in 8 bits
    expected = [linear(round(value * 255) / 255) for value in (0.8, 0.2, 0)]
    assert red.material.base_color == pytest.approx((*expected, 1), abs=1e-6)
    assert glass.material.base_color == pytest.approx((1, 1, 1, 0.25))
    assert [len(part.faces) for part in parts.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("texture.png", "materials/textures/texture.png"),  # Gazebo Fuel
        ("texture.png", "meshes/texture.png"),
        ("../materials/textures/texture.png", "materials/textures/texture.png"),
        ("textures\\my wood.png", "meshes/textures/my wood.png"),
        ("C:\\work\\wood.png", "meshes/wood.png"),
        ("/home/somebody/wood.png", "meshes/wood.png"),
        ("-s 1 1 1 wood.png", "meshes/wood.png"),
    ],
)
def test_textures_are_found_where_exporters_leave_them(tmp_path, texels, name, where):
    save_texture(tmp_path / where, texels)
    (tmp_path / "meshes").mkdir(exist_ok=True)
    obj = tmp_path / "meshes" / "model.obj"
    obj.write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (tmp_path / "meshes" / "model.mtl").write_text(f"newmtl m\nKd 1 1 1\nmap_Kd {name}\n")
    (part,) = read_scene(obj, up="z").parts
    np.testing.assert_array_equal(part.material.texture[..., :3], texels)


def test_no_texture_is_read_from_outside_the_model_folder(tmp_path, texels):
    save_texture(tmp_path / "secret.png", texels)
    obj = tmp_path / "a" / "b" / "model.obj"
    obj.parent.mkdir(parents=True)
    obj.write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (obj.parent / "model.mtl").write_text("newmtl m\nmap_Kd ../../secret.png\n")
    with pytest.raises(InputError, match=r"secret\.png"):
        read_scene(obj)


@pytest.mark.parametrize("missing", ["model.mtl", "wood.png"])
def test_missing_or_broken_assets_are_errors_not_grey(tmp_path, texels, missing):
    (tmp_path / "model.obj").write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (tmp_path / "model.mtl").write_text("newmtl m\nmap_Kd wood.png\n")
    save_texture(tmp_path / "wood.png", texels)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=rf"'{missing}', which it names, is missing") as caught:
        read_scene(tmp_path / "model.obj")
    assert caught.value.hint
    if missing == "wood.png":
        (tmp_path / missing).write_bytes(b"no image")
        with pytest.raises(InputError, match="is not a readable image"):
            read_scene(tmp_path / "model.obj")


def test_textures_that_would_start_a_program_are_not_opened(tmp_path, monkeypatch):
    def never(*_, **__):
        pytest.fail("Pillow was asked to run Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", never)
    Image.new("RGB", (4, 4)).save(tmp_path / "wood.png", "EPS")  # by content, whatever its name
    (tmp_path / "model.obj").write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (tmp_path / "model.mtl").write_text("newmtl m\nmap_Kd wood.png\n")
    with pytest.raises(InputError, match="is not a readable image"):
        read_scene(tmp_path / "model.obj")


def test_sixteen_bit_gray_textures_keep_their_tones(tmp_path):
    save_texture(tmp_path / "wood.png", np.array([[0, 0x8000], [0xFFFF, 0x1234]], dtype=np.uint16))
    (tmp_path / "model.obj").write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (tmp_path / "model.mtl").write_text("newmtl m\nmap_Kd wood.png\n")
    (part,) = read_scene(tmp_path / "model.obj").parts
    np.testing.assert_array_equal(part.material.texture[..., 0], [[0, 0x80], [0xFF, 0x12]])


def test_obj_vertex_colors_are_srgb(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0 1 0 0.2\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n")
    (part,) = read_scene(tmp_path / "a.obj", up="z").parts
    assert part.vertex_colors[0] == pytest.approx([1, 0, linear(0.2), 1], abs=1e-6)
    assert part.material.base_color == (1, 1, 1, 1)


def test_ply_vertex_and_face_colors_are_srgb(tmp_path):
    box = trimesh.creation.box()
    colors = np.random.default_rng(0).integers(0, 256, (12, 4)).astype(np.uint8)
    trimesh.Trimesh(box.vertices, box.faces, vertex_colors=colors[:8], process=False).export(
        tmp_path / "v.ply"
    )
    (part,) = read_scene(tmp_path / "v.ply", up="z").parts
    np.testing.assert_array_equal(part.faces, box.faces)
    expected = np.vectorize(linear)(colors[:8, :3] / 255)
    np.testing.assert_allclose(part.vertex_colors[:, :3], expected, atol=1e-6)

    trimesh.Trimesh(box.vertices, box.faces, face_colors=colors, process=False).export(
        tmp_path / "f.ply"
    )
    (part,) = read_scene(tmp_path / "f.ply", up="z").parts
    expected = np.vectorize(linear)(colors[:, :3] / 255)
    np.testing.assert_allclose(
        part.vertex_colors[part.faces][..., :3], expected[:, None].repeat(3, axis=1), atol=1e-6
    )
    np.testing.assert_allclose(part.vertices[part.faces], box.triangles, atol=1e-6)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_surfaces_without_colors_are_mid_grey(tmp_path, suffix):
    trimesh.creation.box().export(tmp_path / f"a{suffix}")
    (part,) = read_scene(tmp_path / f"a{suffix}").parts
    assert part.material.base_color == pytest.approx((*[linear(0.5)] * 3, 1))
    assert len(part.faces) == 12
    assert part.material.double_sided


def test_up_axis_decides_the_rotation(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 1\nv 0 2 0\nv 3 0 0\nf 1 2 3\n")
    as_y, as_z = (read_scene(tmp_path / "a.obj", up=up).parts[0].vertices for up in ("y", "z"))
    np.testing.assert_allclose(as_z, [[0, 0, 1], [0, 2, 0], [3, 0, 0]])
    # +z is the front of a y-up file and becomes -y; +y becomes +z
    np.testing.assert_allclose(as_y, [[0, -1, 0], [0, 0, 2], [3, 0, 0]])


def test_quads_and_negative_indices(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 -2 -1\n")
    (part,) = read_scene(tmp_path / "a.obj", up="z").parts
    a, b, c = np.moveaxis(part.vertices[part.faces], 1, 0)
    np.testing.assert_allclose(np.cross(b - a, c - a), [[0, 0, 1], [0, 0, 1]])


COLLADA = """<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1"><asset/>
<library_effects><effect id="e"><profile_COMMON><technique sid="t"><lambert><diffuse>
<color>0.2 0.6 1 1</color></diffuse></lambert></technique></profile_COMMON></effect>
</library_effects>
<library_materials><material id="m"><instance_effect url="#e"/></material></library_materials>
<library_geometries><geometry id="g"><mesh><source id="p">
<float_array id="pa" count="9">0 0 0 1 0 0 0 1 0</float_array><technique_common>
<accessor source="#pa" count="3" stride="3"><param name="X" type="float"/>
<param name="Y" type="float"/><param name="Z" type="float"/></accessor></technique_common>
</source><vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<triangles count="1" material="s"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2</p>
</triangles></mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node><translate>0 0 5</translate>
<scale>-1 1 1</scale>
<instance_geometry url="#g"><bind_material><technique_common>
<instance_material symbol="s" target="#m"/></technique_common></bind_material>
</instance_geometry></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#s"/></scene></COLLADA>"""


def test_collada(tmp_path):
    (tmp_path / "a.dae").write_text(COLLADA)
    (part,) = read_scene(tmp_path / "a.dae", up="z").parts
    # mirrored by its node, so wound the other way round and still facing +z
    np.testing.assert_allclose(part.vertices[part.faces[0]], [[0, 1, 5], [-1, 0, 5], [0, 0, 5]])
    assert part.material.base_color == pytest.approx((linear(0.2), linear(0.6), 1, 1), abs=1e-6)


PLY = """ply\nformat {format} 1.0\nelement vertex {count}\nproperty float x\nproperty float y
property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.obj", b"", "is empty"),
        ("a.obj", b"hello", "no triangles"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no triangles"),
        ("a.obj", b"v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("a.obj", b"v 0 0 0\nv 1e60 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "vertices 0 to 8, there are 3"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "vertices -1 to 1, there are 3"),
        ("a.obj", b"v 0 0 0\ncstype bezier\nsurf 0 1 0 1 1 2\n", "free-form surfaces"),
        ("a.obj", b"\x00\xff" * 100, "OBJ file|no triangles"),
        ("a.stl", b"", "is empty"),
        ("a.stl", bytes(80) + b"\xff\xff\xff\xff", "truncated: it promises 4294967295"),
        ("a.stl", bytes(80) + b"\x02\x00\x00\x00" + bytes(50), "promises 2 triangles and holds 1"),
        ("a.stl", b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", "is truncated"),
        ("a.ply", b"ply\n", "is truncated"),
        ("a.ply", b"element\n", "does not begin with 'ply'"),
        (
            "a.ply",
            PLY.format(format="ascii", count=3).encode() + b"0 0 0\n1 0 0\n0 1 0\n3 0 1 5\n",
            "faces name vertices 0 to 5, there are 3",
        ),
        ("a.ply", PLY.format(format="binary_little_endian", count=10**12).encode(), "truncated"),
        ("a.ply", PLY.format(format="ascii", count=10**12).encode(), "truncated"),
        ("a.glb", b"", "is empty"),
        ("a.dae", b"<svg/>", "document of 'svg', expected COLLADA"),
        ("a.dae", b"<COLLADA><asset>", "DAE file"),
        ("a.gltf", b"{}", "not a glTF 2"),
        ("a.gltf", b"[" * 100_000, "GLTF file"),
    ],
)
def test_broken_files_give_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_scene(tmp_path / name)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith(f"{name}: ")


def test_no_file_and_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_scene(tmp_path / "a.obj")
    with pytest.raises(InputError, match=r"cannot read meshes from '\.fbx'") as caught:
        read_scene(tmp_path / "a.fbx")
    assert all(suffix in caught.value.hint for suffix in SCENE_SUFFIXES)


def test_google_scanned_objects_keep_faces_and_texture(gso_dir):
    objects = sorted(path for path in gso_dir.iterdir() if path.is_dir())[::10]
    assert objects
    for folder in objects:
        obj = folder / "meshes" / "model.obj"
        scene = read_scene(obj, up="z")
        lines = obj.read_text().splitlines()
        assert scene.num_faces == sum(line.startswith("f ") for line in lines)
        vertices = np.array([line.split()[1:4] for line in lines if line[:2] == "v "], dtype=float)
        np.testing.assert_allclose(scene.bounds, [vertices.min(axis=0), vertices.max(axis=0)])
        with Image.open(folder / "materials" / "textures" / "texture.png") as image:
            expected = np.asarray(image.convert("RGB"))
        (part,) = scene.parts
        np.testing.assert_array_equal(part.material.texture[..., :3], expected)
        assert part.material.base_color == (1, 1, 1, 1)
        assert part.uv.min() >= -0.01
        assert part.uv.max() <= 1.01


def test_training_meshes_have_the_faces_of_their_manifest(train_mesh_dir):
    with (train_mesh_dir / "manifest.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    for row in rows[::40]:
        scene = read_scene(train_mesh_dir / row["file"])
        assert scene.num_faces == int(row["faces"]), row["file"]
        # the data's README: centered, longest side 2
        np.testing.assert_allclose((scene.bounds[1] - scene.bounds[0]).max(), 2, atol=1e-3)
        np.testing.assert_allclose(scene.bounds.mean(axis=0), 0, atol=1e-3)


def test_nothing_is_left_open(tmp_path, texels):
    save_texture(tmp_path / "wood.png", texels)
    (tmp_path / "model.obj").write_text(f"mtllib model.mtl\n{SQUARE}usemtl m\nf 1/1 2/2 3/3\n")
    (tmp_path / "model.mtl").write_text("newmtl m\nmap_Kd wood.png\n")
    read_scene(tmp_path / "model.obj")  # an unclosed file is a ResourceWarning, thus an error
    gc.collect()
