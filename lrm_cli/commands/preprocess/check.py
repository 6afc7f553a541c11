"""`lrm preprocess check`: whether a dataset is whole and holds what it says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lrm_cli.commands.preprocess.shared import WorkersOption
from lrm_cli.options import JsonOption, OverwriteOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import InputError, OutputError
from lrm_core.io.atomic_write import check_replaceable, local_files

_SHOWN = 40
_PAGE_OBJECTS = 12


def check(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Folder or URL.")],
    page: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also draw a page of samples (.png).")
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Look at manifest, sizes and headers only; decode and hash nothing."
        ),
    ] = False,
    workers: WorkersOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check a dataset: description, manifest, hashes, members, images, cameras, splits.

    The object must lie inside the projection of its bounding box in every view, and its depths
    inside the box. All problems are listed; the exit code is 4 where there are any.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if page is not None:
        if page.suffix.lower() != ".png":
            raise OutputError(f"{page} is not the name of a page", hint="end it with .png")
        check_replaceable(page, overwrite=overwrite, inputs=local_files(dataset))
    from lrm_core.datasets.check import check_dataset
    from lrm_core.datasets.page import choose_objects, dataset_page
    from lrm_core.io.image_writing import write_png
    from lrm_core.io.view_dataset_files import open_view_dataset
    from lrm_core.parallel import one_per_core

    opened = open_view_dataset(dataset)
    with output.progress("checking objects", total=len(opened.manifest)) as task:
        found = check_dataset(
            dataset,
            fast=fast,
            workers=one_per_core(workers),
            on_progress=lambda done: task.advance(done),
        )
    if page is not None:
        try:
            write_png(page, dataset_page(opened, choose_objects(opened, _PAGE_OBJECTS)))
        except InputError as error:
            output.warning(f"no page was drawn: {error.message}")
            page = None
    for note in found.notes:
        output.info(note)
    if found.problems:
        output.table(
            ["where", "problem"],
            [[problem.where, problem.message] for problem in found.problems[:_SHOWN]],
        )
        if len(found.problems) > _SHOWN:
            output.info(f"and {len(found.problems) - _SHOWN} more (--json lists all)")
    else:
        output.success(
            f"{dataset}  {found.num_objects} objects, {found.num_views} views, "
            f"{found.num_shards} shards: no problem found"
        )
        if found.sample_hash:
            output.success(f"samples {found.sample_hash}")
    output.result({"dataset": dataset, "fast": fast, **asdict(found), "page": page})
    if found.problems:
        if output.mode != "json":
            output.warning(f"{dataset} has {len(found.problems)} problems")
        raise typer.Exit(InputError.exit_code)
