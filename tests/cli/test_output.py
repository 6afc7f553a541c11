"""The sink: results on stdout, everything else on stderr, one document in JSON mode."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lrm_cli import output as output_module
from lrm_cli.output import Output, printable


def speak(output: Output) -> None:
    output.info("on the way")
    output.warning("careful")
    output.success("done: a[b].obj")
    output.table(["name", "size"], [["x" * 150, "1"]], title="a [/b] c")
    output.result({"mesh": Path("a.obj")})


def test_a_person_reads_lines(capsys: pytest.CaptureFixture[str]) -> None:
    speak(Output())
    stdout, stderr = capsys.readouterr()
    assert stderr == "on the way\nwarning: careful\n"
    lines = stdout.splitlines()
    assert lines[0] == "done: a[b].obj"
    assert lines[1].strip() == "a [/b] c", "the name of a method is no markup"
    assert lines[2].split() == ["name", "size"]
    assert lines[3].split() == ["x" * 150, "1"], "a table in a pipe must not be cut"


def test_a_program_reads_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    speak(Output(as_json=True))
    stdout, stderr = capsys.readouterr()
    assert json.loads(stdout) == {"mesh": "a.obj", "warnings": ["careful"]}
    assert stderr == ""


def test_quiet_still_warns(capsys: pytest.CaptureFixture[str]) -> None:
    speak(Output(quiet=True))
    assert capsys.readouterr() == ("", "warning: careful\n")


def test_json_is_strict() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Output(as_json=True).result({"loss": float("nan")})
    with pytest.raises(TypeError):
        Output(as_json=True).result({"mesh": object()})


def test_progress_in_a_pipe_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 5.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(output_module.time, "monotonic", lambda: next(clock))
    with Output().progress("baking", total=4) as task:
        task.advance()
        task.advance(description="writing")
        task.update(4)
    assert capsys.readouterr() == ("", "writing: 2/4\n")


@pytest.mark.parametrize("mode", [{"as_json": True}, {"quiet": True}])
def test_progress_is_silent_where_nobody_reads(
    mode: dict[str, bool], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "LINE_INTERVAL", 0.0)
    with Output(**mode).progress("baking") as task:
        task.advance(3)
    assert task.completed == 3
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_is_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Output().progress("baking [1]", total=2) as task:
        task.advance(2)
    stdout, stderr = capsys.readouterr()
    assert "100%" in stderr
    assert stdout == ""


def test_an_error_ends_the_progress_and_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), Output().progress("baking"):
        raise ZeroDivisionError


def test_control_characters_become_escapes() -> None:
    assert printable("a\x1b[31m\r\tb\nc é 像") == "a\\x1b[31m\\r\\tb\\nc é 像"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", [b"a b#1.obj", b"bad\xff'\\.obj", b"two\nlines.obj", b"-o.obj"])
def test_the_next_command_can_be_pasted(capfd, name):
    Output(as_json=False, quiet=False).next_step("printf", "%s", Path(os.fsdecode(name)))
    line = capfd.readouterr().err.removeprefix("next: ")
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stdout.removeprefix(b"./") == name
