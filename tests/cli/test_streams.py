"""`-` is stdin and stdout where it stands alone; `./-` is a file of that name."""

import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "teapot.png"
FAST = ["--resolution", "32", "--texture-size", "64"]


@pytest.mark.parametrize("photos", [["a.png", "b.png"], ["."], ["-", "a.png"]])
def test_stdout_holds_one_mesh(lrm, tmp_path, monkeypatch, photos):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        shutil.copy(EXAMPLE, name)
    result = lrm("reconstruct", *photos, "-o", "-")
    assert result.exit_code == 2
    assert result.output.startswith("error: stdout holds the mesh of one photo")
    assert "tmp" not in result.output


def test_a_folder_whose_name_is_a_dash(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = lrm("reconstruct", str(EXAMPLE), "-o", "./-", *FAST, "--format", "glb")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "-" / "teapot.glb").read_bytes().startswith(b"glTF")
    assert b"glTF" not in result.stdout_bytes


def test_a_photo_whose_name_is_a_dash(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, "-")
    result = lrm("reconstruct", "./-", "-o", "a.glb", *FAST)  # stdin is empty
    assert result.exit_code == 0, result.output
    assert "empty or closed" in lrm("reconstruct", "-", "-o", "b.glb", *FAST).output


@pytest.mark.parametrize(
    "command",
    [
        "render m.obj",
        "preprocess photos m.obj",
        "preprocess procedural --num 1 --num-views 1 --size 8",
        "train lrm-tiny num_steps=1",
        "evaluate --dataset procedural --method blank",
        "reconstruct m.obj -o x.obj --save-field",
    ],
)
def test_what_is_not_one_file_does_not_go_to_stdout(lrm, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("m.obj").touch()
    result = lrm(*command.split(), *([] if command.endswith("-field") else ["-o"]), "-")
    assert result.exit_code == 4, result.output
    assert "-" in result.output.splitlines()[0]
    assert [path.name for path in tmp_path.iterdir()] == ["m.obj"]


def test_views_go_into_a_folder_whose_name_is_a_dash(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert lrm("render", "m.obj", "-o", "./-", "--size", "8", "--views", "1").exit_code == 0
    assert (tmp_path / "-" / "000.png").is_file()
