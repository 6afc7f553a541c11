from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from lrm_cli.option_groups import expand_options


@dataclass(frozen=True, kw_only=True)
class Size:
    width: Annotated[int, typer.Option("--width", min=1, help="Columns.")] = 4
    height: Annotated[int, typer.Option("--height")] = 3


@dataclass(frozen=True, kw_only=True)
class Box(Size):
    depth: Annotated[int, typer.Option("--depth")] = 2


def run(command, *arguments: str):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


WIDE = Box(width=9)


@expand_options
def show(
    name: Annotated[str, typer.Argument()],
    box: Box = WIDE,
    loud: Annotated[bool, typer.Option("--loud")] = False,
) -> None:
    """Show a box."""
    typer.echo(f"{name} {box} {loud}")


def test_fields_are_options_and_arrive_as_the_group():
    result = run(show, "x", "--height", "7", "--loud")
    assert result.output.strip() == f"x {Box(width=9, height=7, depth=2)} True"


def test_the_default_group_replaces_the_defaults_of_the_fields():
    assert run(show, "x").output.strip() == f"x {Box(width=9, height=3, depth=2)} False"


def test_limits_of_the_fields_hold():
    assert run(show, "x", "--width", "0").exit_code == 2


def test_help_lists_the_fields_where_the_group_stands():
    text = run(show, "--help").output
    places = [text.index(option) for option in ("--width", "--height", "--depth", "--loud")]
    assert places == sorted(places)
    assert "Columns." in text
    assert "--box" not in text


def test_a_group_without_default_takes_those_of_its_fields():
    @expand_options
    def plain(size: Size) -> None:
        typer.echo(size)

    assert run(plain).output.strip() == str(Size())


def test_two_options_of_one_name_are_an_error():
    def twice(size: Size, width: int = 1) -> None: ...

    with pytest.raises(TypeError, match="two options 'width'"):
        expand_options(twice)


def test_help_lists_a_group_with_a_panel_under_its_title():
    @dataclass(frozen=True, kw_only=True)
    class Titled(Size):
        panel: ClassVar[str] = "Extent of the box"
        loud: Annotated[bool, typer.Option("--loud", rich_help_panel="Voice")] = False

    titled = Titled()

    def plain(size: Size = titled, name: Annotated[str, typer.Option("--name")] = "") -> None: ...

    plain.__annotations__["size"] = Titled
    parts = run(expand_options(plain), "--help").output.split("─ ")
    panels = {part.split(" ─")[0]: part for part in parts}
    assert {"--width", "--height"} <= set(panels["Extent of the box"].split())
    assert "--loud" in panels["Voice"]
    assert "--name" in panels["Options"]
    # the options of the parent have not moved with those of the child
    assert "--width" in run(show, "--help").output.split("Options ─")[1]
