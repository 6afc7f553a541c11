"""`lrm train` from nothing to a model folder that loads."""

import json

import pytest
from typer.testing import CliRunner

from lrm_cli.app import app
from lrm_core.models.loading import load_lrm

TINY = [
    "lrm-mini", "data.meshes=[]", "data.num_procedural=2", "data.views={num_views: 1, size: 64}",
    "batch={num_points: 64, num_surface: 32, num_rays: 4}", "batch_size=1", "num_steps=2",
    "low_resolution_steps=0", "log_every=1",
]  # fmt: skip


@pytest.fixture
def run():
    def invoke(*arguments: object):
        return CliRunner().invoke(app, ["train", *map(str, arguments)])

    return invoke


def test_a_run_prepares_data_trains_and_writes_a_model_that_loads(run, tmp_path):
    pytest.importorskip("manifold3d", reason="procedural objects need the extra 'data'")
    result = run(*TINY, "-o", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["skipped"] == {}
    assert document["metrics"]["step"] == 2
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "procedural-0-000000.npz",
        "procedural-0-000001.npz",
    ]
    model = load_lrm(document["model"])
    assert model.config.name == "lrm-mini"
    again = run(*TINY, "-o", tmp_path, "--json")  # finished: nothing is left to train
    assert json.loads(again.stdout)["metrics"] == {}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lrm-huge"], 2, "lrm-huge"),
        (["lrm-mini", "num_steps"], 2, "no setting"),
        (["lrm-mini", "num_stepz=3"], 2, "num_stepz"),
        (["lrm-mini", "num_steps.x=3"], 2, "num_steps"),
        (["lrm-mini", "data.meshes=[]"], 8, "no training object"),
        (["lrm-mini", "data.meshes=[{folder: /nowhere/at/all}]"], 8, "no folder"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, arguments, code, words):
    extra = ["data.num_procedural=0"] if code == 8 else []
    result = run(*arguments, *extra, "-o", tmp_path / "run")
    assert result.exit_code == code, result.output
    assert words in result.stderr
