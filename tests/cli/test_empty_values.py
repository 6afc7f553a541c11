"""An empty value is a variable that was never set, and never the current folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

COMMANDS = {
    "reconstruct '' -o a.obj": "PHOTO",
    "reconstruct a.png '' -o a": "PHOTO",
    "reconstruct a.png -o ''": "--out",
    "reconstruct a.png --out=": "--out",
    "reconstruct a.png -o a.glb --back ''": "--back",
    "reconstruct a.png -o a.glb --view ''": "--view",
    "reconstruct a.png -o a.glb --save-scene ''": "--save-scene",
    "reconstruct a.png -o a.glb --model ''": "--model",
    "render '' -o v": "INPUT",
    "render m.obj -o ''": "--out",
    "render m.obj -o v --cameras ''": "--cameras",
    "preprocess photos '' -o p": "PHOTO",
    "preprocess photos a.png -o ''": "--out",
    "preprocess photos a.png -o p --masks ''": "--masks",
    "preprocess procedural --num 1 -o ''": "--out",
    "preprocess assets '' -o p": "INPUT",
    "preprocess check ''": "DATASET",
    "train '' -o p": "[CONFIG]",
    "train lrm-tiny -o ''": "--out",
    "evaluate --dataset procedural -o ''": "--out",
    "evaluate --dataset ''": "--dataset",
    "evaluate --dataset procedural -m ''": "--method",
    "evaluate compare '' b": "A",
    "evaluate check r --against ''": "--against",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_value_is_refused_by_name(lrm, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    words = ["" if word == "''" else word for word in command.split()]
    result = lrm(*words)
    assert result.exit_code == 2, result.output
    assert result.output.startswith(f"error: {COMMANDS[command]}"), result.output
    assert "is empty" in result.output
    assert list(Path().iterdir()) == []


def test_a_program_is_told_in_json(lrm):
    result = lrm("render", "", "-o", "v", "--json")
    assert json.loads(result.stdout)["error"]["message"] == "INPUT is empty, expected a value"


def test_a_size_beyond_all_memory_is_one_line(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    result = lrm("render", "m.obj", "-o", "v", "--views", "1", "--size", "999999999")
    assert result.exit_code == 11, result.output
    assert lrm("render", "m.obj", "-o", "v.gif", "--fps", "inf").exit_code == 2


def test_a_method_or_dataset_without_its_folder_is_refused(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    none = ["evaluate", "--metrics", "chamfer_distance", "--limit", "1"]
    for words in (["--dataset", "procedural", "-m", "external:"], ["--dataset", "folder:"]):
        result = lrm(*none, *words)
        assert result.exit_code == 2, result.output
        assert len(result.output.splitlines()) == 2


def test_an_option_that_is_empty_by_default_may_be_empty(lrm):
    assert "is empty" not in lrm("serve", "--token", "", "--port", "-1").output


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("setpriv"), reason="root reads all")
def test_what_may_not_be_read_is_a_file_that_cannot_be_used(tmp_path):
    """And one of many: root without its power over permissions is anyone."""
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "b.png").touch(mode=0)
    (tmp_path / "m.obj").touch(mode=0)
    power = "-dac_override,-dac_read_search"
    anyone = ["setpriv", f"--inh-caps={power}", f"--bounding-set={power}"] * (os.getuid() == 0)
    for command, words in {
        "render m.obj -o v": "m.obj",
        "reconstruct a.png -o a.glb --mask b.png": "b.png",
        "preprocess photos b.png -o p": "b.png",
        "preprocess photos a.png b.png -o p2": "none of the 2 photos",
    }.items():
        done = subprocess.run(
            [*anyone, sys.executable, "-m", "lrm_cli", *command.split()], cwd=tmp_path, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 4, done.stderr
        assert "\nerror: " in f"\n{done.stderr}"  # after a line of progress on a busy machine
        assert words in done.stderr
