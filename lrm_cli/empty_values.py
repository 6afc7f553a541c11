"""An empty value on the command line is a variable of a script that was never set.

`Path("")` is the current folder: taken as it is, `lrm reconstruct "$PHOTOS"` would read another
folder than the one meant.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from lrm_core.errors import ConfigError


class LrmCommand(TyperCommand):
    """A command that takes no empty values, unless an option has one by default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `typer`.

        Raises:
            ConfigError: a value is empty.
        """
        _check_values(self, ctx, args)
        return super().parse_args(ctx, args)


class LrmSubgroup(TyperGroup):
    """A group of commands with options of its own, which take no empty values either."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `LrmCommand`."""
        _check_values(self, ctx, args)
        return super().parse_args(ctx, args)


def _check_values(command: TyperCommand | TyperGroup, ctx: Any, args: list[str]) -> None:
    """Look at the values as they were written, before an empty one becomes a path."""
    given, _, parameters = command.make_parser(ctx).parse_args(args=list(args))
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
