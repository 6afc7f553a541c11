"""`lrm evaluate` from objects to a report, and the checks that guard it."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lrm_core.config import config_to_dict
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.reporting.metric_report import read_report, read_scores

pytest.importorskip("manifold3d")


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """procedural-v1, small enough for a test."""
    content = config_to_dict(load_protocol("procedural-v1"))
    content |= {"name": "small", "objects": ["0", "1", "2"]}
    content["input_view"]["size"] = 128
    content["reference_views"] |= {"size": 48, "num_views": 2}
    content["geometry"]["num_points"] = 1000
    path = tmp_path_factory.mktemp("protocol") / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def evaluated(lrm, protocol: Path, tmp_path: Path):
    def run(*options: str, out: str = "reports"):
        return lrm(
            *("evaluate", "--dataset", "procedural", "--protocol", str(protocol)),
            *("-o", str(tmp_path / out), "--workers", "1", *options),
        )

    return run


def test_methods_are_scored_and_reported(evaluated, tmp_path: Path) -> None:
    result = evaluated("-m", "balloon", "-m", "blank", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["num_objects"] == 3
    report = read_report(tmp_path / "reports" / "runs" / "small" / "balloon")
    means = document["reports"]["balloon"]["metrics"]
    assert means == {name: summary.mean for name, summary in report.metrics.items()}
    scores = read_scores(tmp_path / "reports" / "runs" / "small" / "balloon")
    assert list(scores["object"]) == ["0", "1", "2"]
    assert scores["psnr"].mean() == pytest.approx(means["psnr"])
    assert means["lpips"] is None
    assert report.metrics["lpips"].unavailable
    assert means["silhouette_iou"] > document["reports"]["blank"]["metrics"]["silhouette_iou"]
    for suffix in ("csv", "md", "tex"):
        assert (tmp_path / "reports" / "tables" / f"small.{suffix}").is_file()
    table = pd.read_csv(tmp_path / "reports" / "tables" / "small.csv")
    assert list(table["method"]) == ["balloon", "blank"]


def test_a_second_run_gives_the_identical_report(evaluated, tmp_path: Path) -> None:
    evaluated("-m", "balloon")
    folder = tmp_path / "reports" / "runs" / "small" / "balloon"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    evaluated("-m", "balloon")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_damaged_model_is_caught(evaluated, lrm, tmp_path: Path) -> None:
    """The balloon accepted, then a model that answers with half a balloon's size."""
    evaluated("-m", "balloon", "--metrics", "psnr,chamfer_distance,f_score@0.1")
    report = tmp_path / "reports" / "runs" / "small" / "balloon"
    accepted = tmp_path / "accepted.json"
    bands = ["psnr=0.05:test", "chamfer_distance=0.005:test", "f_score@0.1=0.01:test"]
    accept = ["evaluate", "accept", str(report), "-o", str(accepted), "--reason", "a test"]
    for band in bands:
        accept += ["--band", band]
    assert lrm(*accept).exit_code == 0
    unchanged = lrm("evaluate", "check", str(report), "--against", str(accepted), "--json")
    assert unchanged.exit_code == 0
    assert json.loads(unchanged.stdout)["status"] == "unchanged"

    (tmp_path / "meshes").mkdir()
    for name in ("0", "1", "2"):
        (tmp_path / "meshes" / f"{name}.obj").write_text(
            "v -.2 -.2 -.2\nv .2 -.2 -.2\nv 0 .2 -.2\nv 0 0 .2\n"
            "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
        )
    damaged = evaluated("-m", f"external:{tmp_path / 'meshes'}", "--json", out="damaged")
    assert damaged.exit_code == 0, damaged.output
    (place,) = json.loads(damaged.stdout)["reports"].values()
    summary = tmp_path / "summary.md"
    caught = lrm(
        *("evaluate", "check", place["report"], "--against", str(accepted)),
        *("--summary", str(summary)),
    )
    assert caught.exit_code == 5
    assert "regressed" in caught.stderr
    assert "| chamfer_distance |" in summary.read_text()

    compared = lrm(
        "evaluate", "compare", str(report), place["report"], "--metric", "psnr", "--json"
    )
    differences = {one["metric"]: one for one in json.loads(compared.stdout)["differences"]}
    assert differences["psnr"]["mean"] < 0
    assert differences["chamfer_distance"]["better"] < 0.5


def test_other_objects_are_not_comparable(evaluated, lrm, tmp_path: Path) -> None:
    evaluated("-m", "balloon")
    report = tmp_path / "reports" / "runs" / "small" / "balloon"
    accept = ["evaluate", "accept", str(report), "-o", str(tmp_path / "a.json")]
    assert lrm(*accept, "--reason", "a test", "--band", "psnr=0.1:test").exit_code == 0
    evaluated("-m", "balloon", "--limit", "2")
    result = lrm("evaluate", "check", str(report), "--against", str(tmp_path / "a.json"))
    assert result.exit_code == 6
    assert "3 objects then, 2 now" in result.stderr
    again = lrm(*accept, "--reason", "a test", "--band", "psnr=0.1:test")
    assert again.exit_code == 4  # exists already


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        ((), "--dataset", 2),
        (("--dataset", "shapenet"), "no dataset 'shapenet'", 2),
        (("--dataset", "gso", "--protocol", "procedural-v1"), "not gso", 2),
        (("--dataset", "procedural", "--metrics", "beauty"), "beauty", 2),
        (("--dataset", "procedural", "--objects", "a"), "by their number", 2),
        (("--dataset", "procedural", "-m", "no-such-model"), "no-such-model", 9),
    ],
)
def test_bad_usage_is_one_clear_line(lrm, tmp_path: Path, options, words: str, code: int) -> None:
    result = lrm("evaluate", *options, "-o", str(tmp_path))
    assert result.exit_code == code
    assert words in result.stderr


def test_without_data_the_way_to_it_is_named(lrm, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("LRM_GSO_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = lrm("evaluate", "--dataset", "gso", "-o", str(tmp_path))
    assert result.exit_code == 4
    assert "lrm preprocess gso --download" in result.stderr
