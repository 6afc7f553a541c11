"""An empty value is a variable that was never set, and never the current folder."""

from pathlib import Path

import pytest

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


def test_a_method_or_dataset_without_its_folder_is_refused(lrm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    none = ["evaluate", "--metrics", "chamfer_distance", "--limit", "1"]
    for words in (["--dataset", "procedural", "-m", "external:"], ["--dataset", "folder:"]):
        result = lrm(*none, *words)
        assert result.exit_code == 2, result.output
        assert len(result.output.splitlines()) == 2


def test_an_option_that_is_empty_by_default_may_be_empty(lrm):
    assert "is empty" not in lrm("serve", "--token", "", "--port", "-1").output
