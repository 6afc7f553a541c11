"""Photos and folders become names of mesh files."""

import json
from pathlib import Path

import pytest

from lrm_core.errors import InputError, OutputError
from lrm_core.io.atomic_write import parse_path
from lrm_core.io.file_hash import sha256_of
from lrm_core.reconstruction.output_plan import plan_outputs
from lrm_core.reconstruction.result_record import record_path, result_paths


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
        (["a.png", "b.png"], "one.obj", None, "one mesh, but several photos"),
        (["a.png"], "a.obj", "glb", "contradicts"),
        (["a.png"], "a.fbx", None, "not a mesh format"),
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


def photo(path: Path, content: bytes = b"photo") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def finish(jobs: list[tuple[Path, Path]]) -> None:
    """Write what a run writes: the mesh, and the record that names the photo."""
    for source, mesh in jobs:
        mesh.parent.mkdir(parents=True, exist_ok=True)
        mesh.write_text("mesh")
        made_from = {"name": source.name, "sha256": sha256_of(source)}
        record = {"lrm_version": "0", "photo": made_from, "files": [mesh.name]}
        record_path(mesh).write_text(json.dumps(record))


def names(jobs: list[tuple[Path, Path]]) -> dict[str, str]:
    return {f"{source.parent.name}/{source.name}": mesh.name for source, mesh in jobs}


def test_a_photo_that_comes_later_gets_a_mesh_of_its_own(tmp_path):
    """a.jpg is listed before a.png, but a.obj is that of a.png already."""
    photo(tmp_path / "f" / "a.png")
    finish(_plan([tmp_path / "f"], tmp_path / "g"))
    photo(tmp_path / "f" / "a.jpg", b"another")
    rest = plan_outputs([tmp_path / "f"], tmp_path / "g", file_format=None, overwrite=False,
                        skip_existing=True)  # fmt: skip
    assert names(rest) == {"f/a.jpg": "a_2.obj"}
    finish(rest)
    assert plan_outputs([tmp_path / "f"], tmp_path / "g", file_format=None, overwrite=False,
                        skip_existing=True) == []  # fmt: skip
    again = names(_plan([tmp_path / "f"], tmp_path / "g", overwrite=True))
    assert again == {"f/a.png": "a.obj", "f/a.jpg": "a_2.obj"}


def test_photos_of_one_name_are_known_by_their_content(tmp_path):
    one, two = photo(tmp_path / "x" / "a.png", b"1"), photo(tmp_path / "y" / "a.png", b"2")
    finish(_plan([one, two], tmp_path / "g"))
    assert names(_plan([two, one], tmp_path / "g", overwrite=True)) == {
        "x/a.png": "a.obj",
        "y/a.png": "a_2.obj",
    }


def test_a_photo_that_has_gone_leaves_its_mesh_alone(tmp_path):
    finish(_plan([photo(tmp_path / "f" / "a.png")], tmp_path / "g"))
    other = photo(tmp_path / "h" / "a.webp", b"another")
    assert names(_plan([other], tmp_path / "g")) == {"h/a.webp": "a_2.obj"}


@pytest.mark.parametrize("pair", [("my mesh.png", "my_mesh.png"), ("A.png", "a.png")])
def test_names_whose_files_would_be_one_get_different_ones(tmp_path, pair):
    for name in pair:
        photo(tmp_path / "f" / name)
    meshes = [mesh.stem for _, mesh in _plan([tmp_path / "f"], tmp_path / "g")]
    assert len({stem.replace(" ", "_").casefold() for stem in meshes}) == 2


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["a.input.png", "a.texture.png", "a.json", "a.obj", "a.mtl"])
def test_no_input_is_ever_replaced(tmp_path, name, overwrite):
    source = photo(tmp_path / name)
    with pytest.raises(OutputError, match="would replace the input itself"):
        _plan([source], tmp_path / "a.obj", overwrite=overwrite)
    link = tmp_path / "link.png"
    link.symlink_to(name)
    with pytest.raises(OutputError, match="would replace the input itself"):
        _plan([link], tmp_path / "a.obj", overwrite=overwrite)


@pytest.mark.parametrize("name", ["a.input.png", "a.texture.png", "a.json", "a.mtl"])
def test_files_of_the_user_beside_the_mesh_are_kept(tmp_path, name):
    photo(tmp_path / name)
    with pytest.raises(OutputError, match=rf"{name} exists already"):
        _plan([photo(tmp_path / "b.png")], tmp_path / "a.obj")
    _plan([photo(tmp_path / "b.png")], tmp_path / "a.obj", overwrite=True)


@pytest.mark.parametrize("further", ["a.obj", "a.json", "./a.obj", "a.input.png", "b.png"])
def test_two_results_never_have_one_name(tmp_path, further):
    with pytest.raises(OutputError, match=r"two results have the name|would replace the input"):
        plan_outputs([photo(tmp_path / "b.png")], tmp_path / "a.obj", file_format=None,
                     overwrite=True, further_outputs=[tmp_path / further])  # fmt: skip


@pytest.mark.parametrize("out", ["s3://bucket/a.obj", "gs://b/c/a.glb", "https://x.y/a.obj", "-"])
def test_what_is_not_a_file_here_is_refused(out):
    with pytest.raises(OutputError, match="is not a file of this machine"):
        _plan([Path("a.png")], parse_path(out))


def test_a_slash_makes_a_folder(tmp_path):
    out = parse_path(f"{tmp_path}/out.v2/")
    assert _plan([Path("a.png")], out) == [(Path("a.png"), tmp_path / "out.v2" / "a.obj")]
    with pytest.raises(OutputError, match=r"'\.v2' is not a mesh format"):
        _plan([Path("a.png")], parse_path(f"{tmp_path}/out.v2"))


def test_what_cannot_be_written_is_known_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a.obj").mkdir()
    for out, words in (("file/a.obj", "is not a folder"), ("loop/a.obj", "is not a folder")):
        with pytest.raises(OutputError, match=words):
            _plan([Path("a.png")], tmp_path / out)


def test_what_a_killed_run_left_is_taken_up_again(tmp_path):
    jobs = _plan([photo(tmp_path / "f" / "a.png")], tmp_path / "g")
    finish(jobs)
    jobs[0][1].unlink()  # the mesh comes last
    rest = plan_outputs([tmp_path / "f"], tmp_path / "g", file_format=None, overwrite=False,
                        skip_existing=True)  # fmt: skip
    assert rest == jobs


@pytest.mark.parametrize("stem", ["x" * 251, "\u5353" * 83, "\udcff" * 251])
def test_the_longest_names_of_photos_give_names_that_can_be_written(tmp_path, stem):
    sources = [photo(tmp_path / "f" / f"{stem}{suffix}") for suffix in (".png", ".jpg")]
    jobs = _plan(sources, tmp_path / "g")
    finish(jobs)
    for _, mesh in jobs:
        for file in result_paths(mesh):
            file.touch()
    assert len({mesh for _, mesh in jobs}) == 2


def test_a_name_that_is_too_long_is_known_before_the_work(tmp_path):
    with pytest.raises(OutputError, match="more than 255 bytes"):
        _plan([Path("a.png")], tmp_path / f"{'x' * 250}.obj")
