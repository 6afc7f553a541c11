"""`lrm preprocess show`: one page of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrm_cli.options import (
    ChannelsOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    parse_channels,
)
from lrm_cli.output import Output
from lrm_core.errors import OutputError
from lrm_core.io.atomic_write import check_replaceable, local_files


def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Folder or URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.png).")],
    objects: Annotated[int, typer.Option("--objects", min=1, help="Objects on the page.")] = 8,
    views: Annotated[int, typer.Option("--views", min=1, help="Views of each object.")] = 8,
    object_ids: Annotated[
        list[str] | None,
        typer.Option("--object", metavar="ID", help="Show this object (repeatable)."),
    ] = None,
    channels: ChannelsOption = "rgb",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the choice of objects.")] = 0,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw one page of a dataset, to look at before training on it.

    `--objects 64 --views 1` gives a grid of objects; `--object ID --channels rgb,depth,normal`
    shows all there is of one.
    """
    output = Output(as_json=as_json, quiet=quiet)
    wanted = parse_channels(channels)
    if out.suffix.lower() != ".png":
        raise OutputError(f"{out} is not the name of a page", hint="end it with .png")
    check_replaceable(out, overwrite=overwrite, inputs=local_files(dataset))
    from lrm_core.datasets.page import choose_objects, dataset_page
    from lrm_core.io.image_writing import write_png
    from lrm_core.io.view_dataset_files import open_view_dataset

    opened = open_view_dataset(dataset)
    chosen = object_ids or choose_objects(opened, objects, seed)
    write_png(out, dataset_page(opened, chosen, num_views=views, channels=wanted))
    output.success(f"{out}  {len(chosen)} of {len(opened.manifest)} objects")
    output.result({"page": out, "objects": chosen, "channels": list(wanted)})
