"""The frame: errors become words and exit codes, and nothing else is swallowed."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lrm_cli import app as program
from lrm_cli import errors as errors_of_cli
from lrm_cli.app import LrmGroup, main
from lrm_cli.errors import EXIT_CODES
from lrm_cli.options import JsonOption
from lrm_core import __version__, errors


def run_command_that(raises: BaseException, *arguments: str) -> Result:
    """What the user sees of a command that ends with this exception."""
    app = typer.Typer(cls=LrmGroup)

    @app.callback()
    def group() -> None:
        pass

    @app.command()
    def work(as_json: JsonOption = False) -> None:
        raise raises

    return CliRunner().invoke(app, ["work", *arguments])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError, 2),
        (errors.InputError, 4),
        (errors.EmptyForegroundError, 4),
        (errors.OutputError, 4),
        (errors.CheckpointError, 9),
        (errors.MissingDependencyError, 10),
        (errors.EmptySurfaceError, 7),
        (errors.TrainingError, 8),
    ],
)
def test_a_known_error_is_one_line_a_hint_and_its_code(
    error: type[errors.LrmError], code: int
) -> None:
    result = run_command_that(error("a.png: 3 bytes,\n expected an image", hint="look at it"))
    assert result.stderr == "error: a.png: 3 bytes, expected an image\nhint: look at it\n"
    assert result.stdout == ""
    assert result.exit_code == code
    assert code in EXIT_CODES


def test_without_a_hint_there_is_one_line() -> None:
    assert run_command_that(errors.InputError("bad")).stderr == "error: bad\n"


def test_json_mode_gives_the_error_as_the_one_document() -> None:
    result = run_command_that(errors.CheckpointError("no weights", hint="get some"), "--json")
    assert json.loads(result.stdout) == {
        "error": {
            "type": "CheckpointError",
            "message": "no weights",
            "hint": "get some",
            "exit_code": 9,
        }
    }
    assert result.stderr == ""
    assert result.exit_code == 9


def test_control_characters_of_a_file_name_do_not_reach_the_terminal() -> None:
    assert run_command_that(errors.InputError("\x1b[2Jgone")).stderr == "error: \\x1b[2Jgone\n"


def test_a_full_disk_is_no_bug() -> None:
    result = run_command_that(OSError(errno.ENOSPC, "No space left on device", "out/mesh.obj"))
    assert result.exit_code == 4
    assert "No space left on device" in result.stderr


@pytest.mark.parametrize(
    "number",
    [errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.EROFS,
     errno.EIO, errno.EMFILE, errno.EDQUOT],
)  # fmt: skip
def test_whatever_the_system_says_is_one_line(number: int) -> None:
    result = run_command_that(OSError(number, os.strerror(number), "a/\udcff\n.obj"))
    assert result.exit_code == 4
    message, hint = result.stderr.splitlines()
    assert os.strerror(number) in message
    assert message.startswith("error: ")
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 40.2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_one_line(error: Exception) -> None:
    result = run_command_that(error)
    assert result.exit_code == 11
    message, hint = result.stderr.splitlines()
    assert message.startswith("error: not enough memory (")
    assert "--size" in hint


def test_an_unknown_error_keeps_its_traceback() -> None:
    error = ZeroDivisionError("bug")
    result = run_command_that(error)
    assert result.exception is error
    assert result.exit_code == 1


def test_a_batch_can_end_with_its_own_code() -> None:
    assert run_command_that(typer.Exit(3)).exit_code == 3


def test_ctrl_c_ends_a_real_process_with_130() -> None:
    program = (
        "import signal, time, typer\n"
        # a program started in the background may inherit that Ctrl-C is ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from lrm_cli.app import LrmGroup\n"
        "app = typer.Typer(cls=LrmGroup)\n"
        "app.callback()(lambda: None)\n"
        "@app.command()\n"
        "def work():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "app(['work'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "interrupted\n"


def test_version(lrm: Callable[..., Result]) -> None:
    assert lrm("--version").stdout == f"lrm {__version__}\n"


@pytest.mark.parametrize("arguments", [("nonsense",), ("models", "--nonsense")])
def test_wrong_usage_ends_with_2(lrm: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    result = lrm(*arguments)
    assert result.exit_code == 2
    assert "nonsense" in result.stderr


@pytest.mark.parametrize("triton", [False, True])
def test_what_triton_left_over_is_collected_before_the_end(
    monkeypatch: pytest.MonkeyPatch, triton: bool
) -> None:
    """Otherwise its bindings print a page about leaks after every run with LPIPS."""
    frozen: list[bool] = []
    monkeypatch.setattr("lrm_cli.app.app", lambda prog_name: None)
    monkeypatch.setattr("lrm_cli.app._end_on_signals", lambda: None)
    monkeypatch.setattr("lrm_cli.app.gc.freeze", lambda: frozen.append(True))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    if triton:
        monkeypatch.setitem(sys.modules, "triton", pytest)
    main()
    assert frozen == ([] if triton else [True])


def test_a_signal_before_the_command_ends_like_one_in_it(monkeypatch, capsys):
    def interrupted(**_: object) -> None:
        raise errors_of_cli.Terminated

    monkeypatch.setattr(program, "app", interrupted)
    monkeypatch.setattr(program, "_end_on_signals", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == errors_of_cli.TERMINATED
    assert capsys.readouterr().err == ""
