"""Files whose name says one thing and whose content another are called what they are."""

import gzip

import pytest
import trimesh

from lrm_core.errors import InputError
from lrm_core.io.image_files import read_image
from lrm_core.meshes.mesh_reading import read_scene

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><body>404 <svg></svg></body></html>"
CONTENTS = [
    (LFS, "Git LFS pointer"),
    (PAGE, "web page"),
    (gzip.compress(b"v 0 0 0\n", mtime=0), "gzip"),
    (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
]


@pytest.mark.parametrize(("content", "words"), CONTENTS)
@pytest.mark.parametrize("name", ["a.obj", "a.ply", "a.stl", "a.glb", "a.dae", "a.png", "a.jpg"])
def test_downloads_that_failed_are_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    read = read_image if name.endswith(("png", "jpg")) else read_scene
    with pytest.raises(InputError, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "kind", "words"), [(".obj", "glb", "a GLB, not OBJ"), (".stl", "ply", "a PLY")]
)
def test_meshes_with_the_suffix_of_another_format_are_named(tmp_path, suffix, kind, words):
    content = trimesh.creation.box().export(file_type=kind)
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_scene(tmp_path / f"a{suffix}")


def test_a_texture_that_is_none_is_named_without_an_address_in_memory(tmp_path):
    (tmp_path / "a.obj").write_text(
        "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl a\nf 1/1 2/1 3/1\n"
    )
    (tmp_path / "a.mtl").write_text("newmtl a\nmap_Kd t.png\n")
    for content, words in [
        (LFS, "Git LFS pointer"),
        (b"DDS junk", "is not a readable image"),
    ]:
        (tmp_path / "t.png").write_bytes(content)
        with pytest.raises(InputError, match=words) as error:
            read_scene(tmp_path / "a.obj")
        assert "0x" not in error.value.message
