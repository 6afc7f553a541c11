"""`lrm preprocess show`: one page of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrm_cli.options import JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from lrm_core.rendering.mesh_renderer import Channel


def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Folder or URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.png).")],
    objects: Annotated[int, typer.Option("--objects", min=1, help="Objects on the page.")] = 8,
    views: Annotated[int, typer.Option("--views", min=1, help="Views of each object.")] = 8,
    object_ids: Annotated[
        list[str] | None,
        typer.Option("--object", metavar="ID", help="Show this object (repeatable)."),
    ] = None,
    channels: Annotated[
        str, typer.Option("--channels", help="Any of rgb,depth,normal,alpha with commas.")
    ] = "rgb",
    seed: Annotated[int, typer.Option("--seed", help="Another one shows other objects.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw one page of a dataset, to look at before training on it.

    `--objects 64 --views 1` gives a grid of objects; `--object ID --channels rgb,depth,normal`
    shows all there is of one.
    """
    output = Output(json=json, quiet=quiet)
    wanted = _parse_channels(channels)
    if out.suffix.lower() != ".png":
        raise OutputError(f"{out} is no name of a page", hint="end it with .png")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists already", hint="add --overwrite to replace it")
    from lrm_core.datasets.page import choose_objects, dataset_page
    from lrm_core.io.image_writing import write_png
    from lrm_core.io.view_dataset_files import open_view_dataset

    opened = open_view_dataset(dataset)
    chosen = object_ids or choose_objects(opened, objects, seed)
    write_png(out, dataset_page(opened, chosen, num_views=views, channels=wanted))
    output.success(f"{out}  {len(chosen)} of {len(opened.manifest)} objects")
    output.result({"page": out, "objects": chosen, "channels": list(wanted)})


def _parse_channels(text: str) -> tuple[Channel, ...]:
    from lrm_core.rendering.mesh_renderer import CHANNELS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CHANNELS]
    if unknown:
        raise ConfigError(
            f"--channels: there is no channel '{unknown[0]}'", hint=f"use {', '.join(CHANNELS)}"
        )
    return tuple(channel for channel in CHANNELS if channel in names)
