"""Help: every command and every option explains itself, and the README lists them all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from lrm_cli.app import app
from lrm_cli.errors import EXIT_CODES


def _leaves(commands: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every command by its words; groups only where they do something by themselves."""
    found: dict[str, Any] = {}
    for name, command in commands.items():
        inner = getattr(command, "commands", None)
        words = f"{prefix}{name}"
        if inner is None or command.invoke_without_command:
            found[words] = command
        if inner is not None:
            found |= _leaves(inner, f"{words} ")
    return found


GROUPS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
COMMANDS = _leaves(GROUPS)
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

every_command = pytest.mark.parametrize("name", sorted(COMMANDS))


def test_help_lists_commands_and_exit_codes(lrm: Callable[..., Result]) -> None:
    result = lrm("--help")
    assert result.exit_code == 0
    for name in GROUPS:
        assert f" {name} " in result.stdout
    words = " ".join(result.stdout.split())
    for code, text in EXIT_CODES.items():
        assert f"{code} {text}" in words


@every_command
def test_every_command_and_option_explains_itself(name: str, lrm: Callable[..., Result]) -> None:
    command = COMMANDS[name]
    assert command.help.splitlines()[0].endswith("."), "a sentence"
    for parameter in command.params:
        assert parameter.help, f"{name} {parameter.opts} has no help"
    result = lrm(*name.split(), "--help")
    assert result.exit_code == 0
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert parameter.opts[0] in result.stdout


@every_command
def test_every_command_speaks_json_and_can_be_quiet(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {"--json", "--quiet"} <= options


@every_command
def test_the_readme_lists_the_command(name: str) -> None:
    assert f"| `lrm {name} " in README or f"| `lrm {name}`" in README


def test_the_readme_lists_the_exit_codes() -> None:
    for code, text in EXIT_CODES.items():
        assert f"| {code} | {text} |" in README


def test_without_a_command_help_is_shown(lrm: Callable[..., Result]) -> None:
    result = lrm()
    assert result.exit_code == 2
    assert "Usage: lrm" in result.output
