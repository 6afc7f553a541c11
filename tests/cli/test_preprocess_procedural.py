"""`lrm preprocess procedural`, and what every sub-command that builds a dataset shares."""

import json
from pathlib import Path

import pytest

from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set

pytest.importorskip("manifold3d")
TINY = ["--num", "3", "--size", "24", "--num-views", "2", "--workers", "1"]


def test_a_dataset_is_made_and_described(lrm, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = lrm("preprocess", "procedural", "-o", str(out), *TINY, "--normals", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "dataset": str(out),
        "num_objects": 3,
        "num_views": 6,
        "num_made": 3,
        "failures": [],
    }
    dataset = open_view_dataset(out)
    assert dataset.description["settings"]["size"] == 24
    assert "CC0" in dataset.description["source"]
    assert set(dataset.manifest["licence"]) == {"CC0-1.0"}
    views = read_view_set(dataset, dataset.object_ids[0], depth=True, normals=True)
    assert views.images.shape == (2, 24, 24, 4)


def test_the_next_step_is_named_and_an_older_dataset_kept(lrm, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = lrm("preprocess", "procedural", "-o", str(out), *TINY)
    assert f"lrm preprocess show {out}" in result.stderr
    result = lrm("preprocess", "procedural", "-o", str(out), *TINY)
    assert result.exit_code == 4
    assert "--resume" in result.stderr
    result = lrm("preprocess", "procedural", "-o", str(out), *TINY, "--resume", "--json")
    assert json.loads(result.stdout)["num_made"] == 0
    result = lrm("preprocess", "procedural", "-o", str(out), *TINY, "--resume", "--focal", "1")
    assert result.exit_code == 2
    assert "settings.focal: 0.75 then, 1.0 now" in result.stderr


@pytest.mark.parametrize("splits", ["train", "train=a", "=1", "train=-1", "train=0", "train=inf"])
def test_splits_that_cannot_be_are_refused(lrm, tmp_path: Path, splits: str) -> None:
    result = lrm("preprocess", "procedural", "-o", str(tmp_path / "d"), *TINY, "--splits", splits)
    assert result.exit_code == 2
    assert "--splits" in result.stderr


def test_splits_are_taken(lrm, tmp_path: Path) -> None:
    lrm("preprocess", "procedural", "-o", str(tmp_path / "d"), *TINY, "--splits", "mine=1")
    assert set(open_view_dataset(tmp_path / "d").manifest["split"]) == {"mine"}
