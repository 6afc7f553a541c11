from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from lrm_core.baselines.loading import PredictorOptions
from lrm_core.errors import ConfigError, LrmError
from lrm_core.evaluation.session import EvaluationRequest, open_session
from lrm_core.reporting.metric_report import report_folder

CPU = PredictorOptions(device="cpu")


def test_two_methods_from_the_request_to_their_reports(tmp_path):
    request = EvaluationRequest(
        dataset="procedural",
        methods=("blank", "balloon", "blank"),
        metrics=("psnr", "silhouette_iou"),
        limit=1,
        options=CPU,
        download=False,
    )
    session = open_session(request)
    assert list(session.predictors) == ["blank", "balloon"]
    seen = []
    result = session.run(workers=1, cache=tmp_path / "cache", on_object=seen.append)
    reports = session.write_reports(result, tmp_path)
    assert seen == list(session.collection.names)
    for name, report in reports.items():
        written = json.loads((report_folder(tmp_path, report) / "report.json").read_text())
        assert written["method"]["name"] == name
        assert set(report.metrics) == {"psnr", "silhouette_iou"}
    # an empty prediction has no silhouette, the inflated one most of it
    assert reports["blank"].metrics["silhouette_iou"].mean == 0.0
    assert reports["balloon"].metrics["silhouette_iou"].mean > 0.3


@pytest.mark.parametrize("dataset", ["gsso", "folder", "gso:somewhere"])
def test_datasets_that_do_not_exist_are_refused(dataset):
    with pytest.raises(ConfigError, match="there is no dataset"):
        open_session(EvaluationRequest(dataset=dataset, options=CPU))


def test_a_protocol_of_another_dataset_is_refused():
    request = EvaluationRequest(dataset="procedural", protocol="gso-v1", options=CPU)
    with pytest.raises(ConfigError, match="is for the dataset gso, not procedural"):
        open_session(request)


def test_required_metrics_that_are_not_available_are_an_error(tmp_path):
    request = EvaluationRequest(
        dataset="procedural",
        methods=("blank",),
        metrics=("fid",),
        options=CPU,
        weights_dir=tmp_path,
        download=False,
    )
    assert "fid" in open_session(request).unavailable
    with pytest.raises(LrmError):
        open_session(replace(request, require_all=True))


def test_a_request_names_its_own_objects_and_the_protocol_their_seed(tmp_path):
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "procedural"}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(values | {"objects": ["0", "1"], "procedural_seed": 7}))
    request = EvaluationRequest(
        dataset="procedural", methods=("blank",), protocol=str(file), options=CPU
    )
    session = open_session(request)
    assert (session.collection.names, session.collection.seed) == (("0", "1"), 7)
    own = open_session(replace(request, objects=["5"]))
    assert own.collection.names == ("5",)


def test_a_camera_that_nobody_is_told_is_one_that_pictures_are_cropped_for(tmp_path):
    values = {"name": "mine", "version": 1, "description": "mine", "dataset": "procedural"}
    file = tmp_path / "mine.yaml"
    request = EvaluationRequest(
        dataset="procedural", methods=("blank",), protocol=str(file), options=CPU
    )
    framings = []
    for varied in (None, {"seed": 2}):
        file.write_text(yaml.safe_dump(values | {"input_view": {"varied": varied}}))
        framings.append(open_session(request).options.framing)
    assert framings == ["as_is", "crop"]
