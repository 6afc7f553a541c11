"""`lrm preprocess objaverse` with a stand-in for the package that downloads."""

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from typer.testing import Result

from lrm_core.io.view_dataset_files import open_view_dataset

Lrm = Callable[..., Result]
TINY = ["--size", "24", "--num-views", "2", "--workers", "1"]
A, B, C = (letter * 32 for letter in "abc")


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`objaverse` with three objects on this machine: CC-BY, CC-BY-NC, CC0."""
    base = tmp_path / "cache"
    base.mkdir()
    mesh = trimesh.creation.cone(0.5, 2.0)
    mesh.visual.vertex_colors = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 4))
    for uid in (A, B, C):
        mesh.export(base / f"{uid}.glb")
    package = types.ModuleType("objaverse")
    licences = {A: "by", B: "by-nc", C: "cc0"}
    vars(package).update(
        BASE_PATH=str(base),
        load_uids=lambda: [A, B, C],
        load_lvis_annotations=lambda: {"cone": [C, B, A]},
        load_annotations=lambda uids: {
            uid: {"license": licences[uid], "user": {"displayName": "Ann"}} for uid in uids
        },
        load_objects=lambda uids, download_processes: {
            uid: str(base / f"{uid}.glb") for uid in uids
        },
    )
    monkeypatch.setitem(sys.modules, "objaverse", package)


def test_a_category_becomes_a_dataset(lrm: Lrm, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = lrm(
        "preprocess", "objaverse", "-o", str(out), "--lvis", "cone", "--licences", "by, cc0", *TINY
    )
    assert result.exit_code == 0, result.output
    assert "CC-BY-4.0 1, CC0-1.0 1" in result.stderr
    dataset = open_view_dataset(str(out))
    licences = dict(dataset.manifest.set_index("object_id")["licence"])
    assert licences == {A: "CC-BY-4.0, Ann", C: "CC0-1.0, Ann"}
    assert set(dataset.manifest["source"]) == {"objaverse-1.0"}


def test_uids_are_taken_one_by_one_and_from_files(lrm: Lrm, tmp_path: Path) -> None:
    (tmp_path / "uids.txt").write_text(f"{B}\n{'f' * 32}\n")
    result = lrm(
        "preprocess", "objaverse", "-o", str(tmp_path / "data"), "--uids", A,
        "--uids", str(tmp_path / "uids.txt"), *TINY, "--json",
    )  # fmt: skip
    assert result.exit_code == 3, result.output
    document = json.loads(result.stdout)
    assert document["num_objects"] == 2
    assert document["failures"] == [
        {"object_id": "f" * 32, "reason": f"{'f' * 32} is not in Objaverse"}
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no objects were named"),
        (["--lvis", "cones"], 4, "did you mean cone?"),
        (["--lvis", "cone", "--licences", "gpl"], 2, "no licence 'gpl'"),
        (["--lvis", "cone", "--licences", "by-sa"], 4, "no object is left"),
        (["--uids", "missing.txt"], 4, "missing.txt cannot be read"),
    ],
)
def test_wrong_options_are_one_line(
    lrm: Lrm, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    result = lrm("preprocess", "objaverse", "-o", str(tmp_path / "out"), *arguments, *TINY)
    assert result.exit_code == code, result.output
    assert words in result.stderr
