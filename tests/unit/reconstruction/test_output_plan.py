"""Photos and folders become names of mesh files."""

from pathlib import Path

import pytest

from lrm_core.errors import InputError, OutputError
from lrm_core.reconstruction.output_plan import plan_outputs


def _plan(photos, out, file_format=None, overwrite=False):
    return plan_outputs(photos, out, file_format=file_format, overwrite=overwrite)


def test_one_photo_goes_to_the_named_file_or_into_a_folder(tmp_path):
    photo = Path("chair.png")
    assert _plan([photo], tmp_path / "a.glb") == [(photo, tmp_path / "a.glb")]
    assert _plan([photo], tmp_path / "new") == [(photo, tmp_path / "new" / "chair.obj")]
    assert _plan([photo], tmp_path, "ply") == [(photo, tmp_path / "chair.ply")]


def test_folders_stand_for_their_images_in_order(tmp_path):
    for name in ("b.jpg", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    found = [photo.name for photo, _ in _plan([tmp_path], tmp_path / "out")]
    assert found == ["a.png", "b.jpg"]


def test_photos_of_the_same_name_do_not_share_a_file(tmp_path):
    photos = [Path("x/cup.png"), Path("y/cup.jpg"), Path("z/cup_2.png")]
    names = [path.name for _, path in _plan(photos, tmp_path / "out")]
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("photos", "out", "file_format", "words"),
    [
        (["a.png", "b.png"], "one.obj", None, "one file for 2 photos"),
        (["a.png"], "a.obj", "glb", "contradicts"),
        (["a.png"], "a.fbx", None, "no mesh format"),
    ],
)
def test_impossible_outputs_are_refused_before_any_work(tmp_path, photos, out, file_format, words):
    with pytest.raises(OutputError, match=words):
        _plan([Path(p) for p in photos], tmp_path / out, file_format)


def test_existing_meshes_and_empty_folders_are_named(tmp_path):
    (tmp_path / "a.obj").write_text("")
    with pytest.raises(OutputError, match="exists already"):
        _plan([Path("a.png")], tmp_path / "a.obj")
    _plan([Path("a.png")], tmp_path / "a.obj", overwrite=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        _plan([tmp_path / "empty"], tmp_path / "out")


def test_photos_with_a_mesh_are_left_out_and_the_others_keep_their_names(tmp_path):
    photos = [Path("x/cup.png"), Path("y/cup.png"), Path("z/cup.png")]
    every = _plan(photos, tmp_path)
    (tmp_path / "cup_2.obj").write_text("mine")
    rest = plan_outputs(photos, tmp_path, file_format=None, overwrite=False, skip_existing=True)
    assert rest == [every[0], every[2]]
