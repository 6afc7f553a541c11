"""The base install reconstructs and renders; every other command names the extra that it needs."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lrm_core.optional import EXTRA_OF_MODULE

ROOT = Path(__file__).parents[2]

# Runs commands one after the other in a process that cannot import the optional packages.
PROGRAM = '''
import json, sys

class Without:
    """A finder that does not find the blocked modules."""
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        blocks = name.partition(".")[0] in blocked
        return None if blocks else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

blocked, commands = json.loads(sys.argv[1])
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from typer.testing import CliRunner
from lrm_cli.app import app
results = [CliRunner().invoke(app, command) for command in commands]
print(json.dumps([[result.exit_code, result.stderr, str(result.exception)] for result in results]))
'''
NETWORKS = ["rembg", "onnxruntime", "lpips", "open_clip", "pytorch_fid", "ray", "wandb"]


def run_without_extras(commands: list[list[str]], folder: Path) -> list[tuple[int, str, str]]:
    blocked = [*EXTRA_OF_MODULE, *NETWORKS, "objaverse", "diffusers", "transformers"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([blocked, commands])],
        capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(code, stderr, error) for code, stderr, error in json.loads(done.stdout)]


def test_photos_become_meshes_and_views_with_the_base_alone(tmp_path: Path) -> None:
    photo = str(ROOT / "examples" / "teapot.png")
    fast = ["--resolution", "64", "--texture-size", "128"]
    commands = [
        ["--help"],
        ["models"],
        ["train", "--list"],
        ["reconstruct", photo, "-o", "mesh.glb", *fast, "--save-scene", "s.safetensors"],
        ["reconstruct", photo, "-o", "p.ply", *fast, "--vertex-colors", "--target-faces", "500"],
        ["render", "mesh.glb", "-o", "turn.mp4", "--views", "2", "--size", "32"],
        ["render", "s.safetensors", "-o", "views", "--views", "1", "--size", "16"],
        ["preprocess", "photos", photo, "-o", "photos", "--workers", "1"],
    ]
    for command, (code, stderr, error) in zip(
        commands, run_without_extras(commands, tmp_path), strict=True
    ):
        assert code == 0, f"{command}: {stderr} {error}"
    assert {path.name for path in tmp_path.iterdir()} >= {"mesh.glb", "p.ply", "turn.mp4"}


def test_other_commands_name_their_extra_in_one_line(tmp_path: Path) -> None:
    mesh, data = str(tmp_path / "mesh.obj"), str(tmp_path / "data")
    Path(mesh).write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "gso" / "Cup").mkdir(parents=True)
    shutil.copy(mesh, tmp_path / "gso" / "Cup" / "model.obj")
    report = str(ROOT / "reports" / "accepted" / "lrm-mini-procedural.json")
    extras = {
        "data": [
            ["preprocess", "procedural", "-o", data],
            ["preprocess", "assets", mesh, "-o", data],
            ["preprocess", "gso", "--source", str(tmp_path / "gso"), "-o", data],
            ["preprocess", "gso", "--source", data, "--download", "-o", data],
            ["preprocess", "check", data],
            ["preprocess", "show", data, "-o", "page.png"],
            ["preprocess", "convert", data, "--to", "openlrm", "-o", data],
            ["evaluate", "--dataset", "procedural"],
            ["evaluate", "compare", report, report],
            ["evaluate", "check", report, "--against", report],
            ["evaluate", "page", report, "-o", "page.html"],
        ],
        "train": [["train", "lrm-mini"]],
    }
    pairs = [(command, extra) for extra, commands in extras.items() for command in commands]
    results = run_without_extras([command for command, _ in pairs], tmp_path)
    for (command, extra), (code, stderr, error) in zip(pairs, results, strict=True):
        assert code == 10, f"{command}: {code} {stderr} {error}"
        *_, message, hint = stderr.splitlines()
        assert message.startswith("error: ")
        assert hint == f"hint: pip install 'lrm-toolkit[{extra}]'", command
    assert not Path(data).exists()


@pytest.mark.parametrize(("module", "extra"), EXTRA_OF_MODULE.items())
def test_the_extra_brings_the_module_and_the_base_does_not(module: str, extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {"skimage": "scikit-image", "python_multipart": "python-multipart"}
    package = names.get(module, module)
    assert any(line.startswith(package) for line in project["optional-dependencies"][extra])
    assert not any(line.startswith(package) for line in project["dependencies"])
