"""`lrm train` from nothing to a model folder that loads."""

import json
import os
import signal

import pytest
from typer.testing import CliRunner

from lrm_cli.app import app
from lrm_core.models.loading import load_lrm

TINY = [
    "layers.data.meshes=[]", "layers.data.num_procedural=2", "layers.data.num_sets=0",
    "layers.data.num_household=0", "layers.data.views={num_views: 1, size: 64}",
    "layers.data.window=2", "layers.data.uses=1", "layers.num_points=16", "encoder_init=null",
    "global_batch=1", "micro_batch=1", "num_steps=2", "log_every=1", "tensorboard=false",
    "num_workers=0", "validate_every=null",
]  # fmt: skip


@pytest.fixture
def run():
    def invoke(*arguments: object):
        return CliRunner().invoke(app, ["train", *map(str, arguments)])

    return invoke


def test_a_run_prepares_data_trains_and_writes_a_model_that_loads(run, tmp_path):
    pytest.importorskip("manifold3d", reason="procedural objects need the extra 'data'")
    result = run("lrm-mini", *TINY, "-o", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["metrics"]["step"] == 2
    assert not document["finished_before"]
    # samples 0 and 1 come from the window over positions 0 to 2 of the stream
    made = {path.name for path in (tmp_path / "data").iterdir()}
    assert made <= {f"{position:09d}.npz" for position in range(3)}
    assert made
    model = load_lrm(document["model"])
    assert model.config.name == "lrm-mini"
    # finished: nothing is left to train; the configuration that was written says the same run
    again = run(tmp_path / "config.yaml", "-o", tmp_path)
    assert again.exit_code == 0, again.output
    assert "this run is finished: 2 of 2 steps are done" in again.stderr
    assert "lrm reconstruct PHOTO" in again.stdout
    other = run("--preset", "lrm-mini", *TINY, "seed=3", "-o", tmp_path)
    assert other.exit_code == 8
    assert "another configuration: seed was 0, is 3" in other.stderr


def test_fine_tuning_starts_from_any_model_and_says_so(run, tmp_path, monkeypatch):
    pytest.importorskip("manifold3d", reason="procedural objects need the extra 'data'")

    def interrupt(progress: object, step: int, values: dict[str, float]) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("lrm_cli.commands.train._Progress.on_step", interrupt)
    result = run("--preset", "lrm-mini", *TINY, "num_steps=3", "--init", "lrm-mini", "-o", tmp_path)
    assert result.exit_code == 130
    assert "weights of lrm-mini" in result.stderr
    assert "2 samples per epoch" in result.stderr
    assert "1 passes x 1 processes x 1 samples" in result.stderr
    assert "step 2 of 3 is saved; the same command resumes" in result.stderr


def test_recipes_are_listed(run):
    result = run("--list")
    assert result.exit_code == 0
    assert "lrm-mini" in result.stdout.split()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lrm-huge"], 2, "lrm-huge"),
        ([], 2, "no configuration was given"),
        (["num_steps=3"], 2, "lrm-mini"),
        (["lrm-mini", "num_steps"], 2, "'num_steps' is not a setting"),
        (["--preset", "lrm-mini", "lrm-mini"], 2, "not a setting"),
        (["lrm-mini", "num_stepz=3"], 2, "num_stepz"),
        (["lrm-mini", "num_steps.x=3"], 2, "num_steps"),
        (["lrm-mini", "views={"], 2, "cannot be read as YAML"),
        (
            ["lrm-mini", "layers.data={num_procedural: 0}", "encoder_init=null"],
            8,
            "no training",
        ),
        (
            ["lrm-mini", "layers.data.meshes=[{folder: /nowhere}]", "encoder_init=null"],
            8,
            "not a folder",
        ),
        (["lrm-mini", "objective=rendering", "encoder_init=null"], 8, "views.sources is empty"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, arguments, code, words):
    result = run(*arguments, "-o", tmp_path / "run")
    assert result.exit_code == code, result.output
    assert words in result.stderr
