"""Values on the command line that no command takes: empty ones, and files that may not be read.

An empty value is a variable of a script that was never set. `Path("")` is the current folder: taken
as it is, `lrm reconstruct "$PHOTOS"` would read another folder than the one meant.
"""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from lrm_cli.options import JSON_MODE
from lrm_core.errors import ConfigError, InputError

Parse = Callable[[Any, list[str]], list[str]]


class LrmCommand(TyperCommand):
    """A command that takes no empty values, unless an option has one by default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `typer`.

        Raises:
            ConfigError: a value is empty.
            InputError: a file may not be read.
        """
        return _checked(self, super().parse_args, ctx, args)


class LrmSubgroup(TyperGroup):
    """A group of commands with options of its own, which take no empty values either."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `LrmCommand`."""
        return _checked(self, super().parse_args, ctx, args)


def _checked(
    command: TyperCommand | TyperGroup, parse: Parse, ctx: Any, args: list[str]
) -> list[str]:
    """Look at the values as they were written, before an empty one becomes a path."""
    given, _, parameters = command.make_parser(ctx).parse_args(args=list(args))
    ctx.meta[JSON_MODE] = bool(given.get("as_json"))  # errors are reported as it says
    for parameter in parameters:
        values = given.get(parameter.name or "")
        if parameter.default == "" or values is None:
            continue
        if any(value == "" for value in (values if isinstance(values, list | tuple) else [values])):
            name = parameter.metavar if parameter.param_type_name == "argument" else None
            raise ConfigError(
                f"{name or max(parameter.opts, key=len)} is empty, expected a value",
                hint="is a variable of a script not set?",
            )
    try:
        return parse(ctx, args)
    except typer.BadParameter as error:
        if not error.message.endswith("is not readable."):
            raise
        raise InputError(error.message.rstrip("."), hint="check its permissions") from error
