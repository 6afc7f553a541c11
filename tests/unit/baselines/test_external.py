import numpy as np
import pytest
import trimesh

from lrm_core.baselines.external import ExternalPredictor
from lrm_core.errors import InputError


@pytest.fixture
def folder(tmp_path):
    trimesh.creation.box((1, 2, 4)).export(tmp_path / "box.ply")
    return tmp_path


def sides(prediction) -> np.ndarray:
    low, high = prediction.scene.bounds
    return high - low


def test_meshes_are_found_by_name_and_read_in_their_frame(folder, picture):
    z_up = ExternalPredictor(folder, up="z").predict(picture, name="box")
    assert np.allclose(sides(z_up), [1, 2, 4])
    y_up = ExternalPredictor(folder).predict(picture, name="box")
    assert np.allclose(sides(y_up), [1, 4, 2])


def test_one_mesh_in_a_folder_of_its_name(folder, picture):
    (folder / "other").mkdir()
    trimesh.creation.box((3, 3, 3)).export(folder / "other" / "mesh.obj")
    (folder / "other" / "log.txt").write_text("done")
    prediction = ExternalPredictor(folder).predict(picture, name="other")
    assert np.allclose(sides(prediction), 3)


@pytest.mark.parametrize("name", ["", ".", "..", "../box", "a/box", "..\\box"])
def test_names_stay_inside_the_folder(folder, picture, name):
    with pytest.raises(InputError, match="not an object name"):
        ExternalPredictor(folder / "..", up="z").predict(picture, name=name)


def test_missing_and_ambiguous_meshes(folder, picture):
    with pytest.raises(InputError, match="'nothing', found none"):
        ExternalPredictor(folder).predict(picture, name="nothing")
    trimesh.creation.box().export(folder / "box.stl")
    with pytest.raises(InputError, match=r"box\.ply, box\.stl"):
        ExternalPredictor(folder).predict(picture, name="box")
    with pytest.raises(InputError, match="no such folder"):
        ExternalPredictor(folder / "absent")


def test_fingerprint_follows_content_and_frame_but_not_place(folder, tmp_path_factory):
    first = ExternalPredictor(folder).fingerprint
    assert ExternalPredictor(folder, up="z").fingerprint != first
    copy = tmp_path_factory.mktemp("copy")
    (copy / "box.ply").write_bytes((folder / "box.ply").read_bytes())
    assert ExternalPredictor(copy).fingerprint == first
    trimesh.creation.box((1, 2, 3)).export(copy / "box.ply")
    assert ExternalPredictor(copy).fingerprint != first
