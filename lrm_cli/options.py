"""Options that several commands share, so that they look and mean the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from lrm_core.errors import ConfigError
from lrm_core.foreground.methods import BackgroundRemoval, KeepObjects

if TYPE_CHECKING:
    from lrm_core.rendering.mesh_renderer import Channel

# Key under which the parsed --json flag is kept for the error handler (typer.Context.meta).
JSON_MODE = "lrm_cli.json"


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    ctx.meta[JSON_MODE] = value
    return value


Device = Literal["auto", "cpu", "cuda", "mps"]
DType = Literal["auto", "float32", "bfloat16", "float16"]

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Bundled name, folder, weight file or Hugging Face id (see `lrm models`).",
    ),
]

DeviceOption = Annotated[
    Device,
    typer.Option("--device", help="Where to compute; auto takes a GPU when there is one."),
]

DTypeOption = Annotated[
    DType,
    typer.Option(
        "--dtype", help="Number format of the network; auto takes the fastest that is safe here."
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network, and where it is evaluated."""

    panel: ClassVar[str] = "Model"

    model: ModelOption = "lrm-mini"
    device: DeviceOption = "auto"
    dtype: DTypeOption = "auto"


BackgroundRemovalOption = Annotated[
    BackgroundRemoval, typer.Option("--background-removal", help="How the object is found.")
]

KeepOption = Annotated[
    KeepObjects, typer.Option("--keep", help="Which of several objects (a mask is taken whole).")
]

OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that exist already."),
]

JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        callback=_remember_json,
        help="Print one JSON document on stdout, also for errors, and nothing else.",
    ),
]

QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Say nothing but warnings and errors."),
]

ChannelsOption = Annotated[
    str, typer.Option("--channels", help="Any of rgb, depth, normal, alpha, separated by commas.")
]


def parse_channels(text: str) -> tuple[Channel, ...]:
    """The channels that `--channels` names, in the order of the renderer.

    Raises:
        ConfigError: a name that is not a channel.
    """
    from lrm_core.rendering.mesh_renderer import CHANNELS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CHANNELS]
    if unknown:
        raise ConfigError(
            f"--channels: there is no channel '{unknown[0]}'", hint=f"use {', '.join(CHANNELS)}"
        )
    return tuple(channel for channel in CHANNELS if channel in names)
