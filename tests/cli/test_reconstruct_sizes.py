"""`lrm reconstruct` into formats that have a unit of length."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner

from lrm_cli.app import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "teapot.png"
FAST = ["--resolution", "32", "--texture-size", "64"]


def run(*arguments: object):
    return CliRunner().invoke(app, ["reconstruct", str(EXAMPLE), *map(str, arguments), *FAST])


def test_a_print_stands_upright_and_is_as_large_as_asked(tmp_path):
    result = run("-o", tmp_path / "pot.stl", "--size", "12cm")
    assert result.exit_code == 0, result.output
    assert "--up z" in result.stderr, "the next command reads the file as it is"
    record = json.loads((tmp_path / "pot.json").read_text())
    assert record["frame"] == {"up": "z", "words": "z up, front -y (lrm world)", "unit": "mm"}
    mesh = trimesh.load_mesh(tmp_path / "pot.stl")
    np.testing.assert_allclose(mesh.bounds, record["bounds"], atol=1e-3)
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(120, rel=1e-5)
    # the teapot is wider than it is high, and its handle and spout lie across the photo
    assert np.ptp(mesh.vertices, axis=0).argmax() == 0
    assert mesh.vertices.min() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("suffix", ["3mf", "usdz"])
def test_formats_that_cannot_be_read_again_name_no_next_command(tmp_path, suffix):
    result = run("-o", tmp_path / f"pot.{suffix}")
    assert result.exit_code == 0, result.output
    assert "next:" not in result.stderr
    assert (tmp_path / f"pot.{suffix}").read_bytes()[:2] == b"PK"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pot.obj", "--size", "5cm"], "no unit of length"),
        (["pot.3mf", "--size", "huge"], "not a length"),
        (["pot.3mf", "--up", "y"], "z up by their standard"),
        (["pot.glb", "--up", "z"], "y up by their standard"),
    ],
)
def test_refused_before_the_work(tmp_path, arguments, words):
    result = run("-o", tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []
