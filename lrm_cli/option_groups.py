"""Options that belong together, as one parameter of a command.

A group is a frozen dataclass whose fields are annotated as Typer wants them. A command names the
group as one parameter, whose default may replace the fields' own:

    @expand_options
    def assets(out: OutOption, views: ViewOptions = ViewOptions(num_views=32)) -> None: ...

On the command line there is one option per field, where the parameter stands. A class variable
`panel` is the title under which help lists the options of a group.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

from typer.models import OptionInfo

Command = Callable[..., None]


def expand_options(command: Command) -> Command:
    """A command with the fields of its option groups as parameters, for Typer.

    Args:
        command: a function; parameters that are annotated with a dataclass are groups, and need a
            default unless all of their fields have one.

    Raises:
        TypeError: two parameters of the same name.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    flat: dict[str, inspect.Parameter] = {}
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        expanded = [parameter.replace(annotation=hint)]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            groups[parameter.name] = hint
            expanded = _fields_as_parameters(hint, parameter.default)
        for option in expanded:
            if option.name in flat:
                raise TypeError(f"{command.__name__} has two options '{option.name}'")
            flat[option.name] = option

    @functools.wraps(command)
    def expanded_command(**values: Any) -> None:
        for name, group in groups.items():
            fields = {field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            values[name] = group(**fields)
        command(**values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in flat.values()]
    vars(expanded_command)["__signature__"] = inspect.Signature(parameters)
    expanded_command.__annotations__ = {p.name: p.annotation for p in parameters}
    return expanded_command


def _fields_as_parameters(group: type, default: Any) -> list[inspect.Parameter]:
    """One parameter per field, with the default of the field or of the given group."""
    hints = typing.get_type_hints(group, include_extras=True)
    panel = getattr(group, "panel", None)
    parameters = []
    for field in dataclasses.fields(group):
        value = inspect.Parameter.empty
        if default is not inspect.Parameter.empty:
            value = getattr(default, field.name)
        elif field.default is not dataclasses.MISSING:
            value = field.default
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=value,
                annotation=_in_panel(hints[field.name], panel),
            )
        )
    return parameters


def _in_panel(hint: Any, panel: str | None) -> Any:
    """The annotation of an option with the panel of its group, unless it names one itself."""
    if panel is None:
        return hint
    kind, *extras = typing.get_args(hint)
    for position, extra in enumerate(extras):
        if isinstance(extra, OptionInfo) and extra.rich_help_panel is None:
            extras[position] = copy.copy(extra)
            extras[position].rich_help_panel = panel
    return Annotated[kind, *extras]
