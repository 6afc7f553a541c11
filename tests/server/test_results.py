"""Results on disk: private, whole or absent, and the same mesh in every format."""

import io
import os
import stat
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_cli.server.results import INPUT, MEDIA_TYPES, MESH, RECORD, ResultFolder
from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.structures.mesh import Mesh, Texture


def ball() -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    uv = (sphere.vertices[:, :2] * 0.4 + 0.5).astype(np.float32)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    return Mesh(
        sphere.vertices.astype(np.float32),
        sphere.faces.astype(np.int32),
        texture=Texture(image, uv),
    )


def write_ball(folder: Path) -> dict[str, int]:
    write_mesh(folder / MESH, ball())
    Image.new("RGBA", (8, 8)).save(folder / INPUT)
    (folder / RECORD).write_text("{}")
    return {"num_faces": 320}


@pytest.fixture
def results(tmp_path: Path) -> ResultFolder:
    folder = ResultFolder(tmp_path)
    folder.open()
    folder.add("a1", write_ball)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_only_this_user_can_read_results(results: ResultFolder) -> None:
    for path in (results.path, results.path / "a1"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_every_file_opens_and_shows_the_mesh(results: ResultFolder) -> None:
    files = {name: results.read("a1", name) for name in MEDIA_TYPES}
    truth = trimesh.Trimesh(ball().vertices, ball().faces)
    for name in ("mesh.glb", "mesh.ply", "mesh.stl"):
        kind = name.partition(".")[2]
        loaded = trimesh.load_scene(io.BytesIO(files[name]), file_type=kind).to_geometry()
        assert len(loaded.faces) == len(truth.faces)
        size = np.ptp(loaded.vertices, axis=0).max() / np.ptp(truth.vertices, axis=0).max()
        assert loaded.volume == pytest.approx(truth.volume * size**3, rel=1e-3)
    with zipfile.ZipFile(io.BytesIO(files["mesh.zip"])) as archive:
        assert archive.namelist() == ["mesh.obj", "mesh.mtl", "mesh.texture.png"]
        texels = np.asarray(Image.open(io.BytesIO(archive.read("mesh.texture.png"))))
        np.testing.assert_array_equal(texels, ball().texture.image)
    for name in ("mesh.3mf", "mesh.usdz"):
        assert zipfile.ZipFile(io.BytesIO(files[name])).testzip() is None
    assert Image.open(io.BytesIO(files["mesh.input.png"])).size == (8, 8)
    assert [path.name for path in (results.path / "a1").iterdir() if path.is_dir()] == []


def test_sizes_reach_the_file(results: ResultFolder) -> None:
    content = results.read("a1", "mesh.stl", 42.0)
    loaded = trimesh.load_mesh(io.BytesIO(content), file_type="stl")
    assert np.ptp(loaded.vertices, axis=0).max() == pytest.approx(42.0)


def test_a_result_that_fails_half_way_is_not_there(results: ResultFolder) -> None:
    def fail(folder: Path) -> dict[str, int]:
        write_ball(folder)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        results.add("b2", fail)
    assert [path.name for path in results.path.iterdir()] == ["a1"]
    with pytest.raises(FileNotFoundError):
        results.read("b2", MESH)


def test_what_a_killed_server_left_is_removed_and_what_lives_is_not(tmp_path: Path) -> None:
    killed, living, following = (ResultFolder(tmp_path) for _ in range(3))
    killed.open()
    living.open()
    stranger = tmp_path / "lrm-serve-photo.png"
    stranger.write_bytes(b"a file is not a folder of ours")
    long_ago = time.time() - 3600
    for path in (killed.path, living.path, stranger):
        os.utime(path, (long_ago, long_ago))
    living.renew()
    following.open()
    assert set(tmp_path.iterdir()) == {living.path, following.path, stranger}


def test_removed_results_are_gone(results: ResultFolder) -> None:
    results.remove("a1")
    results.remove("a1")
    with pytest.raises(FileNotFoundError):
        results.read("a1", "mesh.stl")
    results.close()
    assert not results.path.exists()
