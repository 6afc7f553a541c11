"""`lrm serve` as a process: tokens, ports, signals, and what a kill leaves behind."""

import io
import json
import runpy
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "teapot.png"
EXAMPLES = ROOT / "examples" / "serve"


def ask(url: str, token: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lrm_cli", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_other_machines_need_the_token_that_is_printed(start_server: Callable[..., Any]) -> None:
    server = start_server("--host", "0.0.0.0")
    assert len(server.token) >= 20
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert ask(f"{url}api/v1/info")[0] == 401
    assert ask(f"{url}api/v1/info", server.token)[0] == 200
    assert ask(f"{url}healthz") == (200, b"ok\n")
    status, page = ask(url)
    assert status == 401
    assert b'name="token"' in page


@pytest.fixture(scope="module")
def guarded(start_server: Callable[..., Any]) -> Any:
    return start_server("--token", "secret")


@pytest.mark.parametrize("example", ["client.py", "client.mjs"])
def test_the_clients_of_the_documentation(guarded: Any, tmp_path: Path, example: str) -> None:
    program = sys.executable if example.endswith(".py") else shutil.which("node")
    if program is None:
        pytest.skip("needs node")
    command = [program, str(EXAMPLES / example), str(PHOTO), "a.glb", guarded.url, "secret"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"


def test_the_comfyui_node(guarded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With tensors as ComfyUI hands them over: the mask of Load Image marks the background."""
    folder_paths = ModuleType("folder_paths")
    folder_paths.get_output_directory = lambda: str(tmp_path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "folder_paths", folder_paths)
    names = runpy.run_path(str(EXAMPLES / "comfyui_lrm.py"))
    node = names["NODE_CLASS_MAPPINGS"]["LrmImageTo3D"]()
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    on_ball = (rows - 48) ** 2 + (columns - 64) ** 2 < 30**2
    image = torch.where(on_ball[..., None], torch.tensor([0.8, 0.2, 0.1]), 0.4)[None]
    with Image.open(io.BytesIO(names["encode_png"](image[0]))) as picture:
        assert picture.size == (128, 96)
        np.testing.assert_array_equal(picture.getpixel((64, 48)), [204, 51, 26])
    settings = {"resolution": 64, "texture_size": 512, "url": guarded.url, "token": "secret"}
    answer = node.reconstruct(image, "stl", mask=1.0 - on_ball[None].float(), **settings)
    path = tmp_path / answer["result"][0]
    assert answer["ui"]["3d"] == [{"filename": path.name, "type": "output"}]
    mesh = trimesh.load_mesh(path)
    width, _, height = np.ptp(mesh.vertices, axis=0)
    assert width == pytest.approx(height, rel=0.1), "a ball, not the whole picture"
    with pytest.raises(RuntimeError, match="object"):
        node.reconstruct(torch.full((1, 64, 64, 3), 0.5), "glb", **settings)


def test_a_taken_port_is_said_in_one_line(start_server: Callable[..., Any]) -> None:
    port = start_server().url.rstrip("/").rpartition(":")[2]
    done = run("--port", port)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_that_are_not_there_end_the_server(tmp_path: Path) -> None:
    done = run("--port", "0", "--model", str(tmp_path / "nothing"))
    assert done.returncode == 9
    assert "Traceback" not in done.stderr


def test_without_the_extra_one_line_names_it() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; from lrm_cli.app import main;"
        "sys.argv = ['lrm', 'serve']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 10
    assert "lrm-toolkit[serve]" in done.stderr
    assert len(done.stderr.splitlines()) == 2, "an error and a hint"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupted_server_leaves_nothing(
    start_server: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = start_server()
    assert ask(f"{server.url}healthz")[0] == 200
    assert len(list(tmp_path.glob("lrm-serve-*"))) == 1
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_killed_in_the_middle_no_half_file_is_ever_served(
    start_server: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = start_server()
    command = [
        sys.executable,
        str(EXAMPLES / "client.py"),
        str(PHOTO),
        str(tmp_path / "a.glb"),
        server.url,
    ]
    client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    assert ask(f"{server.url}healthz")[0] == 200
    (folder,) = tmp_path.glob("lrm-serve-*")
    deadline = time.monotonic() + 120
    info: dict[str, Any] = {"running": 0}
    while not info["running"] and time.monotonic() < deadline:
        info = json.loads(ask(f"{server.url}api/v1/info")[1])
    server.process.kill()
    server.process.wait(60)
    assert client.wait(60) != 0
    assert not (tmp_path / "a.glb").exists()
    whole = {"mesh.glb", "mesh.input.png", "mesh.json"}
    for result in folder.iterdir():
        # a folder under the name of a job is whole; others are not looked into
        assert result.name.startswith("making-") or {f.name for f in result.iterdir()} == whole
    following = start_server()
    for result in folder.iterdir():
        assert ask(f"{following.url}api/v1/jobs/{result.name}/files/mesh.glb")[0] == 404
