"""`lrm preprocess assets` from the outside."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from typer.testing import Result

from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set

Lrm = Callable[..., Result]
TINY = ["--size", "24", "--num-views", "2", "--workers", "1"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two colored meshes, one without colors, and a broken one."""
    (tmp_path / "kit" / "sub").mkdir(parents=True)
    mesh = trimesh.creation.cone(0.5, 2.0)
    mesh.visual.vertex_colors = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 4))
    mesh.export(tmp_path / "kit" / "cone.glb")
    mesh.export(tmp_path / "kit" / "sub" / "cone.ply")
    trimesh.creation.box().export(tmp_path / "kit" / "plain.stl")
    (tmp_path / "kit" / "broken.glb").write_bytes(b"glTF")
    (tmp_path / "licences.csv").write_text("file,licence,source\nsub/cone.ply,MIT,cones\n")
    return tmp_path / "kit"


def test_a_folder_becomes_a_dataset(lrm: Lrm, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    arguments = [
        "preprocess", "assets", str(folder), "-o", str(out), *TINY, "--licence", "CC0-1.0",
        "--manifest", str(tmp_path / "licences.csv"), "--normals", "--up", "z",
    ]  # fmt: skip
    result = lrm(*arguments, "--json")
    assert result.exit_code == 3, result.output
    document = json.loads(result.stdout)
    assert (document["num_objects"], document["num_views"]) == (2, 4)
    reasons = {failure["object_id"]: failure["reason"] for failure in document["failures"]}
    assert reasons.keys() == {"broken", "plain"}
    assert "single color" in reasons["plain"]
    dataset = open_view_dataset(str(out))
    rows = dataset.manifest.set_index("source")
    assert dict(rows["licence"]) == {"kit": "CC0-1.0", "cones": "MIT"}
    assert rows.loc["cones", "max_z"] == pytest.approx(1.0)
    assert dataset.description["renderer"] == "lrm mesh renderer"
    assert dataset.description["settings"]["up"] == "z"
    assert dataset.description["limits"]["max_faces"] == 5_000_000
    assert str(tmp_path) not in json.dumps(dataset.description)
    views = read_view_set(dataset, "cone", depth=True, normals=True)
    assert views.images.shape == (2, 24, 24, 4)
    again = lrm(*arguments, "--resume", "--json")
    assert json.loads(again.stdout)["num_made"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing"], 4, "missing: no such file or folder"),
        (["kit", "--manifest", "missing.csv"], 4, "missing.csv cannot be read"),
        (["kit", "--renderer", "blender"], 2, "no Blender was named"),
        (["kit", "--renderer", "blender", "--blender", "missing"], 10, "cannot be started"),
        (["kit", "--max-faces", "0"], 2, "--max-faces"),
    ],
)
def test_wrong_options_are_one_line(
    lrm: Lrm,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRM_BLENDER", raising=False)
    result = lrm("preprocess", "assets", *arguments, "-o", "out", *TINY)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not os.environ.get("LRM_BLENDER"), reason="LRM_BLENDER names no Blender")
def test_blender_renders_the_same_dataset(lrm: Lrm, folder: Path, tmp_path: Path) -> None:
    datasets = []
    for renderer in ("embree", "blender"):
        out = str(tmp_path / renderer)
        arguments = ["-o", out, *TINY, "--size", "64", "--renderer", renderer, "--json"]
        result = lrm("preprocess", "assets", str(folder / "cone.glb"), *arguments)
        assert result.exit_code == 0, result.output
        datasets.append(open_view_dataset(out))
    assert "Cycles" in datasets[1].description["renderer"]
    ours, theirs = (read_view_set(dataset, "cone").images[..., 3] > 127 for dataset in datasets)
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.96
