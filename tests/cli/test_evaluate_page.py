"""`lrm evaluate page`: from an evaluation to one HTML page."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lrm_cli.app import app
from lrm_core.config import config_to_dict
from lrm_core.evaluation.protocol import load_protocol

pytest.importorskip("manifold3d")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Balloon and blank on three procedural objects."""
    content = config_to_dict(load_protocol("procedural-v1"))
    content |= {"name": "small", "objects": ["0", "1", "2"]}
    content["metrics"] = ["psnr", "chamfer_distance"]
    content["input_view"]["size"] = 128
    content["reference_views"] |= {"size": 48, "num_views": 2}
    content["geometry"]["num_points"] = 1000
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "small.yaml").write_text(yaml.safe_dump(content))
    options = ["--dataset", "procedural", "--protocol", str(folder / "small.yaml")]
    options += ["-m", "balloon", "-m", "blank", "--workers", "1", "-o", str(folder / "reports")]
    result = CliRunner().invoke(app, ["evaluate", *options])
    assert result.exit_code == 0, result.output
    return folder / "reports"


@pytest.fixture
def reports(evaluated: Path, tmp_path: Path) -> Path:
    return shutil.copytree(evaluated, tmp_path / "reports")


def test_a_page_of_an_evaluation(lrm, reports: Path, tmp_path: Path) -> None:
    runs = [str(path) for path in sorted((reports / "runs" / "small").iterdir())]
    out = tmp_path / "page.html"
    made = lrm("evaluate", "page", *runs, "-o", str(out), "--json")
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert document["methods"] == ["balloon", "blank"]
    assert document["bytes"] == out.stat().st_size
    assert set(document["objects"]) == {"0", "1", "2"}
    text = out.read_text("utf-8")
    # of two methods three objects each, seen from two places; the blank has nothing to show
    assert text.count("data:image/webp;base64,") == 6 * (1 + 2) + 3 * 2
    assert text.count("The method predicted nothing.") == 3
    assert text.count('id="mesh-') == 3 + 3

    again = lrm("evaluate", "page", *runs, "-o", str(out))
    assert again.exit_code == 4
    assert "--overwrite" in again.stderr


def test_pictures_need_the_cache_and_tables_do_not(lrm, reports: Path, tmp_path: Path) -> None:
    shutil.move(reports / "cache", tmp_path / "elsewhere")
    report = str(reports / "runs" / "small" / "balloon" / "report.json")
    options = ["evaluate", "page", report, "--overwrite", "-o", str(tmp_path / "page.html")]

    result = lrm(*options)
    assert result.exit_code == 0, result.output
    assert "not in the cache" in result.stderr
    assert "not in the cache" in (tmp_path / "page.html").read_text("utf-8")

    result = lrm(*options, "--cache", str(tmp_path / "elsewhere"))
    assert "not in the cache" not in result.stderr

    result = lrm(*options, "--no-pictures", "--json")
    assert json.loads(result.stdout)["objects"] == []
    assert "data:image" not in (tmp_path / "page.html").read_text("utf-8")


def test_bad_usage_is_one_clear_line(lrm, reports: Path, tmp_path: Path) -> None:
    balloon = reports / "runs" / "small" / "balloon"
    page = ["-o", str(tmp_path / "page.html")]
    result = lrm("evaluate", "page", str(balloon), *page, "--metric", "beauty")
    assert result.exit_code == 2
    assert "beauty" in result.stderr
    assert lrm("evaluate", "page", str(tmp_path / "nothing"), *page).exit_code == 4

    other = tmp_path / "other" / "balloon"
    shutil.copytree(balloon, other)
    content = json.loads((other / "report.json").read_text("utf-8"))
    content["protocol"]["sha256"] = "0" * 64
    (other / "report.json").write_text(json.dumps(content))
    result = lrm("evaluate", "page", str(balloon), str(other), *page)
    assert result.exit_code == 6
    assert "different protocols" in result.stderr
    assert not (tmp_path / "page.html").exists()
