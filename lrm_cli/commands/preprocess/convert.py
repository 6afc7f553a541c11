"""`lrm preprocess convert`: datasets from and to OpenLRM's folder layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrm_cli.commands.preprocess.shared import (
    DEFAULT_SPLITS,
    BuildChoices,
    LimitOption,
    OutOption,
    SplitsOption,
    run_build,
)
from lrm_cli.errors import PARTIAL_FAILURE
from lrm_cli.option_groups import expand_options
from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output
from lrm_core.errors import InputError

_SHOWN = 10
_BUILD = BuildChoices()


@expand_options
def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="OpenLRM folder; with --to openlrm a dataset.")
    ],
    out: OutOption,
    to: Annotated[
        Literal["lrm", "openlrm"],
        typer.Option("--to", help="A dataset of lrm's, or OpenLRM's folders."),
    ] = "lrm",
    name: Annotated[
        str, typer.Option("--name", help="Name of the data set that the OpenLRM folder holds.")
    ] = "openlrm",
    licence: Annotated[
        str, typer.Option("--licence", help="Licence of its objects; OpenLRM's layout states none.")
    ] = "unknown",
    limit: LimitOption = None,
    splits: SplitsOption = DEFAULT_SPLITS,
    build: BuildChoices = _BUILD,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn an OpenLRM training folder into a dataset, or with --to openlrm the other way round.

    OpenLRM's layout (UID/rgba, UID/pose, UID/intrinsics.npy) has no place for depth, normals,
    provenance and licence: they are left out of it. Splits become SPLIT_uids.json.
    """
    output = Output(as_json=as_json, quiet=quiet)
    if to == "openlrm":
        _export(output, source, out, limit=limit, workers=build.workers, resume=build.resume)
        return
    from lrm_core.sources.openlrm import OpenLrmSource

    # workers of a cluster start in folders of their own
    objects = OpenLrmSource(Path(source).resolve(), name, licence)
    if licence == "unknown":
        output.warning("the licence of the objects is unknown (--licence)")
    run_build(output, out, objects, objects.jobs()[:limit], build.options(splits=splits))


def _export(
    output: Output, source: str, out: str, *, limit: int | None, workers: int | None, resume: bool
) -> None:
    if "://" in out:
        raise InputError(f"{out}: OpenLRM's layout is written to a local folder only")

    from lrm_core.datasets.openlrm_export import export_openlrm
    from lrm_core.io.view_dataset_files import open_view_dataset
    from lrm_core.parallel import one_per_core

    dataset = open_view_dataset(source)
    dataset = replace(dataset, manifest=dataset.manifest[:limit])
    with output.progress("writing objects", total=len(dataset.manifest)) as task:
        done = export_openlrm(
            dataset,
            Path(out),
            workers=one_per_core(workers),
            resume=resume,
            on_progress=lambda count: task.advance(count),
        )
    if not done.num_objects:
        object_id, reason = done.failures[0]
        raise InputError(f"none of the objects could be written; {object_id}: {reason}")
    for object_id, reason in done.failures[:_SHOWN]:
        output.warning(f"{object_id} was skipped: {reason}")
    if len(done.failures) > _SHOWN:
        output.warning(f"{len(done.failures)} objects were skipped (--json lists all)")
    num_views = sorted(set(dataset.manifest["num_views"].tolist()))
    output.success(f"{out}  {done.num_objects} objects in OpenLRM's layout")
    output.info(f"OpenLRM's dataset.num_all_views is {', '.join(map(str, num_views))} here")
    output.result(
        {
            "folder": out,
            "num_objects": done.num_objects,
            "num_made": done.num_made,
            "num_all_views": num_views,
            "uid_lists": list(done.uid_lists),
            "failures": [{"object_id": name, "reason": why} for name, why in done.failures],
        }
    )
    if done.failures:
        raise typer.Exit(PARTIAL_FAILURE)
