"""Meshes in zip archives are those that lie in them unpacked."""

import zipfile

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.meshes.mesh_reading import read_scene

GLB = trimesh.creation.box((1.0, 2.0, 3.0)).export(file_type="glb")
OBJ = b"mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl a\nf 1/1 2/2 3/3\n"


def packed(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zipped_glb_is_the_glb(tmp_path):
    (tmp_path / "box.glb").write_bytes(GLB)
    files = {"__MACOSX/._box.glb": b"\0", ".DS_Store": b"\0", "a b/box.GLB": GLB, "read.txt": b""}
    archive = packed(tmp_path / "box.glb.zip", files)
    unpacked = read_scene(tmp_path / "box.glb")
    for up in ("y", "z"):  # glTF knows its own
        scene = read_scene(archive, up=up)
        np.testing.assert_array_equal(scene.parts[0].vertices, unpacked.parts[0].vertices)
        np.testing.assert_array_equal(scene.parts[0].faces, unpacked.parts[0].faces)
    np.testing.assert_allclose(np.ptp(scene.bounds, axis=0), [1.0, 3.0, 2.0], atol=1e-6)


def test_textures_are_found_inside(tmp_path):
    Image.new("RGB", (2, 2), (10, 200, 30)).save(tmp_path / "t.png")
    texture = (tmp_path / "t.png").read_bytes()
    files = {"obj/m.obj": OBJ, "obj/m.mtl": b"newmtl a\nmap_Kd t.png\n", "obj/t.png": texture}
    scene = read_scene(packed(tmp_path / "m.zip", files), up="z")
    np.testing.assert_array_equal(scene.parts[0].material.texture[0, 0], [10, 200, 30, 255])
    np.testing.assert_allclose(scene.bounds[1], [1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"no"}, r"m.zip: holds no mesh"),
        ({"a.glb": GLB, "b.obj": OBJ}, r"m.zip: holds 2 meshes \(a.glb, b.obj\)"),
        ({"a.glb": GLB[:200]}, r"m.zip: a.glb: is truncated"),
        ({"../a.glb": GLB}, r"m.zip: holds a file called '../a.glb'"),
    ],
)
def test_what_is_no_single_mesh_is_refused(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read_scene(packed(tmp_path / "m.zip", files))


def test_a_broken_archive_is_refused(tmp_path):
    archive = packed(tmp_path / "m.zip", {"a.glb": GLB})
    for content in (archive.read_bytes()[:-10], b"", b"PK\x03\x04nothing"):
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"m\.zip"):
            read_scene(archive)
    with pytest.raises(InputError, match=r"no\.zip: no such file"):
        read_scene(tmp_path / "no.zip")
