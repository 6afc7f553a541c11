"""How a real process of `lrm` ends: full and closed outputs, signals at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trimesh

ROOT = Path(__file__).parents[2]
LRM = [sys.executable, "-m", "lrm_cli"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and devices of POSIX")


def start(*arguments: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [*LRM, *arguments], cwd=more.pop("cwd", ROOT), stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **more,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", ["models --json", "models", "--help", "--version", "render --help", "evaluate -h"]
)
def test_a_full_stdout_is_one_line(words):
    with Path("/dev/full").open("w") as full, start(*words.split(), stdout=full) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 4
    assert stderr.splitlines()[0] == "error: [Errno 28] No space left on device"
    assert "Traceback" not in stderr


def test_a_reader_that_leaves_ends_in_silence():
    with start("models", stdout=subprocess.PIPE) as process:
        process.stdout.close()
        _, stderr = process.communicate(timeout=60)
    assert stderr == ""


def test_a_closed_stdout_is_no_reason_to_fail():
    command = f"exec {sys.executable} -m lrm_cli models --quiet >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reconstruct - -o a.glb <&-", "stdin is empty or closed"),
        ("reconstruct photo.png -o - >&-", "stdout is closed"),
    ],
)
def test_closed_streams_are_one_line(tmp_path, command, words):
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m lrm_cli {command}"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert words in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3, 0.5])
def test_ctrl_c_while_the_program_starts(delay):
    with start("render", "--help", stdout=subprocess.DEVNULL) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert "lrm_cli" not in stderr  # before that, Python itself may say what it likes


def test_ctrl_c_has_its_default_before_anything_else_is_imported():
    code = (
        "import sys; before = set(sys.modules); import lrm_cli.__main__, _signal;"
        "assert _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['lrm_cli', 'lrm_cli.__main__']"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_command_leaves_nothing_hidden(tmp_path, number):
    trimesh.creation.icosphere(subdivisions=4).export(tmp_path / "a.glb")
    with start(
        "render", "a.glb", "-o", "v", "--views", "400", "--size", "128",
        cwd=tmp_path, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        for _ in range(1200):
            if any((tmp_path / "v").glob(".*/000.png")) or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert stderr.splitlines()[-1] == "terminated"
    assert not (tmp_path / "v" / "000.png").exists()  # all views, or none
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.rglob(".*")] == []
