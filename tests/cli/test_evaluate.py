"""`lrm evaluate` from objects to a report, and the checks that guard it."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from lrm_core.baselines import loading
from lrm_core.config import config_to_dict
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.metrics.metric_weights import WEIGHTS
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


@pytest.fixture(autouse=True)
def no_weights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRM_METRIC_WEIGHTS", str(tmp_path / "no weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no torch"))


@pytest.fixture
def evaluated(lrm, protocol: Path, tmp_path: Path):
    def run(*options: str, out: str = "reports"):
        return lrm(
            *("evaluate", "--dataset", "procedural", "--protocol", str(protocol)),
            *("-o", str(tmp_path / out), "--workers", "1", "--no-download", *options),
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


def small_meshes(folder: Path, names: str) -> str:
    """The method that answers with a small tetrahedron on these objects."""
    (folder / "meshes").mkdir(exist_ok=True)
    for name in names:
        (folder / "meshes" / f"{name}.obj").write_text(
            "v -.2 -.2 -.2\nv .2 -.2 -.2\nv 0 .2 -.2\nv 0 0 .2\n"
            "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
        )
    return f"external:{folder / 'meshes'}"


def test_a_method_that_fails_on_some_objects_ends_with_exit_code_3(
    evaluated, tmp_path: Path
) -> None:
    result = evaluated("-m", small_meshes(tmp_path, "1"), "--metrics", "psnr,chamfer_distance")
    assert result.exit_code == 3, result.output
    assert "1 of 3" in result.stderr + result.stdout
    (table,) = (tmp_path / "reports" / "tables").glob("*.md")
    assert "(n = 1 of 3)" in table.read_text()
    (row,) = pd.read_csv(table.with_suffix(".csv")).to_dict("records")
    assert (row["n"], row["psnr n"], row["chamfer_distance n"]) == (3, 3, 1)
    fewer = evaluated("-m", "blank", "--metrics", "psnr", "--limit", "2", out="fewer")
    assert fewer.exit_code == 0
    assert "| 2 of 3 |" in (tmp_path / "fewer" / "tables" / "small.md").read_text()


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

    damaged = evaluated("-m", small_meshes(tmp_path, "012"), "--json", out="damaged")
    assert damaged.exit_code == 0, damaged.output
    (place,) = json.loads(damaged.stdout)["reports"].values()
    other = lrm("evaluate", "check", place["report"], "--against", str(accepted))
    assert other.exit_code == 6
    assert "balloon then, external:" in other.stderr
    content = json.loads(Path(place["report"]).read_text())
    content["method"]["name"] = "balloon"
    Path(place["report"]).write_text(json.dumps(content))
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
        (("--dataset", "procedural", "-m", "one-2-3-45"), "needs the command", 2),
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


def test_metrics_without_weights_are_not_available_and_the_user_is_told_why(
    evaluated, tmp_path: Path
) -> None:
    result = evaluated("-m", "blank", "--limit", "1", "--metrics", "psnr,lpips,fid", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert len(document["warnings"]) == 2
    alex = WEIGHTS["lpips/alex"]
    for words in ("lpips is n/a", alex.filename, alex.url, alex.licence, "--weights-dir"):
        assert words in document["warnings"][0]
    report = read_report(tmp_path / "reports" / "runs" / "small" / "blank")
    assert report.metrics["lpips"].unavailable == f"no weights {alex.filename}"
    assert report.metrics["fid"].mean is None

    required = evaluated("-m", "blank", "--metrics", "psnr,lpips", "--require-all")
    assert required.exit_code == 9
    assert alex.filename in required.stderr
    assert evaluated("-m", "blank", "--metrics", "psnr", "--require-all").exit_code == 0


def test_metrics_are_computed_by_weights_of_a_folder(
    evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random ones of LPIPS; test_network_metrics says whether the numbers are right."""
    models = pytest.importorskip("torchvision.models")
    pytest.importorskip("lpips")
    torch.manual_seed(51)
    with torch.device("meta"):
        shapes = models.alexnet().features.state_dict()
    state = {f"features.{k}": torch.randn(v.shape) / v[0].numel() ** 0.5 for k, v in shapes.items()}
    path = tmp_path / WEIGHTS["lpips/alex"].filename
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    believed = dataclasses.replace(WEIGHTS["lpips/alex"], sha256=digest)
    monkeypatch.setitem(WEIGHTS, "lpips/alex", believed)
    options = ("-m", "blank", "--metrics", "lpips", "--require-all")
    result = evaluated(*options, "--weights-dir", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    report = read_report(tmp_path / "reports" / "runs" / "small" / "blank")
    assert report.metrics["lpips"].num == 3
    assert report.metrics["lpips"].backend.startswith("lpips ")
    assert report.provenance["metric_weights"] == {"lpips/alex": digest}


def test_a_run_can_be_checked_against_accepted_values(evaluated, lrm, tmp_path: Path) -> None:
    """The same exit codes as those of `lrm evaluate check`, and one JSON document."""
    evaluated("-m", "balloon")
    report = tmp_path / "reports" / "runs" / "small" / "balloon"
    accepted = tmp_path / "balloon.json"
    accept = ("evaluate", "accept", str(report), "-o", str(accepted), "--reason", "a test")
    assert lrm(*accept, "--band", "silhouette_iou=0.01:test").exit_code == 0
    against = ("--against", str(accepted))

    unchanged = evaluated("-m", "blank", "-m", "balloon", *against, "--json")
    assert unchanged.exit_code == 0, unchanged.output
    document = json.loads(unchanged.stdout)
    assert document["status"] == "unchanged"
    metrics = [verdict["metric"] for verdict in document["verdicts"]]
    assert metrics == ["silhouette_iou", "failures"]
    assert set(document["reports"]) == {"blank", "balloon"}

    assert evaluated("-m", "balloon", "--limit", "2", *against).exit_code == 6
    content = json.loads(accepted.read_text())
    content["metrics"]["silhouette_iou"]["mean"] += 0.1
    accepted.write_text(json.dumps(content))
    regressed = evaluated("-m", "balloon", *against, "--json")
    assert regressed.exit_code == 5
    assert json.loads(regressed.stdout)["error"]["type"] == "RegressionError"

    other = evaluated("-m", "blank", *against)
    assert other.exit_code == 2
    assert "add --method balloon" in other.stderr


def test_options_reach_the_methods_that_they_concern(
    evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[loading.PredictorOptions] = []
    load = loading.load_predictor

    def taking(name: str, options: loading.PredictorOptions):
        taken.append(options)
        return load(name, options)

    monkeypatch.setattr("lrm_core.evaluation.session.load_predictor", taking)
    chosen = {
        "resolution": 64,
        "dtype": "float32",
        "seed": 3,
        "shap_e_weights": "someone/shap-e",
        "point_e_weights": tmp_path,
        "command": "make {input} {output}",
        "time_limit": 5.0,
        "log_folder": tmp_path,
        "external_up": "z",
        "external_alignment": "free_azimuth",
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    result = evaluated("-m", "blank", "--limit", "1", "--metrics", "psnr", *options)
    assert result.exit_code == 0, result.output
    assert taken[0] == loading.PredictorOptions(device=taken[0].device, **chosen)
    # the protocol and the rows of its tables choose the others
    others = {"device", "photo_colors", "framing", "num_views"}
    assert set(chosen) | others == {field.name for field in dataclasses.fields(taken[0])}
