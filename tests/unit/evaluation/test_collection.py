import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import ConfigError, InputError
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.posed_images import PosedImages
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.camera_files import write_cameras
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.structures.mesh import Mesh
from lrm_core.structures.scene import Scene

FOLDER = load_protocol("folder-v1")

# 1 wide, 2 deep, 3 high in a z-up file
TALL = """v 0 0 0
v 1 0 0
v 0 2 0
v 0 0 3
f 1 3 2
f 1 2 4
f 2 3 4
f 3 1 4
"""


def tall_mesh() -> Mesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    return Mesh(vertices, faces, vertex_colors=np.full((4, 3), 0.5, np.float32))


def photograph(folder: Path, num_views: int = 3) -> None:
    """Views of a disc, whatever it may be."""
    cameras = orbit(num_views, size=16)
    y, x = np.mgrid[:16, :16]
    disc = np.hypot(x - 7.5, y - 7.5) < 5
    rgba = np.dstack([np.full((16, 16, 3), 90), np.where(disc, 255, 0)]).astype(np.uint8)
    folder.mkdir(parents=True)
    for index in range(num_views):
        Image.fromarray(rgba).save(folder / f"{index:03d}.png")
    write_cameras(folder / "transforms.json", cameras)


def extents(scene: object) -> list[float]:
    assert isinstance(scene, Scene)
    low, high = scene.bounds
    return [round(float(side), 4) for side in high - low]


def test_meshes_of_a_folder_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "tall.obj").write_text(TALL)
    (tmp_path / ".hidden.obj").write_text(TALL)
    (tmp_path / "notes.txt").write_text("no mesh")
    (tmp_path / "sub").mkdir()
    write_mesh(tmp_path / "sub" / "other.glb", tall_mesh())
    found = find_objects(FOLDER, root=tmp_path)
    assert found.names == ("sub/other", "tall")
    assert found.licence == "the user's own"
    assert found.missing == ()
    assert find_objects(FOLDER, root=tmp_path, limit=1).names == ("sub/other",)
    assert find_objects(FOLDER, root=tmp_path, names=["tall"]).names == ("tall",)
    with pytest.raises(InputError, match="no object 'small'"):
        find_objects(FOLDER, root=tmp_path, names=["small"])


def test_the_up_axis_is_that_of_the_file_but_gltf_is_always_y_up(tmp_path: Path) -> None:
    (tmp_path / "tall.obj").write_text(TALL)
    write_mesh(tmp_path / "written.glb", tall_mesh())  # turned to y-up, as glTF wants
    z_up = find_objects(FOLDER, root=tmp_path, up="z")
    y_up = find_objects(FOLDER, root=tmp_path, up="y")
    assert extents(z_up.load("tall")[0]) == [1, 2, 3]
    assert extents(y_up.load("tall")[0]) == [1, 3, 2]
    for collection in (z_up, y_up):
        assert extents(collection.load("written")[0]) == [1, 2, 3]


def test_the_hash_follows_all_that_is_read(tmp_path: Path) -> None:
    """Scores are cached by it."""
    mtl, obj = tmp_path / "tall.mtl", tmp_path / "tall.obj"
    obj.write_text("mtllib tall.mtl\nusemtl a\n" + TALL)
    mtl.write_text("newmtl a\nKd 1 0 0\n")
    first = find_objects(FOLDER, root=tmp_path).load("tall")[1]
    assert find_objects(FOLDER, root=tmp_path).load("tall")[1] == first
    assert find_objects(FOLDER, root=tmp_path, up="z").load("tall")[1] != first
    mtl.write_text("newmtl a\nKd 0 1 0\n")
    recolored = find_objects(FOLDER, root=tmp_path).load("tall")[1]
    obj.write_text("mtllib tall.mtl\nusemtl a\n" + TALL.replace("0 0 3", "0 0 4"))
    reshaped = find_objects(FOLDER, root=tmp_path).load("tall")[1]
    assert len({first, recolored, reshaped}) == 3


def test_two_objects_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tall.obj").write_text(TALL)
    write_mesh(tmp_path / "tall.glb", tall_mesh())
    with pytest.raises(InputError, match=r"tall.glb and tall.obj are both called 'tall'"):
        find_objects(FOLDER, root=tmp_path)


def test_a_folder_with_cameras_is_one_object(tmp_path: Path) -> None:
    photograph(tmp_path / "cup")
    (tmp_path / "cup" / "mesh.obj").write_text(TALL)  # belongs to it
    (tmp_path / "tall.obj").write_text(TALL)
    found = find_objects(FOLDER, root=tmp_path)
    assert found.names == ("cup", "tall")
    images, first = found.load("cup")
    assert isinstance(images, PosedImages)
    assert len(images.photos) == 3
    Image.new("RGBA", (16, 16)).save(tmp_path / "cup" / "002.png")
    assert found.load("cup")[1] != first
    alone = find_objects(FOLDER, root=tmp_path / "cup")
    assert alone.names == ("cup",)


def test_a_folder_without_objects_or_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no object"):
        find_objects(FOLDER, root=tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_objects(FOLDER, root=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="needs its folder"):
        find_objects(FOLDER)


def test_a_folder_that_cannot_be_read_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", denied)  # tests may run as root, who may read everything
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        find_objects(FOLDER, root=tmp_path)


def test_missing_objects_of_a_protocol_are_named(gso_dir: Path) -> None:
    protocol = load_protocol("lrm2023")
    found = find_objects(protocol, root=gso_dir)
    assert set(found.names) | set(found.missing) == set(protocol.objects)
    assert len(found.names) + len(found.missing) == 100
    every = find_objects(protocol, root=gso_dir, names=["all"])
    assert set(every.names) >= set(found.names)
    assert every.missing == found.missing  # of the protocol's, whatever else is there
    chosen = find_objects(protocol, root=gso_dir, names=[every.names[0]])
    assert (chosen.names, chosen.missing) == (every.names[:1], ())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
def test_names_that_are_not_utf8_can_be_reported(tmp_path: Path) -> None:
    mesh = tmp_path / os.fsdecode(b"caf\xe9.obj")
    mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    collection = find_objects(load_protocol("folder-v1"), root=tmp_path)
    assert collection.names == ("caf\\xe9",)
    scene, _ = collection.load(collection.names[0])
    assert scene.num_faces == 1
