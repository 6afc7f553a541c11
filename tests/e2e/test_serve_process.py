"""`lrm serve` as a process: tokens, ports, signals, and what a kill leaves behind."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "teapot.png"
CLIENT = ROOT / "examples" / "serve" / "client.py"


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


def test_the_examples_run(start_server: Callable[..., Any], tmp_path: Path) -> None:
    server = start_server("--token", "secret")
    command = [sys.executable, str(CLIENT), str(PHOTO), "a.glb", server.url, "secret"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"


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
    command = [sys.executable, str(CLIENT), str(PHOTO), str(tmp_path / "a.glb"), server.url]
    client = subprocess.Popen(command, stderr=subprocess.DEVNULL)
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
