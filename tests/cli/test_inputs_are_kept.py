"""No command replaces what it reads, even with --overwrite: exit code 4 before the work.

`lrm preprocess` assets, gso, objaverse, procedural, video and convert write into an empty folder or
one of their own, `lrm models` and `lrm evaluate compare` write nothing.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

OBJ = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl a\nf 1/1 2/2 3/3\n"


def photo(path):
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[8:24, 8:24] = (200, 40, 40)
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path)


def textured(folder, texture):
    folder.mkdir(exist_ok=True)
    (folder / "m.obj").write_text(OBJ)
    (folder / "m.mtl").write_text(f"newmtl a\nmap_Kd {texture}\n")
    photo(folder / texture)


def make(folder):
    """Every file that a case names."""
    for name in ("a.png", "a.input.png", "b.input.png", "x.texture.png", "out/a.png"):
        photo(folder / name)
    textured(folder, "t.png")
    textured(folder / "views", "000.png")
    (folder / "views" / "transforms.json").write_text(
        '{"w": 8, "h": 8, "fl_x": 8, "frames": [{"transform_matrix":'
        " [[1, 0, 0, 0], [0, 0, -1, -2], [0, 1, 0, 0], [0, 0, 0, 1]]}]}"
    )
    for name in ("data", "run/model", "report", "reports/tables"):
        (folder / name).mkdir(parents=True)
    for name in ("dataset.json", "page.png"):
        (folder / "data" / name).write_text("{}")
    (folder / "link.png").symlink_to("m.obj")
    (folder / "page.png").symlink_to("data/dataset.json")
    (folder / "run" / "model" / "model.safetensors").write_bytes(b"weights")
    (folder / "run" / "model" / "config.json").write_text("{}")
    (folder / "report" / "report.json").write_text("{}")
    (folder / "accepted.json").write_text("{}")
    (folder / "reports" / "tables" / "procedural-v1.csv").write_text("0\n")


CASES = {
    "reconstruct, photo": "reconstruct a.input.png -o a.obj --overwrite",
    "reconstruct, mask": "reconstruct a.png --mask b.input.png -o b.obj --overwrite",
    "reconstruct, side": "reconstruct a.png --back x.texture.png -o x.obj --overwrite",
    "reconstruct, weights": "reconstruct a.png --model run/model -o x.obj --overwrite "
    "--save-field run/model/model.safetensors",
    "render, mesh": "render m.obj -o link.png --overwrite",
    "render, texture": "render m.obj -o t.png --overwrite --size 8",
    "render, texture among views": "render views/m.obj -o views/ --overwrite --size 8 --views 1",
    "render, cameras": "render m.obj --cameras views/transforms.json -o views/ --overwrite",
    "preprocess photos, photo": "preprocess photos a.png -o . --overwrite",
    "preprocess photos, mask": "preprocess photos a.png --mask out/a.png -o out --overwrite",
    "preprocess check": "preprocess check data -o page.png --overwrite",
    "preprocess show": "preprocess show data -o page.png --overwrite",
    "train, init": "train lrm-tiny --init run/model -o run tensorboard=false",
    "evaluate, objects": "evaluate --dataset procedural --method balloon -o reports "
    "--metrics chamfer_distance --objects reports/tables/procedural-v1.csv",
    "evaluate page": "evaluate page report -o report/report.json --overwrite",
    "evaluate accept": "evaluate accept report -o report/report.json --overwrite --reason why "
    "--band psnr=1:spread",
    "evaluate check, report": "evaluate check report --against accepted.json "
    "--summary report/report.json",
    "evaluate check, values": "evaluate check report --against accepted.json "
    "--summary accepted.json",
}


def contents():
    files = (path for path in Path().rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("command", CASES.values(), ids=CASES.keys())
def test_an_input_is_never_replaced(lrm, tmp_path, monkeypatch, command):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = contents()
    result = lrm(*command.split())
    assert result.exit_code == 4, result.output
    assert "would replace the" in result.output
    assert contents() == before


@pytest.mark.parametrize("name", ["config.yaml", "objects.csv", "metrics.jsonl"])
def test_a_run_begins_in_a_folder_that_holds_none_of_its_names(lrm, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine: 1\n")
    result = lrm("train", "lrm-tiny", "-o", "run", "num_steps=1", "tensorboard=false")
    assert result.exit_code == 4, result.output
    assert f"run/{name} exists already" in result.output
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]
    assert (tmp_path / "run" / name).read_text() == "mine: 1\n"


def test_a_summary_takes_the_place_of_a_summary_only(lrm, tmp_path, monkeypatch):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "check", "report", "--against", "accepted.json", "--summary", "notes.md"]
    Path("notes.md").write_text("# My notes\n")
    result = lrm(*command)
    assert result.exit_code == 4
    assert "notes.md exists already" in result.output
    for earlier in ("", "**m**\n\n| metric | accepted | measured | band | verdict |\n"):
        Path("notes.md").write_text(earlier)
        result = lrm(*command)  # ends later, at the report that is not one
        assert "exists already" not in result.output


def test_a_folder_that_cannot_be_is_known_before_any_download(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Path("file").write_text("no folder")
    result = lrm("evaluate", "--dataset", "procedural", "--method", "blank", "-o", "file/reports")
    assert result.exit_code == 4
    assert "file is not a folder" in result.output
    assert "downloading" not in result.output
