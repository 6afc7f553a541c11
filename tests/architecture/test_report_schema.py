"""The schema of report.json against reports as the program writes them."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest

from lrm_core.baselines.blank import BlankPredictor
from lrm_core.evaluation.aggregate import build_report
from lrm_core.evaluation.collection import Collection
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.runner import EvaluationResult, ObjectScores
from lrm_core.evaluation.setups import Setup
from lrm_core.reporting.metric_report import REPORT, write_report
from lrm_core.reporting.provenance import provenance

jsonschema = pytest.importorskip("jsonschema")

REPORTS = Path(__file__).parents[2] / "reports"
SCHEMA = REPORTS / "schema" / "report.schema.json"
if not SCHEMA.is_file():
    pytest.skip("no checkout: the schema is not packaged", allow_module_level=True)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def written(tmp_path: Path) -> dict:
    """A report with a value, a failure, a note and a metric that nothing could compute."""
    protocol = load_protocol("gso-v1")
    good = ObjectScores(
        {"psnr": 17.0, "volume_iou": 0.2}, {}, {"psnr": "a", "volume_iou": "b"}, 1.0, ("slow",),
        floor={"chamfer_distance": 0.02},
    )  # fmt: skip
    failed = ObjectScores({"psnr": 12.0}, {"volume_iou": "no"}, {"psnr": "a"}, 0.0, (), "too dark")
    report, scores = build_report(
        protocol,
        Collection("gso", tmp_path, (("BAGEL", "x"), ("MK7", "y")), ("Elephant",), "CC-BY-4.0"),
        BlankPredictor(),
        EvaluationResult({"blank": {"BAGEL": good, "MK7": failed}}, {"Dino_3": "unreadable"}),
        Setup("blank"),
        provenance("cpu"),
        metrics=("psnr", "volume_iou", "lpips"),
        unavailable={"lpips": "its weights are not here"},
    )
    write_report(tmp_path, report, scores)
    assert isinstance(scores, pd.DataFrame)
    content: dict = json.loads((tmp_path / REPORT).read_text("utf-8"))
    return content


def test_a_written_report_follows_the_schema(validator, written: dict) -> None:
    validator.validate(written)
    assert written["metrics"]["lpips"]["mean"] is None
    assert set(written["failures"]) == {"MK7", "Dino_3"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2),
        (("protocol", "sha256"), "abc"),
        (("protocol", "content", "views"), 3),
        (("dataset", "objects"), ["a", "a"]),
        (("method", "alignment"), "sideways"),
        (("method", "views"), "points"),
        (("method", "aligned"), True),
        (("sampling_floor", "chamfer_distance"), "small"),
        (("metrics", "psnr", "direction"), "up"),
        (("metrics", "psnr", "mean"), None),  # without a reason
        (("metrics", "lpips", "unavailable"), None),
        (("metrics", "lpips", "num"), 2),
        (("provenance", "git"), "dirty"),
        (("date",), "today"),
    ],
)
def test_what_no_report_may_hold_is_refused(validator, written: dict, path, value) -> None:
    broken = copy.deepcopy(written)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not validator.is_valid(broken)


@pytest.mark.parametrize("key", ["protocol", "metrics", "failures", "notes", "provenance"])
def test_nothing_may_be_left_out(validator, written: dict, key: str) -> None:
    del written[key]
    assert not validator.is_valid(written)


COMMITTED = sorted(REPORTS.glob(f"runs/*/*/{REPORT}"))


def test_reports_are_committed() -> None:
    methods = {path.parent.name for path in COMMITTED if path.parents[1].name == "gso-v1"}
    assert methods >= {"lrm-mini", "balloon", "blank"}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_committed_reports_follow_the_schema(validator, path: Path) -> None:
    validator.validate(json.loads(path.read_text("utf-8")))
